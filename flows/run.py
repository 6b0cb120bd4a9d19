"""The life of a run: (1) the lake is locked, (2) what a crash left is finished, (3) the run is opened and its
start recorded; the flow's stages; (4) it is reconciled and closed, (5) recorded, the ledger
verified and its events sent, (6) reported, (7) forgotten.

The run counts as open until (7), so that one that dies before is closed and recorded in full by the next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from flows import covering, progress, unit_costs
from flows.actor import actor
from flows.commands.console import one_line
from flows.orchestrator import PATIENT, log, show_markdown, shown, task, tell
from tasks import ids
from tasks.deliver import deliver
from tasks.errors import ClaimledgerError, GateError
from tasks.evidence.corpus import reach as reach_corpus
from tasks.evidence.index import CorpusIndex
from tasks.files import durable
from tasks.gate.reconcile import Counts, reconcile
from tasks.gate.validate import Validator, load_team_suites
from tasks.health import health
from tasks.judge.job import Gate, Job, Judged
from tasks.lake import runs, views
from tasks.lake.store import Lake
from tasks.ledger import nightly, recording
from tasks.ledger.nightly import Verification
from tasks.privacy import leak_files
from tasks.privacy.cover import Cover
from tasks.report import report
from tasks.settings import Settings
from tasks.sources.kinds import reach
from tasks.sources.pull import watermark
from tasks.sources.units import Unit
from tasks.verify.protocol import Usage
from tasks.workbench import JudgeParameters, Workbench
from tasks.write_back.write_back import write_back

ANSWERED_LATER = frozenset({"nightly audit", "backfill"})
"""Flows that ask a judge by batches, where it is configured so."""
LEAST_ROOM_BYTES = 32 * 2**20
"""A run with less to write to would end half way, or by a signal where a database maps its files."""


@dataclass
class Run:
    """A run in progress: what it works on and with, and what it has done so far."""

    record: runs.Run
    settings: Settings
    lake: Lake
    bench: Workbench
    validator: Validator
    cover: Cover | None = None
    """Covers confidential data before it reaches the lake."""
    corpus: CorpusIndex | None = None
    judged: list[Judged] = field(default_factory=list)
    unhealthy: dict[str, str] = field(default_factory=dict)
    """What the pull found wrong, by source."""
    reached: pl.DataFrame | None = None
    """HEALTH of this run, once it is checked."""
    verification: Verification | None = None
    """Of the ledger, at the end."""
    page: Path | None = None
    """The report, once it is written."""
    delivered: list[dict[str, Any]] = field(default_factory=list)
    """How each endpoint stands."""
    usage: dict[str, dict[str, float]] = field(default_factory=dict)
    """What a remote judge was asked and cost."""
    spent: list[Usage] = field(default_factory=list)
    """What workers asked of it."""
    waiting_files: list[Path] = field(default_factory=list)
    """Units that are judged again, because their claims waited for a judge's answers."""
    judging_s: float = 0.0
    """While units were judged, by the clock."""
    workers: int = 1
    stages: list[str] = field(default_factory=list)
    """Those that are not over, the outermost first."""

    @property
    def run_id(self) -> str:
        """Names the run in every row it writes."""
        return self.record.run_id

    @property
    def day(self) -> date:
        """UTC day on which the run started."""
        return self.record.started_at.date()

    @property
    def retries(self) -> int:
        """Attempts after the first one where the world is touched."""
        return self.settings.runner.retries

    @property
    def stage_limit_s(self) -> float:
        """Seconds that a stage may take."""
        return self.settings.runner.stage_limit_s

    @property
    def price(self) -> float:
        """What a remote judge has cost so far."""
        own = self.bench.usage
        return (own.cost if own else 0.0) + sum(usage.cost for usage in self.spent)

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Keeps which stage the run is in; one that fails stays the last."""
        runs.enter_stage(self.record, self.lake, title)
        self.stages.append(title)
        with progress.stage(title):
            yield
        self.stages.pop()
        if self.stages:
            runs.enter_stage(self.record, self.lake, self.stages[-1])

    def job(self, unit: Unit, done: Callable[[float], None] | None = None) -> Job:
        """What a unit is judged with; `done` is told the share of it that is scored."""
        gate, now = Gate(self.validator), datetime.now(UTC)
        return Job(unit.name, self.bench, self.corpus, gate, self.run_id, now, done)

    def count(self, unit: Unit, judged: Judged, *, is_pulled: bool = True) -> None:
        """Adds what became of a unit, once; outputs without a record of this run are none of its records."""
        if not is_pulled:
            counts = {table: each for table, each in judged.counts.items() if table != "outputs"}
            judged = replace(judged, counts={**counts, "outputs": Counts()})
        bench, record, by = self.bench, self.record, judged.by
        runs.remember_verifier(
            self.lake,
            by.identity,
            by.fingerprint,
            bench.parameters.verifier,
            name=by.name,
            measured=bench.measured,
        )
        if not record.count(judged.counts, of=str(unit.path)):
            return
        record.verifier = by.identity
        record.days.update(unit.days)
        record.lack(judged.lookups)
        record.records_out += judged.counts["outputs"].published
        self.judged.append(judged)
        tell(progress.in_words(judged.verdicts) or "no factual claim")

    def check(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of this program's own making, which must all be good.

        Raises:
            GateError: some are not.
        """
        result = self.validator.check(table, frame)
        if result.quarantine.height:
            raise GateError(
                f"{table}: validation refused {result.quarantine.height} of {frame.height} rows that this "
                f"program made itself ({result.failures[:1]}); none was published, report this as a bug"
            )
        return result.good


