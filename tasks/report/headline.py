"""The report in words: what is wrong, what changed, since when, whether it is noise, what to do.

Belongs here: sentences, each with the name of the query that gives its numbers. Does not belong here: the
numbers (`summary.py`, `changes.py`) and markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from tasks.drift.metrics import METRICS
from tasks.reaudit import flips as flips_pure
from tasks.report.summary import SummaryParameters, Totals, percentages
from tasks.visible import shortened

Tone = Literal["worse", "better", "note"]


@dataclass(frozen=True)
class Sentence:
    """One sentence, the query behind its numbers, and whether it is bad news."""

    text: str
    query: str
    tone: Tone = "note"


CHANGES = 3
"""Changes told in words; all others stand in the table."""


def headline(total: Totals, drift: Sequence[Mapping[str, Any]]) -> Sentence:
    """The page in one sentence: claims without support, and the most harmful change if there is one.

    `drift` is `changes.told(...)`.
    """
    if not total.answers:
        return Sentence("No answers to audit: no source has delivered any for these days.", "answers")
    answers = number(total.answers, "answer")
    if not total.claims:
        makes = "it makes" if total.answers == 1 else "they make"
        return Sentence(f"{answers} audited; {makes} no factual claim.", "answers")
    without = total.contradicted + total.insufficient
    if without:
        has = "has" if without == 1 else "have"
        said = f"{without:,} of {number(total.claims, 'claim')} {has} no support"
    else:
        said = (
            f"All {number(total.claims, 'claim')} are supported"
            if total.claims > 1
            else "The one claim is supported"
        )
    worst = next((row for row in drift if _is_worse(row)), None)
    return Sentence(f"{said}; {_change(worst)}." if worst else f"{said}.", "verdicts")


def remarks(
    total: Totals, agents: pl.DataFrame, actions: pl.DataFrame, parameters: SummaryParameters
) -> list[Sentence]:
    """Up to four sentences under the headline: of what kind, where it is worst, what to do, what stays open.

    `agents` is `by_slice(..., "agent")`, `actions` is `by_action(...)`.
    """
    sentences = []
    if total.claims:
        parts = percentages([total.supported, total.contradicted, total.insufficient])
        sentences.append(
            Sentence(
                f"{number(total.claims, 'claim')} in {number(total.answers, 'answer')}: {parts[0]} "
                f"supported, {parts[1]} contradicted, {parts[2]} not settled by the evidence.",
                "verdicts",
            )
        )
    enough = agents.filter(pl.col("claims") >= parameters.minimum_claims, ~pl.col("is_rest"))
    if enough.height > 1 and total.contradicted:
        share = pl.col("contradicted") / pl.col("claims")
        worst = enough.sort(share, descending=True).row(0, named=True)
        name, count, of = shortened(worst["value"], 80), worst["contradicted"], worst["claims"]
        sentences.append(
            Sentence(
                f"{name} is contradicted most often: {count:,} of its {number(of, 'claim')} "
                f"({percentages([count, of - count])[0]}).",
                "by-agent",
            )
        )
    counts = dict(actions.select("action", "answers").iter_rows())
    if any(counts.values()):
        escalated, rephrased = counts.get("escalated", 0), counts.get("rephrased", 0)
        delivered = counts.get("delivered", 0)
        sentences.append(
            Sentence(
                f"To do: by policy {number(escalated, 'answer')} {'is' if escalated == 1 else 'are'} to be "
                f"escalated to a person and {rephrased:,} to be rephrased; {delivered:,} can go out as "
                f"{'it is' if delivered == 1 else 'they are'}.",
                "actions",
            )
        )
    if total.conflicts:
        sentences.append(
            Sentence(
                f"On {number(total.conflicts, 'claim')} the evidence contradicts itself: one passage "
                "supports, another contradicts.",
                "verdicts",
            )
        )
    return sentences


def changes(drift: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> list[Sentence]:
    """What changed, in words: the most harmful changes, then what got better, then how much was compared.

    `drift` is `changes.told(...)` and `counts` `changes.counts(...)` of the same report.
    """
    compared = counts["worse"] + counts["better"] + counts["changed"] + counts["stable"]
    said = []
    for place, row in enumerate(drift[:CHANGES]):
        # The headline told the first one; what is left to say of it is whether it is noise.
        told = "That is more than chance" if place == 0 and _is_worse(row) else _capital(_change(row))
        said.append(Sentence(f"{told}{_proof(row)}.", "drift", _tone(row)))
    more = counts["worse"] + counts["better"] + counts["changed"] - len(said)
    few = f", {counts['too_few']:,} have too few rows to tell" if counts["too_few"] else ""
    if not compared:
        said.append(
            Sentence(
                f"Whether anything changed cannot be told yet{few or ': nothing could be compared'}.", "drift"
            )
        )
    elif said:
        said.append(
            Sentence(
                (f"{more:,} more slices and metrics changed; " if more else "")
                + f"{counts['stable']:,} of {compared:,} comparisons show no change{few}.",
                "drift",
            )
        )
    else:
        said.append(
            Sentence(
                f"Nothing changed beyond chance: {number(compared, 'comparison')} of slices and metrics with "
                f"their baseline{few}.",
                "drift",
                "better",
            )
        )
    return said


def reaudit(shares: pl.DataFrame, flips: pl.DataFrame) -> list[Sentence]:
    """What share of the supported verdicts no longer holds, and why; nothing where no re-audit was made.

    `shares` and `flips` are rows of `flip_shares` and `flips` of one re-audit. Of the three verdicts only
    *supported* let answers through; a table has the others.
    """
    if shares.is_empty():
        return []
    by_evidence = flips.filter(pl.col("cause") == "evidence")
    said = flips_pure.headline(shares, bool((by_evidence["evidence_change"] == "documents").all()))
    fell = shares.filter(
        pl.col("slice") == flips_pure.ALL, pl.col("verdict_before") == "supported", pl.col("flips") > 0
    )
    return [Sentence(f"{_capital(said)}.", "flips", "worse" if fell.height else "note")]


def number(count: int, noun: str) -> str:
    """`1 claim`, `2,104 claims`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def metric_words(metric: str) -> str:
    """A metric's name as a sentence says it."""
    return METRICS[metric].words if metric in METRICS else metric.replace("_", " ")


def _is_worse(row: Mapping[str, Any]) -> bool:
    return row["status"] == "drifted" and row["direction"] == "worse" and row["difference"] is not None


def _change(row: Mapping[str, Any], length: int = 260) -> str:
    """The drift table's own sentence without the notes on what was compared, which stand in the table."""
    return shortened(str(row["reason"]).partition("; ")[0].rstrip("."), length)


def _proof(row: Mapping[str, Any]) -> str:
    """Whether it is noise: the difference's interval and the corrected probability."""
    if row["ci_low"] is None or row["ci_high"] is None:
        return ""
    low, high = (_signed(row[name]) for name in ("ci_low", "ci_high"))
    chance = ""
    if row["p_adjusted"] is not None:
        chance = (
            "; adjusted p below 0.001"
            if row["p_adjusted"] < 0.001
            else f"; adjusted p {row['p_adjusted']:.3f}"
        )
    return f" (difference {low} to {high}, 95% interval{chance})"


def _signed(value: float) -> str:
    return f"{value:+.{3 if abs(value) < 0.1 else 2}f}".replace("-", "−")


def _tone(row: Mapping[str, Any]) -> Tone:
    return "worse" if row["direction"] == "worse" else "better" if row["direction"] == "better" else "note"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
