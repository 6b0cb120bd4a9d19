"""A judge that answers later: what a run collects before it judges, and submits after."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from flows.orchestrator import task, tell
from flows.progress import counted
from flows.run import Run
from tasks.backfill.bench import Order
from tasks.judge.published import published_units
from tasks.sources.units import together
from tasks.tables import ERASED
from tasks.verify import batch_nights
from tasks.verify.batch_nights import Night
from tasks.verify.batch_store import BatchStore


@task("collect batches")
def collect_batches(run: Run) -> Night | None:
    """Answers of batches that ended; None where the judge answers at once."""
    judge = run.bench.batch
    if judge is None:
        return None
    night = batch_nights.collect(judge)
    if night.usage.requests:
        run.spent.append(night.usage)
    waiting = counted(night.under_way, "question")
    tell(f"{counted(night.collected, 'batch', 'batches')} collected, {waiting} under way")
    return night


@task("waiting claims")
def waiting_orders(run: Run, night: Night | None) -> list[Order]:
    """Published outputs whose claims have waited for answers, once these may be there."""
    judge = run.bench.batch
    if judge is None or night is None:
        return []
    run.waiting_files = judge.store.waiting_files()
    claims = BatchStore.waiting(run.waiting_files)
    if claims.is_empty() or (night.under_way and not night.collected):
        run.waiting_files = []
        return []
    units = published_units(
        run.lake,
        sorted(claims["produced_at"].dt.date().unique()),
        pl.col("output_id").is_in(claims["output_id"].unique().to_list()) & (pl.col("response") != ERASED),
        run_id=run.run_id,
        name="waiting",
        size=run.settings.runner.unit_outputs,
    )
    tell(f"{counted(claims.height, 'claim')} waited for an answer")
    return [Order(unit, is_pulled=False) for unit in together(units, run.settings.runner.together_outputs)]


@task("submit batches")
def submit_batches(run: Run, night: Night | None, *, max_cost: float | None = None) -> None:
    """What the units asked; how many claims wait is said, and is part of the run's record."""
    judge = run.bench.batch
    if judge is None or night is None:
        return
    batch_nights.submit(
        judge,
        night,
        run_id=run.run_id,
        now=datetime.now(UTC),
        max_cost=max_cost,
        publish=run.lake.publish,
    )
    judge.store.settle(run.waiting_files)
    waiting = _still_waiting(run, BatchStore.waiting(judge.store.waiting_files()))
    run.record.problems += night.problems
    run.record.warnings += night.notices
    if waiting.height:
        outputs = waiting["output_id"].n_unique()
        run.record.warnings.append(
            f"{counted(waiting.height, 'claim')} of {counted(outputs, 'answer')} wait for the judge: no "
            "verdict yet; the run that collects the batch adds it"
        )
    run.record.judging = {"waiting": waiting.height, **night.as_dict()}
    tell(f"{counted(night.submitted, 'question')} submitted, {counted(waiting.height, 'claim')} waiting")


def _still_waiting(run: Run, claims: pl.DataFrame) -> pl.DataFrame:
    """Those of some claims (WAITING) that got no verdict in this run."""
    days = claims["produced_at"].dt.date()
    first, last = days.min(), days.max()
    if not isinstance(first, date) or not isinstance(last, date):
        return claims
    judged = run.lake.scan("verdicts", since=first, until=last).filter(pl.col("run_id") == run.run_id)
    return claims.join(judged.select("claim_id").collect(), on="claim_id", how="anti")


def cap(run: Run, option: float | None = None) -> float | None:
    """What the run may cost: the lower of an option and `max_cost_per_run`; None without limit."""
    endpoint = run.settings.verifier.endpoint
    limits = [option, (endpoint.max_cost_per_run or None) if endpoint else None]
    return min((limit for limit in limits if limit is not None), default=None)
