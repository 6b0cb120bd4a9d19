"""Past days, audited like a night: pulled where they are missing, judged where a verdict is missing.

Resumable because every verdict is named by claim, verifier, policy and snapshot: what is there is skipped.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import polars as pl

from flows.batches import cap, collect_batches, submit_batches
from flows.estimates import estimate
from flows.leaks import find_leaks
from flows.orchestrator import flow, task, tell
from flows.outcome import Outcome, conclude
from flows.progress import counted
from flows.redaction import verify_redaction
from flows.run import Run, finish, opened
from flows.stages import compare_counts, follow_deliveries, index, publish_refusals, pull
from flows.units import judge_all, put_aside
from tasks.backfill.bench import Order
from tasks.backfill.caps import Limits
from tasks.errors import InputError
from tasks.judge.published import published_units
from tasks.settings import load
from tasks.sources.units import Unit, together
from tasks.tables import ERASED


@flow("backfill")
def backfill(
    since: date,
    until: date,
    *,
    reverify: bool = False,
    workers: int | None = None,
    max_hours: float | None = None,
    max_cost: float | None = None,
    config: str | None = None,
    lake: str | None = None,
) -> Outcome:
    """Audits a range of past UTC days, both ends included.

    Args:
        since: First UTC day to audit.
        until: Last UTC day to audit, included.
        reverify: Judge again claims that have a verdict by the present verifier, policy and documents.
        workers: Processes that judge units side by side, each with the models in its memory; on a cluster, so
            many of its workers at most. By default one process here, and all workers there.
        max_hours: Begin no unit that would end later than so many hours after the start.
        max_cost: Begin no unit that would take a paid judge beyond this, in the currency of its prices.
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.

    Raises:
        InputError: the range is empty, or a number is not positive.
        IntegrityError: `reverify` found another verdict from the same verifier, policy and snapshot.
        EndedWithProblemsError: done, but a unit, a source or the ledger needs attention, or a limit was
            reached.
    """
    if since > until:
        raise InputError(f"--from {since} is after --to {until}; give the earlier day first")
    if workers is not None and workers < 1:
        raise InputError(f"--workers is {workers}, expected 1 or more")
    limits = Limits(max_hours, max_cost)
    parameters = {"since": since, "until": until, "reverify": reverify, "workers": workers}
    with opened("backfill", load(config, lake=lake), parameters) as run:
        pulled = pull(run, since, until)
        index(run)
        before = published_before(run, since, until)
        orders = [Order(unit) for unit in pulled.units]
        orders += [Order(unit, reverify=reverify, is_pulled=False) for unit in before]
        night = collect_batches(run)
        foreseen = estimate(run, orders, pulled=pulled.outputs, workers=workers or 1)
        # What batches may cost is seen to where they are submitted.
        limits = replace(limits, max_cost=None if night else cap(run, max_cost))
        units = judge_all(run, orders, workers=workers, limits=limits, foreseen=foreseen)
        if units.aside or units.left:
            put_aside(run, units)
        submit_batches(run, night, max_cost=cap(run, max_cost))
        follow_deliveries(run, pulled)
        publish_refusals(run, pulled)
        find_leaks(run)
        verify_redaction(run)
        # Days that were left for another run would only be called incomplete.
        completeness = compare_counts(run, replace(pulled, receipt=None) if units.left else pulled)
        finish(run)
    return conclude(
        run,
        {
            "completeness": completeness,
            "days": (until - since).days + 1,
            "already_judged": sum(judged.already_judged for judged in run.judged),
            "published_before": sum(unit.rows for unit in before),
            "reverified": sum(judged.reverified for judged in run.judged),
            "estimate": foreseen.as_dict(),
            "units": {"done": units.done, "set_aside": len(units.aside), "left": len(units.left)},
        },
    )


@task("published before", lambda _, since, until: f"published before, {since}..{until}")
def published_before(run: Run, since: date, until: date) -> list[Unit]:
    """Outputs that earlier runs published, staged in units.

    They are not records of this run: where a source still gives them, the pull has counted them.
    """
    units = published_units(
        run.lake,
        [day for day in run.lake.days("outputs") if since <= day <= until],
        (pl.col("run_id") != run.run_id) & (pl.col("response") != ERASED),
        run_id=run.run_id,
        name="published",
        size=run.settings.runner.unit_outputs,
    )
    units = together(units, run.settings.runner.together_outputs)
    tell(f"{counted(len(units), 'unit')} published before")
    return units
