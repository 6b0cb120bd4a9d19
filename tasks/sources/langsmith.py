"""LangSmith: its bulk exports, or its API, as spans.

Both give runs; `inputs`, `outputs` and `extra` are records, in exports as JSON text. `session_id` is the
project; the conversation is in the metadata. The API pages by a cursor, so each pull begins
`overlap_minutes` before the newest run of the last one; what comes again is known by its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from tasks.errors import SourceError
from tasks.files.limits import LimitSettings
from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.files.web import Web
from tasks.sources import exported_rows, trace_server
from tasks.sources.base import Batch, Scope
from tasks.sources.exported_rows import ODD
from tasks.sources.human_scores import ScoreSettings
from tasks.sources.messages import decoded
from tasks.sources.raw_spans import Raw, nanoseconds, raw
from tasks.sources.secrets import secret
from tasks.sources.trace_server import Mark, ServerSettings, odd, once

_RUNS, _PROJECTS, _FEEDBACK = "runs/query", "sessions", "feedback"
_KINDS = {"llm": "LLM", "chain": "CHAIN", "tool": "TOOL", "retriever": "RETRIEVER"}
_SESSIONS = ("thread_id", "session_id", "conversation_id")
"""Where the metadata name the conversation, as LangSmith looks for it."""
_SELECTED = [
    *("id", "trace_id", "parent_run_id", "run_type", "name", "start_time", "end_time", "status"),
    *("inputs", "outputs", "extra", "tags"),
]
_LARGEST_PAGE = 100
"""The server's own limit."""
_FIRST = datetime(2000, 1, 1, tzinfo=UTC).isoformat()
"""Asked for where nothing was pulled before: without a time, the server looks back a day only."""


@dataclass(frozen=True, kw_only=True)
class LangsmithSettings(ServerSettings):
    """Traces of LangSmith."""

    kind: Literal["langsmith"]
    """Its bulk exports (recommended), or its API."""
    overlap_minutes: Annotated[float, Ge(0), Le(525_600)] = 360.0
    """Minutes before the newest run of the last pull that are read again: some come late."""
    reviews: ScoreSettings | None = None
    """What people's feedback means, which becomes reviews of verdicts."""


def reach(source: LangsmithSettings) -> str:
    """Whether the project is there.

    Raises:
        SourceError: it cannot be reached, or lets nobody in.
    """
    return trace_server.reach(source, _look, _key)


def pull(source: LangsmithSettings, scope: Scope) -> Iterator[Batch]:
    """Answers of the traces that are new or were open.

    Raises:
        SourceError: the server, or the exports, cannot be read.
    """
    yield from trace_server.pull(source, scope, _Langsmith, exported, _key)


def feedback(source: LangsmithSettings, since: datetime) -> Iterator[list[Record]]:
    """Pages of the feedback that was given in LangSmith's interface since a moment.

    Raises:
        SourceError: the server cannot be asked.
    """
    with trace_server.web(source, **_key(source)) as door:
        asked = {"session": _project(source, door), "source": "app", "limit": _LARGEST_PAGE}
        asked |= {"min_created_at": since.isoformat()}
        start = 0
        while True:
            answer = door.json(_FEEDBACK, {**asked, "offset": start})
            if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
                raise odd(source, _FEEDBACK, "feedback", TypeError("no list of records"))
            yield answer
            if len(answer) < _LARGEST_PAGE:
                return
            start += len(answer)


def _look(source: LangsmithSettings, door: Web) -> str:
    return f"project {source.project!r} ({_project(source, door)}) of {source.url}"


def _key(source: ServerSettings) -> dict[str, Any]:
    key = secret(source.name)
    return {"headers": {"x-api-key": key} if key else {}}


def _project(source: LangsmithSettings, door: Web) -> str:
    answer = door.json(_PROJECTS, {"name": source.project, "limit": 1})
    try:
        return str(answer[0]["id"])
    except ODD:
        raise SourceError(
            f"source {source.name!r}: {source.url} has no project {source.project!r}; correct the project"
        ) from None


