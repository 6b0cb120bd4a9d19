"""The stage that looks for text of others in answers, once all units of a run are published."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

from flows.orchestrator import task, tell
from flows.progress import counted
from flows.run import Run
from tasks.privacy import leak_files, leak_window, leaks


@task("leaks")
def find_leaks(run: Run) -> None:
    """Text of other sessions, tenants, system prompts and lists in the answers of the run's days."""
    settings = run.settings.privacy.leaks
    if not (run.settings.privacy.enabled and settings.enabled and run.record.days):
        return
    guarded = leak_files.read(settings)
    margin = timedelta(days=settings.days)
    leaking = 0
    for since, until in leak_window.blocks(sorted(run.record.days), settings):
        near = run.lake.scan("outputs", since=since - margin, until=until + margin)
        rows = leaks.scan(
            leak_window.answers(
                run.lake.scan("outputs", since=since, until=until), settings, with_own=bool(guarded.strings)
            ),
            chain(
                leak_window.public(run.lake.scan("passages")),
                [guarded.prompts],
                leak_window.texts(near, settings),
            ),
            settings,
            strings=guarded.strings,
            key=guarded.key,
            run_id=run.run_id,
            now=run.record.started_at,
        )
        frames = {"findings": run.check("findings", rows)}
        unit = f"leaks-{since}"
        run.record.count(run.lake.commit(run.run_id, unit, frames, run_day=run.day), of=unit)
        leaking += rows["output_id"].n_unique()
    tell(f"{counted(leaking, 'answer')} with somebody else's text")
