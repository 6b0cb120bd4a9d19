"""Reviewed pairs that stand for unequal numbers of others: how many they are worth, and what they say.

Belongs here: weights of rows, and precision and recall by slice out of them. Does not belong here: where
weights come from (`lake/reviewed.py`), bounds that hold with them (`risk.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

Z = 1.959963984540054
"""Of a two-sided 95% interval."""
SLICES = ("agent", "use_case")
"""Columns that figures are given by, where pairs have them."""
MOST = 20
"""Slices of a column that are given, those with the most rows."""
ACCURACY = {
    "slice": pl.String,
    "value": pl.String,
    "rows": pl.Int64,
    "effective_rows": pl.Float64,
    **{f"{share}{end}": pl.Float64 for share in ("precision", "recall") for end in ("", "_low", "_high")},
}


def effective(weights: np.ndarray) -> float:
    """Rows of equal weight that vary as much (Kish, Survey Sampling, 1965, section 8.2)."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def evened(weights: pl.Expr, per: str = "dataset") -> pl.Expr:
    """The weights with mean 1 in each data set: within one they say what stands for how many, between two
    nothing."""
    return weights / weights.mean().over(per)


def accuracy(frame: pl.DataFrame) -> pl.DataFrame:
    """Precision and recall of what is not called supported (`ACCURACY`): of all rows, then by `SLICES`.

    As the report has them (`page.sql`, query `accuracy`): precision is the share of the claims called
    contradicted or insufficient that truly are not supported, recall the share of those that are not
    supported which were called so. Weighted, with Wilson's 95% intervals (Journal of the American Statistical
    Association 22, 1927) of as many rows as the weights are worth. Null where there are none.

    Args:
        frame: `label`, `verdict`, `weight`, and `SLICES` where they are known.
    """
    rows = frame.with_columns(
        slice=pl.lit("all"), value=pl.lit("all pairs"),
        is_flagged=pl.col("verdict") != "supported", is_faulty=pl.col("label") != "supported",
    )  # fmt: skip
    parts = [_shares(rows)]
    for name in SLICES:
        if name in rows.columns:
            named = rows.filter(pl.col(name).is_not_null())
            parts.append(_shares(named.with_columns(slice=pl.lit(name), value=pl.col(name))).head(MOST))
    return pl.concat(parts)


def _shares(rows: pl.DataFrame) -> pl.DataFrame:
    w, flagged, faulty = pl.col("weight"), pl.col("is_flagged"), pl.col("is_faulty")
    sums = rows.group_by("slice", "value").agg(
        rows=pl.len().cast(pl.Int64),
        effective_rows=w.sum() ** 2 / (w**2).sum(),
        hits=w.filter(flagged & faulty).sum(),
        **{f"{name}_sum": w.filter(of).sum() for name, of in (("precision", flagged), ("recall", faulty))},
        **{
            f"{name}_squares": (w**2).filter(of).sum()
            for name, of in (("precision", flagged), ("recall", faulty))
        },
    )
    for name in ("precision", "recall"):
        total = pl.col(f"{name}_sum")
        count = total**2 / pl.col(f"{name}_squares")
        sums = sums.with_columns(pl.when(total > 0).then(pl.col("hits") / total).alias(name))
        sums = sums.with_columns(*_interval(name, count))
    return sums.sort(["rows", "value"], descending=[True, False]).select(*ACCURACY)


def _interval(name: str, n: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Wilson's, of a share out of so many rows."""
    p = pl.col(name)
    middle = p + Z * Z / (2 * n)
    reach = Z * (p * (1 - p) / n + Z * Z / (4 * n * n)).sqrt()
    shrink = 1 + Z * Z / n
    low, high = ((middle - reach) / shrink).clip(0, 1), ((middle + reach) / shrink).clip(0, 1)
    return low.alias(f"{name}_low"), high.alias(f"{name}_high")
