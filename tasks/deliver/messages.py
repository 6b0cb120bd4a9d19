"""Messages out of rows of the log: what an endpoint is sent, in the order of the log.

Every message's record is one JSON object. An event's has its index, its leaf hash and the event itself, so
that SHA-256(0x00 ‖ canonical JSON of `event`) is the leaf hash. What an endpoint does not take is still
counted: neighbouring events become one record with their leaf hashes. Every checkpoint follows the last
event that it covers; whoever has all leaf hashes up to there computes the root that the checkpoint signs.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tasks import ids
from tasks.ledger.notes import Checkpoint

COLUMNS = ("sequence", "event_id", "kind", "occurred_at", "subject_id", "leaf_hash", "event")
"""Of the rows of the log that messages are made of."""
WITHHELD, CHECKPOINT = "withheld", "checkpoint"
WITHHELD_AT_ONCE = 500
"""Leaf hashes of one record: 34 kB of JSON, under every limit of a receiver that we know of."""


@dataclass(frozen=True)
class Choice:
    """Which events an endpoint gets, and without which fields."""

    events: frozenset[str] = frozenset()
    """Kinds; all where there are none."""
    redact: frozenset[str] = frozenset()
    at_once: int = WITHHELD_AT_ONCE
    """Leaf hashes of one record."""

    def takes(self, kind: str) -> bool:
        """Whether an event is sent with its content."""
        return not self.events or kind in self.events


@dataclass(frozen=True)
class Message:
    """One message and what its envelope says."""

    id: str
    """The same at every attempt."""
    kind: str
    """Of the event, `withheld` or `checkpoint`."""
    first: int
    """Index of its first event; of a checkpoint, how many events it covers."""
    count: int
    """Events that it accounts for."""
    occurred_at: datetime
    subject: str
    leaf_hash: str
    """Of an event; empty for others."""
    event_id: str
    """Of an event and of a checkpoint (SHA-256 of its text); empty for others."""
    record: bytes
    """JSON object."""

    @property
    def end(self) -> int:
        """Index after the last event."""
        return self.first + self.count


def of_events(rows: pl.DataFrame, origin: str, choice: Choice) -> Iterator[Message]:
    """Messages of neighbouring rows of the log (COLUMNS)."""
    name = json.dumps(origin)
    waiting: list[tuple[int, str, datetime]] = []
    for index, event_id, kind, at, subject, leaf, event in rows.select(COLUMNS).iter_rows():
        if choice.takes(kind):
            if waiting:
                yield withheld(waiting, origin)
                waiting = []
            told, extra = _redacted(event, choice.redact) if choice.redact else (event.decode(), "")
            record = (
                f'{{"origin":{name},"index":{index},"leaf_hash":"{leaf}","event_id":"{event_id}",'
                f'"kind":"{kind}"{extra},"event":{told}}}'
            )
            yield Message(
                f"msg_{index}_{leaf[:24]}", kind, index, 1, at, subject, leaf, event_id, record.encode()
            )
        else:
            waiting.append((index, leaf, at))
            if len(waiting) == choice.at_once:
                yield withheld(waiting, origin)
                waiting = []
    if waiting:
        yield withheld(waiting, origin)


def withheld(rows: list[tuple[int, str, datetime]], origin: str) -> Message:
    """What stands for neighbouring events that are not sent: (index, leaf hash, time) of each."""
    first, last = rows[0][0], rows[-1][0]
    record = {
        "origin": origin,
        "first": first,
        "last": last,
        "kind": WITHHELD,
        "leaf_hashes": [leaf for _, leaf, _ in rows],
    }
    return Message(
        f"msg_{first}_{last}_withheld",
        WITHHELD,
        first,
        len(rows),
        rows[-1][2],
        f"{first}-{last}",
        "",
        "",
        json.dumps(record, separators=(",", ":")).encode(),
    )


def of_checkpoint(checkpoint: Checkpoint, at: datetime) -> Message:
    """A checkpoint's message; `at` is when its last event happened."""
    root = checkpoint.root.hex()
    record = {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": base64.b64encode(checkpoint.root).decode(),
        "kind": CHECKPOINT,
        "checkpoint": str(checkpoint.note),
    }
    return Message(
        f"msg_checkpoint_{checkpoint.size}_{root[:24]}",
        CHECKPOINT,
        checkpoint.size,
        0,
        at,
        f"{checkpoint.origin}@{checkpoint.size}",
        "",
        ids.digest("checkpoint", checkpoint.note.text),
        json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode(),
    )


def _redacted(event: bytes, fields: frozenset[str]) -> tuple[str, str]:
    """An event without some of its fields, and the member of the record that names those."""
    values = json.loads(event)
    gone = sorted(fields & values.keys())
    if not gone:
        return event.decode(), ""
    kept = {key: value for key, value in values.items() if key not in fields}
    told = json.dumps(kept, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return told, f',"redacted":{json.dumps(gone)}'
