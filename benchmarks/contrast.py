"""Claim: a changed fact lowers support in 90% of cases per kind, a harmless change keeps 85% of verdicts.

    python -m benchmarks.contrast PAIRS.parquet… [--verifier NAME] [--per-kind 200] [--show N]

PAIRS are labelled pairs that the verifier was not trained on. Prints a table; `--show` prints cases to check
by hand; `--json FILE` writes the figures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl

from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings
from training.contrast import ContrastParameters, cases, judge
from training.pairs import read_pairs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="+", type=Path)
    parser.add_argument("--verifier", default="default")
    parser.add_argument("--per-kind", type=int, default=200)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    made = cases(read_pairs(arguments.pairs), ContrastParameters(per_kind=arguments.per_kind))
    for (kind,), group in made.group_by("kind", maintain_order=True):
        for claim, edited in group.head(arguments.show).select("claim", "edited").iter_rows():
            print(f"{kind}\n  {claim}\n  {edited}")
    if arguments.show:
        return
    verifier = load(VerifierSettings(model=arguments.verifier))
    evidence = made["evidence"].to_list()
    scores = verifier.score([*made["claim"], *made["edited"]], [*evidence, *evidence]).probabilities[:, 0]
    table = judge(made, scores[: made.height], scores[made.height :])
    with pl.Config(tbl_rows=40, tbl_hide_dataframe_shape=True, float_precision=3):
        print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table.to_dicts(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
