"""Thresholds with a guarantee: how low may a threshold be before too much of what it lets through is wrong.

Belongs here: exact bounds and the tests along a fixed sequence of thresholds. Does not belong here: the
probabilities (`calibration.py`) or what a policy does with a threshold (`decide/policies.py`).

What is guaranteed: where rows are drawn independently from what will be judged, the share of wrong ones
among all that reach a proposed threshold exceeds `risk` in at most 1 − `confidence` of such draws. Where rows
stand for unequal numbers of others, the same holds of those others, with the weights taken as known: every
row is drawn by chance from those that it stands for. What is not: anything of single claims, or of claims
unlike the rows.

Two bounds: rows of equal weight have the exact binomial one (`upper_bound`), which does not hold for others,
however many rows they are worth; those have one by betting (`weighted_bounds`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import betaincinv

from tasks.verify.weighted import effective


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
class Weighted:
    """What rows of unequal weight amount to."""

    effective_rows: float
    """Rows of equal weight that vary as much (Kish 1965), of those that reach the threshold."""
    share: float
    """Of what all rows stand for, what reaches the threshold."""
    wrong_share: float
    """Of that, what is wrong."""


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
    weighted: Weighted | None = None
    """Where rows do not all weigh the same: the bound is then that of `weighted_bounds`."""

    @property
    def share(self) -> float:
        """Share of the rows, or of what they stand for, that reach it."""
        if self.weighted:
            return self.weighted.share
        return self.reached / self.rows if self.rows else 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        bound = "betting" if self.weighted else "clopper_pearson"
        return {**asdict(self), "share": self.share, "bound": bound}


def upper_bound(wrong: np.ndarray, count: np.ndarray, confidence: float) -> np.ndarray:
    """(n,) one-sided upper confidence bounds of shares, exact for binomial counts (Clopper, Pearson 1934).

    1 where there are no rows: nothing is known.
    """
    wrong, count = np.asarray(wrong, np.float64), np.asarray(count, np.float64)
    certain = wrong >= count
    bound = betaincinv(wrong + 1.0, np.where(certain, 1.0, count - wrong), confidence)
    return np.asarray(np.where(certain, 1.0, bound))


BETS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9, 0.999)
"""Shares of the largest bet that may be placed. A bet of nearly all needs the fewest rows where none is
wrong (`least_rows`), a small one survives wrong ones."""


def weighted_bounds(
    right: np.ndarray, wrong: np.ndarray, weights: np.ndarray, confidence: float
) -> np.ndarray:
    """(bets, t) one-sided upper confidence bounds of weighted shares of wrong rows, each by itself.

    Betting (Waudby-Smith and Ramdas, Journal of the Royal Statistical Society B 86, 2024; Howard and others,
    Annals of Statistics 49, 2021), with one bet for all rows. Against the share m a right row of weight w
    multiplies the stake by 1 + b·w/W·m/(1 − m), a wrong one by 1 − b·w/W, with W the largest weight. Were the
    share m or more, these are factors 1 − λ·w·(wrong − m) whose means multiply to at most exp(0), so the
    stake would reach 1 / (1 − confidence) with probability 1 − confidence at most (Markov's inequality); rows
    need be independent, not alike. The bound is the least m that is refuted; 1 where none is.

    Args:
        right, wrong: (t, u) rows of each weight that reach each of t thresholds.
        weights: (u,), distinct; the last is W, also where none of its rows reaches a threshold.
    """
    needed = -np.log1p(-confidence)
    bounds = []
    for bet in BETS:
        stake = bet * weights / weights[-1]
        lost = wrong @ np.log1p(-stake)
        low, high = np.zeros(len(right)), np.ones(len(right))
        for _ in range(40):
            middle = (low + high) / 2
            won = (right * np.log1p(np.outer(middle / (1.0 - middle), stake))).sum(axis=1)
            is_refuted = won + lost >= needed
            low, high = np.where(is_refuted, low, middle), np.where(is_refuted, middle, high)
        bounds.append(high)
    return np.stack(bounds)


def least_rows(parameters: RiskParameters) -> int:
    """Rows that must reach a threshold, none of them wrong, before any bound can be low enough."""
    return int(np.ceil(np.log1p(-parameters.confidence) / np.log1p(-parameters.risk)))


def sentence(verdict: str, found: Threshold, parameters: RiskParameters) -> str:
    """What was found, for people: the threshold with what it guarantees, or that there is none."""
    promise = f"{parameters.risk:.3g} with {parameters.confidence:.4g} confidence on {found.rows} rows"
    counted, those = f"{found.wrong} of {found.reached} wrong", "the rows"
    if each := found.weighted:
        counted += f", {each.wrong_share:.1%} of what they stand for (worth {each.effective_rows:.0f} rows)"
        those = "what the rows stand for"
    if found.threshold is None:
        return (
            f"no threshold keeps the share of wrong {verdict!r} at or under {promise}; the most "
            f"promising one, {found.tried:.2f}, keeps it under {found.upper_bound:.3f} only ({counted})"
        )
    return (
        f"threshold_{verdict} = {found.threshold:.2f} keeps the share of wrong {verdict!r} at or under "
        f"{promise}: {counted}, at most {found.upper_bound:.3f}; {found.share:.1%} of {those} stay {verdict}"
    )


@dataclass(frozen=True)
class Rows:
    """What a threshold is tried on: a verdict's probability, whether it is wrong, what rows stand for."""

    probability: np.ndarray
    wrong: np.ndarray
    weights: np.ndarray

    @staticmethod
    def of(probability: np.ndarray, wrong: np.ndarray, weights: np.ndarray | None = None) -> Rows:
        """Without weights, rows that weigh the same."""
        return Rows(probability, wrong, np.ones(len(wrong)) if weights is None else weights)


def propose(learned: Rows, tested: Rows, parameters: RiskParameters | None = None) -> Threshold:
    """The loosest threshold whose share of wrong ones is at most `risk` with `confidence`.

    Learn then Test (Angelopoulos, Bates, Candès, Jordan, Lei, 2021) with split fixed-sequence testing: the
    rows of `learned` say at which threshold to begin, the one with their lowest upper bound; from there
    thresholds are tested on `tested`, from strict to loose, each with the whole error 1 − `confidence`, up
    to the first that fails. That keeps the error of the whole walk, since the first wrong acceptance would
    have to be the first false one of a sequence that `tested` had no part in. Of weighted rows, `learned`
    says also how much to bet at each threshold.

    Args:
        learned: rows that calibration may have seen.
        tested: rows that nothing has seen.
        parameters: risk, confidence and the walk.
    """
    parameters = parameters or RiskParameters()
    steps = np.arange(parameters.strictest, parameters.loosest - 1, -1) / 100
    distinct = np.unique(np.concatenate([learned.weights, tested.weights]))
    if len(distinct) > 1:
        beforehand = weighted_bounds(*_by_weight(learned, steps, distinct), distinct, parameters.confidence)
        bounds = weighted_bounds(*_by_weight(tested, steps, distinct), distinct, parameters.confidence)
        bound = bounds[np.argmin(beforehand, axis=0), np.arange(len(steps))]
        first = int(np.argmin(beforehand.min(axis=0)))
    else:
        first = int(np.argmin(upper_bound(*_counts(learned, steps), parameters.confidence)))
        bound = upper_bound(*_counts(tested, steps), parameters.confidence)
    passed = bound[first:] <= parameters.risk
    count = len(passed) if passed.all() else int(np.argmin(passed))
    at = first + max(count - 1, 0)
    wrong, reached = _counts(tested, steps)
    return Threshold(
        threshold=float(steps[at]) if count else None,
        tried=float(steps[first]),
        rows=len(tested.wrong),
        reached=int(reached[at]),
        wrong=int(wrong[at]),
        upper_bound=float(bound[at]),
        weighted=_weighed(tested, steps[at]) if len(distinct) > 1 else None,
    )


def _counts(rows: Rows, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((t,) wrong ones, (t,) rows) that reach each threshold."""
    order = np.argsort(rows.probability)
    below = np.searchsorted(rows.probability[order], steps, side="left")
    mistakes = np.concatenate([[0], np.cumsum(rows.wrong[order])])
    return mistakes[-1] - mistakes[below], len(order) - below


def _by_weight(rows: Rows, steps: np.ndarray, distinct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((t, u) right rows, (t, u) wrong ones) of each weight that reach each threshold."""
    parts = []
    for weight in distinct:
        mine = rows.weights == weight
        wrong, reached = _counts(Rows(rows.probability[mine], rows.wrong[mine], rows.weights[mine]), steps)
        parts.append((reached - wrong, wrong))
    right, mistakes = (np.stack(each, axis=1) for each in zip(*parts, strict=True))
    return right, mistakes


def _weighed(rows: Rows, step: float) -> Weighted:
    reach = rows.probability >= step
    mine = rows.weights[reach]
    return Weighted(
        effective_rows=effective(mine),
        share=float(mine.sum() / rows.weights.sum()),
        wrong_share=float(mine @ rows.wrong[reach] / mine.sum()) if len(mine) else 0.0,
    )
