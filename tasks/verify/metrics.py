"""How good verdicts are: balanced accuracy, recall, calibration, each with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.tables import PROBABILITIES
from tasks.verify.labels import CODES


@dataclass(frozen=True)
class MetricParameters:
    """How figures are estimated."""

    bins: int = 15
    """Equal-width bins of calibration error, the number the literature uses (Guo et al., ICML 2017)."""
    resamples: int = 1000
    """Bootstrap resamples: the ends of a 95% interval then move by about a tenth of its width."""
    confidence: float = 0.95
    seed: int = 0


def recalls(
    truth: np.ndarray, predicted: np.ndarray, classes: int, *, weights: np.ndarray | None = None
) -> np.ndarray:
    """(classes,) share of each class's rows that were predicted as it; NaN for a class without rows."""
    share = np.ones(len(truth)) if weights is None else weights
    totals = np.bincount(truth, share, minlength=classes)
    hits = np.bincount(truth, share * (truth == predicted), minlength=classes)
    shares: np.ndarray = np.divide(hits, totals, out=np.full(classes, np.nan), where=totals > 0)
    return shares


def balanced_accuracy(
    truth: np.ndarray, predicted: np.ndarray, classes: int, *, weights: np.ndarray | None = None
) -> float:
    """Mean recall over the classes that have rows; NaN for no rows."""
    each = recalls(truth, predicted, classes, weights=weights)
    return float(each[~np.isnan(each)].mean()) if (~np.isnan(each)).any() else float("nan")


def balanced_accuracy_interval(
    truth: np.ndarray, predicted: np.ndarray, classes: int, parameters: MetricParameters | None = None
) -> tuple[float, float]:
    """Bootstrap percentile interval of the balanced accuracy, resampled within each class.

    Within a class the number of hits in a resample is binomial, so resamples are drawn from that instead
    of moving rows about: exact, and the cost does not depend on the number of rows.
    """
    parameters = parameters or MetricParameters()
    totals = np.bincount(truth, minlength=classes)
    present = totals > 0
    if not present.any():
        return float("nan"), float("nan")
    recall = recalls(truth, predicted, classes)[present]
    random = np.random.default_rng(parameters.seed)
    hits = random.binomial(totals[present], recall, size=(parameters.resamples, int(present.sum())))
    values = (hits / totals[present]).mean(axis=1)
    tail = (1.0 - parameters.confidence) / 2
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def expected_calibration_error(
    probability: np.ndarray,
    hit: np.ndarray,
    parameters: MetricParameters | None = None,
    *,
    weights: np.ndarray | None = None,
) -> float:
    """Mean distance between stated probability and frequency over equal-width bins, weighted by rows.

    Args:
        probability: (n,) stated probability of the event.
        hit: (n,) whether it happened.
        parameters: number of bins.
        weights: (n,) of the rows; equal without.
    """
    parameters = parameters or MetricParameters()
    if len(probability) == 0:
        return float("nan")
    bins = parameters.bins
    share = np.ones(len(probability)) if weights is None else weights
    at = np.minimum((probability * bins).astype(int), bins - 1)
    stated = np.bincount(at, weights=share * probability, minlength=bins)
    happened = np.bincount(at, weights=share * hit, minlength=bins)
    return float(np.abs(stated - happened).sum() / share.sum())


def balanced_calibration_error(
    probability: np.ndarray,
    hit: np.ndarray,
    parameters: MetricParameters | None = None,
    *,
    weights: np.ndarray | None = None,
) -> float:
    """Calibration error with rows weighted so that the event is as common as not.

    A probability that was fitted for equal shares cannot know a file's own share; this leaves that out.
    NaN where only one of the two is there.
    """
    if not len(hit) or np.all(hit) or not np.any(hit):
        return float("nan")
    stated = np.ones(len(hit)) if weights is None else weights
    share = float(np.average(hit, weights=stated))
    evened = stated * np.where(hit, 0.5 / share, 0.5 / (1.0 - share))
    return expected_calibration_error(probability, hit, parameters, weights=evened)


