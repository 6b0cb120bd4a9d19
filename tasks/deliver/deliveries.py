"""Rows of the table `deliveries` out of an endpoint's journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from tasks.schema import conform
from tasks.tables import DELIVERIES, UTC

JOURNAL = pl.Schema(
    {
        "message": pl.String,
        "first": pl.Int64,
        "count": pl.Int64,
        "attempts": pl.Int64,
        "status": pl.String,
        "at": pl.String,
        "event_id": pl.String,
    }
)
"""A journal's line: neighbouring events that were settled alike, or a checkpoint, which has its own id."""


def of_journal(
    lines: Sequence[dict[str, Any]], events: pl.LazyFrame, *, endpoint: str, run_id: str
) -> pl.DataFrame:
    """One row an event and a checkpoint (DELIVERIES); what a crash wrote twice has the later attempt.

    Args:
        events: the table, of which `sequence` and `event_id` are read.
    """
    journal = pl.DataFrame(list(lines), schema=JOURNAL)
    is_event = pl.col("message") != "checkpoint"
    each = journal.filter(is_event).with_columns(
        leaf_index=pl.int_ranges("first", pl.col("first") + pl.col("count"))
    )
    each = each.drop("event_id").explode("leaf_index").drop_nulls("leaf_index")
    low, high = each["leaf_index"].min(), each["leaf_index"].max()
    known = events.filter(pl.col("sequence").is_between(low, high)).select("sequence", "event_id")
    each = each.join(known.collect(), left_on="leaf_index", right_on="sequence", how="inner")
    points = journal.filter(~is_event).with_columns(leaf_index=pl.col("first"))
    rows = pl.concat([each, points], how="diagonal").with_columns(
        endpoint=pl.lit(endpoint),
        run_id=pl.lit(run_id),
        delivered_at=pl.col("at").str.to_datetime(time_unit="us", time_zone="UTC").cast(UTC),
    )
    rows = rows.unique(DELIVERIES.key, keep="last", maintain_order=True)
    return conform(DELIVERIES, rows.select(DELIVERIES.schema.names()))
