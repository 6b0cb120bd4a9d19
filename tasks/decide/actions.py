"""From verdicts and findings to an action per output: what its policy says should become of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import polars as pl

from tasks import ids
from tasks.decide.policies import Policy
from tasks.decide.verdicts import ADDRESSED, with_policy
from tasks.privacy import addressing
from tasks.schema import conform
from tasks.tables import ACTIONS, ACTIONS_TABLE, FINDINGS, UTC


def act(
    outputs: pl.DataFrame,
    verdicts: pl.DataFrame,
    policies: Sequence[Policy],
    *,
    claims: pl.DataFrame,
    run_id: str,
    now: datetime,
    findings: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """ACTIONS, one row per output, in the order of the outputs.

    A contradicted claim outweighs unsettled ones; unsettled ones count beyond the tolerated share. An output
    abstained where it has no verdict and one of its claims (`claims`, CLAIMS) is an abstention; the columns
    `overlooked_` are null here. Where the
    answer (`findings`, FINDINGS of those outputs) or a verdict's evidence addresses the verifier, the action
    is the graver of that and of what the policy says of such outputs.
    """
    frame = with_policy(outputs.select("output_id", "produced_at", "use_case"), policies).join(
        _counted(verdicts, findings, claims), on="output_id", how="left", maintain_order="left"
    )
    frame = frame.with_columns(
        pl.col(*COUNTS).fill_null(0),
        pl.col("verdict_ids").fill_null(pl.lit([], pl.List(pl.String))),
        run_id=pl.lit(run_id, pl.String),
        decided_at=pl.lit(now, UTC),
    )
    frame = decided(frame)
    # What is decided anew for another reason is another action, also in a lake that has the old one.
    is_addressed = (pl.col("by_answer") > 0) | (pl.col("by_evidence") > 0)
    labels = (
        pl.when(holds).then(pl.lit(f",{label}")).otherwise(pl.lit(""))
        for holds, label in (
            (is_addressed, addressing.LABEL),
            (pl.col("outcome") == "abstained", "abstained"),
        )
    )
    rests_on = frame.select(pl.concat_str(pl.col("verdict_ids").list.join(","), *labels)).to_series()
    keys = [frame["output_id"], frame["policy"], rests_on]
    frame = frame.with_columns(
        action_id=ids.digest_rows("action", keys),
        **{
            name: pl.lit(None, dtype)
            for name, dtype in ACTIONS_TABLE.schema.items()
            if name.startswith("overlooked_")
        },
    )
    return conform(ACTIONS_TABLE, frame.select(ACTIONS_TABLE.schema.names()))


IS_ACTED_ON = (pl.col("kind") == addressing.KIND) & (pl.col("confidence") >= addressing.ACTED_ON)
"""Findings of an answer that addresses its verifier, of which actions take heed."""


Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def decided(frame: Frame) -> Frame:
    """The frame with `outcome`, `action` and `reason`, from the counts of each output and the columns of a
    policy. The only place where a policy chooses an action.
    """
    return _heeding_addresses(_by_verdicts(frame))


COUNTS = ("total", "contradicted", "insufficient", "by_evidence", "by_answer", "abstention_count")
"""Of an output: its verdicts, those contradicted and insufficient, those whose evidence addresses the
verifier, findings that its answer does, sentences in which it abstains."""


def _counted(verdicts: pl.DataFrame, findings: pl.DataFrame | None, claims: pl.DataFrame) -> pl.DataFrame:
    """Per output: its verdicts by kind, how often its answer and its evidence address the verifier, and how
    often it says that it does not know.
    """
    by_verdict = verdicts.group_by("output_id", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("total"),
        (pl.col("verdict") == "contradicted").sum().cast(pl.Int64).alias("contradicted"),
        (pl.col("verdict") == "insufficient").sum().cast(pl.Int64).alias("insufficient"),
        pl.col("verdict_id").alias("verdict_ids"),
        pl.col("reason").str.contains(ADDRESSED).sum().cast(pl.Int64).alias("by_evidence"),
    )
    findings = FINDINGS.empty() if findings is None else findings
    by_answer = findings.filter(IS_ACTED_ON).group_by("output_id").agg(by_answer=pl.len().cast(pl.Int64))
    abstentions = claims.filter(pl.col("kind") == "abstention").group_by("output_id")
    by_claim = abstentions.agg(abstention_count=pl.len().cast(pl.Int32))
    for counts in (by_answer, by_claim):
        by_verdict = by_verdict.join(counts, on="output_id", how="full", coalesce=True)
    return by_verdict


def _by_verdicts(frame: Frame) -> Frame:
    """The frame with the `outcome`, `action` and `reason` that follow from claims and verdicts alone."""
    against, unsettled, total = pl.col("contradicted"), pl.col("insufficient"), pl.col("total")
    outcome = (
        pl.when(against > 0)
        .then(pl.lit("contradicted"))
        .when(unsettled > 0)
        .then(pl.lit("insufficient"))
        .when(total > 0)
        .then(pl.lit("supported"))
        .when(pl.col("abstention_count") > 0)
        .then(pl.lit("abstained"))
        .otherwise(pl.lit("no_claims"))
    )
    is_tolerated = unsettled <= pl.col("tolerated_insufficient_ratio") * total
    action = (
        pl.when(pl.col("outcome") == "abstained")
        .then("when_abstained")
        .when(against > 0)
        .then("when_contradicted")
        .when(~is_tolerated)
        .then("when_insufficient")
        .otherwise("when_supported")
    )
    return frame.with_columns(outcome=outcome).with_columns(action=action, reason=_reason(is_tolerated))


def _reason(is_tolerated: pl.Expr) -> pl.Expr:
    against, unsettled, total = pl.col("contradicted"), pl.col("insufficient"), pl.col("total")
    return (
        pl.when(pl.col("outcome") == "abstained")
        .then(pl.lit("the output says that it does not know, and makes no factual claim"))
        .when(total == 0)
        .then(pl.lit("the output makes no factual claim"))
        .when(against > 0)
        .then(_of(against, total) + pl.lit(" contradicted by the evidence"))
        .when(~is_tolerated)
        .then(_of(unsettled, total) + pl.lit(" not settled by the evidence"))
        .when(unsettled > 0)
        .then(_of(unsettled, total) + pl.lit(" not settled by the evidence, which the policy tolerates"))
        .when(total == 1)
        .then(pl.lit("its one claim is supported by the evidence"))
        .otherwise(pl.format("all {} claims are supported by the evidence", total))
    )


def _heeding_addresses(frame: Frame) -> Frame:
    """The frame with `action` raised and `reason` continued where the verifier was addressed."""
    gravities = {action: number for number, action in enumerate(ACTIONS)}
    by_answer, by_evidence = pl.col("by_answer") > 0, pl.col("by_evidence") > 0

    def gravity(name: str) -> pl.Expr:
        return pl.col(name).replace_strict(gravities, return_dtype=pl.Int8)

    gravest = pl.max_horizontal(
        gravity("action"),
        pl.when(by_answer).then(gravity("when_answer_addresses_judge")),
        pl.when(by_evidence).then(gravity("when_evidence_addresses_judge")),
    )
    of_answer = pl.when(by_answer).then(pl.lit("; the answer addresses the verifier"))
    of_evidence = pl.format("; evidence of {} addresses the verifier", _claims(pl.col("by_evidence")))
    return frame.with_columns(
        action=gravest.replace_strict(dict(enumerate(ACTIONS)), return_dtype=pl.String),
        reason=pl.concat_str("reason", of_answer, pl.when(by_evidence).then(of_evidence), ignore_nulls=True),
    )


def _claims(count: pl.Expr) -> pl.Expr:
    return pl.format("{} {}", count, pl.when(count == 1).then(pl.lit("claim")).otherwise(pl.lit("claims")))


def _of(part: pl.Expr, total: pl.Expr) -> pl.Expr:
    verb = pl.when(part == 1).then(pl.lit("is")).otherwise(pl.lit("are"))
    return pl.format("{} of {} {}", part, _claims(total), verb)
