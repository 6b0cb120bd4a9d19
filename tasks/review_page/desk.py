"""Who looks at what, and what became of it: the state behind the review page.

Belongs here: the queue as the reviewers of this server see it, leases, and decisions on their way into the
ledger. Does not belong here: HTTP (`web.py`), which verdicts wait (`review/queue.py`), rows and events
(whoever made the desk hands in `record`).

(1) a decision is stored in the journal, (2) the one writer records what waits there, at once, or as soon as
the lake is free, (3) the journal keeps what became of it. A server that dies between these goes on at its
next start: recording a decision again changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from tasks.errors import ClaimledgerError
from tasks.lake import current
from tasks.lake.store import Lake
from tasks.privacy.cover import Cover
from tasks.review import reviews, service
from tasks.review.agreement import agreement
from tasks.review.journal import Decision, Journal, State
from tasks.review.queue import QUEUE, QueueParameters
from tasks.review_page import items
from tasks.review_page.assignment import Opinion, Queue
from tasks.review_page.items import Item
from tasks.review_page.parameters import DEFAULTS, ReviewPageParameters

_KEPT = 20
"""Portions of items kept in memory."""

Record = Callable[[Sequence[Decision]], Mapping[str, State]]
"""Takes decisions into the lake and its ledger; how each stands afterwards, by its form.

