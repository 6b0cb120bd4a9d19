"""The verifier over features: similarity, coverage, numbers, names, dates, units and negation.

Belongs here: embedding pieces, loading and fitting the artefact. Does not belong here: what the features
are (`text/pairs.py`) and the arithmetic of the model (`verify/softmax.py`).

Nothing is truncated: all of a passage is read for words and numbers, and every piece of it is embedded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from tasks.errors import InputError, ModelError
from tasks.models.folder import write_manifest
from tasks.text import pairs, words
from tasks.verify import calibration, softmax
from tasks.verify.labels import CODES
from tasks.verify.protocol import Scores, fingerprint, score_distinct

if TYPE_CHECKING:
    from tasks.evidence.models import Embedder
    from tasks.verify.parameters import VerifierSettings

MODEL_FILE = "model.json"
CHUNK_PAIRS = 2048
"""Pairs whose vectors and terms are in memory at once: some 200 MB for passages of 700 characters."""


@dataclass(frozen=True)
class FitParameters:
    """What the fit takes from its data."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    rows_per_dataset: int = 3000
    """Beyond this a data set teaches its own style rather than the task; rows are chosen by digest."""
    vocabulary: int = 6000
    """Stems with a weight of their own; rarer ones share the weight of the unknown."""


class FeatureVerifier:
    """Verifier Protocol over a fitted artefact and an embedder."""

    name = "features"

    def __init__(
        self, artefact: dict[str, Any], embedder: Embedder, settings: VerifierSettings, identity: str
    ) -> None:
        self._model = softmax.Softmax.from_lists(artefact["softmax"])
        self._temperature = float(artefact["temperature"])
        self._weights: dict[str, float] = artefact["weights"]
        self._unknown = float(artefact["unknown_weight"])
        self._embedder = embedder
        self._settings = settings
        self._identity = identity

    @cached_property
    def fingerprint(self) -> str:
        """Over the artefact, the embedder, the rules and the limits that turn a pair insufficient."""
        return fingerprint(
            kind="features",
            artefact=self._identity,
            embedder=self._embedder.fingerprint,
            rules=pairs.RULES_VERSION,
            contradicted="only where named",
            max_tokens=self._settings.max_tokens,
            max_windows=self._settings.max_windows,
        )

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """Scores pairs in the order given; equal pairs are scored once.

        A token is a word or a number here. A claim of more than `max_tokens`, or a passage of more than
        `max_tokens` times `max_windows`, does not fit and is certainly insufficient.
        """
        return score_distinct(claims, passages, self._score, chunk_pairs=CHUNK_PAIRS, progress=progress)

    def _score(self, claims: pl.Series, passages: pl.Series) -> Scores:
        limit = self._settings.max_tokens
        claim_tokens, passage_tokens = words.token_counts(claims), words.token_counts(passages)
        windows = np.maximum(1, -(-passage_tokens // limit))
        fits = (claim_tokens <= limit) & (windows <= self._settings.max_windows)
        # A claim without a word says nothing that evidence could bear out.
        judged = fits & (claim_tokens > 0) & (passage_tokens > 0)
        probabilities = np.zeros((len(claims), 3))
        probabilities[:, 2] = 1.0
        rows = np.flatnonzero(judged)
        if len(rows):
            values = compute(claims[rows], passages[rows], self._embedder, self._weights, self._unknown)
            fitted = softmax.softmax(self._model.logits(values) / self._temperature)
            probabilities[rows] = _contradicted_only_where_named(fitted, values)
        offered = claim_tokens + passage_tokens
        return Scores(
            probabilities,
            offered.astype(np.int32),
            np.where(fits, offered, 0).astype(np.int32),
            np.where(fits, windows, 0).astype(np.int32),
        )


def _contradicted_only_where_named(probabilities: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n, 3) in which a pair is contradicted only if a rule names what differs; the rest is insufficient.

    Similarity and coverage tell support from the rest, not contradiction from silence: held out, they
    recall a third of the contradicted pairs and call most of the insufficient ones contradicted.
    """
    columns = [pairs.FEATURES.index(name) for name in pairs.OPPOSITES]
    unnamed = ~(values[:, columns] > 0).any(axis=1)
    moved = np.where(unnamed, probabilities[:, 1], 0.0)
    result: np.ndarray = probabilities + np.column_stack([np.zeros(len(moved)), -moved, moved])
    return result


def compute(
    claims: pl.Series,
    passages: pl.Series,
    embedder: Embedder,
    weights: dict[str, float],
    unknown_weight: float,
) -> np.ndarray:
    """`pairs.features` of n pairs, with the similarities of this embedder."""
    cut = pairs.pieces(passages)
    texts = pl.concat([claims.rename("text"), cut["text"]]).unique(maintain_order=True)
    vectors = embedder.encode(texts.to_list())
    at = pl.DataFrame({"text": texts}).with_row_index("at")
    claim_at = _places(claims, at)
    piece_at = _places(cut["text"], at)
    owner = cut["passage"].to_numpy()
    claim_vectors, piece_vectors = vectors[claim_at], vectors[piece_at]
    cosine = np.einsum("md,md->m", claim_vectors[owner], piece_vectors)
    total = np.zeros((len(claims), vectors.shape[1]))
    np.add.at(total, owner, piece_vectors)
    length = np.linalg.norm(total, axis=1)
    cosine_all = np.einsum("nd,nd->n", claim_vectors, total) / np.maximum(length, 1e-12)
    # Rounding of single precision differs between batches by less than this.
    cosine, cosine_all = np.round(cosine.astype(np.float64), 6), np.round(cosine_all, 6)
    return pairs.features(
        claims, passages, cut, cosine, cosine_all, weights=weights, unknown_weight=unknown_weight
    )


def _places(texts: pl.Series, at: pl.DataFrame) -> np.ndarray:
    frame = pl.DataFrame({"text": texts}).join(at, on="text", how="left", maintain_order="left")
    return np.asarray(frame["at"].to_numpy())


def load_features(
    folder: Path,
    manifest: dict[str, Any],
    settings: VerifierSettings,
    *,
    threads: int = 0,
    embedder: Embedder | None = None,
) -> FeatureVerifier:
    """The artefact of `fit_features`, whose digests `verifier.read_manifest` has checked.

    Raises:
        ModelError: malformed artefact, another rules version, another embedder than it was fitted with.
    """
    from tasks.evidence.models import load_embedder

    file = folder / MODEL_FILE
    try:
        artefact = json.loads(file.read_bytes())
        recorded = (artefact["rules_version"], artefact["features"], artefact["embedder"])
        if embedder is None or embedder.fingerprint != artefact["embedder"]:
            embedder = load_embedder(threads=threads)
        verifier = FeatureVerifier(artefact, embedder, settings, str(manifest["files"][MODEL_FILE]))
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{file}: not a features model ({type(error).__name__}); train it again") from None
    if recorded != (pairs.RULES_VERSION, list(pairs.FEATURES), embedder.fingerprint):
        raise ModelError(
            f"{file}: fitted with other features, rules or embedding model than these; train it again"
        )
    return verifier


def balanced_weights(frame: pl.DataFrame) -> np.ndarray:
    """(n,) row weights: every data set weighs one, half of it its supported rows, half the others."""
    return (
        frame.with_columns(supported=pl.col("label") == "supported")
        .select(1.0 / pl.len().over("dataset", "supported"))
        .to_series()
        .to_numpy()
    )


def chosen_rows(frame: pl.DataFrame, count: int) -> pl.DataFrame:
    """At most `count` rows of each data set, the same ones in every run and for every order of rows."""
    from tasks.ids import digest_rows

    key = digest_rows("fit", [frame["claim"], frame["evidence"], frame["label"]])
    return (
        frame.with_columns(key=key)
        .sort("key", maintain_order=True)
        .filter(pl.int_range(pl.len()).over("dataset") < count)
        .drop("key")
    )


def vocabulary(frame: pl.DataFrame, count: int) -> tuple[dict[str, float], float]:
    """Inverse document frequency by stem over the evidence and claims, and that of an unknown stem."""
    texts = pl.concat([frame["evidence"].unique(), frame["claim"].rename("evidence").unique()])
    found = pairs.document_frequencies(texts).head(count)
    weight = (np.log((len(texts) + 1) / (found["count"].to_numpy() + 1))).round(2)
    unknown = float(np.round(np.log(len(texts) + 1), 2))
    return dict(zip(found["term"].to_list(), weight.tolist(), strict=True)), unknown


def fit_features(
    labelled: pl.DataFrame,
    folder: Path,
    *,
    embedder: Embedder | None = None,
    parameters: FitParameters | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Fits the features model and writes its artefact; returns the figures it also writes into it.

    Args:
        labelled: `claim`, `evidence` (string or list of strings), `label` (supported, contradicted,
            insufficient or not_supported) and, if there, `dataset`, by which rows are balanced and the
            temperature is fitted: on predictions for each data set by a model that never saw it.
        folder: where `model.json` and its manifest go.
        embedder: the embedded default where None.
        parameters: see `FitParameters`.
        progress: told the number of pairs newly computed.

    Raises:
        InputError: missing columns, unknown labels, or no supported or no other rows.
    """
    from tasks.evidence.models import load_embedder

    parameters = parameters or FitParameters()
    embedder = embedder or load_embedder()
    frame = chosen_rows(prepare(labelled), parameters.rows_per_dataset)
    weights, unknown = vocabulary(frame, parameters.vocabulary)
    values = matrix(frame, embedder, weights, unknown, progress)
    return fit_matrix(
        frame, values, folder, embedder=embedder.fingerprint, weights=weights, unknown_weight=unknown
    )


def fit_matrix(
    frame: pl.DataFrame,
    values: np.ndarray,
    folder: Path,
    *,
    embedder: str,
    weights: dict[str, float],
    unknown_weight: float,
) -> dict[str, Any]:
    """The second half of `fit_features`: from the features of every row to the artefact in `folder`."""
    codes = frame["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    rows = balanced_weights(frame)
    logits = held_out_logits(values, codes, rows, frame["dataset"].to_numpy())
    temperature = calibration.fit_temperature(logits, codes, rows)
    artefact = {
        "features": list(pairs.FEATURES),
        "rules_version": pairs.RULES_VERSION,
        "embedder": embedder,
        "softmax": softmax.fit(values, codes, rows).to_lists(),
        "temperature": temperature,
        "weights": weights,
        "unknown_weight": unknown_weight,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_text(json.dumps(artefact, sort_keys=True) + "\n", "utf-8")
    counts = dict(frame["dataset"].value_counts(sort=True).sort("dataset").iter_rows())
    figures = {"rows": frame.height, "temperature": temperature, "datasets": counts}
    write_manifest(folder, "features", [MODEL_FILE], fitted=figures)
    return figures


def prepare(labelled: pl.DataFrame) -> pl.DataFrame:
    """`claim`, `evidence` (one string), `label`, `dataset`; raises InputError for what cannot be fitted."""
    lacking = [c for c in ("claim", "evidence", "label") if c not in labelled.columns]
    if lacking:
        raise InputError(
            f"labelled pairs lack {', '.join(lacking)}; found the columns {', '.join(labelled.columns[:20])}"
        )
    evidence = pl.col("evidence")
    if isinstance(labelled.schema["evidence"], pl.List):
        evidence = evidence.list.join("\n", ignore_nulls=True)
    dataset = pl.col("dataset") if "dataset" in labelled.columns else pl.lit("pairs")
    frame = labelled.select("claim", evidence, "label", dataset=dataset.cast(pl.String).fill_null("pairs"))
    frame = frame.drop_nulls()
    unknown = set(frame["label"].unique()) - set(CODES)
    if unknown:
        raise InputError(f"labels {sorted(unknown)[:3]} are unknown, expected {', '.join(CODES)}")
    if frame["label"].eq("supported").sum() in (0, frame.height):
        raise InputError("fitting needs supported rows and others; only one kind is there")
    return frame


def matrix(
    frame: pl.DataFrame,
    embedder: Embedder,
    weights: dict[str, float],
    unknown_weight: float,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Features of all rows, chunk by chunk."""
    parts = []
    for chunk in frame.iter_slices(CHUNK_PAIRS):
        parts.append(compute(chunk["claim"], chunk["evidence"], embedder, weights, unknown_weight))
        if progress:
            progress(chunk.height)
    return np.concatenate(parts)


def held_out_logits(
    values: np.ndarray, codes: np.ndarray, rows: np.ndarray, dataset: np.ndarray
) -> np.ndarray:
    """(n, 3) logits of every row by a model that saw nothing of its data set; five folds where only one."""
    groups = dataset if len(np.unique(dataset)) > 1 else np.arange(len(dataset)) % 5
    logits = np.zeros((len(codes), 3))
    for held in _masks(groups):
        logits[held] = softmax.fit(values[~held], codes[~held], rows[~held]).logits(values[held])
    return logits


def _masks(groups: np.ndarray) -> Iterator[np.ndarray]:
    for group in np.unique(groups):
        yield groups == group