def calibration_error_by_chance(
    probability: np.ndarray,
    parameters: MetricParameters | None = None,
    draws: int = 100,
    *,
    weights: np.ndarray | None = None,
) -> float:
    """Calibration error that a perfectly calibrated verifier would show on as many rows, on average.

    The estimate is biased upwards where bins hold few rows (Roelofs et al., AISTATS 2022): outcomes are
    drawn with the stated probabilities and judged the same way.
    """
    parameters = parameters or MetricParameters()
    if len(probability) == 0:
        return float("nan")
    random = np.random.default_rng(parameters.seed)
    drawn = (random.random(len(probability)) < probability for _ in range(draws))
    errors = [expected_calibration_error(probability, hit, parameters, weights=weights) for hit in drawn]
    return float(np.mean(errors))


def log_loss(probabilities: np.ndarray, codes: np.ndarray, *, weights: np.ndarray | None = None) -> float:
    """Mean −log of the probability of what a row is labelled, in nats; 0 is best.

    Of (n, 3) probabilities and (n,) codes of `labels.CODES`; of a row that says only *not supported*, the
    probability of that. Probabilities below a millionth, which tables do not hold, count as a millionth.
    """
    if not len(codes):
        return float("nan")
    losses = -np.log(np.maximum(of_label(probabilities, codes), 1e-6))
    return float(np.average(losses, weights=weights))


def of_label(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(n,) probability of each row's label; of a row that says only *not supported*, of both others together.

    Args:
        probabilities: (n, 3) of supported, contradicted, insufficient.
        codes: (n,) of `labels.CODES`.
    """
    own = probabilities[np.arange(len(codes)), np.minimum(codes, 2)]
    return np.where(codes < 3, own, 1.0 - probabilities[:, 0])


def brier(probability: np.ndarray, hit: np.ndarray, *, weights: np.ndarray | None = None) -> float:
    """Mean squared distance between stated probability and outcome (Brier 1950); 0 is best."""
    if not len(probability):
        return float("nan")
    return float(np.average((probability - hit.astype(float)) ** 2, weights=weights))


def figures(frame: pl.DataFrame) -> dict[str, float | None]:
    """Figures of one data set, from `label`, `verdict` and probabilities; None where there are no rows.

    With a column `weight` all but `rows` and the interval are weighted by it.
    """
    codes = frame["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    said = frame["verdict"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    truth, supported = (codes != 0).astype(int), (said != 0).astype(int)
    stated, hit = frame[PROBABILITIES[0]].to_numpy(), codes == 0
    w = frame["weight"].to_numpy() if "weight" in frame.columns else np.ones(frame.height)
    low, high = balanced_accuracy_interval(truth, supported, 2)
    known = codes < 3
    each = recalls(codes[known], said[known], 3, weights=w[known])
    three_way = len(np.unique(codes[known])) > 1 and bool((codes[known] > 0).any())
    result: dict[str, float] = {
        "rows": frame.height,
        "balanced_accuracy": balanced_accuracy(truth, supported, 2, weights=w),
        "ci_low": low,
        "ci_high": high,
        "three_way_balanced_accuracy": balanced_accuracy(codes[known], said[known], 3, weights=w[known])
        if three_way
        else float("nan"),
        "recall_supported": each[0],
        "recall_contradicted": each[1],
        "recall_insufficient": each[2],
        "recall_not_supported": recalls(truth, supported, 2, weights=w)[1],
        "expected_calibration_error": expected_calibration_error(stated, hit, weights=w),
        "balanced_calibration_error": balanced_calibration_error(stated, hit, weights=w),
        "calibration_error_by_chance": calibration_error_by_chance(stated, weights=w),
        "brier": brier(stated, hit, weights=w),
    }
    return {name: None if np.isnan(value) else value for name, value in result.items()}
