"""The nightly audit, readable as a table of contents.

pull, index, judge unit by unit, move the watermarks, check health, reconcile, report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.commands.progress import Progress, silent
from flows.stage import log, stage
from tasks import health
from tasks.errors import GateError, InputError
from tasks.gate.reconcile import Counts, reconcile
from tasks.gate.validate import Validator
from tasks.lake import runs
from tasks.lake.runs import Run
from tasks.lake.store import Lake
from tasks.ledger import recording
from tasks.report import report
from tasks.settings import Settings
from tasks.sources.pull import Pulled, Unit, pull_sources, watermark
from tasks.workbench import Workbench

if TYPE_CHECKING:
    from tasks.evidence.index import CorpusIndex
    from tasks.judge import Judged


@dataclass(frozen=True)
class Outcome:
    """What a run did, for people and programs alike."""

    run_id: str
    flow: str
    status: str
    records_in: int
    records_out: int
    records_already_there: int
    records_quarantined: int
    verdicts: dict[str, int]
    counts: dict[str, dict[str, int]]
    problems: list[str]
    warnings: list[str]
    report: str | None
    lake: str
    seconds: float
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON and for Prefect."""
        return asdict(self)


class Bench(Workbench):
    """The workbench of a run, beside the whole configuration."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        super().__init__(settings.judge_parameters, lake)
        self.settings = settings


def audit(
    settings: Settings, *, since: date | None = None, until: date | None = None, progress: Progress = silent
) -> Outcome:
    """Audits what is new since the watermarks, or a range of UTC days (both ends included)."""
    parameters = {"since": since and since.isoformat(), "until": until and until.isoformat()}
    with running("nightly audit", settings, parameters) as (run, bench, validator):
        pulled = pull(run, bench, since, until)
        corpus = index(run, bench, validator)
        judged = [
            judge(run, bench, corpus, validator, unit) for unit in progress(pulled.units, "judging", "unit")
        ]
        return finish(run, bench, validator, pulled, judged)


@stage("pull", touches_the_world=True)
def pull(run: Run, bench: Bench, since: date | None, until: date | None) -> Pulled:
    """Records that are new, staged by day; what cannot be read is quarantined."""
    pulled = pull_sources(
        bench.settings.sources,
        bench.settings.limits,
        bench.lake,
        unit_outputs=bench.settings.runner.unit_outputs,
        retries=bench.settings.runner.retries,
        run_id=run.run_id,
        now=run.started_at,
        since=since,
        until=until,
    )
    run.records_in = pulled.records_in
    run.problems += pulled.problems
    run.warnings += pulled.warnings
    log().info("pulled %d records, %d to judge", pulled.records_in, sum(u.rows for u in pulled.units))
    return pulled


@stage("index", touches_the_world=True)
def index(run: Run, bench: Bench, validator: Validator) -> CorpusIndex | None:
    """The corpus snapshot and its index, brought up to date and published."""
    from tasks.evidence.index import EMPTY_SNAPSHOT
    from tasks.evidence.refresh import publish

    def check(passages: pl.DataFrame) -> pl.DataFrame:
        return checked(validator, "passages", passages)

    corpus, counts = publish(
        bench.settings.corpus,
        bench.settings.limits,
        bench.lake,
        bench.embedder,
        bench.segment,
        check=check,
        run_id=run.run_id,
        now=run.started_at,
    )
    run.snapshot = corpus.snapshot if corpus else EMPTY_SNAPSHOT
    if corpus is not None:
        run.count({"passages": counts["passages"]})
        if corpus.quarantine.height:
            run.warnings.append(_refused_documents(corpus.quarantine))
    return corpus


def _refused_documents(quarantine: pl.DataFrame) -> str:
    """One sentence on documents in quarantine (QUARANTINE frame), the first ten by name."""
    shown = [f"{where}: {why}" for where, why in quarantine.select("locator", "reason").head(10).rows()]
    rest = quarantine.height - len(shown)
    more = f"; and {rest} more" if rest else ""
    return f"corpus: {quarantine.height} refused, in quarantine: {'; '.join(shown)}{more}"


def checked(validator: Validator, table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of our own making, which must all be good.

    Raises:
        GateError: some are not.
    """
    result = validator.check(table, frame)
    if result.quarantine.height or result.gate_failed:
        raise GateError(
            f"{table}: validation refused {result.quarantine.height} of {frame.height} rows that this "
            f"program made itself ({result.failures[:1]}); none was published, report this as a bug"
        )
    return result.good


