"""A span between its source and what it means: plain values in a list, small enough to be put aside on disk.

Every tracing system's reader gives these, with what the span says in the names of OpenTelemetry and
OpenInference, so that `attributes.py` alone knows what names mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.sources.attributes import describe, named, with_events
from tasks.sources.spans import Span

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Raw = list[Any]
TRACE, SPAN, PARENT, START, END, NAME, IS_ENTRY, IS_ERROR, SERVICE, ATTRIBUTES, EVENTS = range(11)
"""Places of a span's values; times in nanoseconds. What a log adds to a span has no START. A span that says
nothing of agents has None for its attributes."""

IS_PREVIEW, IS_CUT = "claimledger.is_preview", "claimledger.is_cut"
"""Attributes that readers add: the span holds previews only; attributes of it were dropped when it was
recorded."""


def nanoseconds(text: str) -> int:
    """Of a time in ISO 8601; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000


def raw(
    trace: str,
    span: str,
    parent: str | None,
    *,
    start_ns: int,
    end_ns: int,
    attributes: dict[str, Any] | None,
    name: str = "",
    is_entry: bool = False,
    is_error: bool = False,
    service: str | None = None,
    events: Sequence[Any] = (),
) -> Raw:
    """A span.

    Raises:
        ValueError: a time that 64 bits do not hold.
    """
    if not 0 <= start_ns < 2**63 or not 0 <= end_ns < 2**63:
        raise ValueError("a time beyond 64 bits")
    end_ns = max(start_ns, end_ns)
    return [
        trace,
        span,
        parent,
        start_ns,
        end_ns,
        name,
        is_entry,
        is_error,
        service,
        attributes,
        list(events),
    ]


def ends(group: Sequence[Raw]) -> list[int]:
    """When the spans of a trace ended, without what logs add to spans that have not come."""
    return [span[END] for span in group if span[START] is not None]


def is_complete(group: Sequence[Raw]) -> bool:
    """Whether a root is there, and of every span its parent."""
    own = [span for span in group if span[START] is not None]
    known = {span[SPAN] for span in own}
    below = [span[PARENT] for span in own if span[PARENT] is not None and not span[IS_ENTRY]]
    return len(below) < len(own) and known.issuperset(below)


def spans(group: Sequence[Raw], delivery: Mapping[str, str] | None = None) -> list[Span]:
    """The spans of a trace, each with what its attributes, events and logs say; of the delivery what those
    say that `delivery` names, by field.
    """
    logs: dict[str, list[Any]] = {}
    for span in group:
        if span[START] is None:
            logs.setdefault(span[SPAN], []).extend(span[EVENTS])
    return [_span(span, logs.get(span[SPAN]), delivery or {}) for span in group if span[START] is not None]


def _span(span: Raw, logs: list[Any] | None, delivery: Mapping[str, str]) -> Span:
    read = Span(
        trace_id=span[TRACE],
        span_id=span[SPAN],
        parent_id=span[PARENT],
        start_ns=span[START],
        end_ns=span[END],
        name=span[NAME],
        is_entry=span[IS_ENTRY],
        is_error=span[IS_ERROR],
        service=span[SERVICE],
    )
    attributes, events = span[ATTRIBUTES], [*span[EVENTS], *(logs or ())]
    if attributes is None and not events:
        return read
    attributes = attributes or {}
    read.is_preview, read.is_cut = IS_PREVIEW in attributes, IS_CUT in attributes
    attributes = with_events(attributes, events) if events else attributes
    read.delivery = named(attributes, delivery) if delivery else {}
    return describe(read, attributes)
