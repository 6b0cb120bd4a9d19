"""A database's own count of days, as SQL that every dialect reads, and the bounds of a UTC day in a column.

A column holds times of its own kind: with a zone, without one, as numbers or as text. One value of it says
which, and a UTC day is then two values of that kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from tasks.errors import SourceError
from tasks.sources import clocks
from tasks.sources.parameters import RecordSettings
from tasks.sources.paths import parse

Bound = datetime | date | int | float | str
AT_ONCE = 31
"""Days of one statement: it reads the query once and has a column for each."""
_UTC_TEXT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}[^+-]*(?:Z|\+00(?::?00)?)?")


def columns(source: RecordSettings) -> tuple[str, str]:
    """The columns of the record's id and of its time.

    Raises:
        SourceError: the mapping names none, or a place within a column.
    """
    found = []
    for name in ("id", "produced_at"):
        path = getattr(source.fields, name)
        steps = parse(path) if path else ()
        if len(steps) != 1 or not isinstance(steps[0], str):
            raise SourceError(
                f"source {source.name!r}: fields.{name} is not a column of the query, so days "
                "cannot be counted"
            )
        found.append(steps[0])
    return found[0], found[1]


def bounds(sample: object, source: RecordSettings) -> Callable[[date], Bound]:
    """What gives the first moment of a UTC day as the column of `sample` holds times.

    Raises:
        SourceError: times of this kind have no order that the database knows.
    """
    zone = clocks.zone(source.time_zone) if source.time_zone not in (None, "UTC") else UTC
    is_plain = source.time_format in (None, "iso")
    if isinstance(sample, datetime):
        if sample.tzinfo is not None:
            return _midnight
        return lambda day: _midnight(day).astimezone(zone).replace(tzinfo=None)
    if isinstance(sample, date) and zone is UTC:
        return lambda day: day
    if isinstance(sample, int | float) and not isinstance(sample, bool):
        unit = clocks.EPOCHS.get(source.time_format or "") or _unit(sample)
        return lambda day: int(_midnight(day).timestamp()) * unit
    if isinstance(sample, str) and is_plain and zone is UTC and _UTC_TEXT.fullmatch(sample):
        return lambda day: day.isoformat()
    raise SourceError(
        f"source {source.name!r}: fields.produced_at holds times that the database cannot compare with a UTC "
        "day; give the query a column of timestamps"
    )


def count(query: str, identity: str, moment: str, days: int) -> str:
    """SELECT with a column for each day: its distinct ids and its rows without one; bound to :day0, :day1 …

    Args:
        query: what stands behind FROM.
        identity, moment: columns, quoted.
        days: how many, one after the other.
    """
    cells = []
    for number in range(days):
        within = f"{moment} >= :day{number} AND {moment} < :day{number + 1}"
        cells.append(
            f"count(DISTINCT CASE WHEN {within} THEN {identity} END) + "
            f"count(CASE WHEN {within} AND {identity} IS NULL THEN 1 END) AS on{number}"
        )
    within = f"{moment} >= :day0 AND {moment} < :day{days}"
    return f"SELECT {', '.join(cells)}\nFROM {query}\nWHERE {within}"


def in_a_row(days: Sequence[date]) -> list[list[date]]:
    """Days in groups without a gap, of AT_ONCE at most."""
    groups: list[list[date]] = []
    for day in sorted(set(days)):
        if groups and len(groups[-1]) < AT_ONCE and groups[-1][-1] + timedelta(days=1) == day:
            groups[-1].append(day)
        else:
            groups.append([day])
    return groups


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _unit(sample: float) -> int:
    """Units of a second, by the rule of `times.instant`."""
    size = abs(sample)
    return 1 if size < 1e11 else 10**3 if size < 1e14 else 10**6 if size < 1e17 else 10**9
