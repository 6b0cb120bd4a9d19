"""What drift is measured on: each metric's name, unit, bad direction, practical threshold, and sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

Bad = Literal["up", "down", "neither"]
Family = Literal["share", "mean", "volume", "distance"]


@dataclass(frozen=True)
class Metric:
    """One metric: `table` must hold rows, else it is not measured; `threshold` is in the metric's unit.

    `relative` thresholds are shares of the baseline's value. `weight` is the metric's part in the correction
    for many comparisons (see `correction.py`).
    """

    name: str
    table: str
    unit: str
    family: Family
    bad: Bad
    threshold: float
    words: str
    sums: tuple[str, str, str] | None = None
    """Rows, and their columns y and x, whose ratio of sums the metric is (`cells.py`); None for distances."""
    relative: bool = False
    weight: float = 1.0
    is_count: bool = False
    """Counts of rare things: skewed like Poisson's distribution."""

    @property
    def sign(self) -> float:
        """1 where more is worse, -1 where less is, 0 where neither."""
        return {"up": 1.0, "down": -1.0, "neither": 0.0}[self.bad]


def _claims(y: str, x: str = "claims") -> tuple[str, str, str]:
    return ("judged", y, x)


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("supported_share", "verdicts", "share of claims", "share", "down", 0.02, "supported share",
               _claims("supported"), weight=60.0),
        Metric("contradicted_share", "verdicts", "share of claims", "share", "up", 0.02, "contradicted share",
               _claims("contradicted"), weight=10.0),
        Metric("insufficient_share", "verdicts", "share of claims", "share", "up", 0.02,
               "insufficient share", _claims("insufficient")),
        Metric("mean_p_supported", "verdicts", "probability", "mean", "down", 0.02,
               "mean probability of support", _claims("p_supported")),
        Metric("score_distance", "verdicts", "probability", "distance", "up", 0.05,
               "distance between the distributions of scores"),
        Metric("evidence_coverage", "verdicts", "share of claims", "share", "down", 0.02,
               "share of claims with evidence", _claims("covered")),
        Metric("conflict_share", "verdicts", "share of claims", "share", "up", 0.02,
               "share of claims with conflicting evidence", _claims("conflicts")),
        Metric("retrieval_score", "evidence", "RRF score", "mean", "down", 0.05, "score of the best passage",
               _claims("retrieval_score", "retrieved"), relative=True),
        Metric("claims_per_output", "verdicts", "claims per output", "mean", "neither", 0.15,
               "claims per output", ("outputs", "claims", "one"), relative=True),
        Metric("abstention_share", "actions", "share of outputs", "share", "neither", 0.03,
               "share of answers that only say that they do not know", ("outputs", "abstained", "decided")),
        Metric("outputs_per_day", "outputs", "outputs a day", "volume", "neither", 0.25,
               "number of answers a day", ("outputs", "one", "one"), relative=True),
        Metric("lag_hours", "outputs", "hours", "mean", "up", 1.0, "hours from answer to audit",
               ("outputs", "lag", "one")),
        Metric("delivered_share", "actions", "share of outputs", "share", "down", 0.03, "delivered share",
               ("actions", "delivered", "one")),
        Metric("rephrased_share", "actions", "share of outputs", "share", "neither", 0.03, "rephrased share",
               ("actions", "rephrased", "one")),
        Metric("escalated_share", "actions", "share of outputs", "share", "up", 0.02, "escalated share",
               ("actions", "escalated", "one")),
        Metric("caught_share", "caught", "share of failed outputs", "share", "down", 0.05,
               "share of failed answers caught before the customer", ("caught", "is_caught", "is_known")),
        Metric("findings_per_output", "findings", "findings per output", "mean", "up", 0.01,
               "privacy findings per output", ("outputs", "findings", "one"), is_count=True),
        Metric("overturn_share", "reviews", "share of reviews", "share", "up", 0.05,
               "share of reviews that overturn the verdict", ("reviews", "overturned", "reviews")),
        Metric("flag_precision", "reviews", "share of claims", "share", "down", 0.05,
               "share of claims called not supported that people agree are not",
               ("reviews", "hits", "flagged")),
        Metric("flag_recall", "reviews", "share of claims", "share", "down", 0.05,
               "share of claims that are not supported and were called so", ("reviews", "hits", "faulty")),
        Metric("overconfidence", "reviews", "probability", "mean", "up", 0.05,
               "verdicts' probability above their share confirmed", ("reviews", "excess", "reviews")),
        Metric("question_distance", "embeddings", "distance of mean embeddings", "distance", "up", 0.05,
               "distance between the questions' mean embeddings"),
        Metric("answer_distance", "embeddings", "distance of mean embeddings", "distance", "up", 0.05,
               "distance between the claims' mean embeddings"),
        Metric("passage_distance", "embeddings", "distance of mean embeddings", "distance", "up", 0.05,
               "distance between the retrieved passages' mean embeddings"),
    )
}  # fmt: skip
"""Order is the order of reports. Thresholds: two points of a share of claims are what an analyst would act on
(one claim in fifty); three points where outputs are counted, of which there are fewer."""
NAMES = pl.Enum(list(METRICS))
"""Metrics' names as a type that sorts in the order of reports."""


def each(field: str, dtype: type[pl.DataType]) -> pl.Expr:
    """What `METRICS` declares in a field of the metric that each row is of."""
    declared = {name: getattr(metric, field) for name, metric in METRICS.items()}
    return pl.col("metric").replace_strict(declared, return_dtype=dtype)
