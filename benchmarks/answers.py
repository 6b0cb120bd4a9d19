"""The whole pipeline on real answers: how many claims that experts judged it finds, and how it judges them.

    claimledger audit --config data/samples/claimledger.toml --lake LAKE
    python -m benchmarks.answers LAKE [GOLD]

GOLD holds `source_id`, `text` and `support` of claims (JSON Lines); without it, those of the bundled
sample's 81 answers of ExpertQA. A claim of GOLD is *met* where one claim of the audit has at least
`LEAST` of its words and was judged; the one that has most of them, and the shortest of equals, is its
own. *Supported* is what experts called Complete; Partial and Incomplete are the rest; of claims without
evidence of their own (Missing, N/A) it is only said whether they were met. Prints the share met, balanced
accuracy of those met, and of all where a claim that was not met counts as half right.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.sample import judged, labels
from benchmarks.verdicts import accuracy, draws
from tasks.text import pairs, words

LEAST = 0.8
"""Share of a gold claim's words that a claim of the audit has: people cut answers a little differently."""
JUDGED = ("Complete", "Partial", "Incomplete")
DRAWS = 400


def met(gold: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """`gold` with `said`: the verdict of the audit's claim that has most of its words, null where none does.

    Args:
        gold: `source_id`, `text`, `support`.
        found: `source_id`, `text`, `said` of judged claims.
    """
    gold = gold.with_row_index("row")
    found = found.drop_nulls("said").with_row_index("at")
    terms = [
        words.tokens(frame.select(pairs.without_citations(pl.col("text")))["text"])
        .select(pl.col("row").alias(name), "term")
        .unique()
        for frame, name in ((gold, "row"), (found, "at"))
    ]
    size = terms[0].group_by("row").len("size")
    best = (
        gold.select("row", "source_id")
        .join(found.select("at", "source_id", "said", length=pl.col("text").str.len_chars()), on="source_id")
        .join(terms[0], on="row")
        .join(terms[1], on=["at", "term"])
        .group_by("row", "at", "said", "length")
        .len("shared")
        .join(size, on="row")
        .filter(pl.col("shared") >= LEAST * pl.col("size"))
        .sort("row", "shared", "length", "at", descending=[False, True, False, False])
        .unique("row", keep="first", maintain_order=True)
    )
    return gold.join(best.select("row", "said"), on="row", how="left", maintain_order="left")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake")
    parser.add_argument("gold", nargs="?", type=Path)
    asked = parser.parse_args()
    gold = pl.read_ndjson(asked.gold) if asked.gold else labels("claims.jsonl.gz")
    rows = met(gold, judged(asked.lake))
    print(f"gold claims {rows.height}, met {rows['said'].is_not_null().mean():.1%}")
    rows = rows.filter(pl.col("support").is_in(JUDGED))
    hit = rows["support"].eq("Complete").to_numpy()
    said = rows["said"].eq("supported").fill_null(value=False).to_numpy()
    known = rows["said"].is_not_null().to_numpy()
    weights = draws(rows["source_id"], DRAWS)
    of_met = accuracy(said[known], hit[known], weights[:, known])
    low, high = np.nanquantile(of_met[1:], [0.025, 0.975])
    with_half = [(np.where(known, said == hit, 0.5)[hit == side]).mean() for side in (True, False)]
    print(f"with evidence {len(hit)}, of them complete {hit.sum()}; met {known.sum()} ({known.mean():.1%})")
    print(f"balanced accuracy of those met {of_met[0]:.3f} ({low:.3f} to {high:.3f})")
    print(f"balanced accuracy of all, those not met half right {np.mean(with_half):.3f}")
    print(rows.group_by("support", "said").len().sort("support", "said"))


if __name__ == "__main__":
    main()
