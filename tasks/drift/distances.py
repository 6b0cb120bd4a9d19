"""Distances between distributions: of scores, and of what texts mean.

The metrics whose value is how far the window's distribution lies from the baseline's; ratios are
`comparison.py`'s.

A distance is never negative, so it has no zero to be compared with: any two weeks differ. The reference is
how far blocks of baseline days, each as long as the window, lie from the rest of the baseline; the window's
distance is compared with theirs on the log scale, by a one-sided t test of a new observation (Hahn and
Meeker, Statistical Intervals, 1991, section 4.7). Blocks keep outputs of a day, and days in a row, together.
A distance smaller than one unit makes is taken for that one: what never differed says no more. And the spread
of logs is at least that of a distance made of equal noise in every dimension, which nothing undercuts.
Histograms are compared by Wasserstein's distance (in units of the score), mean embeddings by the Euclidean
one (Gretton et al., JMLR 13, 2012: the maximum mean discrepancy with a linear kernel).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import special

from tasks.drift import slices
from tasks.drift.cells import SCORE_BINS
from tasks.drift.metrics import Metric
from tasks.drift.parameters import DriftParameters
from tasks.drift.series import Calendar, Compared, placed, rows_of

MINIMUM_BLOCKS = 5
"""Blocks of baseline days below which their distances' spread is not known."""


