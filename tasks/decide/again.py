"""The past decided again under other policies: a join over stored scores, nothing is judged again.

Belongs here: frames of the tables in, changes out, by the same expressions that decide at night
(`verdicts.by_policy`, `verdicts.sides`, `actions.decided`). Does not belong here: which rows of a lake are
meant (`policies/past.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.decide import actions, verdicts
from tasks.decide.policies import COLUMNS, Policy, row_of
from tasks.tables import DECISIVE

JUDGEMENT = ("claim_id", "verifier", "snapshot")
"""What evidence and verdicts of one judgement share."""


def verdicts_by(judged: pl.DataFrame, evidence: pl.LazyFrame, policy: Policy) -> pl.Series:
    """The verdict (String) that each row would have by a policy, in the order of the rows.

    Args:
        judged: VERDICTS rows with `claim_id`, `verifier`, `snapshot`, `p_supported` and `p_contradicted`, one
            per claim.
        evidence: EVIDENCE of those claims.
        policy: decides every row, whatever its use case.
    """
    return verdict_columns(judged, evidence, {"verdict": policy})["verdict"]


def verdict_columns(
    judged: pl.DataFrame, evidence: pl.LazyFrame, by: dict[str, Policy]
) -> dict[str, pl.Series]:
    """`verdicts_by` of several policies, by the names of `by`; the evidence is read and summed up once."""
    limits = {
        name: (pl.lit(policy.threshold_supported), pl.lit(policy.threshold_contradicted))
        for name, policy in by.items()
    }
    sides = verdicts.sides_by(_scored(judged, evidence), limits).collect()
    frame = (
        judged.select("p_supported", "p_contradicted")
        .with_row_index("row")
        .join(sides, on="row", how="left", maintain_order="left")
    )
    return {
        name: frame.lazy()
        .with_columns(
            pl.col("scored").fill_null(0),
            pl.col(name).fill_null(value=False).alias("is_conflict"),
            *_values(policy),
        )
        .select(verdicts.by_policy().alias(name))
        .collect()[name]
        for name, policy in by.items()
    }


def _scored(judged: pl.DataFrame, evidence: pl.LazyFrame) -> pl.LazyFrame:
    """`row` of the judged claim and the scores of each passage that its verifier read."""
    rows = judged.select(*JUDGEMENT).with_row_index("row")
    single = all(rows[name].n_unique() <= 1 for name in JUDGEMENT[1:])
    read = evidence.filter(pl.col("tokens_seen") >= pl.col("tokens_offered"))
    keys = list(JUDGEMENT)
    if single and rows.height:
        # One verifier and snapshot, as on most days: the claim alone is the key.
        values = rows.row(0, named=True)
        read = read.filter(*(pl.col(name) == values[name] for name in JUDGEMENT[1:]))
        if are_distinct(rows["claim_id"]):
            short = rows.select("row", key=_KEY)
            return _joined(read.with_columns(key=_KEY), short.lazy(), ["key"])
        keys = keys[:1]
    return _joined(read, rows.lazy(), keys)


_KEY = pl.col("claim_id").str.head(15).str.to_integer(base=16, strict=False)
"""The first 60 bits of a claim's id, a digest: integers join several times as fast as texts. That a claim of
the same day that is not judged has the same ones as one of a million that are has odds of one in 10^12."""


def are_distinct(claim_ids: pl.Series) -> bool:
    """Whether the ids differ in their key; ids that are equal or no digests do not."""
    keys = claim_ids.alias("claim_id").to_frame().select(_KEY).to_series()
    return not keys.null_count() and keys.n_unique() == len(keys)


def _joined(read: pl.LazyFrame, rows: pl.LazyFrame, keys: list[str]) -> pl.LazyFrame:
    scores = read.select(*keys, "p_supported", "p_contradicted")
    return scores.join(rows.select("row", *keys), on=keys).drop(keys)


def actions_by(outputs: pl.DataFrame, judged: pl.DataFrame, verdict: str, policy: Policy) -> pl.Series:
    """The action (String) that each output would have by a policy, in the order of the outputs.

    Args:
        outputs: `output_id`, `abstention_count` and `by_answer` (findings that its answer addresses the
            verifier).
        judged: `output_id`, `is_addressed` (the verdict's evidence addresses the verifier) and the column
            named `verdict`.
        verdict: the column of `judged` with the verdicts by this policy.
        policy: decides every output.
    """
    return action_columns(outputs, judged, {verdict: policy})[verdict]


def action_columns(
    outputs: pl.DataFrame, judged: pl.DataFrame, by: dict[str, Policy]
) -> dict[str, pl.Series]:
    """`actions_by` of several policies, by the columns of `judged` with their verdicts; counted once."""
    counts = judged.group_by("output_id").agg(
        total=pl.len().cast(pl.Int64),
        by_evidence=pl.col("is_addressed").sum().cast(pl.Int64),
        **{
            f"{verdict}_{name}": (pl.col(name) == verdict).sum().cast(pl.Int64)
            for name in by
            for verdict in ("contradicted", "insufficient")
        },
    )
    frame = (
        outputs.select("output_id", "abstention_count", "by_answer")
        .join(counts, on="output_id", how="left", maintain_order="left")
        .drop("output_id")
        .fill_null(0)
    )
    columns = {}
    for name, policy in by.items():
        mine = [pl.col(f"{verdict}_{name}").alias(verdict) for verdict in ("contradicted", "insufficient")]
        each = frame.lazy().with_columns(*mine, *_values(policy))
        columns[name] = actions.decided(each).select(pl.col("action").alias(name)).collect()[name]
    return columns


def _values(policy: Policy) -> list[pl.Expr]:
    """A policy as constant columns."""
    values = row_of(policy)
    return [pl.lit(values[name], dtype).alias(name) for name, dtype in COLUMNS.items()]


# What would have changed ------------------------------------------------------------------------------------


def flows(frame: pl.DataFrame) -> pl.DataFrame:
    """`agent`, `before`, `after` and `count` of the rows, which have the first three."""
    return frame.group_by("agent", "before", "after").agg(count=pl.len().cast(pl.Int64))


def opinions(changed: pl.DataFrame, reviews: pl.DataFrame) -> pl.DataFrame:
    """What people said of the changed verdicts: `before`, `after`, `opinion` (better, worse, neither,
    disputed) and `count`.

    Args:
        changed: `verdict_id`, `verdict` as it was reviewed, `before` and `after`.
        reviews: REVIEWS; of one reviewer's the newest counts.
    """
    newest = reviews.sort("reviewed_at", "review_id").unique(["verdict_id", "reviewer"], keep="last")
    newest = newest.filter(pl.col("outcome").is_in(DECISIVE))
    said = changed.join(newest, on="verdict_id").with_columns(
        right=pl.when(pl.col("outcome") == "confirmed").then("verdict").otherwise("corrected_verdict")
    )
    wrong = pl.when((pl.col("outcome") == "overturned") & pl.col("right").is_null()).then("verdict")
    by_verdict = (
        said.with_columns(wrong=wrong)
        .group_by("verdict_id", "before", "after")
        .agg(pl.col("right", "wrong").drop_nulls().unique())
    )
    is_disputed = (pl.col("right").list.len() > 1) | (
        pl.col("right").list.set_intersection("wrong").list.len() > 0
    )
    is_better = pl.col("right").list.contains(pl.col("after")) | pl.col("wrong").list.contains(
        pl.col("before")
    )
    is_worse = pl.col("right").list.contains(pl.col("before")) | pl.col("wrong").list.contains(
        pl.col("after")
    )
    opinion = (
        pl.when(is_disputed)
        .then(pl.lit("disputed"))
        .when(is_better & ~is_worse)
        .then(pl.lit("better"))
        .when(is_worse & ~is_better)
        .then(pl.lit("worse"))
        .otherwise(pl.lit("neither"))
    )
    return (
        by_verdict.with_columns(opinion=opinion)
        .group_by("before", "after", "opinion")
        .agg(count=pl.len().cast(pl.Int64))
        .sort("before", "after", "opinion")
    )
