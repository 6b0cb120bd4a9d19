"""Drift over the lake: which days are read, a day at a time, and what is kept of them.

Belongs here: reading tables for `tasks/pure/drift_cells.py`, the cache of its cells, the published report.
Does not belong here: what the numbers mean (`tasks/pure/drift.py` and what stands beside it).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import polars as pl

from tasks.pure import drift_cells, drift_report, ids
from tasks.pure.drift import DriftParameters, Windows, daily_series, windows
from tasks.pure.drift_cells import Cells
from tasks.pure.errors import InputError
from tasks.pure.tables import DRIFT, conform
from tasks.store import Lake


@dataclass(frozen=True)
class Report:
    """One comparison: its id, windows, the `drift` rows, and the cells behind them."""

    report_id: str
    windows: Windows
    rows: pl.DataFrame
    cells: Cells


def cells(lake: Lake, parameters: DriftParameters, *, since: date, until: date) -> Cells:
    """Sums over the days from `since` to `until`, both included; memory is that of one day."""
    days = sorted({d for table in ("outputs", "verdicts") for d in lake.days(table) if since <= d <= until})
    return Cells.concat([_day(lake, parameters, day) for day in days])


def series(
    lake: Lake,
    parameters: DriftParameters,
    *,
    since: date,
    until: date,
    wanted: Sequence[str] | None = None,
) -> pl.DataFrame:
    """`daily_series` of the lake's days: `date, slice, metric, value, ci_low, ci_high, count`."""
    return daily_series(cells(lake, parameters, since=since, until=until), parameters, wanted=wanted)


def compare(
    lake: Lake,
    parameters: DriftParameters,
    *,
    run_id: str,
    today: date,
    current: tuple[date, date] | None = None,
    baseline: tuple[date, date] | None = None,
) -> Report:
    """Compares the newest whole days, or the ranges that are given, with their baseline.

    Raises:
        InputError: a range ends before it begins, or the baseline reaches into the window.
    """
    try:
        chosen = windows(parameters, _last_day(lake, today), current=current, baseline=baseline)
    except ValueError as error:
        raise InputError(str(error)) from None
    since = min(chosen.first, chosen.window_end - timedelta(days=parameters.change_days - 1))
    found = cells(lake, parameters, since=since, until=chosen.window_end)
    rows = drift_report.compare(found, chosen, parameters)
    report_id = ids.digest(
        "drift report", json.dumps(asdict(parameters), default=str, sort_keys=True), rows.write_json()
    )
    table = conform(
        DRIFT,
        rows.with_columns(report_id=pl.lit(report_id), run_id=pl.lit(run_id)).select(DRIFT.schema.names()),
    )
    return Report(report_id, chosen, table, found)


def _last_day(lake: Lake, today: date) -> date:
    """The newest day that has answers and is over; the newest of all where none is."""
    days = lake.days("outputs")
    whole = [day for day in days if day < today]
    return (whole or days or [today - timedelta(days=1)])[-1]


def _day(lake: Lake, parameters: DriftParameters, day: date) -> Cells:
    frames = {}
    for table, columns in drift_cells.COLUMNS.items():
        rows = lake.scan(table, since=day, until=day)
        if table == "evidence":
            rows = rows.filter(pl.col("rank") == 0)
        more = ["metadata"] if table == "outputs" and parameters.weight else []
        frames[table] = rows.select(*columns, *more).collect()
    return drift_cells.cells(frames, parameters.weight)
