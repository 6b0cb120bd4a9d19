"""The commands about human review: `review list|serve|status|export|pairs|import`."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from flows.commands.console import DEFAULTS, Common, plain, table
from tasks.errors import BAD_ANSWER, DONE, InputError

if TYPE_CHECKING:
    import polars as pl

    from tasks.lake.store import Lake

_SHOWN = 10
"""Refused lines that are printed; `--json` has all of them."""

app = App(
    name="review",
    help="What people should look at and what they decided: the queue, sheets to fill in, and decisions "
    "imported as rows of `reviews` and events of the ledger."
    "\n\n"
    "Example: claimledger review export queue.csv",
)

Margin = Annotated[float | None, Parameter(help="Distance from the threshold that counts as close.")]
Because = Annotated[
    list[str] | None,
    Parameter(
        help="Only these reasons: disagreement, flip, escalated, disputed, conflict, 'low margin', sample.",
        negative="",
    ),
]
Verdict = Annotated[
    list[str] | None,
    Parameter(help="Only these verdicts: supported, contradicted, insufficient.", negative=""),
]


def _queue(
    common: Common,
    margin: float | None = None,
    because: list[str] | None = None,
    agent: str | None = None,
    verdict: list[str] | None = None,
) -> tuple[Lake, pl.DataFrame]:
    """The lake, and the verdicts of its queue that the options name."""
    from flows.review_page import queue_parameters
    from tasks.review import reviews
    from tasks.review.queue import REASONS
    from tasks.tables import VERDICTS

    unknown = [reason for reason in because or [] if reason not in REASONS]
    if unknown:
        raise InputError(f"--because {unknown[0]}: expected one of {', '.join(REASONS)}")
    unknown = [each for each in verdict or [] if each not in VERDICTS]
    if unknown:
        raise InputError(f"--verdict {unknown[0]}: expected one of {', '.join(VERDICTS)}")
    if margin is not None and not 0 <= margin <= 1:
        raise InputError(f"--margin is {margin}, expected a probability")
    settings = common.reading()
    parameters = queue_parameters(settings, margin)
    lake = common.open_lake(settings)
    found = reviews.waiting(lake, parameters)
    if because:
        found = found.filter(found["because"].is_in(because))
    if agent is not None:
        found = found.filter(found["agent"] == agent)
    if verdict:
        found = found.filter(found["verdict"].is_in(verdict))
    return lake, found


@app.command(name="list")
def list_(
    *,
    limit: Annotated[int, Parameter(help="Number of verdicts to show.")] = 20,
    because: Because = None,
    agent: Annotated[str | None, Parameter(help="Only this agent's.")] = None,
    verdict: Verdict = None,
    margin: Margin = None,
    common: Common = DEFAULTS,
) -> int:
    """Show the verdicts that wait for review, most urgent first, each with its reason.

    Flips found by a re-audit, escalated answers, disputed claims, conflicting evidence and close calls that
    nobody has reviewed yet.

    Example: claimledger review list --because escalated --limit 50
    """
    from tasks.review import reviews

    if limit < 1:
        raise InputError(f"--limit is {limit}, expected 1 or more")
    lake, found = _queue(common, margin, because, agent, verdict)
    shown = reviews.with_texts(lake, found.head(limit))
    rows = [
        [r["because"], r["verdict_id"][:12], r["agent"][:20], r["verdict"], (r["claim"] or "")[:60]]
        for r in shown.iter_rows(named=True)
    ]
    counts = ", ".join(f"{count} {reason}" for reason, count in reviews.summary(found).items())
    lines = [f"{found.height} verdicts wait for review{f': {counts}' if counts else ''}"]
    if rows:
        lines += ["", *table(["because", "id", "agent", "verdict", "claim"], rows), ""]
        lines.append("next: claimledger review export queue.csv")
    document = {"waiting": found.height, "because": reviews.summary(found), "verdicts": shown.to_dicts()}
    common.answer(document, lines)
    return DONE


@app.command
def export(
    file: Path,
    /,
    *,
    limit: Annotated[int | None, Parameter(help="Maximum number of lines; default: all.")] = None,
    because: Because = None,
    agent: Annotated[str | None, Parameter(help="Only this agent's.")] = None,
    verdict: Verdict = None,
    margin: Margin = None,
    common: Common = DEFAULTS,
) -> int:
    """Write the queue as a sheet to fill in: a .csv file, an .xlsx workbook or .jsonl lines.

    Fill in reviewer, outcome (confirmed, overturned or unsure), corrected_verdict, comment, and reviewed_at
    (default: the time of the import). A line left empty stays in the queue.

    Example: claimledger review export queue.csv --limit 200
    """
    from tasks.review import reviews

    lake, found = _queue(common, margin, because, agent, verdict)
    count = reviews.export(lake, found if limit is None else found.head(limit), file)
    common.answer(
        {"file": str(file), "lines": count, "waiting": found.height},
        [f"wrote {file}: {count} of {found.height} verdicts", f"next: claimledger review import {file}"],
    )
    return DONE


@app.command
def pairs(file: Path, /, *, common: Common = DEFAULTS) -> int:
    """Write review decisions as labelled pairs in JSON Lines: the input of `train` and `evaluate`.

    Holds confirmed verdicts and corrections; verdicts that reviewers disagree on are left out. `weight` is
    how many verdicts a pair stands for, since people review doubtful ones first; `train` and `calibrate`
    use it.

    Example: claimledger review pairs reviews.jsonl
    """
    from tasks.review import reviews

    count = reviews.export_labelled(common.open_lake(common.reading()), file)
    common.answer(
        {"file": str(file), "pairs": count},
        [f"wrote {file}: {count} pairs", f"next: claimledger train {file} -o models/ours"],
    )
    return DONE


@app.command(name="import")
def import_(
    file: Path,
    /,
    *,
    reviewer: Annotated[str | None, Parameter(help="Reviewer for lines that name none.")] = None,
    confidence: Annotated[
        float | None, Parameter(help="For an auditor's sample drawn by size; default: 0.95.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Import a filled-in sheet: rows of `reviews` and events; refused lines go to `quarantine`.

    The result sheet of an auditor's sample is also evaluated: deviations, and the upper limit of their rate.
    Exit status 1: some lines were refused. Importing a sheet twice changes nothing.

    Example: claimledger review import queue.csv --reviewer 'a.meier'
    """
    from flows.reviews import import_reviews

    done = import_reviews(common.settings(), file, reviewer=reviewer, confidence=confidence)
    lines = [
        f"{done['imported']} reviews imported, {done['already_there']} already there, "
        f"{done['refused']} refused, {done['not_filled_in']} not filled in",
        *(f"refused: {sentence}" for sentence in done["refusals"][:_SHOWN]),
    ]
    if done["refused"] > _SHOWN:
        lines.append(f"and {done['refused'] - _SHOWN} more, listed by --json and in `quarantine`")
    if done["evaluation"]:
        lines.append(done["evaluation"]["statement"])
    lines += [f"problem: {sentence}" for sentence in done["problems"]]
    common.answer(done, lines)
    return BAD_ANSWER if done["refused"] or done["problems"] else DONE


