"""Rows of a table that a check refused, as rows of `quarantine`.

Belongs here: how a refused row is shown without giving away what people wrote. A refusal carries the
row's key and the values that offend; of a confidential column it tells the length alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tasks.gate.suites import CONFIDENTIAL
from tasks.schema import Table, conform
from tasks.tables import QUARANTINE, UTC, with_digests

MAXIMUM_RAW = 2000
"""Characters of `raw`: enough for every key and number, and no room for a document."""
_MAXIMUM_VALUE = 200
"""Characters of one value in `raw` and `locator`: three digests' length."""


def refuse(
    table: Table,
    rows: pl.DataFrame,
    *,
    offending: Sequence[str],
    source: str,
    run_id: str,
    quarantined_at: object,
) -> pl.DataFrame:
    """One QUARANTINE row per row of `rows` (columns of the table, plus `check` and `reason`).

    `offending` names the columns to show beside the key. Equal rows stay apart: the second is located as
    `KEY (2)`, so that counts reconcile.
    """
    shown = list(dict.fromkeys([*table.key, *(c for c in offending if c in rows.columns)]))
    own = pl.coalesce(pl.col("source"), pl.lit(source)) if "source" in table.schema else pl.lit(source)
    values = pl.struct([_shown(table, c).alias(c) for c in shown]).struct.json_encode()
    frame = rows.select(
        table=pl.lit(table.name),
        source=own,
        locator=pl.concat_str([_shown(table, c).fill_null("null") for c in table.key], separator="/"),
        check="check",
        reason="reason",
        raw=values.str.slice(0, MAXIMUM_RAW),
        run_id=pl.lit(run_id),
        quarantined_at=pl.lit(quarantined_at, dtype=UTC),
    )
    times = pl.int_range(1, pl.len() + 1).over("source", "locator", "check", "raw")
    numbered = pl.when(times == 1).then("locator").otherwise(pl.format("{} ({})", "locator", times))
    frame = frame.with_columns(locator=numbered)
    return conform(QUARANTINE, with_digests(frame))


def shown_value(table: Table, column: str) -> pl.Expr:
    """The column's value for a sentence: bounded, and of a confidential column its length alone."""
    return _shown(table, column).fill_null("missing")


def _shown(table: Table, column: str) -> pl.Expr:
    dtype = table.schema[column]
    if column in CONFIDENTIAL:
        if dtype == pl.String:
            return pl.format("({} characters)", pl.col(column).str.len_chars())
        return pl.lit("(confidential)")
    if isinstance(dtype, (pl.List, pl.Struct)):
        return pl.lit(f"({dtype.base_type().__name__.lower()})")
    return pl.col(column).cast(pl.String).str.slice(0, _MAXIMUM_VALUE)
