"""OpenTelemetry's own files: OTLP JSON lines and protobuf, as file exporters write them, as plain spans.

Four forms: JSON lines, packed as a whole by gzip or zstd or not; and what the collector writes with
`format: proto` or `compression: zstd`: every message behind its length in four bytes (big-endian), a message
being protobuf or JSON, each packed by zstd by itself or not. Spans that say nothing of agents lose their
attributes at once; what is left of them tells which span is below which.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped]

from tasks.files import streams
from tasks.files.limits import LimitSettings
from tasks.files.portions import BLOCK, BYTE_ORDER_MARK
from tasks.files.refusal import Refusal, shown
from tasks.sources.attributes import CONTENT_EVENTS, Attributes, is_of_an_agent
from tasks.sources.raw_spans import IS_CUT, Raw
from tasks.sources.raw_spans import raw as made

MESSAGE_BYTES = 256 * 2**20
"""Of one message: a batch of 8,192 spans, the collector's default, of 30 kB each."""
_ODD = (AttributeError, TypeError, KeyError, ValueError)
"""What a message of another form raises where it is read."""
_ZSTD, _PARENT_IS_KNOWN, _PARENT_IS_REMOTE, _ERROR = b"\x28\xb5\x2f\xfd", 0x100, 0x200, 2


def spans(path: Path, limits: LimitSettings) -> Iterator[tuple[Raw | Refusal, int, str]]:
    """(span or why there is none, bytes that it was read from, where it is) of each span of a file.

    Raises:
        Refusal: what is not a file of OTLP, or breaks off.
    """
    packed = streams.compression_of(path)
    with streams.unpacked(path, packed, limits.max_file_bytes) as raw:
        head = raw.head().removeprefix(BYTE_ORDER_MARK)
        is_text = head.lstrip()[:1] == b"{"
        for data, place in _lines(raw) if is_text else _framed(raw, head):
            if len(data) > MESSAGE_BYTES:
                reason = (
                    f"the message has more than {MESSAGE_BYTES} bytes; let the collector send smaller batches"
                )
                yield Refusal("too_large", reason, shown(data[:2000])), 0, place
                continue
            try:
                message = _message(data)
            except ValueError as error:
                refusal = Refusal(
                    "otlp", f"is not an OTLP message ({shown(str(error), 120)})", shown(data[:2000])
                )
                yield refusal, 0, place
                continue
            size = len(data) // max(1, len(message))
            for span in message:
                yield span, size, place


def _lines(raw: streams.Unpacked) -> Iterator[tuple[bytes, str]]:
    """Lines, with their places; one that is too long is given up to where it is."""
    parts: list[bytes] = []
    held, number = 0, 1
    while block := raw.read(BLOCK):
        *ended, rest = block.split(b"\n")
        for line in ended:
            if held <= MESSAGE_BYTES:
                parts.append(line)
            whole = b"".join(parts)
            if whole.strip():
                yield whole.removeprefix(BYTE_ORDER_MARK), f":{number}"
            parts, held, number = [], 0, number + 1
        if held <= MESSAGE_BYTES:
            parts.append(rest)
        held += len(rest)
    last = b"".join(parts)
    if last.strip():
        yield last.removeprefix(BYTE_ORDER_MARK), f":{number}"


def _framed(raw: streams.Unpacked, head: bytes) -> Iterator[tuple[bytes, str]]:
    """Messages behind their length; a file that is one protobuf message without one is that message."""
    if head[:1] == b"\x0a" and head[4:5] not in (b"\x0a", b"{") and head[4:8] != _ZSTD:
        yield _exactly(raw, MESSAGE_BYTES + 1), ": message 1"
        return
    if head[4:5] not in (b"\x0a", b"{") and head[4:8] != _ZSTD:
        raise Refusal(
            "format",
            "holds neither OTLP JSON lines nor protobuf; expected what the collector's file exporter writes",
        )
    number = 0
    while start := _exactly(raw, 4):
        number += 1
        length = int.from_bytes(start, "big")
        if length > MESSAGE_BYTES:
            raise Refusal(
                "too_large", f"has a message {number} of {length} bytes, at most {MESSAGE_BYTES} are read"
            )
        data = _exactly(raw, length)
        if len(start) < 4 or len(data) < length:
            raise Refusal("truncated", f"breaks off within message {number}")
        yield data, f": message {number}"


def _exactly(raw: streams.Unpacked, size: int) -> bytes:
    parts: list[bytes] = []
    while size and (block := raw.read(min(size, BLOCK))):
        parts.append(block)
        size -= len(block)
    return b"".join(parts)


def _message(data: bytes) -> list[Raw | Refusal]:
    """The spans of a message, which may hold logs or metrics instead."""
    if data[:4] == _ZSTD:
        data = _unpacked(data)
    if data.lstrip()[:1] == b"{":
        content = orjson.loads(data)
        if not isinstance(content, dict):
            raise ValueError("not a record")
        return [*_of_spans(content), *_of_logs(content)]
    return _of_protobuf(data)


