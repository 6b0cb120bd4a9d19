"""What a table's rules render to: value checks for Polars, and a suite for Great Expectations.

Each check exists once and has two faces: a Polars expression that is true where a row violates it, which
decides row by row and costs little, and an expectation, which proves the same to people who know that
format. `tests/gate/test_validate.py` proves that both say the same. A suite is a plain dictionary; the
committed ones are in `tasks/gate/expectations`, and `suite_files.py` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NotRequired, TypedDict

import polars as pl

from tasks.schema import Between, Column, EqualWhere, Matches, NotAbove, OneOf, Rule, Severity, Table

MISSING = "required_missing"
"""Column that the gate adds: names of the row's required columns that are null or NaN, comma-separated.

One expectation over it instead of one per column: an expectation costs some 6 ms however few its rows,
and most columns of most tables are required.
"""

CONFIDENTIAL = frozenset({"prompt", "response", "contexts", "text", "metadata", "raw", "comment", "body"})
"""Columns that hold what people and agents wrote; no value of theirs goes into a reason or a result."""


class ExpectationBody(TypedDict):
    """One expectation, as Great Expectations writes it into a suite."""

    type: str
    kwargs: dict[str, object]
    severity: NotRequired[str]
    meta: NotRequired[dict[str, object]]
    notes: NotRequired[str]


class SuiteBody(TypedDict):
    """A suite, as the dictionary that `ExpectationSuite(**suite)` takes."""

    name: str
    expectations: list[ExpectationBody]
    meta: NotRequired[dict[str, object]]
    notes: NotRequired[str]


@dataclass(frozen=True)
class Check:
    """One rule on one table, ready for both engines.

    `violated` is a Boolean expression over the table's columns, never null; `expected` ends the sentence
    "COLUMN is VALUE, ...".
    """

    column: str
    expected: str
    columns: tuple[str, ...]
    violated: pl.Expr
    expectation: str
    kwargs: dict[str, object]
    severity: Severity = "critical"

    @property
    def name(self) -> str:
        """What quarantine and results call it: expectation and column."""
        return f"{self.expectation}({self.column})"


def checks(table: Table) -> list[Check]:
    """Every check of a table: required columns, key, then the columns' rules in their order."""
    rules = [rule_check(column, rule) for column in table.columns for rule in column.rules]
    return [_required(table), _key(table), *rules]


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
        columns=tuple(column.name for column in required),
        violated=pl.any_horizontal(pl.lit(value=False), *(_absent(column) for column in required)),
        expectation="expect_column_values_to_be_in_set",
        kwargs={"column": MISSING, "value_set": [""]},
    )


def _key(table: Table) -> Check:
    one = len(table.key) == 1
    return Check(
        column=", ".join(table.key),
        expected="expected a key that no earlier row has",
        columns=table.key,
        # The first row of a key is good, so one refusal per superfluous row.
        violated=~pl.struct(table.key).is_first_distinct(),
        expectation="expect_column_values_to_be_unique" if one else "expect_compound_columns_to_be_unique",
        kwargs={"column": table.key[0]} if one else {"column_list": list(table.key)},
    )


def rule_check(column: Column, rule: Rule) -> Check:
    """A column's rule as a check."""
    check = _RENDERINGS[type(rule)](column, rule)
    return replace(check, severity=rule.severity, violated=check.violated.fill_null(value=False))


def _between(column: Column, rule: Between) -> Check:
    value, low, high = pl.col(column.name), rule.low, rule.high
    violated = value.is_nan() if column.dtype.is_float() else pl.lit(value=False)
    kwargs: dict[str, object] = {"column": column.name}
    if low is not None:
        violated, kwargs["min_value"] = violated | (value < low), low
    if high is not None:
        violated, kwargs["max_value"] = violated | (value > high), high
    if low is None:
        expected = f"expected {high:g} or less"
    else:
        expected = f"expected {low:g} or more" if high is None else f"expected {low:g} to {high:g}"
    names = (column.name,)
    return Check(column.name, expected, names, violated, "expect_column_values_to_be_between", kwargs)


def _one_of(column: Column, rule: OneOf) -> Check:
    return Check(
        column=column.name,
        expected=f"expected one of {', '.join(rule.values)}",
        columns=(column.name,),
        violated=~pl.col(column.name).is_in(list(rule.values)),
        expectation="expect_column_values_to_be_in_set",
        kwargs={"column": column.name, "value_set": list(rule.values)},
    )


def _matches(column: Column, rule: Matches) -> Check:
    # Python's `$` also matches before a last line feed, Rust's and `\Z` do not.
    pattern = rule.pattern[:-1] + r"\Z" if rule.pattern.endswith("$") else rule.pattern
    return Check(
        column=column.name,
        expected=f"expected to match {rule.pattern}",
        columns=(column.name,),
        violated=~pl.col(column.name).str.contains(rule.pattern),
        expectation="expect_column_values_to_match_regex",
        kwargs={"column": column.name, "regex": pattern},
    )


def _not_above(column: Column, rule: NotAbove) -> Check:
    return Check(
        column=column.name,
        expected=f"expected not above {rule.other}",
        columns=(column.name, rule.other),
        violated=pl.col(column.name) > pl.col(rule.other),
        expectation="expect_column_pair_values_a_to_be_greater_than_b",
        kwargs={
            "column_A": rule.other,
            "column_B": column.name,
            "or_equal": True,
            "ignore_row_if": "either_value_is_missing",
        },
    )


def _equal_where(column: Column, rule: EqualWhere) -> Check:
    return Check(
        column=column.name,
        expected=f"expected to equal {rule.other} where {rule.column} is below {rule.below:g}",
        columns=(column.name, rule.other, rule.column),
        violated=(pl.col(rule.column) < rule.below) & (pl.col(column.name) != pl.col(rule.other)),
        expectation="expect_column_pair_values_to_be_equal",
        kwargs={
            "column_A": column.name,
            "column_B": rule.other,
            "ignore_row_if": "either_value_is_missing",
            "row_condition": {
                "type": "comparison",
                "column": {"name": rule.column},
                "operator": "<",
                "parameter": rule.below,
            },
        },
    )


_RENDERINGS: dict[type[Rule], Callable[..., Check]] = {
    Between: _between,
    OneOf: _one_of,
    Matches: _matches,
    NotAbove: _not_above,
    EqualWhere: _equal_where,
}


def suite(table: Table) -> SuiteBody:
    """The suite of a table's own rules."""
    return {
        "name": table.name,
        "expectations": [
            {
                "type": check.expectation,
                "kwargs": check.kwargs,
                "severity": check.severity,
                "meta": {"check": check.name},
                "notes": f"{check.column}: {check.expected}",
            }
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
    """The suite as the text of `tasks/gate/expectations/TABLE.json`."""
    return json.dumps(suite(table), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def columns_read(expectation: ExpectationBody) -> list[str]:
    """Columns that an expectation names, in its keyword arguments and in its row condition."""
    names: list[object] = []
    for key, value in expectation["kwargs"].items():
        if key.startswith("column"):
            names += value if isinstance(value, list) else [value]
        elif key == "row_condition":
            names += _condition_columns(value)
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _condition_columns(condition: object) -> list[object]:
    """Names under `column` of a condition, which may hold further conditions."""
    if isinstance(condition, list):
        return [name for part in condition for name in _condition_columns(part)]
    if not isinstance(condition, dict):
        return []
    column = condition.get("column")
    here = [column["name"]] if isinstance(column, dict) and "name" in column else []
    return [*here, *(name for part in condition.values() for name in _condition_columns(part))]
