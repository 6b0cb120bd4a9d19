"""What a table is: columns with types and units, a key, value rules; and whether a frame is one.

Polars decides types, exactly. Value rules are rendered twice, as a Polars expression and as an expectation
(`gate/suites.py`). References between tables are anti-joins (`gate/references.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

Severity = Literal["critical", "warning", "info"]
"""What a failed rule means: nothing is published, the run says so, or it is in the results alone."""


@dataclass(frozen=True)
class Between:
    """Values lie within the closed interval [low, high]; None leaves a side open."""

    low: float | None = None
    high: float | None = None
    severity: Severity = "critical"


@dataclass(frozen=True)
class OneOf:
    """Values come from a closed vocabulary."""

    values: tuple[str, ...]
    severity: Severity = "critical"


@dataclass(frozen=True)
class Matches:
    """Values match a linear-time regular expression (no look-around, no back-reference)."""

    pattern: str
    severity: Severity = "critical"


@dataclass(frozen=True)
class NotAbove:
    """A value is never above the same row's `other`; equal is allowed, null on either side passes."""

    other: str
    severity: Severity = "critical"


@dataclass(frozen=True)
class EqualWhere:
    """A value equals the same row's `other` wherever `column` is below `below`.

    Made for the law that nothing is truncated silently: where a pair got any verdict but a certain
    *insufficient*, every token that was offered was seen.
    """

    other: str
    column: str
    below: float
    severity: Severity = "critical"


Rule = Between | OneOf | Matches | NotAbove | EqualWhere


@dataclass(frozen=True)
class Column:
    """One quantity: its name, exact Polars type, prose, unit, nullability and value rules."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    description: str
    unit: str | None = None
    nullable: bool = False
    rules: tuple[Rule, ...] = ()

    def optional(self) -> Column:
        """The same quantity where it may be unknown."""
        return replace(self, nullable=True)


@dataclass(frozen=True)
class Table:
    """One table: its key, the column whose UTC day names the partition, its columns, one line of prose.

    `partition_by` is None where the partition is the day of the run.
    """

    name: str
    key: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]
    partition_by: str | None = "produced_at"
    references: tuple[tuple[str, str, str], ...] = field(default=())
    """(column, other table, other column): every value exists there."""

    @property
    def schema(self) -> pl.Schema:
        """Exact Polars schema, in column order."""
        return pl.Schema({c.name: c.dtype for c in self.columns})

    def empty(self) -> pl.DataFrame:
        """A frame with no rows and the exact schema."""
        return pl.DataFrame(schema=self.schema)


def mismatches(table: Table, schema: pl.Schema) -> list[str]:
    """Sentences for every way a frame's schema differs from the declaration; empty when it is exact."""
    declared = table.schema
    sentences = [f"column {n} is missing" for n in declared if n not in schema]
    sentences += [f"column {n} is not declared" for n in schema if n not in declared]
    sentences += [
        f"column {n} is {schema[n]}, expected {t}"
        for n, t in declared.items()
        if n in schema and schema[n] != t
    ]
    return sentences


def conform(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the declared columns in the declared order.

    Raises:
        TypeError: a column is missing, undeclared or of another type. Nothing is cast silently.
    """
    found = mismatches(table, frame.schema)
    if found:
        raise TypeError(f"{table.name}: {'; '.join(found[:10])} ({len(found)} in all)")
    return frame.select(table.schema.names())
