"""The review queue: which verdicts a person should look at, why, and in which order.

Belongs here: the reasons and their order, as expressions over the tables. Does not belong here: files and
what people answered (`review_sheets.py`).

A verdict waits until as many people as its policy asks for have decided it and agree. It is in the queue
where one of these holds, the first of them named:

0. disagreement: reviewers decided it differently, and nobody has adjudicated.
1. flip: a re-audit changed the verdict of an answer that was delivered (`flips`).
2. escalated: the policy sent the answer to a person, and this verdict is not "supported" or is in conflict.
3. disputed: another verdict on the same claim says otherwise, or a reviewer overturned one.
4. conflict: one passage supports the claim, another contradicts it.
5. low margin: the probability that decided is close to the threshold that it had to reach.
6. sample: it is "supported", and among the share of those that its policy has people look at.

Of several verdicts on one claim the newest stands for all, except where a flip names one.

Within a reason the expected harm decides: a claim that is said to be contradicted comes before one that is
not settled, and that before a supported one; then what a review would teach: the closer the call, the
sooner. Every tenth place is of the random sample, so that misses are measured however long the queue is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from tasks.lake import current
from tasks.review import opinions

REASONS = ("disagreement", "flip", "escalated", "disputed", "conflict", "low margin", "sample")
"""Most urgent first."""
HARM = ("contradicted", "insufficient", "supported")
"""The verdicts, that first which says of an answer that people may have got that it is wrong."""
SAMPLE_EVERY = 10
"""Of so many places one is of the random sample: a reviewer of fifty meets five of it."""


@dataclass(frozen=True)
class QueueParameters:
    """What counts as close, and how many verdicts people look at though nothing speaks against them."""

    margin: float = 0.05
    """Probability between a verdict's deciding score and its threshold below which a person should look: the
    calibration error that a verifier is allowed."""
    supported_shares: Mapping[str, float] = field(default_factory=dict)
    """Share of *supported* verdicts by policy (its label); misses show only there. Drawn by the verdict's id,
    a digest, so every queue draws the same ones and a larger share holds a smaller one."""
    people: Mapping[str, int] = field(default_factory=dict)
    """How many people have to decide a verdict, by policy (its label); one where it names none."""


QUEUE: dict[str, pl.DataType] = {
    "verdict_id": pl.String(),
    "claim_id": pl.String(),
    "output_id": pl.String(),
    "because": pl.String(),
    "detail": pl.String(),
    "verdict": pl.String(),
    "margin": pl.Float64(),
    "policy": pl.String(),
    "agent": pl.String(),
    "use_case": pl.String(),
    "produced_at": pl.Datetime("us", "UTC"),
    "verified_at": pl.Datetime("us", "UTC"),
    "p_supported": pl.Float64(),
    "p_contradicted": pl.Float64(),
    "p_insufficient": pl.Float64(),
}
"""Columns of the queue. `detail` is the flip's cause, else the policy's reason."""


def queue(
    verdicts: pl.DataFrame,
    actions: pl.DataFrame,
    reviews: pl.DataFrame,
    flips: pl.DataFrame,
    parameters: QueueParameters,
) -> pl.DataFrame:
    """Verdicts that wait for a person (columns `QUEUE`), in the order in which people should look.

    Args:
        verdicts, actions, reviews: rows of those tables.
        flips: verdict_id and detail of verdicts that a re-audit changed.
    """
    escalated = (
        actions.filter(pl.col("action") == "escalated")
        .select(verdict_id=pl.col("verdict_ids"))
        .explode("verdict_id")
        .drop_nulls()
        .unique()
    )
    said = opinions.by_verdict(reviews.lazy()).collect()
    overturned = (
        current.current_reviews(reviews.lazy())
        .collect()
        .filter(pl.col("outcome") == "overturned")
        .join(verdicts.select("verdict_id"), on="verdict_id", how="semi")
        .select("claim_id")
        .unique()
    )
    flips = flips.select("verdict_id", flip="detail").unique("verdict_id", keep="first", maintain_order=True)
    disputed = pl.col("verdict").n_unique().over("claim_id") > 1
    newest = pl.col("verified_at") == pl.col("verified_at").max().over("claim_id")
    waiting = (
        verdicts.with_columns(is_disputed=disputed, is_newest=newest, margin=_margin())
        .join(said.select("verdict_id", "people", "is_settled"), on="verdict_id", how="left")
        .filter(_is_open(parameters))
        .join(flips, on="verdict_id", how="left")
        .with_columns(
            is_escalated=pl.col("verdict_id").is_in(escalated["verdict_id"].implode()),
            is_overturned=pl.col("claim_id").is_in(overturned["claim_id"].implode()),
        )
        .filter(pl.col("is_newest") | pl.col("flip").is_not_null() | ~pl.col("is_settled"))
        .with_columns(because=_because(parameters), detail=pl.coalesce("flip", "reason"))
        .filter(pl.col("because").is_not_null())
    )
    return waiting.sort(*_order()).sort(_place()).select(*QUEUE)


def _is_open(parameters: QueueParameters) -> pl.Expr:
    """Fewer people decided than the policy asks for, or they disagree."""
    wanted = pl.col("policy").replace_strict(parameters.people, default=1, return_dtype=pl.Int64)
    return (pl.col("people").fill_null(0) < wanted) | ~pl.col("is_settled").fill_null(value=True)


def _order() -> list[pl.Expr]:
    """By reason, by the harm of a claim that is wrong, by what a review teaches; the id settles the rest."""
    reason, harm = (
        pl.col(column).replace_strict({word: at for at, word in enumerate(words)}, return_dtype=pl.Int64)
        for column, words in (("because", REASONS), ("verdict", HARM))
    )
    return [reason, harm, pl.col("margin"), pl.col("verdict_id")]


def _place() -> pl.Expr:
    """Places of ordered rows with one of the sample among each `SAMPLE_EVERY`."""
    is_sample = pl.col("because") == "sample"
    others, sampled = (which.cum_sum().cast(pl.Int64) - 1 for which in (~is_sample, is_sample))
    return (
        pl.when(is_sample)
        .then(sampled * SAMPLE_EVERY + SAMPLE_EVERY - 1)
        .otherwise(others + others // (SAMPLE_EVERY - 1))
    )


def _because(parameters: QueueParameters) -> pl.Expr:
    """The first reason that holds, null where none does."""
    shares = pl.col("policy").replace_strict(
        parameters.supported_shares, default=0.0, return_dtype=pl.Float64
    )
    place = pl.col("verdict_id").str.slice(0, 8).str.to_integer(base=16, strict=False) / 16**8
    return (
        pl.when(~pl.col("is_settled"))
        .then(pl.lit("disagreement"))
        .when(pl.col("flip").is_not_null())
        .then(pl.lit("flip"))
        .when("is_escalated", (pl.col("verdict") != "supported") | pl.col("is_conflict"))
        .then(pl.lit("escalated"))
        .when(pl.col("is_disputed") | pl.col("is_overturned"))
        .then(pl.lit("disputed"))
        .when("is_conflict")
        .then(pl.lit("conflict"))
        .when(pl.col("margin") < parameters.margin)
        .then(pl.lit("low margin"))
        .when(pl.col("verdict") == "supported", place < shares)
        .then(pl.lit("sample"))
    )


def _margin() -> pl.Expr:
    """How far the deciding score is from the threshold: reached by so much, or missed by so much."""
    supported = pl.col("p_supported") - pl.col("threshold_supported")
    contradicted = pl.col("p_contradicted") - pl.col("threshold_contradicted")
    return (
        pl.when(pl.col("verdict") == "supported")
        .then(supported)
        .when(pl.col("verdict") == "contradicted")
        .then(contradicted)
        .otherwise(pl.min_horizontal(-supported, -contradicted))
        .abs()
    )
