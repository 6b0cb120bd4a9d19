"""Slices: which part of the lake a number speaks of, and sums of cells per slice and day.

A slice's name is `all`, or column=value pairs joined by `&`; `%`, `&` and `=` within a value are
percent-encoded, and a missing value is `(none)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from tasks.drift.cells import SUMS

ALL = "all"
NONE = "(none)"
_CODES = (("%", "%25"), ("&", "%26"), ("=", "%3D"))


def kinds(columns: Sequence[str], *, pairs: bool = True) -> list[tuple[str, ...]]:
    """The column sets that define slices: none, each one, and each two."""
    return [(), *((c,) for c in columns), *(combinations(columns, 2) if pairs else ())]


def kind_name(kind: Sequence[str]) -> str:
    """How a column set is written: `all`, `agent`, `agent&model`."""
    return "&".join(kind) or ALL


def name(kind: Sequence[str]) -> pl.Expr:
    """Name of the slice that a row belongs to."""
    if not kind:
        return pl.lit(ALL)
    parts: list[pl.Expr] = []
    for column in kind:
        value = pl.col(column).cast(pl.String).fill_null(NONE)
        for character, code in _CODES:
            value = value.str.replace_all(character, code, literal=True)
        parts += [pl.lit(f"{'&' if parts else ''}{column}="), value]
    return pl.concat_str(parts)


def parsed(slice_name: str) -> dict[str, str]:
    """Column to value; empty for `all`."""
    if slice_name == ALL:
        return {}
    values = {c: v for c, _, v in (part.partition("=") for part in slice_name.split("&"))}
    for character, code in reversed(_CODES):
        values = {c: v.replace(code, character) for c, v in values.items()}
    return values


def words(slice_name: str) -> str:
    """How a sentence names a slice: `all answers`, `agent A`, `agent A with model M2`."""
    parts = [f"{c.replace('_', ' ')} {v}" for c, v in parsed(slice_name).items()]
    return " with ".join(parts) or "all answers"


def rows_of(slice_name: str) -> pl.Expr:
    """Whether a row with identity columns belongs to the slice."""
    return pl.all_horizontal(
        pl.lit(True), *(pl.col(c).fill_null(NONE) == v for c, v in parsed(slice_name).items())
    )


def summed(
    cells: pl.DataFrame,
    columns: Sequence[str],
    *,
    pairs: bool = True,
    by: Sequence[str] = ("metric", "date"),
    values: Sequence[str] = SUMS,
) -> pl.DataFrame:
    """Sums per slice, metric and day, or per slice and `by`.

    Args:
        cells: any frame with the columns that slice, `by` and `values`.

    Returns:
        `slice, slice_kind, *by, *values`, ordered. A slice that holds the same rows as a simpler one (an
        agent that has but one model, the only source) is left out: it would say the same twice, and count
        twice in the correction for many comparisons.
    """
    daily = cells.group_by(*by, *columns).agg(pl.col(values).sum())
    parts = [
        daily.group_by(name(kind).alias("slice"), *by)
        .agg(pl.col(values).sum())
        .with_columns(slice_kind=pl.lit(kind_name(kind)))
        for kind in kinds(columns, pairs=pairs)
    ]
    return (
        pl.concat(parts)
        .join(repeated(daily, columns, pairs=pairs), on="slice", how="anti")
        .select("slice", "slice_kind", *by, *values)
        .sort("slice", *by)
    )


def repeated(daily: pl.DataFrame, columns: Sequence[str], *, pairs: bool) -> pl.DataFrame:
    """`slice` of every slice whose rows are those of one of its parts alone, or of the whole."""
    identities = daily.select(columns).unique()
    parts = [pl.DataFrame(schema={"slice": pl.String})]
    for kind in kinds(columns, pairs=pairs)[1:]:
        values = identities.select(kind).unique()
        if len(kind) == 1:
            parts.append(values.head(1 if values.height == 1 else 0).select(name(kind).alias("slice")))
            continue
        for column in kind:
            alone = (pl.len().over(column) == 1) | (pl.col(column).n_unique() == 1)
            parts.append(values.filter(alone).select(name(kind).alias("slice")))
    return pl.concat(parts).unique()
