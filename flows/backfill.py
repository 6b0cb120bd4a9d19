"""Past days, audited like a night: pulled where they are missing, judged where a verdict is missing.

Resumable because every verdict is named by claim, verifier, policy and snapshot: what is there is skipped.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from flows.leaks import find_leaks
from flows.orchestrator import flow, task, tell
from flows.outcome import Outcome, conclude
from flows.progress import counted, in_turn
from flows.run import Run, finish, opened
from flows.stages import compare_counts, follow_deliveries, index, judge, publish_refusals, pull
from tasks.errors import InputError
from tasks.judge import published_units
from tasks.settings import load
from tasks.sources.units import Unit, together
from tasks.tables import ERASED


@flow("backfill")
def backfill(
    since: date, until: date, reverify: bool = False, config: str | None = None, lake: str | None = None
) -> Outcome:
    """Audits a range of past UTC days, both ends included.

    Args:
        since: First UTC day to audit.
        until: Last UTC day to audit, included.
        reverify: Judge again claims that have a verdict by the present verifier, policy and documents.
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.

    Raises:
        InputError: the range is empty.
        IntegrityError: `reverify` found another verdict from the same verifier, policy and snapshot.
        EndedWithProblemsError: done, but a source or the ledger needs attention.
    """
    if since > until:
        raise InputError(f"--from {since} is after --to {until}; give the earlier day first")
    parameters = {"since": since, "until": until, "reverify": reverify}
    with opened("backfill", load(config, lake=lake), parameters) as run:
        pulled = pull(run, since, until)
        index(run)
        for unit, done in in_turn(pulled.units, "judging"):
            judge(run, unit, done)
        before = published_before(run, since, until)
        for unit, done in in_turn(before, "judging again"):
            judge(run, unit, done, reverify=reverify, is_pulled=False)
        follow_deliveries(run, pulled)
        publish_refusals(run, pulled)
        find_leaks(run)
        completeness = compare_counts(run, pulled)
        finish(run)
    return conclude(
        run,
        {
            "completeness": completeness,
            "days": (until - since).days + 1,
            "already_judged": sum(judged.already_judged for judged in run.judged),
            "published_before": sum(unit.rows for unit in before),
            "reverified": sum(judged.reverified for judged in run.judged),
        },
    )


@task("published before", lambda _, since, until: f"published before, {since}..{until}")
def published_before(run: Run, since: date, until: date) -> list[Unit]:
    """Outputs that earlier runs published, staged in units.

    They are no records of this run: where a source still gives them, the pull has counted them.
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
