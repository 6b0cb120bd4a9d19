"""The gate: every table is validated before anything of it is published.

Belongs here: what a violation means for a row, a table and a run. Does not belong here: the rules
(`tables.py`), their renderings (`gate/suites.py`) or Great Expectations (`expectations.py`).

Order per table and unit: (1) the schema must be exact, or the gate fails; (2) every rule runs as a Polars
expression over the whole frame and decides which rows are refused; (3) Great Expectations runs the same
suite on each day's partition, on the columns its expectations read, as the second and independent opinion;
a row that it alone refuses is refused too; (4) refused rows become quarantine, the rest goes on; (5) more
refused rows than tolerated, or a check that could not run, fail the gate. A violated rule of severity
`warning` is reported and refuses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.files import durable
from tasks.gate import refusals, suites
from tasks.gate.great_expectations import Engine, Outcome
from tasks.gate.suites import Check
from tasks.schema import Table, mismatches
from tasks.tables import QUARANTINE, TABLES

RESULTS = "validation.json"
PAGES = "data_docs"
TOLERATED_ROWS = 10
"""Up to so many refused rows are bad rows, whatever their share of a small table; more may be systematic."""


@dataclass(frozen=True)
class Checked:
    """What became of a frame: `good` and `quarantine` together have as many rows as went in.

    `failures` holds one mapping per failed check: `expectation`, `column`, `severity`, `rows`, `day`.
    """

    good: pl.DataFrame
    quarantine: pl.DataFrame
    failures: list[dict[str, Any]]
    gate_failed: bool


@dataclass
class Validator:
    """Validates the frames of one run and keeps the results, which `finish` writes into `folder`."""

    folder: Path
    data_docs: bool = field(kw_only=True)
    run_id: str = field(kw_only=True)
    now: datetime = field(kw_only=True)
    maximum_quarantine_ratio: float = field(default=0.5, kw_only=True)
    """Share of a table's rows in one check above which the failure is systematic."""
    _engine: Engine = field(default_factory=Engine, repr=False)
    _results: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def check(self, table: str, frame: pl.DataFrame, source: str = "lake") -> Checked:
        """Splits a frame into rows that go on and rows that do not.

        Args:
            table: name of a declared table.
            frame: its rows; columns in any order.
            source: what quarantine names where the table has no `source` column of its own.
        """
        declared = TABLES[table]
        wrong = mismatches(declared, frame.schema)
        if wrong:
            return self._refuse_schema(declared, frame, wrong)
        frame = frame.select(declared.schema.names())
        checks = suites.checks(declared)
        violated = frame.select(**{str(number): check.violated for number, check in enumerate(checks)})
        parts = self._second_opinion(declared, frame)
        violated = _joined(checks, violated, parts)
        severe = [str(number) for number, check in enumerate(checks) if check.severity == "critical"]
        refused = violated.select(pl.any_horizontal(severe)).to_series()
        quarantine = self._quarantine(
            declared, frame, checks=checks, violated=violated, refused=refused, source=source
        )
        broken = [outcome for part in parts for outcome in part.outcomes if _is_unattributable(outcome)]
        tolerated = max(self.maximum_quarantine_ratio * frame.height, TOLERATED_ROWS)
        gate_failed = bool(broken) or quarantine.height > tolerated
        failures = self._record(
            declared, checks=checks, violated=violated, refused=refused, parts=parts, gate_failed=gate_failed
        )
        return Checked(frame.filter(~refused), quarantine, failures, gate_failed)

    def results(self) -> list[dict[str, Any]]:
        """One mapping per table, unit and day.

        Keys: `table`, `day` (null where a row has none), `suite_sha256`, `rows`, `evaluated`, `quarantined`,
        `gate_failed`, `checks` (each with `expectation`, `column`, `severity`, `success`, `unexpected`,
        `observed`), `failures` (the failed ones as in `Checked`).
        """
        return list(self._results)

    def finish(self) -> None:
        """Writes the results as JSON and, if wanted, Great Expectations' own pages, once per run.

        Raises:
            LakeError: the folder cannot be written.
        """
        with durable.touching(self.folder):
            durable.make_folder(self.folder)
            durable.replace_json(
                self.folder / RESULTS, {"format": 1, "run_id": self.run_id, "results": self._results}
            )
            totals = self._totals()
            if self.data_docs and totals:
                pages = self.folder / PAGES
                self._engine.build_pages(pages, totals, run_id=self.run_id, now=self.now)

    def _second_opinion(self, table: Table, frame: pl.DataFrame) -> list[_Part]:
        parts = []
        read = frame.select(*suites.rule_columns(table), suites.missing(table))
        suite = suites.suite(table)
        for day, positions in _partitions(table, frame, self.now.date()):
            parts.append(_Part(day, positions, self._engine.validate(suite, read[positions])))
        return parts

    def _quarantine(
        self,
        table: Table,
        frame: pl.DataFrame,
        *,
        checks: Sequence[Check],
        violated: pl.DataFrame,
        refused: pl.Series,
        source: str,
    ) -> pl.DataFrame:
        if not refused.any():
            return QUARANTINE.empty()
        severe = [(str(n), check) for n, check in enumerate(checks) if check.severity == "critical"]
        first = pl.coalesce(pl.when(pl.col(n)).then(pl.lit(check.name)) for n, check in severe)
        reasons = [pl.when(pl.col(n)).then(_reason(table, check)) for n, check in severe]
        rows = (
            frame.hstack(violated)
            .with_columns(suites.missing(table))
            .filter(refused)
            .with_columns(check=first, reason=pl.concat_str(reasons, separator="; ", ignore_nulls=True))
        )
        shown = [
            c
            for n, check in severe
            if violated[n].any() and check.column != suites.MISSING
            for c in check.columns
        ]
        return refusals.refuse(
            table, rows, offending=shown, source=source, run_id=self.run_id, quarantined_at=self.now
        )

    def _record(
        self,
        table: Table,
        *,
        checks: Sequence[Check],
        violated: pl.DataFrame,
        refused: pl.Series,
        parts: Sequence[_Part],
        gate_failed: bool,
    ) -> list[dict[str, Any]]:
        everything = []
        for part in parts:
            counts = violated[part.positions].sum().row(0)
            entries = []
            for check, outcome, count in zip(checks, part.outcomes, counts, strict=True):
                # Of a key that comes twice Great Expectations counts both rows, and one of them is good.
                entries.append(
                    {
                        "expectation": check.expectation["type"],
                        "column": check.column,
                        "severity": check.severity,
                        "success": outcome.success and not count,
                        "unexpected": count,
                        "observed": outcome.error
                        or f"{count} of {len(part.positions)} rows; {check.expected}",
                    }
                )
            failures = [
                {
                    **{key: entry[key] for key in ("expectation", "column", "severity")},
                    "rows": entry["unexpected"],
                    "day": part.day,
                }
                for entry in entries
                if not entry["success"]
            ]
            everything += failures
            self._results.append(
                {
                    "table": table.name,
                    "day": part.day,
                    "suite_sha256": suites.suite_sha256(table.name),
                    "rows": len(part.positions),
                    "evaluated": len(entries),
                    "quarantined": int(refused[part.positions].sum()),
                    "gate_failed": gate_failed,
                    "checks": entries,
                    "failures": failures,
                }
            )
        return everything

    def _refuse_schema(self, table: Table, frame: pl.DataFrame, wrong: list[str]) -> Checked:
        failure = {
            "expectation": "schema",
            "column": "; ".join(wrong[:10]),
            "severity": "critical",
            "rows": frame.height,
            "day": None,
        }
        self._results.append(
            {
                "table": table.name,
                "day": None,
                "suite_sha256": suites.suite_sha256(table.name),
                "rows": frame.height,
                "evaluated": 1,
                "quarantined": 0,
                "gate_failed": True,
                "checks": [],
                "failures": [failure],
            }
        )
        return Checked(table.empty(), QUARANTINE.empty(), [failure], gate_failed=True)

    def _totals(self) -> dict[str, dict[str, dict[str, int]]]:
        totals: dict[str, dict[str, dict[str, int]]] = {}
        for result in self._results:
            for entry in result["checks"]:
                name = f"{entry['expectation']}({entry['column']})"
                count = totals.setdefault(result["table"], {}).setdefault(
                    name, {"rows": 0, "unexpected": 0, "errors": 0}
                )
                count["rows"] += result["rows"]
                count["unexpected"] += entry["unexpected"]
                count["errors"] += not entry["success"] and not entry["unexpected"]
        return totals


