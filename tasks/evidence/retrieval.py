"""Candidate passages for each claim: dense and lexical ranks fused by reciprocal rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tasks.knobs import Section

HITS = pl.Schema({"claim_id": pl.String, "passage_id": pl.String, "score": pl.Float64})


@dataclass(frozen=True)
class RetrieveParameters(Section):
    """How many passages reach the verifier and how ranks are fused."""

    passages_per_claim: int = 4
    """Passages shown to the verifier: more cost time linearly; recall of gold sentences flattens after 4."""

    candidates: int = 20
    """Depth of each ranking before fusion."""

    rrf_k: int = 60
    """Constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""

    minimum_similarity: float = 0.0
    """Dense hits with a lower cosine similarity are not candidates."""

    def __post_init__(self) -> None:
        for name in ("passages_per_claim", "candidates", "rrf_k"):
            if not 1 <= getattr(self, name) <= 10_000:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 1 to 10000")
        if not -1.0 <= self.minimum_similarity <= 1.0:
            raise ValueError(f"minimum_similarity is {self.minimum_similarity}, expected -1 to 1")


def ranked(hits: pl.DataFrame, depth: int) -> pl.DataFrame:
    """The best `depth` hits of each claim with their `position` from 1; equal scores by passage_id."""
    return (
        hits.sort(["claim_id", "score", "passage_id"], descending=[False, True, False])
        .with_columns(position=pl.int_range(1, pl.len() + 1).over("claim_id"))
        .filter(pl.col("position") <= depth)
    )


def fuse(rankings: Sequence[pl.DataFrame], parameters: RetrieveParameters) -> pl.DataFrame:
    """claim_id, passage_id, retrieval_score: the sum of 1 / (rrf_k + position) over rankings.

    Each ranking is a HITS frame; only the order within a claim counts, so scores of different kinds need no
    common scale. A passage that a ranking does not hold gets nothing from it.
    """
    positions = [
        ranked(hits, parameters.candidates).select(
            "claim_id", "passage_id", share=1.0 / (parameters.rrf_k + pl.col("position"))
        )
        for hits in rankings
    ]
    return (
        pl.concat(positions)
        # A fixed order of summands: the same bits whatever the order of the rankings.
        .sort("claim_id", "passage_id", "share")
        .group_by("claim_id", "passage_id", maintain_order=True)
        .agg(retrieval_score=pl.col("share").sum())
    )


def best(fused: pl.DataFrame, parameters: RetrieveParameters) -> pl.DataFrame:
    """The passages that reach the verifier, with `rank` (Int32, from 0) in order of claim and rank.

    `fused` has claim_id, passage_id, retrieval_score and text. A text that several passages share takes one
    place, that of its best passage; ties go by passage_id.
    """
    return (
        fused.sort(["claim_id", "retrieval_score", "passage_id"], descending=[False, True, False])
        .unique(["claim_id", "text"], keep="first", maintain_order=True)
        .with_columns(rank=pl.int_range(pl.len(), dtype=pl.Int32).over("claim_id"))
        .filter(pl.col("rank") < parameters.passages_per_claim)
    )
