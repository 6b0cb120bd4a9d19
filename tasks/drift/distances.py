"""Distances between distributions: of scores, and of what texts mean.

Belongs here: metrics whose value is how far the window's distribution lies from the baseline's. Does not
belong here: ratios (`comparison.py`).

A distance is never negative, so it has no zero to be compared with: any two weeks differ. The reference is
how far blocks of baseline days, each as long as the window, lie from the rest of the baseline; the window's
distance is compared with theirs on the log scale, by a one-sided t test of a new observation (Hahn and
Meeker, Statistical Intervals, 1991, section 4.7). Blocks keep outputs of a day, and days in a row, together.
Histograms are compared by Wasserstein's distance (in units of the score), mean embeddings by the Euclidean
one (Gretton et al., JMLR 13, 2012: the maximum mean discrepancy with a linear kernel).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import stats

from tasks.drift import slices
from tasks.drift.cells import SCORE_BINS
from tasks.drift.metrics import Metric
from tasks.drift.parameters import DriftParameters
from tasks.drift.series import ROWS, Calendar, Compared

MINIMUM_BLOCKS = 5
"""Blocks of baseline days below which their distances' spread cannot be told."""


def between(first: np.ndarray, second: np.ndarray, *, is_histogram: bool) -> np.ndarray:
    """(...,) distance of two profiles (..., bins): masses of a histogram on [0, 1], or mean vectors."""
    if is_histogram:
        gaps = np.cumsum(first, axis=-1) - np.cumsum(second, axis=-1)
        return np.asarray(np.abs(gaps).sum(-1) / first.shape[-1])
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def mean(weights: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(series, bins): sums (series, bins) over units (series,), NaN where there are none."""
    known = units[:, None] > 0
    return np.asarray(np.divide(weights, units[:, None], out=np.full(weights.shape, np.nan), where=known))


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
    before, after = cube[:, base].sum(1), cube[:, now].sum(1)
    n_before, n_after = units[:, base].sum(1), units[:, now].sum(1)
    used = (n_before + n_after) > 0
    distance = between(mean(after, n_after), mean(before, n_before), is_histogram=is_histogram)
    log_reference, blocks, usual_units = _reference(cube[:, base], units[:, base], now.sum(), is_histogram)
    # Fewer units than usual lie further off by chance alone, with the root of their number at most.
    shrunk = np.sqrt(np.minimum(n_after / np.maximum(usual_units, 1e-300), 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_distance = np.log(np.maximum(distance * shrunk, 1e-12))
    centre, spread = _moments(log_reference)
    degrees = np.maximum(blocks - 1, 1)
    error = np.maximum(spread, 1e-3) * np.sqrt(1 + 1 / np.maximum(blocks, 1))
    p_value = stats.t.sf((log_distance - centre) / error, degrees)
    half = stats.t.ppf(0.975, degrees) * error
    usual = np.exp(centre)
    known = ~np.isnan(distance) & (blocks >= MINIMUM_BLOCKS)
    rows = pl.DataFrame(
        {
            "metric": metric.name,
            "baseline_days": (units[:, base] > 0).sum(1),
            "current_days": (units[:, now] > 0).sum(1),
            "baseline_count": n_before,
            "current_count": n_after,
            "current_outputs": n_after,
            "standard_error": None,
            "baseline_pooled": None,
            "baseline_value": np.where(known, usual, np.nan),
            "current_value": distance,
            "difference": np.where(known, distance - usual, np.nan),
            "ci_low": np.where(known, distance * np.exp(-half) - usual, np.nan),
            "ci_high": np.where(known, distance * np.exp(half) - usual, np.nan),
            "effect_size": np.where(known, log_distance - centre, np.nan),
            "p_value": np.where(known, p_value, np.nan),
            "threshold": parameters.threshold(metric),
        },
        nan_to_null=True,
    )
    rows = pl.concat([names, rows], how="horizontal").select(ROWS.names()).cast(ROWS)
    daily = np.stack(
        [
            between(mean(cube[:, d], units[:, d]), mean(before, n_before), is_histogram=is_histogram)
            for d in range(calendar.days)
        ],
        axis=1,
    )
    variances = np.where(np.isnan(daily), np.nan, (np.maximum(spread, 1e-3) * usual)[:, None] ** 2)
    return Compared(rows.filter(pl.Series(used)), daily[used], variances[used])


def _arranged(
    part: pl.DataFrame, columns: Sequence[str], calendar: Calendar, *, pairs: bool
) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """`slice, slice_kind`, (slices, days, bins) sums and (slices, days) units."""
    within = part.with_columns(number=(pl.col("date") - calendar.first).dt.total_days()).filter(
        pl.col("number").is_between(0, calendar.days - 1)
    )
    daily = within.group_by("number", "bin", *columns).agg(pl.col("weight").sum())
    sums = pl.concat(
        [
            daily.group_by(slices.name(kind).alias("slice"), "number", "bin")
            .agg(pl.col("weight").sum())
            .with_columns(slice_kind=pl.lit(slices.kind_name(kind)))
            for kind in slices.kinds(columns, pairs=pairs)
        ]
    ).join(slices.repeated(daily, columns, pairs=pairs), on="slice", how="anti")
    names = sums.select("slice", "slice_kind").unique("slice").sort("slice").with_row_index("row")
    placed = sums.join(names.select("slice", "row"), on="slice")
    counted = placed.filter(pl.col("bin") < 0)
    placed = placed.filter(pl.col("bin") >= 0)
    numbered: list[int] = placed["bin"].unique().to_list()
    bins = max([*numbered, SCORE_BINS - 1 if counted.is_empty() else 0]) + 1
    cube = np.zeros((names.height, calendar.days, bins))
    cube[placed["row"].to_numpy(), placed["number"].to_numpy(), placed["bin"].to_numpy()] = placed[
        "weight"
    ].to_numpy()
    units = cube.sum(2)
    if counted.height:
        units = np.zeros(cube.shape[:2])
        units[counted["row"].to_numpy(), counted["number"].to_numpy()] = counted["weight"].to_numpy()
    return names.drop("row"), cube, units


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
        logs.append(np.log(np.maximum(distance, 1e-12)))
        sizes.append(n)
    reference = np.stack(logs, axis=1)
    blocks = (~np.isnan(reference)).sum(1)
    return reference, blocks, np.stack(sizes, axis=1).sum(1) / np.maximum(blocks, 1)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(series,) mean and sample standard deviation of the known values; 0 where there are too few."""
    known = ~np.isnan(values)
    n = known.sum(1)
    filled = np.where(known, values, 0.0)
    centre = filled.sum(1) / np.maximum(n, 1)
    squares = (np.where(known, values - centre[:, None], 0.0) ** 2).sum(1)
    return centre, np.sqrt(squares / np.maximum(n - 1, 1))