@app.command
def status(
    *,
    days: Annotated[int, Parameter(help="Days over which past decisions are counted.")] = 30,
    common: Common = DEFAULTS,
) -> int:
    """Show how long verdicts have waited, which are overdue by their policy, and how far reviewers agree.

    Exit status 1: something is overdue (`review_due_hours` of the policies).

    Example: claimledger review status --days 90
    """
    from datetime import UTC, datetime

    from flows.review_page import due_hours
    from tasks.review import service
    from tasks.review.agreement import agreement

    if days < 1:
        raise InputError(f"--days is {days}, expected 1 or more")
    lake, waiting = _queue(common)
    due, now = due_hours(common.reading()), datetime.now(UTC)
    reviewed, verdicts = lake.scan("reviews"), lake.scan("verdicts")
    levels = service.levels(waiting, reviewed, verdicts, due, now=now, days=days)
    late, agreed = service.overdue(waiting, due, now), agreement(reviewed, verdicts)
    headings = ["policy", "open", "oldest", "due within", "overdue", f"decided in {days} days", "too late"]
    cells = [
        [
            *(row["policy"], row["open"], _hours(row["oldest_hours"]), _hours(row["due_hours"])),
            *(_count(row["overdue"]), row["decided"], _count(row["decided_late"])),
        ]
        for row in levels.iter_rows(named=True)
    ]
    lines = table(headings, cells) if cells else ["nothing is waiting and nothing was decided"]
    for row in late.head(_SHOWN).iter_rows(named=True):
        lines.append(
            f"OVERDUE  {row['verdict_id'][:12]} of {row['agent'][:40]}: {row['age_hours']:,.0f} h, "
            f"{row['policy']} allows {row['due_hours']:,.0f}"
        )
    if late.height > _SHOWN:
        lines.append(f"and {late.height - _SHOWN} more, listed by --json")
    lines += [_agreed(row) for row in agreed.iter_rows(named=True)]
    document = {"service": levels.to_dicts(), "overdue": late.to_dicts(), "agreement": agreed.to_dicts()}
    common.answer(document, lines)
    return BAD_ANSWER if late.height else DONE


def _hours(hours: float | None) -> str:
    return "–" if hours is None else f"{hours:,.0f} h"


def _count(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _agreed(row: Mapping[str, Any]) -> str:
    people = row["first"] + (f" and {row['second']}" if row["second"] else "")
    said = f"{people}: agree on {row['agreed']} of {row['verdicts']} verdicts"
    if row["kappa"] is None:
        return f"{said}, always with one outcome, so kappa is undefined"
    return f"{said}, kappa {row['kappa']:.2f} (95% interval {row['ci_low']:.2f} to {row['ci_high']:.2f})"


@app.command
def serve(
    *,
    port: Annotated[int, Parameter(help="Port on this machine; 0 picks a free one.")] = 0,
    reviewer: Annotated[
        list[str] | None,
        Parameter(
            help="Who reviews; repeat for each person. Default: the user of this process.", negative=""
        ),
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Serve the review page on this machine: one waiting claim at a time beside its evidence, keys to decide.

    Prints each reviewer's sign-in address, with a token, to standard error, and with --json as {"url": …} to
    standard output. A decision is an event of the ledger by the time the next claim appears; while another
    run holds the lake, it is kept on disk and recorded afterwards. Ctrl-C stops it.

    Example: claimledger review serve --port 8765 --reviewer a.meier --reviewer b.kern
    """
    from flows.review_page import open_page

    names = list(dict.fromkeys(reviewer or [getpass.getuser()]))
    settings = common.settings()
    page = open_page(settings, common.open_lake(settings), names, port=port)
    first = next(iter(page.urls.values()))
    if common.json:
        # On one line, for whoever started the page waits for it and not for the end of the output.
        sys.stdout.write(json.dumps({"url": first, "reviewers": page.urls}) + "\n")
        sys.stdout.flush()
    for name, url in page.urls.items():
        sys.stderr.write(f"{plain(name)} signs in at {url}\n")
    sys.stderr.flush()
    page.serve()
    return DONE
