"""How a source writes its times: the zone of those that name none, and their format.

Names are those of the IANA database. Local times are read by its rules: one that clocks skipped when they
were put forward does not exist and is not a time; one that happened twice when they were put back is the
earlier of the two, and whoever asks is told so.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

EPOCHS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
"""Formats of numbers since 1970-01-01: units of each in a second."""
FORMATS = ("iso", *EPOCHS)
_OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}
"""Names that mean another zone on another machine, or none."""
ZONE = "%Z"
"""Directive for an IANA name; only at the end of a format."""

_DIRECTIVE = re.compile("%(.?)", re.DOTALL)
_KNOWN = frozenset("YymdHIMSfzZpjbBaA%")
_DAY = ({"m", "d"}, {"b", "d"}, {"B", "d"}, {"j"})


_WRITTEN = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y, %H:%M", "%d.%m.%Y", "%d.%m.%y %H:%M", "%d.%m.%y",
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%d/%m/%y %H:%M", "%d/%m/%y",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%m/%d/%y %H:%M", "%m/%d/%y",
    "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M %p",
    "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d-%m-%Y", "%m-%d-%Y %H:%M", "%m-%d-%Y",
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y.%m.%d %H:%M:%S", "%Y.%m.%d %H:%M", "%Y.%m.%d",
    "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y年%m月%d日", "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M",
    "%d %B %Y %H:%M", "%b %d, %Y %I:%M %p", "%B %d, %Y %I:%M %p", "%a, %d %b %Y %H:%M:%S %z",
)  # fmt: skip
"""Formats that spreadsheets of the world write, beside ISO 8601."""


class Instant(NamedTuple):
    """A moment in UTC, and whether its local time happened twice."""

    moment: datetime
    is_repeated: bool


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - _OF_THE_MACHINE)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name; a name that is none never reaches the disk.

    Raises:
        ValueError: a sentence without the name: there is no such zone, and which is near.
    """
    if name in _names():
        return ZoneInfo(name)
    places = [known for known in _names() if "/" in known]
    near = difflib.get_close_matches(name[:60], places, n=1, cutoff=0.75)
    advice = f"did you mean {near[0]}?" if near else "expected a name such as Europe/Berlin"
    raise ValueError(f"is not a time zone of the IANA database; {advice}")


def check_format(text: str) -> None:
    """Raises ValueError where a format is none, or leaves the day open."""
    if text in FORMATS:
        return
    letters = _DIRECTIVE.findall(text)
    if not letters:
        raise ValueError(
            f"time_format {text!r} is neither {', '.join(FORMATS)} nor a format such as %d.%m.%Y %H:%M"
        )
    unknown = [letter for letter in letters if letter not in _KNOWN]
    if unknown:
        raise ValueError(f"time_format {text!r}: %{unknown[0]} is not a supported part of a time")
    if not {"Y", "y"} & set(letters) or not any(day <= set(letters) for day in _DAY):
        raise ValueError(f"time_format {text!r} has no day; it needs a year, a month and a day")
    if ZONE in text.removesuffix(ZONE) or any(letters.count(letter) > 1 for letter in set(letters) - {"%"}):
        raise ValueError(f"time_format {text!r}: each part may occur once, and %Z at the end alone")


def parsed(text: str, form: str) -> datetime:
    """A time in a strptime format; one whose last part is %Z has its zone.

    Raises:
        ValueError: the text is of another format, or names no zone.
    """
    if not form.endswith(ZONE):
        return datetime.strptime(text, form)
    rest, _, name = text.rpartition(" ")
    return datetime.strptime(rest, form.removesuffix(ZONE).rstrip()).replace(tzinfo=zone(name))


def formats_of(texts: Sequence[str]) -> list[str]:
    """Formats of spreadsheets that all of some texts have; several where day and month can be either."""
    return [form for form in _WRITTEN if texts and all(_has_form(text, form) for text in texts)]


def _has_form(text: str, form: str) -> bool:
    try:
        parsed(text.strip(), form)
    except ValueError:
        return False
    return True


def instant(moment: datetime) -> Instant:
    """A time with a zone as an instant.

    Raises:
        ValueError: clocks of its zone skipped it. OverflowError: beyond the years of a calendar.
    """
    there = moment.tzinfo
    utc = moment.astimezone(UTC)
    if not isinstance(there, ZoneInfo):
        return Instant(utc, is_repeated=False)
    local = moment.replace(tzinfo=None)
    if utc.astimezone(there).replace(tzinfo=None) != local:
        raise ValueError(f"{local.isoformat(' ')} did not happen in {there.key}: clocks were put forward")
    return Instant(utc, is_repeated=moment.replace(fold=1).utcoffset() != moment.replace(fold=0).utcoffset())
