"""Packs the embedded verifier: exports a trained network and fits what stands around it.

    python -m training.fit_default FOLDER TRAINED OUT

FOLDER holds the held-out files: whole sources from which the network learned nothing. TRAINED is a folder of
`train_default`, or a copy of the embedded verifier's, whose network is then fitted again. OUT becomes the
artefact.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

from training import artefact, both_sides
from training.make_wide_pairs import HELD_OUT

WITH_DOCUMENTS = ("wice_dev", "check_covid", "pubmedqa_conclusions", "infotabs", "expertqa_dev")
"""Held-out sources whose evidence is text with sentences of its own."""
DOCUMENTS = 200
PAIRS = 470
SEED = 77


def rows(folder: Path) -> pl.DataFrame:
    """The held-out sources, and sentences of their documents edited on both sides.

    Of claims that stand in two files, those of the harder one. Natural sources reward shared words so much
    that a fusion of them alone hardly listens to the network, and an edit changes no word that is shared:
    pairs edited on both sides weigh as much as one source (decision 33 has the figures for none and more).
    """
    frames = [
        pl.read_parquet(folder / f"{name}.parquet").select(
            pl.lit(name).alias("dataset"), "claim", "evidence", "label"
        )
        for name in HELD_OUT
        if name != "fool_me_twice"
    ]
    documents = pl.concat(
        frame.select("dataset", text=pl.col("evidence").list.join(" "))
        .unique("text", maintain_order=True)
        .tail(DOCUMENTS)
        for frame in frames
        if frame["dataset"][0] in WITH_DOCUMENTS
    )
    twins = both_sides.make(documents, PAIRS, both_sides.BothSidesParameters(), seed=SEED)
    return pl.concat(
        [
            *(frame.with_columns(pl.col("evidence").list.join("\n")) for frame in frames),
            twins.filter(pl.col("kind") != "both_tense").select(
                pl.lit("edits").alias("dataset"), "claim", "evidence", "label"
            ),
        ]
    )


def main(folder: Path, trained: Path, out: Path) -> None:
    """Packs, prints the held-out figures, keeps rows and inputs beside the trained network."""
    chosen = artefact.PackParameters(rows_per_dataset=350)
    done = artefact.pack(
        trained,
        rows(folder),
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
    main(*(Path(argument) for argument in sys.argv[1:4]))
