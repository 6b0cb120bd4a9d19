"""Langfuse: its scheduled exports (`observations_v2`, `observations`), or its API, as spans.

Exports have snake_case columns, the API camelCase keys; both say the same. Their times name no zone and are
UTC. Input and output are text that holds JSON or not. The API pages by a cursor within a range of time, so
each pull begins `overlap_minutes` before the newest observation of the last one; what comes again is known
by its id. `GET /traces/ID`, which takes most of a minute, is never asked for: the rest of a trace is asked
for as observations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from tasks.files.limits import LimitSettings
from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.files.web import Web
from tasks.sources import exported_rows, trace_server
from tasks.sources.base import Batch, Scope, Tally, Wanted
from tasks.sources.exported_rows import ODD
from tasks.sources.human_scores import ScoreSettings
from tasks.sources.messages import decoded
from tasks.sources.raw_spans import Raw, nanoseconds, raw
from tasks.sources.trace_server import Mark, ServerSettings, odd, once

_PLACE = "api/public/v2/observations"
_TRACES = "api/public/traces"
_SCORES = "api/public/v2/scores"
_SCORES_AT_ONCE = 100
_TRACES_AT_ONCE = 100
_LISTED = 10_000
"""Traces of a day that are listed whatever their count says: a hundred requests."""
_KINDS = {"generation": "LLM", "agent": "AGENT", "chain": "CHAIN", "tool": "TOOL", "retriever": "RETRIEVER",
          "evaluator": "EVALUATOR", "guardrail": "GUARDRAIL", "span": "CHAIN"}  # fmt: skip
_FIELDS = "core,basic,time,io,metadata,model,usage,trace_context"
"""Groups of fields asked for; without `io` there is nothing to verify."""
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


@dataclass(frozen=True, kw_only=True)
class LangfuseSettings(ServerSettings):
    """Traces of Langfuse."""

    kind: Literal["langfuse"]
    """Its scheduled exports (recommended), or its API."""
    overlap_minutes: Annotated[float, Ge(0), Le(525_600)] = 360.0
    """Minutes before the newest observation of the last pull that are read again: some come late."""
    reviews: ScoreSettings | None = None
    """What people's scores mean, which become reviews of verdicts."""


def reach(source: LangfuseSettings) -> str:
    """Whether the server answers with this key.

    Raises:
        SourceError: it cannot be reached, or lets nobody in.
    """
    return trace_server.reach(source, _look)


def pull(source: LangfuseSettings, scope: Scope) -> Iterator[Batch]:
    """Answers of the traces that are new or were open.

    Raises:
        SourceError: the server, or the exports, cannot be read.
    """
    yield from trace_server.pull(source, scope, _Langfuse, exported)


