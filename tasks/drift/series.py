"""Sums arranged as daily series, and the comparison of each: the numbers of one metric for all slices.

Belongs here: which day is baseline or window, arrays out of sums, numbers out of arrays. Does not belong
here: the statistics themselves (`comparison.py`), many comparisons and status (`table.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from tasks.drift import comparison
from tasks.drift.cells import SUMS
from tasks.drift.comparison import Daily, Difference, Sums
from tasks.drift.metrics import Metric
from tasks.drift.parameters import DriftParameters, Windows

ROWS = pl.Schema(
    {
        "slice": pl.String,
        "slice_kind": pl.String,
        "metric": pl.String,
        "baseline_days": pl.Int32,
        "current_days": pl.Int32,
        "baseline_count": pl.Float64,
        "current_count": pl.Float64,
        "current_outputs": pl.Float64,
        "standard_error": pl.Float64,
        "baseline_pooled": pl.Float64,
        "baseline_value": pl.Float64,
        "current_value": pl.Float64,
        "difference": pl.Float64,
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "effect_size": pl.Float64,
        "p_value": pl.Float64,
        "threshold": pl.Float64,
    }
)


LARGEST_LOG = 50.0
"""A logarithm of a ratio beyond it says only that nothing is known; its exponential would overflow."""


@dataclass(frozen=True)
class Calendar:
    """Days from `first` on, and masks (days,) of those in the baseline, the window and the change series.

    `present` marks days on which the lake has any row: a gap of the clock or of the source is no quiet day.
    """

    first: date
    baseline: np.ndarray
    window: np.ndarray
    changes: np.ndarray
    present: np.ndarray

    @property
    def days(self) -> int:
        """Days from the first to the last."""
        return len(self.present)

    @property
    def weekday(self) -> np.ndarray:
        """(days,): 0 is Monday."""
        return (np.arange(self.days) + self.first.weekday()) % comparison.WEEK

    def day(self, number: int) -> date:
        """The date of a day number."""
        return self.first + timedelta(days=number)


@dataclass(frozen=True)
class Compared:
    """Of one metric: its ROWS, and (rows, days) weekday-adjusted values with variances, for change points."""

    rows: pl.DataFrame
    values: np.ndarray
    variances: np.ndarray


def calendar(sums: pl.DataFrame, windows: Windows, change_days: int) -> Calendar:
    """The calendar of windows over the days that the sums have."""
    changes_from = windows.window_end - timedelta(days=change_days - 1)
    first = min(windows.first, changes_from)
    length = (windows.window_end - first).days + 1

    def mask(start: date, end: date) -> np.ndarray:
        numbers = np.arange(length)
        return (numbers >= (start - first).days) & (numbers <= (end - first).days)

    present = np.zeros(length, dtype=bool)
    numbers = (sums["date"].unique() - first).dt.total_days().to_numpy()
    present[numbers[(numbers >= 0) & (numbers < length)]] = True
    return Calendar(
        first,
        mask(windows.baseline_start, windows.baseline_end),
        mask(windows.window_start, windows.window_end),
        mask(changes_from, windows.window_end),
        present,
    )


def arrays(sums: pl.DataFrame, calendar: Calendar) -> tuple[pl.DataFrame, Sums]:
    """`slice, slice_kind` in order, and their (slices, days) sums; days outside the calendar are left out."""
    within = sums.with_columns(number=(pl.col("date") - calendar.first).dt.total_days()).filter(
        pl.col("number").is_between(0, calendar.days - 1)
    )
    names = within.select("slice", "slice_kind").unique("slice").sort("slice").with_row_index("row")
    placed = within.join(names.select("slice", "row"), on="slice")
    at = (placed["row"].to_numpy(), placed["number"].to_numpy())
    filled = []
    for column in SUMS:
        array = np.zeros((names.height, calendar.days))
        array[at] = placed[column].to_numpy()
        filled.append(array)
    return names.drop("row"), Sums(*filled)


def compared(
    sums: pl.DataFrame, metric: Metric, calendar: Calendar, parameters: DriftParameters
) -> Compared | None:
    """One metric that is a ratio or a volume; None where no slice has units in baseline or window.

    Args:
        sums: what `slices.summed` gives.
    """
    names, daily = arrays(sums.filter(pl.col("metric") == metric.name), calendar)
    base, window = daily.of(calendar.baseline), daily.of(calendar.window)
    used = (base.x.sum(1) + window.x.sum(1)) > 0
    if not used.any():
        return None
    names = names.filter(pl.Series(used))
    daily, base, window = (
        Sums(*(a[used] for a in (s.y, s.x, s.yy, s.xy, s.xx, s.clusters))) for s in (daily, base, window)
    )
    if metric.family == "volume":
        found, series, scale = _volume(daily, calendar)
    else:
        found, series, scale = _ratio(daily, base, window, calendar, metric)
    values, variances = found.adjusted(series, calendar.weekday)
    present_base, present_window = (calendar.present & m for m in (calendar.baseline, calendar.window))
    is_volume = metric.family == "volume"
    expected, current = found.expected, found.current
    low, high = found.ci_low, found.ci_high
    pooled = base.pooled()
    if is_volume:
        pooled = base.y.sum(1) / max(int(present_base.sum()), 1)
        current = window.y.sum(1) / max(int(present_window.sum()), 1)
        expected = np.exp(expected)
        low, high = (expected * np.expm1(np.minimum(bound, LARGEST_LOG)) for bound in (low, high))
    threshold = parameters.threshold(metric) * (np.abs(expected) if metric.relative else 1.0)
    rows = pl.DataFrame(
        {
            "metric": metric.name,
            "baseline_days": _days(base, is_volume, present_base),
            "current_days": _days(window, is_volume, present_window),
            "baseline_count": base.y.sum(1) if is_volume else base.x.sum(1),
            "current_count": window.y.sum(1) if is_volume else window.x.sum(1),
            "current_outputs": window.clusters.sum(1),
            "standard_error": np.full(len(expected), np.nan) if is_volume else found.standard_error,
            "baseline_pooled": pooled,
            "baseline_value": expected,
            "current_value": current,
            "difference": current - expected,
            "ci_low": low,
            "ci_high": high,
            "effect_size": _effect(metric, expected, current, scale),
            "p_value": found.p_value,
            "threshold": threshold * np.ones(len(expected)),
        },
        nan_to_null=True,
    )
    rows = pl.concat([names, rows], how="horizontal").select(ROWS.names()).cast(ROWS)
    return Compared(rows, values, variances)


def _ratio(
    daily: Sums, base: Sums, window: Sums, calendar: Calendar, metric: Metric
) -> tuple[Difference, Daily, np.ndarray]:
    """Difference, daily values, and the standard deviation of one unit."""
    is_share = metric.family == "share"
    # A slice without baseline has no variance of its own; the window's stands in and nothing is tested.
    per_unit = np.where(
        base.x.sum(1) > 0,
        comparison.unit_variance(base, is_share=is_share),
        comparison.unit_variance(window, is_share=is_share),
    )
    units, outputs = np.maximum(window.x.sum(1), 1e-9), window.clusters.sum(1)
    now = window.pooled()
    own = window.squares(now[:, None]).sum(1) * np.where(outputs > 1, outputs / np.maximum(outputs - 1, 1), 1)
    if is_share:
        smooth = (window.y.sum(1) + 1) / (units + 2)
        own = np.maximum(own, units * smooth * (1 - smooth))
    skewness: np.ndarray | float = 0.0
    if is_share:
        before = (base.y.sum(1) + 1) / (base.x.sum(1) + 2)
        plain = before * (1 - before)
        effective = units * np.minimum(plain / np.maximum(per_unit, 1e-300), 1.0)
        skewness = (1 - 2 * before) / np.sqrt(plain * np.maximum(effective, 1.0))
    elif metric.is_count:
        skewness = 1 / np.sqrt(np.maximum(base.pooled() * units, 1.0))
    series = comparison.rates(daily, per_unit)
    found = comparison.difference(
        _on(series, calendar.baseline),
        _on(series, calendar.window),
        calendar.weekday[calendar.baseline],
        calendar.weekday[calendar.window],
        clumped=comparison.clumping(window, base),
        window_variance=own / units**2,
        skewness=skewness,
    )
    return found, series, np.sqrt(per_unit)


def _volume(daily: Sums, calendar: Calendar) -> tuple[Difference, Daily, np.ndarray]:
    series = comparison.log_counts(daily.y, calendar.present)
    found = comparison.difference(
        _on(series, calendar.baseline),
        _on(series, calendar.window),
        calendar.weekday[calendar.baseline],
        calendar.weekday[calendar.window],
    )
    return found, series, np.ones(len(daily.y))


def _on(series: Daily, days: np.ndarray) -> Daily:
    return Daily(series.value[:, days], series.variance[:, days], series.size[:, days])


def _days(sums: Sums, is_volume: bool, present: np.ndarray) -> np.ndarray:
    return np.full(len(sums.x), present.sum()) if is_volume else (sums.x > 0).sum(1)


def _effect(metric: Metric, before: np.ndarray, after: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Cohen's h (1988) for shares, Glass's delta (1976) for means, the log ratio for volumes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric.family == "share":
            angle = [2 * np.arcsin(np.sqrt(np.clip(v, 0, 1))) for v in (before, after)]
            effect = angle[1] - angle[0]
        elif metric.family == "volume":
            effect = np.log(after / before)
        else:
            effect = (after - before) / scale
    return np.where(np.isfinite(effect), effect, np.nan)
