"""Every formula of drift against another implementation of it."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from tasks.drift import changepoints, comparison, correction, distances
from tasks.drift.comparison import Daily, Sums
from tasks.drift.daily import daily_series
from tests.support.drift_days import cells, frames, month


def sums_of(outputs: list[list[tuple[float, float]]]) -> Sums:
    """One series from, per day, each output's (y, x)."""
    days = [np.array(day, dtype=float).reshape(-1, 2) for day in outputs]
    columns = [
        [d[:, 0].sum() for d in days], [d[:, 1].sum() for d in days],
        [(d[:, 0] ** 2).sum() for d in days], [(d[:, 0] * d[:, 1]).sum() for d in days],
        [(d[:, 1] ** 2).sum() for d in days], [len(d) for d in days],
    ]  # fmt: skip
    return Sums(*(np.array([c], dtype=float) for c in columns))


def test_the_variance_of_a_ratio_is_the_linearised_one_of_clustered_samples() -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(1, 9, 400).astype(float)
    y = rng.binomial(x.astype(int), rng.beta(8, 2, 400)).astype(float)
    sums = sums_of([list(zip(y, x, strict=True))])
    ratio = y.sum() / x.sum()
    # The delete-one-output jackknife, which knows nothing of the formula (Shao and Wu 1989).
    left_out = (y.sum() - y) / (x.sum() - x)
    jackknife = (len(x) - 1) / len(x) * ((left_out - left_out.mean()) ** 2).sum()
    found = comparison.unit_variance(sums, is_share=True)[0] / x.sum()
    assert found == pytest.approx(jackknife, rel=0.02)
    assert found > 1.3 * ratio * (1 - ratio) / x.sum(), "clustered claims must not count as independent ones"


def test_shares_of_independent_claims_have_the_binomial_variance() -> None:
    sums = sums_of([[(1.0, 1.0)] * 90 + [(0.0, 1.0)] * 10, [(1.0, 1.0)] * 80 + [(0.0, 1.0)] * 20])
    assert comparison.unit_variance(sums, is_share=True)[0] == pytest.approx(0.85 * 0.15, rel=0.03)


@pytest.mark.parametrize("value", [1e-4, 0.03, 0.7, 5.0, 900.0])
def test_the_inverse_of_trigamma_inverts_it(value: float) -> None:
    assert special.polygamma(1, comparison._inverse_trigamma(value)) == pytest.approx(value, rel=1e-6)


def test_moderated_variances_recover_the_prior_they_were_drawn_from() -> None:
    rng = np.random.default_rng(11)
    prior, common, own = 8.0, 1.7, 12
    true = common * prior / rng.chisquare(prior, 4000)
    ratios = true * rng.chisquare(own, 4000) / own
    shrunk, degrees = comparison.moderated(ratios, np.full(4000, float(own)))
    assert degrees[0] - own == pytest.approx(prior, rel=0.15)
    slope = own / (own + degrees[0] - own)
    assert np.polyfit(ratios, shrunk, 1)[0] == pytest.approx(slope, rel=1e-6)
    assert np.mean((shrunk - true) ** 2) < 0.8 * np.mean((ratios - true) ** 2)


def test_alike_variances_borrow_everything_and_two_series_borrow_nothing() -> None:
    same, degrees = comparison.moderated(np.full(10, 1.3), np.full(10, 20.0))
    assert degrees.min() > 1000
    assert same == pytest.approx(np.full(10, same[0]), rel=0.01)
    alone, degrees = comparison.moderated(np.array([0.4, 3.0]), np.array([20.0, 20.0]))
    assert alone.tolist() == [0.4, 3.0]
    assert degrees.tolist() == [20.0, 20.0]


def test_without_day_effects_the_p_value_is_that_of_the_two_sample_score_test() -> None:
    rng = np.random.default_rng(3)
    n, days = 400, 28
    y = rng.binomial(n, 0.9, days).astype(float)
    base = Daily((y / n)[None, :], np.full((1, days), 0.09 / n), np.full((1, days), float(n)))
    window = Daily(np.array([[0.88]]), np.array([[0.09 / n]]), np.array([[float(n)]]))
    found = comparison.difference(base, window, np.zeros(days, dtype=int), np.zeros(1, dtype=int))
    spread = found.dispersion
    if spread.tau2 == 0:
        error = math.sqrt(float(spread.factor[0]) * (0.09 / n + 0.09 / (n * days)))
        expected = 2 * stats.t.sf(abs(0.88 - y.mean() / n) / error, found.degrees[0])
        assert found.p_value[0] == pytest.approx(expected, rel=1e-6)
    assert found.ci_low[0] < 0.88 - y.mean() / n < found.ci_high[0]


