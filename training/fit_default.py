"""Packs the embedded verifier: exports a trained network and fits what stands around it.

    python -m training.fit_default FOLDER PAIRS.parquet TRAINED OUT

FOLDER holds the five held-out files, PAIRS.parquet is what TRAINED was trained from (only the rows that the
training kept back are used), OUT becomes the artefact.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

from training import artefact
from training.loop import TrainParameters
from training.make_training_pairs import HELD_OUT
from training.pairs import read_pairs, split

SEED = 7
COLUMNS = ("dataset", "claim", "evidence", "label")


def rows(folder: Path, pairs: Path) -> pl.DataFrame:
    """The five held-out files, and what the training kept back of the natural kinds."""
    held_out = [
        pl.read_parquet(folder / f"{name}.parquet").select(
            pl.lit(name).alias("dataset"), "claim", pl.col("evidence").list.join("\n"), "label"
        )
        for name in HELD_OUT
    ]
    _, kept_back = split(read_pairs([pairs]), TrainParameters().held_out, SEED)
    natural = ("nli_mnli", "nli_snli", "fever_dev")
    mine = kept_back.filter(pl.col("dataset").is_in(natural) | pl.col("dataset").str.starts_with("ares"))
    mine = mine.with_columns(pl.col("dataset").str.replace("^ares.*", "ares"))
    return pl.concat([frame.select(COLUMNS) for frame in (*held_out, mine)])


def main(folder: Path, pairs: Path, trained: Path, out: Path) -> None:
    """Packs, prints the held-out figures, keeps rows and inputs beside the trained network."""
    chosen = artefact.PackParameters(rows_per_dataset=350)
    done = artefact.pack(
        trained,
        rows(folder, pairs),
        out,
        parameters=chosen,
        progress=lambda count: print("+", count, file=sys.stderr, flush=True),
    )
    print(json.dumps(done.figures, indent=1))
    scratch = trained / "fit"
    scratch.mkdir(exist_ok=True)
    done.frame.write_parquet(scratch / "rows.parquet")
    np.save(scratch / "values.npy", done.values)
    np.save(scratch / "probabilities.npy", done.probabilities)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:5]))