@contextmanager
def turn(flow: str, settings: Settings) -> Iterator[Lake]:
    """The lake, held; for a flow that reads what it is about before its run is opened.

    Another run that writes to the lake is waited for; a backfill gives way between two units.
    """
    lake = Lake.open(settings.lake, wait_s=settings.runner.lock_wait_s)
    with lake.lock(flow, tell=log().warning, is_urgent=flow not in PATIENT):
        yield lake


def give_way(run: Run) -> None:
    """Between two units: lets whoever waits for the lake have it first, such as the night.

    What is published is recorded before, so that the other run's verification finds nothing unrecorded.
    """
    if run.lake.is_wanted():
        record_events(run)
        log().warning("yielding to a run that waits for the lake; this one continues after it")
        run.lake.give_way(run.run_id, tell=log().warning)


@contextmanager
def opened(flow: str, settings: Settings, parameters: Mapping[str, object]) -> Iterator[Run]:
    """Steps (1) to (3), and a run that is closed as failed or interrupted if need be."""
    team = load_team_suites(settings.validation.suites)
    actor()  # one that cannot be recorded is refused before anything is touched
    cover = leak_files.cover(settings.privacy)
    with turn(flow, settings) as lake:
        durable.require_room(lake.root, LEAST_ROOM_BYTES)
        left = lake.recover()
        died = [
            f"{sentence}; this run resumes from what it published" for sentence in runs.close_dead_runs(lake)
        ]
        for sentence in left + died:
            log().warning("%s", sentence)
        lake.ensure_tables(datetime.now(UTC).date())
        changes = covering.remember(lake, cover)
        plain = json.loads(json.dumps(parameters, default=str))
        record = runs.open_run(flow, lake, plain, settings.policies, settings.sections())
        record.follows_interruption = bool(left or died)
        record.warnings += died + changes
        record.warnings += _record_start(record, lake, settings)
        run = Run(
            record,
            settings,
            lake,
            Workbench(_parameters(flow, settings), lake),
            Validator(
                lake.run_folder(record.run_id),
                data_docs=settings.validation.data_docs,
                run_id=record.run_id,
                now=record.started_at,
                maximum_quarantine_ratio=settings.validation.maximum_quarantine_ratio,
                team=team,
            ),
            cover,
        )
        try:
            yield run
        except BaseException as error:
            _close_badly(run, error)
            raise
        finally:
            lake.clear_work(run.run_id)