@pytest.mark.parametrize(("day_effect", "weekday"), [(0.0, 0.0), (0.01, 0.0), (0.01, 0.03), (0.03, 0.0)])
def test_p_values_of_ordinary_weeks_are_uniform_whatever_days_do(day_effect: float, weekday: float) -> None:
    rng = np.random.default_rng(29)
    lakes, series, days = 250, 5, 30
    week = np.arange(days) % 7
    first, last = slice(0, 28), slice(28, 30)
    truth = 0.9 + weekday * (week >= 5)
    p_values, covered = [], []
    for _ in range(lakes):
        sampling = 0.09 / rng.integers(100, 3000, series)[:, None] * np.ones(days)
        shared = rng.normal(0, day_effect, days)
        value = truth + shared + rng.normal(0, np.sqrt(sampling))
        found = comparison.difference(
            Daily(value[:, first], sampling[:, first], 0.09 / sampling[:, first]),
            Daily(value[:, last], sampling[:, last], 0.09 / sampling[:, last]),
            week[first],
            week[last],
        )
        p_values.append(found.p_value)
        low, high = found.ci_low + found.expected, found.ci_high + found.expected
        covered.append((low <= truth[last].mean()) & (truth[last].mean() <= high))
    share = np.mean(np.array(p_values) < 0.1)
    assert 0.06 < share < 0.14
    assert np.mean(np.array(p_values) < 0.01) < 0.02
    assert 0.9 < np.mean(covered) < 0.995


def test_slices_that_share_their_days_lend_each_other_no_freedom_about_days() -> None:
    rng = np.random.default_rng(31)
    shared, sampling = rng.normal(0, 0.02, 30), np.full((40, 30), 1e-6)
    value = 0.9 + shared + rng.normal(0, 1e-3, (40, 30))
    daily, week = Daily(value, sampling, np.ones((40, 30))), np.arange(30) % 7
    first, last = np.arange(30) < 28, np.arange(30) >= 28
    found = comparison.difference(daily.on(first), daily.on(last), week[first], week[last])
    assert found.degrees.max() < 22, (
        "28 days leave 21 degrees about 7 weekdays, however many slices show them"
    )


@pytest.mark.parametrize("days", [3, 5, 7, 9])
def test_days_vary_in_a_baseline_too_short_for_weekdays_as_well(days: int) -> None:
    rng = np.random.default_rng(41)
    found = []
    for _ in range(150):
        value = 0.9 + rng.normal(0, 0.02, (5, days))
        daily = Daily(value, np.full((5, days), 1e-6), np.ones((5, days)))
        found.append(comparison.dispersion(daily, np.arange(days) % 7).tau2)
    assert np.mean(found) == pytest.approx(0.02**2, rel=0.3)


@pytest.mark.parametrize("expected", [0.05, 0.4, 3.0, 30.0])
def test_p_values_of_rare_events_are_about_those_of_poisson_s_distribution(expected: float) -> None:
    seen = int(stats.poisson.isf(0.002, expected)) + 1
    statistic = np.array([(seen - expected) / math.sqrt(expected)])
    found = comparison._p_value(statistic, np.array([1 / math.sqrt(expected)]), np.array([1e6]))[0]
    exact = 2 * stats.poisson.sf(seen - 1, expected)
    assert 0.7 * exact < found < 3 * exact
    mirrored = comparison._p_value(-statistic, np.array([-1 / math.sqrt(expected)]), np.array([1e6]))[0]
    assert mirrored == pytest.approx(found)


@given(
    p_values=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    seed=st.integers(0, 2**20),
)
def test_the_correction_is_benjamini_and_hochberg_s_step_up(p_values: list[float], seed: int) -> None:
    weights = np.random.default_rng(seed).uniform(0.2, 5, len(p_values))
    relative = [w / (sum(weights) / len(weights)) for w in weights]
    found = correction.adjusted(np.array(p_values), weights)
    weighted = [min(p / w, 1.0) for p, w in zip(p_values, relative, strict=True)]
    for level in (0.01, 0.05, 0.2, 0.6):
        ordered = sorted(weighted)
        kept = [k for k, p in enumerate(ordered, 1) if p <= level * k / len(ordered)]
        limit = ordered[kept[-1] - 1] if kept else -1.0
        rejected = [w <= limit and p <= level for w, p in zip(weighted, p_values, strict=True)]
        assert [bool(a <= level * (1 + 1e-12)) for a in found] == rejected