def _unpacked(data: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        try:
            whole: bytes = stream.read(MESSAGE_BYTES + 1)
        except OSError as error:
            raise ValueError(str(error)) from None
    if len(whole) > MESSAGE_BYTES:
        raise ValueError(f"unpacks to more than {MESSAGE_BYTES} bytes")
    return whole


def _of_spans(content: dict[str, Any]) -> Iterator[Raw | Refusal]:
    for resource in _listed(content.get("resourceSpans")):
        try:
            service = _service(_attributes(resource.get("resource", {}).get("attributes")))
            groups = [_listed(scope.get("spans")) for scope in _listed(resource.get("scopeSpans"))]
        except _ODD:
            yield Refusal("otlp", "has a resource that is not a record", shown(str(resource)[:2000]))
            continue
        for group in groups:
            for span in group:
                yield _span(span, service)


def _listed(value: Any) -> list[Any]:
    """What has to be a list; in the place of one that is none, itself, which is refused where it is read."""
    return value if isinstance(value, list) else [value] if value else []


def _span(span: dict[str, Any], service: str | None) -> Raw | Refusal:
    try:
        attributes = _attributes(span.get("attributes"))
        if span.get("droppedAttributesCount"):
            attributes[IS_CUT] = True
        events = [
            [event["name"], _attributes(event.get("attributes"))]
            for event in span.get("events") or ()
            if event.get("name") in CONTENT_EVENTS
        ]
        parent = span.get("parentSpanId") or None
        flags = span.get("flags") or 0
        return made(
            str(span["traceId"]).lower(),
            str(span["spanId"]).lower(),
            str(parent).lower() if parent else None,
            start_ns=int(span["startTimeUnixNano"]),
            end_ns=int(span.get("endTimeUnixNano") or 0),
            attributes=attributes if events or is_of_an_agent(attributes) else None,
            name=str(span.get("name") or ""),
            is_entry=bool(parent and flags & _PARENT_IS_KNOWN and flags & _PARENT_IS_REMOTE),
            is_error=(span.get("status") or {}).get("code") in (_ERROR, "STATUS_CODE_ERROR"),
            service=service,
            events=events,
        )
    except _ODD as error:
        reason = f"is not a span ({type(error).__name__} at {shown(str(error), 60)})"
        return Refusal("otlp", reason, shown(str(span)[:2000]))


def _of_logs(content: dict[str, Any]) -> Iterator[Raw | Refusal]:
    """Attributes of spans that were written as events of their own: content is often kept apart."""
    for resource in _listed(content.get("resourceLogs")):
        try:
            scopes = _listed(resource.get("scopeLogs"))
            yield from [
                raw for scope in scopes for log in _listed(scope.get("logRecords")) for raw in _log(log)
            ]
        except _ODD as error:
            reason = f"has a log that is not a record ({type(error).__name__} at {shown(str(error), 60)})"
            yield Refusal("otlp", reason, shown(str(resource)[:2000]))


def _log(log: dict[str, Any]) -> Iterator[Raw]:
    attributes = _attributes(log.get("attributes"))
    name = log.get("eventName") or attributes.get("event.name")
    if name in CONTENT_EVENTS and log.get("traceId") and log.get("spanId"):
        body = _value(log.get("body") or {})
        given = {**(body if isinstance(body, dict) else {}), **attributes}
        yield [
            str(log["traceId"]).lower(), str(log["spanId"]).lower(), None,
            None, 0, "", False, False, None, {}, [[name, given]],
        ]  # fmt: skip


def _service(attributes: Attributes) -> str | None:
    name = attributes.get("service.name")
    return name if isinstance(name, str) and not name.startswith("unknown_service") else None


def _attributes(pairs: Any) -> dict[str, Any]:
    found = {}
    for pair in pairs or ():
        value = pair.get("value")
        if value:
            # Most are texts, which are spared a call.
            key, text = pair["key"], value.get("stringValue")
            if key.__class__ is not str:
                raise TypeError("the key of an attribute, expected text")
            found[key] = _value(value) if text is None else text
    return found


def _value(value: dict[str, Any]) -> Any:
    """What a tagged value says; 64-bit integers are written as text."""
    for tag, inner in value.items():
        if tag == "stringValue":
            return inner
        if tag == "intValue":
            number = int(inner)
            return number if -(2**63) <= number < 2**63 else str(inner)
        if tag == "arrayValue":
            return [_value(item) for item in inner.get("values") or ()]
        if tag == "kvlistValue":
            return _attributes(inner.get("values"))
        return inner
    return None


def _of_protobuf(data: bytes) -> list[Raw | Refusal]:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    content = TracesData()
    try:
        content.ParseFromString(data)
    except DecodeError as error:
        raise ValueError(str(error)) from None
    found: list[Raw | Refusal] = []
    for resource in content.resource_spans:
        service = _service(_from_pairs(resource.resource.attributes))
        for scope in resource.scope_spans:
            found += [_from_protobuf(span, service) for span in scope.spans]
    if not found:
        raise ValueError("holds no span")
    return found


def _from_protobuf(span: Any, service: str | None) -> Raw:
    attributes = _from_pairs(span.attributes)
    if span.dropped_attributes_count:
        attributes[IS_CUT] = True
    events = [[e.name, _from_pairs(e.attributes)] for e in span.events if e.name in CONTENT_EVENTS]
    known = _PARENT_IS_KNOWN | _PARENT_IS_REMOTE
    return made(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex() or None,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=attributes if events or is_of_an_agent(attributes) else None,
        name=span.name,
        is_entry=bool(span.parent_span_id) and span.flags & known == known,
        is_error=span.status.code == _ERROR,
        service=service,
        events=events,
    )


def _from_pairs(pairs: Any) -> dict[str, Any]:
    return {pair.key: _from_any(pair.value) for pair in pairs}


def _from_any(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_from_any(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _from_pairs(value.kvlist_value.values)
    if kind is None or kind == "bytes_value":
        return None
    return getattr(value, kind)
