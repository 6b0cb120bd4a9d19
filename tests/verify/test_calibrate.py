"""Calibration to one's own labelled pairs: what it may move, what it never moves, what 20 rows can do."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.verify import metrics
from tasks.verify.calibrate import LocalParameters, cross_fitted, fit, parts
from tasks.verify.calibration import FLOOR, Calibration, is_read

SUPPORTED, CONTRADICTED, INSUFFICIENT, NOT_SUPPORTED = range(4)

rows = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda v: (v[0], (1 - v[0]) * v[1])),
    min_size=1,
    max_size=30,
).map(lambda found: np.array([(s, c, 1.0 - s - c) for s, c in found]).clip(0.0))
calibrations = st.builds(
    Calibration, st.floats(0.05, 20), st.floats(-20, 20), st.floats(0.05, 20), st.floats(-20, 20)
)


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes, and labels that come true with them."""
    random = np.random.default_rng(seed)
    p = random.dirichlet((0.6, 0.4, 0.8), size=count)
    return p, (p.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)


@given(rows, calibrations)
def test_probabilities_stay_probabilities_in_the_order_of_their_support(p, calibration):
    after = calibration.apply(p)
    assert ((after >= 0) & (after <= 1)).all()
    assert after.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    # A row that was not read stays at no support, however much a bias lifts those that were.
    read = is_read(p)
    order = np.argsort(p[read, 0], kind="stable")
    assert (np.diff(after[read][order, 0]) >= -1e-15).all()


@given(rows)
def test_no_calibration_changes_nothing_that_a_table_would_show(p):
    assert Calibration().apply(p) == pytest.approx(p, abs=2 * FLOOR)


@given(calibrations, st.floats(0.001, 0.999))
def test_what_was_not_read_and_what_the_verifier_never_says_stay_as_they_are(calibration, support):
    p = np.array([[0.0, 0.0, 1.0], [support, 0.0, 1 - support], [support, 1 - support, 0.0]])
    after = calibration.apply(p)
    assert after[0].tolist() == [0.0, 0.0, 1.0]
    assert after[1, 1] == 0.0
    assert after[2, 2] == pytest.approx(0.0, abs=1e-12)


def test_what_is_calibrated_already_is_left_alone():
    found = fit(*drawn(20_000, 1))
    assert (found.temperature, found.rest_temperature) == pytest.approx((1.0, 1.0), abs=0.06)
    assert (found.bias, found.rest_bias) == pytest.approx((0.0, 0.0), abs=0.1)


def test_a_distortion_is_taken_back():
    p, codes = drawn(20_000, 2)
    distorted = Calibration(0.4, 1.2, 2.0, -0.7).apply(p)
    assert metrics.expected_calibration_error(distorted[:, 0], codes == SUPPORTED) > 0.1
    after = fit(distorted, codes).apply(distorted)
    for column in (SUPPORTED, CONTRADICTED, INSUFFICIENT):
        assert metrics.expected_calibration_error(after[:, column], codes == column) < 0.015
    assert np.abs(after - p).mean() < 0.02


def test_twenty_reviews_can_do_little_harm_and_the_prior_is_why():
    """Of a verifier that needs no calibration; `wide` believes anything beforehand."""
    wide = LocalParameters(temperature_scale=5.0, bias_scale=10.0)
    p, codes = drawn(2000, 3)
    hit = codes == SUPPORTED
    harm: dict[str, list[float]] = {"prior": [], "wide": []}
    for seed in range(30):
        few = np.random.default_rng(seed).permutation(2000)[:20]
        for name, parameters in (("prior", None), ("wide", wide)):
            after = fit(p[few], codes[few], parameters).apply(p)
            harm[name].append(metrics.brier(after[:, 0], hit) - metrics.brier(p[:, 0], hit))
    assert np.mean(harm["prior"]) < 0.01
    assert np.mean(harm["prior"]) < np.mean(harm["wide"]) / 2


