"""How far reviewers agree: Cohen's kappa with its interval, by pair of people and for all of them.

Belongs here: arithmetic over what two people decided apart from each other. Does not belong here: who has to
decide what (`review/queue.py`), and what a disagreement leads to (`review/opinions.py`).

Each of the two says which verdict is right: the verifier's where it was confirmed, the correction where it
was overturned, and `wrong` where nobody corrected it. Kappa is the agreement beyond what chance would give
two people with these habits; its standard error is that of Fleiss, Cohen and Everitt, "Large sample standard
errors of kappa and weighted kappa", Psychological Bulletin 72 (1969), which is for large samples: below some
fifty verdicts the interval is only a hint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.lake import current
from tasks.tables import DECISIVE

ALL = "all pairs"
"""What the row over everybody is called: the first to decide against the second."""
Z = 1.959963984540054
"""Of a 95% interval."""
AGREEMENT: dict[str, pl.DataType] = {
    "first": pl.String(),
    "second": pl.String(),
    "verdicts": pl.Int64(),
    "agreed": pl.Int64(),
    "kappa": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
}


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance; all null where two people always say the same one thing, or never decided."""

    kappa: float | None
    ci_low: float | None
    ci_high: float | None


def kappa(counts: npt.NDArray[np.int64]) -> Kappa:
    """Cohen's kappa of a square table of counts (k, k): what the first said by what the second said."""
    n = int(counts.sum())
    if n == 0:
        return Kappa(None, None, None)
    p = counts / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, expected = float(np.trace(p)), float(rows @ columns)
    if expected >= 1.0:
        return Kappa(None, None, None)
    value = (observed - expected) / (1 - expected)
    agreed = float(np.diag(p) @ (1 - (rows + columns) * (1 - value)) ** 2)
    others = p * (columns[:, None] + rows[None, :]) ** 2
    differed = (1 - value) ** 2 * float(others.sum() - np.trace(others))
    variance = (agreed + differed - (value - expected * (1 - value)) ** 2) / (n * (1 - expected) ** 2)
    reach = Z * max(variance, 0.0) ** 0.5
    return Kappa(value, max(-1.0, value - reach), min(1.0, value + reach))


def agreement(reviews: pl.LazyFrame, verdicts: pl.LazyFrame) -> pl.DataFrame:
    """Rows of `AGREEMENT`: pairs of reviewers by name, then all pairs; none where nobody shared a verdict.

    Args:
        reviews: rows of that table; an adjudication, which saw both sides, does not count.
        verdicts: verdict_id and verdict.
    """
    said = (
        current.current_reviews(reviews)
        .filter(pl.col("outcome").is_in(DECISIVE) & ~pl.col("is_adjudication").fill_null(value=False))
        .join(verdicts.select("verdict_id", "verdict").unique("verdict_id"), on="verdict_id")
        .with_columns(
            right=pl.when(pl.col("outcome") == "confirmed")
            .then("verdict")
            .otherwise(pl.col("corrected_verdict").fill_null("wrong"))
        )
        .sort("reviewed_at", "review_id")
        .group_by("verdict_id", maintain_order=True)
        .agg(pl.col("reviewer", "right").head(2))
        .filter(pl.col("reviewer").list.len() == 2)
        .select(
            one=pl.col("reviewer").list.first(),
            two=pl.col("reviewer").list.last(),
            left=pl.col("right").list.first(),
            right=pl.col("right").list.last(),
        )
        .collect()
    )
    by_name = said.with_columns(
        first=pl.min_horizontal("one", "two"),
        second=pl.max_horizontal("one", "two"),
        left=pl.when(pl.col("one") <= pl.col("two")).then("left").otherwise("right"),
        right=pl.when(pl.col("one") <= pl.col("two")).then("right").otherwise("left"),
    )
    groups = [
        (str(first), str(second), rows)
        for (first, second), rows in by_name.sort("first", "second").group_by(
            "first", "second", maintain_order=True
        )
    ]
    if len(groups) > 1:
        groups.append((ALL, "", said))
    return pl.DataFrame([_row(*group) for group in groups], schema=AGREEMENT)


def _row(first: str, second: str, said: pl.DataFrame) -> dict[str, object]:
    labels = sorted({*said["left"], *said["right"]})
    places = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for left, right, count in said.group_by("left", "right").len().iter_rows():
        counts[places[left], places[right]] = count
    found = kappa(counts)
    agreed = int(np.trace(counts))
    return {"first": first, "second": second, "verdicts": said.height, "agreed": agreed, **vars(found)}
