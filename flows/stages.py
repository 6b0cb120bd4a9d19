"""The stages that several flows share: each calls a room of `tasks`, counts, and hands on references."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from flows.commands.console import one_line
from flows.orchestrator import task, tell
from flows.progress import counted
from flows.run import Run
from tasks.errors import ConfigError, InputError
from tasks.evidence import refresh
from tasks.evidence.index import EMPTY_SNAPSHOT
from tasks.files import inputs
from tasks.gate.reconcile import Counts
from tasks.judge import judge as judging
from tasks.sources import counting
from tasks.sources.pull import pull_sources
from tasks.sources.pulled import Pulled
from tasks.sources.units import Unit, together
from tasks.taken import later

FINDINGS_SAID = 5
"""New findings of the inventory that a run's warnings name; the page has all."""


def pull_title(run: Run, since: date | None, until: date | None) -> str:
    """Which sources are read, and for which days where those are given."""
    sources = "+".join(source.name for source in run.settings.sources)
    days = f" {since or 'start'}..{until or 'now'}" if since or until else ""
    return f"pull {sources}{days}"


def unit_title(
    _: Run, unit: Unit, __: object = None, *, reverify: bool = False, is_pulled: bool = True
) -> str:
    """Which outputs are judged: their day and number."""
    again = " again" if reverify else "" if is_pulled else " what is missing,"
    return f"judge{again} {unit.title}, {counted(unit.rows, 'output')}"


@task("pull", pull_title, is_retried=True)
def pull(run: Run, since: date | None, until: date | None) -> Pulled:
    """Records that are new, staged by day; what cannot be read is quarantined."""
    settings = run.settings
    pulled = pull_sources(
        settings.sources,
        settings.limits,
        run.lake,
        unit_outputs=settings.runner.unit_outputs,
        retries=settings.runner.retries,
        refused_share=settings.validation.maximum_quarantine_ratio,
        run_id=run.run_id,
        now=run.record.started_at,
        since=since,
        until=until,
        cover=run.cover,
        sources_at_once=settings.runner.sources_at_once,
        processes=settings.runner.pull_processes,
    )
    inputs.keep(run.lake.run_folder(run.run_id), pulled.inputs)
    run.record.records_in = pulled.records_in
    run.unhealthy = pulled.unhealthy
    run.record.lack(pulled.lacks)
    run.record.minimised = {source: dict(taken) for source, taken in pulled.minimised.items()}
    run.record.problems += pulled.problems
    run.record.warnings += pulled.warnings
    tell(f"{counted(pulled.records_in, 'record')}, {pulled.outputs:,} to judge")
    return replace(pulled, units=together(pulled.units, settings.runner.together_outputs))


@task("index", lambda run: f"index {run.settings.corpus.name}", is_retried=True)
def index(run: Run) -> None:
    """The corpus snapshot and its index, brought up to date and published."""
    run.corpus, counts = refresh.publish(
        run.settings.corpus,
        run.settings.limits,
        run.lake,
        run.bench.embedder,
        run.bench.segment,
        check=lambda passages: run.check("passages", passages),
        run_id=run.run_id,
        now=run.record.started_at,
        threads=run.settings.runner.threads,
        cover=run.cover,
    )
    run.record.snapshot = run.corpus.snapshot if run.corpus else EMPTY_SNAPSHOT
    if run.corpus is not None:
        run.record.count({"passages": counts["passages"]}, of="corpus")
        run.record.warnings += _refused_documents(run.corpus.quarantine)
        run.record.warnings += _hidden_text(run.corpus.summary)
        run.record.index = run.corpus.method.as_dict()
        if run.corpus.method.refused:
            run.record.warnings.append(f"corpus: {run.corpus.method.in_words()}")
        tell(f"{_corpus(run.corpus.summary)}; {run.corpus.method.in_words()}")


def _corpus(summary: Mapping[str, int]) -> str:
    """What the index holds, in words."""
    passages, documents = counted(summary["passages"], "passage"), counted(summary["documents"], "document")
    return f"{passages} of {documents}, {summary['passages_new']:,} new"


def _hidden_text(summary: Mapping[str, int]) -> list[str]:
    """One sentence on documents read in this run that hold text which no reader sees; none for none."""
    count = summary["documents_read_with_hidden_text"]
    hold = "document read now holds" if count == 1 else "documents read now hold"
    return [f"corpus: {count} {hold} hidden text, which is left out of the evidence"] if count else []


def _refused_documents(quarantine: pl.DataFrame) -> list[str]:
    """One sentence on documents in quarantine (QUARANTINE frame), the first ten by name; none for none."""
    shown = [f"{where}: {why}" for where, why in quarantine.select("locator", "reason").head(10).rows()]
    rest = quarantine.height - len(shown)
    more = f"; and {rest} more" if rest else ""
    refused = f"corpus: {quarantine.height} refused, in quarantine: {'; '.join(shown)}{more}"
    return [refused] if shown else []


@task("judge", unit_title)
def judge(
    run: Run,
    unit: Unit,
    done: Callable[[float], None] | None = None,
    *,
    reverify: bool = False,
    is_pulled: bool = True,
) -> None:
    """One unit through to committed verdicts; claims that have a current one only with `reverify`.

    Args:
        done: is told the share of the unit that is scored.
        is_pulled: its outputs come from records of this run, and are counted as such.
    """
    begun = time.monotonic()
    job = run.job(unit, done)
    sealed = judging.judge(unit.outputs(), job, reverify=reverify)
    run.count(unit, judging.publish(sealed, job), is_pulled=is_pulled)
    run.judging_s += time.monotonic() - begun


