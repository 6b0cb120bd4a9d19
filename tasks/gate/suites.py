"""What a table's declaration renders to: value checks, Great Expectations suite, Arrow schema, dictionary.

Belongs here: renderings of `tables.py`, each a pure function of a declaration. Does not belong here: the
declarations, or Great Expectations itself (`tasks/gate/validate.py`): a suite is a plain dictionary.

Each check exists once and has two faces: a Polars expression that is true where a row violates it, which
decides row by row and costs little, and an expectation, which proves the same to people who know that
format. `tests/gate/test_validate.py` proves that both say the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from tasks.schema import Between, Column, Matches, NotAbove, OneOf, Rule, Severity, Table
from tasks.tables import TABLES

MISSING = "required_missing"
"""Column that the door adds: names of the row's required columns that are null or NaN, comma-separated.

One expectation over it instead of one per column: an expectation costs some 8 ms however few its rows,
and most columns of most tables are required.
"""

CONFIDENTIAL = frozenset({"prompt", "response", "contexts", "text", "metadata", "raw", "comment", "body"})
"""Columns that hold what people and agents wrote; no value of theirs goes into a reason or a result."""


@dataclass(frozen=True)
class Check:
    """One rule on one table, ready for both engines.

    `violated` is a Boolean expression over the table's columns, never null; `expected` ends the sentence
    "COLUMN is VALUE, ...".
    """

    column: str
    expected: str
    severity: Severity
    columns: tuple[str, ...]
    violated: pl.Expr
    expectation: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What quarantine and results call it: expectation and column."""
        return f"{self.expectation['type']}({self.column})"


def checks(table: Table) -> list[Check]:
    """Every check of a table: required columns, key, then the columns' rules in their order."""
    found = [_required(table), _key(table)]
    found += [_check(column, rule) for column in table.columns for rule in column.rules]
    return found


def _absent(column: Column) -> pl.Expr:
    expression = pl.col(column.name).is_null()
    return expression | pl.col(column.name).is_nan() if column.dtype.is_float() else expression


def missing(table: Table) -> pl.Expr:
    """String expression `required_missing`; empty where nothing is missing."""
    names = [
        pl.when(_absent(c)).then(pl.lit(c.name)).otherwise(None) for c in table.columns if not c.nullable
    ]
    return pl.concat_str(names, separator=", ", ignore_nulls=True).alias(MISSING)


def _required(table: Table) -> Check:
    required = [column for column in table.columns if not column.nullable]
    return Check(
        column=MISSING,
        expected="expected a value in every required column",
        severity="critical",
        columns=tuple(column.name for column in required),
        violated=pl.any_horizontal(pl.lit(value=False), *(_absent(column) for column in required)),
        expectation=_expectation("expect_column_values_to_be_in_set", column=MISSING, value_set=[""]),
    )


def _key(table: Table) -> Check:
    expectation = (
        _expectation("expect_column_values_to_be_unique", column=table.key[0])
        if len(table.key) == 1
        else _expectation("expect_compound_columns_to_be_unique", column_list=list(table.key))
    )
    return Check(
        column=", ".join(table.key),
        expected="expected a key that no earlier row has",
        severity="critical",
        columns=table.key,
        # The first row of a key is good, so one refusal per superfluous row.
        violated=~pl.struct(table.key).is_first_distinct(),
        expectation=expectation,
    )


