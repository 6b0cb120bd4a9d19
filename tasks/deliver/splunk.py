"""Splunk's HTTP Event Collector: events one after the other, index and leaf hash as indexed fields.

`index` alone would collide with Splunk's own field, so searches use `leaf_index`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tasks.deliver.answers import ACCEPTED, Answer, Reply, by_status
from tasks.deliver.messages import Message
from tasks.deliver.requests import Circumstances, Format, Request, dumped, parsed

_OF_THE_TOKEN = {
    7: "the token may not write to this index",
    10: "the token requires acknowledgements, which are not used",
    11: "the token requires another channel",
}
"""Codes within a 400 that no other event would do better with."""


def request(messages: Sequence[Message], made: Circumstances) -> Request:
    """A body of the /services/collector/event endpoint."""
    body = b"".join(_event(message) for message in messages)
    return Request(body, {"authorization": f"Splunk {made.secrets[0]}", "content-type": "application/json"})


def _event(message: Message) -> bytes:
    last = message.first + max(0, message.count - 1)
    about = {
        "time": f"{message.occurred_at.timestamp():.6f}",
        "source": "claimledger",
        "sourcetype": f"claimledger:{message.kind}",
        "fields": {
            "leaf_index": str(message.first),
            "leaf_last": str(last),
            "leaf_hash": message.leaf_hash or "-",
            "message_id": message.id,
        },
    }
    return dumped(about)[:-1] + b',"event":' + message.record + b"}"


def answer(reply: Reply, _: Sequence[Message], now: datetime) -> Answer:
    """Success is code 0; another 200 is not Splunk's."""
    said = parsed(reply)
    code = said.get("code")
    by = by_status(reply, now)
    if by.state == "accepted":
        return ACCEPTED if code == 0 else Answer("later", "it answered 200 without Splunk's code 0")
    if by.state == "refused" and code in _OF_THE_TOKEN:
        return Answer("stop", f"{_OF_THE_TOKEN[code]} ({reply.status}, code {code})")
    return replace(by, reason=f"{by.reason[:-1]}, code {code})") if by.reason.endswith(")") and code else by


FORMAT = Format(request, answer, 500, 5_000)
