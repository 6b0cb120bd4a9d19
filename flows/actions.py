"""What was really done with answers, taken into the lake: a run like any other, with rows and events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows.run import Run, close, opened
from tasks.gate.reconcile import Counts, reconcile
from tasks.lake import runs
from tasks.settings import Settings
from tasks.sources.receipts import DELIVERED
from tasks.taken import imports, later
from tasks.taken.imports import Statements


def import_actions(settings: Settings, file: Path) -> dict[str, Any]:
    """Imports a file: rows into `actions_taken`, refused lines into `quarantine`, events, and whether failed
    answers were caught.

    Raises:
        InputError: no record can be read from the file.
    """
    with opened("actions import", settings, {"file": file.name}) as run:
        now = run.record.started_at
        said = imports.read(run.lake, file, settings.limits, run_id=run.run_id, now=now)
        if run.cover is not None:
            said = replace(said, quarantine=run.cover.refusals(said.quarantine))
        rows = _publish(run, said)
        checkpoint = close(run)
        runs.forget(run.record, run.lake)
    counts = run.record.counts["actions_taken"]
    return {
        "run_id": run.run_id,
        "file": str(file),
        "lines": said.lines,
        "not_filled_in": said.blank,
        "imported": counts.published,
        "already_there": counts.already_there,
        "refused": counts.quarantined,
        "refusals": said.quarantine["reason"].to_list(),
        "deviations": rows.filter("is_deviation").height,
        "checkpoint": checkpoint,
        "problems": run.record.problems,
        "warnings": run.record.warnings,
    }


def _publish(run: Run, said: Statements) -> pl.DataFrame:
    """Commits what can be used and quarantines the rest, counted and reconciled; the new ACTIONS_TAKEN."""
    frames = later.learnt(
        run.lake, said.statements, pl.DataFrame(schema=DELIVERED), run_id=run.run_id, now=datetime.now(UTC)
    )
    checked = {table: run.check(table, rows) for table, rows in frames.items()}
    published = run.lake.commit(
        run.run_id, "actions-taken", checked | {"quarantine": said.quarantine}, run_day=run.day
    )
    new = checked["actions_taken"]
    counts = Counts(
        rows_in=said.lines,
        published=published["actions_taken"].published,
        already_there=said.statements.height - published["actions_taken"].published,
        quarantined=said.quarantine.height,
    )
    record = run.record
    record.days.update(new["produced_at"].dt.date())
    record.count({"actions_taken": counts, "caught": published["caught"]}, of="actions taken")
    reconcile(record.counts)
    record.records_in, record.records_out = said.lines, counts.published
    record.records_already_there, record.records_quarantined = counts.already_there, counts.quarantined
    return new
