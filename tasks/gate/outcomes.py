"""What one expectation came to on one frame, and the committed rules as outcomes without Great Expectations.

A committed suite and a table's checks are the same rules (a test compares them), so Polars can say of each
what Great Expectations would. It does for the rows in which a night with nothing new records itself: loading
the library for them would take as long as the rest of that night.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tasks.gate import suites
from tasks.schema import Severity, Table

if TYPE_CHECKING:
    from tasks.gate.suite_files import Suite

OWN_RECORDS = ("completeness", "drift", "health", "runs")
"""Tables in which a run writes down what it did and saw itself, with no more of any trace than its id."""


@dataclass(frozen=True)
class Outcome:
    """One expectation on one frame. `rows` is how many fail it, None where that is not counted."""

    suite: Suite
    expectation: str
    column: str
    severity: Severity
    success: bool
    rows: int | None = None
    error: str | None = None
    """Why it could not be evaluated; then `success` is false and says nothing about rows."""


def by_rules(table: Table, suite: Suite, frame: pl.DataFrame) -> list[Outcome]:
    """Every rule of a table on a frame of its schema, in the order of the committed suite."""
    checks = suites.checks(table)
    counts = frame.select(check.violated.sum().alias(str(number)) for number, check in enumerate(checks))
    return [
        Outcome(suite, check.expectation, ", ".join(check.columns), check.severity, count == 0, count)
        for check, count in zip(checks, counts.row(0), strict=True)
    ]
