"""What an audit prints: what came in, how the claims stand, the worst of them, what to do next."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.commands.console import table
from flows.progress import counted

if TYPE_CHECKING:
    from flows.outcome import Outcome
    from tasks.report.brief import Brief, WorstClaim

WIDTH = 96
"""Columns of running text."""
A_COMMAND = re.compile("`claimledger ([^`]*)`")
BECAUSE = {
    "no_evidence": "no evidence was recorded or found",
    "too_few": "fewer passages than the policy asks for",
    "too_long": "the text is too long for the verifier",
    "no_answer": "the remote verifier gave no answer",
    "language": "the verifier does not read the language",
}


def audited(outcome: Outcome, places: Sequence[str] = ()) -> list[str]:
    """What a night did, for people; `places` are the options that say which lake and configuration."""
    judged = sum(outcome.verdicts.values())
    lines = [
        f"{outcome.flow} {outcome.status} in {outcome.seconds} s: "
        f"{outcome.records_in} records in, {outcome.records_out} new outputs, "
        f"{outcome.records_already_there} already there, {outcome.records_quarantined} quarantined"
        f"{outcome.left_out}"
    ]
    if judged:
        rows = [
            [name, count, f"{outcome.share(name, count / judged):.1%}"]
            for name, count in sorted(outcome.verdicts.items())
        ]
        lines += ["", *table(["verdict", "claims", "share"], rows), ""]
    elif outcome.records_out == 0 and outcome.records_quarantined == 0:
        lines.append("nothing new to judge: the lake is unchanged")
    else:
        lines.append("no factual claim in the new outputs")
    lines += [*not_audited(outcome), *outcome.sampled, *outcome.abstentions, *outcome.warnings]
    if outcome.brief:
        lines += ["", *in_words(outcome.brief), *worst(outcome.brief.worst)]
    if judged:
        lines += how_far_to_trust(outcome.trust, _typed(places))
    lines.append(f"report: {outcome.report}")
    if outcome.brief and outcome.brief.is_first:
        lines += next_steps(_typed(places))
    return lines


def not_audited(outcome: Outcome) -> list[str]:
    """A line as loud as the results, where records were refused."""
    refused, count = outcome.records_quarantined, outcome.records_in
    were = "was" if refused == 1 else "were"
    said = f"NOT AUDITED: {refused:,} of {counted(count, 'record')} {were} refused; the report says why"
    return [said, ""] if refused else []


def in_words(brief: Brief) -> list[str]:
    """How the claims stand, and what the policy says is to be done."""
    checked = brief.supported + brief.contradicted + brief.unsettled
    unchecked = sum(brief.unchecked.values())
    sentences = [
        f"Of {counted(checked, 'claim')} that could be checked, the evidence supports {brief.supported:,}, "
        f"contradicts {brief.contradicted:,} and does not settle {brief.unsettled:,}."
    ]
    if unchecked:
        reason = BECAUSE[next(iter(brief.unchecked))]
        mostly = "mostly " if len(brief.unchecked) > 1 else ""
        sentences.append(
            f"{counted(unchecked, 'claim')} could not be checked, {mostly}because {reason} "
            f"({' and '.join(brief.unchecked_agents)})."
        )
    escalated, rephrased = (brief.actions.get(action, 0) for action in ("escalated", "rephrased"))
    if escalated or rephrased:
        sentences.append(
            f"By policy {counted(escalated, 'answer')} should have gone to a person, "
            f"and {rephrased:,} should have been rephrased."
        )
    return [*textwrap.wrap(" ".join(sentences), WIDTH), ""]


def how_far_to_trust(sentences: Sequence[str], here: str) -> list[str]:
    """How often the verifier is right, and how to measure that; `here` says of which lake."""
    lines = []
    for sentence in sentences:
        typed = A_COMMAND.sub(lambda command: f"`{program()} {command[1]}{here}`", sentence)
        first, *others = textwrap.wrap(typed, WIDTH - 7, break_on_hyphens=False)
        lines += [f"trust: {first}", *(f"       {line}" for line in others)]
    return [*lines, ""] if lines else []


def worst(claims: list[WorstClaim]) -> list[str]:
    """The worst claims, each with the sentence of its evidence."""
    lines = [f"the worst {counted(len(claims), 'claim')}:"] if claims else []
    for number, claim in enumerate(claims, start=1):
        score = f"{claim.verdict} ({claim.probability:.2f})"
        lines.append(f"  {number}. {score}, {claim.agent}, {claim.produced_at:%Y-%m-%d}")
        lines += _quoted("claim", claim.text)
        if claim.sentence:
            lines += _quoted("evidence", claim.sentence)
        if claim.document_uri:
            lines.append(f"     {'in':9} {claim.document_uri}")
        lines.append(f"     {'reason':9} {claim.reason}")
    return [*lines, ""] if lines else []


def _quoted(what: str, text: str) -> list[str]:
    first, *others = textwrap.wrap(f"“{text}”", WIDTH - 15)
    return [f"     {what:9} {first}", *(f"     {'':9} {line}" for line in others)]


def _typed(places: Sequence[str]) -> str:
    """Options as they are typed behind a command."""
    return "".join(f" {shlex.quote(place)}" for place in places)


def next_steps(here: str) -> list[str]:
    """What to type after a first audit; `here` says of which lake."""
    command = program()
    steps = [
        ("your own answers", f"{command} init audits --from-source files --path 'exports/*.jsonl'"),
        ("every night", f"{command} audit{here}    in cron, or on a Prefect server: {command} deploy{here}"),
        ("what people think", f"{command} review list{here}"),
        ("proof of the record", f"{command} ledger verify{here}"),
    ]
    return ["", "next:", *(f"  {what:20}  {step}" for what, step in steps)]


def program() -> str:
    """The command as it is to be typed here: its path where it is not on the PATH."""
    started = sys.argv[0]
    if shutil.which("claimledger") or os.path.basename(started) != "claimledger":  # noqa: PTH119
        return "claimledger"
    return min(os.path.relpath(started), os.path.abspath(started), key=len)  # noqa: PTH100
