"""Retention: what is older than its rule goes, but for what is held; pages are written again."""

from __future__ import annotations

from datetime import UTC, datetime

from flows.actor import actor
from flows.erase import write_pages_again
from flows.orchestrator import task, tell
from flows.progress import counted
from flows.run import Run
from tasks.lake.store import Lake
from tasks.retention import retention
from tasks.retention.retention import Applied
from tasks.settings import Settings


def apply(lake: Lake, settings: Settings, *, run_id: str, now: datetime) -> Applied:
    """Takes away what the rules say; running it again finishes what was interrupted.

    Raises:
        ConfigError, LakeError, IntegrityError: as `tasks.retention.retention.apply`.
    """
    with lake.lock("retention"):
        done = retention.apply(
            lake, settings.retention, settings.ledger, run_id=run_id, now=now, actor=actor()
        )
        if done.reports:
            write_pages_again(lake, settings.ledger, done.reports, now=now)
    return done


@task("retention")
def keep_retention(run: Run) -> None:
    """At the end of a night: what its rules take away, where they are to be applied by themselves."""
    settings = run.settings.retention
    if not settings.rules:
        return
    if settings.nightly:
        due = apply(run.lake, run.settings, run_id=run.run_id, now=datetime.now(UTC)).due
    else:
        due = retention.plan(run.lake, settings, now=datetime.now(UTC))
    for each in due:
        if each.output_ids or each.rows or each.held or each.notice:
            done = "erased" if settings.nightly else "due; `claimledger retention apply` erases it"
            run.record.warnings.append(f"retention ({done}): {each.sentence}")
    tell(counted(sum(len(each.output_ids) for each in due), "output"))
