"""What the tables hold is recorded in the log, once, signed, and shown to the witnesses.

`record` reads what is published and not yet in the log, so that it may be called at any time, by any run,
twice or after a crash: it appends what is missing and nothing else. Nobody hands it rows that could differ
from those in the tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from tasks.decide.policies import Policy
from tasks.errors import ConfigError
from tasks.lake.store import Lake
from tasks.ledger import bindings, changes, events, events_table
from tasks.ledger.notes import Checkpoint
from tasks.ledger.opening import Ledger, open_ledger
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.unrecorded import Unrecorded, verdict_frames
from tasks.tables import TABLES

_BATCH = 100_000
"""Events gathered before they are appended: bounds memory on a first night with years of history."""
_PERSONAL = re.compile(r"[\w.+-]+@[\w-]+\.\w+|\d[\d ().-]{7,}\d")


@dataclass(frozen=True)
class Recorded:
    """What was recorded: the newest checkpoint, events appended, sentences about what needs attention."""

    checkpoint: Checkpoint
    appended: int
    notices: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def record(
    lake: Lake,
    settings: LedgerSettings,
    policies: Sequence[Policy],
    *,
    run_id: str,
    now: datetime,
    actor: str,
    since: date | None = None,
    until: date | None = None,
) -> Recorded:
    """Appends an event for every published row that has none yet, signs, renders, and tells the witnesses.

    Args:
        actor: who acts, for the events that name somebody.
        since, until: UTC days of `produced_at` to look at; all days where they are None, which also finds
            what an interrupted run published and did not record.

    Raises:
        ConfigError, IntegrityError: as `open_ledger`.
        LakeError: locked, full or read-only; nothing is lost, the next call records the same.
    """

    def frames(ledger: Ledger, state: dict[str, object]) -> Iterator[pl.DataFrame]:
        return Unrecorded(ledger, policies, run_id, now, actor, state).events(since, until)

    return _append(lake, settings, run_id, frames)


def record_reviews(
    lake: Lake,
    settings: LedgerSettings,
    *,
    run_id: str,
    now: datetime,
    actor: str,
    since: date,
    until: date,
    verdict_ids: pl.Series,
) -> Recorded:
    """Appends an event for every published review of these verdicts that has none; outputs are of these days.

    What `record` would append of them, without looking at the rest of the lake: a person waits for it.
    Witnesses are told by the next run.

    Args:
        actor: who took the reviews in.

    Raises:
        ConfigError, IntegrityError, LakeError: as `record`.
    """

    def frames(ledger: Ledger, state: dict[str, object]) -> Iterator[pl.DataFrame]:
        return Unrecorded(ledger, (), run_id, now, actor, state).reviews(since, until, verdict_ids)

    return _append(lake, settings, run_id, frames, tells=False)


def record_start(
    lake: Lake,
    settings: LedgerSettings,
    policies: Sequence[Policy],
    row: Mapping[str, object],
    sections: Mapping[str, str] | None = None,
    *,
    actor: str,
) -> Recorded:
    """Appends the start of a run and, where policies or settings are others than before, events that say so.

    Witnesses are told at the run's end: its start adds nothing that they would miss.

    Args:
        row: one row of `runs`, complete or not: run_id, flow, started_at, status, code_version, policy.
        sections: the configuration as `Settings.sections` gives it; None where there is none to compare.
        actor: who starts the run.
    """
    counts = dict.fromkeys(("rows_in", "rows_out", "rows_quarantined"), 0)
    schema = TABLES["runs"].schema
    frame = pl.DataFrame([{name: row.get(name) for name in schema} | counts], schema=schema)
    by: dict[str, Any] = {"run_id": str(frame["run_id"][0]), "now": frame["started_at"][0], "actor": actor}

    def frames(ledger: Ledger, state: dict[str, object]) -> Iterator[pl.DataFrame]:
        if ledger.log.find(events.run_subjects(frame["run_id"], "start")).height:
            return
        yield bindings.runs(frame, "start", {}, {}, actor=actor)
        before = lake.read_state(events_table.STATE)
        state["policies"] = changes.policies_digest(policies)
        yield from changes.policies(before.get("policies"), policies, **by)
        values = before.get("policy_values")
        yield from changes.policy_values(values, policies, **by)
        state["policy_values"] = {**(values or {}), **{p.label: p.values() for p in policies}}
        if sections is not None:
            state["sections"] = digests = changes.section_digests(sections)
            yield from changes.sections(before.get("sections"), digests, **by)

    return _append(lake, settings, by["run_id"], frames, tells=False)


def record_again(
    lake: Lake,
    settings: LedgerSettings,
    policies: Sequence[Policy],
    judged_again: pl.DataFrame,
    *,
    run_id: str,
) -> Recorded:
    """Appends a re-verification for verdicts reached again by the same verifier, policy and snapshot.

    Their rows are in the tables already and stay as they are, so the event says the new probabilities by
    value, lists the passages that were shown again, and binds no row. Recording the same run twice appends
    nothing.

    Args:
        judged_again: VERDICTS frame of this run; verdicts the log does not know are left to `record`.
    """

    def frames(ledger: Ledger, _: dict[str, object]) -> Iterator[pl.DataFrame]:
        logged = ledger.log.find(judged_again["verdict_id"])
        own = logged.filter(pl.col("run_id") == run_id)["subject_id"]
        fresh = judged_again.filter(
            pl.col("verdict_id").is_in(logged["subject_id"].implode())
            & ~pl.col("verdict_id").is_in(own.implode())
        )
        if fresh.is_empty():
            return
        earlier = logged.group_by("claim_id").agg(earlier_index=pl.col("sequence").max())
        days = fresh["produced_at"].dt.date().sort().to_list()
        rows = verdict_frames(lake, lambda table: lake.scan(table, since=days[0], until=days[-1]), fresh)
        keys = ledger.vault.keys(fresh["output_id"])
        yield bindings.verifications(rows, keys, earlier, policies, binds_rows=False)

    return _append(lake, settings, run_id, frames)


def append_one(
    lake: Lake,
    settings: LedgerSettings,
    kind: str,
    *,
    run_id: str,
    now: datetime,
    actor: str,
    subject_id: str,
    **values: object,
) -> Recorded:
    """Appends a single event, such as an erasure.

    Raises:
        ConfigError: a value holds what looks like personal data, which could never leave the log again.
    """
    return append_each(
        lake, settings, kind, [{"subject_id": subject_id}], run_id=run_id, now=now, actor=actor, **values
    )


def append_each(
    lake: Lake,
    settings: LedgerSettings,
    kind: str,
    each: Sequence[Mapping[str, object]],
    *,
    run_id: str,
    now: datetime,
    actor: str,
    **values: object,
) -> Recorded:
    """Appends several events of a kind that share some values, such as the erasures of one rule.

    Raises:
        ConfigError: as `append_one`.
    """
    for name, value in [*values.items(), *(pair for one in each for pair in one.items())]:
        _require_impersonal(name, value)
    frame = events.several(kind, each, occurred_at=now, run_id=run_id, actor=actor, **values)
    return _append(lake, settings, run_id, lambda *_: [frame])


def _require_impersonal(name: str, value: object) -> None:
    if isinstance(value, str) and not re.fullmatch("[0-9a-f]{64}", value) and _PERSONAL.search(value):
        raise ConfigError(
            f"{name}: it seems to hold an e-mail address or a number of a person, and what enters the "
            "ledger stays for ever; leave it out"
        )


def _append(
    lake: Lake,
    settings: LedgerSettings,
    run_id: str,
    frames: Callable[[Ledger, dict[str, object]], Iterable[pl.DataFrame]],
    *,
    tells: bool = True,
) -> Recorded:
    """Appends the events that `frames` finds to be due, keeps the state that it fills, renders, and tells."""
    with lake.lock("recording in the ledger"):
        ledger = open_ledger(lake, settings)
        before = ledger.log.head.size
        state: dict[str, object] = {}
        waiting: list[pl.DataFrame] = []
        for frame in frames(ledger, state):
            waiting.append(frame)
            if sum(each.height for each in waiting) >= _BATCH:
                ledger.log.append(pl.concat(waiting), ledger.signers, run_id)
                waiting = []
        if waiting:
            ledger.log.append(pl.concat(waiting), ledger.signers, run_id)
        ledger.remember(**state)
        events_table.render(lake, ledger.log)
        lake.publish()  # no witness may see what a bucket could still lose
        problems = tell(ledger, settings, before) if tells else []
        return Recorded(ledger.log.head, ledger.log.head.size - before, ledger.notices, problems)


def tell(ledger: Ledger, settings: LedgerSettings, before: int) -> list[str]:
    """Shows the newest checkpoint to everybody configured, if the log has grown since the size `before`."""
    if ledger.log.head.size == before:
        return []
    from tasks.ledger.witness import timestamps, witness

    problems = witness.tell(ledger.log, settings.witnesses)
    return problems + timestamps.stamp(ledger.log, settings, ledger.lake.root)