def test_labels_that_only_say_not_supported_move_nothing_among_the_rest():
    p, codes = drawn(500, 4)
    two_way = np.where(codes == SUPPORTED, SUPPORTED, NOT_SUPPORTED)
    found = fit(p, two_way)
    assert (found.rest_temperature, found.rest_bias) == (1.0, 0.0)
    three_way = fit(p, codes)
    assert (found.temperature, found.bias) == (three_way.temperature, three_way.bias)
    after = found.apply(p)
    assert after[:, 1] / after[:, 2] == pytest.approx(p[:, 1] / p[:, 2])


def test_reviews_without_an_insufficient_claim_do_not_say_that_there_is_none():
    p, codes = drawn(500, 5)
    seen = codes != INSUFFICIENT
    assert fit(p[seen], codes[seen]).rest_bias == 0.0


def test_a_biased_share_of_supported_is_learned_because_classes_are_not_balanced():
    p, codes = drawn(20_000, 6)
    keep = (codes != SUPPORTED) | (np.arange(len(codes)) % 5 == 0)
    found = fit(p[keep], codes[keep])
    assert found.bias == pytest.approx(np.log(1 / 5), abs=0.1)


def test_pairs_that_were_not_read_have_no_part_in_the_fit():
    p, codes = drawn(300, 7)
    unread = np.tile([0.0, 0.0, 1.0], (200, 1))
    labels = np.full(200, SUPPORTED)
    assert fit(np.vstack([p, unread]), np.concatenate([codes, labels])) == fit(p, codes)
    assert fit(unread, labels) == Calibration()


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.integers(1, 6), st.integers(0, 5))
def test_equal_evidence_is_in_one_part_and_parts_have_as_many_texts(numbers, count, seed):
    evidence = pl.Series([f"text {number}" for number in numbers])
    part = parts(evidence, count, seed)
    frame = pl.DataFrame({"evidence": evidence, "part": part})
    distinct = frame.unique()
    assert distinct["evidence"].is_unique().all()
    sizes = distinct.group_by("part").len()["len"].to_list() + [0] * (count - distinct["part"].n_unique())
    assert max(sizes) - min(sizes) <= 1
    backwards = parts(evidence.reverse(), count, seed)
    assert backwards[::-1].tolist() == part.tolist()


def test_another_seed_divides_otherwise():
    evidence = pl.Series([str(number) for number in range(100)])
    assert parts(evidence, 2, 7).tolist() != parts(evidence, 2, 8).tolist()


@given(st.integers(0, 4))
def test_no_row_is_judged_by_a_calibration_that_saw_a_label_of_its_fold(each):
    p, codes = drawn(200, 8)
    fold = np.arange(200) % 5
    held = fold == each
    lies = np.where(held, (codes + 1) % 3, codes)
    honest, told = cross_fitted(p, codes, fold), cross_fitted(p, lies, fold)
    assert (honest[held] == told[held]).all()
    assert (honest[~held] != told[~held]).any()


@given(calibrations)
def test_a_calibration_survives_a_file(calibration):
    assert Calibration.from_dict(json.loads(json.dumps(calibration.as_dict()))) == calibration


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 0}, "temperature is 0, expected a number from 0.05 to 20.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"rest_temperature": 1e9}, "rest_temperature is 1000000000.0"),
        ({"bias": float("-inf")}, "bias is -inf, expected a number from -20.0 to 20.0"),
        ({"bias": "0.5"}, "bias is '0.5'"),
        ({"bias": True}, "bias is True"),
        ({"rest_bias": None}, "rest_bias is None"),
        ({"bias": [1, 2, 3]}, "bias is [1, 2, 3]"),
    ],
)
def test_parameters_that_no_fit_gives_are_refused_in_words(change, said):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is what is tested
        Calibration.from_dict(Calibration().as_dict() | change)
    assert said in str(caught.value)


def test_log_loss_of_a_row_that_says_only_not_supported_is_of_exactly_that():
    p = np.array([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])
    codes = np.array([CONTRADICTED, NOT_SUPPORTED, SUPPORTED])
    assert metrics.log_loss(p, codes) == pytest.approx(-np.log([0.25, 0.8, 1e-6]).mean())
    assert np.isnan(metrics.log_loss(p[:0], codes[:0]))
