"""What rules beside the network make of its scores.

Belongs here: how a finding moves probabilities. Does not belong here: the findings (`text/rules.py`).

One rule alone makes a claim supported: arithmetic over listed numbers. A finding is part of the score
and not of the verdict, so that what is stored, combined over passages and judged again by another policy is
the same.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from tasks.tables import VERDICTS
from tasks.text import rules

SETTLED = 0.9
"""Least probability of what a finding says: of such findings some nine in ten are right where
people labelled three ways (decision 31)."""
DOUBT = 0.1
"""What is left of the other probabilities after a finding that the passage cannot settle the claim."""


def guarded(
    probabilities: np.ndarray, claims: pl.Series, passages: pl.Series, reads: Collection[str] | None
) -> np.ndarray:
    """(n, 3) probabilities after `rules.findings` of the pairs; rows without a finding are as they were.

    Args:
        probabilities: (n, 3) in the order of `tables.VERDICTS`.
        claims: n claims.
        passages: n passages.
        reads: languages that the verifier reads.
    """
    found = rules.findings(claims, passages, reads)
    result = np.array(probabilities, np.float64)
    for place, effect in enumerate(VERDICTS[:2]):
        rows = found.filter(pl.col("effect") == effect)["row"].to_numpy()
        if len(rows):
            result[rows] = _at_least(result[rows], place)
    unsettled = found.filter(pl.col("effect") == "insufficient")
    rows = unsettled["row"].to_numpy()
    if len(rows):
        result[rows, 0] *= DOUBT
        unread = rows[(unsettled["rule"] == rules.LANGUAGE).to_numpy()]
        result[unread, 1] *= DOUBT
        result[rows, 2] = 1.0 - result[rows, 0] - result[rows, 1]
    return result


def _at_least(rows: np.ndarray, place: int) -> np.ndarray:
    """The rows with at least SETTLED at one place, the rest shared as before."""
    others = [other for other in range(3) if other != place]
    settled = np.maximum(rows[:, place], SETTLED)
    rest = rows[:, others].sum(axis=1)
    scale = np.divide(1.0 - settled, rest, out=np.zeros(len(rows)), where=rest > 0)
    moved = rows * scale[:, None]
    moved[:, place] = settled
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))
