"""Quality of the features verifier on every labelled development file, beside cosine similarity alone.

    CLAIMLEDGER_DEVELOPMENT_DATA=FOLDER python -m benchmarks.quality [RESULT.json]

Nothing is judged on rows it was fitted on: each file is scored by a model fitted on the other files alone,
at a temperature fitted on held-out scores of those others. The shipped artefact saw all of them, so its own
figures here would flatter it. What is not held out: the choice of features was made with these files in
view; the vocabulary's inverse document frequencies, which use no labels, are over all of them; so is the
threshold of cosine similarity. The evidence of a row is read as one passage here; `claimledger evaluate`
scores each piece of evidence by itself.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl

from tasks.decide.verdicts import judged, rounded
from tasks.evidence.models import load_embedder
from tasks.text import pairs
from tasks.verify import calibration, features, softmax
from tasks.verify.evaluate import COSINE_THRESHOLD, figures
from tasks.verify.labels import CODES


def labelled(folder: Path) -> pl.DataFrame:
    files = sorted(folder.glob("*.parquet"))
    return pl.concat(
        pl.read_parquet(f).select("claim", "evidence", "label", dataset=pl.lit(f.stem)) for f in files
    )


def held_out_probabilities(logits: np.ndarray, codes: np.ndarray, frame: pl.DataFrame) -> np.ndarray:
    weights, dataset = features.balanced_weights(frame), frame["dataset"].to_numpy()
    probabilities = np.zeros((len(codes), 3))
    for name in np.unique(dataset):
        held, rest = dataset == name, dataset != name
        temperature = calibration.fit_temperature(logits[rest], codes[rest], weights[rest])
        probabilities[held] = softmax.softmax(logits[held] / temperature)
    return probabilities


def table(frame: pl.DataFrame, values: np.ndarray) -> pl.DataFrame:
    codes = frame["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    logits = features.held_out_logits(
        values, codes, features.balanced_weights(frame), frame["dataset"].to_numpy()
    )
    scored = frame.with_columns(rounded(held_out_probabilities(logits, codes, frame))).with_columns(
        verdict=judged(pl.lit(0.5), pl.lit(0.5)),
        cosine=pl.Series(values[:, pairs.FEATURES.index("cosine_best")]),
    )
    rows = [
        {"dataset": name, **figures(group)}
        for (name,), group in scored.group_by("dataset", maintain_order=True)
    ]
    return pl.DataFrame(rows).sort("dataset")


def main() -> None:
    folder = os.environ.get("CLAIMLEDGER_DEVELOPMENT_DATA")
    if not folder:
        sys.exit("set CLAIMLEDGER_DEVELOPMENT_DATA to the folder of the labelled Parquet files")
    frame = features.chosen_rows(features.prepare(labelled(Path(folder))), 3000)
    weights, unknown = features.vocabulary(frame, features.FitParameters().vocabulary)
    values = features.matrix(frame, load_embedder(), weights, unknown)
    result = table(frame, values)
    shown = ["dataset", "rows", "balanced_accuracy", "ci_low", "ci_high", "cosine_balanced_accuracy"]
    shown += ["three_way_balanced_accuracy", "expected_calibration_error"]
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, float_precision=3):
        print(result.select(shown))
    print(f"cosine threshold {COSINE_THRESHOLD}; mean", end=" ")
    print(result.select(pl.col("balanced_accuracy", "cosine_balanced_accuracy").mean()).row(0))
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(result.to_dicts(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
