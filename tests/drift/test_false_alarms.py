"""What drift promises where nothing changed: no metric speaks of chance more often than its P values say.

Series are made at the level of sums, many at once, so that a rate can be told from a few hundred of them;
`benchmarks/drift_false_alarms.py` measures whole months of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit

from tasks.drift import distances, series
from tasks.drift.cells import PROFILE, SUMS
from tasks.drift.metrics import METRICS, Metric
from tasks.drift.parameters import DriftParameters, windows
from tests.support.drift_days import FIRST, day_of

SLICES, WINDOW, BINS = 150, 2, 20
PARAMETERS = DriftParameters()
RATIOS = [metric for metric in METRICS.values() if metric.sums]
DISTANCES = [metric for metric in METRICS.values() if not metric.sums]
UNLIKELY = 1e-7
"""Chance with which a correct method breaks a test of one metric."""


@dataclass(frozen=True)
class Weeks:
    """What ordinary weeks look like: many slices, each with days of its own."""

    seed: int
    baseline_days: int
    outputs: int
    """Of one slice and day, on average."""
    rate: float
    """Of a share, or of findings; of means, the part of outputs that are not exactly the mean."""
    correlation: float
    day: float
    """Deviation of a day's log odds, or of its logarithm."""
    weekend: float
    scale: float
    """Of means: how large they are."""
    fixed: bool
    """The same answers, and the same verdicts, every day."""


WEEKS = st.builds(
    Weeks,
    seed=st.integers(0, 2**20),
    baseline_days=st.sampled_from([5, 10, 14, 28]),
    outputs=st.sampled_from([8, 40]),
    rate=st.sampled_from([0.0, 1e-6, 0.01, 0.3, 0.93, 0.999, 1.0]),
    correlation=st.sampled_from([0.01, 0.1, 0.4]),
    day=st.sampled_from([0.0, 0.1, 0.4]),
    weekend=st.sampled_from([0.0, 0.3]),
    scale=st.sampled_from([1e-9, 1.0, 1e9]),
    fixed=st.booleans(),
)
FAR_FROM_ONE = Weeks(0, 5, 8, rate=0.01, correlation=0.01, day=0.0, weekend=0.0, scale=1e9, fixed=False)
"""Nearly constant and large, as hours from answer to audit are in a backfill."""


def sums_of(weeks: Weeks, metric: Metric) -> pl.DataFrame:
    """What `slices.summed` gives of SLICES slices of these weeks."""
    rng, days = np.random.default_rng(weeks.seed), weeks.baseline_days + WINDOW
    drawn = 1 if weeks.fixed else days
    dates = [day_of(number) for number in range(days)]
    effect = rng.normal(0, weeks.day, (SLICES, drawn))
    effect += weeks.weekend * np.array([day.weekday() >= 5 for day in dates])[:drawn]
    most = weeks.outputs * 3
    is_there = np.arange(most) < rng.poisson(weeks.outputs, (SLICES, drawn, 1))
    x = np.where(is_there, 1 + rng.poisson(2, (SLICES, drawn, most)), 0)
    if metric.sums is not None and metric.sums[2] == "one":
        x = np.minimum(x, 1)
    odds = expit(logit(np.clip(weeks.rate, 1e-12, 1 - 1e-12)) + effect)[:, :, None]
    size = 1 / weeks.correlation - 1
    quality = rng.beta(np.maximum(odds * size, 1e-6), np.maximum((1 - odds) * size, 1e-6), x.shape)
    quality = quality if 0 < weeks.rate < 1 else np.full(x.shape, weeks.rate)
    if metric.family == "volume":
        y = x = rng.poisson(weeks.outputs * np.exp(effect)[:, :, None])
    elif metric.family == "share":
        y = rng.binomial(x, quality)
    elif metric.is_count:
        y = np.where(rng.random(x.shape) < quality, x, 0)
    else:
        # Gamma noise of outputs about a mean, where there is any.
        noise = np.where(rng.random(x.shape) < weeks.rate, rng.gamma(4, 0.25, x.shape), 1.0)
        y = weeks.scale * x * noise * np.exp(0.1 * effect)[:, :, None]
    x, y = x.astype(float), y.astype(float)
    values = [y, x, y * y, x * y, x * x, (x > 0).astype(float)]
    if metric.family == "volume":
        values[2:] = [y, y, y, y]
    arrays = [np.broadcast_to(v.sum(2), (SLICES, days)).ravel() for v in values]
    return pl.DataFrame(
        {
            "slice": np.repeat([f"agent={number:04d}" for number in range(SLICES)], days),
            "slice_kind": "agent",
            "metric": metric.name,
            "date": dates * SLICES,
            **dict(zip(SUMS, arrays, strict=True)),
        }
    ).filter(pl.col("x") > 0)


