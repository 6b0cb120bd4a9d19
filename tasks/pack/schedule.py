"""Door to the schedule's grammar: the instants at which a night is expected."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


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
