"""The service level of reviews: how old what waits is, and what was or will be decided too late.

Belongs here: ages against the hours that a policy allows. Does not belong here: what waits
(`review/queue.py`). An age counts from the verdict, for nobody could have decided it before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from tasks.lake import current
from tasks.tables import DECISIVE

SERVICE: dict[str, pl.DataType] = {
    "policy": pl.String(),
    "due_hours": pl.Float64(),
    "open": pl.Int64(),
    "oldest_hours": pl.Float64(),
    "overdue": pl.Int64(),
    "decided": pl.Int64(),
    "median_hours": pl.Float64(),
    "decided_late": pl.Int64(),
}
"""One row per policy. `overdue` and `decided_late` are null where it allows any time."""
OVERDUE: dict[str, pl.DataType] = {
    "verdict_id": pl.String(),
    "policy": pl.String(),
    "because": pl.String(),
    "agent": pl.String(),
    "age_hours": pl.Float64(),
    "due_hours": pl.Float64(),
}


def aged(waiting: pl.DataFrame, due_hours: Mapping[str, float], now: datetime) -> pl.DataFrame:
    """The queue's rows with `age_hours`, `due_hours` (null where the policy names none) and `is_overdue`."""
    return waiting.with_columns(
        age_hours=_hours(pl.lit(now) - pl.col("verified_at")), due_hours=_due(due_hours)
    ).with_columns(is_overdue=pl.col("age_hours") > pl.col("due_hours"))


def overdue(waiting: pl.DataFrame, due_hours: Mapping[str, float], now: datetime) -> pl.DataFrame:
    """Rows of `OVERDUE`, those that are longest past their time first."""
    late = aged(waiting, due_hours, now).filter("is_overdue")
    past = pl.col("age_hours") - pl.col("due_hours")
    return late.sort(past, "verdict_id", descending=[True, False]).select(*OVERDUE)


def levels(
    waiting: pl.DataFrame,
    reviews: pl.LazyFrame,
    verdicts: pl.LazyFrame,
    due_hours: Mapping[str, float],
    *,
    now: datetime,
    days: int,
) -> pl.DataFrame:
    """Rows of `SERVICE`, by policy: what is open now, and what was decided in the last `days` days.

    Args:
        waiting: columns of `queue.QUEUE`.
        reviews, verdicts: rows of those tables.
        due_hours: by policy label.
    """
    open_rows = (
        aged(waiting, due_hours, now)
        .group_by("policy")
        .agg(
            open=pl.len().cast(pl.Int64),
            oldest_hours=pl.col("age_hours").max(),
            overdue=pl.col("is_overdue").sum().cast(pl.Int64),
        )
    )
    first = (
        current.current_reviews(reviews)
        .filter(pl.col("outcome").is_in(DECISIVE))
        .group_by("verdict_id")
        .agg(pl.col("reviewed_at").min())
        .filter(pl.col("reviewed_at") > now - timedelta(days=days))
    )
    decided = (
        verdicts.select("verdict_id", "policy", "verified_at")
        .join(first, on="verdict_id")
        .with_columns(hours=_hours(pl.col("reviewed_at") - pl.col("verified_at")), due_hours=_due(due_hours))
        .group_by("policy")
        .agg(
            decided=pl.len().cast(pl.Int64),
            median_hours=pl.col("hours").median(),
            decided_late=(pl.col("hours") > pl.col("due_hours")).sum().cast(pl.Int64),
        )
        .collect()
    )
    both = open_rows.join(decided, on="policy", how="full", coalesce=True)
    return (
        both.with_columns(pl.col("open", "decided").fill_null(0), due_hours=_due(due_hours))
        .with_columns(
            pl.when(pl.col("due_hours").is_not_null()).then(pl.col(name).fill_null(0)).alias(name)
            for name in ("overdue", "decided_late")
        )
        .sort("policy")
        .select(*SERVICE)
    )


def _due(due_hours: Mapping[str, float]) -> pl.Expr:
    return pl.col("policy").replace_strict(due_hours, default=None, return_dtype=pl.Float64)


def _hours(span: pl.Expr) -> pl.Expr:
    return span.dt.total_seconds() / 3600
