"""The commands about what is to be done with answers, and was: `actions list|export|import`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from flows.commands.console import DEFAULTS, Common, FromDay, ToDay
from tasks.errors import BAD_ANSWER, DONE, InputError

if TYPE_CHECKING:
    import polars as pl

    from tasks.lake.store import Lake

_REFUSALS = 10
"""Refused lines that are printed; `--json` has all of them."""
_CHARACTERS = 300
"""Of a claim or a sentence in a terminal."""

app = App(
    name="actions",
    help="Answers that the policy wants rephrased or escalated: why, which claims failed, and for "
    "each contradicted claim the sentence of the evidence that contradicts it."
    "\n\n"
    "Example: claimledger actions export actions.jsonl",
)

Action = Annotated[
    Literal["rephrased", "escalated"] | None, Parameter(help="Only this action: rephrased or escalated.")
]


Overturned = Annotated[
    bool,
    Parameter(help="Also show answers whose failed claims people have all overturned.", negative=""),
]

Finished = Annotated[
    bool, Parameter(name="--done", help="Also show answers on which the action was taken.", negative="")
]


def _waiting(
    common: Common,
    since: date | None,
    until: date | None,
    action: str | None,
    *,
    overturned: bool,
    done: bool,
) -> tuple[Lake, pl.DataFrame, dict[str, int]]:
    """The lake, the answers to act on, and how many are left out: overturned, or done."""
    from tasks.review import action_sheets

    if since and until and since > until:
        raise InputError(f"--from {since} is after --to {until}")
    lake = common.open_lake(common.reading())
    found = action_sheets.waiting(lake, since, until, action)
    left_out = {"overturned": 0, "done": 0}
    for name, is_shown in (("overturned", overturned), ("done", done)):
        kept = found if is_shown else found.filter(~found[f"is_{name}"])
        left_out[name] = found.height - kept.height
        found = kept
    return lake, found, left_out


_WHY = {"overturned": "people overturned every failed claim", "done": "the action was taken"}


def _left_out(counts: dict[str, int]) -> list[str]:
    """How many are not shown, why, and how they can be."""
    answers = {name: "1 answer is" if n == 1 else f"{n} answers are" for name, n in counts.items() if n}
    return [f"{said} left out: {_WHY[name]} (--{name} shows them)" for name, said in answers.items()]


@app.command(name="list")
def list_(
    *,
    from_: FromDay = None,
    to: ToDay = None,
    action: Action = None,
    overturned: Overturned = False,
    done: Finished = False,
    limit: Annotated[int, Parameter(help="Number of answers to show.")] = 20,
    common: Common = DEFAULTS,
) -> int:
    """Show the answers to rephrase or escalate, escalated ones first, with the claims that failed.

    For an answer with confidential data only ids and positions are shown. A correction is quoted from the
    evidence word for word. An answer leaves the list once people have overturned every failed claim, or
    once its action was taken (`actions import`, or mapped from the record).

    Example: claimledger actions list --action escalated --from 2026-07-01
    """
    if limit < 1:
        raise InputError(f"--limit is {limit}, expected 1 or more")
    _, found, left_out = _waiting(common, from_, to, action, overturned=overturned, done=done)
    shown = found.head(limit).to_dicts()
    counts = {name: (found["action"] == name).sum() for name in ("escalated", "rephrased")}
    document = {"answers": found.height, "actions": counts, **left_out, "shown": shown}
    if not shown:
        common.answer(document, ["no answer needs to be rephrased or escalated", *_left_out(left_out)])
        return DONE
    named = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    lines = [f"answers to act on: {found.height} ({named})"]
    for answer in shown:
        lines += ["", *_paragraph(answer)]
    lines += ["", *_left_out(left_out)] if any(left_out.values()) else []
    if found.height > limit:
        lines += ["", f"and {found.height - limit} more, shown by --limit"]
    common.answer(document, [*lines, "", "next: claimledger actions export actions.jsonl"])
    return DONE


@app.command
def export(
    file: Path,
    /,
    *,
    from_: FromDay = None,
    to: ToDay = None,
    action: Action = None,
    overturned: Overturned = False,
    done: Finished = False,
    common: Common = DEFAULTS,
) -> int:
    """Write those answers for a pipeline: one answer per line as .jsonl, or one claim per row as .csv.

    `suggested_correction` is the sentence of the evidence that contradicts a claim, word for word, or empty.
    `claimledger erase` also removes texts from the file, as long as it stays where it is.

    Example: claimledger actions export actions.jsonl --action rephrased
    """
    from tasks.review import action_sheets

    action_sheets.require_kind(file)
    lake, found, left_out = _waiting(common, from_, to, action, overturned=overturned, done=done)
    count = action_sheets.export(lake, found, file)
    common.answer(
        {"file": str(file), "lines": count, "answers": found.height, **left_out},
        [f"wrote {file}: {found.height} answers, {count} lines", *_left_out(left_out)],
    )
    return DONE


@app.command(name="import")
def import_(file: Path, /, *, common: Common = DEFAULTS) -> int:
    """Import what was really done: rows of `actions_taken` and events; refused lines go to `quarantine`.

    Takes CSV, XLSX, JSON Lines or Parquet with `output_id` (or `source_id`, and `source` if several sources
    use it), `action_taken` (delivered, rephrased or escalated) and, if known, `taken_at` with its zone. You
    can fill in these columns in a file from `actions export`. An action other than the decided one is a
    deviation.
    Exit status 1: some lines were refused. Importing a file twice changes nothing.

    Example: claimledger actions import done.csv
    """
    from flows.actions import import_actions

    done = import_actions(common.settings(), file)
    lines = [
        f"{done['imported']} actions imported, {done['deviations']} of them deviations; "
        f"{done['already_there']} already there, {done['refused']} refused, "
        f"{done['not_filled_in']} not filled in",
        *(f"refused: {_shown(sentence)}" for sentence in done["refusals"][:_REFUSALS]),
    ]
    if done["refused"] > _REFUSALS:
        lines.append(f"and {done['refused'] - _REFUSALS} more, listed by --json and in `quarantine`")
    lines += [f"problem: {sentence}" for sentence in done["problems"]]
    common.answer(done, lines)
    return BAD_ANSWER if done["refused"] or done["problems"] else DONE


def _paragraph(answer: dict[str, Any]) -> list[str]:
    """An answer in a few lines, every text on one of them and with nothing invisible."""
    lines = [
        f"{answer['action']}: {_shown(answer['agent'])}, {answer['produced_at']:%Y-%m-%d %H:%M} UTC, "
        f"{_shown(answer['source'])} {_shown(answer['source_id'])}",
        f"  {_shown(answer['reason'])} (policy {_shown(answer['policy'])})",
    ]
    if answer["is_withheld"]:
        lines.append("  texts are withheld: the answer has a finding")
    for claim in answer["claims"]:
        said = claim["text"]
        where = f"characters {claim['start']} to {claim['end']}"
        reviewed = f" ({claim['review']} in review)" if claim["review"] else ""
        lines.append(f"  {claim['verdict']}{reviewed}: {_shown(said) if said is not None else where}")
        if claim["reason"]:
            lines.append(f"    reason: {_shown(claim['reason'])}")
        if claim["suggested_correction"]:
            lines.append(f"    quoted from the evidence: “{_shown(claim['suggested_correction'])}”")
        if claim["evidence_uri"]:
            lines.append(f"    evidence: {_shown(claim['evidence_uri'])}")
    return lines


def _shown(text: str) -> str:
    from tasks.visible import shortened, visible

    return visible(shortened(" ".join(text.split()), _CHARACTERS))