def _parameters(flow: str, settings: Settings) -> JudgeParameters:
    """What the flow judges with: only those that come every night can wait for a batch."""
    endpoint, parameters = settings.verifier.endpoint, settings.judge_parameters
    later = endpoint is not None and endpoint.batch != "none" and settings.verifier.backend == "endpoint"
    return replace(parameters, answers_later=later and flow in ANSWERED_LATER)


def _record_start(record: runs.Run, lake: Lake, settings: Settings) -> list[str]:
    """The start of a run as an event, with what changed in policies and settings; notices for its report."""
    row = record.row("running", record.started_at).row(0, named=True)
    return recording.record_start(
        lake, settings.ledger, settings.policies, row, settings.sections(), actor=actor()
    ).notices


def close(run: Run) -> dict[str, Any]:
    """Ends a run that completed: its row is validated and kept, its events are signed; the checkpoint."""
    run.check("runs", run.record.row("completed", datetime.now(UTC)))
    run.record.warnings += run.validator.finish()
    runs.close_run(run.record, run.lake, "completed")
    return record_events(run)


def _close_badly(run: Run, error: BaseException) -> None:
    """A failed or interrupted run is closed and recorded too; what stopped it stays the failure."""
    status = "failed" if isinstance(error, Exception) else "interrupted"
    run.record.reason = _reason(error)
    try:
        show_markdown(
            f"# `{shown(run.record.reason)}`\n\nThe {run.record.flow} {status} in stage "
            f"`{shown(run.record.stage)}`. What it had published stays; watermarks did not move.",
            key=f"{run.record.flow}-summary",
            run_id=run.run_id,
            description="Why the run did not complete",
        )
        runs.close_run(run.record, run.lake, status)
        run.record.follows_interruption = True
        record_events(run)
        runs.forget(run.record, run.lake)
    except Exception as another:  # noqa: BLE001 - whatever it is, what stopped the run must be what is said
        log().warning("could not close the run (%s); the next one will", another)


def _reason(error: BaseException) -> str:
    """What stopped a run, in one sentence; what others raise may quote what it choked on, and is not kept."""
    if isinstance(error, ClaimledgerError):
        return one_line(str(error))
    return (
        f"{type(error).__name__}: see the run's log for details"
        if isinstance(error, Exception)
        else "stopped by a signal"
    )


