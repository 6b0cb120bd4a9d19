"""The report in words: what is wrong, what changed, since when, whether it is noise, what to do.

Each sentence names the query that gives its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tasks.drift.metrics import METRICS
from tasks.reaudit import flips as flip_figures
from tasks.report.changes import DriftRow
from tasks.report.parameters import ReportParameters
from tasks.report.summary import Totals, percentages
from tasks.visible import shortened

Tone = Literal["worse", "better", "note"]


@dataclass(frozen=True)
class Sentence:
    """One sentence, the query behind its numbers, and whether it is bad news."""

    text: str
    query: str
    tone: Tone = "note"


REFUSED_SHARE = 0.5
"""More of a run's records refused says that a source changed, and nothing below speaks of them."""
CHANGES = 3
"""Changes told in words; the table has all others."""


def headline(total: Totals, drift: Sequence[DriftRow], *, rows_in: int = 0, refused: int = 0) -> Sentence:
    """The page in one sentence: claims without support, and the most harmful change if there is one.

    Before both stands that most of what came in was refused. `drift` is `changes.notable(...)`.
    """
    if refused > REFUSED_SHARE * rows_in:
        what = "the record that came in was" if rows_in == 1 else f"{number(rows_in, 'record')} were"
        return Sentence(f"{refused:,} of {what} refused and not audited; correct the source.", "run", "worse")
    if not total.answers:
        return Sentence("No answers to audit: no source has delivered any for these days.", "answers")
    answers = number(total.answers, "answer")
    if not total.claims:
        makes = "it makes" if total.answers == 1 else "they make"
        abstains = f"; {_abstained(total)}" if total.abstained else ""
        return Sentence(f"{answers} audited; {makes} no factual claim{abstains}.", "answers")
    worst = next((row for row in drift if _is_worse(row)), None)
    change = f"; {_change(worst)}" if worst else ""
    return Sentence(f"{_without_support(total)}{change}.", "verdicts")


def _without_support(total: Totals) -> str:
    without = total.contradicted + total.insufficient
    if without:
        has = "has" if without == 1 else "have"
        return f"{without:,} of {number(total.claims, 'claim')} {has} no support"
    if total.claims == 1:
        return "The one claim is supported"
    return f"All {number(total.claims, 'claim')} are supported"


def remarks(
    total: Totals, agents: pl.DataFrame, actions: pl.DataFrame, parameters: ReportParameters
) -> list[Sentence]:
    """Up to five sentences under the headline: of what kind, where it is worst, how often agents do not know,
    what to do, what stays open.

    `agents` is the agents' `SliceTable.rows`, `actions` is `summary.all_actions(...)`.
    """
    sentences = [_kinds(total), _worst_agent(total, agents, parameters), _abstentions(total), _to_do(actions)]
    if total.conflicts:
        text = (
            f"On {number(total.conflicts, 'claim')} the evidence contradicts itself: one passage supports, "
            "another contradicts."
        )
        sentences.append(Sentence(text, "verdicts"))
    return [sentence for sentence in sentences if sentence]


def _kinds(total: Totals) -> Sentence | None:
    if not total.claims:
        return None
    parts = percentages([total.supported, total.contradicted, total.insufficient])
    text = (
        f"{number(total.claims, 'claim')} in {number(total.answers, 'answer')}: {parts[0]} supported, "
        f"{parts[1]} contradicted, {parts[2]} not settled by the evidence."
    )
    return Sentence(text, "verdicts")


def _worst_agent(total: Totals, agents: pl.DataFrame, parameters: ReportParameters) -> Sentence | None:
    enough = agents.filter(pl.col("claims") >= parameters.minimum_claims, ~pl.col("is_rest"))
    if enough.height < 2 or not total.contradicted:
        return None
    worst = enough.sort(pl.col("contradicted") / pl.col("claims"), descending=True, maintain_order=True)
    name, count, claims = worst.select("value", "contradicted", "claims").row(0)
    text = (
        f"{shortened(name, 80)} is contradicted most often: {count:,} of its {number(claims, 'claim')} "
        f"({percentages([count, claims - count])[0]})."
    )
    return Sentence(text, "by-agent")


def _abstentions(total: Totals) -> Sentence | None:
    if not total.abstained and not total.in_part:
        return None
    more = (
        f"; {total.in_part:,} more {'says' if total.in_part == 1 else 'say'} so of a part"
        if total.in_part
        else ""
    )
    hint = ""
    if total.overlooked:
        hint = (
            f"; of {total.overlooked:,} of these the evidence seems to have the answer (a hint, to be read)"
        )
    return Sentence(f"{_capital(_abstained(total))}{hint}{more}.", "answers")


