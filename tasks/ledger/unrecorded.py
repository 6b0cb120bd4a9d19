"""Rows that are published and have no event yet, as the events that they are due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from tasks.decide.policies import Policy
from tasks.lake.store import Lake
from tasks.ledger import bindings, changes, events, events_table
from tasks.ledger.events import DAILY, JUDGED, KINDS
from tasks.ledger.opening import Ledger

Scan = Callable[[str], pl.LazyFrame]
"""A table's name to its rows of some days."""


@dataclass
class Unrecorded:
    """Finds what one recording has to append."""

    ledger: Ledger
    policies: Sequence[Policy]
    run_id: str
    now: datetime
    actor: str
    state: dict[str, object] = field(default_factory=dict)
    """State to keep once the events that say so are in the log."""

    def events(self, since: date | None, until: date | None) -> Iterator[pl.DataFrame]:
        """Events (`events.FRAME`) of everything that is published and not in the log, in small frames."""
        lake = self.ledger.lake
        for day in sorted({day for kind in DAILY for day in lake.days(KINDS[kind].about)}):
            if (since is None or day >= since) and (until is None or day <= until):
                yield from self._of_day(day)
        yield from self.reviews()
        health = lake.scan("health", verify=True).filter(events.is_alarming()).collect()
        health = self._unseen(health, events.health_subjects(health))
        if health.height:
            yield bindings.single("health", {"health": health}, None)
        runs = lake.scan("runs", verify=True).collect()
        runs = self._unseen(runs, events.run_subjects(runs["run_id"], "end"))
        if runs.height:
            digests = {run_id: events_table.commits_digest(lake.root, run_id) for run_id in runs["run_id"]}
            inputs = {run_id: events_table.inputs(lake.root, run_id) or [] for run_id in runs["run_id"]}
            yield bindings.runs(runs, "end", digests, inputs, actor=self.actor)

    def _unseen(self, frame: pl.DataFrame, subjects: pl.Series) -> pl.DataFrame:
        """Rows whose event is not in the log."""
        if frame.is_empty():
            return frame
        logged = self.ledger.log.find(subjects)["subject_id"].unique()
        return frame.filter(~subjects.is_in(logged.implode()))

    def _of_day(self, day: date) -> Iterator[pl.DataFrame]:
        lake, log, vault = self.ledger.lake, self.ledger.log, self.ledger.vault

        def scan(table: str) -> pl.LazyFrame:
            return lake.scan(table, since=day, until=day, verify=True)

        due: dict[str, pl.DataFrame] = {}
        for kind in DAILY:
            rows = scan(KINDS[kind].about).collect()
            due[KINDS[kind].about] = self._unseen(rows, rows[str(KINDS[kind].key)])
        output_ids = pl.concat([rows["output_id"] for rows in due.values()]).unique(maintain_order=True)
        if output_ids.is_empty():
            return
        keys = vault.keys(output_ids)
        vault.keep_salts(keys)
        verdicts, flips = due["verdicts"], due["flips"]
        if verdicts.height:
            yield from self._verifiers(verdicts)
            frames = verdict_frames(lake, scan, verdicts)
            earlier = log.find(verdicts["claim_id"].unique(), "claim_id").filter(pl.col("kind").is_in(JUDGED))
            indexes = earlier.group_by("claim_id").agg(earlier_index=pl.col("sequence").max())
            yield bindings.verifications(frames, keys, indexes, self.policies)
        if due["actions"].height:
            outputs = scan("outputs").filter(pl.col("output_id").is_in(output_ids.implode())).collect()
            yield bindings.single("action", {"actions": due["actions"], "outputs": outputs}, keys)
        if due["actions_taken"].height:
            yield bindings.single("action_taken", due, keys, actor=self.actor)
        if due["findings"].height:
            yield bindings.single("finding", due, keys)
        if flips.height:
            first = log.find(flips["verdict_id_before"].unique()).group_by(verdict_id_before="subject_id")
            yield bindings.single("flip", due, keys, first.agg(earlier_index=pl.col("sequence").min()))

    def _verifiers(self, verdicts: pl.DataFrame) -> list[pl.DataFrame]:
        state = {**self.ledger.lake.read_state(events_table.STATE), **self.state}
        before = state.get("verifier")
        frames, last = changes.verifiers(before, verdicts, run_id=self.run_id, now=self.now, actor=self.actor)
        if frames:
            self.state["verifier"] = last
        return frames

    def reviews(
        self, since: date | None = None, until: date | None = None, of: pl.Series | None = None
    ) -> Iterator[pl.DataFrame]:
        """Events of reviews that are not in the log: of outputs of some days, and of some verdicts (`of`)."""
        lake, vault = self.ledger.lake, self.ledger.vault
        rows = lake.scan("reviews", since=since, until=until, verify=True)
        reviews = (rows if of is None else rows.filter(pl.col("verdict_id").is_in(of.implode()))).collect()
        reviews = self._unseen(reviews, reviews["review_id"])
        if reviews.is_empty():
            return
        indexes = self.ledger.log.find(reviews["verdict_id"].unique()).group_by(verdict_id="subject_id")
        judged = (
            lake.scan("verdicts", since=since, until=until)
            .join(reviews.lazy().select("verdict_id").unique(), on="verdict_id", how="semi")
            .select("verdict_id", "output_id")
            .collect()
            .join(indexes.agg(earlier_index=pl.col("sequence").max()), on="verdict_id", how="left")
        )
        keys = vault.keys(judged["output_id"])
        vault.keep_salts(keys)
        yield bindings.reviews({"reviews": reviews}, keys, judged, actor=self.actor)


def verdict_frames(lake: Lake, scan: Scan, verdicts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Rows of every table that belong to some verdicts; `scan` reads a table's rows of their days."""
    claim_ids = verdicts.lazy().select("claim_id").unique()
    evidence = scan("evidence").join(claim_ids, on="claim_id", how="semi").collect()
    passage_ids = evidence.lazy().select("passage_id").unique()
    passages = [scan("passages").join(passage_ids, on="passage_id", how="semi").collect()]
    if (evidence["origin"] == "corpus").any():
        corpus = lake.scan("passages", verify=True).filter(pl.col("corpus") != "context")
        passages.append(corpus.join(passage_ids, on="passage_id", how="semi").collect())
    output_ids = verdicts.lazy().select("output_id").unique()
    return {
        "verdicts": verdicts,
        "claims": scan("claims").join(claim_ids, on="claim_id", how="semi").collect(),
        "evidence": evidence,
        "passages": pl.concat(passages).unique("passage_id", maintain_order=True),
        "actions": scan("actions").join(output_ids, on="output_id", how="semi").collect(),
    }
