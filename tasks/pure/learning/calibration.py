"""Calibration of probabilities on rows not used for fitting: temperature and isotonic.

Parameters are plain lists, so that they go into an artefact's JSON and a fingerprint.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression, minimize_scalar

from tasks.pure.learning.metrics import of_label
from tasks.pure.learning.softmax import softmax

TEMPERATURE_RANGE = (0.05, 20.0)
"""A fit at either end says that the logits carry no information; nothing useful lies beyond."""


def fit_temperature(logits: np.ndarray, codes: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Temperature T that minimises the log loss of softmax(logits / T) (Guo et al., ICML 2017).

    `codes` (n,) are those of `softmax.CODES`; `not_supported` rows count through 1 − p_supported.
    """
    share = np.ones(len(codes)) if weights is None else weights
    share = share / share.sum()

    def loss(log_temperature: float) -> float:
        mass = of_label(softmax(logits / np.exp(log_temperature)), codes)
        return float(-(share * np.log(np.maximum(mass, 1e-12))).sum())

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURE_RANGE)), method="bounded")
    return float(np.exp(found.x))


def fit_isotonic(
    scores: np.ndarray, hits: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, list[float]]:
    """Knots of the non-decreasing function that best maps scores to frequencies (Zadrozny, Elkan 2002).

    Args:
        scores: (n,) uncalibrated probabilities of one class.
        hits: (n,) 1 where the row is of that class.
        weights: (n,) row weights.

    Returns:
        `x` and `y` of equal length, both non-decreasing; `apply_isotonic` interpolates between them.
    """
    order = np.argsort(scores, kind="stable")
    x = scores[order].astype(np.float64)
    w = np.ones(len(x)) if weights is None else weights[order].astype(np.float64)
    # Equal scores must get one value, whatever their order.
    unique, first = np.unique(x, return_index=True)
    sums = np.add.reduceat(w, first)
    means = np.add.reduceat(w * hits[order], first) / np.maximum(sums, 1e-300)
    fitted = isotonic_regression(means, weights=sums).x
    flat = np.zeros(len(fitted), bool)
    flat[1:-1] = (fitted[1:-1] == fitted[:-2]) & (fitted[1:-1] == fitted[2:])
    return {"x": unique[~flat].tolist(), "y": fitted[~flat].tolist()}


def apply_isotonic(scores: np.ndarray, knots: dict[str, list[float]]) -> np.ndarray:
    """Calibrated probabilities: linear between the knots, constant beyond the outermost."""
    return np.asarray(np.interp(scores, knots["x"], knots["y"]))
