"""What a request to an endpoint is: body, headers, and how its answer is read. Kinds of endpoints are in
`formats.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.deliver.answers import Answer, Reply, by_status
from tasks.deliver.messages import WITHHELD_AT_ONCE, Message
from tasks.deliver.parameters import WebhookSettings

_WITHOUT_BLANKS = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Circumstances:
    """What a request is made with, beside its messages."""

    settings: WebhookSettings
    secrets: tuple[str, ...]
    """The present one first; the old one during a rotation."""
    origin: str
    now: datetime
    token: str = ""
    """What the secret was exchanged for, where the kind needs that."""


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
    hashes: int = WITHHELD_AT_ONCE
    """Leaf hashes of one record, where there is a limit on its length."""


def rfc3339(moment: datetime) -> str:
    """A time in UTC with microseconds."""
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def dumped(value: object) -> bytes:
    """JSON without blanks."""
    return _WITHOUT_BLANKS.encode(value).encode()


def parsed(reply: Reply) -> dict[str, Any]:
    """The object that an answer holds; empty for anything else."""
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def bearer(made: Circumstances) -> dict[str, str]:
    """The secret as a bearer token, where there is one."""
    return {"authorization": f"Bearer {made.secrets[0]}"} if made.secrets else {}


def status_alone(reply: Reply, _: Sequence[Message], now: datetime) -> Answer:
    """What an answer means by its status."""
    return by_status(reply, now)
