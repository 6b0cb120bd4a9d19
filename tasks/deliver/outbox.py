"""Door to an endpoint's folder in the lake, and the messages that it has not acknowledged.

    LAKE/deliver/NAME/cursor.json     how far it has acknowledged the log; replaced atomically
    LAKE/deliver/NAME/journal.jsonl   acknowledgements that the table `deliveries` does not have yet
    LAKE/deliver/NAME/.lock           one sender at a time

There is no queue: what is to be sent is the log from the cursor on. The journal is written first and may be
ahead of the cursor, which is read together with it. What a crash loses of both is sent twice, under the
same id; nothing is ever not sent.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tasks.deliver import messages
from tasks.deliver.cursor import Cursor
from tasks.deliver.messages import Choice, Message
from tasks.errors import IntegrityError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger.log import Log
from tasks.ledger.segments import SEGMENT

FOLDER = "deliver"
ROWS_AT_ONCE = 4_096
"""Of the log, made into messages at a time."""


@dataclass(frozen=True)
class Outbox:
    """An endpoint's folder."""

    folder: Path

    @classmethod
    def of(cls, lake: Lake, name: str) -> Outbox:
        """The folder of the endpoint of that name."""
        return cls(lake.root / FOLDER / name)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Whether this process is the one that sends; the lock ends with the process."""
        with durable.touching(self.folder):
            durable.make_folder(self.folder)
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def cursor(self) -> Cursor:
        """How far it is; the beginning where nothing was sent.

        Raises:
            IntegrityError: the file is damaged.
        """
        return Cursor.parse(durable.read_json(self.folder / "cursor.json")).after(self.journal())

    def save(self, cursor: Cursor, journal: Sequence[dict[str, Any]] = ()) -> None:
        """Keeps acknowledgements and then how far it is, durably."""
        self.note(journal)
        with durable.touching(self.folder):
            if journal:
                with (self.folder / "journal.jsonl").open("rb") as file:
                    os.fsync(file.fileno())
            durable.replace_json(self.folder / "cursor.json", cursor.as_dict())

    def note(self, journal: Sequence[dict[str, Any]]) -> None:
        """Keeps acknowledgements beyond this process's end, though not beyond the machine's."""
        if not journal:
            return
        lines = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in journal)
        with durable.touching(self.folder), (self.folder / "journal.jsonl").open("ab") as file:
            file.write(lines.encode())

    def journal(self) -> list[dict[str, Any]]:
        """Acknowledgements that no table has yet; a torn last line is none."""
        path = self.folder / "journal.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        read = []
        for line in lines:
            try:
                read.append(json.loads(line))
            except ValueError:
                continue
        return read

    def forget_journal(self) -> None:
        """Removes what a table has now; the cursor is kept first, since it may have been behind.

        Raises:
            IntegrityError: the cursor is damaged; the journal stays.
        """
        self.save(self.cursor())
        (self.folder / "journal.jsonl").unlink(missing_ok=True)


def waiting(log: Log, cursor: Cursor, choice: Choice) -> Iterator[Message]:
    """Messages that an endpoint has not acknowledged, in the order of the log; some thousand are in memory.

    Raises:
        IntegrityError: the log is another, shorter or rewritten since the endpoint acknowledged it, or a
            segment is damaged.
    """
    check(log, cursor)
    sizes = [size for size in log.sizes() if cursor.checkpoint < size <= log.head.size]
    at = cursor.next
    for old in [size for size in sizes if size <= at]:
        yield messages.of_checkpoint(log.checkpoint(old), event_at(log, old - 1)["occurred_at"].item())
    ahead = iter([size for size in sizes if size > at])
    size = next(ahead, None)
    for segment in log.segments:
        if segment.end <= at:
            continue
        end = segment.first
        for rows in segment.parts(messages.COLUMNS, ROWS_AT_ONCE):
            end += rows.height
            while at < end:
                part = rows.slice(rows.height - (end - at), size - at if size else None)
                yield from messages.of_events(part, log.origin, choice)
                at += part.height
                if at == size:
                    yield messages.of_checkpoint(log.checkpoint(at), part["occurred_at"].item(-1))
                    size = next(ahead, None)


def check(log: Log, cursor: Cursor) -> None:
    """Raises IntegrityError where the log is not the one that the endpoint has acknowledged so far."""
    if cursor.origin not in ("", log.origin):
        raise IntegrityError(f"it was sent events of the log {cursor.origin}, and this one is {log.origin}")
    if max(cursor.next, cursor.checkpoint) > log.head.size:
        raise IntegrityError(
            f"{log.folder}: has {log.head.size} events, and {cursor.next} were delivered; restore it from a "
            "copy"
        )
    if cursor.checkpoint and log.checkpoint(cursor.checkpoint).root.hex() != cursor.root:
        raise IntegrityError(
            f"{log.folder}: its checkpoint of {cursor.checkpoint} events is another than was delivered: the "
            "history was rewritten"
        )


def no_rows() -> pl.DataFrame:
    """No row of the log (`messages.COLUMNS`)."""
    return SEGMENT.empty().select(messages.COLUMNS)


def event_at(log: Log, index: int) -> pl.DataFrame:
    """The row of the log at an index (`messages.COLUMNS`)."""
    segment = next(each for each in log.segments if each.first <= index < each.end)
    return segment.read().select(messages.COLUMNS).slice(index - segment.first, 1)
