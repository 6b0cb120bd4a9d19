"""The drift table: every slice and metric of a window against its baseline.

The order of steps, status, and when a difference began; the statistics are `series.py`'s and what it calls.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
from polars import selectors

from tasks.drift import (
    changepoints,
    comparable,
    correction,
    distances,
    explained,
    metrics,
    reasons,
    series,
    slices,
)
from tasks.drift.cells import Cells
from tasks.drift.comparable import Comparable
from tasks.drift.metrics import METRICS
from tasks.drift.parameters import DriftParameters, Windows
from tasks.drift.series import Calendar, Compared
from tasks.lake.reviewed import JUDGED_BY
from tasks.tables import DRIFT

PAIR_WEIGHT = 0.5
"""Of a pair in the correction for many comparisons: there are many times as many pairs as single columns,
each holds less, and what befalls one shows in its parts as well."""
_STATUSES = pl.Enum(["drifted", "stable", "too_few", "not_measured"])
"""In the order of the table."""
_IS_PAIR = pl.col("slice_kind").str.contains("&", literal=True)


def drift_rows(cells: Cells, windows: Windows, parameters: DriftParameters) -> pl.DataFrame:
    """Rows of the `drift` table without `report_id` and `run_id`: drifted for the worse first, by harm.

    Every slice that has units of a metric in either period gets a row, but for pairs with hardly any; a
    metric whose table holds no row on any of these days gets one row of `all`, *not measured*. The window
    never shares a day with the baseline.
    """
    cells = replace(cells, sums=comparable.without_history(cells.sums))
    selection, columns = _selection(cells, windows, parameters)
    sums = slices.summed(selection.cells, columns, pairs=parameters.pairs)
    calendar = series.calendar(sums, windows, parameters.change_days)
    parts: list[Compared] = []
    for metric in METRICS.values():
        if metric.family == "distance":
            part = distances.compared(selection.profiles, metric, columns, calendar, parameters)
        elif metric.table not in cells.filled:
            part = None
        else:
            part = series.compared(sums, metric, calendar, parameters)
        if part is not None:
            parts.append(part)
    rows = pl.concat([pl.DataFrame(schema=series.ROWS), *(p.rows for p in parts)])
    rows = _with_harm(explained.explained(_with_status(rows, parameters)))
    # Thousands of pairs hold too few units in both periods together; their rows would say nothing.
    units = pl.col("baseline_count") + pl.col("current_count")
    rows = _with_first_day(rows, parts, calendar).filter(~(_IS_PAIR & (units < parameters.minimum_units)))
    rows = reasons.with_reasons(rows, selection, cells.seen)
    return _table(pl.concat([rows, _not_measured(rows, cells.filled)], how="diagonal"), windows)


def _selection(cells: Cells, windows: Windows, parameters: DriftParameters) -> tuple[Comparable, list[str]]:
    """Cells that are alike enough to compare, and the columns to slice them by."""
    columns: list[str] = list(parameters.slices)
    if windows.kind != "release" or parameters.baseline_release is None:
        return comparable.like_with_like(cells.sums, cells.profiles, since=windows.window_start), columns
    column, _, value = parameters.baseline_release.partition("=")
    # Slices of the column itself would have a baseline and no window, or the other way round.
    columns = [c for c in columns if c != column]
    is_window = pl.col("date") >= windows.window_start
    is_release = pl.col(column).eq_missing(pl.lit(value))
    if column not in JUDGED_BY:
        alike = comparable.like_with_like(cells.sums, cells.profiles, since=windows.window_start)
        kept = is_window | is_release
        notes = (f"the baseline is {column.replace('_', ' ')} {value}", *alike.notes)
        return Comparable(alike.cells.filter(kept), alike.profiles.filter(kept), notes), columns
    is_baseline = ~is_window & (is_release | pl.col(column).is_null())
    current = comparable.like_with_like(
        cells.sums.filter(is_window), cells.profiles.filter(is_window), since=windows.window_start
    )
    return Comparable(
        pl.concat([cells.sums.filter(is_baseline), current.cells]),
        pl.concat([cells.profiles.filter(is_baseline), current.profiles]),
        (f"the baseline is what {column} {value} judged", *current.notes),
    ), columns


def _with_status(rows: pl.DataFrame, parameters: DriftParameters) -> pl.DataFrame:
    """Adds `p_adjusted, status, direction`; what has too few units is not tested at all."""
    few_units = pl.col("current_count") < parameters.minimum_units
    few_outputs = pl.col("current_outputs") < parameters.minimum_outputs
    few = (
        (pl.col("baseline_days") < parameters.minimum_baseline_days)
        | (pl.col("baseline_count") < parameters.minimum_units)
        | ((pl.col("metric") != "outputs_per_day") & (few_units | few_outputs))
        | pl.col("p_value").is_null()
    )
    rows = rows.with_columns(few=few, p_value=pl.when(~few).then("p_value"))
    weights = rows.select(
        metrics.each("weight", pl.Float64) * pl.when(_IS_PAIR).then(PAIR_WEIGHT).otherwise(1.0)
    )
    p_values = rows["p_value"].fill_null(np.nan).to_numpy()
    p_adjusted = correction.adjusted(p_values, weights.to_series().to_numpy())
    rows = rows.with_columns(p_adjusted=pl.Series(p_adjusted).fill_nan(None))
    matters = pl.col("difference").abs() >= pl.col("threshold")
    sure = (pl.col("ci_low") > 0) | (pl.col("ci_high") < 0)
    drifted = (pl.col("p_adjusted") <= parameters.false_discovery_rate) & matters & sure
    harm = pl.col("difference") * metrics.each("sign", pl.Float64)
    return rows.with_columns(
        status=pl.when("few")
        .then(pl.lit("too_few"))
        .when(drifted)
        .then(pl.lit("drifted"))
        .otherwise(pl.lit("stable")),
        direction=pl.when(harm == 0)
        .then(pl.lit("neutral"))
        .when(harm > 0)
        .then(pl.lit("worse"))
        .when(harm < 0)
        .then(pl.lit("better")),
    )


def _with_harm(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `harm`: units a day that are worse at least, by the end of the interval nearer to no change."""
    near = pl.when(pl.col("difference") > 0).then("ci_low").otherwise("ci_high")
    per_day = pl.col("current_count") / pl.max_horizontal("current_days", pl.lit(1))
    is_harm = (pl.col("status") == "drifted") & (pl.col("direction") == "worse")
    harm = (near * metrics.each("sign", pl.Float64)).clip(lower_bound=0.0) * per_day
    return rows.with_columns(harm=pl.when(is_harm).then(harm))