Raises ClaimledgerError where that is not possible now, and LakeError where another run holds the lake.
"""


@dataclass(frozen=True)
class Last:
    """The last decision of a reviewer, which may be taken back."""

    form: str
    verdict_id: str
    outcome: str


class Desk:
    """The queue of one lake, shared by the threads of one server."""

    def __init__(
        self,
        lake: Lake,
        record: Record,
        queue: QueueParameters,
        parameters: ReviewPageParameters = DEFAULTS,
        *,
        due_hours: Mapping[str, float],
        cover: Cover | None = None,
    ) -> None:
        self.lake, self.parameters = lake, parameters
        self.journal = Journal(lake.root)
        self.due_hours = due_hours
        """Hours within which a verdict should be decided, by policy, where it says so."""
        self.blocked = ""
        """Why decisions wait, in a sentence; empty where they are recorded."""
        self._cover = cover
        self._record, self._queue_parameters = record, queue
        self._queue = Queue(pl.DataFrame(schema=QUEUE), {}, queue.people)
        self._items: dict[str, Item] = {}
        self._last: dict[str, list[Last]] = {}
        self._skipped: dict[str, set[str]] = {}
        self._seen: object = None
        self._texts: object = None
        self._lock = threading.RLock()
        self._settled = threading.Condition()
        self._work, self._end = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []

    # Life ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Records what an earlier server left, reads the queue, and begins to keep both up to date."""
        self.record_waiting()
        self.refresh()
        for name, work in (("writer", self._write_on), ("reader", self._refresh_on)):
            thread = threading.Thread(target=work, name=f"review page: {name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Ends the threads; what waits stays in the journal."""
        self._end.set()
        self._work.set()
        for thread in self._threads:
            thread.join()

    # The queue ----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Reads the queue anew where the lake's tables changed."""
        seen = self._signature("outputs", "verdicts", "actions", "reviews", "flips")
        if seen == self._seen:
            return
        rows = reviews.waiting(self.lake, self._queue_parameters)
        said = self._said(rows)
        with self._lock:
            fresh = Queue(rows, said, self._queue_parameters.people)
            fresh.overlay = self._queue.overlay
            for decision in self.journal.waiting(self.parameters.batch):
                fresh.say(decision.verdict_id, decision.reviewer, _opinion(decision))
            self._queue, self._seen = fresh, seen

    def _said(self, rows: pl.DataFrame) -> dict[str, dict[str, Opinion]]:
        """Who decided what of the verdicts that wait."""
        said: dict[str, dict[str, Opinion]] = {}
        standing = (
            current.current_reviews(self.lake.scan("reviews"))
            .join(rows.lazy().select("verdict_id"), on="verdict_id", how="semi")
            .select("verdict_id", "reviewer", "outcome", "corrected_verdict", "comment")
            .collect()
        )
        for verdict_id, reviewer, outcome, corrected, comment in standing.iter_rows():
            said.setdefault(verdict_id, {})[reviewer] = Opinion(outcome, corrected or "", comment or "")
        return said

    def _signature(self, *tables: str) -> object:
        """Changes with every file of the tables."""
        return tuple(
            (file.name, file.stat().st_mtime_ns) for table in tables for file in self.lake.files(table)
        )

    def waiting_count(self, reviewer: str) -> int:
        """Verdicts that wait for this reviewer."""
        with self._lock:
            return self._queue.count(reviewer)

    def listed(self, reviewer: str) -> pl.DataFrame:
        """The first verdicts that wait for this reviewer: columns of `service.aged`."""
        with self._lock:
            rows = self._queue.head(reviewer, self.parameters.listed)
        return service.aged(rows, self.due_hours, datetime.now(UTC))

    def levels(self) -> pl.DataFrame:
        """How old what waits is, by policy: rows of `service.SERVICE`."""
        self.refresh()
        with self._lock:
            rows = self._queue.rows
        reviewed, verdicts = self.lake.scan("reviews"), self.lake.scan("verdicts")
        now = datetime.now(UTC)
        return service.levels(rows, reviewed, verdicts, self.due_hours, now=now, days=self.parameters.days)

    def agreement(self) -> pl.DataFrame:
        """How far reviewers agree: rows of `agreement.AGREEMENT`."""
        return agreement(self.lake.scan("reviews"), self.lake.scan("verdicts"))

    def next_for(self, reviewer: str) -> str | None:
        """The verdict this reviewer should look at now, kept for them for a while; None where none waits."""
        now = time.time()
        leased = self.journal.leased(now=now)
        mine = {verdict_id for verdict_id, who in leased if who == reviewer}
        others: dict[str, int] = {}
        for verdict_id, who in leased:
            if who != reviewer:
                others[verdict_id] = others.get(verdict_id, 0) + 1
        with self._lock:
            skipped = self._skipped.get(reviewer, set())
            for verdict_id in self._queue.candidates(reviewer, mine, skipped, others):
                if self.take(verdict_id, reviewer):
                    return verdict_id
        return None

    def take(self, verdict_id: str, reviewer: str) -> bool:
        """Keeps a verdict for a reviewer, unless as many others as it needs look at it."""
        now = time.time()
        with self._lock:
            room = self._queue.room(verdict_id)
        return self.journal.lease(
            verdict_id, reviewer, now=now, until=now + self.parameters.lease_s, people=room
        )

    def item(self, verdict_id: str) -> Item | None:
        """What there is to see of a verdict of the queue; None where it is not in it."""
        # An erasure blanks texts, and no page may show them from memory.
        texts = self._signature("outputs")
        with self._lock:
            if texts != self._texts or len(self._items) > _KEPT * self.parameters.look_ahead:
                self._items, self._texts = {}, texts
            if verdict_id in self._items:
                return self._items[verdict_id]
            rows = self._queue.beside(verdict_id, self.parameters.look_ahead)
        if rows.is_empty():
            self.refresh()
            with self._lock:
                rows = self._queue.beside(verdict_id, self.parameters.look_ahead)
        loaded = items.load(self.lake, rows)
        with self._lock:
            self._items |= loaded
        return loaded.get(verdict_id)

    def verdict(self, verdict_id: str) -> str | None:
        """What the verifier says; also of a verdict that does not wait any more, which two tabs can show."""
        with self._lock:
            if verdict_id in self._items:
                return self._items[verdict_id].shown.verdict
        rows = self.lake.scan("verdicts").filter(pl.col("verdict_id") == verdict_id).select("verdict")
        verdicts = rows.collect()["verdict"].to_list()
        return verdicts[0] if verdicts else None

    def opinions(self, verdict_id: str, reviewer: str) -> list[Opinion]:
        """What others decided, for whoever adjudicates; nothing for anybody else."""
        with self._lock:
            return self._queue.disputed(verdict_id, reviewer)

    def skip(self, verdict_id: str, reviewer: str) -> None:
        """Puts a verdict behind all others for this reviewer."""
        with self._lock:
            self._skipped.setdefault(reviewer, set()).add(verdict_id)
        self.journal.release(verdict_id, reviewer)

    # Decisions ----------------------------------------------------------------------------------------

    def decide(self, decision: Decision) -> State:
        """(1) Stores a decision, and waits for the ledger to have it, up to `wait_s`."""
        if self._cover is not None:
            decision = replace(decision, comment=self._cover.text(decision.comment))
        if self.journal.add(decision):
            with self._lock:
                self._queue.say(decision.verdict_id, decision.reviewer, _opinion(decision))
                done = self._last.setdefault(decision.reviewer, [])
                if decision.outcome == "withdrawn":
                    self._last[decision.reviewer] = [
                        each for each in done if each.verdict_id != decision.verdict_id
                    ]
                else:
                    done.append(Last(decision.form, decision.verdict_id, decision.outcome))
            self.journal.release(decision.verdict_id, decision.reviewer)
            self._work.set()
        limit = time.monotonic() + self.parameters.wait_s
        with self._settled:
            while True:
                state = self.journal.state(decision.form) or State("waiting", "")
                left = limit - time.monotonic()
                if state.state != "waiting" or left <= 0 or self._end.is_set():
                    return state
                if self.blocked:
                    return State("waiting", self.blocked)
                self._settled.wait(left)

    def last(self, reviewer: str) -> Last | None:
        """What this reviewer decided last on this server and has not taken back."""
        with self._lock:
            done = self._last.get(reviewer)
            return done[-1] if done else None

    def done_count(self, reviewer: str) -> int:
        """Decisions of this reviewer since the server started."""
        with self._lock:
            return len(self._last.get(reviewer, ()))

    def record_waiting(self) -> None:
        """(2) Records what waits in the journal, and (3) keeps what became of it."""
        while waiting := self.journal.waiting(self.parameters.batch):
            batch = _one_each(waiting)
            try:
                states = self._record(batch)
            except ClaimledgerError as error:
                self._tell(str(error))
                return
            self.journal.settle(list(states.items()))
            with self._lock:
                for decision in batch:
                    if states[decision.form].state == "refused":
                        self._queue.forget(decision.verdict_id, decision.reviewer)
                        done = self._last.get(decision.reviewer, [])
                        self._last[decision.reviewer] = [each for each in done if each.form != decision.form]
            self._tell("")
        self._tell("")

    def _tell(self, blocked: str) -> None:
        with self._settled:
            self.blocked = blocked
            self._settled.notify_all()

    def _write_on(self) -> None:
        while not self._end.is_set():
            self._work.wait(self.parameters.retry_s if self.blocked else None)
            self._work.clear()
            if not self._end.is_set():
                self.record_waiting()

    def _refresh_on(self) -> None:
        while not self._end.wait(self.parameters.refresh_s):
            try:
                self.refresh()
            except ClaimledgerError as error:
                self._tell(str(error))


def now() -> str:
    """The moment of a decision."""
    return datetime.now(UTC).isoformat()


def _opinion(decision: Decision) -> Opinion:
    return Opinion(decision.outcome, decision.corrected_verdict, decision.comment)


def _one_each(waiting: Sequence[Decision]) -> list[Decision]:
    """The first decisions up to where a reviewer says another thing of the same verdict."""
    batch: list[Decision] = []
    named: set[tuple[str, str]] = set()
    for decision in waiting:
        about = (decision.verdict_id, decision.reviewer)
        if about in named:
            break
        named.add(about)
        batch.append(decision)
    return batch
