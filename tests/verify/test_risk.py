"""Thresholds with a guarantee, tried on many drawn worlds whose true risk is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from tasks.verify.risk import RiskParameters, Threshold, least_rows, propose, sentence, upper_bound

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


def world(risk: Risk, rows: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Two halves of (probabilities from 0.5 up, most of them high; whether wrong, by the true risk)."""
    random = np.random.default_rng(seed)
    said = 0.5 + 0.5 * random.random((2, rows)) ** 0.5
    wrong = random.random((2, rows)) < risk(said)
    return [(said[0], wrong[0]), (said[1], wrong[1])]


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
    learned = (np.full(200, 0.955), np.zeros(200, bool))
    found = propose(learned, (said, wrong))
    assert found.threshold == 0.76
    assert (found.reached, found.wrong) == (200, 0)
    assert upper_bound(np.array([20]), np.array([5220]), 0.95)[0] < 0.05


def test_a_threshold_counts_what_stands_exactly_at_it():
    rows = (np.full(100, 0.95), np.zeros(100, bool))
    found = propose(rows, rows, RiskParameters(loosest=95))
    assert (found.threshold, found.reached) == (0.95, 100)


def test_where_none_qualifies_the_sentence_says_so_with_the_bound():
    rows = (np.full(120, 0.905), np.arange(120) % 10 == 0)
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
    nothing = (np.zeros(0), np.zeros(0, bool))
    assert propose(nothing, nothing).threshold is None
