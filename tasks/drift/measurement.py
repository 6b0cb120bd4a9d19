"""Drift over the lake: which days are read, a day at a time, what is kept of them, and what is published.

Belongs here: reading tables for `tasks/drift/drift_cells.py`, the report beside the table, who is
told. Does not belong here: what the numbers mean (`tasks/drift/parameters.py` and what stands beside it),
the cache's files (`drift_cache.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks import ids
from tasks.drift import alarms, drift_cache, drift_cells, drift_report, drift_texts, notify
from tasks.drift.drift_cells import Cells
from tasks.drift.drift_texts import Known
from tasks.drift.parameters import DriftParameters, DriftSettings, Windows, daily_series, windows
from tasks.errors import InputError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.schema import conform
from tasks.tables import DRIFT


@dataclass(frozen=True)
class Report:
    """One comparison: its id, windows, the `drift` rows, and the alarms they raise (`alarms.RAISED`)."""

    report_id: str
    windows: Windows
    rows: pl.DataFrame
    alarms: pl.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: what drifted and what raised an alarm in full, the rest as counts."""
        counts = self.rows.group_by("status").len()
        drifted = self.rows.filter(pl.col("status") == "drifted")
        return {
            "report_id": self.report_id,
            "windows": {k: str(v) for k, v in asdict(self.windows).items()},
            "status": dict(sorted(counts.iter_rows())),
            "alarms": self.alarms.to_dicts(),
            "drifted": drifted.drop("report_id", "run_id").to_dicts(),
            "not_measured": self.rows.filter(pl.col("status") == "not_measured")["metric"].to_list(),
        }


def cells(
    lake: Lake, parameters: DriftParameters, *, since: date, until: date, known: Known | None = None
) -> Cells:
    """Sums over the days from `since` to `until`, both included; memory is that of one day.

    Days that were summed before come from the lake's cache as long as their files are the same. `known` looks
    up cached embeddings; without it, what texts mean is measured only where a cached day holds it.
    """
    days = sorted({d for table in ("outputs", "verdicts") for d in lake.days(table) if since <= d <= until})
    return Cells.concat([_day(lake, parameters, day, known) for day in days])


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
    settings: DriftSettings,
    *,
    run_id: str,
    today: date,
    known: Known | None = None,
    current: tuple[date, date] | None = None,
    baseline: tuple[date, date] | None = None,
) -> Report:
    """Compares the newest whole days, or the ranges that are given, with their baseline.

    Raises:
        InputError: a range ends before it begins, or the baseline reaches into the window.
    """
    parameters = settings.parameters
    try:
        chosen = windows(parameters, _last_day(lake, today), current=current, baseline=baseline)
    except ValueError as error:
        raise InputError(str(error)) from None
    since = min(chosen.first, chosen.window_end - timedelta(days=parameters.change_days - 1))
    found = cells(lake, parameters, since=since, until=chosen.window_end, known=known)
    rows = drift_report.compare(found, chosen, parameters)
    report_id = _identity(lake, parameters, chosen, since)
    rows = rows.with_columns(report_id=pl.lit(report_id), run_id=pl.lit(run_id)).select(DRIFT.schema.names())
    history = (
        lake.scan("drift")
        .filter(
            pl.col("window_end") >= alarms.needed_since(settings.alarms, chosen.window_end),
            pl.col("baseline_kind") == chosen.kind,
            pl.col("status") == "drifted",
        )
        .collect()
    )
    return Report(report_id, chosen, conform(DRIFT, rows), alarms.raised(rows, history, settings.alarms))


def write(lake: Lake, report: Report) -> Path:
    """LAKE/reports/drift/REPORT_ID.json: the whole report for programs; equal reports give equal bytes."""
    path = lake.report_folder("drift") / f"{report.report_id}.json"
    document = {**report.as_dict(), "rows": report.rows.drop("run_id").to_dicts()}
    text = json.dumps(document, default=str, sort_keys=True, ensure_ascii=False, indent=1)
    with durable.touching(path):
        durable.replace(path, text.encode("utf-8", "replace"))
    return path


def tell(report: Report, settings: DriftSettings, path: Path) -> list[str]:
    """Sends the night's new alarms as one message; warnings about places that did not take it."""
    link = f"{settings.link.rstrip('/')}/drift/{path.name}" if settings.link else str(path)
    said = alarms.message(report.alarms, link)
    return [] if said is None else notify.send(*said, settings.notify_variable)


def _identity(lake: Lake, parameters: DriftParameters, chosen: Windows, since: date) -> str:
    """Names what a report follows from, not its numbers: sums over threads differ in their last digit."""
    files = [
        file.relative_to(lake.root).as_posix()  # a file's name holds its digest
        for table in drift_cells.COLUMNS
        for file in lake.files(table, since=since, until=chosen.window_end)
    ]
    known = [asdict(parameters), asdict(chosen), files, drift_cells.VERSION]
    return ids.digest("drift report", json.dumps(known, default=str, sort_keys=True))


def _last_day(lake: Lake, today: date) -> date:
    """The newest day that has answers and is over; the newest of all where none is."""
    days = [
        d for d in lake.days("outputs") if lake.scan("outputs", since=d, until=d).head(1).collect().height
    ]
    whole = [day for day in days if day < today]
    return (whole or days or [today - timedelta(days=1)])[-1]


def _day(lake: Lake, parameters: DriftParameters, day: date, known: Known | None) -> Cells:
    files = [f for table in drift_cells.COLUMNS for f in lake.files(table, since=day, until=day)]
    place = drift_cache.place(lake.root, day, files, parameters.weight)
    kept = drift_cache.read(place)
    if kept is not None and (known is None or "embeddings" in kept.filled):
        return kept
    frames = {}
    for table, columns in drift_cells.COLUMNS.items():
        rows = lake.scan(table, since=day, until=day)
        if table == "evidence":
            rows = rows.filter(pl.col("rank") == 0)
        more = ["metadata"] if table == "outputs" and parameters.weight else []
        frames[table] = rows.select(*columns, *more).collect()
    summed = drift_cells.cells(frames, parameters.weight)
    if known is not None:
        profiles = pl.concat([summed.profiles, drift_texts.profiles(lake, day, known)])
        summed = replace(summed, profiles=profiles, filled=summed.filled | {"embeddings"})
    drift_cache.write(place, summed)
    return summed
