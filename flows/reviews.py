"""What people decided, taken into the lake: a run like any other, with rows, events and checks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows.actor import actor
from flows.orchestrator import task, tell
from flows.progress import counted
from flows.run import Run, close, opened
from tasks import ids
from tasks.errors import GateError, SourceError
from tasks.gate.reconcile import Counts, reconcile
from tasks.gate.validate import Validator, load_team_suites
from tasks.lake import runs
from tasks.lake.store import Lake
from tasks.ledger import recording
from tasks.review import evaluation, reviews
from tasks.review.journal import Decision, State
from tasks.review.review_sheets import SHEET, Sheet
from tasks.review.reviews import Answers
from tasks.settings import Settings
from tasks.sources import score_pull
from tasks.sources.parameters import SourceSettings


def import_reviews(
    settings: Settings, file: Path, *, reviewer: str | None = None, confidence: float | None = None
) -> dict[str, Any]:
    """Imports a filled-in sheet: validated rows into `reviews`, refused lines into `quarantine`, events.

    Where the sheet is an auditor's sample's, its result is evaluated too (`evaluation`).

    Raises:
        InputError: the file is not a sheet, or the sample beside it is not one that its seed draws.
    """
    with opened("review import", settings, {"file": file.name}) as run:
        answers = reviews.read_sheet(
            run.lake,
            file,
            run_id=run.run_id,
            now=run.record.started_at,
            default_reviewer=reviewer,
            cover=run.cover,
        )
        result = evaluation.evaluate(run.lake, file.parent, answers.outcomes, confidence=confidence)
        refusals = publish(run, answers)
        checkpoint = close(run)
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


def decide(settings: Settings, lake: Lake, decisions: Sequence[Decision], *, run_id: str) -> dict[str, State]:
    """Takes decisions of the review page into `reviews` and the ledger; how each stands, by its form.

    No run of its own: a reviewer waits for it. The rows pass the gate, whose rules Polars evaluates, and
    each gets its event; the next run tells the witnesses.

    Raises:
        LakeError: another run holds the lake; nothing was recorded.
        ClaimledgerError: something else is in the way; recording the same again is harmless.
    """
    with lake.lock("review page", wait_s=0.0, tell=lambda _: None):
        lake.recover()
        now = datetime.now(UTC)
        lines = [
            {"line": at, "claim_id": "", **vars(decision)} for at, decision in enumerate(decisions, start=1)
        ]
        sheet = Sheet(pl.DataFrame(lines, schema=SHEET))
        answers = reviews.taken(lake, sheet, "review page", channel="page", run_id=run_id, now=now)
        gate = Validator(
            lake.run_folder(run_id),
            data_docs=False,
            run_id=run_id,
            now=now,
            team=load_team_suites(settings.validation.suites),
            by_rules=("reviews",),
        )
        checked = gate.check("reviews", answers.reviews, source="review page")
        if checked.quarantine.height:
            raise GateError(f"reviews: {checked.quarantine['reason'][0]}; report this as a bug")
        frames = {"reviews": checked.good, "quarantine": answers.quarantine}
        lake.commit(run_id, ids.digest("decisions", *(d.form for d in decisions)), frames, run_day=now.date())
        size = 0
        if answers.days:
            # Also where the rows are there already: a server may have died before it recorded them.
            since, until = answers.days
            recorded = recording.record_reviews(
                lake,
                settings.ledger,
                run_id=run_id,
                now=now,
                actor=actor(),
                since=since,
                until=until,
                verdict_ids=sheet.rows["verdict_id"],
            )
            size = recorded.checkpoint.size
    reasons = _reasons(answers.quarantine)
    return {
        decision.form: State("refused", reasons[at]) if at in reasons else State("recorded", f"{size:,}")
        for at, decision in enumerate(decisions, start=1)
    }


def _reasons(refused: pl.DataFrame) -> dict[int, str]:
    """Why decisions were refused, by their line."""
    return {
        int(locator.rpartition(":")[2]): reason.partition(": ")[2]
        for locator, reason in refused.select("locator", "reason").iter_rows()
    }


def publish(run: Run, answers: Answers) -> list[str]:
    """Commits what can be used and quarantines the rest, counted and reconciled; why lines were refused."""
    refusals, counts = commit(run, answers, "reviews")
    record = run.record
    record.records_in, record.records_out = answers.lines, counts.published
    record.records_already_there, record.records_quarantined = counts.already_there, counts.quarantined
    return refusals


def commit(run: Run, answers: Answers, unit: str) -> tuple[list[str], Counts]:
    """Commits what can be used and quarantines the rest: why lines were refused, and the counts."""
    checked = run.validator.check("reviews", answers.reviews, source="review import")
    refused = answers.quarantine.vstack(checked.quarantine)
    if run.cover is not None:
        refused = run.cover.refusals(refused)
    frames = {"reviews": checked.good, "quarantine": refused}
    published = run.lake.commit(run.run_id, unit, frames, run_day=run.day)["reviews"]
    counts = Counts(
        rows_in=answers.lines,
        published=published.published,
        already_there=published.already_there + answers.already_there,
        quarantined=refused.height,
    )
    run.record.count({"reviews": counts}, of=unit)
    reconcile(run.record.counts)
    return refused["reason"].to_list(), counts


def take_scores(run: Run) -> None:
    """People's scores at the sources that have `reviews` become reviews, each once.

    A source whose scores cannot be read is a problem of the run; the others go on.
    """
    for source in run.settings.sources:
        if score_pull.settings_of(source) is not None:
            _take_scores(run, source)


@task("take scores", lambda _, source: f"take scores of {source.name}")
def _take_scores(run: Run, source: SourceSettings) -> None:
    now = run.record.started_at
    folder = run.lake.work(run.run_id) / "scores"
    try:
        taken = score_pull.pull(source, run.settings.limits, folder, now)
    except SourceError as failure:
        run.record.problems.append(f"scores were not taken: {failure}")
        return
    scores = taken.frame()
    if run.cover is not None:
        scores = scores.with_columns(run.cover.plain(scores["comment"]))
    answers, left = reviews.of_scores(run.lake, scores, source.name, run_id=run.run_id, now=now)
    refusals, counts = commit(run, answers, f"scores-{ids.digest('scores', source.name)[:16]}")
    run.record.scores[source.name] = {**+taken.counts, **left, "reviews": counts.published}
    run.record.warnings += [f"scores of source {source.name!r}: {reason}" for reason in refusals[:3]]
    tell(f"{counted(taken.counts['read'], 'score')}, {counted(counts.published, 'new review')}")
