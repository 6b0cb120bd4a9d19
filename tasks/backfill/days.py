"""How far each day is: a row for each UTC day, a column for each stage."""

from __future__ import annotations

from datetime import date

import polars as pl

from tasks.backfill.aside import CHECK
from tasks.tables import ERASED

DAYS = pl.Schema(
    {
        "day": pl.Date,
        "outputs": pl.Int64,
        "claims": pl.Int64,
        "judged": pl.Int64,
        "actions": pl.Int64,
        "set_aside": pl.Int64,
        "state": pl.String,
    }
)
"""Of each day: outputs published; factual claims in them; those that have a verdict, of whatever verifier;
outputs with an action; outputs of units that were set aside and are not published since; in words."""


def days(
    outputs: pl.LazyFrame,
    claims: pl.LazyFrame,
    verdicts: pl.LazyFrame,
    actions: pl.LazyFrame,
    refused: pl.LazyFrame,
    *,
    since: date,
    until: date,
) -> pl.DataFrame:
    """DAYS frame of a range, both ends included, from the tables of the same days.

    Args:
        refused: all of QUARANTINE, which is of the days of runs.
    """
    outputs = outputs.filter(pl.col("response") != ERASED)
    aside = refused.filter(pl.col("check") == CHECK).select(
        output_id=pl.col("raw").str.json_path_match("$.output_id"),
        produced_at=pl.col("raw").str.json_path_match("$.produced_at").str.slice(0, 10).str.to_date(),
    )
    counts = {
        "outputs": _by_day(outputs, "output_id"),
        "claims": _by_day(claims.filter(pl.col("kind") == "factual"), "claim_id"),
        "judged": _by_day(verdicts, "claim_id"),
        "actions": _by_day(actions, "output_id"),
        "set_aside": _by_day(aside.join(outputs, on="output_id", how="anti"), "output_id"),
    }
    frame = pl.LazyFrame({"day": pl.date_range(since, until, eager=True)})
    for name, counted in counts.items():
        frame = frame.join(counted.rename({"rows": name}), on="day", how="left")
    waiting = pl.col("claims") - pl.col("judged")
    return (
        frame.with_columns(pl.col(*counts).fill_null(0).cast(pl.Int64))
        .with_columns(
            state=pl.when(pl.col("set_aside") > 0)
            .then(pl.lit("set aside"))
            .when(pl.col("outputs") == 0)
            .then(pl.lit("empty"))
            .when(waiting > 0)
            .then(pl.format("{} to judge", waiting))
            .otherwise(pl.lit("complete"))
        )
        .sort("day")
        .collect(engine="streaming")
        .select(DAYS.names())
    )


def _by_day(rows: pl.LazyFrame, key: str) -> pl.LazyFrame:
    return rows.group_by(day=pl.col("produced_at").cast(pl.Date)).agg(rows=pl.col(key).n_unique())
