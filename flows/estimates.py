"""What a run is about to take, said before its first unit."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import polars as pl

from flows import progress
from flows.orchestrator import log, task
from flows.run import Run
from tasks.backfill import estimate as costs
from tasks.backfill.bench import Order
from tasks.backfill.estimate import Estimate
from tasks.tables import ERASED


@task("estimate")
def estimate(run: Run, orders: Sequence[Order], *, pulled: int, workers: int) -> Estimate:
    """What the units will take, said before the first of them; by what earlier runs of this judge took.

    Args:
        run: the run.
        orders: units that will be judged.
        pulled: outputs that are new.
        workers: that judge side by side.
    """
    lake, endpoint = run.lake, run.settings.verifier.endpoint
    before = [order for order in orders if not order.is_pulled]
    measured = costs.measured(lake.read_state(costs.STATE), costs.judge_of(run.settings.sections()))
    outputs = sum(order.unit.rows for order in before)
    if measured and before and not before[0].reverify:
        days = [day for order in before for day in order.unit.days]
        since, until = min(days), max(days)
        current = (pl.col("verifier") == measured[-1].identity) & (pl.col("snapshot") == run.record.snapshot)
        outputs = costs.to_judge(
            lake.scan("outputs", since=since, until=until).filter(pl.col("response") != ERASED),
            lake.scan("verdicts", since=since, until=until).filter(current),
            lake.scan("actions", since=since, until=until),
        )
    foreseen = costs.estimate(
        measured,
        outputs=pulled + outputs,
        units=len(orders),
        workers=workers,
        free_bytes=shutil.disk_usage(lake.root).free,
        is_paid=endpoint is not None,
    )
    run.record.warnings += foreseen.warnings
    progress.say(str(foreseen))
    log().info("%s", foreseen)
    return foreseen