@task("publish refusals", lambda _, pulled: f"publish {counted(pulled.quarantined, 'refusal')}")
def publish_refusals(run: Run, pulled: Pulled) -> None:
    """Quarantines what the pull refused; counts that, what a source left out, joined or did not draw, and
    what the lake has already, under `outputs`.
    """
    known = pulled.already_there + pulled.duplicates
    left_out = Counts(
        rows_in=known + pulled.quarantined + pulled.filtered + pulled.joined + pulled.sampled_out,
        already_there=known,
        quarantined=pulled.quarantined,
        filtered=pulled.filtered,
        joined=pulled.joined,
        sampled_out=pulled.sampled_out,
    )
    run.record.count({"outputs": left_out}, of="refusals")
    pulled.publish_quarantine(run.lake, run.run_id, run.record.started_at)


@task("follow deliveries")
def follow_deliveries(run: Run, pulled: Pulled) -> None:
    """What records say by now of outputs that were published before: deliveries, and what was done."""
    if pulled.delivered.is_empty():
        return
    statements = pulled.delivered.drop_nulls("action_taken").with_columns(
        action="action_taken", taken_at="delivered_at", origin=pl.lit("source")
    )
    frames = later.learnt(run.lake, statements, pulled.delivered, run_id=run.run_id, now=datetime.now(UTC))
    checked = {table: run.check(table, rows) for table, rows in frames.items()}
    # Days whose rows have events to be recorded.
    run.record.days.update(checked["actions_taken"]["produced_at"].dt.date())
    if any(rows.height for rows in checked.values()):
        counts = run.lake.commit(run.run_id, "deliveries", checked, run_day=run.day)
        run.record.count(counts, of="deliveries")
    tell(f"{counted(checked['caught'].height, 'failed output')} with another state")


@task("compare counts")
def compare_counts(run: Run, pulled: Pulled) -> dict[str, Any]:
    """What the sources count of the days that were read beside what the lake accounts for, as plain data.

    A difference is a problem of the run; a day that was never pulled is said.
    """
    if pulled.receipt is None:
        return {}
    compared = counting.settle(pulled.receipt, run.lake, run_id=run.run_id, now=run.record.started_at)
    rows = run.check("completeness", compared.rows)
    counts = run.lake.commit(run.run_id, "completeness", {"completeness": rows}, run_day=run.day)
    run.record.count(counts, of="completeness")
    run.record.problems += compared.problems
    run.record.warnings += compared.warnings
    tell(counting.in_words(rows))
    return counting.as_dict(rows)


@task("drift")
def compare_drift(
    run: Run,
    *,
    current: tuple[date, date] | None = None,
    baseline: tuple[date, date] | None = None,
) -> dict[str, Any]:
    """Drift rows published and new alarms sent; the report as plain data."""
    from tasks.drift import measurement

    settings = run.settings.drift
    settings = replace(settings, link=settings.link or run.settings.report.link)
    report = measurement.compare(
        run.lake,
        settings,
        run_id=run.run_id,
        today=run.day,
        cached_vectors=run.bench.known_vectors,
        current=current,
        baseline=baseline,
    )
    rows = run.check("drift", report.rows)
    published = run.lake.commit(run.run_id, "drift", {"drift": rows}, run_day=run.day)["drift"].published
    path = measurement.save(run.lake, report)
    if published:  # the same report, made again, is sent once
        run.record.warnings += measurement.send_alarms(report, settings, path)
    tell(f"{counted(report.rows.height, 'comparison')}, {counted(report.alarms.height, 'alarm')}")
    return {**report.as_dict(), "file": str(path)}


def nightly_drift(run: Run) -> dict[str, Any]:
    """The night's drift, if it is to be measured; a baseline that cannot be used costs no night its audit."""
    from tasks.drift import texts

    if not run.settings.drift.enabled:
        return {}
    try:
        if run.judged:  # the encoder is loaded: the sampled questions of these days cost little now
            texts.embed_questions(run.lake, sorted(run.record.days), run.bench.embedder)
        compared = compare_drift(run)
    except InputError as error:
        run.record.warnings.append(f"drift was not measured: {error}")
        return {}
    kept = ("report_id", "windows", "status", "sampled", "alarms", "file")
    return {name: compared[name] for name in kept if name in compared}


def keep_inventory(run: Run) -> None:
    """What is in use against the declarations, if there are any; new findings are warnings of the run.

    A declaration that cannot be read costs no night its audit.
    """
    from tasks.inventory import inventory

    if not run.settings.inventory.path:
        return
    try:
        rows = inventory.compare(
            run.lake, run.settings.inventory, run_id=run.run_id, now=run.record.started_at
        )
    except ConfigError as error:
        run.record.warnings.append(f"the inventory was not compared: {error}")
        return
    fresh = inventory.new_findings(run.lake, rows)
    checked = run.check("inventory", rows)
    counts = run.lake.commit(run.run_id, "inventory", {"inventory": checked}, run_day=run.day)
    run.record.count(counts, of="inventory")
    run.record.warnings += [
        one_line(f"the inventory: {kind} {name}: {finding}")
        for kind, name, finding in fresh.head(FINDINGS_SAID).iter_rows()
    ]
    if fresh.height > FINDINGS_SAID:
        run.record.warnings.append(f"the inventory: {fresh.height - FINDINGS_SAID} more new findings")
