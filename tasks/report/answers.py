"""The first screen: five questions of whoever is responsible, answered from the page's own queries.

What is wrong, how bad is it, since when, what is to be done, what changed since the run before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tasks.report.changes import DriftRow
from tasks.report.headline import change, comparisons, is_worse
from tasks.report.sentence import Sentence, number
from tasks.report.summary import Totals, percentages
from tasks.visible import shortened

QUESTIONS = (
    "What is wrong?",
    "How bad is it?",
    "Since when?",
    "What should be done?",
    "What changed since the run before?",
)
LEAST_RANKED = 5
"""Contradicted claims of an agent below which it is named and not ranked: two cases are no ranking."""


@dataclass(frozen=True)
class Answer:
    """A question and the sentences that answer it."""

    question: str
    sentences: list[Sentence]


def answers(
    *,
    total: Totals,
    agents: pl.DataFrame,
    targets: pl.DataFrame,
    drift: Sequence[DriftRow],
    drift_counts: Mapping[str, int],
    actions: pl.DataFrame,
    nights: pl.DataFrame,
    attention: Sequence[str],
    caught: Sequence[Sentence] = (),
) -> list[Answer]:
    """The five answers, in the order of QUESTIONS.

    Args:
        agents: the agents' `SliceTable.rows`.
        targets, nights: results of the queries of those names.
        drift: `changes.notable(...)`; `drift_counts` of the same report, all zero where there is none.
        actions: `summary.all_actions(...)`.
        attention: what else is broken, in words: the ledger, sources, the gate.
        caught: `caught.sentences(...)`.
    """
    parts = (
        [*wrong(total, agents), *(Sentence(text, "run", "worse") for text in attention)],
        [*how_bad(total, targets), *caught],
        since_when(drift, drift_counts),
        to_do(total, actions),
        since_last(nights),
    )
    return [Answer(question, list(part)) for question, part in zip(QUESTIONS, parts, strict=True)]


def wrong(total: Totals, agents: pl.DataFrame) -> list[Sentence]:
    """What is wrong with the claims, the worst kind first."""
    said = []
    if total.contradicted:
        says = "claim says" if total.contradicted == 1 else "claims say"
        said.append(
            Sentence(
                f"{total.contradicted:,} {says} otherwise than the evidence{_where(agents)}.",
                "by-agent",
                "worse",
            )
        )
    if total.unsettled:
        goes = "claim goes" if total.unsettled == 1 else "claims go"
        text = f"{total.unsettled:,} {goes} beyond what the evidence says"
        if total.conflicts:
            text += f"; on {total.conflicts:,} the evidence contradicts itself"
        said.append(Sentence(f"{text}.", "verdicts", "worse"))
    if not said and total.checked:
        said.append(Sentence("Nothing could be checked.", "verdicts", "better"))
    if not said:
        said.append(Sentence("Nothing was checked, so it is unknown.", "verdicts"))
    return said


def _where(agents: pl.DataFrame) -> str:
    """Which agents: ranked where there are enough cases, else named."""
    rows = agents.filter(pl.col("contradicted") > 0, ~pl.col("is_rest")).with_columns(
        checked=pl.col("claims") - pl.col("unchecked")
    )
    if rows.is_empty():
        return ""
    ranked = rows.filter(pl.col("contradicted") >= LEAST_RANKED)
    if agents.height > 1 and ranked.height:
        rate = pl.col("contradicted") / pl.col("checked")
        worst = ranked.sort(rate, descending=True, maintain_order=True).row(0, named=True)
        share = percent(worst["contradicted"] / worst["checked"])
        return (
            f", most often of agent {shortened(worst['value'], 60)} ({worst['contradicted']:,} of its "
            f"{worst['checked']:,} checked claims, {share})"
        )
    names = [shortened(name, 60) for name in rows["value"].head(3)]
    more = f" and {rows.height - 3} more" if rows.height > 3 else ""
    return f" (agent{'s' if rows.height > 1 else ''} {', '.join(names)}{more})"


def how_bad(total: Totals, targets: pl.DataFrame) -> list[Sentence]:
    """Results against what the policies ask for."""
    said = []
    for row in targets.to_dicts():
        if not row["checked"]:
            continue
        parts, kept = [], []
        share, asked = row["supported"] / row["checked"], row["target_supported_ratio"]
        if asked is not None:
            kept.append(share >= asked)
            result = "met" if kept[-1] else f"missed by {_points(asked - share)}"
            parts.append(f"{percent(share)} supported ({percent(asked)} asked: {result})")
        share, allowed = row["contradicted"] / row["checked"], row["maximum_contradicted_ratio"]
        if allowed is not None:
            kept.append(share <= allowed)
            result = "kept" if kept[-1] else f"exceeded by {_points(share - allowed)}"
            parts.append(f"{percent(share)} contradicted ({percent(allowed)} allowed: {result})")
        if parts:
            text = f"Policy {shortened(row['policy'], 60)}, of the checked claims: {', '.join(parts)}."
            said.append(Sentence(text, "targets", "better" if all(kept) else "worse"))
    if not said and total.checked:
        shares = percentages([total.supported, total.contradicted, total.unsettled])
        said.append(
            Sentence(
                f"{shares[0]} of the checked claims are supported and {shares[1]} contradicted. No target "
                "is set; define `target_supported_ratio` in the policy.",
                "verdicts",
            )
        )
    return said or [Sentence("Nothing was checked.", "verdicts")]


def since_when(drift: Sequence[DriftRow], counts: Mapping[str, int]) -> list[Sentence]:
    """The most harmful change and its day, else what is known of changes."""
    worse = [row for row in drift if is_worse(row)]
    if worse:
        text = change(worst := worse[0])
        day = "" if worst["changed_on"] is None or "20" in text else f", since {worst['changed_on']}"
        more = f" {number(counts['worse'] - 1, 'more comparison')} got worse." if counts["worse"] > 1 else ""
        return [Sentence(f"{text[:1].upper()}{text[1:]}{day}.{more}", "drift", "worse")]
    if not any(counts.values()):
        return [
            Sentence("Not measured yet: `claimledger drift` compares a window with its baseline.", "drift")
        ]
    return [comparisons(counts, 0)]


def to_do(total: Totals, actions: pl.DataFrame) -> list[Sentence]:
    """What the policies ask for, and where to begin."""
    counts: dict[str, int] = dict(actions.select("action", "answers").iter_rows())
    if not any(counts.values()):
        return [Sentence("No action was decided on these days.", "actions")]
    escalated, rephrased, delivered = (counts[n] for n in ("escalated", "rephrased", "delivered"))
    text = (
        f"By policy {number(escalated, 'answer')} should have gone to a person and {rephrased:,} should have "
        f"been rephrased; {delivered:,} needed no action."
    )
    said = [Sentence(text, "actions", "worse" if escalated else "note")]
    if total.contradicted or total.unsettled:
        said.append(Sentence("Start with the ten worst claims below, each beside its evidence.", "worst"))
    return said


def since_last(nights: pl.DataFrame) -> list[Sentence]:
    """This run's own claims beside those of the run before it of the same kind, and what judged otherwise."""
    if nights.is_empty():
        return [Sentence("Nothing is recorded about this run.", "nights")]
    now = nights.row(0, named=True)
    judged = number(now["claims"], "claim")
    if nights.height == 1:
        text = f"There is no earlier run of this kind; this one judged {judged}."
        return [Sentence(text, "nights")]
    before = nights.row(1, named=True)
    earlier = f"the run before it ({before['started_at']:%-d %B, %H:%M} UTC)"
    if not now["claims"]:
        text = f"Nothing new was judged; {earlier} judged {number(before['claims'], 'claim')}."
        return [Sentence(text, "nights")]
    text = (
        f"This run judged {judged}: of those checked {_supported(now)} supported and {_contradicted(now)} "
        f"contradicted; {earlier} {before['claims']:,}: {_supported(before)} and {_contradicted(before)}."
    )
    names = [
        name for name in ("verifier", "policy") if before[name] is not None and now[name] != before[name]
    ]
    if not names:
        return [Sentence(text, "nights")]
    changed = f"The {' and the '.join(names)} changed in between, so the two are not comparable."
    return [Sentence(text, "nights"), Sentence(changed, "nights", "worse")]


def _supported(night: Mapping[str, int]) -> str:
    return percentages([night["supported"], night["contradicted"] + night["unsettled"]])[0]


def _contradicted(night: Mapping[str, int]) -> str:
    return percentages([night["contradicted"], night["supported"] + night["unsettled"]])[0]


def percent(share: float) -> str:
    """A share as percent, with a decimal where it is small."""
    return f"{100 * share:.1f}%" if 0 < share < 0.1 else f"{100 * share:.0f}%"


def _points(difference: float) -> str:
    points = 100 * difference
    text = f"{points:.1f}" if points < 9.95 else f"{points:.0f}"
    return f"{text} {'point' if text == '1.0' else 'points'}"
