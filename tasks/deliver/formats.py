"""What each kind of endpoint is sent for some messages: body, headers, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.deliver import signing
from tasks.deliver.answers import Answer, Reply, by_status
from tasks.deliver.messages import Message
from tasks.deliver.parameters import WebhookSettings


@dataclass(frozen=True)
class Circumstances:
    """What a request is made with, beside its messages."""

    settings: WebhookSettings
    secrets: tuple[str, ...]
    """The present one first; the old one during a rotation."""
    origin: str
    now: datetime


@dataclass(frozen=True)
class Request:
    """One request."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Format:
    """One kind of endpoint."""

    request: Callable[[Sequence[Message], Circumstances], Request]
    answer: Callable[[Reply, Sequence[Message], datetime], Answer]
    batch: int
    """Messages of a request, unless `batch_events` says otherwise."""
    most: int
    """And at most."""


def _standard(messages: Sequence[Message], made: Circumstances) -> Request:
    """Standard Webhooks: one event a message."""
    (message,) = messages
    stamp = _time(message.occurred_at)
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
        "time": _time(message.occurred_at),
        "subject": message.subject,
        "sequence": f"{message.first:020d}",  # its extension compares sequences as text
        "datacontenttype": "application/json",
    }
    return json.dumps(attributes, separators=(",", ":")).encode()[:-1] + b',"data":' + message.record + b"}"


def _lines(messages: Sequence[Message], _: Circumstances) -> Request:
    """JSON Lines: records as they are, for a file that a shipper of logs reads."""
    return Request(b"".join(message.record + b"\n" for message in messages), {})


def _status(reply: Reply, _: Sequence[Message], now: datetime) -> Answer:
    return by_status(reply, now)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


FORMATS: dict[str, Format] = {
    "standard": Format(_standard, _status, 1, 1),
    "cloudevents": Format(_cloudevents, _status, 1, 1_000),
    "file": Format(_lines, _status, 1_000, 10_000),
}
"""By `kind`."""
NEEDS_SECRET = frozenset({"standard"})
SIGNS = frozenset({"standard", "cloudevents"})
"""Kinds whose secret is a key of Standard Webhooks."""
