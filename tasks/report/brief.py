"""What a terminal says of a run: how its claims stand, what follows, and the claims that are worst off."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from tasks.lake.store import Lake
from tasks.tables import UNCHECKED
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


def brief(lake: Lake, run_id: str, days: Iterable[date]) -> Brief | None:
    """What to say of a run that judged outputs of these UTC days; None of one that judged none."""
    days = sorted(days)
    if not days:
        return None

    def of_run(table: str) -> pl.LazyFrame:
        return lake.scan(table, since=days[0], until=days[-1]).filter(pl.col("run_id") == run_id)

    verdicts = (
        of_run("verdicts")
        .select("verdict", "agent", because=pl.col("insufficient_because").fill_null("not_settled"))
        .collect()
    )
    if verdicts.is_empty():
        return None
    unchecked = verdicts.filter(pl.col("because").is_in(UNCHECKED))
    actions = of_run("actions").group_by("action").len().sort("action").collect()
    verdict = pl.col("verdict")
    unsettled = verdicts.filter((verdict == "insufficient") & ~pl.col("because").is_in(UNCHECKED))
    return Brief(
        supported=verdicts.filter(verdict == "supported").height,
        contradicted=verdicts.filter(verdict == "contradicted").height,
        unsettled=unsettled.height,
        unchecked=_frequent(unchecked["because"]),
        unchecked_agents=[_shown(agent) for agent in _frequent(unchecked["agent"])][:2],
        actions=dict(actions.iter_rows()),
        worst=worst_claims(lake, run_id, days),
        is_first=lake.scan("runs").select(pl.len()).collect().item() == 1,
    )


def _frequent(values: pl.Series) -> dict[str, int]:
    """Values with their counts, the most frequent first."""
    counts = values.value_counts(name="count").sort("count", values.name, descending=[True, False])
    return dict(counts.iter_rows())


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
        .with_columns(probability=probability, passage_id=pl.col("evidence_ids").list.first())
        .sort(is_contradicted, "probability", "claim_id", descending=[True, True, False])
        .unique("output_id", keep="first", maintain_order=True)
        .head(number)
        .join(of_days("claims").select("claim_id", "text"), on="claim_id", maintain_order="left")
        .collect()
    )
    passages = (
        lake.scan("passages")
        .filter(pl.col("passage_id").is_in(worst["passage_id"].to_list()))
        .select("passage_id", "document_uri", passage="text")
        .unique("passage_id")
        .collect()
    )
    start, end = pl.col("decisive_start"), pl.col("decisive_end")
    rows = worst.join(passages, on="passage_id", how="left", maintain_order="left").with_columns(
        sentence=pl.col("passage").str.slice(start, end - start)
    )
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