def between(first: np.ndarray, second: np.ndarray, *, is_histogram: bool) -> np.ndarray:
    """(...,) distance of two profiles (..., bins): masses of a histogram on [0, 1], or mean vectors."""
    if is_histogram:
        gaps = np.cumsum(first, axis=-1) - np.cumsum(second, axis=-1)
        return np.asarray(np.abs(gaps).sum(-1) / first.shape[-1])
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def mean(weights: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(series, bins): sums (series, bins) over units (series,), NaN where there are none."""
    out = np.full(weights.shape, np.nan)
    return np.asarray(np.divide(weights, units[:, None], out=out, where=units[:, None] > 0))


def compared(
    profiles: pl.DataFrame,
    metric: Metric,
    columns: Sequence[str],
    calendar: Calendar,
    parameters: DriftParameters,
) -> Compared | None:
    """One metric of the family `distance`; None where no slice has a profile in baseline or window.

    Args:
        profiles: PROFILE rows; bin -1 of an embedding metric holds the number of texts.
    """
    part = profiles.filter(pl.col("metric") == metric.name)
    if part.is_empty():
        return None
    is_histogram = metric.name == "score_distance"
    names, cube, units = _arranged(part, columns, calendar, pairs=parameters.pairs and is_histogram)
    base, now = calendar.baseline, calendar.window
    n_before, n_after = units[:, base].sum(1), units[:, now].sum(1)
    before, after = mean(cube[:, base].sum(1), n_before), mean(cube[:, now].sum(1), n_after)
    distance = between(after, before, is_histogram=is_histogram)
    log_reference, blocks, usual_units = _reference(cube[:, base], units[:, base], now.sum(), is_histogram)
    # Fewer units than usual lie further off by chance alone, with the root of their number at most.
    shrunk = np.sqrt(np.minimum(n_after / np.maximum(usual_units, 1e-300), 1.0))
    distance = _resolved(distance, np.minimum(n_after, usual_units))
    log_distance = np.log(distance * shrunk)
    centre, spread = _moments(log_reference)
    spread = np.maximum(spread, _least_spread(cube.shape[2] - is_histogram))
    numbers = {
        "baseline_days": (units[:, base] > 0).sum(1),
        "current_days": (units[:, now] > 0).sum(1),
        "baseline_count": n_before,
        "current_count": n_after,
        "current_outputs": n_after,
        "current_value": distance,
        "threshold": np.full(len(distance), parameters.threshold(metric)),
        **_tested(distance, log_distance, centre, spread, blocks),
    }
    by_day = [
        between(mean(cube[:, d], units[:, d]), before, is_histogram=is_histogram)
        for d in range(calendar.days)
    ]
    daily = np.stack(by_day, axis=1)
    deviation = spread * np.exp(centre)
    variances = np.where(np.isnan(daily), np.nan, deviation[:, None] ** 2)
    used = (n_before + n_after) > 0
    rows = rows_of(names, metric, numbers).filter(pl.Series(used))
    return Compared(rows, daily[used], variances[used])


def _resolved(distance: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(series,): the distance, or what one of so many units makes by itself; above 0."""
    return np.asarray(np.maximum(distance, 1 / np.maximum(units, 1.0)))


def _least_spread(dimensions: int) -> float:
    """Standard deviation of the log of a chi variable, to first order."""
    return float(1 / np.sqrt(2 * dimensions))


def _tested(
    distance: np.ndarray,
    log_distance: np.ndarray,
    centre: np.ndarray,
    spread: np.ndarray,
    blocks: np.ndarray,
) -> dict[str, np.ndarray]:
    """Columns of the t test of a new block against the reference's; NaN where there are too few blocks."""
    degrees = np.maximum(blocks - 1, 1)
    error = spread * np.sqrt(1 + 1 / np.maximum(blocks, 1))
    half = special.stdtrit(degrees, 0.975) * error
    usual = np.exp(centre)
    columns = {
        "baseline_value": usual,
        "difference": distance - usual,
        "ci_low": distance * np.exp(-half) - usual,
        "ci_high": distance * np.exp(half) - usual,
        "effect_size": log_distance - centre,
        "p_value": special.stdtr(degrees, (centre - log_distance) / error),
    }
    is_known = ~np.isnan(distance) & (blocks >= MINIMUM_BLOCKS)
    return {name: np.where(is_known, values, np.nan) for name, values in columns.items()}


def _arranged(
    part: pl.DataFrame, columns: Sequence[str], calendar: Calendar, *, pairs: bool
) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """`slice, slice_kind`, (slices, days, bins) sums and (slices, days) units."""
    days = part.filter(pl.col("date").is_between(calendar.first, calendar.day(calendar.days - 1)))
    sums = slices.summed(days, columns, pairs=pairs, by=("date", "bin"), values=("weight",))
    names, within = placed(sums, calendar)
    counts, masses = within.filter(pl.col("bin") < 0), within.filter(pl.col("bin") >= 0)
    numbers: list[int] = masses["bin"].unique().to_list()
    bins = max([*numbers, SCORE_BINS - 1 if counts.is_empty() else 0]) + 1
    cube = np.zeros((names.height, calendar.days, bins))
    cube[tuple(masses[name].to_numpy() for name in ("row", "number", "bin"))] = masses["weight"].to_numpy()
    if counts.is_empty():
        return names, cube, cube.sum(2)
    units = np.zeros(cube.shape[:2])
    units[counts["row"].to_numpy(), counts["number"].to_numpy()] = counts["weight"].to_numpy()
    return names, cube, units


def _reference(
    cube: np.ndarray, units: np.ndarray, length: int, is_histogram: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(series, blocks) log distances of baseline blocks to the rest, their number, and their mean units."""
    days = units.shape[1]
    ends = range(days, length - 1, -length) if length else range(0)
    total, all_units = cube.sum(1), units.sum(1)
    logs, sizes = [np.full(len(units), np.nan)], [np.zeros(len(units))]
    for end in ends:
        block, n = cube[:, end - length : end].sum(1), units[:, end - length : end].sum(1)
        distance = between(mean(block, n), mean(total - block, all_units - n), is_histogram=is_histogram)
        logs.append(np.log(_resolved(distance, n)))
        sizes.append(n)
    reference = np.stack(logs, axis=1)
    blocks = (~np.isnan(reference)).sum(1)
    return reference, blocks, np.stack(sizes, axis=1).sum(1) / np.maximum(blocks, 1)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(series,) mean and sample standard deviation of the known values; 0 where there are too few."""
    is_known = ~np.isnan(values)
    n = is_known.sum(1)
    centre = np.where(is_known, values, 0.0).sum(1) / np.maximum(n, 1)
    squares = (np.where(is_known, values - centre[:, None], 0.0) ** 2).sum(1)
    return centre, np.sqrt(squares / np.maximum(n - 1, 1))
