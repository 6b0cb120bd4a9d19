"""Which of the waiting verdicts is whose: what is open, for whom, and for how many at a time.

Belongs here: arithmetic over the queue and over what people said. Does not belong here: leases on the disk
(`review/journal.py`), and the order of the queue (`review/queue.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from tasks.tables import DECISIVE


@dataclass(frozen=True)
class Opinion:
    """What one person said of one verdict."""

    outcome: str
    corrected_verdict: str
    comment: str
    is_adjudication: bool = False

    @property
    def said(self) -> tuple[str, str]:
        """What two people agree or differ in."""
        return self.outcome, self.corrected_verdict


@dataclass
class Queue:
    """The waiting verdicts in their order, and who has spoken on which."""

    rows: pl.DataFrame
    """Columns `review.queue.QUEUE`."""
    said: Mapping[str, Mapping[str, Opinion]]
    """By verdict and reviewer, in the lake when the queue was read."""
    people: Mapping[str, int]
    """How many have to decide, by policy; one where it names none."""
    overlay: dict[str, dict[str, Opinion]] = field(default_factory=dict)
    """What was said since, on this server."""

    def __post_init__(self) -> None:
        self._order = self.rows["verdict_id"].to_list()
        self._places = {verdict_id: at for at, verdict_id in enumerate(self._order)}
        self._policies = self.rows["policy"].to_list()

    def opinions(self, verdict_id: str) -> dict[str, Opinion]:
        """By reviewer, what counts of a verdict."""
        both = {**self.said.get(verdict_id, {}), **self.overlay.get(verdict_id, {})}
        return {reviewer: each for reviewer, each in both.items() if each.outcome != "withdrawn"}

    def say(self, verdict_id: str, reviewer: str, opinion: Opinion) -> None:
        """A decision was made here."""
        others = [each for who, each in self._decided(verdict_id).items() if who != reviewer]
        is_third = len({each.said for each in others}) > 1 and opinion.outcome in DECISIVE
        told = Opinion(opinion.outcome, opinion.corrected_verdict, opinion.comment, is_third)
        self.overlay.setdefault(verdict_id, {})[reviewer] = told

    def forget(self, verdict_id: str, reviewer: str) -> None:
        """A decision was refused."""
        self.overlay.get(verdict_id, {}).pop(reviewer, None)

    def room(self, verdict_id: str) -> int:
        """How many people may look at a verdict at the same time; 0 where it waits for nobody."""
        at = self._places.get(verdict_id)
        if at is None:
            return 0
        decided = self._decided(verdict_id)
        if len({each.said for each in decided.values()}) > 1:
            return 0 if any(each.is_adjudication for each in decided.values()) else 1
        return max(0, self.people.get(self._policies[at], 1) - len(decided))

    def candidates(
        self, reviewer: str, mine: set[str], skipped: set[str], others: Mapping[str, int]
    ) -> Iterator[str]:
        """Verdicts that this reviewer may look at: what they look at already, the others, skipped ones last.

        Args:
            mine, skipped: verdicts that the reviewer looks at, and put back.
            others: how many other people look at a verdict.
        """
        kept = sorted((v for v in mine - skipped if v in self._places), key=self._places.__getitem__)
        parts = (
            kept,
            (v for v in self._order if v not in mine and v not in skipped),
            (v for v in self._order if v in skipped),
        )
        for part in parts:
            for verdict_id in part:
                if self._waits_for(verdict_id, reviewer) and others.get(verdict_id, 0) < self.room(
                    verdict_id
                ):
                    yield verdict_id

    def count(self, reviewer: str) -> int:
        """Verdicts that wait for this reviewer."""
        touched = self.said.keys() | self.overlay.keys()
        mine = sum(v in self._places and not self._waits_for(v, reviewer) for v in touched)
        return len(self._order) - mine

    def head(self, reviewer: str, limit: int) -> pl.DataFrame:
        """The first rows that wait for this reviewer."""
        places: list[int] = []
        for at, verdict_id in enumerate(self._order):
            if len(places) == limit:
                break
            if self._waits_for(verdict_id, reviewer):
                places.append(at)
        return self.rows[places]

    def beside(self, verdict_id: str, count: int) -> pl.DataFrame:
        """The row of a verdict and those after it; nothing where it is not in the queue."""
        at = self._places.get(verdict_id)
        return self.rows.head(0) if at is None else self.rows.slice(at, count)

    def disputed(self, verdict_id: str, reviewer: str) -> list[Opinion]:
        """The decisions that this reviewer would adjudicate, in no order that tells who said what."""
        decided = self._decided(verdict_id)
        if reviewer in decided or len({each.said for each in decided.values()}) < 2:
            return []
        return sorted(decided.values(), key=lambda each: each.said)

    def _decided(self, verdict_id: str) -> dict[str, Opinion]:
        return {
            reviewer: each for reviewer, each in self.opinions(verdict_id).items() if each.outcome in DECISIVE
        }

    def _waits_for(self, verdict_id: str, reviewer: str) -> bool:
        return reviewer not in self.opinions(verdict_id) and self.room(verdict_id) > 0