@task("finish")
def finish(run: Run, marks: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Steps (4) to (7), with the watermarks of sources, if given, and the health of what was to be reached.

    Raises:
        GateError: rows in are not rows out + already there + quarantined; watermarks stay where they were.
    """
    record, lake = run.record, run.lake
    run.usage = run.bench.record_usage(run.run_id, run.spent, claims=unit_costs.claims_of(run.judged))
    record.judging |= run.usage.get("judge_usage", {})
    _reconcile(record)
    for source, mark in (marks or {}).items():
        lake.write_state(watermark(source), mark)
    sources = {source.name: partial(reach, source) for source in run.settings.sources}
    corpus = run.settings.corpus
    corpora = {corpus.name: partial(reach_corpus, corpus)} if corpus.path else {}
    checked = health.check(
        sources, corpora, run.unhealthy, lake, run_id=run.run_id, settings=run.settings.health
    )
    run.reached = reached = run.check("health", checked)
    record.warnings += _tell_alarms(health.new_alarms(reached, lake), run.settings)
    lake.commit(run.run_id, "health", {"health": reached}, run_day=run.day)
    checkpoint = close(run)
    run.verification = verify_ledger(run)
    if run.settings.webhooks:
        checkpoint |= send_events(run)
    if any(source.write_back for source in run.settings.sources):
        tell_sources(run)
    page = report.gather(
        lake, run.run_id, checkpoint=checkpoint, verification=run.verification, now=datetime.now(UTC)
    )
    run.page = report.write(lake, page)
    unit_costs.remember(
        run.run_id,
        lake,
        run.judged,
        run.settings.sections(),
        seconds=run.judging_s,
        workers=run.workers,
        price=run.price,
    )
    views.write(lake)
    runs.forget(record, lake)


def _tell_alarms(alarms: Sequence[str], settings: Settings) -> list[str]:
    """Sends what is new about sources to where drift alarms go; the same as warnings of the run."""
    if not alarms:
        return []
    from tasks.drift import notify

    shown_alarms = [one_line(alarm) for alarm in alarms]
    title = f"claimledger: {len(alarms)} new {'alarm' if len(alarms) == 1 else 'alarms'} about sources"
    failures = notify.send(
        title, "\n".join(f"- {alarm}" for alarm in shown_alarms), settings.drift.notify_variable
    )
    # What is down is a problem of the run already, or of another kind than an alarm of its own.
    return [f"health of {alarm}" for alarm in shown_alarms if ": down: " not in alarm] + failures


def _reconcile(record: runs.Run) -> None:
    reconcile(record.counts)
    outputs = record.counts.get("outputs", Counts())
    record.records_already_there, record.records_quarantined = outputs.already_there, outputs.quarantined
    record.records_filtered, record.records_joined = outputs.filtered, outputs.joined
    record.records_sampled_out = outputs.sampled_out
    if record.records_in != outputs.rows_in:
        raise GateError(
            f"run {record.run_id[:12]}: {record.records_in} records pulled, but {outputs.rows_in} accounted "
            "for; watermarks stay, report this as a bug"
        )


@task("verify the ledger")
def verify_ledger(run: Run) -> Verification:
    """The lake against its ledger, after what this run recorded; what fails is a problem of the run."""
    verification = nightly.verification(run.lake, run.settings.ledger, now=datetime.now(UTC))
    run.record.problems += verification.problems
    run.record.warnings += [f"the ledger: {sentence}" for sentence in verification.unverifiable]
    return verification


@task("deliver")
def send_events(run: Run) -> dict[str, str]:
    """The ledger's events to the endpoints, each within its time; how each one stands, in words.

    Whatever an endpoint does, the run goes on and ends as it would have: what is not sent waits, and is said.
    """
    try:
        # An id of its own: what the run published is in its last event already.
        done = deliver.deliver(
            run.lake, run.settings.webhooks, run_id=ids.digest("deliver", run.run_id), is_limited=True
        )
    except ClaimledgerError as error:
        run.record.warnings.append(f"events were not sent: {error}")
        return {"sent": "nothing; see the run's log"}
    run.delivered = [each.as_dict() for each in done]
    for each in done:
        if each.is_late:
            run.record.problems.append(f"endpoint {each.endpoint}: {each.sentence}")
        elif not each.is_well:
            run.record.warnings.append(f"endpoint {each.endpoint}: {each.sentence}")
    tell(", ".join(f"{each.endpoint} {each.sent:,} sent, {each.waiting:,} waiting" for each in done))
    return {f"sent to {each.endpoint}": each.sentence for each in done}


@task("write back")
def tell_sources(run: Run) -> None:
    """Verdicts to the sources that ask for them, once each; what fails is made up for by the next run."""
    done = write_back(run.lake, run.settings.sources, run_id=run.run_id, started_at=run.record.started_at)
    run.record.warnings += [f"source {each.source!r}: {each}" for each in done if each.failure]
    tell(", ".join(str(each) for each in done if not each.failure) or "nothing was written back")


@task("record")
def record_events(run: Run) -> dict[str, str | int]:
    """An event for everything this run published, in the signed log; the checkpoint as plain values."""
    # After an interruption all days are looked at, because what it published may not be recorded yet.
    days = [None] if run.record.follows_interruption else sorted(run.record.days) or [run.day]
    recorded = recording.record(
        run.lake,
        run.settings.ledger,
        run.settings.policies,
        run_id=run.run_id,
        now=datetime.now(UTC),
        actor=actor(),
        since=days[0],
        until=days[-1],
    )
    run.record.problems += recorded.problems
    run.record.warnings += recorded.notices
    checkpoint = recorded.checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "appended by this run": recorded.appended,
    }
