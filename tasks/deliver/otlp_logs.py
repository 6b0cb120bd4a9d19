"""OpenTelemetry logs by OTLP over HTTP, in JSON: a log record a message, the record as its body."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tasks.deliver.answers import Answer, Reply, by_status
from tasks.deliver.messages import Message
from tasks.deliver.requests import Circumstances, Format, Request, bearer, dumped, parsed

_INFO = 9
"""`SEVERITY_NUMBER_INFO`."""


def request(messages: Sequence[Message], made: Circumstances) -> Request:
    """An ExportLogsServiceRequest."""
    resource = [_text("service.name", "claimledger"), _text("claimledger.origin", made.origin)]
    logs = [_log(message, made.now) for message in messages]
    scope = {"scope": {"name": "claimledger"}, "logRecords": logs}
    body = dumped({"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [scope]}]})
    return Request(body, {"content-type": "application/json", **bearer(made)})


def _log(message: Message, now: datetime) -> dict[str, object]:
    return {
        "timeUnixNano": _nanoseconds(message.occurred_at),
        "observedTimeUnixNano": _nanoseconds(now),
        "severityNumber": _INFO,
        "severityText": "INFO",
        "eventName": f"claimledger.{message.kind}",
        "body": {"stringValue": message.record.decode()},
        "attributes": [
            _text("event.name", f"claimledger.{message.kind}"),
            _text("claimledger.message_id", message.id),
            _text("claimledger.leaf_hash", message.leaf_hash),
            {"key": "claimledger.leaf_index", "value": {"intValue": str(message.first)}},
            {"key": "claimledger.leaf_count", "value": {"intValue": str(message.count)}},
        ],
    }


def _text(key: str, value: str) -> dict[str, object]:
    return {"key": key, "value": {"stringValue": value}}


def _nanoseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1_000_000) * 1_000)


def answer(reply: Reply, messages: Sequence[Message], now: datetime) -> Answer:
    """A success may say that it rejected some, and not which: they are sent again in halves."""
    by = by_status(reply, now)
    partial = parsed(reply).get("partialSuccess")
    rejected = partial.get("rejectedLogRecords", 0) if isinstance(partial, dict) else 0
    if by.state == "accepted" and str(rejected) not in ("", "0"):
        return Answer("refused", f"it rejects {str(rejected)[:9]} of {len(messages)} log records")
    return by


FORMAT = Format(request, answer, 500, 5_000)