def tally(source: LangfuseSettings, days: Sequence[date], wanted: Wanted) -> Iterator[Tally]:
    """Traces by their time: `totalItems`, and their ids where they are wanted and few enough to list.

    Raises:
        SourceError: the server cannot be asked.
    """
    with trace_server.web(source, **trace_server.credentials(source)) as door:
        for day in days:
            first = _traces(source, door, day, 1)
            ids = list(first[1])
            is_listed = first[0] <= _LISTED or wanted(day, first[0])
            for page in range(2, -(-first[0] // _TRACES_AT_ONCE) + 1) if is_listed else ():
                ids += _traces(source, door, day, page)[1]
            yield Tally(day, first[0], list(dict.fromkeys(ids)) if is_listed else None)


def _traces(source: LangfuseSettings, door: Web, day: date, page: int) -> tuple[int, list[str]]:
    """How many traces a day has, and the ids of a page of them."""
    asked = {"page": page, "limit": _TRACES_AT_ONCE, "fields": "core", "orderBy": "timestamp.asc"}
    asked |= {"fromTimestamp": _midnight(day), "toTimestamp": _midnight(day + timedelta(days=1))}
    answer = door.json(_TRACES, asked)
    try:
        return int(answer["meta"]["totalItems"]), [str(trace["id"]) for trace in answer["data"]]
    except ODD as error:
        raise odd(source, _TRACES, "traces", error) from None


def scores(source: LangfuseSettings, since: datetime) -> Iterator[list[Record]]:
    """Pages of the scores that people gave since a moment, as the API gives them.

    Raises:
        SourceError: the server cannot be asked.
    """
    asked = {"source": "ANNOTATION", "fromTimestamp": since.isoformat(), "limit": _SCORES_AT_ONCE}
    with trace_server.web(source, **trace_server.credentials(source)) as door:
        number, pages = 1, 1
        while number <= pages:
            answer = door.json(_SCORES, {**asked, "page": number})
            try:
                pages = int(answer["meta"]["totalPages"])
                page = [dict(row) for row in answer["data"]]
            except ODD as error:
                raise odd(source, _SCORES, "scores", error) from None
            yield page
            number += 1


def _look(source: LangfuseSettings, door: Web) -> str:
    door.json(_PLACE, {"limit": 1})
    return f"observations of {source.url}"


class _Langfuse:
    def __init__(self, source: LangfuseSettings, door: Web) -> None:
        self._source, self._door = source, door

    def pages(self, mark: Mark, scope: Scope) -> Iterator[tuple[list[Raw], Mark]]:
        """Observations by when they began."""
        asked: dict[str, Any] = {}
        newest = str(mark.get("newest") or "")
        if scope.is_range:
            if scope.since:
                asked["fromStartTime"] = _midnight(scope.since)
            if scope.until:
                asked["toStartTime"] = _midnight(scope.until + timedelta(days=1))
        elif newest:
            since = datetime.fromisoformat(newest) - timedelta(minutes=self._source.overlap_minutes)
            asked["fromStartTime"] = since.isoformat()
        for found, last in self._pages(asked):
            newest = max(newest, last)
            yield found, {"newest": newest}

    def of(self, trace_ids: Sequence[str]) -> Iterator[Raw]:
        """All observations of these traces."""
        for trace_id in trace_ids:
            for page, _ in self._pages({"traceId": trace_id}):
                yield from page

    def _pages(self, asked: dict[str, Any]) -> Iterator[tuple[list[Raw], str]]:
        """Observations of a page, and when the newest of them began, in ISO 8601."""
        seen: set[str] = set()
        page: dict[str, Any] = {"limit": self._source.page_size, "fields": _FIELDS, **asked}
        while True:
            answer = self._door.json(_PLACE, page)
            try:
                rows = [snake(row) for row in answer["data"]]
                found = [observation(row) for row in rows]
                moments = [_utc(row["start_time"]).isoformat() for row in rows]
                cursor = (answer.get("meta") or {}).get("cursor")
            except ODD as error:
                raise odd(self._source, _PLACE, "observations", error) from None
            yield found, max(moments, default="")
            if not cursor:
                return
            page["cursor"] = once(seen, str(cursor), self._source.name)


def _midnight(day: date) -> str:
    return datetime.combine(day, time(), UTC).isoformat()


def snake(row: Record) -> Record:
    """A row of the API with the keys of exports."""
    return {_CAMEL.sub(lambda match: f"_{match[1].lower()}", key): value for key, value in row.items()}


def _utc(value: object) -> datetime:
    """A time of Langfuse: without a zone it is UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def observation(row: Record) -> Raw:
    """An observation as a span.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none.
    """
    start, ended = _utc(row["start_time"]), row.get("end_time")
    kind = str(row.get("type") or "SPAN").lower()
    usage = decoded(row.get("usage_details"))
    tokens = usage if isinstance(usage, dict) else {}
    attributes = {
        "openinference.span.kind": _KINDS.get(kind, "UNKNOWN"),
        "input.value": row.get("input"),
        "output.value": row.get("output"),
        "llm.model_name": row.get("provided_model_name") or row.get("model"),
        "session.id": row.get("session_id"),
        "user.id": row.get("user_id"),
        "tool.name": row.get("name"),
        "tag.tags": decoded(row.get("tags")) or None,
        "metadata": decoded(row.get("metadata")) or None,
        "llm.prompt_template.version": row.get("prompt_version"),
        "gen_ai.usage.input_tokens": tokens.get("input"),
        "gen_ai.usage.output_tokens": tokens.get("output"),
    }
    return raw(
        str(row["trace_id"]),
        str(row["id"]),
        str(row.get("parent_observation_id") or "") or None,
        start_ns=nanoseconds(start.isoformat()),
        end_ns=nanoseconds(_utc(ended).isoformat()) if ended not in (None, "") else 0,
        attributes={key: value for key, value in attributes.items() if value not in (None, "")},
        name=str(row.get("name") or ""),
        is_error=row.get("level") == "ERROR",
    )


def exported(path: Path, limits: LimitSettings) -> Iterator[tuple[Raw | Refusal, int, str]]:
    """Observations of a scheduled export: Parquet, CSV, JSON or JSON Lines."""
    return exported_rows.read(
        path, limits, "an observation of Langfuse", lambda row: [observation(snake(row))]
    )
