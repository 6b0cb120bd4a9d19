"""Elastic's and OpenSearch's bulk API: each message has its own id, so that a repeat changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tasks.deliver.answers import ACCEPTED, Answer, Reply, by_status
from tasks.deliver.messages import Message
from tasks.deliver.requests import Circumstances, Format, Request, dumped, parsed, rfc3339

_CREATED, _THERE, _TRY_AGAIN = (200, 201), 409, (429, 500, 502, 503, 504)


def request(messages: Sequence[Message], made: Circumstances) -> Request:
    """A body of INDEX/_bulk, in the fields of the Elastic Common Schema; a data stream takes it as well."""
    lines = []
    for message in messages:
        document = {
            "@timestamp": rfc3339(message.occurred_at),
            "event": {
                "id": message.id,
                "kind": "event",
                "action": message.kind,
                "dataset": "claimledger.ledger",
                "sequence": message.first,
            },
        }
        lines.append(dumped({"create": {"_id": message.id}}))
        lines.append(dumped(document)[:-1] + b',"claimledger":' + message.record + b"}")
    headers = {"authorization": f"ApiKey {made.secrets[0]}", "content-type": "application/x-ndjson"}
    return Request(b"\n".join(lines) + b"\n", headers)


def answer(reply: Reply, messages: Sequence[Message], now: datetime) -> Answer:
    """Each item's own status counts: a 200 may hold refusals."""
    by = by_status(reply, now)
    if by.state != "accepted":
        return by
    items = parsed(reply).get("items")
    if not isinstance(items, list) or len(items) != len(messages):
        return Answer("later", "it answered 200 without a status for each event")
    states = [_status(item) for item in items]
    if any(status in _TRY_AGAIN for status in states):
        return Answer("later", "it has no capacity for some events (429)")
    bad = [at for at, status in enumerate(states) if status not in (*_CREATED, _THERE)]
    denied = [states[at] for at in bad if states[at] in (401, 403, 404)]
    if denied:
        return Answer("stop", f"it does not allow these events to be written ({denied[0]})", is_denied=True)
    if len(bad) == len(messages):
        return Answer("refused", f"it refuses the message ({states[0]})")
    return Answer("accepted", f"it refuses {len(bad)} of the events", refused=tuple(bad)) if bad else ACCEPTED


def _status(item: object) -> int:
    try:
        return int(item["create"]["status"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return 0


FORMAT = Format(request, answer, 500, 5_000)
