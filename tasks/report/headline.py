"""The report in words: what is wrong, what changed, since when, whether it is noise, what to do.

Each sentence names the query that gives its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from tasks.drift.metrics import METRICS
from tasks.reaudit import flips as flip_figures
from tasks.report.changes import DriftRow
from tasks.report.sentence import Sentence, Tone, number
from tasks.report.summary import Totals, percentages
from tasks.tables import UNCHECKED
from tasks.visible import shortened

REFUSED_SHARE = 0.5
"""More of a run's records refused says that a source changed, and nothing below speaks of them."""
CHANGES = 3
"""Changes told in words; the table has all others."""
BECAUSE = {
    "no_evidence": "no evidence recorded",
    "too_few": "fewer passages than the policy asks for",
    "too_long": "evidence too long for the verifier",
    "no_answer": "no answer from the verifier",
    "language": "a language the verifier does not read",
    "conflict": "the evidence contradicts itself",
    "not_settled": "the evidence leaves it open",
}
"""Why a claim is insufficient, as a sentence says it."""
MOSTLY = 0.5
"""Share of the claims that could not be checked which one or two agents must have to be named for it."""


def headline(
    total: Totals, because: pl.DataFrame | None = None, *, rows_in: int = 0, refused: int = 0
) -> Sentence:
    """The page in one sentence: of the claims that could be checked so many are supported, so many
    contradicted; so many could not be checked, and why.

    Before it stands that most of what came in was refused. `because` is the result of the query of that name.
    """
    if refused > REFUSED_SHARE * rows_in:
        what = "the record that came in was" if rows_in == 1 else f"{number(rows_in, 'record')} were"
        return Sentence(f"{refused:,} of {what} refused and not audited; correct the source.", "run", "worse")
    if not total.answers:
        return Sentence("No answers to audit: no source delivered any for these days.", "answers")
    answers = number(total.answers, "answer")
    if not total.claims:
        makes = "it makes" if total.answers == 1 else "they make"
        abstains = f"; {_abstained(total)}" if total.abstained else ""
        return Sentence(f"{answers} audited; {makes} no factual claim{abstains}.", "answers")
    if not total.checked:
        none = "The one claim" if total.claims == 1 else f"None of {number(total.claims, 'claim')}"
        could = "could not be" if total.claims == 1 else "could be"
        return Sentence(f"{none} {could} checked{reasons(because)}.", "verdicts", "worse")
    more = ""
    if total.unchecked:
        more = f"; {total.unchecked:,} more could not be checked{reasons(because)}"
    return Sentence(f"{_checked(total)}{more}.", "verdicts")


def weighted(sentence: Sentence, sampled: pl.DataFrame) -> Sentence:
    """The sentence, with what its numbers stand for where not every answer was audited.

    `sampled` is the result of the query of that name.
    """
    if sampled.is_empty():
        return sentence
    row = sampled.row(0, named=True)
    return replace(
        sentence,
        text=f"{sentence.text.removesuffix('.')} (weighted back to {row['estimated']:,} answers, of which "
        f"{row['audited']:,} were drawn and audited).",
    )


def _checked(total: Totals) -> str:
    if total.checked == total.supported:
        if total.checked == 1:
            return "The one claim that could be checked is supported"
        return f"All {number(total.checked, 'claim')} that could be checked are supported"
    is_one = total.supported == 1
    whole = f"the {number(total.checked, 'claim')} that could be checked"
    if total.checked == 1:
        return "The one claim that could be checked is " + (
            "contradicted by its evidence" if total.contradicted else "not settled by its evidence"
        )
    return (
        f"{total.supported:,} of {whole} {'is' if is_one else 'are'} supported, {total.contradicted:,} "
        f"{'is' if total.contradicted == 1 else 'are'} contradicted by the evidence"
    )


def reasons(because: pl.DataFrame | None) -> str:
    """` (no evidence recorded, mostly bing_chat and gpt4)`; empty where there is nothing to say."""
    if because is None:
        return ""
    unchecked = because.filter(pl.col("because").is_in(UNCHECKED))
    sums = unchecked.filter(pl.col("agent") == ALL_AGENTS).sort(
        "claims", descending=True, maintain_order=True
    )
    if sums.is_empty():
        return ""
    words = ", ".join(BECAUSE.get(name, name) for name in sums["because"].head(2))
    by_agent = (
        unchecked.filter(pl.col("agent") != ALL_AGENTS)
        .group_by("agent", maintain_order=True)
        .agg(pl.col("claims").sum())
        .sort("claims", descending=True, maintain_order=True)
    )
    first = by_agent.head(2)
    if by_agent.height > 1 and sum(first["claims"]) > MOSTLY * sum(sums["claims"]):
        one = first["claims"][0] > 2 * first["claims"][1]
        names = " and ".join(shortened(name, 60) for name in first["agent"].head(1 if one else 2))
        words += f", mostly {names}"
    return f" ({words})"


