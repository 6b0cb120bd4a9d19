"""Sums arranged as daily series, and the comparison of each: the numbers of one metric for all slices.

The statistics themselves are `comparison.py`; many comparisons and status come later (`table.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from tasks.drift import comparison
from tasks.drift.cells import SUMS
from tasks.drift.comparison import Sums
from tasks.drift.metrics import Metric
from tasks.drift.parameters import DriftParameters, Windows

_NUMBERS = (
    "baseline_count", "current_count", "current_outputs", "standard_error", "baseline_pooled",
    "baseline_value", "current_value", "difference", "ci_low", "ci_high", "effect_size", "p_value",
    "threshold",
)  # fmt: skip
ROWS = pl.Schema(
    {
        **dict.fromkeys(("slice", "slice_kind", "metric"), pl.String()),
        **dict.fromkeys(("baseline_days", "current_days"), pl.Int32()),
        **dict.fromkeys(_NUMBERS, pl.Float64()),
    }
)
"""One metric of one slice: what both periods hold, and how they differ."""
LARGEST_LOG = 50.0
"""A logarithm of a ratio beyond it says only that nothing is certain; its exponential would overflow."""


@dataclass(frozen=True)
class Calendar:
    """Days from `first` on, and masks (days,) of those in the baseline, the window and the change series.

    `present` marks days on which the lake has any row: a gap of clock or source is not a quiet day.
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


def placed(sums: pl.DataFrame, calendar: Calendar) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`slice, slice_kind` in order, and the sums with `row` (of a slice) and `number` (of a calendar day)."""
    numbered = sums.with_columns(number=(pl.col("date") - calendar.first).dt.total_days())
    within = numbered.filter(pl.col("number").is_between(0, calendar.days - 1))
    names = within.select("slice", "slice_kind").unique("slice").sort("slice").with_row_index("row")
    return names.drop("row"), within.join(names.select("slice", "row"), on="slice")


def arrays(sums: pl.DataFrame, calendar: Calendar) -> tuple[pl.DataFrame, Sums]:
    """`slice, slice_kind` in order, and their (slices, days) sums; days outside the calendar are left out."""
    names, within = placed(sums, calendar)
    values = np.zeros((len(SUMS), names.height, calendar.days))
    values[:, within["row"].to_numpy(), within["number"].to_numpy()] = within.select(SUMS).to_numpy().T
    return names, Sums(*values)


def compared(
    sums: pl.DataFrame, metric: Metric, calendar: Calendar, parameters: DriftParameters
) -> Compared | None:
    """One metric that is a ratio or a volume; None where no slice has units in baseline or window.

    Args:
        sums: what `slices.summed` gives.
    """
    names, daily = arrays(sums.filter(pl.col("metric") == metric.name), calendar)
    has_units = daily.x[:, calendar.baseline | calendar.window].sum(1) > 0
    if not has_units.any():
        return None
    names, daily = names.filter(pl.Series(has_units)), daily.of(has_units)
    if metric.family == "volume":
        columns, values, variances = _volume(daily, calendar)
    else:
        columns, values, variances = _ratio(daily, calendar, metric)
    expected = columns["baseline_value"]
    columns["difference"] = columns["current_value"] - expected
    columns["threshold"] = parameters.threshold(metric) * (
        np.abs(expected) if metric.relative else np.ones(len(expected))
    )
    return Compared(rows_of(names, metric, columns), values, variances)


def rows_of(names: pl.DataFrame, metric: Metric, columns: Mapping[str, np.ndarray | float]) -> pl.DataFrame:
    """ROWS of one metric: columns beside the slices' names; NaN and what no column gives are null."""
    given = pl.DataFrame({"metric": metric.name, **columns}, nan_to_null=True)
    frame = pl.concat([names, given], how="horizontal")
    missing = [pl.lit(None).alias(name) for name in ROWS.names() if name not in frame.columns]
    return frame.with_columns(missing).select(ROWS.names()).cast(ROWS)


Measured = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]
"""Columns of ROWS, and (rows, days) weekday-adjusted values with their variances."""


