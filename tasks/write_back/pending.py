"""Which verdicts a source has not been told yet, in the order in which they are told."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tasks.lake import current
from tasks.lake.store import Lake
from tasks.tables import ERASED

CLAIM_CHARACTERS = 500


def pending(lake: Lake, source: str, since: datetime) -> pl.DataFrame:
    """Verdicts on outputs of a source that were reached at `since` or later.

    Columns: verdict_id, claim_id, trace_id, span_id, start, end, verdict, p_supported, verified_at, policy,
    verifier, action, explanation; by verified_at, then verdict_id. Where confidential data was found in an
    answer, or it was erased, `explanation` says only where the claim stands.
    """
    verdicts = lake.scan("verdicts").filter(pl.col("verified_at") >= since)
    outputs = lake.scan("outputs").filter(pl.col("source") == source)
    stated = pl.col("metadata").str.json_path_match
    names = outputs.select(
        "output_id",
        trace_id=pl.coalesce(stated("$.trace_id"), "source_id"),
        span_id=stated("$.span_id"),
    )
    claims = lake.scan("claims").select("claim_id", "start", "end", "text")
    actions = current.ACTIONS.of(lake.scan("actions")).select("output_id", "action")
    confidential = lake.scan("findings").select("output_id", is_confidential=pl.lit(True)).unique()
    where = pl.format("characters {} to {} of the answer", "start", "end")
    said = pl.format("{}: {}", pl.col("text").str.slice(0, CLAIM_CHARACTERS), "reason")
    is_open = pl.col("is_confidential").is_null() & (pl.col("text") != ERASED)
    return (
        verdicts.join(names, on="output_id")
        .join(claims, on="claim_id")
        .join(actions, on="output_id", how="left")
        .join(confidential, on="output_id", how="left")
        .select(
            "verdict_id",
            "claim_id",
            "trace_id",
            "span_id",
            "start",
            "end",
            "verdict",
            "p_supported",
            "verified_at",
            "policy",
            "verifier",
            "action",
            explanation=pl.when(is_open).then(said).otherwise(where),
        )
        .sort("verified_at", "verdict_id")
        .collect()
    )
