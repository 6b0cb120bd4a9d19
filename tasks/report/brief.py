"""What a terminal says of a run: how its claims stand, what follows, and the claims that are worst off."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from tasks.lake import deciding
from tasks.lake.store import Lake
from tasks.tables import UNCHECKED, VERDICTS
from tasks.visible import shortened, visible

CLAIMS = 3
CHARACTERS = 300
"""Of a claim, or of a sentence of its evidence."""


@dataclass(frozen=True)
class WorstClaim:
    """One claim as a terminal shows it; every text is bounded and free of invisible characters."""

    text: str
    verdict: str
    probability: float
    agent: str
    produced_at: datetime
    sentence: str | None
    """Of the evidence, the one that decided; None where none did."""
    document_uri: str | None
    reason: str


@dataclass(frozen=True)
class Brief:
    """A run in a few numbers and claims."""

    supported: int
    contradicted: int
    unsettled: int
    """Claims that were read against evidence, which settles them neither way."""
    unchecked: dict[str, int]
    """Claims that were not, by `verdicts.insufficient_because`, the most frequent first."""
    unchecked_agents: list[str]
    """The two agents with the most of those."""
    actions: dict[str, int]
    """Answers by what the policy says is to be done with them."""
    worst: list[WorstClaim]
    is_first: bool
    """No earlier run is in the lake."""
    sampled: tuple[int, int] | None = None
    """Answers that were audited, and the estimated number that they stand for: every count here is weighted
    back to these. None where all were audited."""
    shares: dict[str, float] = field(default_factory=dict)
    """Of verdicts by name, weighted, and of answers that only say that they do not know (`abstained`); only
    where answers were sampled."""


def brief(lake: Lake, run_id: str, days: Iterable[date]) -> Brief | None:
    """What to say of a run that judged outputs of these UTC days; None of one that judged none."""
    days = sorted(days)
    if not days:
        return None

    def of_run(table: str) -> pl.LazyFrame:
        return lake.scan(table, since=days[0], until=days[-1]).filter(pl.col("run_id") == run_id)

    weights = _weights(lake, days)
    verdicts = _weighed(
        of_run("verdicts").select(
            "output_id", "verdict", "agent", because=pl.col("insufficient_because").fill_null("not_settled")
        ),
        weights,
    )
    if verdicts.is_empty():
        return None
    unchecked = verdicts.filter(pl.col("because").is_in(UNCHECKED))
    actions = _weighed(of_run("actions").select("output_id", "action", "outcome"), weights)
    sums = _frequent(verdicts, "verdict")
    known = {name: sums.get(name, 0) for name in VERDICTS}
    not_checked = _frequent(unchecked, "because")
    by_action = _frequent(actions, "action")
    sampled = _sampled(actions)
    return Brief(
        supported=known["supported"],
        contradicted=known["contradicted"],
        unsettled=known["insufficient"] - sum(not_checked.values()),
        unchecked=not_checked,
        unchecked_agents=[_shown(agent) for agent in _frequent(unchecked, "agent")][:2],
        actions=dict(sorted(by_action.items())),
        worst=worst_claims(lake, run_id, days),
        is_first=lake.scan("runs").select(pl.len()).collect().item() == 1,
        sampled=sampled,
        shares=_shares(verdicts, actions) if sampled else {},
    )


def _weights(lake: Lake, days: Sequence[date]) -> pl.LazyFrame:
    """`output_id, weight`: how many answers an audited one stands for."""
    weight = 1 / pl.col("sampling_probability").fill_null(1.0)
    return lake.scan("outputs", since=days[0], until=days[-1]).select("output_id", weight=weight)


def _weighed(rows: pl.LazyFrame, weights: pl.LazyFrame) -> pl.DataFrame:
    weighed = rows.join(weights, on="output_id", how="left")
    return weighed.with_columns(pl.col("weight").fill_null(1.0)).collect()


def _sampled(actions: pl.DataFrame) -> tuple[int, int] | None:
    """Audited answers and the number that they stand for; None where they stand for themselves."""
    answers = actions.unique("output_id")
    estimated = round(_sum(answers))
    return (answers.height, estimated) if estimated > answers.height else None


def _shares(verdicts: pl.DataFrame, actions: pl.DataFrame) -> dict[str, float]:
    """Hájek's ratios: sums of weights over sums of weights."""
    answers = actions.unique("output_id")
    shares = {name: _sum(verdicts.filter(pl.col("verdict") == name)) / _sum(verdicts) for name in VERDICTS}
    return {**shares, "abstained": _sum(answers.filter(pl.col("outcome") == "abstained")) / _sum(answers)}


def _sum(rows: pl.DataFrame) -> float:
    return float(rows.select(pl.col("weight").sum()).item())


def _frequent(rows: pl.DataFrame, column: str) -> dict[str, int]:
    """Values with their counts by `weight`, the most frequent first."""
    counts = rows.group_by(column).agg(count=pl.col("weight").sum().round().cast(pl.Int64))
    return dict(counts.sort("count", column, descending=[True, False]).iter_rows())


def worst_claims(lake: Lake, run_id: str, days: Collection[date], number: int = CLAIMS) -> list[WorstClaim]:
    """Claims with evidence that a run judged contradicted, then unsettled ones, the surest of each first.

    One claim an answer. Answers with a privacy finding are left to the report, because terminals are logged.
    """
    since, until = min(days), max(days)

    def of_days(table: str) -> pl.LazyFrame:
        return lake.scan(table, since=since, until=until)

    is_contradicted = pl.col("verdict") == "contradicted"
    probability = pl.when(is_contradicted).then("p_contradicted").otherwise("p_insufficient")
    worst = (
        of_days("verdicts")
        .filter(
            (pl.col("run_id") == run_id)
            & (is_contradicted | (pl.col("verdict") == "insufficient"))
            & (pl.col("evidence_ids").list.len() > 0)
        )
        .join(of_days("findings"), on="output_id", how="anti")
        .with_columns(probability=probability)
        .sort(is_contradicted, "probability", "claim_id", descending=[True, True, False])
        .unique("output_id", keep="first", maintain_order=True)
        .head(number)
        .join(of_days("claims").select("claim_id", "text"), on="claim_id", maintain_order="left")
    )
    rows = deciding.with_sentence(worst, lake.scan("passages")).collect()
    return [
        WorstClaim(
            text=_shown(row["text"]),
            verdict=row["verdict"],
            probability=row["probability"],
            agent=_shown(row["agent"]),
            produced_at=row["produced_at"],
            sentence=_shown(row["sentence"]) if row["sentence"] else None,
            document_uri=_shown(row["document_uri"]) if row["document_uri"] else None,
            reason=_shown(row["reason"] or ""),
        )
        for row in rows.iter_rows(named=True)
    ]


def _shown(text: str) -> str:
    return visible(shortened(" ".join(text.split()), CHARACTERS))
