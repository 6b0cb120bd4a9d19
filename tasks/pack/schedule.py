"""Door to the schedule's grammar and history: the instants at which a night was expected.

Each run keeps the configuration that it ran under (`LAKE/runs/RUN_ID/settings.json`, whose digest is an event
of the ledger), so that a night is expected by the schedule that held then.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from cronsim import CronSim

from tasks.lake.store import Lake

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


EARLY = timedelta(minutes=10)
"""A run under a new schedule may begin so long before its first instant."""


@dataclass(frozen=True)
class Schedule:
    """A schedule, as `schedule.cron` and `schedule.timezone` are, and since when it holds."""

    cron: str
    timezone: str
    since: datetime | None = None
    """None of the first one: from the beginning."""
    last_run: datetime | None = None
    """Begin of the last run under it."""

    @property
    def words(self) -> str:
        """For people."""
        start = f" from {self.since:%Y-%m-%d %H:%M}Z" if self.since else ""
        return f"{self.cron} {self.timezone}{start}"


def history(lake: Lake, runs: pl.DataFrame, today: Schedule, since: date, until: date) -> list[Schedule]:
    """The schedules that held within UTC days, both included, the oldest first.

    Args:
        runs: columns run_id, started_at; of all time.
        today: that of the configuration, where no run has kept one.
    """
    start = datetime.combine(since, time(), UTC)
    ordered = runs.select("run_id", "started_at").sort("started_at")
    earlier = ordered.filter(pl.col("started_at") < start).tail(1)
    later = ordered.filter(pl.col("started_at").dt.date().is_between(since, until))
    found: list[Schedule] = []
    for run_id, begun in pl.concat([earlier, later]).iter_rows():
        kept = _kept(lake, run_id)
        if kept and (not found or kept != (found[-1].cron, found[-1].timezone)):
            found.append(Schedule(*kept, begun - EARLY if found else None, begun))
        elif kept:
            found[-1] = replace(found[-1], last_run=begun)
    return found or [today]


def _kept(lake: Lake, run_id: str) -> tuple[str, str] | None:
    try:
        sections = json.loads((lake.root / "runs" / run_id / "settings.json").read_bytes())
        section = json.loads(sections["schedule"])
        return str(section["cron"]), str(section["timezone"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def expected(
    schedules: Sequence[Schedule], since: date, until: date
) -> tuple[list[datetime], datetime | None]:
    """Every instant that the schedule of its time has within UTC days, both included, and the first after
    them. The night that a new schedule moved is expected once, at its new time.
    """
    found: list[datetime] = []
    following = None
    for each, after in itertools.zip_longest(schedules, schedules[1:]):
        own, following = instants(each.cron, each.timezone, since, until)
        low, high = each.since, after.since if after else None
        mine = [at for at in own if (low is None or at >= low) and (high is None or at < high)]
        if high and mine and each.last_run and mine[-1] > each.last_run + EARLY:
            mine.pop()
        found += mine
    return found, following


def instants(cron: str, timezone: str, since: date, until: date) -> tuple[list[datetime], datetime | None]:
    """Every instant of a schedule within UTC days, both included, ascending, in UTC; and the first after
    them.

    Args:
        cron, timezone: as `schedule.cron` and `schedule.timezone` are, checked when they were read.
    """
    start = datetime.combine(since, time(), UTC)
    end = datetime.combine(until + timedelta(days=1), time(), UTC)
    times = CronSim(_NAMED.get(cron, cron), (start - timedelta(seconds=1)).astimezone(ZoneInfo(timezone)))
    found: list[datetime] = []
    for at in times:
        instant = at.astimezone(UTC)
        if instant >= end:
            return found, instant
        if instant >= start:
            found.append(instant)
    return found, None