def _abstained(total: Totals) -> str:
    """`3 of 30 answers (10%) say only that they do not know`."""
    share = percentages([total.abstained, total.answers - total.abstained])[0]
    only = "says only that it does not know" if total.abstained == 1 else "say only that they do not know"
    return f"{total.abstained:,} of {number(total.answers, 'answer')} ({share}) {only}"


def _to_do(actions: pl.DataFrame) -> Sentence | None:
    counts: dict[str, int] = dict(actions.select("action", "answers").iter_rows())
    if not any(counts.values()):
        return None
    escalated, rephrased, delivered = (counts[n] for n in ("escalated", "rephrased", "delivered"))
    text = (
        f"To do: by policy {number(escalated, 'answer')} {'is' if escalated == 1 else 'are'} to be escalated "
        f"to a person and {rephrased:,} to be rephrased; {delivered:,} can go out as "
        f"{'it is' if delivered == 1 else 'they are'}."
    )
    return Sentence(text, "actions")


def changes(drift: Sequence[DriftRow], counts: Mapping[str, int]) -> list[Sentence]:
    """What changed, in words: the most harmful changes, then what got better, then how much was compared.

    `drift` is `changes.notable(...)` and `counts` `changes.counts(...)` of the same report.
    """
    sentences = []
    for place, row in enumerate(drift[:CHANGES]):
        # The headline names the first one; what is left to say of it is whether it is noise.
        text = "That is more than chance" if place == 0 and _is_worse(row) else _capital(_change(row))
        sentences.append(Sentence(f"{text}{_proof(row)}.", "drift", _tone(row)))
    return [*sentences, _comparisons(counts, len(sentences))]


def _comparisons(counts: Mapping[str, int], named: int) -> Sentence:
    """How much was compared, and how much of it did not change."""
    changed = counts["worse"] + counts["better"] + counts["changed"]
    compared = changed + counts["stable"]
    few = f", {counts['too_few']:,} have too few rows to tell" if counts["too_few"] else ""
    if not compared:
        unknown = few or ": nothing could be compared"
        return Sentence(f"Whether anything changed cannot be told yet{unknown}.", "drift")
    if named:
        more = f"{changed - named:,} more slices and metrics changed; " if changed > named else ""
        text = f"{more}{counts['stable']:,} of {compared:,} comparisons show no change{few}."
        return Sentence(text, "drift")
    text = (
        f"Nothing changed beyond chance: {number(compared, 'comparison')} of slices and metrics with their "
        f"baseline{few}."
    )
    return Sentence(text, "drift", "better")


def reaudit(flips: pl.DataFrame, *, by_documents: bool) -> list[Sentence]:
    """What share of the supported verdicts no longer holds, and why; nothing where no re-audit was made.

    `flips` is the result of the query of that name. Of the three verdicts only *supported* let answers
    through; a table has the others. `by_documents`: all flips by evidence come from edited documents.
    """
    if flips.is_empty():
        return []
    fell = flips.filter(pl.col("verdict_before") == "supported", pl.col("flips") > 0)
    text = _capital(flip_figures.headline(flips, by_documents))
    return [Sentence(f"{text}.", "flips", "worse" if fell.height else "note")]


def number(count: int, noun: str) -> str:
    """`1 claim`, `2,104 claims`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def metric_words(metric: str) -> str:
    """A metric's name as a sentence says it."""
    return METRICS[metric].words if metric in METRICS else metric.replace("_", " ")


def _is_worse(row: DriftRow) -> bool:
    return row["status"] == "drifted" and row["direction"] == "worse" and row["difference"] is not None


def _change(row: DriftRow, length: int = 260) -> str:
    """The drift table's own sentence without the notes on what was compared, which the table has."""
    return shortened(row["reason"].partition("; ")[0].rstrip("."), length)


def _proof(row: DriftRow) -> str:
    """Whether it is noise: the difference's interval and the corrected probability."""
    low, high, p = row["ci_low"], row["ci_high"], row["p_adjusted"]
    if low is None or high is None:
        return ""
    chance = "" if p is None else "; adjusted p below 0.001" if p < 0.001 else f"; adjusted p {p:.3f}"
    return f" (difference {_signed(low)} to {_signed(high)}, 95% interval{chance})"


def _signed(value: float) -> str:
    return f"{value:+.{3 if abs(value) < 0.1 else 2}f}".replace("-", "−")


def _tone(row: DriftRow) -> Tone:
    return "worse" if row["direction"] == "worse" else "better" if row["direction"] == "better" else "note"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
