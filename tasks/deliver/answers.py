"""What an endpoint's answer means for a request, and how long to wait before the next.

By Standard Webhooks: 2xx is accepted, whatever the body says; 410 ends the endpoint; everything else is tried
again. Two cases are told apart there, because one message that can never be accepted would hold up all that
follow: a refusal of this message (400, 413, 422), which becomes a dead letter, and one of the sender (a wrong
address or secret), which waits for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.files.retry_after import retry_after_s

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 60.0
"""Bounds of the first and the longest wait within a delivery; each wait is drawn from between 0 and them."""
LONGEST_RETRY_AFTER_S = 86_400.0
"""An endpoint that asks for more is looked at again after a day."""

State = Literal["accepted", "refused", "later", "stop", "gone"]
_OK, _REDIRECT, _BAD_REQUEST = 200, 300, 400
_OF_THE_MESSAGE = (400, 413, 415, 422)
_OF_THE_SENDER = {
    401: "the secret was not accepted",
    403: "access is denied",
    404: "nothing exists at this address",
    405: "it does not accept POST",
}
_DENIED = (401, 403)
_GONE = 410


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers with lower-case names, and the front of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What is to be done about a request."""

    state: State
    reason: str = ""
    wait_s: float | None = None
    """What the endpoint asks to wait."""
    is_denied: bool = False
    """The secret is to blame; during a rotation the other one may be known."""
    refused: tuple[int, ...] = ()
    """Places of the messages of a batch that were refused where the others were accepted."""


ACCEPTED = Answer("accepted")


def by_status(reply: Reply, now: datetime) -> Answer:
    """The answer by its status alone."""
    status = reply.status
    if _OK <= status < _REDIRECT:
        return ACCEPTED
    if status == _GONE:
        return Answer("gone", "it reports that it is gone for good (410)")
    if status in _OF_THE_MESSAGE:
        return Answer("refused", f"it refuses the message ({status})")
    if status in _OF_THE_SENDER:
        return Answer("stop", f"{_OF_THE_SENDER[status]} ({status})", is_denied=status in _DENIED)
    if _REDIRECT <= status < _BAD_REQUEST:
        return Answer("stop", f"it redirects elsewhere ({status}), which is never followed; set its real url")
    asked_s = retry_after_s(reply.headers.get("retry-after"), now)
    wait_s = None if asked_s is None else min(asked_s, LONGEST_RETRY_AFTER_S)
    return Answer("later", f"it answers {status}", wait_s)


def wait_s(attempt: int, share: float, asked_s: float | None = None) -> float:
    """Seconds before the next attempt: exponential with full jitter, and never less than what was asked.

    Args:
        attempt: number of attempts that failed, from 1.
        share: random, 0 to 1.
    """
    jittered = share * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt - 1, 20))
    return jittered if asked_s is None else asked_s + share
