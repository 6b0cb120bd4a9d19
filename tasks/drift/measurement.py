"""Drift over the lake: which days are read, a day at a time, what is kept of them, and what is published.

The door of this room over the lake: it reads tables for `cells.py`, keeps the report beside the table, and
sends alarms. What the numbers mean is in the modules beside it, which only compute.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from tasks import ids
from tasks.drift import alarms, cache, notify, texts
from tasks.drift.cells import COLUMNS, VERSION, Cells, cells_of
from tasks.drift.parameters import DriftParameters, DriftSettings, Windows, windows
from tasks.drift.table import drift_rows
from tasks.drift.texts import CachedVectors
from tasks.errors import InputError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.schema import conform
from tasks.tables import DRIFT


@dataclass(frozen=True)
class Sampled:
    """How much of what came in was audited."""

    outputs: int
    estimated: float
    """Outputs that they stand for: the sum of 1/sampling_probability."""


@dataclass(frozen=True)
class Report:
    """One comparison: its id, windows, the `drift` rows, and the alarms they raise (`alarms.RAISED`)."""

    report_id: str
    windows: Windows
    rows: pl.DataFrame
    alarms: pl.DataFrame
    sampled: Sampled | None = None
    """Where not every answer of these days was audited: every metric is weighted back to all of them."""

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON: what drifted and what raised an alarm in full, the rest as counts."""
        counts = self.rows.group_by("status").len()
        drifted = self.rows.filter(pl.col("status") == "drifted")
        return {
            "report_id": self.report_id,
            "windows": {k: str(v) for k, v in asdict(self.windows).items()},
            "status": dict(sorted(counts.iter_rows())),
            "alarms": self.alarms.to_dicts(),
            "drifted": drifted.drop("report_id", "run_id").to_dicts(),
            **({"sampled": asdict(self.sampled)} if self.sampled else {}),
            "not_measured": self.rows.filter(pl.col("status") == "not_measured")["metric"].to_list(),
        }


def read_cells(
    lake: Lake,
    parameters: DriftParameters,
    *,
    since: date,
    until: date,
    cached_vectors: CachedVectors | None = None,
) -> Cells:
    """Sums over the days from `since` to `until`, both included; memory is that of one day.

    Days that were summed before come from the lake's cache as long as their files are the same. Without
    `cached_vectors`, what texts mean is measured only where a cached day holds it.
    """
    days = sorted({d for table in ("outputs", "verdicts") for d in lake.days(table) if since <= d <= until})
    return Cells.concat([_day(lake, parameters, day, cached_vectors) for day in days])


def compare(
    lake: Lake,
    settings: DriftSettings,
    *,
    run_id: str,
    today: date,
    cached_vectors: CachedVectors | None = None,
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
    cells = read_cells(lake, parameters, since=since, until=chosen.window_end, cached_vectors=cached_vectors)
    rows = drift_rows(cells, chosen, parameters)
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
    raised = alarms.raised(rows, history, settings.alarms)
    sampled = _sampled(lake, chosen.first, chosen.window_end)
    return Report(report_id, chosen, conform(DRIFT, rows), raised, sampled)


def _sampled(lake: Lake, since: date, until: date) -> Sampled | None:
    """How many outputs of the days stand for how many; None where they stand for themselves."""
    weight = 1 / pl.col("sampling_probability").fill_null(1.0)
    counts = lake.scan("outputs", since=since, until=until).select(outputs=pl.len(), estimated=weight.sum())
    outputs, estimated = counts.collect().row(0)
    return Sampled(outputs, round(estimated, 1)) if estimated > outputs else None


def save(lake: Lake, report: Report) -> Path:
    """LAKE/reports/drift/REPORT_ID.json: the whole report for programs; equal reports give equal bytes."""
    path = lake.report_folder("drift") / f"{report.report_id}.json"
    document = {**report.as_dict(), "rows": report.rows.drop("run_id").to_dicts()}
    text = json.dumps(document, default=str, sort_keys=True, ensure_ascii=False, indent=1)
    with durable.touching(path):
        durable.replace(path, text.encode("utf-8", "replace"))
    return path


def send_alarms(report: Report, settings: DriftSettings, path: Path) -> list[str]:
    """Sends the night's new alarms as one message; warnings about places that did not take it."""
    link = f"{settings.link.rstrip('/')}/drift/{path.name}" if settings.link else str(path)
    message = alarms.message(report.alarms, link)
    return [] if message is None else notify.send(*message, settings.notify_variable)


def _identity(lake: Lake, parameters: DriftParameters, chosen: Windows, since: date) -> str:
    """Names what a report follows from, not its numbers: sums over threads differ in their last digit."""
    files = [
        file.relative_to(lake.root).as_posix()  # a file's name holds its digest
        for table in COLUMNS
        for file in lake.files(table, since=since, until=chosen.window_end)
    ]
    names = [asdict(parameters), asdict(chosen), files, VERSION]
    return ids.digest("drift report", json.dumps(names, default=str, sort_keys=True))


def _last_day(lake: Lake, today: date) -> date:
    """The newest day that has answers and is over; the newest of all where none is."""
    newest = None
    for day in lake.newest_days("outputs"):
        if lake.scan("outputs", since=day, until=day).head(1).collect().is_empty():
            continue
        if day < today:
            return day
        newest = newest or day
    return newest or today - timedelta(days=1)


def _day(lake: Lake, parameters: DriftParameters, day: date, cached_vectors: CachedVectors | None) -> Cells:
    files = [f for table in COLUMNS for f in lake.files(table, since=day, until=day)]
    entry = cache.name(lake.root, day, files, parameters.weight)
    kept = cache.read(lake.root, entry)
    if kept is not None and (cached_vectors is None or "embeddings" in kept.filled):
        return kept
    frames = {}
    for table, columns in COLUMNS.items():
        rows = lake.scan(table, since=day, until=day)
        if table == "evidence":
            rows = rows.filter(pl.col("rank") == 0)
        more = ["metadata"] if table == "outputs" and parameters.weight else []
        frames[table] = rows.select(*columns, *more).collect()
    summed = cells_of(frames, parameters.weight)
    if cached_vectors is not None:
        profiles = pl.concat([summed.profiles, texts.profiles(lake, day, cached_vectors)])
        summed = replace(summed, profiles=profiles, filled=summed.filled | {"embeddings"})
    cache.write(lake.root, entry, summed)
    return summed
