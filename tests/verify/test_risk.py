"""Thresholds with a guarantee, tried on many drawn worlds whose true risk is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from tasks.verify.risk import (
    BETS,
    RiskParameters,
    Rows,
    Threshold,
    Weighted,
    least_rows,
    propose,
    sentence,
    upper_bound,
    weighted_bounds,
)

PARAMETERS = RiskParameters()
DRAWS = 500
Risk = Callable[[np.ndarray], np.ndarray]


@pytest.mark.parametrize(("wrong", "count"), [(0, 59), (0, 1), (3, 80), (80, 80), (12, 500)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_upper_bound_is_the_exact_binomial_one(wrong, count, confidence):
    two_sided = binomtest(wrong, count).proportion_ci(2 * confidence - 1, method="exact")
    assert upper_bound(np.array([wrong]), np.array([count]), confidence)[0] == pytest.approx(two_sided.high)


def test_of_no_rows_nothing_is_known_and_few_can_never_suffice():
    assert upper_bound(np.array([0]), np.array([0]), 0.95).tolist() == [1.0]
    assert least_rows(PARAMETERS) == 59
    bounds = upper_bound(np.array([0, 0]), np.array([58, 59]), 0.95)
    assert (bounds <= 0.05).tolist() == [False, True]


def world(risk: Risk, rows: int, seed: int) -> list[Rows]:
    """Two halves of (probabilities from 0.5 up, most of them high; whether wrong, by the true risk)."""
    random = np.random.default_rng(seed)
    said = 0.5 + 0.5 * random.random((2, rows)) ** 0.5
    wrong = random.random((2, rows)) < risk(said)
    return [Rows.of(said[0], wrong[0]), Rows.of(said[1], wrong[1])]


def true_risk(risk: Risk, threshold: float) -> float:
    """Exactly, from the quantiles of what `world` says."""
    said = 0.5 + 0.5 * ((np.arange(20_000) + 0.5) / 20_000) ** 0.5
    return float(risk(said[said >= threshold]).mean())


@pytest.mark.parametrize(
    "risk",
    [
        pytest.param(lambda p: np.full(p.shape, 0.052), id="a little too much everywhere"),
        pytest.param(lambda p: np.clip(1 - p, 0, 1), id="calibrated"),
        pytest.param(lambda p: 0.2 * (1 - p), id="too modest"),
        pytest.param(lambda p: np.where(p > 0.9, 0.12, 0.01), id="worst where it is surest"),
        pytest.param(lambda p: np.where(p > 0.93, 0.01, 0.10), id="good only at the top"),
    ],
)
@pytest.mark.parametrize("rows", [150, 600])
def test_the_true_risk_exceeds_the_allowed_one_in_at_most_one_of_twenty_draws(risk, rows):
    exceeded = 0
    known: dict[float, float] = {}
    for seed in range(DRAWS):
        threshold = propose(*world(risk, rows, seed)).threshold
        if threshold is not None:
            known.setdefault(threshold, true_risk(risk, threshold))
            exceeded += known[threshold] > PARAMETERS.risk
    # What a procedure at exactly 5% exceeds with probability 1 in 1,000.
    assert exceeded <= binom.isf(0.001, DRAWS, 1 - PARAMETERS.confidence)


def test_a_verifier_that_is_good_enough_gets_its_threshold_and_more_rows_loosen_it():
    def risk(p: np.ndarray) -> np.ndarray:
        return 0.05 * (1 - p)

    few, many = ([propose(*world(risk, rows, seed)) for seed in range(50)] for rows in (150, 600))
    assert sum(t.threshold is not None for t in few) > 30
    assert all(t.threshold == 0.5 and t.share == 1.0 for t in many)


def test_the_walk_stops_at_the_first_threshold_that_fails():
    """Between two good stretches lies a bad one; what is below it must not be reached by leaping."""
    said = np.repeat([0.955, 0.755, 0.555], [200, 20, 5000])
    wrong = np.repeat([False, True, False], [200, 20, 5000])
    learned = Rows.of(np.full(200, 0.955), np.zeros(200, bool))
    found = propose(learned, Rows.of(said, wrong))
    assert found.threshold == 0.76
    assert (found.reached, found.wrong) == (200, 0)
    assert upper_bound(np.array([20]), np.array([5220]), 0.95)[0] < 0.05


def test_a_threshold_counts_what_stands_exactly_at_it():
    rows = Rows.of(np.full(100, 0.95), np.zeros(100, bool))
    found = propose(rows, rows, RiskParameters(loosest=95))
    assert (found.threshold, found.reached) == (0.95, 100)


def test_where_none_qualifies_the_sentence_says_so_with_the_bound():
    rows = Rows.of(np.full(120, 0.905), np.arange(120) % 10 == 0)
    found = propose(rows, rows)
    assert found.threshold is None
    assert found.upper_bound > PARAMETERS.risk
    said = sentence("supported", found, PARAMETERS)
    assert said == (
        "no threshold keeps the share of wrong 'supported' at or under 0.05 with 0.95 confidence on 120 "
        f"rows; the most promising one, 0.90, keeps it under {found.upper_bound:.3f} only (12 of 120 wrong)"
    )


def test_where_one_qualifies_the_sentence_says_what_it_costs():
    found = Threshold(0.73, 0.9, 400, 200, 4, 0.0451)
    assert sentence("supported", found, PARAMETERS) == (
        "threshold_supported = 0.73 keeps the share of wrong 'supported' at or under 0.05 with 0.95 "
        "confidence on 400 rows: 4 of 200 wrong, at most 0.045; 50.0% of the rows stay supported"
    )


def test_without_rows_there_is_no_threshold():
    nothing = Rows.of(np.zeros(0), np.zeros(0, bool))
    assert propose(nothing, nothing).threshold is None


# Rows that stand for unequal numbers of others -------------------------------------------------------------


def test_the_bet_against_a_share_is_won_where_the_product_of_its_factors_says():
    """Ten right rows of weight 2, thirty of weight 1, one wrong of weight 1; the bet is 0.6 of the most."""
    right, wrong, weights = np.array([[30, 10]]), np.array([[1, 0]]), np.array([1.0, 2.0])
    bound = weighted_bounds(right, wrong, weights, 0.95)[BETS.index(0.6), 0]
    odds = bound / (1 - bound)
    assert (1 + 0.3 * odds) ** 30 * (1 + 0.6 * odds) ** 10 * (1 - 0.3) == pytest.approx(20, rel=1e-6)


def test_where_none_is_wrong_as_many_rows_are_needed_as_of_equal_weight():
    counts = np.array([[58], [59]])
    bounds = weighted_bounds(counts, np.zeros((2, 1)), np.ones(1), 0.95).min(axis=0)
    assert (bounds <= 0.05).tolist() == [False, True]
    assert bounds[1] == pytest.approx(upper_bound(np.array([0]), np.array([59]), 0.95)[0], abs=1e-3)


def queue(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What people read of 4,000 claims: of the surest, 6% of which are wrong, every one that a second look
    finds easy (none of them wrong) and a tenth of the rest."""
    random = np.random.default_rng(seed)
    wrong = random.random(4000) < 0.06
    easy = ~wrong & (random.random(4000) < 0.3)
    read = easy | (random.random(4000) < 0.1)
    return np.full(read.sum(), 0.955), wrong[read], np.where(easy, 1.0, 10.0)[read]


