"""The table of choices: what each way of judging costs and how good it is, in one run.

    python -m benchmarks.choices FOLDER CACHE [--rows 120] [--timed 300] [--json FILE]

FOLDER holds the held-out files of `training.fit_default`; CACHE, outside the repository, keeps the scores of
networks.
Quality: balanced accuracy at one half and area under the curve, means over the sources with 95% intervals by
bootstrap over evidence, each source judged by a fusion or logistic model that never saw it. Cost: processor
seconds per claim of the whole way of judging, on `--timed` of the same pairs, never from the cache.

Ways: rules alone (supported unless a rule speaks against it); cosine of the claim and the nearest piece;
a logistic model on cosine, coverage, numbers and names; the network alone; the default verifier in int8 as
shipped, in float32, and with twice the text read of each passage.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from benchmarks import verdicts
from benchmarks.network_scores import Remembered
from tasks.text import forms
from tasks.verify import crossencoder, guards, selection
from tasks.verify.artefact import load_artefact
from tasks.verify.crossencoder import READS
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings
from tasks.verify.protocol import Verifier
from training import artefact, fit_default, fusion

UNDECIDED = (0.52, 0.24, 0.24)
"""Probabilities of a claim against which no rule speaks."""


def network(dtype: Literal["int8", "float32"]) -> Verifier:
    """The network by itself, in numbers of that kind."""
    manifest: artefact.Manifest = {
        "kind": crossencoder.KIND,
        "files": {artefact.WEIGHTS: ""},
        "weights": artefact.WEIGHTS,
        "premise": "claim",
    }
    settings = VerifierSettings(batch_tokens=crossencoder.BATCH_TOKENS, dtype=dtype)
    return load_artefact(verdicts.MODEL, manifest, settings, threads=0)


def judged(
    frame: pl.DataFrame, model: Verifier, weights: tuple[dict[str, float], float], budget: int
) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, probabilities of fusion and rules); each row by a fusion without its source."""
    chosen = selection.SelectionParameters(budget_characters=budget)
    claims = forms.aligned(frame["claim"], frame["evidence"])
    values = artefact.inputs(frame.with_columns(claim=claims), model, weights, chosen)
    _, fused = fusion.fit_fusion(frame, values, weights, chosen)
    return values, guards.guarded(fused, frame["claim"], frame["evidence"], READS)


def rules_alone(frame: pl.DataFrame) -> np.ndarray:
    prior = np.tile(UNDECIDED, (frame.height, 1))
    return guards.guarded(prior, frame["claim"], frame["evidence"], READS)


def seconds(work: Callable[[], object], pairs: int) -> float:
    """Processor seconds of all threads per pair."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / pairs


def costs(frame: pl.DataFrame, cache: Path, weights: tuple[dict[str, float], float]) -> dict[str, float]:
    """Processor seconds per claim by way."""
    claims, evidence, n = frame["claim"].to_list(), frame["evidence"].to_list(), frame.height
    whole = load(VerifierSettings())
    alone = {"int8": network("int8"), "float32": network("float32")}
    for model in (whole, *alone.values()):
        model.score(claims[:2], evidence[:2])
    fresh = cache / "timed"
    fresh.mkdir(exist_ok=True)
    (fresh / "cosine.parquet").unlink(missing_ok=True)
    # Loading the embedder is no part of a claim's cost.
    loading = seconds(lambda: verdicts.cosine(frame[:1], fresh), 1)
    near = (seconds(lambda: verdicts.cosine(frame[1:], fresh), 1) - loading) / (n - 1)
    default = seconds(lambda: whole.score(claims, evidence), n)
    chosen = {name: selection.SelectionParameters(budget_characters=name) for name in (480, 960)}

    def read(dtype: str, budget: int) -> float:
        return seconds(lambda: artefact.inputs(frame, alone[dtype], weights, chosen[budget]), n)

    once = read("int8", 480)
    rules = seconds(lambda: rules_alone(frame), n)
    words = seconds(lambda: verdicts.features(frame, np.zeros((n, len(crossencoder.INPUTS))), np.zeros(n)), n)
    return {
        "rules alone": rules,
        "cosine": near,
        "logistic model": near + words,
        "network alone": seconds(lambda: alone["int8"].score(claims, evidence), n),
        "default, int8": default,
        "default, float32": default - once + read("float32", 480),
        "default, twice the text": default - once + read("int8", 960),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--timed", type=int, default=300)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    frame = fusion.chosen_rows(fit_default.rows(asked.folder), asked.rows)
    weights = fusion.vocabulary(frame, verdicts.VOCABULARY)
    whole = Remembered(network("int8"), asked.cache)
    values, default = judged(frame, whole, weights, 480)
    near = verdicts.cosine(frame, asked.cache)
    ways = {
        "rules alone": rules_alone(frame),
        "cosine": verdicts.fitted(frame, near[:, None]),
        "logistic model": verdicts.fitted(frame, verdicts.features(frame, values, near)),
        "network alone": whole.score(frame["claim"].to_list(), frame["evidence"].to_list()).probabilities,
        "default, int8": default,
        "default, float32": judged(frame, Remembered(network("float32"), asked.cache), weights, 480)[1],
        "default, twice the text": judged(frame, whole, weights, 960)[1],
    }
    timed = costs(frame.sample(min(asked.timed, frame.height), seed=3), asked.cache, weights)
    tables = [verdicts.figures(frame, verdicts.Measured(way, p)) for way, p in ways.items()]
    means = pl.concat(tables).filter(pl.col("source") == "mean").to_dicts()
    rows = [{"way": way, "seconds": timed[way], **mean} for way, mean in zip(ways, means, strict=True)]
    print("| way | processor seconds per claim | balanced accuracy | area |\n|---|---|---|---|")
    for row in rows:
        right = f"{row['balanced_accuracy']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        ranks = f"{row['area']:.3f} ({row['area_low']:.3f} to {row['area_high']:.3f})"
        print(f"| {row['way']} | {row['seconds']:.4f} | {right} | {ranks} |")
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