def _check(column: Column, rule: Rule) -> Check:
    name, value = column.name, pl.col(column.name)
    columns: tuple[str, ...] = (name,)
    if isinstance(rule, Between):
        low, high = rule.low, rule.high
        violated = pl.lit(value=False)
        if column.dtype.is_float():
            violated = violated | value.is_nan()
        if low is not None:
            violated = violated | (value < low)
        if high is not None:
            violated = violated | (value > high)
        expected = (
            f"expected {low:g} to {high:g}"
            if low is not None and high is not None
            else f"expected {low:g} or more"
            if low is not None
            else f"expected {high:g} or less"
        )
        bounds = {"min_value": low, "max_value": high}
        expectation = _expectation(
            "expect_column_values_to_be_between",
            column=name,
            **{key: bound for key, bound in bounds.items() if bound is not None},
        )
    elif isinstance(rule, OneOf):
        violated = ~value.is_in(list(rule.values))
        expected = f"expected one of {', '.join(rule.values)}"
        expectation = _expectation(
            "expect_column_values_to_be_in_set", column=name, value_set=list(rule.values)
        )
    elif isinstance(rule, Matches):
        violated = ~value.str.contains(rule.pattern)
        expected = f"expected to match {rule.pattern}"
        # Python's `$` also stands before a last line feed, Rust's and `\Z` do not.
        pattern = rule.pattern[:-1] + r"\Z" if rule.pattern.endswith("$") else rule.pattern
        expectation = _expectation("expect_column_values_to_match_regex", column=name, regex=pattern)
    elif isinstance(rule, NotAbove):
        columns = (name, rule.other)
        violated = value > pl.col(rule.other)
        expected = f"expected not above {rule.other}"
        expectation = _expectation(
            "expect_column_pair_values_a_to_be_greater_than_b",
            column_A=rule.other,
            column_B=name,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
        )
    else:
        columns = (name, rule.other, rule.column)
        violated = (pl.col(rule.column) < rule.below) & (value != pl.col(rule.other))
        expected = f"expected to equal {rule.other} where {rule.column} is below {rule.below:g}"
        expectation = _expectation(
            "expect_column_pair_values_to_be_equal",
            column_A=name,
            column_B=rule.other,
            ignore_row_if="either_value_is_missing",
            row_condition={
                "type": "comparison",
                "column": {"name": rule.column},
                "operator": "<",
                "parameter": rule.below,
            },
        )
    return Check(
        column=name,
        expected=expected,
        severity=rule.severity,
        columns=columns,
        violated=violated.fill_null(value=False),
        expectation={**expectation, "severity": rule.severity},
    )


def _expectation(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": "critical"}


def suite(table: Table) -> dict[str, Any]:
    """The Great Expectations suite of a table, as the dictionary that `ExpectationSuite(**suite)` takes."""
    return {
        "name": table.name,
        "expectations": [
            {**check.expectation, "meta": {"check": check.name}, "notes": f"{check.column}: {check.expected}"}
            for check in checks(table)
        ],
        "meta": {
            "table": table.name,
            "key": list(table.key),
            "partition_by": table.partition_by,
            MISSING: "names of the row's required columns that are null or NaN, comma-separated",
            "required": [column.name for column in table.columns if not column.nullable],
        },
        "notes": table.description,
    }


def render_suite(table: Table) -> str:
    """The suite as the text of `expectations/TABLE.json`."""
    return json.dumps(suite(table), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@cache
def suite_sha256(name: str) -> str:
    """SHA-256 of the committed suite of the table of that name, which goes into a run's results."""
    return sha256(render_suite(TABLES[name]).encode()).hexdigest()


def rule_columns(table: Table) -> list[str]:
    """Columns that an expectation reads, in the table's order, without `required_missing`."""
    read = {name for check in checks(table)[1:] for name in check.columns}
    return [column.name for column in table.columns if column.name in read]


def arrow_schema(table: Table) -> pa.Schema:
    """Arrow schema with nullability, and description and unit as field metadata."""
    types = table.empty().to_arrow().schema
    return pa.schema(
        [
            pa.field(
                column.name,
                types.field(column.name).type,
                nullable=column.nullable,
                metadata={"description": column.description} | ({"unit": column.unit} if column.unit else {}),
            )
            for column in table.columns
        ],
        metadata={"table": table.name, "description": table.description, "key": ",".join(table.key)},
    )


def schema_sha256(table: Table) -> str:
    """SHA-256 over names, types and nullability: what a run's record names as the schema it wrote."""
    lines = [f"{c.name} {c.dtype!r} {'null' if c.nullable else 'required'}" for c in table.columns]
    return sha256("\n".join([table.name, *lines]).encode()).hexdigest()


def render_dictionary(tables: Iterable[Table]) -> str:
    """The data dictionary in Markdown, one table per table."""
    parts = [
        "# Data dictionary\n",
        "Rendered from `tasks/tables.py` by `make render`; edit it there. Files stand at "
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
        _check(column, rule).expected.removeprefix("expected ")
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


def _type_name(dtype: Any) -> str:
    if isinstance(dtype, pl.List):
        return f"list<{_type_name(dtype.inner)}>"
    if isinstance(dtype, pl.Struct):
        return "struct<" + ", ".join(f"{f.name}: {_type_name(f.dtype)}" for f in dtype.fields) + ">"
    if isinstance(dtype, pl.Datetime):
        return "timestamp[us, UTC]"
    return str(dtype).lower()
