"""Evidence for claims, and what the verifier says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from tasks import tables
from tasks.decide import verdicts as verdicts_stage
from tasks.evidence.retrieve import retrieve
from tasks.text import pairs as pairs_stage
from tasks.verify.batch_store import WAITING
from tasks.verify.protocol import Verifier

if TYPE_CHECKING:
    from tasks.verify.batch_endpoint import BatchEndpoint

from tasks.judge.job import Job, Material, Scores


def score(claims: pl.DataFrame, material: Material, job: Job) -> Scores:
    """Evidence for some of the material's claims, with the verifier's probabilities."""
    bench = job.bench
    candidates = retrieve(
        claims,
        material.passages,
        job.corpus,
        bench.embedder,
        bench.parameters.retrieve.parameters,
        named=material.named,
    )
    waiting = WAITING.to_frame()
    if bench.batch is not None:
        candidates, waiting = _answered(candidates, claims, bench.batch, job)
    scores = scored(candidates, claims, bench.verifier, job.done)
    evidence = scores.evidence.with_columns(
        verifier=pl.lit(bench.identity), snapshot=pl.lit(job.snapshot), run_id=pl.lit(job.run_id)
    )
    good = job.gate.check("evidence", evidence.select(tables.EVIDENCE.schema.names()))
    good_rows = evidence.join(good, on=list(tables.EVIDENCE.key), how="semi", maintain_order="left")
    return Scores(good_rows, scores.together, waiting)


def _answered(
    candidates: pl.DataFrame, claims: pl.DataFrame, judge: BatchEndpoint, job: Job
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(candidates of claims whose answers are there, claims whose questions are left to be asked)."""
    pairs, several = _questions(candidates, claims)
    columns = ("claim_id", "claim", "text")
    asked = pl.concat([pairs.select(columns), several.select(columns)])
    missing = asked.filter(pl.Series(judge.unanswered(asked), dtype=pl.Boolean))
    if missing.is_empty():
        return candidates, WAITING.to_frame()
    judge.ask(missing, run_id=job.run_id, unit=job.unit)
    waiting = claims.join(missing, on="claim_id", how="semi").select(WAITING.names())
    return candidates.join(waiting, on="claim_id", how="anti", maintain_order="left"), waiting


def _questions(candidates: pl.DataFrame, claims: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(each passage with its claim, all passages of a claim as one text where it has several)."""
    pairs = candidates.join(
        claims.select(
            "claim_id", "output_id", "produced_at", claim=pairs_stage.without_citations(pl.col("text"))
        ),
        on="claim_id",
        how="left",
        maintain_order="left",
    )
    several = (
        pairs.group_by("claim_id", maintain_order=True)
        .agg(pl.col("claim").first(), pl.col("text").str.join("\n"), pl.len().alias("passages"))
        .filter(pl.col("passages") > 1)
    )
    return pairs, several


def scored(
    candidates: pl.DataFrame,
    claims: pl.DataFrame,
    verifier: Verifier,
    done: Callable[[float], None] | None = None,
) -> Scores:
    """Passages (CANDIDATES, by claim and rank) with a verifier's probabilities and what it read of them.

    `done` is told the share of the pairs that is scored.
    """
    pairs, several = _questions(candidates, claims)
    asked = pl.concat([pairs.select("claim", "text"), several.select("claim", "text")])
    scores = verifier.score(asked["claim"].to_list(), asked["text"].to_list(), _shares(asked.height, done))
    alone, read = slice(None, pairs.height), scores.is_read[pairs.height :]
    together = several.with_columns(verdicts_stage.rounded(scores.probabilities[pairs.height :]))
    evidence = pairs.with_columns(
        verdicts_stage.rounded(scores.probabilities[alone]),
        tokens_offered=pl.Series(scores.tokens_offered[alone], dtype=pl.Int32),
        tokens_seen=pl.Series(scores.tokens_seen[alone], dtype=pl.Int32),
        windows=pl.Series(scores.windows[alone], dtype=pl.Int32),
    )
    return Scores(evidence, together.filter(pl.Series(read)))


def _shares(pairs: int, done: Callable[[float], None] | None) -> Callable[[int], None] | None:
    """A verifier's progress (pairs newly scored) as shares of all."""
    if done is None:
        return None
    so_far = 0

    def progress(newly: int) -> None:
        nonlocal so_far
        so_far += newly
        done(so_far / pairs)

    return progress
