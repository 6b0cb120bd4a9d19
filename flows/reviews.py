"""What people decided, taken into the lake: a run like any other, with rows, events and checks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.run import Run, opened, record_events
from tasks.gate.reconcile import Counts, reconcile
from tasks.lake import runs
from tasks.review import evaluation, reviews
from tasks.review.reviews import Answers
from tasks.settings import Settings


def import_reviews(
    settings: Settings, file: Path, *, reviewer: str | None = None, confidence: float | None = None
) -> dict[str, Any]:
    """Imports a filled-in sheet: validated rows into `reviews`, refused lines into `quarantine`, events.

    Where the sheet is an auditor's sample's, its result is evaluated too (`evaluation`).

    Raises:
        InputError: the file is no sheet, or the sample beside it is not one that its seed draws.
    """
    with opened("review import", settings, {"file": file.name}) as run:
        answers = reviews.read_sheet(
            run.lake, file, run_id=run.run_id, now=run.record.started_at, default_reviewer=reviewer
        )
        result = evaluation.evaluate(run.lake, file.parent, answers.outcomes, confidence=confidence)
        refusals = publish(run, answers)
        run.check("runs", run.record.row("completed", datetime.now(UTC)))
        run.record.warnings += run.validator.finish()
        runs.close_run(run.record, run.lake, "completed")
        checkpoint = record_events(run)
        runs.forget(run.record, run.lake)
    counts = run.record.counts["reviews"]
    return {
        "run_id": run.run_id,
        "file": str(file),
        "lines": answers.lines,
        "not_filled_in": answers.blank,
        "imported": counts.published,
        "already_there": counts.already_there,
        "refused": counts.quarantined,
        "refusals": refusals,
        "evaluation": result.as_dict() if result else None,
        "checkpoint": checkpoint,
        "problems": run.record.problems,
        "warnings": run.record.warnings,
    }


def publish(run: Run, answers: Answers) -> list[str]:
    """Commits what can be used and quarantines the rest, counted and reconciled; why lines were refused."""
    checked = run.validator.check("reviews", answers.reviews, source="review import")
    refused = answers.quarantine.vstack(checked.quarantine)
    frames = {"reviews": checked.good, "quarantine": refused}
    published = run.lake.commit(run.run_id, "reviews", frames, run_day=run.day)["reviews"]
    counts = Counts(
        rows_in=answers.lines,
        published=published.published,
        already_there=published.already_there + answers.already_there,
        quarantined=refused.height,
    )
    record = run.record
    record.count({"reviews": counts})
    reconcile(record.counts)
    record.records_in, record.records_out = answers.lines, counts.published
    record.records_already_there, record.records_quarantined = counts.already_there, counts.quarantined
    return refused["reason"].to_list()