def profiles_of(weeks: Weeks, metric: Metric) -> pl.DataFrame:
    """PROFILE rows of SLICES agents: histograms of scores, or sums of vectors and their number."""
    rng, days = np.random.default_rng(weeks.seed), weeks.baseline_days + WINDOW
    drawn = 1 if weeks.fixed else days
    units = 5.0 + rng.poisson(weeks.outputs, (SLICES, drawn, 1))
    usual = np.exp(rng.normal(0, 1, (SLICES, 1, BINS)) + rng.normal(0, weeks.day / 2, (SLICES, drawn, BINS)))
    usual = usual / usual.sum(2, keepdims=True)
    if metric.name == "score_distance":
        values = rng.multinomial(units[:, :, 0].astype(int), usual).astype(float)
        bins = np.arange(BINS)
    else:
        values = units * usual + rng.normal(0, 0.1, usual.shape) * np.sqrt(units)
        values, bins = np.concatenate([units, values], axis=2), np.arange(-1, BINS)
    values = np.broadcast_to(values, (SLICES, days, len(bins)))
    return (
        pl.DataFrame(
            {
                "date": np.tile(
                    np.repeat(np.array([day_of(n) for n in range(days)], "datetime64[D]"), len(bins)), SLICES
                ),
                "agent": np.repeat([f"{number:04d}" for number in range(SLICES)], days * len(bins)),
                "metric": metric.name,
                "bin": np.tile(bins, SLICES * days),
                "weight": values.ravel(),
            }
        )
        .select(
            [
                pl.col(n) if n in ("date", "agent", "metric", "bin", "weight") else pl.lit(None).alias(n)
                for n in PROFILE.names()
            ]
        )
        .cast(PROFILE)
    )


def rows_of(weeks: Weeks, metric: Metric) -> pl.DataFrame:
    last = FIRST + timedelta(weeks.baseline_days + WINDOW - 1)
    chosen = windows(PARAMETERS, last, baseline=(FIRST, last - timedelta(WINDOW)))
    days = pl.DataFrame({"date": [day_of(n) for n in range(weeks.baseline_days + WINDOW)]})
    calendar = series.calendar(days, chosen, PARAMETERS.change_days)
    if metric.sums is None:
        found = distances.compared(profiles_of(weeks, metric), metric, ["agent"], calendar, PARAMETERS)
    else:
        found = series.compared(sums_of(weeks, metric), metric, calendar, PARAMETERS)
    assert found is not None
    return found.rows.filter(pl.col("slice") != "all")


@settings(max_examples=8)
@example(weeks=FAR_FROM_ONE)
@given(weeks=WEEKS)
def test_no_metric_speaks_of_chance_more_often_than_its_p_values_say_and_no_interval_is_a_point(
    weeks: Weeks,
) -> None:
    for metric in (*RATIOS, *DISTANCES):
        rows = rows_of(weeks, metric)
        p_values = rows["p_value"].drop_nulls()
        for level in (0.05, 0.001):
            allowed = stats.binom.isf(UNLIKELY, len(p_values), level)
            assert (p_values <= level).sum() <= allowed, (metric.name, level)
        known = rows.drop_nulls("difference")
        assert known.select((pl.col("ci_high") > pl.col("ci_low")).all()).item(), metric.name
        inside = pl.col("difference").is_between("ci_low", "ci_high")
        assert known.select(inside.all()).item(), metric.name


def one(
    metric: str, base: list[list[tuple[float, float]]], window: list[list[tuple[float, float]]]
) -> dict[str, float]:
    """The row of one slice from, per day, each output's (y, x)."""
    days = [np.array(day, dtype=float) for day in (*base, *window)]
    columns = [(d[:, 0], d[:, 1], d[:, 0] ** 2, d[:, 0] * d[:, 1], d[:, 1] ** 2, d[:, 1] > 0) for d in days]
    values = [[float(column.sum()) for column in day] for day in zip(*columns, strict=True)]
    dates = [day_of(number) for number in range(len(days))]
    sums = pl.DataFrame(
        {
            "slice": "all",
            "slice_kind": "all",
            "metric": metric,
            "date": dates,
            **dict(zip(SUMS, values, strict=True)),
        }
    )
    chosen = windows(
        PARAMETERS,
        dates[-1],
        current=(dates[len(base)], dates[-1]),
        baseline=(dates[0], dates[len(base) - 1]),
    )
    found = series.compared(sums, METRICS[metric], series.calendar(sums, chosen, 60), PARAMETERS)
    assert found is not None
    return found.rows.row(0, named=True)


@pytest.mark.parametrize("base_days", [1, 6, 28])
@pytest.mark.parametrize("metric", ["supported_share", "lag_hours", "retrieval_score", "findings_per_output"])
def test_equal_days_are_equal_and_no_interval_is_a_point(metric: str, base_days: int) -> None:
    day = [(3.0, 4.0)] * 50
    row = one(metric, [day] * base_days, [day])
    assert row["difference"] == pytest.approx(0, abs=1e-12)
    assert row["p_value"] > 0.95
    assert row["ci_low"] < 0 < row["ci_high"]


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1.0, 1e12])
@pytest.mark.parametrize("metric", ["retrieval_score", "claims_per_output", "lag_hours", "mean_p_supported"])
def test_rounding_of_a_constant_is_no_change(metric: str, scale: float) -> None:
    later = np.nextafter(scale, 2 * scale)
    row = one(metric, [[(scale, 1.0)] * 100] * 28, [[(later, 1.0)] * 100] * 2)
    assert row["p_value"] > 0.5
    assert row["ci_low"] < 0 < row["ci_high"]


def test_one_exception_to_a_rule_of_thousands_is_no_certainty() -> None:
    always, once = [(4.0, 4.0)] * 50, [(0.0, 4.0)] + [(4.0, 4.0)] * 49
    for metric in ("supported_share", "mean_p_supported", "retrieval_score"):
        assert one(metric, [always] * 28, [once, always])["p_value"] > 1e-3, metric


def test_a_fall_that_people_would_see_is_still_seen() -> None:
    rng = np.random.default_rng(3)

    def days(share: float, count: int) -> list[list[tuple[float, float]]]:
        return [[(float(rng.binomial(4, share)), 4.0) for _ in range(100)] for _ in range(count)]

    row = one("supported_share", days(0.95, 28), days(0.88, 2))
    assert row["p_value"] < 1e-6
    assert row["ci_high"] < 0
