"""Small files become few: a night joins what many commits have left, and `compact` does it at any time."""

from __future__ import annotations

from flows.orchestrator import flow, task, tell
from flows.outcome import Outcome, conclude
from flows.progress import counted
from flows.run import Run, finish, opened
from tasks.lake import joins
from tasks.lake.parameters import CompactionSettings
from tasks.ledger import compaction
from tasks.settings import load

EVERYTHING = CompactionSettings(files=2, after_days=0, days_at_once=3_660, segments=2)
"""What is joined on request: all that can be."""


@flow("compact")
def compact(config: str | None = None, lake: str | None = None) -> Outcome:
    """Joins the small files of every day, and the ledger's small segments.

    Args:
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.

    Raises:
        EndedWithProblemsError: done, but the ledger needs attention.
    """
    with opened("compact", load(config, lake=lake), {}) as run:
        done = join_small_files(run, EVERYTHING)
        finish(run)
    return conclude(run, done)


@task("join small files")
def join_small_files(run: Run, settings: CompactionSettings) -> dict[str, int]:
    """Where there are many; readers and proofs meet the same rows as before. How many there are fewer."""
    segments = compaction.join_segments(run.lake, run.settings.ledger, least=settings.segments)
    files = joins.join(run.lake, settings, run_id=run.run_id, today=run.day)
    if files.notice:
        run.record.warnings.append(files.notice)
    days = f" of {counted(files.days, 'day')}" if files.days else ""
    tell(f"{counted(files.fewer, 'file')}{days} and {counted(segments, 'segment')} fewer")
    return {"files": files.fewer, "days": files.days, "segments": segments}
