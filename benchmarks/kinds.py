"""How many pairs of each kind that users reported the whole verifier judges right, known misses among them.

    python -m benchmarks.kinds [--verifier NAME] [--show] [--json FILE]

The pairs are those of `tests/data/kinds_of_verdicts.jsonl`, which the rules' test judges too, and of
`tests/data/known_misses_of_verdicts.jsonl`, which were wrong when they were written and are kept so that they
count. Thresholds are the default policy's. `--show` prints the pairs that are wrong.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl

from tasks.decide.policies import Policy
from tasks.tables import VERDICTS
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
FILES = ("kinds_of_verdicts", "known_misses_of_verdicts")


def verdicts(probabilities: np.ndarray, policy: Policy) -> pl.Series:
    """Supported or contradicted where a probability reaches its threshold, else insufficient."""
    supported, contradicted, insufficient = VERDICTS
    p = pl.DataFrame(probabilities, schema=["supported", "contradicted", "insufficient"])
    return p.select(
        pl.when(pl.col("supported") >= policy.threshold_supported)
        .then(pl.lit(supported))
        .when(pl.col("contradicted") >= policy.threshold_contradicted)
        .then(pl.lit(contradicted))
        .otherwise(pl.lit(insufficient))
        .alias("verdict")
    )["verdict"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--verifier", default="default")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    pairs = pl.concat(
        pl.read_ndjson(DATA / f"{name}.jsonl").with_columns(is_known_miss=pl.lit("misses" in name))
        for name in FILES
    )
    verifier = load(VerifierSettings(model=asked.verifier))
    scores = verifier.score(pairs["claim"].to_list(), pairs["evidence"].to_list())
    verdict = pl.col("verdict")
    is_right = pl.when(pl.col("right") == "not_supported").then(verdict != "supported").otherwise(
        verdict == pl.col("right")
    )  # fmt: skip
    judged = pairs.with_columns(verdict=verdicts(scores.probabilities, Policy())).with_columns(
        is_right=is_right
    )
    table = (
        judged.group_by("kind")
        .agg(
            pairs=pl.len(),
            right=pl.col("is_right").sum(),
            known_misses=pl.col("is_known_miss").sum(),
            misses_now_right=(pl.col("is_known_miss") & pl.col("is_right")).sum(),
        )
        .sort("kind")
    )
    whole = table.select(pl.lit("all").alias("kind"), pl.exclude("kind").sum())
    with pl.Config(tbl_rows=40, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(pl.concat([table, whole]))
    if asked.show:
        for row in judged.filter(~pl.col("is_right")).iter_rows(named=True):
            print(f"{row['kind']}: right {row['right']}, judged {row['verdict']}")
            print(f"  {row['claim']}\n  {row['evidence']}")
    if asked.json:
        asked.json.write_text(json.dumps(table.to_dicts(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
