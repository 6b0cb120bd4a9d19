"""Arize Phoenix: spans through its REST API, in the order in which they came in, or from its exports.

The API pages by the span's number, which grows as spans come in: whatever comes late has a higher one, so the
next pull goes on behind the last span, and a page is not moved by what arrives meanwhile. No request asks for
more than a page; the data frame of the client, which asks for all, times out at some 20,000 spans.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from tasks.errors import SourceError
from tasks.files.limits import LimitSettings
from tasks.files.refusal import Refusal
from tasks.files.web import Web
from tasks.sources import exported_rows, trace_server
from tasks.sources.attributes import CONTENT_EVENTS
from tasks.sources.base import Batch, Scope, Tally, Wanted
from tasks.sources.exported_rows import ODD
from tasks.sources.raw_spans import Raw, nanoseconds, raw
from tasks.sources.trace_server import Mark, ServerSettings, odd, once

_TRACES_AT_ONCE = 1000
_ORDER = {"sort": "id", "order": "asc"}


@dataclass(frozen=True, kw_only=True)
class PhoenixSettings(ServerSettings):
    """Traces of Arize Phoenix."""

    kind: Literal["phoenix"]
    """Its REST API, or the JSON Lines that its pages download."""


def reach(source: PhoenixSettings) -> str:
    """Which version answers, and whether the project is there.

    Raises:
        SourceError: it cannot be reached, or lets nobody in.
    """
    return trace_server.reach(source, _look)


def pull(source: PhoenixSettings, scope: Scope) -> Iterator[Batch]:
    """Answers of the traces that are new or were open.

    Raises:
        SourceError: the server, or the exports, cannot be read.
    """
    yield from trace_server.pull(source, scope, _Phoenix, exported)


def tally(source: PhoenixSettings, days: Sequence[date], _: Wanted) -> Iterator[Tally]:
    """Traces by when they began: their ids are listed, which is the count.

    Raises:
        SourceError: the server does not list traces.
    """
    yield from trace_server.tally(source, days, _traces_of)


def _traces_of(source: PhoenixSettings, door: Web, day: date) -> Iterator[str]:
    place = f"v1/projects/{quote(source.project, safe='')}/traces"
    asked: dict[str, Any] = {"sort": "start_time", "order": "asc", "limit": _TRACES_AT_ONCE}
    asked |= {"start_time": _midnight(day), "end_time": _midnight(day + timedelta(days=1))}
    seen: set[str] = set()
    while True:
        answer = door.json(place, asked)
        try:
            found = [str(trace["trace_id"]) for trace in answer["data"]]
            following = answer["next_cursor"]
        except ODD as error:
            raise odd(source, place, "traces", error, "Phoenix 20") from None
        yield from found
        if not following:
            return
        asked["cursor"] = once(seen, str(following), source.name)


def _midnight(day: date) -> str:
    return datetime.combine(day, time(), UTC).isoformat()


def _look(source: PhoenixSettings, door: Web) -> str:
    door.json(f"v1/projects/{quote(source.project, safe='')}")
    return f"project {source.project!r} of {source.url}"


class _Phoenix:
    def __init__(self, source: PhoenixSettings, door: Web) -> None:
        self._source, self._door = source, door
        self._place = f"v1/projects/{quote(source.project, safe='')}/spans"

    def pages(self, mark: Mark, scope: Scope) -> Iterator[tuple[list[Raw], Mark]]:
        """New spans by their number; of a range, by when they started."""
        asked: dict[str, Any] = dict(_ORDER)
        if scope.since:
            asked["start_time"] = _midnight(scope.since)
        if scope.until:
            asked["end_time"] = _midnight(scope.until + timedelta(days=1))
        yield from self._pages(asked, str(mark.get("cursor") or ""))

    def of(self, trace_ids: Sequence[str]) -> Iterator[Raw]:
        """All spans of these traces."""
        for page, _ in self._pages({**_ORDER, "trace_id": list(trace_ids)}, ""):
            yield from page

    def _pages(self, asked: dict[str, Any], cursor: str) -> Iterator[tuple[list[Raw], Mark]]:
        seen: set[str] = set()
        while True:
            page = {"limit": self._source.page_size, **asked, **({"cursor": cursor} if cursor else {})}
            answer = self._door.json(self._place, page)
            try:
                data, following = answer["data"], answer["next_cursor"]
                found = [span(each) for each in data]
                last = str(data[-1]["id"]) if data else cursor
                numbers = [_number(str(each["id"])) for each in data]
            except ODD as error:
                raise odd(self._source, self._place, "spans", error, "Phoenix 20") from None
            if numbers != sorted(numbers):
                raise SourceError(
                    f"source {self._source.name!r}: this Phoenix pages in another order; upgrade it"
                )
            yield found, {"cursor": last}
            if not following:
                return
            cursor = once(seen, str(following), self._source.name)


def _number(identity: str) -> int:
    """Of a span's id, which is `Span:NUMBER` in base64."""
    return int(base64.b64decode(identity).rpartition(b":")[2])


def span(given: dict[str, Any]) -> Raw:
    """A span as Phoenix gives it: attributes flattened, times in ISO 8601.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none.
    """
    attributes = flattened(given.get("attributes") or {})
    kind = given.get("span_kind")
    if kind and kind != "UNKNOWN":
        attributes.setdefault("openinference.span.kind", kind)
    events = [
        [event.get("name"), flattened(event.get("attributes") or {})]
        for event in given.get("events") or ()
        if event.get("name") in CONTENT_EVENTS
    ]
    return raw(
        str(given["context"]["trace_id"]),
        str(given["context"]["span_id"]),
        given.get("parent_id") or None,
        start_ns=nanoseconds(given["start_time"]),
        end_ns=nanoseconds(given.get("end_time") or given["start_time"]),
        attributes=attributes,
        name=str(given.get("name") or ""),
        is_error=given.get("status_code") == "ERROR",
        events=events,
    )


def flattened(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes by dotted names; older exports nest them."""
    flat: dict[str, Any] = {}
    stack: list[tuple[str, Any]] = [("", attributes)]
    while stack:
        prefix, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f"{prefix}.{key}" if prefix else str(key), inner) for key, inner in value.items()]
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            stack += [(f"{prefix}.{number}", inner) for number, inner in enumerate(value)]
        else:
            flat[prefix] = value
    return flat


def exported(path: Path, limits: LimitSettings) -> Iterator[tuple[Raw | Refusal, int, str]]:
    """Spans of a download: one a line."""
    return exported_rows.read(path, limits, "a span of Phoenix", lambda record: [span(record)])
