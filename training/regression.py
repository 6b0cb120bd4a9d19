"""Fits the logistic model and the temperature of the fusion: convex, so the same in every run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from tasks.verify.calibration import TEMPERATURE_RANGE
from tasks.verify.metrics import of_label
from tasks.verify.softmax import Softmax, expand, softmax


@dataclass(frozen=True)
class SoftmaxParameters:
    """How the regression is fitted."""

    l2: float = 3e-3
    """Penalty on squared weights per unit of row weight: mild, since rows outnumber weights thirty to one."""
    iterations: int = 100
    """L-BFGS steps at most: a bound on time; the penalty keeps the rest of the way short."""
    clip: float = 4.0
    """Standardised values are cut here, so that one extreme count cannot decide a verdict."""


def fit(
    features: np.ndarray,
    codes: np.ndarray,
    row_weights: np.ndarray,
    parameters: SoftmaxParameters | None = None,
) -> Softmax:
    """Fits by maximum likelihood.

    A row labelled `not_supported` contributes −log(1 − p_supported): it moves the margin between supported
    and the rest and says nothing of how the rest is divided.
    """
    parameters = parameters or SoftmaxParameters()
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    inputs = expand(features, mean, scale, parameters.clip)
    share = row_weights / row_weights.sum()
    targets = np.zeros((len(codes), 3))
    known = codes < 3
    targets[np.flatnonzero(known), codes[known]] = 1.0

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(-1, 3)
        p = softmax(inputs @ weights)
        # Of an unknown "rest", the expected division is the model's own (one step of EM, whose gradient
        # is that of the marginal likelihood).
        rest = p * np.array([0.0, 1.0, 1.0])
        rest /= np.maximum(rest.sum(axis=1, keepdims=True), 1e-12)
        target = np.where(known[:, None], targets, rest)
        mass = np.where(known, (p * targets).sum(axis=1), 1.0 - p[:, 0])
        penalised = weights[:-1]
        value = -(share * np.log(np.maximum(mass, 1e-12))).sum() + parameters.l2 * (penalised**2).sum()
        gradient = inputs.T @ (share[:, None] * (p - target))
        gradient[:-1] += 2 * parameters.l2 * penalised
        return float(value), gradient.ravel()

    start = np.zeros(inputs.shape[1] * 3)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": parameters.iterations})
    return Softmax(mean, scale, best.x.reshape(-1, 3), parameters.clip)


def fit_temperature(logits: np.ndarray, codes: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Temperature T that minimises the log loss of softmax(logits / T) (Guo et al., ICML 2017).

    `codes` (n,) are those of `labels.CODES`; `not_supported` rows count through 1 − p_supported.
    """
    share = np.ones(len(codes)) if weights is None else weights
    share = share / share.sum()

    def loss(log_temperature: float) -> float:
        mass = of_label(softmax(logits / np.exp(log_temperature)), codes)
        return float(-(share * np.log(np.maximum(mass, 1e-12))).sum())

    best = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURE_RANGE)), method="bounded")
    return float(np.exp(best.x))
