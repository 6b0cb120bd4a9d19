"""Verdicts as a reviewer meets them: the claim within its answer, the evidence beside it.

Belongs here: reading texts from the lake for the verdicts at the head of the queue. Does not belong here:
which verdicts these are (`review/queue.py`), marks and markup (`report/worst.py`, the templates).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tasks.lake.store import Lake
from tasks.report import worst
from tasks.report.parameters import ReportParameters
from tasks.report.worst import ERASED, ShownClaim
from tasks.visible import shortened, visible

PASSAGES = 6
"""Passages shown, those that decided first."""
_SHOWN = ReportParameters(claim_characters=2_000, passage_characters=1_600)
"""More than a report shows: a reviewer has to decide, not to skim."""
_ANSWER = 20_000
"""Characters of an answer around the claim; some ten pages."""


@dataclass(frozen=True)
class Item:
    """One verdict to review; every text is free of invisible characters."""

    because: str
    detail: str
    verified_at: datetime
    shown: ShownClaim
    answer: tuple[str, str, str]
    """The answer before the claim, the claim, and the answer after it."""


def load(lake: Lake, waiting: pl.DataFrame) -> dict[str, Item]:
    """Items by verdict_id of rows of the queue (columns `queue.QUEUE`)."""
    if waiting.is_empty():
        return {}
    days = waiting["produced_at"].dt.date().sort().to_list()
    claims, outputs, verdict_ids = (
        waiting.lazy().select(name).unique() for name in ("claim_id", "output_id", "verdict_id")
    )

    def rows(table: str, keys: pl.LazyFrame) -> pl.LazyFrame:
        key = keys.collect_schema().names()[0]
        return lake.scan(table, since=days[0], until=days[-1]).join(keys, on=key, how="semi")

    judged = (
        rows("verdicts", verdict_ids)
        .join(rows("claims", claims).select("claim_id", "text", "start", "end"), on="claim_id", how="left")
        .join(rows("outputs", outputs).select("output_id", "prompt", "response"), on="output_id", how="left")
        .with_columns(standing=_standing(), because="insufficient_because")
        .collect()
    )
    evidence = (
        rows("evidence", claims)
        .join(
            judged.lazy().select("verdict_id", "claim_id", "verifier", "snapshot", "evidence_ids"),
            on=["claim_id", "verifier", "snapshot"],
        )
        .with_columns(
            is_deciding=pl.col("passage_id") == pl.col("evidence_ids").list.first(),
            offered=pl.len().over("verdict_id"),
        )
        .sort(
            "verdict_id",
            pl.col("is_deciding").fill_null(value=False),
            pl.max_horizontal("p_supported", "p_contradicted"),
            "rank",
            descending=[False, True, True, False],
        )
        .group_by("verdict_id", maintain_order=True)
        .head(PASSAGES)
        .collect()
    )
    needed = evidence.lazy().select("passage_id").unique()
    passages = lake.scan("passages").join(needed, on="passage_id", how="semi")
    shown = _present(judged, evidence, passages.select("passage_id", "document_uri", "text").collect())
    rows_of = {row["verdict_id"]: row for row in judged.iter_rows(named=True)}
    return {
        row["verdict_id"]: Item(
            row["because"],
            visible(shortened(row["detail"] or "", 400)),
            row["verified_at"],
            shown[row["verdict_id"]],
            _around(rows_of[row["verdict_id"]]),
        )
        for row in waiting.iter_rows(named=True)
        if row["verdict_id"] in shown
    }


def _standing() -> pl.Expr:
    """What the report calls it, for the colour of the claim."""
    return (
        pl.when("is_conflict")
        .then(pl.lit("conflict"))
        .when(pl.col("verdict") == "insufficient")
        .then(pl.lit("unsettled"))
        .otherwise("verdict")
    )


def _present(judged: pl.DataFrame, evidence: pl.DataFrame, passages: pl.DataFrame) -> dict[str, ShownClaim]:
    """By verdict_id; the presentation knows one verdict of a claim, so the verdict stands for the claim."""
    texts = ("verdict_id", "reason", "evidence_ids", "decisive_start", "decisive_end", "text", "prompt")
    own = judged.with_columns(claim_id="verdict_id")
    beside = evidence.with_columns(claim_id="verdict_id").drop("evidence_ids")
    drawn = worst.present(
        own.drop("reason", "evidence_ids", "decisive_start", "decisive_end", "text", "prompt"),
        texts=own.select(texts),
        evidence=beside,
        passages=passages,
        parameters=_SHOWN,
    )
    return {claim.verdict_id: claim for claim in drawn}


def _around(row: dict[str, object]) -> tuple[str, str, str]:
    """The answer in three parts; the claim alone where the answer is gone."""
    answer, start, end = row["response"], row["start"], row["end"]
    claim = row["text"]
    if not isinstance(answer, str) or not isinstance(start, int) or not isinstance(end, int):
        return "", visible(claim if isinstance(claim, str) else ERASED), ""
    first, last = max(0, start - _ANSWER // 2), min(len(answer), end + _ANSWER // 2)
    before, after = answer[first:start], answer[end:last]
    return (
        ("… " if first else "") + visible(before),
        visible(answer[start:end]),
        visible(after) + (" …" if last < len(answer) else ""),
    )
