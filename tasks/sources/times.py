"""A record's time: one instant, or a reason why it is none."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta

from tasks.files.refusal import Refusal, shown
from tasks.sources.parameters import RecordParameters
from tasks.sources.paths import kind

_NUMBER = re.compile(r"-?[0-9]{9,}(?:\.[0-9]+)?")


def instant(value: object, *, assume_utc: bool, now: datetime, parameters: RecordParameters) -> datetime:
    """A record's time as a microsecond UTC instant.

    ISO 8601 text with a zone (`Z`, `+02:00`, ` UTC`), or a number since 1970-01-01 whose unit follows from
    its magnitude: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
    Between 2000 and 2286 the four never overlap. Digits as text (9 or more) count as a number.

    Raises:
        Refusal: no time, no zone, not a time, before `parameters.earliest`, or further ahead than allowed.
    """
    moment = _moment(value)
    if moment.tzinfo is None:
        if not assume_utc:
            reason = f"the time {moment.isoformat()} has no zone; if the source writes UTC, "
            raise Refusal("produced_at", reason + 'set time_zone = "UTC" for it')
        moment = moment.replace(tzinfo=UTC)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise Refusal("produced_at", f"the time {moment.isoformat()} is out of range") from None
    if moment < parameters.earliest:
        reason = f"the time {moment.isoformat()} is before {parameters.earliest:%Y-%m-%d}"
        raise Refusal("produced_at", reason)
    if moment > now + parameters.tolerance:
        raise Refusal("produced_at", f"the time {moment.isoformat()} lies in the future")
    return moment


def _moment(value: object) -> datetime:
    if value is None or value == "":
        raise Refusal("produced_at", "the record has no time")
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refusal("produced_at", f"the time is {kind(value)}, expected ISO 8601 text or a number")
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if "." in value else int(value[:25])
    try:
        return _iso(value) if isinstance(value, str) else _epoch(value)
    except (ValueError, OverflowError):
        reason = f"{shown(str(value), 60)!r} is not a time; expected ISO 8601 with a zone"
        raise Refusal("produced_at", reason) from None


def _epoch(value: int | float) -> datetime:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not finite")
    size = abs(value)
    per_second = 1 if size < 1e11 else 10**3 if size < 1e14 else 10**6 if size < 1e17 else 10**9
    # Whole microseconds by integer arithmetic: a float of seconds would lose the last digits of nanoseconds.
    micro = value * 10**6 // per_second if isinstance(value, int) else round(value * (10**6 / per_second))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro)


def _iso(value: str) -> datetime:
    text = value.strip()
    if len(text) > 64:
        raise ValueError("too long for a time")
    if text[-4:] in (" UTC", " GMT"):
        text = text[:-4] + "+00:00"
    return datetime.fromisoformat(text)
