"""Temperature of probabilities, fitted on rows that nothing else was fitted on."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from tasks.verify.metrics import of_label
from tasks.verify.softmax import softmax

TEMPERATURE_RANGE = (0.05, 20.0)
"""A fit at either end says that the logits carry no information; nothing useful lies beyond."""


def fit_temperature(logits: np.ndarray, codes: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Temperature T that minimises the log loss of softmax(logits / T) (Guo et al., ICML 2017).

    `codes` (n,) are those of `labels.CODES`; `not_supported` rows count through 1 − p_supported.
    """
    share = np.ones(len(codes)) if weights is None else weights
    share = share / share.sum()

    def loss(log_temperature: float) -> float:
        mass = of_label(softmax(logits / np.exp(log_temperature)), codes)
        return float(-(share * np.log(np.maximum(mass, 1e-12))).sum())

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURE_RANGE)), method="bounded")
    return float(np.exp(found.x))
