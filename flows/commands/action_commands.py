"""The commands about what is to be done with answers: `actions list|export`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from flows.commands.console import DEFAULTS, Common, FromDay, ToDay
from tasks.errors import DONE, InputError

if TYPE_CHECKING:
    import polars as pl

    from tasks.lake.store import Lake

_CHARACTERS = 300
"""Of a claim or a sentence in a terminal."""

app = App(
    name="actions",
    help="What the policy wants rephrased or escalated: the answers, why, the claims that failed, and for "
    "each contradicted one the sentence of the evidence that says otherwise."
    "\n\n"
    "Example: claimledger actions export actions.jsonl",
)

Action = Annotated[
    Literal["rephrased", "escalated"] | None, Parameter(help="Only this action: rephrased or escalated.")
]


def _waiting(
    common: Common, since: date | None, until: date | None, action: str | None
) -> tuple[Lake, pl.DataFrame]:
    from tasks.review import action_sheets

    if since and until and since > until:
        raise InputError(f"--from {since} is after --to {until}")
    lake = common.open_lake(common.reading())
    return lake, action_sheets.waiting(lake, since, until, action)


@app.command(name="list")
def list_(
    *,
    from_: FromDay = None,
    to: ToDay = None,
    action: Action = None,
    limit: Annotated[int, Parameter(help="Answers shown.")] = 20,
    common: Common = DEFAULTS,
) -> int:
    """Show the answers to rephrase or escalate, escalated ones first, with the claims that failed.

    Of an answer with confidential data only ids and places are shown. A correction is a quotation from the
    evidence, nobody's words.

    Example: claimledger actions list --action escalated --from 2026-07-01
    """
    if limit < 1:
        raise InputError(f"--limit is {limit}, expected 1 or more")
    _, found = _waiting(common, from_, to, action)
    shown = found.head(limit).to_dicts()
    counts = {name: (found["action"] == name).sum() for name in ("escalated", "rephrased")}
    document = {"answers": found.height, "actions": counts, "shown": shown}
    if not shown:
        common.answer(document, ["no answer is to be rephrased or escalated"])
        return DONE
    named = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    lines = [f"answers to act on: {found.height} ({named})"]
    for answer in shown:
        lines += ["", *_paragraph(answer)]
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
    common: Common = DEFAULTS,
) -> int:
    """Write them for a pipeline: an answer a line for a name that ends in .jsonl, a claim a row for .csv.

    `suggested_correction` is the sentence of the evidence that contradicts a claim, word for word, and empty
    where there is none. `claimledger erase` reaches the file as long as it stays where it is.

    Example: claimledger actions export actions.jsonl --action rephrased
    """
    from tasks.review import action_sheets

    action_sheets.require_kind(file)
    lake, found = _waiting(common, from_, to, action)
    count = action_sheets.export(lake, found, file)
    common.answer(
        {"file": str(file), "lines": count, "answers": found.height},
        [f"wrote {file}: {found.height} answers, {count} lines"],
    )
    return DONE


def _paragraph(answer: dict[str, Any]) -> list[str]:
    """An answer in a few lines, every text on one of them and with nothing invisible."""
    lines = [
        f"{answer['action']}: {_shown(answer['agent'])}, {answer['produced_at']:%Y-%m-%d %H:%M} UTC, "
        f"{_shown(answer['source'])} {_shown(answer['source_id'])}",
        f"  {_shown(answer['reason'])} (policy {_shown(answer['policy'])})",
    ]
    if answer["is_withheld"]:
        lines.append("  texts are withheld: data or text with a finding is in the answer")
    for claim in answer["claims"]:
        said = claim["text"]
        where = f"characters {claim['start']} to {claim['end']}"
        lines.append(f"  {claim['verdict']}: {_shown(said) if said is not None else where}")
        if claim["reason"]:
            lines.append(f"    because: {_shown(claim['reason'])}")
        if claim["suggested_correction"]:
            lines.append(f"    quoted from the evidence: “{_shown(claim['suggested_correction'])}”")
        if claim["evidence_uri"]:
            lines.append(f"    evidence: {_shown(claim['evidence_uri'])}")
    return lines


def _shown(text: str) -> str:
    from tasks.visible import shortened, visible

    return visible(shortened(" ".join(text.split()), _CHARACTERS))
