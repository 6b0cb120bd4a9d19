"""What reviewed verdicts stand for: people read doubtful verdicts first, so the reviewed ones are no sample.

The review queue holds every doubtful verdict and of the others a random share. So within a kind (verifier,
policy, verdict and doubt) all had the same chance to be read, and those that were stand for all of their kind
(post-stratification; Cochran, Sampling Techniques, 3rd ed., 1977, section 5A.9). The report does the same in
SQL (`page.sql`, query `accuracy`).
"""

from __future__ import annotations

import polars as pl

DOUBT_MARGIN = 0.05
"""Probability between the score that decided and its threshold below which the review queue asks people: the
queue's own default (`review/queue.py`)."""
JUDGED_BY = ("verifier", "policy")
READ = (*JUDGED_BY, "verdict", "is_conflict", "p_supported", "p_contradicted",
        "threshold_supported", "threshold_contradicted")  # fmt: skip
"""Columns of VERDICTS that `represents` reads."""


def represents(is_read: pl.Expr) -> pl.Expr:
    """How many rows of VERDICTS each read one stands for, itself among them; infinite where none was read.

    Args:
        is_read: Boolean, whether a person settled the verdict.
    """
    kind = [*map(pl.col, (*JUDGED_BY, "verdict")), is_doubted()]
    return pl.len().over(kind) / is_read.sum().over(kind)


def is_doubted() -> pl.Expr:
    """A conflict, or a score so close to its threshold that people look at it whatever it says."""
    supported = (pl.col("p_supported") - pl.col("threshold_supported")).abs()
    contradicted = (pl.col("p_contradicted") - pl.col("threshold_contradicted")).abs()
    margin = (
        pl.when(pl.col("verdict") == "supported")
        .then(supported)
        .when(pl.col("verdict") == "contradicted")
        .then(contradicted)
        .otherwise(pl.min_horizontal(supported, contradicted))
    )
    return pl.col("is_conflict") | (margin < DOUBT_MARGIN)