class _Langsmith:
    def __init__(self, source: LangsmithSettings, door: Web) -> None:
        self._source, self._door = source, door
        self._id = _project(source, door)

    def pages(self, mark: Mark, scope: Scope) -> Iterator[tuple[list[Raw], Mark]]:
        """Runs by when they began."""
        newest = str(mark.get("newest") or "")
        since = _FIRST
        if scope.since:
            since = datetime.combine(scope.since, time(), UTC).isoformat()
        elif newest and not scope.is_range:
            overlap = timedelta(minutes=self._source.overlap_minutes)
            since = (datetime.fromisoformat(newest) - overlap).isoformat()
        for found, last in self._pages({"start_time": since}):
            newest = max(newest, last)
            yield found, {"newest": newest}

    def of(self, trace_ids: Sequence[str]) -> Iterator[Raw]:
        """All runs of these traces."""
        for trace_id in trace_ids:
            for page, _ in self._pages({"trace": trace_id}):
                yield from page

    def _pages(self, asked: Mapping[str, Any]) -> Iterator[tuple[list[Raw], str]]:
        """Runs of a page, and when the newest of them began, in ISO 8601."""
        seen: set[str] = set()
        limit = min(self._source.page_size, _LARGEST_PAGE)
        body = {"session": [self._id], "limit": limit, "select": _SELECTED, **asked}
        while True:
            answer = self._door.json(_RUNS, body=body)
            try:
                found = [run(row) for row in answer["runs"]]
                moments = [_utc(row["start_time"]).isoformat() for row in answer["runs"]]
                cursor = (answer.get("cursors") or {}).get("next")
            except ODD as error:
                raise odd(self._source, _RUNS, "runs", error) from None
            yield found, max(moments, default="")
            if not cursor:
                return
            body["cursor"] = once(seen, str(cursor), self._source.name)


def _utc(value: object) -> datetime:
    """A time of LangSmith: without a zone it is UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def run(row: Record) -> Raw:
    """A run as a span.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none.
    """
    extra = decoded(row.get("extra"))
    extra = extra if isinstance(extra, dict) else {}
    told, called = extra.get("metadata") or {}, extra.get("invocation_params") or {}
    start, ended = _utc(row["start_time"]), row.get("end_time")
    attributes = {
        "openinference.span.kind": _KINDS.get(str(row.get("run_type")), "UNKNOWN"),
        "input.value": _only(decoded(row.get("inputs")), "input"),
        "output.value": _only(decoded(row.get("outputs")), "output"),
        "llm.model_name": told.get("ls_model_name") or called.get("model") or called.get("model_name"),
        "session.id": next((told[name] for name in _SESSIONS if told.get(name)), None),
        "tool.name": row.get("name"),
        "tag.tags": decoded(row.get("tags")) or None,
        "metadata": told or None,
    }
    return raw(
        str(row["trace_id"]),
        str(row["id"]),
        str(row.get("parent_run_id") or "") or None,
        start_ns=nanoseconds(start.isoformat()),
        end_ns=nanoseconds(_utc(ended).isoformat()) if ended not in (None, "") else 0,
        attributes={key: value for key, value in attributes.items() if value not in (None, "")},
        name=str(row.get("name") or ""),
        is_error=row.get("status") == "error",
    )


def _only(value: object, key: str) -> object:
    """What a record of this one key holds: runs wrap a plain value into one."""
    return value[key] if isinstance(value, dict) and set(value) == {key} else value


def exported(path: Path, limits: LimitSettings) -> Iterator[tuple[Raw | Refusal, int, str]]:
    """Runs of a bulk export (Parquet), or of JSON, JSON Lines and `{"runs": […]}`."""
    return exported_rows.read(path, limits, "a run of LangSmith", _of_record)


def _of_record(record: Record) -> list[Raw]:
    inner = record.get("runs")
    return [run(row) for row in inner] if isinstance(inner, list) else [run(record)]
