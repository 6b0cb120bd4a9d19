"""Which rows of a drift report a page shows, in which order, and which of them are worth a sentence.

The statistics are `tasks/drift`'s, the sentences `headline.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TypedDict, cast

import polars as pl

from tasks.drift import slices
from tasks.drift.slices import ALL
from tasks.report.parameters import ReportParameters
from tasks.report.queries import TREND_COLUMNS, TREND_METRIC

CARRIES = 0.5
"""Part of the largest harm that a slice must have to be named instead of the whole."""

REACH = 5.0
"""How many practical thresholds the axis of an interval plot reaches to either side; longer ones are cut."""

KINDS = ("worse", "better", "changed", "stable", "too_few", "not_measured")
"""What a row may say, as `drift-status` counts it."""
_AFTER = {"stable": 2, "too_few": 3, "not_measured": 4}


class DriftRow(TypedDict):
    """What sentences need of a row of the `drift` table."""

    slice: str
    metric: str
    status: str
    direction: str | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p_adjusted: float | None
    changed_on: date | None
    reason: str


def counts(drift_status: pl.DataFrame) -> dict[str, int]:
    """The result of `drift-status` by what rows say, with zeros."""
    return dict.fromkeys(KINDS, 0) | dict(drift_status.select("says", "rows").iter_rows())


def ranked(drift: pl.DataFrame) -> pl.DataFrame:
    """What drifted for the worse first, by harm; then what else drifted, then the largest differences.

    Differences are compared in practical thresholds, because metrics have different units. Added columns:
    `low`, `at`, `high` (difference and its interval in thresholds, cut at REACH), null where unknown.
    """
    order = (
        pl.when(pl.col("status") == "drifted")
        .then(pl.when(pl.col("direction") == "worse").then(0).otherwise(1))
        .otherwise(pl.col("status").replace_strict(_AFTER, default=5, return_dtype=pl.Int32))
    )
    scale = pl.when(pl.col("threshold") > 0).then(pl.col("threshold"))
    scaled = drift.with_columns(
        (pl.col(name) / scale).clip(-REACH, REACH).alias(alias)
        for name, alias in (("ci_low", "low"), ("difference", "at"), ("ci_high", "high"))
    )
    return scaled.sort(
        [order, "harm", pl.col("at").abs(), "slice", "metric"],
        descending=[False, True, True, False, False],
        nulls_last=True,
    )


def notable(drift: pl.DataFrame) -> list[DriftRow]:
    """The changes worth a sentence, the one to name first in front: rows of `ranked(...)`, one per slice.

    A fall of one agent shows in the whole, in its model and in its use cases too. So a part that carries most
    of the whole's harm is named instead of it, and before its pairs; a slice is told by its supported share
    where that drifted, because its other shares move with it.
    """
    rows = drift.filter(pl.col("status") == "drifted")
    if rows.is_empty():
        return []
    is_share, is_worse = pl.col("metric") == TREND_METRIC, pl.col("direction") == "worse"
    one_each = rows.sort(
        [is_worse, is_share, "harm"], descending=True, nulls_last=True, maintain_order=True
    ).unique("slice", keep="first", maintain_order=True)
    most = one_each["harm"].max()
    carries = pl.col("harm") >= CARRIES * (most if isinstance(most, float) else 0.0)
    place = pl.when(carries & (pl.col("slice_kind") != ALL)).then(0).when(carries).then(1).otherwise(2)
    is_pair = pl.col("slice_kind").str.contains("&", literal=True)
    order = one_each.sort(
        [is_worse, is_share, place, is_pair, "harm"],
        descending=[True, True, False, False, True],
        nulls_last=True,
    )
    # The whole moved because its part did.
    chosen = order.filter((pl.col("slice") != ALL) | (pl.int_range(pl.len()) == 0))
    return cast(list[DriftRow], chosen.to_dicts())


def besides(row: DriftRow) -> str:
    """What a drift row's reason says beyond the numbers in its columns."""
    reason, day = row["reason"], row["changed_on"]
    if row["status"] != "drifted" or day is None:
        return "" if row["status"] in ("drifted", "stable") else reason
    _, _, after = reason.partition(f" on {day.day} {day:%B %Y}")
    return after.lstrip(",; ")


def began(drift: pl.DataFrame) -> dict[str, date]:
    """Slice to the first day of its new level of supported share, the most harmful slices first."""
    dated = _drifted_shares(drift).filter(pl.col("changed_on").is_not_null())
    return dict(dated.select("slice", "changed_on").iter_rows())


def trend_slices(drift: pl.DataFrame, agents: pl.DataFrame, parameters: ReportParameters) -> list[str]:
    """Names of the slices whose share is drawn: all, what drifted (the most harmful first), then the agents.

    `agents` is the agents' `SliceTable.rows`. Those with few claims are left out, because their daily shares
    are mostly chance.
    """
    drifted = _drifted_shares(drift)["slice"].to_list()
    drawable = [name for name in drifted if set(slices.parsed(name)) <= set(TREND_COLUMNS)]
    enough = agents.filter(pl.col("claims") >= parameters.minimum_claims, ~pl.col("is_rest"))
    named: Sequence[str] = []
    if enough.height > 1:
        named = enough.select(agent="value").select(slices.name(["agent"])).to_series().to_list()
    names = [ALL, *drawable[: parameters.drifted_cards], *named]
    return list(dict.fromkeys(names))[: parameters.cards]


def _drifted_shares(drift: pl.DataFrame) -> pl.DataFrame:
    rows = drift.filter(pl.col("status") == "drifted", pl.col("metric") == TREND_METRIC)
    return rows.sort("harm", descending=True, nulls_last=True)
