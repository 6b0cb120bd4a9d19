"""Metrics, calibration, the regression and the reading of labels, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tasks.errors import ModelError
from tasks.verify import metrics, softmax
from tasks.verify.labels import CODES, read_labels
from training import fusion, regression


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_present():
    truth, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    assert metrics.recalls(truth, predicted, 2).tolist() == [0.75, 0.5]
    assert metrics.balanced_accuracy(truth, predicted, 2) == 0.625
    assert np.isnan(metrics.recalls(truth, predicted, 3)[2])
    assert metrics.balanced_accuracy(truth, predicted, 3) == 0.625


def test_the_interval_holds_the_estimate_and_narrows_with_rows():
    truth = np.tile([0, 1], 50)
    predicted = np.where(np.arange(100) % 5 == 0, 1 - truth, truth)
    low, high = metrics.balanced_accuracy_interval(truth, predicted, 2)
    assert low < metrics.balanced_accuracy(truth, predicted, 2) < high
    wide = high - low
    low, high = metrics.balanced_accuracy_interval(np.tile(truth, 16), np.tile(predicted, 16), 2)
    assert high - low == pytest.approx(wide / 4, rel=0.2)


def test_calibration_error_is_the_gap_between_statement_and_frequency():
    assert metrics.expected_calibration_error(np.full(10, 0.9), np.arange(10) < 6) == pytest.approx(0.3)
    assert metrics.expected_calibration_error(np.full(10, 1.0), np.ones(10)) == 0.0
    assert metrics.brier(np.array([0.5, 1.0]), np.array([1, 1])) == 0.125


def test_a_temperature_takes_back_the_factor_by_which_logits_are_too_sure():
    random = np.random.default_rng(1)
    logits = random.normal(size=(4000, 3)) * 2
    codes = (softmax.softmax(logits).cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    assert regression.fit_temperature(logits * 3, codes) == pytest.approx(3.0, rel=0.1)


def labelled(count=1500):
    random = np.random.default_rng(3)
    values = random.normal(size=(count, 2))
    codes = np.where(values[:, 0] > 0, 0, np.where(values[:, 1] > 0, 1, 2))
    return values, codes


def test_the_regression_learns_three_classes_and_survives_a_round_trip():
    values, codes = labelled()
    model = regression.fit(values, codes, np.ones(len(codes)))
    assert (model.logits(values).argmax(axis=1) == codes).mean() > 0.9
    again = softmax.Softmax.from_lists(model.to_lists())
    assert np.array_equal(again.logits(values), model.logits(values))


def test_rows_that_are_only_not_supported_move_the_margin_of_support_alone():
    values, codes = labelled()
    coarse = codes.copy()
    coarse[: len(codes) // 2][codes[: len(codes) // 2] > 0] = CODES["not_supported"]
    model = regression.fit(values, coarse, np.ones(len(codes)))
    predicted = model.logits(values).argmax(axis=1)
    assert (predicted == codes).mean() > 0.9
    only_coarse = regression.fit(values, np.where(codes == 0, 0, CODES["not_supported"]), np.ones(len(codes)))
    p = softmax.softmax(only_coarse.logits(values))
    assert ((p[:, 0] > 0.5) == (codes == 0)).mean() > 0.9
    assert np.allclose(p[:, 1], p[:, 2], atol=1e-3)


@pytest.mark.parametrize(
    ("labels", "columns"),
    [
        (["entailment", "neutral", "contradiction"], (0, 2, 1)),
        (["CONTRADICTION", "ENTAILMENT", "NEUTRAL"], (1, 0, 2)),
        (["REFUTES", "NOT ENOUGH INFO", "SUPPORTS"], (1, 2, 0)),
        (["not_entailment", "entailment"], (2, 0)),
        (["consistent", "hallucinated"], (0, 2)),
        (["LABEL_0"], (0,)),
        (["hallucination"], (2,)),
    ],
)
def test_label_order_is_read_from_the_configuration(labels, columns):
    assert read_labels({"id2label": dict(enumerate(labels))}, "m").columns == columns


@pytest.mark.parametrize(
    "labels", [["LABEL_0", "LABEL_1", "LABEL_2"], ["0", "1"], ["neutral", "contradiction"], ["joy", "anger"]]
)
def test_labels_that_say_nothing_are_refused_and_shown(labels):
    with pytest.raises(ModelError, match=repr(labels[0])):
        read_labels({"id2label": dict(enumerate(labels))}, "m")


def test_one_logit_is_read_through_the_logistic_function():
    p = read_labels({"id2label": {"0": "LABEL_0"}}, "m").probabilities(np.array([[0.0], [1000.0]]))
    assert p.tolist() == [[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]


def test_the_balanced_calibration_error_does_not_know_how_common_the_event_is() -> None:
    stated = np.repeat([0.2, 0.8], [500, 500])
    hit = np.concatenate([np.arange(500) < 100, np.arange(500) < 400])
    rare = np.concatenate([np.flatnonzero(~hit), np.flatnonzero(hit)[::10]])
    assert metrics.balanced_calibration_error(stated, hit) == pytest.approx(0.0, abs=1e-12)
    assert metrics.expected_calibration_error(stated[rare], hit[rare]) > 0.2
    assert metrics.balanced_calibration_error(stated[rare], hit[rare]) == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(metrics.balanced_calibration_error(np.array([0.5]), np.array([True])))


@pytest.mark.parametrize(("rows", "least", "most"), [(350, 0.04, 0.09), (35_000, 0.0, 0.01)])
def test_chance_alone_looks_like_miscalibration_where_rows_are_few(
    rows: int, least: float, most: float
) -> None:
    stated = np.random.default_rng(1).random(rows)
    assert least < metrics.calibration_error_by_chance(stated) < most


def test_a_temperature_cools_the_odds_of_support_and_carries_nobody_over_one_half():
    random = np.random.default_rng(5)
    logits = random.normal(size=(500, 3)) * 3
    plain = softmax.softmax(logits)
    cool = softmax.cooled(logits, 2.5)
    assert cool.sum(axis=1) == pytest.approx(1.0)
    assert ((cool[:, 0] >= 0.5) == (plain[:, 0] >= 0.5)).all()
    assert np.abs(cool[:, 0] - 0.5).max() < np.abs(plain[:, 0] - 0.5).max()
    assert cool[:, 1] / cool[:, 2] == pytest.approx(plain[:, 1] / plain[:, 2])
    assert softmax.cooled(logits, 1.0) == pytest.approx(plain)


def test_contradictions_and_silence_weigh_the_same_and_their_sum_stays():
    labels = pl.Series(
        ["supported", "contradicted", "contradicted", "contradicted", "insufficient", "not_supported"]
    )
    evened = fusion.evened(np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.5]), labels)
    assert evened.tolist() == pytest.approx([1.0, 2 / 3, 2 / 3, 2 / 3, 2.0, 0.5])
    only = pl.Series(["supported", "contradicted"])
    assert fusion.evened(np.array([1.0, 2.0]), only).tolist() == [1.0, 2.0]
