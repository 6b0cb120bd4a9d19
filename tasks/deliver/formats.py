"""Every kind of endpoint: what it is sent, and how its answer is read."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.deliver import elastic, ocsf, otlp_logs, sentinel, signing, splunk, syslog
from tasks.deliver.messages import Message
from tasks.deliver.requests import Circumstances, Format, Request, dumped, rfc3339, status_alone


def _standard(messages: Sequence[Message], made: Circumstances) -> Request:
    """Standard Webhooks: one event a message."""
    (message,) = messages
    stamp = rfc3339(message.occurred_at)
    body = f'{{"type":"claimledger.{message.kind}","timestamp":"{stamp}","data":'.encode()
    body += message.record + b"}"
    secrets = [signing.parse_secret(text) for text in made.secrets]
    signed = signing.headers(message.id, int(made.now.timestamp()), body, secrets)
    return Request(body, {"content-type": "application/json", **signed})


def _cloudevents(messages: Sequence[Message], made: Circumstances) -> Request:
    """CloudEvents 1.0 in structured mode, or in batched mode where the endpoint takes several."""
    events = [_cloudevent(message, made.origin) for message in messages]
    is_batch = (made.settings.batch_events or 1) > 1
    body = b"[" + b",".join(events) + b"]" if is_batch else events[0]
    kind = "cloudevents-batch" if is_batch else "cloudevents"
    signed = {}
    if made.secrets:
        secrets = [signing.parse_secret(text) for text in made.secrets]
        signed = signing.headers(messages[0].id, int(made.now.timestamp()), body, secrets)
    return Request(body, {"content-type": f"application/{kind}+json; charset=utf-8", **signed})


def _cloudevent(message: Message, origin: str) -> bytes:
    attributes = {
        "specversion": "1.0",
        "id": message.id,
        "source": f"//{origin}",
        "type": f"claimledger.{message.kind}",
        "time": rfc3339(message.occurred_at),
        "subject": message.subject,
        "sequence": f"{message.first:020d}",  # its extension compares sequences as text
        "datacontenttype": "application/json",
    }
    return dumped(attributes)[:-1] + b',"data":' + message.record + b"}"


def _lines(messages: Sequence[Message], _: Circumstances) -> Request:
    """JSON Lines: records as they are, for a file that a shipper of logs reads."""
    return Request(b"".join(message.record + b"\n" for message in messages), {})


FORMATS: dict[str, Format] = {
    "standard": Format(_standard, status_alone, 1, 1),
    "cloudevents": Format(_cloudevents, status_alone, 1, 1_000),
    "splunk": splunk.FORMAT,
    "sentinel": sentinel.FORMAT,
    "elastic": elastic.FORMAT,
    "ocsf": ocsf.FORMAT,
    "syslog": syslog.FORMAT,
    "otlp": otlp_logs.FORMAT,
    "file": Format(_lines, status_alone, 1_000, 10_000),
}
"""By `kind`."""
NEEDS_SECRET = frozenset({"standard", "splunk", "elastic", "sentinel"})
SIGNS = frozenset({"standard", "cloudevents"})
"""Kinds whose secret is a key of Standard Webhooks; of the others it is a token."""
