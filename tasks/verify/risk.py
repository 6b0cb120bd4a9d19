"""Thresholds with a guarantee: how low may a threshold be before too much of what it lets through is wrong.

Belongs here: exact bounds and the tests along a fixed sequence of thresholds. Does not belong here: the
probabilities (`calibration.py`) or what a policy does with a threshold (`decide/policies.py`).

What is guaranteed: where rows are drawn independently from what will be judged, the share of wrong ones
among all that reach a proposed threshold exceeds `risk` in at most 1 − `confidence` of such draws. What is
not: anything of single claims, or of claims unlike the rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import beta


@dataclass(frozen=True)
class RiskParameters:
    """What is asked of a threshold."""

    risk: float = 0.05
    """Largest share of wrong ones among what reaches the threshold."""
    confidence: float = 0.95
    strictest: int = 99
    """Hundredths: thresholds are walked in steps of one from here to `loosest`."""
    loosest: int = 50
    """A claim that is more likely wrong than right is not called right, however rare it is."""


@dataclass(frozen=True)
class Threshold:
    """What was found on `rows`; `threshold` is None where none qualifies.

    `reached`, `wrong` and `upper_bound` are those of the threshold, or of the one that was `tried` first and
    failed, the most promising one of the other rows.
    """

    threshold: float | None
    tried: float
    rows: int
    reached: int
    wrong: int
    upper_bound: float

    @property
    def share(self) -> float:
        """Share of the rows that reach it."""
        return self.reached / self.rows if self.rows else 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "share": self.share}


def upper_bound(wrong: np.ndarray, count: np.ndarray, confidence: float) -> np.ndarray:
    """(n,) one-sided upper confidence bounds of shares, exact for binomial counts (Clopper, Pearson 1934).

    1 where there are no rows: nothing is known.
    """
    wrong, count = np.asarray(wrong, np.float64), np.asarray(count, np.float64)
    certain = wrong >= count
    bound = beta.ppf(confidence, wrong + 1.0, np.where(certain, 1.0, count - wrong))
    return np.asarray(np.where(certain, 1.0, bound))


def least_rows(parameters: RiskParameters) -> int:
    """Rows that must reach a threshold, none of them wrong, before any bound can be low enough."""
    return int(np.ceil(np.log1p(-parameters.confidence) / np.log1p(-parameters.risk)))


def sentence(verdict: str, found: Threshold, parameters: RiskParameters) -> str:
    """What was found, for people: the threshold with what it guarantees, or that there is none."""
    promise = f"{parameters.risk:.3g} with {parameters.confidence:.4g} confidence on {found.rows} rows"
    if found.threshold is None:
        return (
            f"no threshold keeps the share of wrong {verdict!r} at or under {promise}; the most "
            f"promising one, {found.tried:.2f}, keeps it under {found.upper_bound:.3f} only "
            f"({found.wrong} of {found.reached} wrong)"
        )
    return (
        f"threshold_{verdict} = {found.threshold:.2f} keeps the share of wrong {verdict!r} at or under "
        f"{promise}: {found.wrong} of {found.reached} wrong, at most {found.upper_bound:.3f}; "
        f"{found.share:.1%} of the rows stay {verdict}"
    )


def propose(
    learned: tuple[np.ndarray, np.ndarray],
    tested: tuple[np.ndarray, np.ndarray],
    parameters: RiskParameters | None = None,
) -> Threshold:
    """The loosest threshold whose share of wrong ones is at most `risk` with `confidence`.

    Learn then Test (Angelopoulos, Bates, Candès, Jordan, Lei, 2021) with split fixed-sequence testing: the
    rows of `learned` say at which threshold to begin, the one with their lowest upper bound; from there
    thresholds are tested on `tested`, from strict to loose, each with the whole error 1 − `confidence`, up
    to the first that fails. That keeps the error of the whole walk, since the first wrong acceptance would
    have to be the first false one of a sequence that `tested` had no part in.

    Args:
        learned: (n,) probabilities and (n,) whether wrong, of rows that calibration may have seen.
        tested: the same of rows that nothing has seen.
        parameters: risk, confidence and the walk.
    """
    parameters = parameters or RiskParameters()
    steps = np.arange(parameters.strictest, parameters.loosest - 1, -1) / 100
    first = int(np.argmin(upper_bound(*_counts(learned, steps), parameters.confidence)))
    wrong, reached = _counts(tested, steps)
    bound = upper_bound(wrong, reached, parameters.confidence)
    passed = bound[first:] <= parameters.risk
    count = len(passed) if passed.all() else int(np.argmin(passed))
    at = first + max(count - 1, 0)
    return Threshold(
        threshold=float(steps[at]) if count else None,
        tried=float(steps[first]),
        rows=len(tested[0]),
        reached=int(reached[at]),
        wrong=int(wrong[at]),
        upper_bound=float(bound[at]),
    )


def _counts(rows: tuple[np.ndarray, np.ndarray], steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((t,) wrong ones, (t,) rows) that reach each threshold."""
    probability, wrong = rows
    order = np.argsort(probability)
    below = np.searchsorted(probability[order], steps, side="left")
    mistakes = np.concatenate([[0], np.cumsum(wrong[order])])
    return mistakes[-1] - mistakes[below], len(probability) - below