def _with_first_day(rows: pl.DataFrame, parts: Sequence[Compared], calendar: Calendar) -> pl.DataFrame:
    """Adds `changed_on`: where a difference is established, the day on which its level began."""
    days: list[date | None] = [None] * rows.height
    drifted = (rows["status"] == "drifted").to_numpy()
    signs = np.sign(rows["difference"].fill_null(0.0).to_numpy())
    offset = 0
    numbers = np.flatnonzero(calendar.changes)
    for part in parts:
        for place in np.flatnonzero(drifted[offset : offset + part.rows.height]):
            row = offset + int(place)
            change = changepoints.began(
                part.values[place, numbers], part.variances[place, numbers], float(signs[row])
            )
            days[row] = calendar.day(int(numbers[change.day])) if change else None
        offset += part.rows.height
    return rows.with_columns(changed_on=pl.Series(days, dtype=pl.Date))


def _not_measured(rows: pl.DataFrame, filled: Set[str]) -> pl.DataFrame:
    """One row of `all` for every metric without any."""
    measured = set(rows["metric"].to_list())
    missing = [
        (m.name, reasons.not_measured(m, has_rows=m.table in filled))
        for m in METRICS.values()
        if m.name not in measured
    ]
    return pl.DataFrame(missing, {"metric": pl.String, "reason": pl.String}, orient="row").with_columns(
        slice=pl.lit(slices.ALL),
        slice_kind=pl.lit(slices.ALL),
        status=pl.lit("not_measured"),
        baseline_days=pl.lit(0, pl.Int32),
        current_days=pl.lit(0, pl.Int32),
        baseline_count=pl.lit(0.0),
        current_count=pl.lit(0.0),
    )


def _table(rows: pl.DataFrame, windows: Windows) -> pl.DataFrame:
    schema = pl.Schema([(n, t) for n, t in DRIFT.schema.items() if n not in ("report_id", "run_id")])
    return (
        rows.with_columns(
            unit=metrics.each("unit", pl.String),
            window_start=pl.lit(windows.window_start),
            window_end=pl.lit(windows.window_end),
            baseline_kind=pl.lit(windows.kind),
            baseline_start=pl.lit(windows.baseline_start),
            baseline_end=pl.lit(windows.baseline_end),
        )
        .sort(
            pl.col("status").cast(_STATUSES),
            pl.col("direction") != "worse",
            pl.col("part_of").is_not_null(),
            -pl.col("harm").round(6),
            pl.col("metric").cast(metrics.NAMES),
            "slice",
            nulls_last=True,
        )
        .select(schema.names())
        .cast(schema)
        # Sums over threads differ in their last digits; equal rows should look equal.
        .with_columns(selectors.float().round(12))
    )
