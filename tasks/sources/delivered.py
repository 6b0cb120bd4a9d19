"""Whether and when an answer reached its user, and what its own system did with it, as its record says.

A time that is there says that the answer was delivered, an empty one that it was not by the time the record
was written; a record without the field says nothing. A flag is true or false, and empty says nothing. An
action `delivered` says that the answer was delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from tasks.files.refusal import Refusal, shown
from tasks.sources.paths import kind
from tasks.tables import ACTIONS

TIME, FLAG, ACTION = "delivered_at", "delivered", "action_taken"
"""Fields of a source's mapping."""
_YES, _NO = ("true", "yes", "y", "1"), ("false", "no", "n", "0")


class Delivery(NamedTuple):
    """What a record says; both None where it says nothing."""

    delivered_at: datetime | None = None
    is_delivered: bool | None = None
    action_taken: str | None = None


def delivery(
    values: Mapping[str, object],
    *,
    produced_at: datetime,
    instant: Callable[[object], datetime],
    tolerance: timedelta,
) -> Delivery:
    """What a record says of its delivery.

    Args:
        values: what stands under the mapped paths, by field; a path that leads nowhere has no entry.
        instant: reads a time of the source.
        tolerance: how far before the answer itself its delivery may lie; clocks of two systems differ.

    Raises:
        Refusal: a time, a flag or an action that cannot be read, a delivery before the answer, or a flag that
            says otherwise than the time.
    """
    flag, action = _flag(values.get(FLAG)), _action(values.get(ACTION))
    moment = values.get(TIME)
    if moment in (None, ""):
        is_delivered = True if flag is None and action == ACTIONS[0] else flag
        is_empty = TIME in values and is_delivered is None
        return Delivery(None, False if is_empty else is_delivered, action)
    try:
        at = instant(moment)
    except Refusal as refusal:
        raise Refusal(TIME, f"{TIME}: {refusal.reason}") from None
    if at < produced_at - tolerance:
        days = f"more than {tolerance / timedelta(days=1):g} days"
        raise Refusal(TIME, f"{TIME} {at.isoformat()} is {days} before the answer, {produced_at.isoformat()}")
    if flag is False:
        raise Refusal(FLAG, f"{FLAG} is false, but {TIME} is {at.isoformat()}")
    return Delivery(at, is_delivered=True, action_taken=action)


def action_of(text: str) -> str | None:
    """The action that a word names, in any case of letters; None where it names none."""
    word = text.strip().casefold()
    return word if word in ACTIONS else None


def _action(value: object) -> str | None:
    if value is None or value == "":
        return None
    action = action_of(value) if isinstance(value, str) else None
    if action is None:
        what = repr(shown(value, 60)) if isinstance(value, str) else kind(value)
        raise Refusal(ACTION, f"{ACTION} is {what}, expected one of {', '.join(ACTIONS)}")
    return action


def _flag(value: object) -> bool | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, str | int | float) else ""
    if word in _YES:
        return True
    if word in _NO:
        return False
    what = repr(shown(str(value), 60)) if isinstance(value, str | int | float) else kind(value)
    raise Refusal(FLAG, f"{FLAG} is {what}, expected true or false (also yes, no, 1 or 0)")