ALL_AGENTS = "all agents"
"""What the query `because` calls the sum over agents."""


def remarks(total: Totals, sampled: pl.DataFrame | None = None) -> list[Sentence]:
    """Sentences above the figures: how much was audited, how many of what, and how often
    agents do not know.
    """
    return [sentence for sentence in (_sampled(sampled), _kinds(total), _abstentions(total)) if sentence]


def _sampled(sampled: pl.DataFrame | None) -> Sentence | None:
    if sampled is None or sampled.is_empty():
        return None
    row = sampled.row(0, named=True)
    text = (
        f"{number(row['audited'], 'answer')} of an estimated {row['estimated']:,} were audited. Each is "
        "weighted by its sampling probability: every count and share of answers and claims is an "
        "estimate for all of them, but for findings and the lists of claims, which are of the audited ones."
    )
    return Sentence(text, "sampled")


def _kinds(total: Totals) -> Sentence | None:
    if not total.claims:
        return None
    parts = percentages([total.supported, total.contradicted, total.unsettled])
    text = (
        f"{number(total.claims, 'claim')} in {number(total.answers, 'answer')}, of which {total.checked:,} "
        f"could be checked: {parts[0]} supported, {parts[1]} contradicted, {parts[2]} not settled by the "
        "evidence."
    )
    return Sentence(text, "verdicts")


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
    """`3 of 30 answers (10%) only say that they do not know`."""
    share = percentages([total.abstained, total.answers - total.abstained])[0]
    only = "only says that it does not know" if total.abstained == 1 else "only say that they do not know"
    return f"{total.abstained:,} of {number(total.answers, 'answer')} ({share}) {only}"


def changes(drift: Sequence[DriftRow], counts: Mapping[str, int]) -> list[Sentence]:
    """What changed, in words: the most harmful changes, then what got better, then how much was compared.

    `drift` is `changes.notable(...)` and `counts` `changes.counts(...)` of the same report.
    """
    sentences = [
        Sentence(f"{_capital(change(row))}{_proof(row)}.", "drift", _tone(row)) for row in drift[:CHANGES]
    ]
    return [*sentences, comparisons(counts, len(sentences))]


def comparisons(counts: Mapping[str, int], named: int) -> Sentence:
    """How much was compared, and how much of it did not change."""
    changed = counts["worse"] + counts["better"] + counts["changed"]
    compared = changed + counts["stable"]
    few = f", {counts['too_few']:,} have too few rows to tell" if counts["too_few"] else ""
    if not compared:
        unknown = few or ": nothing could be compared"
        return Sentence(f"It is too early to tell whether anything changed{unknown}.", "drift")
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


def reaudited(flips: pl.DataFrame, delivered: int) -> Sentence | None:
    """What a re-audit's own page begins with; None where nothing could be judged again."""
    whole = flips.filter(pl.col("verdict_before") == "any", pl.col("cause") == "any").to_dicts()
    if not whole or not whole[0]["judged"]:
        return None
    row = whole[0]
    share = percentages([row["flips"], row["judged"] - row["flips"]])[0]
    text = (
        f"{row['flips']:,} of {number(row['judged'], 'claim')} judged again got a different verdict ({share})"
    )
    if delivered:
        went = "answer of these had" if delivered == 1 else "answers of these had"
        text += f"; {delivered:,} {went} been delivered"
    return Sentence(f"{text}.", "flips", "worse" if delivered else "note")


def metric_words(metric: str) -> str:
    """A metric's name as a sentence says it."""
    return METRICS[metric].words if metric in METRICS else metric.replace("_", " ")


def is_worse(row: DriftRow) -> bool:
    """It drifted, and for the worse."""
    return row["status"] == "drifted" and row["direction"] == "worse" and row["difference"] is not None


def change(row: DriftRow, length: int = 260) -> str:
    """The drift table's own sentence without the notes on what was compared, which the table has."""
    return shortened(row["reason"].partition("; ")[0].rstrip("."), length)


def _proof(row: DriftRow) -> str:
    """Whether it is noise: the difference's interval, and what the corrected probability says of it."""
    low, high, p = row["ci_low"], row["ci_high"], row["p_adjusted"]
    if low is None or high is None:
        return ""
    chance = "" if p is None else ", more than chance" if p < 0.05 else ", which may be chance"
    return f" (by {_signed(low)} to {_signed(high)}, 95% interval{chance})"


def _signed(value: float) -> str:
    return f"{value:+.{3 if abs(value) < 0.1 else 2}f}".replace("-", "−")


def _tone(row: DriftRow) -> Tone:
    return "worse" if row["direction"] == "worse" else "better" if row["direction"] == "better" else "note"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
