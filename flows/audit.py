"""The nightly audit, readable as a table of contents."""

from __future__ import annotations

from datetime import date

from flows.batches import cap, collect_batches, submit_batches, waiting_orders
from flows.compaction import join_small_files
from flows.heartbeat import beating
from flows.leaks import find_leaks
from flows.orchestrator import flow
from flows.outcome import Outcome, conclude
from flows.redaction import verify_redaction
from flows.retention import keep_retention
from flows.reviews import take_scores
from flows.run import finish, opened
from flows.stages import (
    compare_counts,
    follow_deliveries,
    index,
    keep_inventory,
    nightly_drift,
    publish_refusals,
    pull,
)
from flows.units import judge_night
from tasks.settings import load


@flow("nightly audit")
def audit(
    config: str | None = None, lake: str | None = None, since: date | None = None, until: date | None = None
) -> Outcome:
    """Audits what is new since the watermarks, or a range of UTC days (both ends included).

    Args:
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.
        since: First UTC day to audit; without days, what is new since the last run.
        until: Last UTC day to audit, included; without it, up to now.

    Raises:
        EndedWithProblemsError: done, but a source or the ledger needs attention.
    """
    settings = load(config, lake=lake)
    with beating(settings.heartbeat):
        with opened("nightly audit", settings, {"since": since, "until": until}) as run:
            pulled = pull(run, since, until)
            index(run)
            night = collect_batches(run)
            units = judge_night(run, pulled.units, waiting_orders(run, night), max_cost=cap(run))
            submit_batches(run, night, max_cost=cap(run))
            follow_deliveries(run, pulled)
            publish_refusals(run, pulled)
            find_leaks(run)
            verify_redaction(run)
            take_scores(run)
            completeness = compare_counts(run, pulled)
            drift = nightly_drift(run)
            keep_inventory(run)
            keep_retention(run)
            join_small_files(run, run.settings.compaction)
            finish(run, marks=None if units.left else pulled.marks)
        return conclude(run, {"completeness": completeness, "drift": drift})
