"""What the tables say of drawn verdicts beside their events: question, answer, agent, reason, documents.

A proof shows claim and passages; these columns are what a person needs beside them to judge. They are as good
as the tables: `ledger verify` holds those against the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from tasks.lake.store import Lake
from tasks.review.sample_page import Item

_KEPT = ("agent", "model", "use_case", "source")
"""What an erasure leaves: none of it says what was said."""


def details(lake: Lake, verdict_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By verdict: agent, model, use_case, source, source_id, question, answer, claim_start, claim_end (place
    of the claim in the answer), reason, documents (address by rank of its passage), decisive_rank,
    decisive_start, decisive_end (place of the deciding sentence in the passage of that rank).
    """
    ids = pl.LazyFrame({"verdict_id": verdict_ids}, schema={"verdict_id": pl.String})
    verdicts = lake.scan("verdicts").join(ids, on="verdict_id", how="semi").collect()
    days = verdicts["produced_at"].dt.date().sort().to_list()
    if not days:
        return {}

    def rows(table: str, key: str) -> pl.LazyFrame:
        wanted = verdicts.lazy().select(key).unique()
        return lake.scan(table, since=days[0], until=days[-1]).join(wanted, on=key, how="semi")

    outputs = rows("outputs", "output_id").select(
        "output_id", "source_id", question="prompt", answer="response"
    )
    claims = rows("claims", "claim_id").select("claim_id", claim_start="start", claim_end="end")
    first = pl.col("evidence_ids").list.get(0, null_on_oob=True).alias("first_id")
    found = (
        verdicts.lazy()
        .join(outputs.unique("output_id"), on="output_id", how="left")
        .join(claims.unique("claim_id"), on="claim_id", how="left")
        .join(_documents(lake, rows("evidence", "claim_id"), verdicts), on="verdict_id", how="left")
        .with_columns(first)
        .collect()
    )
    return {row["verdict_id"]: _about(row) for row in found.iter_rows(named=True)}


def _documents(lake: Lake, evidence: pl.LazyFrame, verdicts: pl.DataFrame) -> pl.LazyFrame:
    """Per verdict, `shown`: rank, passage_id and document_uri of every passage that it was judged by."""
    needed = evidence.select("passage_id").unique()
    passages = lake.scan("passages").join(needed, on="passage_id", how="semi").unique("passage_id")
    keys = ["claim_id", "verifier", "snapshot"]
    return (
        verdicts.lazy()
        .select("verdict_id", *keys)
        .join(evidence.select(*keys, "rank", "passage_id"), on=keys)
        .join(passages.select("passage_id", "document_uri"), on="passage_id", how="left")
        .sort("verdict_id", "rank")
        .group_by("verdict_id", maintain_order=True)
        .agg(shown=pl.struct("rank", "passage_id", "document_uri"))
    )


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = row["shown"] or []
    ranks = {each["passage_id"]: each["rank"] for each in shown}
    named = (*_KEPT, "source_id", "question", "answer", "claim_start", "claim_end", "reason")
    return {
        **{name: row[name] for name in named},
        "documents": {str(each["rank"]): each["document_uri"] for each in shown},
        "decisive_rank": ranks.get(row["first_id"]),
        "decisive_start": row["decisive_start"],
        "decisive_end": row["decisive_end"],
    }


def without_texts(about: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of an item whose output was erased."""
    return {name: about[name] for name in _KEPT if name in about}


def encode(items: Iterable[Item]) -> bytes:
    """items.json of a sample's folder: what the tables said of each item, by its event's index."""
    by_index = {str(item.index): dict(item.about) for item in items}
    return json.dumps(by_index, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
