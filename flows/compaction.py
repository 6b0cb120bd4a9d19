"""Small files become few: a night joins what many small commits have left."""

from __future__ import annotations

from flows.orchestrator import task, tell
from flows.progress import counted
from flows.run import Run
from tasks.ledger import compaction


@task("join small files")
def join_small_files(run: Run) -> None:
    """The ledger's small segments, once there are many. Readers and proofs meet the same rows as before."""
    settings = run.settings.ledger
    fewer = compaction.join_segments(run.lake, settings, least=settings.join_segments)
    if fewer:
        tell(f"the ledger has {counted(fewer, 'segment')} fewer")
