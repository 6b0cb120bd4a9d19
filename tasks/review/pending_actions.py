"""What must be rephrased or escalated, with the claims that failed: frames in, one frame out.

Belongs here: which answers are listed, and what is said of each. Does not belong here: the lake and files
(`review/action_sheets.py`).

A suggested correction is a quotation from the evidence, word for word; nothing here writes a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tasks.lake import current, deciding
from tasks.review import opinions

ADDRESSED = "addresses the verifier"
"""In the reason of a decision that heeds text which addresses the verifier."""
ACTED_ON = ("escalated", "rephrased")
"""Actions that somebody has to follow, the gravest first."""

CLAIM: dict[str, pl.DataType] = {
    "claim_id": pl.String(),
    "verdict_id": pl.String(),
    "text": pl.String(),
    "start": pl.Int64(),
    "end": pl.Int64(),
    "verdict": pl.String(),
    "p_supported": pl.Float64(),
    "reason": pl.String(),
    "suggested_correction": pl.String(),
    "evidence_uri": pl.String(),
    "review": pl.String(),
    "corrected_verdict": pl.String(),
}
"""A claim that failed, with what people settled of it, if they did. `start` and `end` are characters of the
response; `suggested_correction` is the sentence of the evidence that contradicts the claim, null for other
verdicts and where no sentence decided."""

PENDING: dict[str, pl.DataType] = {
    "output_id": pl.String(),
    "source": pl.String(),
    "source_id": pl.String(),
    "agent": pl.String(),
    "use_case": pl.String(),
    "produced_at": pl.Datetime("us", "UTC"),
    "action": pl.String(),
    "reason": pl.String(),
    "policy": pl.String(),
    "is_withheld": pl.Boolean(),
    "is_overturned": pl.Boolean(),
    "is_done": pl.Boolean(),
    "response": pl.String(),
    "claims": pl.List(pl.Struct(CLAIM)),
}
"""Columns of `pending`. `is_withheld`: the answer has a finding, so `response` and of its claims `text`,
`reason`, `suggested_correction` and `evidence_uri` are null; offsets and ids say where to look.
`is_overturned`: people settled that every claim that failed is supported, so nothing is left to act on.
`is_done`: this action is what was last really done with the answer, or it was escalated where it was to be
rephrased."""

_WITHHELD = ("text", "reason", "suggested_correction", "evidence_uri")


@dataclass(frozen=True)
class Rows:
    """Rows of the tables that `pending` reads; those of other outputs do no harm."""

    actions: pl.LazyFrame
    outputs: pl.LazyFrame
    claims: pl.LazyFrame
    verdicts: pl.LazyFrame
    passages: pl.LazyFrame
    findings: pl.LazyFrame
    reviews: pl.LazyFrame
    actions_taken: pl.LazyFrame


def pending(rows: Rows, action: str | None = None) -> pl.DataFrame:
    """One row per current output whose current action is rephrased or escalated, columns `PENDING`.

    Escalated ones first, then by produced_at and output_id; claims by their place in the response.

    Args:
        rows: `outputs` holds only those that are current and not erased.
        action: only this one of `ACTED_ON`.
    """
    wanted = ACTED_ON if action is None else (action,)
    acted = current.ACTIONS.of(rows.actions).filter(pl.col("action").is_in(wanted))
    withheld = rows.findings.select("output_id", is_withheld=pl.lit(True)).unique()
    answers = (
        acted.select("output_id", "action", "reason", "policy", "verdict_ids")
        .join(
            rows.outputs.select(
                *("output_id", "source", "source_id", "agent", "use_case", "produced_at", "response")
            ),
            on="output_id",
        )
        .join(withheld, on="output_id", how="left")
        .with_columns(pl.col("is_withheld").fill_null(value=False))
        .join(
            current.ACTIONS_TAKEN.of(rows.actions_taken).select("output_id", done="action"),
            on="output_id",
            how="left",
        )
        .with_columns(
            is_done=pl.col("done").eq_missing(pl.col("action")) | pl.col("done").eq_missing(ACTED_ON[0])
        )
        .with_columns(response=_open("response"))
    )
    order = pl.col("action").replace_strict({a: i for i, a in enumerate(ACTED_ON)}, return_dtype=pl.Int64)
    is_held = pl.element().struct.field("corrected_verdict") == "supported"
    # What was decided for another reason than its claims stays: the answer addresses the verifier.
    by_claims = (pl.col("claims").list.len() > 0) & ~pl.col("reason").str.contains(ADDRESSED)
    return (
        answers.join(_failing(answers, rows), on="output_id", how="left")
        .with_columns(pl.col("claims").fill_null(pl.lit([], PENDING["claims"])))
        .with_columns(
            is_overturned=by_claims & pl.col("claims").list.eval(is_held.fill_null(value=False)).list.all()
        )
        .sort(order, "produced_at", "output_id")
        .select(*PENDING)
        .collect()
    )


def by_claim(found: pl.DataFrame) -> pl.DataFrame:
    """`pending` with one row a claim, its fields as columns; an answer without one keeps a row.

    The claim's `reason` is `claim_reason`.
    """
    claims = found.select(pl.col("claims").list.eval(pl.element().struct.rename_fields(_FLAT)))
    flat = found.with_columns(claims["claims"]).explode("claims", empty_as_null=True)
    return flat.unnest("claims")


_FLAT = ["claim_reason" if name == "reason" else name for name in CLAIM]


def _failing(answers: pl.LazyFrame, rows: Rows) -> pl.LazyFrame:
    """`output_id, claims`: what failed among the verdicts that an action rests on."""
    of_action = (
        answers.select("output_id", "is_withheld", verdict_id="verdict_ids")
        .explode("verdict_id")
        .drop_nulls("verdict_id")
    )
    failed = (
        rows.verdicts.filter(pl.col("verdict") != "supported")
        .drop("output_id")
        .join(of_action, on="verdict_id")
        .unique("verdict_id")
        .join(
            opinions.by_verdict(rows.reviews).select("verdict_id", "corrected_verdict", review="outcome"),
            on="verdict_id",
            how="left",
        )
    )
    is_contradicted = pl.col("verdict") == "contradicted"
    return (
        deciding.with_sentence(failed, rows.passages)
        .join(rows.claims.select("claim_id", "text", "start", "end").unique("claim_id"), on="claim_id")
        .with_columns(
            suggested_correction=pl.when(is_contradicted & (pl.col("sentence") != "")).then("sentence"),
            evidence_uri="document_uri",
        )
        .with_columns(_open(name) for name in _WITHHELD)
        .sort("output_id", "start", "claim_id")
        .group_by("output_id", maintain_order=True)
        .agg(claims=pl.struct(*CLAIM))
    )


def _open(column: str) -> pl.Expr:
    """The column, null where it is withheld."""
    return pl.when(~pl.col("is_withheld")).then(column).alias(column)
