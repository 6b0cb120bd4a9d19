"""OTLP files as the collector's file exporter writes them: JSON lines, and protobuf behind its length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

NOON = int(datetime(2026, 11, 19, 12, tzinfo=UTC).timestamp() * 1e9)
SECOND = 10**9


def tagged(value: Any) -> dict[str, Any]:
    """A value as OTLP JSON tags it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [tagged(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value}


def pairs(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": tagged(value)} for key, value in values.items()]


def span(
    number: int,
    attributes: dict[str, Any],
    *,
    trace: int = 1,
    parent: int | None = None,
    at: float = 0.0,
    seconds: float = 1.0,
    name: str = "span",
    **more: Any,
) -> dict[str, Any]:
    """A span that starts `at` seconds after noon."""
    start = NOON + int(at * SECOND)
    plain = {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "flags": 256,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + int(seconds * SECOND)),
        "attributes": pairs(attributes),
        "status": {},
        **more,
    }
    return plain if parent is None else {**plain, "parentSpanId": f"{parent:016x}"}


def message(spans: Sequence[dict[str, Any]], service: str = "bot") -> dict[str, Any]:
    resource = {"attributes": pairs({"service.name": service})}
    return {
        "resourceSpans": [
            {"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}
        ]
    }


def lines(path: Path, *messages: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(message(spans)) + "\n" for spans in messages))
    return path


def protobuf(spans: Sequence[dict[str, Any]]) -> bytes:
    """The same message as protobuf; ids in JSON are hexadecimal, where protobuf's own JSON has base64."""
    content = TracesData()
    plain = json.loads(json.dumps(message(spans)))
    ids = [
        {key: each.pop(key, "") for key in ("traceId", "spanId", "parentSpanId")}
        for each in plain["resourceSpans"][0]["scopeSpans"][0]["spans"]
    ]
    json_format.ParseDict(plain, content)
    for each, own in zip(content.resource_spans[0].scope_spans[0].spans, ids, strict=True):
        each.trace_id, each.span_id = bytes.fromhex(own["traceId"]), bytes.fromhex(own["spanId"])
        each.parent_span_id = bytes.fromhex(own["parentSpanId"])
    return content.SerializeToString()


def framed(path: Path, *messages: bytes, packed: bool = False) -> Path:
    """Messages behind their length in four bytes, each packed by zstd by itself or not."""
    parts = [pa.compress(data, "zstd", asbytes=True) if packed else data for data in messages]
    path.write_bytes(b"".join(len(part).to_bytes(4, "big") + part for part in parts))
    return path
