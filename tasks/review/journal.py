"""What reviewers do on the page before it is in the ledger: decisions under way, and who looks at what.

Belongs here: LAKE/review/page.sqlite, which several servers may share and a crash leaves whole. Does not
belong here: rows and events (`reviews.py`, the ledger), and who may sign in.

A decision is stored before anybody is told so, and goes when the ledger has it: what stays of it is its
form's number, so that the same form is never taken twice. Deleted words are overwritten (`secure_delete`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import LakeError
from tasks.files import durable
from tasks.tables import ERASED

_WAIT_S = 10.0
"""How long one server waits for another's write of a few kilobytes."""
_TABLES = """
CREATE TABLE IF NOT EXISTS decisions (
  form TEXT PRIMARY KEY, verdict_id TEXT NOT NULL, reviewer TEXT NOT NULL, outcome TEXT NOT NULL,
  corrected_verdict TEXT NOT NULL, comment TEXT NOT NULL, reviewed_at TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', note TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS leases (
  verdict_id TEXT NOT NULL, reviewer TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (verdict_id, reviewer)
);
"""


@dataclass(frozen=True)
class Decision:
    """What a reviewer sent, by the number of its form."""

    form: str
    verdict_id: str
    reviewer: str
    outcome: str
    corrected_verdict: str
    comment: str
    reviewed_at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class State:
    """How a decision stands: waiting, recorded or refused, and what there is to say about it."""

    state: str
    note: str


@dataclass(frozen=True)
class Journal:
    """The journal of a lake."""

    root: Path

    @property
    def file(self) -> Path:
        """The database."""
        return self.root / "review" / "page.sqlite"

    def add(self, decision: Decision) -> bool:
        """Stores a decision durably; False where its form was sent before."""
        values = tuple(vars(decision).values())
        with self._open() as database:
            added = database.execute(
                "INSERT OR IGNORE INTO decisions (form, verdict_id, reviewer, outcome, corrected_verdict, "
                "comment, reviewed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            return added.rowcount == 1

    def waiting(self, limit: int) -> list[Decision]:
        """Decisions that the ledger does not have, the oldest first."""
        if not self.file.exists():
            return []
        with self._open() as database:
            rows = database.execute(
                "SELECT form, verdict_id, reviewer, outcome, corrected_verdict, comment, reviewed_at "
                "FROM decisions WHERE state = 'waiting' ORDER BY rowid LIMIT ?",
                (limit,),
            )
            return [Decision(*row) for row in rows]

    def settle(self, states: Sequence[tuple[str, State]]) -> None:
        """Keeps what became of decisions, by form, and forgets what they said and who said it."""
        with self._open() as database:
            database.executemany(
                "UPDATE decisions SET state = ?, note = ?, reviewer = '', comment = '' WHERE form = ?",
                [(state.state, state.note, form) for form, state in states],
            )

    def state(self, form: str) -> State | None:
        """How the decision of a form stands; None where it was never sent."""
        with self._open() as database:
            row = database.execute("SELECT state, note FROM decisions WHERE form = ?", (form,)).fetchone()
        return State(*row) if row else None

    def lease(self, verdict_id: str, reviewer: str, *, now: float, until: float, people: int) -> bool:
        """Takes or keeps a verdict for a reviewer; False while as many others as may look at it do.

        Args:
            now, until: seconds since 1970.
        """
        with self._open() as database:
            database.execute("DELETE FROM leases WHERE until <= ?", (now,))
            others = database.execute(
                "SELECT count(*) FROM leases WHERE verdict_id = ? AND reviewer <> ?", (verdict_id, reviewer)
            ).fetchone()[0]
            if others >= people:
                return False
            database.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (verdict_id, reviewer, until))
            return True

    def leased(self, *, now: float) -> list[tuple[str, str]]:
        """(verdict_id, reviewer) of what people look at now."""
        with self._open() as database:
            return list(
                database.execute("SELECT verdict_id, reviewer FROM leases WHERE until > ?", (now,)).fetchall()
            )

    def release(self, verdict_id: str, reviewer: str) -> None:
        """Gives a verdict back."""
        with self._open() as database:
            database.execute(
                "DELETE FROM leases WHERE verdict_id = ? AND reviewer = ?", (verdict_id, reviewer)
            )

    def erase(self, verdict_ids: Sequence[str]) -> int:
        """Forgets who decided these verdicts, and their words; how many decisions were waiting."""
        if not self.file.exists():
            return 0
        with self._open() as database:
            erased = 0
            for verdict_id in verdict_ids:
                erased += database.execute(
                    "UPDATE decisions SET state = 'refused', note = ?, reviewer = '', comment = '' "
                    "WHERE verdict_id = ? AND state = 'waiting'",
                    (ERASED, verdict_id),
                ).rowcount
            return erased

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when it ends.

        Raises:
            LakeError: the file cannot be read or written.
        """
        with durable.touching(self.file):
            durable.make_folder(self.file.parent)
            if not self.file.exists():
                os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            database = sqlite3.connect(self.file, timeout=_WAIT_S, isolation_level=None)
            try:
                database.execute("PRAGMA secure_delete = ON")
                database.execute("PRAGMA synchronous = FULL")
                database.executescript(_TABLES)
                database.execute("BEGIN IMMEDIATE")
                with database:
                    yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise LakeError(
                f"{self.file}: cannot be used ({error}); if the file is damaged, move it away: reviews that "
                "the ledger has are not in it"
            ) from None