@dataclass(frozen=True)
class _Part:
    """One day's partition of a frame: which rows, and what each check said."""

    day: str | None
    positions: list[int]
    outcomes: list[Outcome]


def _partitions(table: Table, frame: pl.DataFrame, run_day: date) -> list[tuple[str | None, list[int]]]:
    """Day and row positions per partition; rows without a day are one of their own."""
    if frame.is_empty():
        return []
    if table.partition_by is None:
        return [(run_day.isoformat(), list(range(frame.height)))]
    days = frame.select(day=pl.col(table.partition_by).dt.date(), position=pl.int_range(pl.len()))
    grouped = days.group_by("day", maintain_order=True).agg("position").sort("day", nulls_last=True)
    return [(_iso(day), positions) for day, positions in grouped.iter_rows()]


def _is_unattributable(outcome: Outcome) -> bool:
    """A failure that names no row: nothing to refuse, so nothing may pass."""
    return outcome.severity == "critical" and not outcome.success and not outcome.rows


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _joined(checks: Sequence[Check], violated: pl.DataFrame, parts: Sequence[_Part]) -> pl.DataFrame:
    """Violations of either engine, per check and row.

    Of a key that comes twice Great Expectations names every row, also the first, which is good.
    """
    for number, check in enumerate(checks):
        if check.expectation["type"].endswith("_unique"):
            continue
        rows = [part.positions[row] for part in parts for row in part.outcomes[number].rows]
        if rows:
            column = violated[str(number)].clone()
            violated = violated.with_columns(column.scatter(rows, True).alias(str(number)))
    return violated


def _reason(table: Table, check: Check) -> pl.Expr:
    if check.column == suites.MISSING:
        return pl.format("{} missing, " + check.expected, pl.col(suites.MISSING))
    values = pl.concat_str([refusals.shown_value(table, c) for c in check.columns[:1]], separator="/")
    if len(check.columns) > 1 and check.expectation["type"].endswith("_unique"):
        return pl.lit(f"{check.column} came before, {check.expected}")
    return pl.concat_str(
        pl.lit(f"{check.columns[0]} is "), values.str.slice(0, 100), pl.lit(f", {check.expected}")
    )
