"""When a daily series changed level.

Binary segmentation (Scott and Knott, Biometrics 30, 1974) on the Gaussian likelihood ratio of a shift in mean
with known variances (Hinkley, Biometrika 57, 1970): the best split of a segment is kept when its statistic
exceeds PENALTY x log(days), the strengthened Schwarz criterion under which the number of changes is found
consistently (Fryzlewicz, Annals of Statistics 42, 2014), and both sides are searched again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTY = 3.0
"""Times log(days): 10 for 30 days and 12 for 60, about one false change in two hundred quiet series."""
MAXIMUM_CHANGES = 5
"""Per series: more in two months is unrest, not a change that somebody can look up."""


@dataclass(frozen=True)
class Change:
    """A level that begins on day number `day`; `statistic` is the likelihood ratio."""

    day: int
    statistic: float
    step: float


def split_statistics(values: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Likelihood ratio and step of every split of one series.

    Args:
        values, variances: (days,); a NaN value or variance is a day without rows.

    Returns:
        (days,) twice: entry d is for a new level that begins on day d; 0 where a side has no day.
    """
    is_known = np.isfinite(values) & np.isfinite(variances)
    weights = np.where(is_known, 1 / np.maximum(np.where(is_known, variances, 1.0), 1e-12), 0.0)
    sums = np.cumsum(weights * np.nan_to_num(values))
    before = np.cumsum(weights)[:-1]
    after = weights.sum() - before
    # A split whose first day has no rows begins when rows do.
    sound = (before > 0) & (after > before[-1:] * 1e-12) & is_known[1:]
    first = np.divide(sums[:-1], before, out=np.zeros_like(before), where=sound)
    second = np.divide(sums[-1:] - sums[:-1], after, out=np.zeros_like(after), where=sound)
    step = np.where(sound, second - first, 0.0)
    weight = np.divide(before * after, before + after, out=np.zeros_like(before), where=sound)
    return np.concatenate([[0.0], weight * step**2]), np.concatenate([[0.0], step])


def segmented(values: np.ndarray, variances: np.ndarray) -> list[Change]:
    """Changes of one series (days,), by day. A change must beat PENALTY x log(days)."""
    days = int((np.isfinite(values) & np.isfinite(variances)).sum())
    if days < 2:
        return []
    changes: list[Change] = []
    segments = [(0, len(values))]
    while segments and len(changes) < MAXIMUM_CHANGES:
        start, end = segments.pop(0)
        if end - start < 2:
            continue
        best = _best(values[start:end], variances[start:end])
        if best.statistic > PENALTY * np.log(days):
            middle = start + best.day
            changes.append(Change(middle, best.statistic, best.step))
            segments += [(start, middle), (middle, end)]
    return sorted(changes, key=lambda change: change.day)


def _best(values: np.ndarray, variances: np.ndarray, sign: float = 0.0) -> Change:
    statistics, steps = split_statistics(values, variances)
    statistics = np.where(steps * sign >= 0, statistics, 0.0)
    day = int(np.argmax(statistics))
    return Change(day, float(statistics[day]), float(steps[day]))


def began(values: np.ndarray, variances: np.ndarray, sign: float) -> Change | None:
    """The change behind a difference of that sign which the end of the series (days,) shows.

    The newest kept change of that sign; where none is strong enough to be kept, the best split of that sign,
    because the difference itself is established already. None for a series that never moves that way.
    """
    kept = [change for change in segmented(values, variances) if change.step * sign > 0]
    if kept:
        return kept[-1]
    best = _best(values, variances, sign)
    return best if best.statistic > 0 else None