def test_what_was_not_tested_is_no_comparison() -> None:
    found = correction.adjusted(np.array([0.01, np.nan, 0.04]), np.ones(3))
    assert found[[0, 2]] == pytest.approx(stats.false_discovery_control([0.01, 0.04]))
    assert np.isnan(found[1])


def test_split_statistics_are_twice_the_gain_in_log_likelihood() -> None:
    rng = np.random.default_rng(8)
    values, variances = rng.normal(0, 1, 20), rng.uniform(0.3, 2, 20)
    statistics, steps = changepoints.split_statistics(values, variances)

    def fitted(v: np.ndarray, s: np.ndarray) -> tuple[float, float]:
        mean = (v / s).sum() / (1 / s).sum()
        return float(stats.norm.logpdf(v, mean, np.sqrt(s)).sum()), float(mean)

    whole, _ = fitted(values, variances)
    for day in range(1, 20):
        (left, before), (right, after) = (
            fitted(values[part], variances[part]) for part in (slice(0, day), slice(day, None))
        )
        assert statistics[day] == pytest.approx(2 * (left + right - whole))
        assert steps[day] == pytest.approx(after - before)


def test_changes_are_found_on_their_days_and_quiet_series_have_hardly_any() -> None:
    rng = np.random.default_rng(2)
    quiet = sum(bool(changepoints.segmented(rng.normal(0, 1, 60), np.ones(60))) for _ in range(400))
    assert quiet <= 8
    stepped = np.concatenate([np.zeros(20), np.full(20, -6.0), np.full(20, 1.0)]) + rng.normal(0, 1, 60)
    assert [c.day for c in changepoints.segmented(stepped, np.ones(60))] == [20, 40]
    assert changepoints.began(stepped, np.ones(60), -1.0).day == 20  # type: ignore[union-attr]


def test_days_without_rows_are_no_level() -> None:
    values = np.array([1.0, np.nan, 1.0, np.nan, np.nan, 9.0, 9.0, 9.0])
    change = changepoints.began(values, np.where(np.isnan(values), np.nan, 0.1), 1.0)
    assert change is not None
    assert change.day == 5
    assert changepoints.began(np.full(5, np.nan), np.full(5, np.nan), 1.0) is None
    assert changepoints.began(np.ones(5), np.ones(5), 1.0) is None


def test_the_distance_of_histograms_is_wasserstein_s() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(20))
    middles = (np.arange(20) + 0.5) / 20
    expected = stats.wasserstein_distance(middles, middles, first, second)
    assert distances.between(first, second, is_histogram=True) == pytest.approx(expected)


def test_daily_intervals_of_independent_claims_are_wilson_s() -> None:
    days = [frames(n, answers=300, claims=1, correlated=1e9) for n in range(3)]
    series = daily_series(cells(days)).filter(metric="supported_share", slice="all")
    for row in series.iter_rows(named=True):
        k, n = round(row["value"] * row["count"]), round(row["count"])
        low, high = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=2e-4)


def test_the_daily_series_is_what_counting_gives() -> None:
    days = month(4)
    series = daily_series(cells(days), slice_names=["agent=A&use_case=u0"])
    rows = pl.concat([d["verdicts"].join(d["outputs"], on="output_id") for d in days])
    counted = (
        rows.filter(agent="A", use_case="u0")
        .group_by(date=pl.col("produced_at").dt.date())
        .agg(value=(pl.col("verdict") == "supported").mean(), count=pl.len().cast(pl.Float64))
        .sort("date")
    )
    assert series.filter(metric="supported_share").select("date", "value", "count").equals(counted)
    assert series.columns == ["date", "slice", "metric", "value", "ci_low", "ci_high", "count"]


@pytest.mark.parametrize(
    ("supported", "asked", "later"), [(27, 30, 26), (21, 30, 20), (49, 56, 47), (54, 60, 52), (1, 1000, 2)]
)
def test_a_baseline_that_never_varies_makes_no_alarm_of_ordinary_chance(
    supported: int, asked: int, later: int
) -> None:
    share = supported / asked
    base = comparison.rates(_days(supported, asked, 28), np.array([share * (1 - share)]))
    window = comparison.rates(_days(later, asked, 2), np.array([share * (1 - share)]))
    difference = comparison.difference(base, window, np.arange(28) % 7, np.arange(2) % 7)
    assert difference.p_value[0] > 0.05
    assert difference.ci_high[0] - difference.ci_low[0] > 2 * abs(later - supported) / asked / 2


def _days(successes: int, trials: int, days: int) -> Sums:
    return sums_of([[(1.0, 1.0)] * successes + [(0.0, 1.0)] * (trials - successes)] * days)
