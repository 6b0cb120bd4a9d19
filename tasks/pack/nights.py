"""Expected nights against runs: which ran, failed or were missed, and what made up for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from tasks.tables import UTC

FLOW = "nightly audit"
"""The flow that the schedule starts."""
EARLY = pl.duration(minutes=5)
"""A run may begin so long before its instant: clocks differ."""
SCHEMA = pl.Schema(
    {
        "expected_at": UTC,
        "state": pl.String(),
        "is_expected": pl.Boolean(),
        "run_id": pl.String(),
        "started_at": UTC,
        "settled_by": pl.String(),
        "settled_at": UTC,
    }
)


def nights(
    expected: Sequence[datetime], following: datetime | None, runs: pl.DataFrame, *, now: datetime
) -> pl.DataFrame:
    """One row per instant of the schedule (`SCHEMA`).

    `state` is ran, failed (began, did not complete), missed, not_due (after `now`), or before_first_run: no
    night is expected of a lake before anybody ran it. `settled_by` is the first completed run that began
    after a failed or missed night: it pulls what is new since the last one that completed.

    Args:
        expected: instants of the schedule, ascending, in UTC.
        following: the next instant after them, which ends the last night.
        runs: columns run_id, flow, started_at, status; of all time.
    """
    audits = runs.filter(pl.col("flow") == FLOW).sort("started_at")
    if not expected:
        return pl.DataFrame(schema=SCHEMA)
    due = pl.DataFrame({"expected_at": list(expected)}, schema={"expected_at": UTC}).sort("expected_at")
    due = due.with_row_index("night")
    begun = audits.select("run_id", "status", "started_at", at=pl.col("started_at") + EARLY).sort("at")
    if following is not None:
        begun = begun.filter(pl.col("at") < following)
    matched = (
        begun.join_asof(due.sort("expected_at"), left_on="at", right_on="expected_at", strategy="backward")
        .with_columns(is_completed=pl.col("status") == "completed")
        .sort("is_completed", "started_at", descending=[True, False])
        .unique("night", keep="first", maintain_order=True)
        .select("night", "run_id", "status", "started_at")
    )
    first = runs["started_at"].min()
    state = (
        pl.when(pl.col("expected_at") > now)
        .then(pl.lit("not_due"))
        .when(pl.col("status") == "completed")
        .then(pl.lit("ran"))
        .when(pl.col("status").is_not_null())
        .then(pl.lit("failed"))
        .when(pl.lit(first is None) | (pl.col("expected_at") < pl.lit(first, UTC)))
        .then(pl.lit("before_first_run"))
        .otherwise(pl.lit("missed"))
    )
    rows = due.join(matched, on="night", how="left").with_columns(state=state)
    later = audits.filter(pl.col("status") == "completed").select(
        "started_at", settled_by="run_id", settled_at="started_at"
    )
    rows = rows.sort("expected_at").join_asof(
        later.drop("started_at").sort("settled_at"),
        left_on="expected_at",
        right_on="settled_at",
        strategy="forward",
    )
    open_states = pl.col("state").is_in(["failed", "missed"])
    return rows.with_columns(
        pl.when(open_states).then(pl.col("settled_by")).alias("settled_by"),
        pl.when(open_states).then(pl.col("settled_at")).alias("settled_at"),
        is_expected=pl.col("state").is_in(["ran", "failed", "missed"]),
    ).select(SCHEMA.keys())
