"""What people decided, taken into the lake: a run like any other, with rows, events and checks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.audit import record, running
from tasks.gate.reconcile import Counts, reconcile
from tasks.lake import runs
from tasks.review import reviews, sample
from tasks.settings import Settings


def import_reviews(
    settings: Settings, file: Path, *, reviewer: str | None = None, confidence: float | None = None
) -> dict[str, Any]:
    """Imports a filled-in sheet: validated rows into `reviews`, refused lines into `quarantine`, events.

    Where the sheet is an auditor's sample's, its result is evaluated too (`evaluation`).

    Raises:
        InputError: the file is no sheet, or the sample beside it is not one that its seed draws.
    """
    with running("review import", settings, {"file": file.name}) as (run, bench, validator):
        answers = reviews.read_sheet(
            bench.lake, file, run_id=run.run_id, now=run.started_at, default_reviewer=reviewer
        )
        evaluation = sample.evaluate(bench.lake, file.parent, answers.outcomes, confidence=confidence)
        checked = validator.check("reviews", answers.reviews, source="review import")
        refused = answers.quarantine.vstack(checked.quarantine)
        published = bench.lake.commit(
            run.run_id,
            "reviews",
            {"reviews": checked.good, "quarantine": refused},
            run_day=run.started_at.date(),
        )["reviews"]
        counts = Counts(
            rows_in=answers.lines,
            published=published.published,
            already_there=published.already_there + answers.already_there,
            quarantined=refused.height,
        )
        run.count({"reviews": counts})
        reconcile(run.counts)
        run.records_in, run.records_out = answers.lines, counts.published
        run.records_already_there, run.records_quarantined = counts.already_there, counts.quarantined
        validator.check("runs", run.row("completed", datetime.now(UTC)))
        validator.finish()
        runs.close_run(run, bench.lake, "completed")
        checkpoint = record(run, bench.lake, bench.settings)
        runs.forget(run, bench.lake)
    return {
        "run_id": run.run_id,
        "file": str(file),
        "lines": answers.lines,
        "not_filled_in": answers.blank,
        "imported": counts.published,
        "already_there": counts.already_there,
        "refused": counts.quarantined,
        "refusals": refused["reason"].to_list(),
        "evaluation": evaluation.as_dict() if evaluation else None,
        "checkpoint": checkpoint,
        "problems": run.problems,
        "warnings": run.warnings,
    }
