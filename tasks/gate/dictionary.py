"""The data dictionary: what the declared tables and columns render to for readers."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from tasks.gate.suites import rule_check
from tasks.schema import Column, Table


def render_dictionary(tables: Iterable[Table]) -> str:
    """The data dictionary in Markdown, one table per table."""
    parts = [
        "# Data dictionary\n",
        "Rendered from `tasks/tables.py` by `make render`; edit it there. Files are stored at "
        "`LAKE/tables/TABLE/date=YYYY-MM-DD/*.parquet`. Times are UTC with microseconds; ids are lower-case "
        "hex SHA-256 of what they name.\n",
    ]
    for table in tables:
        day = f"UTC day of `{table.partition_by}`" if table.partition_by else "UTC day of the run"
        parts.append(f"## {table.name}\n\n{table.description}.\n")
        parts.append(f"Key: {', '.join(f'`{k}`' for k in table.key)}. Partition: {day}.")
        parts += [
            f"Every `{column}` is a `{other_column}` of `{other}`."
            for column, other, other_column in table.references
        ]
        rows = "\n".join(_dictionary_row(column) for column in table.columns)
        parts.append(
            f"\n| column | type | unit | may be null | meaning | rules |\n|---|---|---|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


def _dictionary_row(column: Column) -> str:
    rules = "; ".join(
        rule_check(column, rule).expected.removeprefix("expected ")
        + ("" if rule.severity == "critical" else " (warning)")
        for rule in column.rules
    )
    cells = (
        f"`{column.name}`",
        f"`{_type_name(column.dtype)}`",
        column.unit or "",
        "yes" if column.nullable else "no",
        column.description,
        rules,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type_name(dtype: DataType | DataTypeClass) -> str:
    if isinstance(dtype, pl.List):
        return f"list<{_type_name(dtype.inner)}>"
    if isinstance(dtype, pl.Struct):
        return "struct<" + ", ".join(f"{f.name}: {_type_name(f.dtype)}" for f in dtype.fields) + ">"
    if isinstance(dtype, pl.Datetime):
        return "timestamp[us, UTC]"
    return str(dtype).lower()
