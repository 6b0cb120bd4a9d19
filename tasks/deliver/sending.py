"""Door to one endpoint: what waits is sent in order, and what is acknowledged is kept.

1. A batch is sent until it is accepted, with waits between; an endpoint that stays away ends the delivery and
   keeps its place.
2. A batch that is refused is sent in halves; one message that is refused becomes a dead letter, and in its
   place goes its leaf hash, so that the receiver knows which one is missing.
3. What is accepted is noted in the journal every hundred events, which outlives this process; five times a
   second, before every wait and at the end journal and place are synced, which outlives the machine. What
   was accepted since is sent again, under the same ids, by a delivery after a crash.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.deliver import answers, messages, outbox
from tasks.deliver.answers import Answer
from tasks.deliver.cursor import Cursor
from tasks.deliver.formats import FORMATS
from tasks.deliver.messages import CHECKPOINT, WITHHELD, Choice, Message
from tasks.deliver.outbox import Outbox
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.posting import Poster
from tasks.deliver.wire import Resolve
from tasks.ledger.log import Log

SAVE_S = 0.2
"""Seconds between two times that the place is kept."""
NOTED_EVENTS = 100
"""Accepted events that the journal may lack; of smaller steps its lines would be one an event."""
MOST_BATCH_BYTES = 1_000_000
"""Splunk's own limit on an event and under every other one that we know of."""
REFUSED_IN_A_ROW = 10
"""Messages that an endpoint refuses before it is taken for misconfigured, which a person must look at."""


