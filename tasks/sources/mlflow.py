"""MLflow: traces through its REST API, by when they began, or from files of exported traces.

Traces are written when they end and are found by when they began, so each pull begins `overlap_minutes`
before the newest trace of the last one; what comes again is known by its id and content. A trace comes whole.
One whose spans are kept elsewhere has the server's previews instead, which may be cut; its metadata say so.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from tasks.errors import SourceError
from tasks.files.limits import LimitSettings
from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.files.web import Web
from tasks.sources import exported_rows, trace_server
from tasks.sources.base import Batch, Scope, Tally, Wanted
from tasks.sources.exported_rows import ODD
from tasks.sources.messages import decoded
from tasks.sources.raw_spans import IS_PREVIEW, Raw, nanoseconds, raw
from tasks.sources.trace_server import Mark, ServerSettings, odd, once

_KINDS = {"CHAT_MODEL": "LLM", "WORKFLOW": "CHAIN"}
_SEARCH, _GET = "api/3.0/mlflow/traces/search", "api/3.0/mlflow/traces/batchGet"
_AT_ONCE = 25
"""Traces of one request: their ids are in its address."""
_TESTED = "MLflow 3.17"


@dataclass(frozen=True, kw_only=True)
class MlflowSettings(ServerSettings):
    """Traces of MLflow."""

    kind: Literal["mlflow"]
    """Its REST API (MLflow 3), or files of exported traces."""
    overlap_minutes: Annotated[float, Ge(0), Le(525_600)] = 360.0
    """Minutes before the newest trace of the last pull that are read again: long traces are written late."""


def reach(source: MlflowSettings) -> str:
    """Whether the experiment is there.

    Raises:
        SourceError: it cannot be reached, or lets nobody in.
    """
    return trace_server.reach(source, _look)


def pull(source: MlflowSettings, scope: Scope) -> Iterator[Batch]:
    """Answers of the traces that are new or were open.

    Raises:
        SourceError: the server, or the exports, cannot be read.
    """
    yield from trace_server.pull(source, scope, _Mlflow, exported)


def tally(source: MlflowSettings, days: Sequence[date], _: Wanted) -> Iterator[Tally]:
    """Traces by when they began: their ids are listed, which is the count.

    Raises:
        SourceError: the server cannot be asked.
    """
    yield from trace_server.tally(source, days, _traces_of)


def _traces_of(source: MlflowSettings, door: Web, day: date) -> Iterator[str]:
    for page in _pages(source, door, _of_days(day, day)):
        yield from (str(info["trace_id"]) for info in page)


def _look(source: MlflowSettings, door: Web) -> str:
    return f"experiment {source.project!r} ({_experiment(source, door)}) of {source.url}"


def _experiment(source: MlflowSettings, door: Web) -> str:
    """The experiment's id; `project` is its name, or the id itself."""
    if source.project.isdecimal():
        return source.project
    name = "Default" if source.project == "default" else source.project
    answer = door.json("api/2.0/mlflow/experiments/get-by-name", {"experiment_name": name})
    try:
        return str(answer["experiment"]["experiment_id"])
    except ODD:
        raise SourceError(f"source {source.name!r}: {source.url} is not an MLflow server") from None