@stage("judge")
def judge(
    run: Run,
    bench: Bench,
    corpus: CorpusIndex | None,
    validator: Validator,
    unit: Unit,
    *,
    reverify: bool = False,
    only: pl.Series | None = None,
) -> Judged:
    """One unit through to committed verdicts; with `only`, of those claims alone."""
    from tasks.judge import judge as judge_unit

    judged = judge_unit(
        pl.read_parquet(unit.path),
        bench,
        corpus,
        validator,
        unit=unit.path.parent.name + "-" + unit.path.stem,
        run_id=run.run_id,
        reverify=reverify,
        only=only,
    )
    runs.remember_verifier(bench.lake, bench.identity, bench.verifier.fingerprint, bench.settings.verifier)
    run.verifier = bench.identity
    run.days.add(unit.day)
    run.count(judged.counts)
    run.records_out += judged.counts["outputs"].published
    log().info("judged %s: %s", judged.unit, judged.verdicts)
    return judged


@stage("finish")
def finish(run: Run, bench: Bench, validator: Validator, pulled: Pulled, judged: list[Judged]) -> Outcome:
    """Quarantine, watermarks, health, reconciliation, the run's row, and the report."""
    account(run, pulled)
    pulled.publish_quarantine(bench.lake, run.run_id, run.started_at)
    compared = nightly_drift(run, bench, validator, judged) if bench.settings.drift.enabled else {}
    return close(run, bench, validator, judged, marks=pulled.marks, extra={"drift": compared})


def nightly_drift(run: Run, bench: Bench, validator: Validator, judged: list[Judged]) -> dict[str, Any]:
    """The night's drift; a baseline that cannot be used must not cost the night its audit."""
    from tasks.drift import texts

    try:
        if judged:  # the encoder is loaded: the sampled questions of these days cost little now
            texts.embed_questions(bench.lake, sorted(run.days), bench.embedder)
        compared = compare_drift(run, bench, validator)
        return {name: compared[name] for name in ("report_id", "windows", "status", "alarms", "file")}
    except InputError as error:
        run.warnings.append(f"drift was not measured: {error}")
        return {}


@stage("drift")
def compare_drift(
    run: Run,
    bench: Bench,
    validator: Validator,
    *,
    current: tuple[date, date] | None = None,
    baseline: tuple[date, date] | None = None,
) -> dict[str, Any]:
    """Drift rows published, new alarms told; the report as plain data."""
    from tasks.drift import measurement

    settings, lake = bench.settings.drift, bench.lake
    today = run.started_at.date()
    report = measurement.compare(
        lake,
        settings,
        run_id=run.run_id,
        today=today,
        cached_vectors=bench.known_vectors,
        current=current,
        baseline=baseline,
    )
    rows = checked(validator, "drift", report.rows)
    published = lake.commit(run.run_id, "drift", {"drift": rows}, run_day=today)["drift"].published
    path = measurement.save(lake, report)
    if published:  # the same report, made again, is told once
        run.warnings += measurement.send_alarms(report, settings, path)
    log().info("drift: %d rows, %d alarms", report.rows.height, report.alarms.height)
    return {**report.as_dict(), "file": str(path)}


def account(run: Run, pulled: Pulled) -> None:
    """What the pull itself found to be there already, or refused, in the counts of `outputs`."""
    known = pulled.already_there + pulled.duplicates
    total = known + pulled.quarantined
    run.count({"outputs": Counts(rows_in=total, already_there=known, quarantined=pulled.quarantined)})


