"""What a page shows of the `drift` and `flip_shares` tables: the newest report, ranked by harm.

Belongs here: choosing, ranking and scaling rows that other modules computed. Does not belong here: the
statistics (`drift.py`, `flips.py`) and sentences (`headline.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from tasks.drift.slices import ALL
from tasks.report.summary import SummaryParameters
from tasks.report.trend import METRIC
from tasks.tables import CAUSES, VERDICTS

CARRIES = 0.5
"""Part of the largest harm that a slice must have to be named instead of the whole."""

REACH = 5.0
"""How many practical thresholds the axis of an interval plot reaches to either side; longer ones are cut."""


def newest_drift(drift: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """The run's own drift report, else the one of the newest window (then the larger id); maybe none."""
    own = drift.filter(pl.col("run_id") == run_id)
    reports = own if own.height else drift
    if reports.is_empty():
        return reports
    newest = reports.sort("window_end", "report_id").tail(1)["report_id"]
    return reports.filter(pl.col("report_id").is_in(newest.implode()))


def counts(drift: pl.DataFrame) -> dict[str, int]:
    """Rows of one report by what they say: worse, better, changed, stable, too_few, not_measured."""
    said = (
        pl.when(pl.col("status") != "drifted")
        .then(pl.col("status"))
        .otherwise(pl.col("direction").replace({"neutral": "changed"}).fill_null("changed"))
    )
    found = dict(drift.group_by(said).len().iter_rows())
    names = ("worse", "better", "changed", "stable", "too_few", "not_measured")
    return {name: int(found.get(name, 0)) for name in names}


def ranked(drift: pl.DataFrame, parameters: SummaryParameters) -> pl.DataFrame:
    """What drifted for the worse first, by harm; then what else drifted, then the largest differences.

    Differences are compared in practical thresholds, because metrics have different units. Added columns:
    `low`, `at`, `high` (difference and its interval in thresholds, cut at REACH), null where unknown. At most
    `parameters.groups` rows.
    """
    says = (
        pl.when(pl.col("status") == "drifted")
        .then(pl.when(pl.col("direction") == "worse").then(0).otherwise(1))
        .otherwise(pl.col("status").replace_strict(_AFTER, default=5, return_dtype=pl.Int32))
    )
    scale = pl.when(pl.col("threshold") > 0).then(pl.col("threshold"))
    scaled = drift.with_columns(
        (pl.col(name) / scale).clip(-REACH, REACH).alias(alias)
        for name, alias in (("ci_low", "low"), ("difference", "at"), ("ci_high", "high"))
    )
    return (
        scaled.with_columns(_says=says)
        .sort(
            ["_says", "harm", pl.col("at").abs(), "slice", "metric"],
            descending=[False, True, True, False, False],
            nulls_last=True,
        )
        .drop("_says")
        .head(parameters.groups)
    )


def told(drift: pl.DataFrame) -> list[dict[str, Any]]:
    """The changes worth a sentence, the one to name first in front: rows of `ranked(...)`, one per slice.

    A fall of one agent shows in the whole, in its model and in its use cases too. So a part that carries most
    of the whole's harm is named instead of it, and before its pairs; a slice is told by its supported share
    where that drifted, because its other shares move with it.
    """
    rows = drift.filter(pl.col("status") == "drifted").with_columns(
        _is_share=pl.col("metric") == METRIC, _worse=pl.col("direction") == "worse"
    )
    if rows.is_empty():
        return []
    one_each = rows.sort(
        ["_worse", "_is_share", "harm"], descending=True, nulls_last=True, maintain_order=True
    ).unique("slice", keep="first", maintain_order=True)
    most = one_each["harm"].max()
    carries = pl.col("harm") >= CARRIES * (most if isinstance(most, float) else 0.0)
    first = pl.when(carries & (pl.col("slice_kind") != ALL)).then(0).when(carries).then(1).otherwise(2)
    pairs = pl.col("slice_kind").str.contains("&", literal=True)
    order = one_each.with_columns(_first=first, _pairs=pairs).sort(
        ["_worse", "_is_share", "_first", "_pairs", "harm"],
        descending=[True, True, False, False, True],
        nulls_last=True,
    )
    rows = order.drop("_is_share", "_worse", "_first", "_pairs")
    # The whole moved because its part did.
    return rows.filter((pl.col("slice") != ALL) | (pl.int_range(pl.len()) == 0)).to_dicts()


def besides(row: Mapping[str, Any]) -> str:
    """What a drift row's reason says beyond the numbers that stand in its columns."""
    reason, changed = str(row["reason"]), row["changed_on"]
    if row["status"] != "drifted" or changed is None:
        return "" if row["status"] in ("drifted", "stable") else reason
    _, _, after = reason.partition(f" on {changed.day} {changed:%B %Y}")
    return after.lstrip(",; ")


_AFTER = {"stable": 2, "too_few": 3, "not_measured": 4}


def began(drift: pl.DataFrame) -> dict[str, date]:
    """Slice to the first day of its new level of supported share, the most harmful slices first."""
    rows = drift.filter(
        pl.col("status") == "drifted", pl.col("metric") == METRIC, pl.col("changed_on").is_not_null()
    )
    return dict(rows.sort("harm", descending=True, nulls_last=True).select("slice", "changed_on").iter_rows())


def drifted_slices(drift: pl.DataFrame) -> list[str]:
    """Slices whose supported share drifted, the most harmful first."""
    rows = drift.filter(pl.col("status") == "drifted", pl.col("metric") == METRIC)
    return rows.sort("harm", descending=True, nulls_last=True)["slice"].to_list()


def newest_flips(shares: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """Rows of the run's own re-audit, else of the newest one (by `found_at`); maybe none."""
    own = shares.filter(pl.col("run_id") == run_id)
    rows = own if own.height else shares
    if rows.is_empty():
        return rows
    newest = rows.sort("found_at", "run_id").tail(1)["run_id"]
    return rows.filter(pl.col("run_id").is_in(newest.implode()))


def flips_by_cause(shares: pl.DataFrame) -> list[dict[str, Any]]:
    """One row per earlier verdict of all claims: what share no longer holds, and its parts by cause.

    Keys: verdict_before, population, judged, flips, share, ci_low, ci_high, causes (those that occur, each a
    mapping with cause, flips, share, ci_low, ci_high).
    """
    everything = shares.filter(pl.col("slice") == "all")
    rows = []
    for verdict in (*VERDICTS, "any"):
        of: Mapping[str, dict[str, Any]] = {
            row["cause"]: row
            for row in everything.filter(pl.col("verdict_before") == verdict).iter_rows(named=True)
        }
        if "any" not in of:
            continue
        causes = [of[cause] for cause in CAUSES if cause in of and of[cause]["flips"]]
        rows.append({**of["any"], "causes": causes})
    return rows
