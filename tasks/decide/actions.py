"""From verdicts and findings to an action per output: what its policy says should become of it.

Belongs here: counting, the gravest action, the reason in words. Does not belong here: verdicts
(`verdicts.py`), what a policy may say (`policies.py`), what a finding is (`privacy.py`, `addressing.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from tasks import ids, tables
from tasks.decide.policies import Policy
from tasks.decide.verdicts import ADDRESSED, with_policy
from tasks.privacy import addressing
from tasks.schema import conform
from tasks.tables import ACTIONS


def act(
    outputs: pl.DataFrame,
    verdicts: pl.DataFrame,
    policies: Sequence[Policy],
    *,
    run_id: str,
    now: datetime,
    findings: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """ACTIONS, one row per output, in the order of the outputs.

    A contradicted claim outweighs unsettled ones; unsettled ones count beyond the tolerated share. Where the
    answer (`findings`, FINDINGS of those outputs) or a verdict's evidence addresses the verifier, the action
    is the graver of that and of what the policy says of such outputs.
    """
    counted = verdicts.group_by("output_id", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("total"),
        (pl.col("verdict") == "contradicted").sum().cast(pl.Int64).alias("contradicted"),
        (pl.col("verdict") == "insufficient").sum().cast(pl.Int64).alias("insufficient"),
        pl.col("verdict_id").alias("verdict_ids"),
        pl.col("reason").str.contains(ADDRESSED).sum().cast(pl.Int64).alias("by_evidence"),
    )
    counted = counted.join(_by_answer(findings), on="output_id", how="full", coalesce=True)
    frame = with_policy(outputs.select("output_id", "produced_at", "use_case"), policies).join(
        counted, on="output_id", how="left", maintain_order="left"
    )
    frame = frame.with_columns(
        pl.col("total", "contradicted", "insufficient", "by_evidence", "by_answer").fill_null(0),
        pl.col("verdict_ids").fill_null(pl.lit([], pl.List(pl.String))),
    )
    unsettled = pl.col("insufficient") > pl.col("tolerated_insufficient_ratio") * pl.col("total")
    against, open_, total = pl.col("contradicted"), pl.col("insufficient"), pl.col("total")
    frame = frame.with_columns(
        action=pl.when(against > 0)
        .then(pl.col("when_contradicted"))
        .when(unsettled)
        .then(pl.col("when_insufficient"))
        .otherwise(pl.col("when_supported")),
        reason=pl.when(total == 0)
        .then(pl.lit("the output makes no factual claim"))
        .when(against > 0)
        .then(_of(against, total) + pl.lit(" contradicted by the evidence"))
        .when(unsettled)
        .then(_of(open_, total) + pl.lit(" not settled by the evidence"))
        .when(open_ > 0)
        .then(_of(open_, total) + pl.lit(" not settled by the evidence, which the policy tolerates"))
        .when(total == 1)
        .then(pl.lit("its one claim is supported by the evidence"))
        .otherwise(pl.format("all {} claims are supported by the evidence", total)),
        run_id=pl.lit(run_id, pl.String),
        decided_at=pl.lit(now, tables.UTC),
    )
    frame = _heeding_addresses(frame)
    # What is decided anew because of an address is another action, also in a lake that has the old one.
    is_addressed = (pl.col("by_answer") > 0) | (pl.col("by_evidence") > 0)
    rests_on = pl.col("verdict_ids").list.join(",") + pl.when(is_addressed).then(
        pl.lit(f",{addressing.LABEL}")
    ).otherwise(pl.lit(""))
    keys = [frame["output_id"], frame["policy"], frame.select(rests_on).to_series()]
    frame = frame.with_columns(action_id=ids.digest_rows("action", keys))
    return conform(tables.ACTIONS_TABLE, frame.select(tables.ACTIONS_TABLE.schema.names()))


def _by_answer(findings: pl.DataFrame | None) -> pl.DataFrame:
    """output_id and `by_answer`: how often the answer addresses the verifier."""
    found = tables.FINDINGS.empty() if findings is None else findings
    meant = (pl.col("kind") == addressing.KIND) & (pl.col("confidence") >= addressing.ACTED_ON)
    return found.filter(meant).group_by("output_id").agg(pl.len().cast(pl.Int64).alias("by_answer"))


def _heeding_addresses(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with `action` raised and `reason` continued where the verifier was addressed."""
    grave = {action: gravity for gravity, action in enumerate(ACTIONS)}
    by_answer, by_evidence = pl.col("by_answer") > 0, pl.col("by_evidence") > 0

    def gravity(name: str) -> pl.Expr:
        return pl.col(name).replace_strict(grave, return_dtype=pl.Int8)

    gravest = pl.max_horizontal(
        gravity("action"),
        pl.when(by_answer).then(gravity("when_answer_addresses_judge")),
        pl.when(by_evidence).then(gravity("when_evidence_addresses_judge")),
    )
    return frame.with_columns(
        action=gravest.replace_strict(dict(enumerate(ACTIONS)), return_dtype=pl.String),
        reason=pl.concat_str(
            "reason",
            pl.when(by_answer).then(pl.lit("; the answer addresses the verifier")).otherwise(pl.lit("")),
            pl.when(by_evidence)
            .then(pl.format("; evidence of {} addresses the verifier", _counted_claims("by_evidence")))
            .otherwise(pl.lit("")),
        ),
    )


def _counted_claims(name: str) -> pl.Expr:
    noun = pl.when(pl.col(name) == 1).then(pl.lit("claim")).otherwise(pl.lit("claims"))
    return pl.format("{} {}", name, noun)


def _of(part: pl.Expr, total: pl.Expr) -> pl.Expr:
    verb = pl.when(part == 1).then(pl.lit("is")).otherwise(pl.lit("are"))
    noun = pl.when(total == 1).then(pl.lit("claim")).otherwise(pl.lit("claims"))
    return pl.format("{} of {} {} {}", part, total, noun, verb)