class _Mlflow:
    def __init__(self, source: MlflowSettings, door: Web) -> None:
        self._source, self._door = source, door

    def pages(self, mark: Mark, scope: Scope) -> Iterator[tuple[list[Raw], Mark]]:
        """Traces by when they began, whole."""
        newest = int(mark.get("newest_ms") or 0)
        conditions = _conditions(mark, scope, self._source.overlap_minutes)
        for infos in _pages(self._source, self._door, conditions):
            try:
                ids = [str(info["trace_id"]) for info in infos]
                newest = max([newest, *(nanoseconds(info["request_time"]) // 10**6 for info in infos)])
            except ODD as error:
                raise odd(self._source, _SEARCH, "traces", error, _TESTED) from None
            spans = trace_server.whole(self.of, ids, _AT_ONCE, self._source.requests_at_once)
            yield list(spans), {"newest_ms": newest}

    def of(self, trace_ids: Sequence[str]) -> Iterator[Raw]:
        """All spans of these traces."""
        answer = self._door.json(_GET, {"trace_ids": list(trace_ids)})
        try:
            spans = [span for trace in answer.get("traces") or () for span in of_trace(trace)]
        except ODD as error:
            raise odd(self._source, _GET, "traces", error, _TESTED) from None
        yield from spans


def _pages(source: MlflowSettings, door: Web, conditions: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """What the server says of traces, without their spans, by when they began."""
    place = {
        "type": "MLFLOW_EXPERIMENT",
        "mlflow_experiment": {"experiment_id": _experiment(source, door)},
    }
    body: dict[str, Any] = {
        "locations": [place],
        "max_results": source.page_size,
        "order_by": ["timestamp_ms ASC"],
    }
    if conditions:
        body["filter"] = " AND ".join(conditions)
    seen: set[str] = set()
    while True:
        answer = door.json(_SEARCH, body=body)
        try:
            infos = [info for info in answer.get("traces") or [] if info["trace_id"]]
            token = answer.get("next_page_token")
        except ODD as error:
            raise odd(source, _SEARCH, "traces", error, _TESTED) from None
        yield infos
        if not token:
            return
        body["page_token"] = once(seen, str(token), source.name)


def _conditions(mark: Mark, scope: Scope, overlap_minutes: float) -> list[str]:
    if scope.is_range:
        return _of_days(scope.since, scope.until)
    newest = mark.get("newest_ms")
    return [f"timestamp_ms >= {int(newest - overlap_minutes * 60_000)}"] if newest else []


def _of_days(since: date | None, until: date | None) -> list[str]:
    days = [f"timestamp_ms >= {_milliseconds(since)}"] if since else []
    return days + ([f"timestamp_ms < {_milliseconds(until + timedelta(days=1))}"] if until else [])


def _milliseconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp() * 1000)


def of_trace(trace: Mapping[str, Any]) -> list[Raw]:
    """Spans of a trace: as the API gives it (`trace_info`, `spans`), or as files do (`info`, `data.spans`).

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none.
    """
    info = trace.get("trace_info") or trace["info"]
    spans = trace["spans"] if "spans" in trace else (trace.get("data") or {}).get("spans") or []
    identity = str(info.get("trace_id") or info["request_id"])
    told = info.get("trace_metadata") or info.get("request_metadata") or {}
    common = {
        key: told[name]
        for key, name in (("session.id", "mlflow.trace.session"), ("user.id", "mlflow.trace.user"))
        if told.get(name)
    }
    tags = info.get("tags")
    own = {
        k: v
        for k, v in {**(tags if isinstance(tags, dict) else {}), **told}.items()
        if not k.startswith("mlflow.")
    }
    common |= {"metadata": own} if own else {}
    if not spans:
        return [_preview(identity, info, told, common)]
    return [_span(identity, span, common) for span in spans]


def _preview(identity: str, info: Mapping[str, Any], told: Mapping[str, Any], common: dict[str, Any]) -> Raw:
    start = nanoseconds(str(info["request_time"]))
    given = {
        "input.value": told.get("mlflow.traceInputs") or info.get("request_preview"),
        "output.value": told.get("mlflow.traceOutputs") or info.get("response_preview"),
    }
    attributes = {"openinference.span.kind": "AGENT", **given, **common, "tag.tags": ["previews only"]}
    attributes[IS_PREVIEW] = True
    return raw(identity, identity, None, start_ns=start, end_ns=start, attributes=attributes)


def _span(identity: str, span: Mapping[str, Any], common: dict[str, Any]) -> Raw:
    told = span["attributes"]
    attributes = _untagged(told) if isinstance(told, list) else {k: _opened(v) for k, v in told.items()}
    kind = str(attributes.get("mlflow.spanType") or "UNKNOWN")
    usage = attributes.get("mlflow.chat.tokenUsage")
    named = {
        "openinference.span.kind": _KINDS.get(kind, kind),
        "input.value": attributes.get("mlflow.spanInputs"),
        "output.value": attributes.get("mlflow.spanOutputs"),
        "llm.model_name": attributes.get("mlflow.llm.model") or attributes.get("mlflow.chat.model"),
        "tool.name": span.get("name"),
        **({f"gen_ai.usage.{k}": v for k, v in usage.items()} if isinstance(usage, dict) else {}),
    }
    status = span.get("status") or {}
    return raw(
        identity,
        _hex(span["span_id"]),
        _hex(span.get("parent_span_id")) or None,
        start_ns=int(span["start_time_unix_nano"]),
        end_ns=int(span.get("end_time_unix_nano") or 0),
        attributes={**common, **attributes, **{k: v for k, v in named.items() if v is not None}},
        name=str(span.get("name") or ""),
        is_error=status.get("code") in ("STATUS_CODE_ERROR", "ERROR"),
    )


def _hex(identity: str | None) -> str:
    """Ids are base64 in JSON; older files have them in hexadecimal already."""
    if not identity or (len(identity) == 16 and all(c in "0123456789abcdef" for c in identity)):
        return identity or ""
    return base64.b64decode(identity).hex()


def _opened(value: object) -> object:
    """Attributes of files are JSON text, each by itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return decoded(value)


def _untagged(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: _value(pair.get("value") or {}) for pair in pairs}


def _value(tagged: Mapping[str, Any]) -> Any:
    for tag, inner in tagged.items():
        if tag in ("array_value", "arrayValue"):
            return [_value(item) for item in inner.get("values") or ()]
        if tag in ("kvlist_value", "kvlistValue"):
            return _untagged(inner.get("values") or ())
        return inner
    return None


def exported(path: Path, limits: LimitSettings) -> Iterator[tuple[Raw | Refusal, int, str]]:
    """Spans of exported traces: JSON, JSON Lines, or Parquet with a column `trace`."""
    return exported_rows.read(path, limits, "a trace of MLflow", _of_record)


def _of_record(record: Record) -> list[Raw]:
    inner = decoded(record.get("trace"))
    return of_trace(inner if isinstance(inner, dict) else record)
