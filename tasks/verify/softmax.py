"""Multinomial logistic regression over standardised features and their products.

Convex, so the fit is the same in every run and needs no seed; the parameters are plain lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize


@dataclass(frozen=True)
class SoftmaxParameters:
    """How the regression is fitted."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    l2: float = 3e-3
    """Penalty on squared weights per unit of row weight: mild, since rows outnumber weights thirty to one."""
    iterations: int = 100
    """L-BFGS steps at most: a bound on time; the penalty keeps the rest of the way short."""
    clip: float = 4.0
    """Standardised values are cut here, so that one extreme count cannot decide a verdict."""


@dataclass(frozen=True)
class Softmax:
    """A fitted model; `weights` is (inputs + 1, 3), the last row the intercept."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    clip: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(n, F) features to (n, 3) logits."""
        # einsum and not matmul: BLAS may sum in another order for another number of rows.
        inputs = expand(features, self.mean, self.scale, self.clip)
        return np.asarray(np.einsum("ni,ic->nc", inputs, self.weights))

    def to_lists(self) -> dict[str, Any]:
        """JSON-able parameters."""
        return {
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weights": self.weights.tolist(),
            "clip": self.clip,
        }

    @classmethod
    def from_lists(cls, values: dict[str, Any]) -> Softmax:
        """Inverse of `to_lists`; raises KeyError, TypeError or ValueError for anything else."""
        mean, scale, weights = (np.asarray(values[k], np.float64) for k in ("mean", "scale", "weights"))
        model = cls(mean, scale, weights, float(values["clip"]))
        count = len(model.mean)
        if model.scale.shape != (count,) or model.weights.shape != (_inputs(count), 3):
            raise ValueError(f"shapes do not fit {count} features")
        if not all(np.isfinite(v).all() for v in (model.mean, model.scale, model.weights)):
            raise ValueError("a parameter is not finite")
        return model


def _inputs(features: int) -> int:
    return features + features * (features + 1) // 2 + 1


def expand(features: np.ndarray, mean: np.ndarray, scale: np.ndarray, clip: float) -> np.ndarray:
    """Standardised features, their pairwise products and a one: (n, F + F(F+1)/2 + 1)."""
    standard = np.clip((features - mean) / scale, -clip, clip)
    first, second = np.triu_indices(features.shape[1])
    return np.hstack([standard, standard[:, first] * standard[:, second], np.ones((len(features), 1))])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of logits to rows of probabilities."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


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
        wanted = np.where(known[:, None], targets, rest)
        mass = np.where(known, (p * targets).sum(axis=1), 1.0 - p[:, 0])
        penalised = weights[:-1]
        value = -(share * np.log(np.maximum(mass, 1e-12))).sum() + parameters.l2 * (penalised**2).sum()
        gradient = inputs.T @ (share[:, None] * (p - wanted))
        gradient[:-1] += 2 * parameters.l2 * penalised
        return float(value), gradient.ravel()

    start = np.zeros(inputs.shape[1] * 3)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": parameters.iterations})
    return Softmax(mean, scale, found.x.reshape(-1, 3), parameters.clip)