def close(
    run: Run,
    bench: Bench,
    validator: Validator,
    judged: list[Judged],
    *,
    marks: Mapping[str, Mapping[str, Any]] | None = None,
    extra: dict[str, Any] | None = None,
) -> Outcome:
    """What every judging flow ends with: reconciliation, watermarks, health, the run's row, the report.

    The run counts as open until its report is there, so that one that dies in between is recorded in full
    by the next.

    Raises:
        GateError: rows in are not rows out + already there + quarantined; watermarks stay where they were.
    """
    lake, settings = bench.lake, bench.settings
    reconcile(run.counts)
    outputs = run.counts.get("outputs", Counts())
    run.records_already_there = outputs.already_there
    run.records_quarantined = outputs.quarantined
    if run.records_in != outputs.rows_in:
        raise GateError(
            f"run {run.run_id[:12]}: {run.records_in} records pulled, but {outputs.rows_in} accounted for; "
            "watermarks stay, report this as a bug"
        )
    for source, mark in (marks or {}).items():
        lake.write_state(watermark(source), mark)
    reached = checked(validator, "health", health.check(settings, lake, run_id=run.run_id))
    lake.commit(run.run_id, "health", {"health": reached}, run_day=run.started_at.date())
    checked(validator, "runs", run.row("completed", datetime.now(UTC)))
    validator.finish()
    runs.close_run(run, lake, "completed")
    checkpoint = record(run, lake, settings)
    page = report.write(lake, run.run_id, checkpoint=checkpoint, now=datetime.now(UTC))
    runs.forget(run, lake)
    verdicts: dict[str, int] = {}
    for one in judged:
        for verdict, count in one.verdicts.items():
            verdicts[verdict] = verdicts.get(verdict, 0) + count
    return Outcome(
        run_id=run.run_id,
        flow=run.flow,
        status="completed",
        records_in=run.records_in,
        records_out=run.records_out,
        records_already_there=run.records_already_there,
        records_quarantined=run.records_quarantined,
        verdicts=verdicts,
        counts={name: c.as_dict() for name, c in sorted(run.counts.items())},
        problems=run.problems,
        warnings=run.warnings,
        report=str(page),
        lake=str(lake.root),
        seconds=round((datetime.now(UTC) - run.started_at).total_seconds(), 2),
        extra={**(extra or {}), **bench.record_usage(run.run_id)},
    )


@stage("record")
def record(run: Run, lake: Lake, settings: Settings) -> dict[str, str | int]:
    """An event for everything this run published, in the signed log; the checkpoint as plain values."""
    # After an interruption all days are looked at, because what it published may not be recorded yet.
    days = [None] if run.follows_interruption else sorted(run.days) or [run.started_at.date()]
    recorded = recording.record(
        lake,
        settings.ledger,
        settings.policies,
        run_id=run.run_id,
        now=datetime.now(UTC),
        since=days[0],
        until=days[-1],
    )
    run.problems += recorded.problems
    run.warnings += recorded.notices
    checkpoint = recorded.checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "appended by this run": recorded.appended,
    }


@contextmanager
def running(
    flow: str, settings: Settings, parameters: dict[str, Any]
) -> Iterator[tuple[Run, Bench, Validator]]:
    """The lake locked and recovered, a run opened, and closed as failed or interrupted if need be."""
    lake = Lake.open(settings.lake)
    with lake.lock(flow):
        interrupted = False
        for sentence in lake.recover():
            interrupted = True
            log().warning("%s", sentence)
        for run_id in runs.close_dead_runs(lake):
            log().warning("run %s had been interrupted; this one goes on from what it published", run_id[:12])
            interrupted = True
        lake.ensure_tables(datetime.now(UTC).date())
        run = runs.open_run(flow, lake, parameters, settings.policies, settings.sections())
        run.retries = settings.runner.retries
        run.follows_interruption = interrupted
        started = run.row("running", run.started_at).row(0, named=True)
        run.warnings += _start(settings, lake, started)
        folder: Path = lake.run_folder(run.run_id)
        validator = Validator(
            folder,
            data_docs=settings.validation.data_docs,
            run_id=run.run_id,
            now=run.started_at,
            maximum_quarantine_ratio=settings.validation.maximum_quarantine_ratio,
        )
        try:
            yield run, Bench(settings, lake), validator
        except BaseException as error:
            _close_badly(run, lake, settings, "failed" if isinstance(error, Exception) else "interrupted")
            raise
        finally:
            lake.clear_work(run.run_id)


def _start(settings: Settings, lake: Lake, row: dict[str, Any]) -> list[str]:
    """The start of a run as an event, with what changed in policies and settings; notices for its report."""
    return recording.record_start(lake, settings.ledger, settings.policies, row, settings.sections()).notices


def _close_badly(run: Run, lake: Lake, settings: Settings, status: str) -> None:
    """A failed or interrupted run is closed and recorded too; what stopped it stays the failure."""
    try:
        runs.close_run(run, lake, status)
        run.follows_interruption = True
        record(run, lake, settings)
        runs.forget(run, lake)
    except Exception as error:  # noqa: BLE001 - whatever it is, what stopped the run must be what is said
        log().warning("the run could not be closed (%s); the next one closes it", error)
