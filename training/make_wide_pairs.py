"""Writes the pairs of the third pass: natural sources new and old, and pairs edited on both sides.

    python -m training.make_wide_pairs FOLDER OUT.parquet [SEED]

FOLDER holds the Parquet files named in `NATURAL` (sources and licences stand in the model card). The files of
`HELD_OUT` are never read here: whole sources that judge, calibrate and fuse.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from training import augment, both_sides, make_training_pairs, patterns

NATURAL = {
    # practised before
    "nli_mnli_snli": 3200,
    "fever_dev_pairs": 2400,
    "ares_synthetic": 2800,
    "conjnli": 300,
    "help": 300,
    # new
    "fever_nli": 2600,
    "cad_nli": 1500,
    "fetaqa": 1300,
    "evidence_inference": 1600,
    "chatprotect": 700,
    "negation_nli": 1400,
    "folio": 400,
    "tabfact": 1600,
    "argkp": 1600,
    "snli_test": 600,
    "med": 900,
    "drop_nli": 1500,
    "creak": 900,
    "scitldr": 1600,
    "factor": 1400,
    "wikisplit": 600,
    "wikisplit_swaps": 900,
}
"""File and pairs drawn from it: half supported where there are enough."""
HELD_OUT = (
    *make_training_pairs.HELD_OUT,
    "check_covid",
    "evouna",
    "faithdial_audit",
    "feverous_dev",
    "fool_me_twice",
    "fool_me_twice_retrieved",
    "infotabs",
    "pubmedqa_conclusions",
    "scitail_dev",
)
MADE = 4000
"""Pairs of `augment.make` from the natural ones: changed and several facts, distractors, swapped evidence."""
BOTH_SIDES = 8000
PATTERNS = {
    "records": 1600,
    "conditions": 1200,
    "lists": 700,
    "quantities": 500,
    "mentions": 500,
    "cells": 1400,
}


def natural(folder: Path, seed: int) -> pl.DataFrame:
    """`dataset`, `claim`, `evidence`, `label`, `kind` of the files in `NATURAL`, as many as planned."""
    frames = []
    for name, count in NATURAL.items():
        frame = (
            pl.read_parquet(folder / f"{name}.parquet")
            .select("dataset", "claim", pl.col("evidence").list.join(" "), "label")
            .filter(pl.col("claim").str.len_chars() < make_training_pairs.LONGEST_CLAIM)
            .unique(["claim", "evidence"], maintain_order=True)
            .sample(fraction=1.0, shuffle=True, seed=seed)
        )
        supported = pl.col("label") == "supported"
        both = frame["label"].n_unique() > 1
        half = count // 2 if both else count
        frames.append(pl.concat([frame.filter(supported).head(half), frame.filter(~supported).head(half)]))
    return pl.concat(frames).with_columns(kind=pl.lit("given"))


def main(folder: Path, out: Path, seed: int = 23) -> None:
    """Draws, makes, writes."""
    given = natural(folder, seed)
    made = augment.make(given.drop("kind"), augment.AugmentParameters(document_rounds=1), seed=seed)
    documents = pl.concat(
        [
            pl.read_parquet(folder / "docs.parquet").select(pl.lit("docs").alias("dataset"), "text"),
            _contexts(folder, ("conditionalqa", "covid_qa", "onestop_qa", "qed")),
        ]
    )
    twins = both_sides.make(documents, BOTH_SIDES, both_sides.BothSidesParameters(), seed=seed)
    claims = given.filter(pl.col("dataset").str.starts_with("fever"), pl.col("label") == "supported")["claim"]
    tables = pl.read_parquet(folder / "qa_pairs.parquet").filter(pl.col("dataset") == "wikitablequestions")
    short = tables.filter(pl.col("context").list.len().is_between(3, 14))["context"].unique(
        maintain_order=True
    )
    regular = patterns.make(PATTERNS, claims.to_list(), short.to_list(), seed=seed)
    everything = pl.concat(
        [given, made.sample(min(MADE, made.height), shuffle=True, seed=seed), twins, regular]
    ).unique(["claim", "evidence"], maintain_order=True)
    make_training_pairs.write(everything, out, seed)


def _contexts(folder: Path, names: tuple[str, ...]) -> pl.DataFrame:
    """`dataset`, `text`: contexts of questions, as documents to take sentences from."""
    frame = pl.read_parquet(folder / "qa_pairs.parquet").filter(pl.col("dataset").is_in(names))
    return frame.select("dataset", text=pl.col("context").list.join(" ")).unique("text", maintain_order=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 23)
