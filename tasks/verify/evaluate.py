"""`claimledger evaluate`: how good a verifier is, by data set, beside cosine similarity alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.errors import InputError
from tasks.tables import PROBABILITIES
from tasks.text.pairs import pieces
from tasks.verify import metrics
from tasks.verify.load import load
from tasks.verify.pair_files import labelled, read_pairs
from tasks.verify.protocol import Verifier
from tasks.verify.scoring import score_frame

if TYPE_CHECKING:
    from tasks.evidence.models import Embedder
    from tasks.verify.parameters import ScoringParameters

COSINE_THRESHOLD = 0.67
"""Cosine similarity of MiniLM vectors from which the baseline says *supported*: midway between the means
of supported rows (0.72) and others (0.61) over the development files, each file weighing the same."""

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,
    "rows": pl.Int64,
    "balanced_accuracy": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "three_way_balanced_accuracy": pl.Float64,
    "recall_supported": pl.Float64,
    "recall_contradicted": pl.Float64,
    "recall_insufficient": pl.Float64,
    "recall_not_supported": pl.Float64,
    "expected_calibration_error": pl.Float64,
    "balanced_calibration_error": pl.Float64,
    "calibration_error_by_chance": pl.Float64,
    "brier": pl.Float64,
    "cosine_balanced_accuracy": pl.Float64,
    "verifier": pl.String,
}


def evaluate_files(
    paths: Sequence[str | Path],
    parameters: ScoringParameters,
    progress: Callable[[int], None] | None = None,
    *,
    verifiers: Sequence[Verifier] = (),
    embedder: Embedder | None = None,
) -> pl.DataFrame:
    """One row per file, `dataset` in it and verifier (`SCHEMA`), in that order; without any, the configured.

    Balanced accuracy is of supported against the rest, by the default policy's thresholds, with a 95%
    bootstrap interval; three-way figures are of the rows whose label says which of the three it is, null
    where there are none. Calibration is of p_supported: as the file is, with supported and others weighing
    the same, and what chance alone would show on as many rows. The cosine column is the same balanced
    accuracy by the similarity of the embedded default to the closest piece of evidence, at
    `COSINE_THRESHOLD`.

    Raises:
        InputError: a file cannot be read or has no `label`, or a label is unknown.
        ModelError: the verifier cannot be loaded.
    """
    from tasks.evidence.models import load_embedder

    verifiers = verifiers or [load(parameters.verifier, threads=parameters.threads)]
    embedder = embedder or load_embedder(threads=parameters.threads)
    rows = []
    for path in map(Path, paths):
        frames = _judged(path, parameters, verifiers, embedder, progress)
        for name in frames[0]["dataset"].unique(maintain_order=True):
            for verifier, frame in zip(verifiers, frames, strict=True):
                figures = _figures(frame.filter(pl.col("dataset") == name))
                rows.append({"dataset": str(name), **figures, "verifier": verifier.name})
    return pl.DataFrame(rows, schema=SCHEMA)


def _judged(
    path: Path,
    parameters: ScoringParameters,
    verifiers: Sequence[Verifier],
    embedder: Embedder,
    progress: Callable[[int], None] | None,
) -> list[pl.DataFrame]:
    """Per verifier: `dataset`, `label`, `verdict`, probabilities and `cosine` of every pair of the file."""
    parts: list[list[pl.DataFrame]] = [[] for _ in verifiers]
    for chunk in read_pairs(path, parameters.max_record_bytes):
        pairs = labelled(chunk.frame, path)
        similarity = cosine(pairs, embedder)
        for verifier, part in zip(verifiers, parts, strict=True):
            scored = score_frame(pairs, verifier, parameters.policy)
            part.append(scored.select("dataset", "label", "verdict", *PROBABILITIES, similarity))
        if progress:
            progress(pairs.height)
    return [pl.concat(part) for part in parts]


def load_named(names: Sequence[str], parameters: ScoringParameters) -> list[Verifier]:
    """The verifiers of those names, folders or hub ids, each under the other settings as they are.

    Without a calibration: the configured one was made for the configured verifier alone.

    Raises:
        InputError: a name twice.
        ModelError: one of them cannot be loaded.
    """
    threads = parameters.threads
    chosen = replace(parameters.verifier, calibration="")
    loaded = [load(replace(chosen, model=name), threads=threads) for name in names]
    if len({verifier.name for verifier in loaded}) < len(loaded):
        raise InputError(f"--verifier names one verifier twice: {', '.join(v.name for v in loaded)[:200]}")
    return loaded


def side_by_side(evaluated: pl.DataFrame) -> pl.DataFrame:
    """`dataset`, `cosine`, and per verifier its balanced accuracy with its interval as text; a mean last."""
    shown = evaluated.with_columns(
        text=pl.format(
            "{} ({} to {})",
            *(pl.col(name).round(3) for name in ("balanced_accuracy", "ci_low", "ci_high")),
        )
    )
    wide = shown.pivot(on="verifier", index="dataset", values="text", maintain_order=True)
    base = shown.unique("dataset", keep="first", maintain_order=True)
    wide = wide.join(
        base.select("dataset", cosine=pl.col("cosine_balanced_accuracy").round(3).cast(pl.String)),
        on="dataset",
        how="left",
        maintain_order="left",
    )
    means = evaluated.group_by("verifier").agg(pl.col("balanced_accuracy").mean().round(3).cast(pl.String))
    mean = {
        "dataset": "mean",
        "cosine": str(round(float(base["cosine_balanced_accuracy"].mean() or 0.0), 3)),  # type: ignore[arg-type]
        **dict(means.iter_rows()),
    }
    return pl.concat([wide, pl.DataFrame([mean]).select(wide.columns)])


def cosine(frame: pl.DataFrame, embedder: Embedder) -> pl.Series:
    """Similarity of each claim to the closest piece of its evidence; 0 where there is none."""
    evidence = pl.col("evidence")
    if isinstance(frame.schema["evidence"], pl.List):
        evidence = evidence.list.join("\n", ignore_nulls=True)
    texts = frame.select(evidence.fill_null(""))["evidence"]
    cut = pieces(texts)
    owner = cut["passage"].to_numpy()
    claim_vectors = embedder.encode(frame["claim"].fill_null("").to_list(), "query")
    similarity = np.einsum("md,md->m", claim_vectors[owner], embedder.encode(cut["text"].to_list()))
    best = np.zeros(frame.height)
    np.maximum.at(best, owner, similarity)
    return pl.Series("cosine", best)


def _figures(frame: pl.DataFrame) -> dict[str, float | None]:
    truth = (frame["label"] != "supported").to_numpy().astype(int)
    guess = (frame["cosine"].to_numpy() < COSINE_THRESHOLD).astype(int)
    cosine_accuracy = metrics.balanced_accuracy(truth, guess, 2)
    return {**metrics.figures(frame), "cosine_balanced_accuracy": cosine_accuracy}
