"""What people's reviews amount to, verdict by verdict: how many decided, what is settled, where they differ.

Of a reviewer's decisions on a verdict the last one counts, and none that was withdrawn. *Unsure* is an
outcome that settles nothing. Reviewers disagree where their decisions differ; then a further person
adjudicates, whose decision settles it.
"""

from __future__ import annotations

import polars as pl

from tasks.lake import current
from tasks.tables import DECISIVE


def by_verdict(reviews: pl.LazyFrame) -> pl.LazyFrame:
    """One row per verdict that somebody decided.

    Columns: verdict_id; `people`, how many decided; `is_settled`, no two of them say otherwise, or an
    adjudication settled it; `outcome` and `corrected_verdict`, as settled, null where they are not.
    """
    decided = (
        current.current_reviews(reviews)
        .filter(pl.col("outcome").is_in(DECISIVE))
        .sort("reviewed_at", "review_id")
    )
    is_last_word = pl.col("is_adjudication").fill_null(value=False)
    said = pl.struct("outcome", "corrected_verdict")
    return (
        decided.group_by("verdict_id", maintain_order=True)
        .agg(
            people=pl.len().cast(pl.Int64),
            opinions=said.n_unique(),
            said=pl.coalesce(said.filter(is_last_word).last(), said.last()),
            is_adjudicated=is_last_word.any(),
        )
        .with_columns(is_settled=pl.col("is_adjudicated") | (pl.col("opinions") == 1))
        .with_columns(
            pl.when("is_settled").then(pl.col("said").struct.field(name)).alias(name)
            for name in ("outcome", "corrected_verdict")
        )
        .select("verdict_id", "people", "is_settled", "outcome", "corrected_verdict")
    )
