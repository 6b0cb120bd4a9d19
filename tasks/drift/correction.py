"""Many comparisons: which of thousands of P values still say something.

Benjamini and Hochberg's false discovery rate (J. R. Stat. Soc. B 57, 1995) over all slices and metrics in
one family, with prior weights as Genovese, Roeder and Wasserman allow them (Biometrika 93, 2006):
P values are divided by weights of mean 1 before they are ranked. Weights come from the metric alone, never
from the data: the metric that alarms gets most, so that twenty explanatory ones do not cost its power.
"""

from __future__ import annotations

import numpy as np


def adjusted(p_values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n,) P values after the weighted correction, NaN where the P value is NaN.

    Args:
        p_values: (n,) in [0, 1] or NaN for what was not tested, which does not count as a comparison.
        weights: (n,) positive, of any scale.
    """
    out = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    if len(tested):
        relative = weights[tested] / weights[tested].mean()
        weighted = np.minimum(p_values[tested] / relative, 1.0)
        # A large weight must not make a P value look smaller than it is.
        out[tested] = np.maximum(_step_up(weighted), p_values[tested])
    return out


def _step_up(p_values: np.ndarray) -> np.ndarray:
    """(n,) P values, each times n over its rank, and none above that of a larger one."""
    falling = np.argsort(-p_values)
    ranks = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[falling] = np.minimum.accumulate(p_values[falling] * len(p_values) / ranks)
    return np.asarray(np.minimum(adjusted, 1.0))
