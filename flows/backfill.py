"""Past days, audited like a night: pulled where they are missing, judged where a verdict is missing.

Resumable because every verdict is named by claim, verifier, policy and snapshot: what is there is skipped.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from flows.audit import Bench, Outcome, account, close, index, judge, pull, running
from flows.commands.progress import Progress, silent
from flows.stage import log, stage
from tasks.errors import InputError
from tasks.lake.runs import Run
from tasks.review.erase import ERASED
from tasks.settings import Settings
from tasks.sources.pull import Unit


def backfill(
    settings: Settings,
    *,
    from_day: date,
    to_day: date,
    reverify: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Audits a range of UTC days, both ends included.

    Raises:
        InputError: the range is empty.
        IntegrityError: `reverify` found another verdict from the same verifier, policy and snapshot.
    """
    if from_day > to_day:
        raise InputError(f"--from {from_day} is after --to {to_day}; give the earlier day first")
    parameters = {"from": from_day.isoformat(), "to": to_day.isoformat(), "reverify": reverify}
    with running("backfill", settings, parameters) as (run, bench, validator):
        pulled = pull(run, bench, from_day, to_day)
        corpus = index(run, bench, validator)
        judged = [judge(run, bench, corpus, validator, u) for u in progress(pulled.units, "judging", "unit")]
        past = published_before(run, bench, from_day, to_day)
        judged += [
            judge(run, bench, corpus, validator, unit, reverify=reverify)
            for unit in progress(past, "judging again" if reverify else "completing", "unit")
        ]
        account(run, pulled)
        pulled.publish_quarantine(bench.lake, run.run_id, run.started_at)
        extra = {
            "days": (to_day - from_day) // timedelta(days=1) + 1,
            "already_judged": sum(j.already_judged for j in judged),
            "reverified": sum(j.reverified for j in judged),
        }
        return close(run, bench, validator, judged, extra=extra)


@stage("published before")
def published_before(run: Run, bench: Bench, from_day: date, to_day: date) -> list[Unit]:
    """Outputs that earlier runs published, staged in units of a day and a shard."""
    units = []
    folder = bench.lake.work(run.run_id) / "published"
    folder.mkdir(parents=True, exist_ok=True)
    size = bench.settings.runner.unit_outputs
    for day in bench.lake.days("outputs"):
        if not from_day <= day <= to_day:
            continue
        scan = bench.lake.scan("outputs", since=day, until=day).filter(
            (pl.col("run_id") != run.run_id) & (pl.col("response") != ERASED)
        )
        outputs = scan.sort("produced_at", "output_id").collect()
        for shard, frame in enumerate(outputs.iter_slices(size)):
            path = folder / f"{day.isoformat()}-{shard:04d}.parquet"
            frame.write_parquet(path)
            units.append(Unit(day=day, shard=shard, path=path, rows=frame.height))
        run.records_in += outputs.height
    log().info("%d units published before", len(units))
    return units
