"""Every metric of every slice, day by day, for plots."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tasks.drift import comparable, metrics, slices
from tasks.drift.cells import Cells
from tasks.drift.parameters import DriftParameters

Z = 1.959963984540054
"""Of the normal distribution: 95% lie within."""
SERIES = pl.Schema(
    {
        "date": pl.Date,
        "slice": pl.String,
        "metric": pl.String,
        "value": pl.Float64,
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "count": pl.Float64,
    }
)


def daily_series(
    cells: Cells, parameters: DriftParameters | None = None, *, slice_names: Sequence[str] | None = None
) -> pl.DataFrame:
    """Every metric of every slice, day by day, with 95% intervals.

    Args:
        slice_names: None is all of them.

    Returns:
        SERIES rows (`date, slice, metric, value, ci_low, ci_high, count`), ordered by slice, metric and date.
        Only verdicts by the newest verifier and policies count, as in the drift table. Intervals are
        cluster-robust by outputs: for shares Wilson's (JASA 22, 1927) with the effective number of units, for
        counts the normal one of a Poisson count. `count` is the number of units (claims, outputs, reviews).
    """
    parameters = parameters or DriftParameters()
    alike = comparable.like_with_like(comparable.without_history(cells.sums), cells.profiles).cells
    sums = slices.summed(alike, parameters.slices, pairs=parameters.pairs)
    if slice_names is not None:
        sums = sums.filter(pl.col("slice").is_in(list(slice_names)))
    is_volume, value = pl.col("family") == "volume", pl.col("y") / pl.col("x")
    return (
        sums.with_columns(family=metrics.each("family", pl.String))
        .select(
            "date",
            "slice",
            "metric",
            value=pl.when(is_volume).then("y").otherwise(value),
            ci_low=_bound(-1),
            ci_high=_bound(1),
            count=pl.when(is_volume).then("y").otherwise("x"),
        )
        .cast(SERIES)
        .sort("slice", "metric", "date")
    )


def _bound(side: int) -> pl.Expr:
    """The lower (-1) or upper (1) end of the interval, by the column `family`."""
    n, outputs, value = pl.col("x"), pl.col("clusters"), pl.col("y") / pl.col("x")
    squares = pl.max_horizontal(pl.col("yy") - 2 * value * pl.col("xy") + value**2 * pl.col("xx"), 0.0)
    correction = pl.when(outputs > 1).then(outputs / (outputs - 1)).otherwise(1.0)
    variance = squares * correction / n**2
    plain = value * (1 - value) / n
    effective = n / pl.when(plain > 0).then(pl.max_horizontal(variance / plain, 1.0)).otherwise(1.0)
    centre = (value + Z**2 / (2 * effective)) / (1 + Z**2 / effective)
    half = Z * (value * (1 - value) / effective + Z**2 / (4 * effective**2)).sqrt() / (1 + Z**2 / effective)
    # Of a weighted count the sum of squared weights is the variance; of a plain one that is the count.
    poisson = Z * pl.max_horizontal(pl.col("yy"), 1.0).sqrt()
    return (
        pl.when(pl.col("family") == "volume")
        .then(pl.max_horizontal(pl.col("y") + side * poisson, 0.0))
        .when(pl.col("family") == "share")
        .then((centre + side * half).clip(0, 1))
        .otherwise(value + side * Z * variance.sqrt())
    )