class Halted(Exception):  # noqa: N818 - no error: the delivery ends here, and why
    """This delivery to the endpoint ends; its place is kept."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


@dataclass
class Sender:
    """A delivery to one endpoint; use once."""

    settings: WebhookSettings
    log: Log
    box: Outbox
    secrets: tuple[str, ...] = ()
    end_s: float | None = None
    """Of `time.monotonic`, when to stop; None to go on as long as there is something."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set by whoever wants it to end at once."""
    look_up: Resolve | None = None
    sent: int = 0
    """Events that were acknowledged."""
    cursor: Cursor = field(default_factory=Cursor)
    _poster: Poster = field(init=False)
    _journal: list[dict[str, Any]] = field(default_factory=list)
    _saved_s: float = 0.0
    _refused_in_a_row: int = 0

    def run(self) -> Cursor:
        """Sends until nothing is left, the time is up or the endpoint ends it. The cursor says how it went.

        Raises:
            IntegrityError: the log is not the one that was delivered so far.
        """
        self.cursor = self._start()
        wait = self.cursor.not_before_s - time.time()
        if self.cursor.is_gone or wait > 0:
            return self.cursor
        settings = self.settings
        self._open()
        kind = FORMATS[settings.kind]
        size = min(settings.batch_events or kind.batch, kind.most)
        try:
            for batch in _batches(outbox.waiting(self.log, self.cursor, self._choice), size):
                if self.stopping.is_set() or self._is_late():
                    break
                self._deliver(batch)
        except Halted as ended:
            self.cursor = self.cursor.failed(ended.answer.reason, self.cursor.not_before_s)
            if ended.answer.state == "gone":
                self.cursor = replace(self.cursor, is_gone=True)
        finally:
            self._poster.close()
            self._save()
        return self.cursor

    def replay(self, events: pl.DataFrame) -> Cursor:
        """Sends dead letters again, given as rows of the log (`messages.COLUMNS`); those that are accepted
        are none any more. An endpoint that was gone is tried again.
        """
        self.cursor = replace(self._start(), is_gone=False, not_before_s=0.0, failures=0, error="")
        self._open()
        try:
            for message in messages.of_events(
                events, self.log.origin, replace(self._choice, events=frozenset())
            ):
                answer, attempts = self._attempt([message])
                if answer.state != "accepted":
                    raise Halted(answer)
                now = datetime.now(UTC).isoformat()
                left = tuple(index for index in self.cursor.dead if index != message.first)
                self.cursor = replace(self.cursor, dead=left, failures=0, error="", succeeded_at=now)
                self._journal.append(_line(message, attempts, "delivered", now))
                self.sent += 1
        except Halted as ended:
            self.cursor = self.cursor.failed(ended.answer.reason)
        finally:
            self._poster.close()
            self._save()
        return self.cursor

    @property
    def _choice(self) -> Choice:
        settings = self.settings
        return Choice(frozenset(settings.events), frozenset(settings.redact), FORMATS[settings.kind].hashes)

    def _open(self) -> None:
        self._poster = Poster(self.settings, self.secrets, self.log.origin, self.look_up)

    def _start(self) -> Cursor:
        """The endpoint's place; a new address of it is tried at once."""
        url = hashlib.sha256(self.settings.url.encode()).hexdigest()[:16]
        cursor = self.box.cursor()
        if cursor.url != url:
            cursor = replace(cursor, url=url, is_gone=False, not_before_s=0.0, failures=0)
        outbox.check(self.log, cursor)
        return replace(cursor, origin=self.log.origin)

    def _deliver(self, batch: Sequence[Message]) -> None:
        """(1), (2)"""
        answer, attempts = self._attempt(batch)
        if answer.state == "accepted" and answer.refused:
            for at, message in enumerate(batch):
                if at in answer.refused:
                    self._dead(message, attempts, answer)
                else:
                    self._accepted([message], attempts)
        elif answer.state == "accepted":
            self._accepted(batch, attempts)
        elif len(batch) > 1:
            self._deliver(batch[: len(batch) // 2])
            self._deliver(batch[len(batch) // 2 :])
        else:
            self._dead(batch[0], attempts, answer)

    def _attempt(self, batch: Sequence[Message]) -> tuple[Answer, int]:
        """(1) The answer that settles a batch, and after how many attempts.

        Raises:
            Halted: none does, now.
        """
        for attempt in range(1, self.settings.attempts + 1):
            answer = self._poster.post(batch)
            if answer.state in ("accepted", "refused"):
                return answer, attempt
            is_last = attempt == self.settings.attempts or answer.state in ("stop", "gone")
            wait = answers.wait_s(attempt, random.random(), answer.wait_s)  # noqa: S311 - spreads load, no secret
            if is_last or wait > answers.LONGEST_WAIT_S or self._is_late(wait):
                if answer.wait_s:
                    self.cursor = replace(self.cursor, not_before_s=time.time() + answer.wait_s)
                raise Halted(answer)
            self.cursor = self.cursor.failed(answer.reason)
            self._save()
            if self.stopping.wait(wait):
                raise Halted(answer)
        raise AssertionError("attempts must be 1 or more")

    def _accepted(self, batch: Sequence[Message], attempts: int) -> None:
        now = datetime.now(UTC).isoformat()
        lines = _merged([_line(message, attempts, "delivered", now) for message in batch])
        for line in lines:
            if line["message"] == CHECKPOINT:
                line["root"] = self.log.checkpoint(line["first"]).root.hex()
        root = next((line["root"] for line in reversed(lines) if "root" in line), self.cursor.root)
        self.cursor = self.cursor.past(list(batch), root, now)
        self._journal = _merged([*self._journal, *lines])
        self.sent += sum(message.count for message in batch)
        self._refused_in_a_row = 0
        if time.monotonic() - self._saved_s >= SAVE_S:
            self._save()
        elif sum(line["count"] for line in self._journal) >= NOTED_EVENTS:
            self.box.note(self._journal)
            self._journal.clear()

    def _dead(self, message: Message, attempts: int, answer: Answer) -> None:
        """(2) A message that is refused; a stand-in is tried once, and then the next message's turn comes.

        Raises:
            Halted: it refuses everything, or what it refuses is a checkpoint or a stand-in.
        """
        self._refused_in_a_row += 1
        if message.kind in (CHECKPOINT, WITHHELD) or self._refused_in_a_row > REFUSED_IN_A_ROW:
            raise Halted(Answer("stop", f"{answer.reason}, as it does others before it"))
        now = datetime.now(UTC).isoformat()
        self._journal.append(_line(message, attempts, "dead", now))
        self.cursor = replace(
            self.cursor.failed(answer.reason), dead=(*self.cursor.dead, message.first), next=message.end
        )
        row = (message.first, message.leaf_hash, message.occurred_at)
        stand_in = messages.withheld([row], self.log.origin)
        if self._poster.post([stand_in]).state == "accepted":
            self._journal.append(_line(stand_in, 1, "delivered", now))
        self._save()

    def _is_late(self, more_s: float = 0.0) -> bool:
        return self.end_s is not None and time.monotonic() + more_s >= self.end_s

    def _save(self) -> None:
        """(3)"""
        self.box.save(self.cursor, self._journal)
        self._journal.clear()
        self._saved_s = time.monotonic()


def _batches(stream: Iterator[Message], size: int) -> Iterator[list[Message]]:
    """Neighbouring messages, so many and so many bytes at most."""
    batch: list[Message] = []
    length = 0
    for message in stream:
        if batch and (len(batch) == size or length + len(message.record) > MOST_BATCH_BYTES):
            yield batch
            batch, length = [], 0
        batch.append(message)
        length += len(message.record)
    if batch:
        yield batch


def _line(message: Message, attempts: int, status: str, at: str) -> dict[str, Any]:
    """A journal's line."""
    what = message.kind if message.kind in (CHECKPOINT, WITHHELD) else "event"
    line = {
        "message": what,
        "first": message.first,
        "count": message.count,
        "attempts": attempts,
        "status": status,
        "at": at,
    }
    return {**line, "event_id": message.event_id} if what == CHECKPOINT else line


def _merged(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring lines that say the same as one; the time is that of the last."""
    merged: list[dict[str, Any]] = []
    for line in lines:
        last = merged[-1] if merged else None
        same = last and all(last[name] == line[name] for name in ("message", "attempts", "status"))
        if last and same and line["count"] and last["first"] + last["count"] == line["first"]:
            last["count"] += line["count"]
            last["at"] = line["at"]
        else:
            merged.append(dict(line))
    return merged
