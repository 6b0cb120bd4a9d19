"""Verdicts as `gen_ai.evaluation.result` events: OTLP JSON lines, as OpenTelemetry writes logs to files.

Each line is an ExportLogsServiceRequest of the OTLP specification; the collector's `otlpjsonfile` receiver
takes the file as it is. Attributes are those of the GenAI semantic conventions; what the claim says is not
among them, so an erasure need not look here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks import ids
from tasks.files import durable

FOLDER = "write_back"
EVENT = "gen_ai.evaluation.result"
NAME = "claimledger"
_LINE_EVENTS = 500
_HEX = re.compile("[0-9a-f]+")
_TRACE, _SPAN = 32, 16


def path(lake: Path, source: str, run_id: str) -> Path:
    """Of the events of a run about a source's answers, whatever the source is called."""
    return lake / FOLDER / f"{ids.readable(source)}-{ids.digest('source', source)[:8]}" / f"{run_id}.jsonl"


def write(target: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the events of `rows` (columns of `pending`), whole or not at all."""
    import orjson

    lines = [
        orjson.dumps(_request(rows[first : first + _LINE_EVENTS])) + b"\n"
        for first in range(0, len(rows), _LINE_EVENTS)
    ]
    durable.make_folder(target.parent)
    durable.replace(target, b"".join(lines))


def _request(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    resource = {"attributes": [_attribute("service.name", NAME)]}
    records = [_record(row) for row in rows]
    scope_logs = [{"scope": {"name": NAME}, "logRecords": records}]
    return {"resourceLogs": [{"resource": resource, "scopeLogs": scope_logs}]}


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    moment = str(int(row["verified_at"].timestamp() * 1_000_000) * 1000)
    attributes = {
        "gen_ai.evaluation.name": NAME,
        "gen_ai.evaluation.score.value": row["p_supported"],
        "gen_ai.evaluation.score.label": row["verdict"],
        "claimledger.trace_id": row["trace_id"],
        "claimledger.verdict_id": row["verdict_id"],
        "claimledger.claim.start": row["start"],
        "claimledger.claim.end": row["end"],
        "claimledger.policy": row["policy"],
        "claimledger.action": row["action"],
    }
    given = [_attribute(name, value) for name, value in attributes.items() if value is not None]
    record = {"timeUnixNano": moment, "observedTimeUnixNano": moment, "eventName": EVENT, "attributes": given}
    # OTLP knows ids of its own length only; what another kind of trace is called stays an attribute.
    for key, identity, length in (("traceId", row["trace_id"], _TRACE), ("spanId", row["span_id"], _SPAN)):
        if identity and len(identity) == length and _HEX.fullmatch(identity):
            record[key] = identity
    return record


def _attribute(name: str, value: object) -> dict[str, Any]:
    if isinstance(value, float):
        return {"key": name, "value": {"doubleValue": value}}
    if isinstance(value, int):
        return {"key": name, "value": {"intValue": str(value)}}
    return {"key": name, "value": {"stringValue": str(value)}}
