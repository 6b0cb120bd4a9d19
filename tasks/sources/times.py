"""A record's time: one instant, or a reason why it is none."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from tasks.files.refusal import Refusal, shown
from tasks.sources import clocks
from tasks.sources.clocks import Instant
from tasks.sources.parameters import RecordParameters
from tasks.sources.paths import kind

_NUMBER = re.compile(r"-?[0-9]{9,}(?:\.[0-9]+)?")
_DECIMAL = re.compile(r"-?[0-9]{1,25}(?:[.,][0-9]{1,25})?")
_ZONED = re.compile(r"(.*?)(?: ?\[([\w+/-]{1,60})\]| ([A-Za-z][\w+-]*/[\w+/-]{1,60}))", re.ASCII)
"""A time with its zone by name behind it: `… Europe/Berlin`, or `…[Europe/Berlin]` as RFC 9557 writes it."""


@dataclass(frozen=True)
class Clock:
    """How a source writes its times."""

    zone: str | None = None
    """IANA name of the zone of times that have none."""
    form: str | None = None
    """strptime format, or one of `clocks.FORMATS`; None reads ISO 8601 text, and numbers by their size."""


def instant(
    value: object, *, clock: Clock, now: datetime, parameters: RecordParameters, zone: str | None = None
) -> Instant:
    """A record's time as a microsecond UTC instant.

    ISO 8601 text with a zone (`Z`, `+02:00`, ` UTC`, ` Europe/Berlin`), or a number since 1970-01-01 whose
    unit follows from its magnitude: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds,
    else nanoseconds; between 2000 and 2286 the four never overlap. Digits as text (9 or more) are a number.
    A clock with a format reads that format alone.

    Args:
        zone: the zone that the record names beside its time; before the clock's.

    Raises:
        Refusal: no time, no zone, not a time, skipped by the zone's clocks, before `parameters.earliest`, or
            further ahead than allowed.
    """
    moment = _moment(value, clock.form)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(zone or clock.zone, moment))
    try:
        found = clocks.instant(moment)
    except OverflowError:
        raise Refusal("produced_at", f"the time {moment.isoformat()} is out of range") from None
    except ValueError as error:
        raise Refusal("produced_at", f"the time {error}") from None
    if found.moment < parameters.earliest:
        reason = f"the time {found.moment.isoformat()} is before {parameters.earliest:%Y-%m-%d}"
        raise Refusal("produced_at", reason)
    if found.moment > now + parameters.tolerance:
        raise Refusal("produced_at", f"the time {found.moment.isoformat()} lies in the future")
    return found


def _zone(name: str | None, moment: datetime) -> tzinfo:
    if name is None:
        reason = f"the time {moment.isoformat()} has no zone; if the source writes UTC, "
        raise Refusal("produced_at", reason + 'set time_zone = "UTC" for it, else the zone\'s name')
    try:
        return UTC if name == "UTC" else clocks.zone(name)
    except ValueError as error:
        raise Refusal("produced_at", f"{shown(name, 60)!r} {error}") from None


def _moment(value: object, form: str | None) -> datetime:
    if value is None or value == "":
        raise Refusal("produced_at", "the record has no time")
    if isinstance(value, datetime):
        try:
            return value if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            raise Refusal("produced_at", f"the time {value.isoformat()} is out of range") from None
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refusal("produced_at", f"the time is {kind(value)}, expected ISO 8601 text or a number")
    try:
        return _as_written(value, form)
    except (ValueError, OverflowError):
        text = shown(str(value), 60)
        if form is not None:
            raise Refusal("produced_at", f"{text!r} does not match time_format {form!r}") from None
        reason = f"{text!r} is not a time; expected ISO 8601 with a zone, or set time_format"
        raise Refusal("produced_at", reason) from None


def _as_written(value: str | int | float, form: str | None) -> datetime:
    if form in clocks.EPOCHS:
        return _epoch(_number(value), clocks.EPOCHS[form])
    if form is None and isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if "." in value else int(value[:25])
    if form is None and not isinstance(value, str):
        return _epoch(value, _units(value))
    text = str(value).strip()
    if len(text) > 100:
        raise ValueError("too long for a time")
    return _iso(text) if form in (None, "iso") else clocks.parsed(text, form or "")


def _number(value: str | int | float) -> int | float:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _DECIMAL.fullmatch(text):
        raise ValueError("no number")
    return int(text) if text.lstrip("-").isdigit() else float(text.replace(",", "."))


def _units(value: int | float) -> int:
    size = abs(value)
    return 1 if size < 1e11 else 10**3 if size < 1e14 else 10**6 if size < 1e17 else 10**9


def _epoch(value: int | float, per_second: int) -> datetime:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not finite")
    # Whole microseconds by integer arithmetic: a float of seconds would lose the last digits of nanoseconds.
    micro = value * 10**6 // per_second if isinstance(value, int) else round(value * (10**6 / per_second))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro)


def _iso(text: str) -> datetime:
    if text[-4:] in (" UTC", " GMT"):
        text = text[:-4] + "+00:00"
    zoned = _ZONED.fullmatch(text)
    if zoned is None:
        return datetime.fromisoformat(text)
    there = clocks.zone(zoned[2] or zoned[3])
    moment = datetime.fromisoformat(zoned[1])
    if moment.tzinfo is None:
        return moment.replace(tzinfo=there)
    if moment.astimezone(there).utcoffset() != moment.utcoffset():
        raise ValueError("the offset is not that of the zone")
    return moment
