"""Reviewed pairs by their weights: what they are worth, and precision and recall as computed by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from tasks.verify import metrics
from tasks.verify.calibrate import calibrate, fit
from tasks.verify.risk import RiskParameters
from tasks.verify.weighted import accuracy, effective, evened

ROWS = pl.DataFrame(
    [
        ("contradicted", "contradicted", 2.0, "a"),
        ("insufficient", "contradicted", 1.0, "a"),
        ("supported", "insufficient", 1.0, "b"),
        ("supported", "supported", 10.0, "a"),
        ("not_supported", "supported", 4.0, "b"),
    ],
    schema=["label", "verdict", "weight", "agent"],
    orient="row",
)


def scored(count: int, seed: int) -> pl.DataFrame:
    """Pairs whose labels come true with their probabilities, most evidence twice."""
    random = np.random.default_rng(seed)
    p = random.dirichlet((0.6, 0.4, 0.8), size=count)
    codes = (p.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    names = ("p_supported", "p_contradicted", "p_insufficient")
    return pl.DataFrame(
        {
            "dataset": "reviews",
            "label": [("supported", "contradicted", "insufficient")[code] for code in codes],
            "evidence": [f"text {number // 2}" for number in range(count)],
            **{name: p[:, place] for place, name in enumerate(names)},
        }
    )


def test_precision_and_recall_are_those_computed_by_hand() -> None:
    """Called: weights 2, 1 and 1, of which 2 and 1 are right. Truly not supported: 2, 1 and 4."""
    whole, a, b = accuracy(ROWS).to_dicts()
    assert (whole["slice"], whole["rows"]) == ("all", 5)
    assert (whole["precision"], whole["recall"]) == (pytest.approx(3 / 4), pytest.approx(3 / 7))
    assert whole["effective_rows"] == pytest.approx(18**2 / (4 + 1 + 1 + 100 + 16))
    assert (a["value"], a["precision"], a["recall"]) == ("a", 1.0, 1.0)
    assert (b["value"], b["precision"], b["recall"]) == ("b", 0.0, 0.0)
    # 4 of weight called, worth 16 / 6 rows: Wilson's interval of 0.75 out of so many.
    p, n, z = 0.75, 16 / 6, 1.959963984540054
    middle, reach = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert whole["precision_low"] == pytest.approx((middle - reach) / (1 + z * z / n))
    assert whole["precision_high"] == pytest.approx((middle + reach) / (1 + z * z / n))


def test_of_equal_weights_the_interval_is_the_one_of_the_textbook() -> None:
    rows = pl.DataFrame(
        {"label": ["contradicted"] * 20, "verdict": ["contradicted"] * 15 + ["supported"] * 5, "weight": 7.0}
    )
    [whole] = accuracy(rows).to_dicts()
    interval = binomtest(15, 20).proportion_ci(method="wilson")
    assert (whole["recall_low"], whole["recall_high"]) == pytest.approx((interval.low, interval.high))
    assert whole["effective_rows"] == pytest.approx(20)


def test_what_nobody_called_has_no_precision() -> None:
    rows = pl.DataFrame({"label": ["supported"], "verdict": ["supported"], "weight": [1.0]})
    [whole] = accuracy(rows).to_dicts()
    assert [whole[name] for name in ("precision", "precision_low", "recall", "recall_high")] == [None] * 4


def test_rows_are_worth_fewer_the_more_their_weights_differ() -> None:
    assert effective(np.full(9, 3.0)) == pytest.approx(9)
    assert effective(np.array([8.0, 1.0, 1.0])) == pytest.approx(100 / 66)
    assert effective(np.zeros(0)) == 0.0


def test_data_sets_weigh_by_their_rows_whatever_their_weights_add_up_to() -> None:
    frame = pl.DataFrame({"dataset": ["a", "a", "b"], "weight": [100.0, 300.0, 2.0]})
    assert frame.select(evened(pl.col("weight")))["weight"].to_list() == [0.5, 1.5, 1.0]


def test_weighted_figures_are_those_of_rows_repeated_as_often() -> None:
    random = np.random.default_rng(3)
    stated, hit, times = random.random(200), random.random(200) < 0.4, random.integers(1, 6, 200)
    again, happened = np.repeat(stated, times), np.repeat(hit, times)
    weights = times.astype(float)
    for name in ("expected_calibration_error", "balanced_calibration_error", "brier"):
        figure = getattr(metrics, name)
        assert figure(stated, hit, weights=weights) == pytest.approx(figure(again, happened)), name
    said = (stated > 0.5) * 1
    assert metrics.balanced_accuracy(hit * 1, said, 2, weights=weights) == pytest.approx(
        metrics.balanced_accuracy(happened * 1, np.repeat(said, times), 2)
    )


def test_a_fit_learns_the_share_that_the_weights_say_and_not_that_of_the_rows() -> None:
    """Every supported row weighs nine times: the bias of support moves by the logarithm of nine."""
    frame = scored(4000, 5)
    p = frame.select("p_supported", "p_contradicted", "p_insufficient").to_numpy()
    codes = frame["label"].replace_strict({"supported": 0, "contradicted": 1, "insufficient": 2}).to_numpy()
    plain, heavy = fit(p, codes), fit(p, codes, None, np.where(codes == 0, 9.0, 1.0))
    assert heavy.bias - plain.bias == pytest.approx(np.log(9), abs=0.15)


@settings(max_examples=10)
@given(st.floats(0.01, 100.0), st.integers(0, 5))
def test_pairs_of_equal_weight_are_pairs_without_any(weight: float, seed: int) -> None:
    frame = scored(60, seed)
    plain, same = (calibrate(f, RiskParameters()) for f in (frame, frame.with_columns(weight=weight)))
    assert not same.is_weighted
    left, right = plain.calibration.as_dict(), same.calibration.as_dict()
    assert left == pytest.approx(right, abs=1e-9)
    assert plain.thresholds == same.thresholds
    assert plain.accuracy.select(pl.col(pl.Float64).round(9)).equals(
        same.accuracy.select(pl.col(pl.Float64).round(9))
    )