def _ratio(daily: Sums, calendar: Calendar, metric: Metric) -> Measured:
    base, window = daily.on(calendar.baseline), daily.on(calendar.window)
    is_share = metric.family == "share"
    reach = _reach(daily, metric)
    # A slice without a baseline has no variance of its own; it gets the window's, and nothing is tested.
    per_unit = np.where(
        base.x.sum(1) > 0,
        comparison.unit_variance(base, is_share=is_share, reach=reach),
        comparison.unit_variance(window, is_share=is_share, reach=reach),
    )
    series = comparison.rates(daily, per_unit)
    result = comparison.difference(
        series.on(calendar.baseline),
        series.on(calendar.window),
        calendar.weekday[calendar.baseline],
        calendar.weekday[calendar.window],
        clumped=comparison.clumping(window, base),
        window_variance=_window_variance(window, is_share=is_share),
        skewness=_skewness(base, window, per_unit, metric),
    )
    columns = {
        "baseline_days": (base.x > 0).sum(1),
        "current_days": (window.x > 0).sum(1),
        "baseline_count": base.x.sum(1),
        "current_count": window.x.sum(1),
        "current_outputs": window.clusters.sum(1),
        "standard_error": result.standard_error,
        "baseline_pooled": base.pooled(),
        "baseline_value": result.expected,
        "current_value": result.current,
        "ci_low": result.ci_low,
        "ci_high": result.ci_high,
        "effect_size": _effect(result.expected, result.current, np.sqrt(per_unit), is_share=is_share),
        "p_value": result.p_value,
    }
    return columns, *result.adjusted(series, calendar.weekday)


def _reach(daily: Sums, metric: Metric) -> np.ndarray:
    """(series,): how far off a unit may lie that no output has shown yet: as much as the mean is, or one."""
    level = np.abs(np.nan_to_num(daily.pooled()))
    # A mean on an absolute scale, hours say, may be far above one; one unit is then no reach at all.
    return np.where(level > 0, level, 1.0) if metric.relative else np.maximum(level, 1.0)


def _window_variance(window: Sums, *, is_share: bool) -> np.ndarray:
    """(series,): sampling variance of the window's value from its own outputs."""
    units, outputs = np.maximum(window.x.sum(1), 1e-9), window.clusters.sum(1)
    correction = np.where(outputs > 1, outputs / np.maximum(outputs - 1, 1), 1)
    own = window.squares(window.pooled()[:, None]).sum(1) * correction
    if is_share:
        smooth = window.smoothed()
        own = np.maximum(own, units * smooth * (1 - smooth))
    return np.asarray(own / units**2)


def _skewness(base: Sums, window: Sums, per_unit: np.ndarray, metric: Metric) -> np.ndarray | float:
    """Third standardised moment of the window's value if nothing changed; 0 for means but those of counts."""
    units = np.maximum(window.x.sum(1), 1e-9)
    if metric.family == "share":
        before = base.smoothed()
        plain = before * (1 - before)
        effective = units * np.minimum(plain / np.maximum(per_unit, 1e-300), 1.0)
        return np.asarray((1 - 2 * before) / np.sqrt(plain * np.maximum(effective, 1.0)))
    if not metric.is_count:
        return 0.0
    # Counts that come in clumps are as skewed as so many fewer would be.
    mean = np.maximum(base.pooled(), 1 / np.maximum(base.x.sum(1), 1.0))
    return np.asarray(np.sqrt(np.maximum(per_unit / mean, 1.0) / (mean * units)))


def _volume(daily: Sums, calendar: Calendar) -> Measured:
    """Outputs a day, compared on the log scale: differences are ratios there."""
    series = comparison.log_counts(daily.y, calendar.present)
    result = comparison.difference(
        series.on(calendar.baseline),
        series.on(calendar.window),
        calendar.weekday[calendar.baseline],
        calendar.weekday[calendar.window],
    )
    base, window = daily.y[:, calendar.baseline].sum(1), daily.y[:, calendar.window].sum(1)
    base_days = int((calendar.present & calendar.baseline).sum())
    window_days = int((calendar.present & calendar.window).sum())
    expected, current = np.exp(result.expected), window / max(window_days, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.log(current / expected)
    columns = {
        "baseline_days": np.full(len(base), base_days),
        "current_days": np.full(len(base), window_days),
        "baseline_count": base,
        "current_count": window,
        "current_outputs": daily.clusters[:, calendar.window].sum(1),
        "baseline_pooled": base / max(base_days, 1),
        "baseline_value": expected,
        "current_value": current,
        "ci_low": expected * np.expm1(np.minimum(result.ci_low, LARGEST_LOG)),
        "ci_high": expected * np.expm1(np.minimum(result.ci_high, LARGEST_LOG)),
        "effect_size": _finite(effect),
        "p_value": result.p_value,
    }
    return columns, *result.adjusted(series, calendar.weekday)


def _effect(before: np.ndarray, after: np.ndarray, deviation: np.ndarray, *, is_share: bool) -> np.ndarray:
    """Cohen's h (1988) for shares, Glass's delta (1976), in deviations of one unit, for means."""
    if is_share:
        angles = [2 * np.arcsin(np.sqrt(np.clip(value, 0, 1))) for value in (before, after)]
        return _finite(angles[1] - angles[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        return _finite((after - before) / deviation)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)
