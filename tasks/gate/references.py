"""References between tables, as anti-joins.

Belongs here: which rows refer to nothing. Which partitions are looked into is the caller's knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import polars as pl

from tasks.schema import Table
from tasks.tables import TABLES

Visible = Callable[[Table, str, set[date] | None], pl.LazyFrame]
"""(table, column, days or None for all) to the one column of the rows that are published already."""


def dangling(
    frames: Mapping[str, pl.DataFrame], order: Sequence[str], visible: Visible
) -> dict[str, pl.DataFrame]:
    """Offending rows per table, each with the column `reference`: what it refers to in vain.

    Tables are walked in `order`, so that a row that refers to an offending row offends as well. A null
    refers to nothing and passes.
    """
    sound = dict(frames)
    offenders: dict[str, pl.DataFrame] = {}
    for name in sorted(frames, key=order.index):
        table = TABLES[name]
        found = []
        for column, other_name, other_column in table.references:
            rows, other = sound[name], TABLES[other_name]
            if rows.is_empty():
                continue
            known = visible(other, other_column, _days(table, other, rows))
            if other_name in sound:
                known = pl.concat([known, sound[other_name].lazy().select(other_column)])
            wanted = rows.lazy().select(column).drop_nulls().unique()
            missing = wanted.join(known, left_on=column, right_on=other_column, how="anti").collect()[column]
            offends = rows[column].is_in(missing.implode())
            bad = rows.filter(offends)
            if not bad.is_empty():
                found.append(bad.with_columns(reference=pl.lit(f"{column} is in no row of {other_name}")))
                sound[name] = rows.filter(~offends)
        if found:
            offenders[name] = pl.concat(found)
    return offenders


def _days(table: Table, other: Table, rows: pl.DataFrame) -> set[date] | None:
    """Rows that share the partition column with what they refer to stand in the same day."""
    if table.partition_by is None or table.partition_by != other.partition_by:
        return None
    return set(rows[table.partition_by].dt.date().drop_nulls().to_list())
