"""Scores into verdicts and actions, by the policies in force."""

from __future__ import annotations

import polars as pl

from tasks import tables
from tasks.decide import actions as actions_stage
from tasks.decide import verdicts as verdicts_stage
from tasks.errors import IntegrityError
from tasks.evidence.overlooked import HINTS, overlooked
from tasks.evidence.retrieve import retrieve
from tasks.judge.job import Decisions, Job, Material, Scores
from tasks.text import nearest
from tasks.verify.protocol import languages_of

SAME_PROBABILITY = 1e-3
"""Re-verification may differ by this much between processors before it counts as another answer."""


def decide(
    claims: pl.DataFrame, scores: Scores, material: Material, known: pl.DataFrame, job: Job
) -> Decisions:
    """Verdicts on the claims, and actions on the outputs of which every factual claim has one by now.

    Args:
        known: `current_verdicts` of the material's claims; an action rests on all verdicts of its output,
            also on those of earlier runs.

    Raises:
        IntegrityError: the same verifier, policy and snapshot now give another verdict.
    """
    policies, outputs = job.bench.parameters.policies, material.outputs
    verdicts = verdicts_stage.decide(
        claims,
        scores.evidence,
        outputs,
        policies,
        verifier=job.bench.identity,
        snapshot=job.snapshot,
        run_id=job.run_id,
        now=job.now,
        together=scores.together,
        reads=languages_of(job.bench.verifier),
        verifier_name=job.bench.verifier.name,
    )
    verdicts = job.gate.check("verdicts", verdicts)
    repeated = _repeated(verdicts, known, job.unit)
    so_far = pl.concat([verdicts, known]).unique("verdict_id", keep="first", maintain_order=True)
    actions = actions_stage.act(
        _settled(material, verdicts, so_far),
        so_far,
        policies,
        run_id=job.run_id,
        now=job.now,
        claims=material.claims,
        findings=material.addresses,
    )
    actions = actions.update(hints(actions, material, job), on="output_id")
    return Decisions(verdicts, job.gate.check("actions", actions), repeated)


def hints(actions: pl.DataFrame, material: Material, job: Job) -> pl.DataFrame:
    """HINTS for the actions whose output abstained: the sentence of its evidence closest to its question."""
    abstained = actions.filter(pl.col("outcome") == "abstained").select("output_id")
    questions = material.outputs.join(abstained, on="output_id", how="semi").select("output_id", "prompt")
    questions = questions.filter(pl.col("prompt").str.contains(r"\w"))
    if questions.is_empty():
        return HINTS.to_frame()
    bench, settings = job.bench, job.bench.parameters.retrieve
    asked = questions.select("output_id", claim_id="output_id", text="prompt", kind=pl.lit("factual"))
    candidates = retrieve(
        asked, material.passages, job.corpus, bench.embedder, settings.parameters, named=material.named
    )
    sentences = nearest.sentences(candidates["text"]).join(
        candidates.select("passage_id", output_id="claim_id").with_row_index("row"), on="row"
    )
    return overlooked(questions, sentences, bench.embedder, settings.overlooked_similarity)


def _settled(material: Material, verdicts: pl.DataFrame, so_far: pl.DataFrame) -> pl.DataFrame:
    """Outputs without a factual claim, and those that got a verdict and have no claim left without one."""
    factual = material.claims.filter(pl.col("kind") == "factual")
    untouched = factual.join(verdicts, on="output_id", how="anti")
    undecided = factual.join(so_far, on="claim_id", how="anti")
    waiting = pl.concat([untouched.select("output_id"), undecided.select("output_id")])
    return material.outputs.join(waiting, on="output_id", how="anti")


def _repeated(verdicts: pl.DataFrame, known: pl.DataFrame, unit: str) -> pl.DataFrame:
    """Verdicts that the lake has already, which must be the same.

    Raises:
        IntegrityError: some differ.
    """
    both = verdicts.join(known, on="verdict_id", suffix="_before")
    moved = pl.any_horizontal(
        (pl.col(p) - pl.col(f"{p}_before")).abs() > SAME_PROBABILITY for p in tables.PROBABILITIES
    )
    differing = both.filter(moved | (pl.col("verdict") != pl.col("verdict_before"))).height
    if differing:
        raise IntegrityError(
            f"{unit}: {differing} of {both.height} claims get a new verdict from the same verifier, policy "
            "and snapshot; the lake or the model was altered: run `claimledger doctor`"
        )
    return verdicts.join(known, on="verdict_id", how="semi")
