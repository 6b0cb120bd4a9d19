"""Multinomial logistic regression over standardised inputs and their products.

The parameters are plain lists, fitted in `training/regression.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


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
        arrays = {name: getattr(self, name).tolist() for name in ("mean", "scale", "weights")}
        return {**arrays, "clip": self.clip}

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


def support_odds(logits: np.ndarray) -> np.ndarray:
    """(n,) logarithm of the odds of the first class against all others together."""
    top = logits[:, 1:].max(axis=1)
    rest = top + np.log(np.exp(logits[:, 1:] - top[:, None]).sum(axis=1))
    return np.asarray(logits[:, 0] - rest)


def cooled(logits: np.ndarray, temperature: float) -> np.ndarray:
    """(n, 3) probabilities: log odds of support over the temperature, the rest shared as it was.

    Dividing all logits by a temperature would move p_supported towards a third and so carry claims over the
    threshold of one half; here who stands above one half stays there.
    """
    supported = 1.0 / (1.0 + np.exp(-np.clip(support_odds(logits) / temperature, -50.0, 50.0)))
    rest = softmax(logits[:, 1:]) * (1.0 - supported)[:, None]
    return np.column_stack([supported, rest])