def test_weighted_rows_keep_the_promise_that_the_same_rows_unweighted_break():
    exceeded = {"weighted": 0, "unweighted": 0}
    draws = 60
    for seed in range(draws):
        for name in exceeded:
            halves = [queue(2 * seed + half) for half in (0, 1)]
            learned, tested = (Rows.of(p, w, v if name == "weighted" else None) for p, w, v in halves)
            exceeded[name] += propose(learned, tested).threshold is not None
    assert exceeded["weighted"] <= binom.isf(0.001, draws, 1 - PARAMETERS.confidence)
    assert exceeded["unweighted"] > draws / 2


def test_weighted_rows_that_are_good_enough_get_their_threshold():
    random = np.random.default_rng(1)
    weights = np.where(random.random(800) < 0.5, 1.0, 8.0)
    rows = Rows.of(np.full(800, 0.955), random.random(800) < 0.005, weights)
    found = propose(rows, rows)
    assert found.threshold == 0.5
    assert found.weighted is not None
    assert found.weighted.share == 1.0
    assert found.weighted.wrong_share == pytest.approx(weights @ rows.wrong / weights.sum())
    assert found.weighted.effective_rows == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert found.wrong / found.reached < found.upper_bound < 0.05
    assert found.as_dict()["bound"] == "betting"


@settings(max_examples=20)
@given(st.floats(1e-3, 1e3), st.integers(0, 20))
def test_rows_of_equal_weight_are_rows_without_any(weight, seed):
    learned, tested = world(lambda p: 0.1 * (1 - p), 150, seed)
    same = [Rows(r.probability, r.wrong, np.full(150, weight)) for r in (learned, tested)]
    assert propose(*same) == propose(learned, tested)


def test_the_sentence_of_weighted_rows_says_what_they_stand_for():
    found = Threshold(0.73, 0.9, 400, 200, 4, 0.0451, Weighted(120.4, 0.61, 0.012))
    assert sentence("supported", found, PARAMETERS) == (
        "threshold_supported = 0.73 keeps the share of wrong 'supported' at or under 0.05 with 0.95 "
        "confidence on 400 rows: 4 of 200 wrong, 1.2% of what they stand for (worth 120 rows), at most "
        "0.045; 61.0% of what the rows stand for stay supported"
    )
