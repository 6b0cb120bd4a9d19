"""What is current in a lake: one rule, as SQL for views and pages and as Polars for everybody else.

An output is current until another supersedes it. Of a claim that was judged several times the last judgement
is current, and of an output the last action; equal moments are settled by the id.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Newest:
    """Rows of which only the newest for each `per` is current."""

    per: tuple[str, ...]
    by: tuple[str, str]
    """The moment, and the id that settles equal moments; the greatest counts."""

    @property
    def sql(self) -> str:
        """The condition as DuckDB's QUALIFY takes it."""
        order = ", ".join(f"{column} DESC" for column in self.by)
        return f"row_number() OVER (PARTITION BY {', '.join(self.per)} ORDER BY {order}) = 1"

    def of(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows that are current."""
        return rows.sort(self.by, descending=True).unique(self.per, keep="first", maintain_order=True)


VERDICTS = Newest(("claim_id",), ("verified_at", "verdict_id"))
ACTIONS = Newest(("output_id",), ("decided_at", "action_id"))
CAUGHT = Newest(("output_id",), ("known_at", "caught_id"))
ACTIONS_TAKEN = Newest(("output_id",), ("noted_at", "taken_id"))
REVIEWS = Newest(("verdict_id", "reviewer"), ("reviewed_at", "review_id"))
"""A reviewer's last word on a verdict."""


def current_outputs(outputs: pl.LazyFrame) -> pl.LazyFrame:
    """OUTPUTS rows that no other supersedes."""
    replaced = outputs.select(output_id="supersedes").drop_nulls()
    return outputs.join(replaced, on="output_id", how="anti")


def current_reviews(reviews: pl.LazyFrame) -> pl.LazyFrame:
    """REVIEWS rows that count: each reviewer's last word on each verdict, unless it was withdrawn."""
    return REVIEWS.of(reviews).filter(pl.col("outcome") != "withdrawn")
