"""The gate: every table is validated before anything of it is published.

Order per table and unit: (1) the schema must be exact, or the gate fails; (2) every rule runs as a Polars
expression over the whole frame and decides which rows are refused: they become quarantine, and more of them
than tolerated fail the gate; (3) Great Expectations runs the committed suite, and the team's, on the rows
that remain, which are the ones about to be published. An expectation of severity `critical` that fails there,
or cannot be evaluated, fails the gate; a `warning` is told by the run and its report; an `info` is in the
results alone. A run that publishes nothing but its own records has the rules of (2) evaluated in (3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import polars as pl

from tasks.errors import GateError
from tasks.files import durable
from tasks.gate import refusals, suite_files, suites
from tasks.gate.outcomes import OWN_RECORDS, Outcome, by_rules
from tasks.gate.suite_files import Suite
from tasks.gate.suites import Check
from tasks.schema import Severity, Table, mismatches
from tasks.tables import QUARANTINE, TABLES, UTC

if TYPE_CHECKING:
    from tasks.gate.great_expectations import Engine

RESULTS = "validation.json"
PAGES = "data_docs"
TOLERATED_ROWS = 10
"""Up to so many refused rows are bad rows, whatever their share of a small table; more may be systematic."""


@dataclass(frozen=True)
class Failure:
    """A check that rows, or the table as a whole, do not pass; `rows` is None where it is not counted."""

    expectation: str
    column: str
    severity: Severity
    rows: int | None
    suite: str
    error: str | None = None
    """Why it could not be evaluated."""


@dataclass(frozen=True)
class Result:
    """What the gate made of one frame; `quarantined` of its `rows` were refused by Polars."""

    table: str
    first_day: str | None
    last_day: str | None
    rows: int
    quarantined: int
    evaluated: int
    gate_failed: bool
    suites: dict[str, str]
    """SHA-256 of each suite that ran, by its file."""
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Admission:
    """What became of a frame: `good` and `quarantine` together have as many rows as went in."""

    good: pl.DataFrame
    quarantine: pl.DataFrame
    failures: tuple[Failure, ...]


def load_team_suites(folder: str) -> dict[str, Suite]:
    """The suites of `validation.suites` by table, ready to run; none where it names no folder.

    Raises:
        ConfigError: a suite or an expectation class in the folder cannot be used.
    """
    if not folder:
        return {}
    team = suite_files.team(Path(folder))
    from tasks.gate import great_expectations

    great_expectations.prepare(team)
    return dict(team.suites)


@dataclass
class Validator:
    """Validates the frames of one run and keeps the results, which `finish` writes into `folder`."""

    folder: Path
    data_docs: bool = field(kw_only=True)
    run_id: str = field(kw_only=True)
    now: datetime = field(kw_only=True)
    maximum_quarantine_ratio: float = field(default=0.5, kw_only=True)
    """Share of a frame's refused rows above which the failure is systematic."""
    team: Mapping[str, Suite] = field(default_factory=dict, kw_only=True)
    """A team's own suites, by table."""
    by_rules: Sequence[str] = field(default=OWN_RECORDS, kw_only=True)
    """Tables whose suite is evaluated by Polars where nothing else needs Great Expectations."""
    _engine: Engine | None = field(default=None, init=False, repr=False)
    _results: list[Result] = field(default_factory=list, init=False, repr=False)

    def check(self, table: str, frame: pl.DataFrame, source: str = "lake") -> Admission:
        """Splits a frame into rows that go on and rows that do not.

        Args:
            table: name of a declared table.
            frame: its rows; columns in any order.
            source: what quarantine names where the table has no `source` column of its own.

        Raises:
            GateError: the schema is wrong, too many rows are refused, or a critical expectation fails.
            LakeError: the results cannot be written.
        """
        declared = TABLES[table]
        wrong = mismatches(declared, frame.schema)
        if wrong:
            failure = Failure("schema", "; ".join(wrong[:10]), "critical", frame.height, "tasks/tables.py")
            self._fail(declared, frame, [failure], f"{table}: {failure.column}; report this as a bug")
        good, quarantine, failures = self._refuse(declared, frame.select(declared.schema.names()), source)
        if quarantine.height > max(self.maximum_quarantine_ratio * frame.height, TOLERATED_ROWS):
            self._fail(
                declared,
                frame,
                failures,
                f"{table}: validation refused {quarantine.height} of {frame.height} rows, more than "
                f"validation.maximum_quarantine_ratio allows; most frequent: {_most(failures)}",
            )
        outcomes = self._validate(declared, good)
        expectations = [_failure(o) for o in outcomes if not o.success and o.severity != "info"]
        critical = [_sentence(table, f, good.height) for f in expectations if f.severity == "critical"]
        failures += expectations
        if critical:
            self._fail(declared, frame, failures, _listed(critical), outcomes)
        self._record(declared, frame, failures, outcomes, quarantined=quarantine.height)
        return Admission(good, quarantine, tuple(failures))

    def results(self) -> list[dict[str, object]]:
        """One mapping per frame that had rows: the fields of `Result`."""
        return [asdict(result) for result in self._results]

    def take_results(self) -> list[Result]:
        """Those since they were last taken, which are no longer its own."""
        taken, self._results = self._results, []
        return taken

    def add_results(self, results: Sequence[Result]) -> None:
        """Adds what a validator of another process found."""
        self._results += results

    def warnings(self) -> list[str]:
        """A sentence for each expectation of severity `warning` that failed, over all frames of the run."""
        rows: dict[tuple[str, Failure], list[int | None]] = {}
        for result in self._results:
            for failure in result.failures:
                if failure.severity == "warning":
                    rows.setdefault((result.table, replace(failure, rows=None)), []).append(failure.rows)
        sizes = {table: sum(r.rows for r in self._results if r.table == table) for table, _ in rows}
        return [
            _sentence(table, replace(failure, rows=_total(counts)), sizes[table])
            for (table, failure), counts in rows.items()
        ]

    def finish(self) -> list[str]:
        """Writes the results as JSON, and Great Expectations' own pages; the warnings of the run.

        Raises:
            LakeError: the folder cannot be written.
        """
        if self._engine is not None:
            self._engine.build_pages()
        with durable.touching(self.folder):
            durable.make_folder(self.folder)
            durable.replace_json(
                self.folder / RESULTS, {"format": 2, "run_id": self.run_id, "results": self.results()}
            )
        return self.warnings()

    def _refuse(
        self, table: Table, frame: pl.DataFrame, source: str
    ) -> tuple[pl.DataFrame, pl.DataFrame, list[Failure]]:
        """Good rows, QUARANTINE rows, and the rules of severity `critical` that refuse them."""
        checks = [check for check in suites.checks(table) if check.severity == "critical"]
        violated = frame.select(**{check.name: check.violated for check in checks})
        refused = violated.select(pl.any_horizontal(pl.all())).to_series()
        if not refused.any():
            return frame, QUARANTINE.empty(), []
        broken = [check for check in checks if violated[check.name].any()]
        rows = (
            frame.hstack(violated)
            .with_columns(suites.missing(table))
            .filter(refused)
            .with_columns(
                check=pl.coalesce(pl.when(pl.col(c.name)).then(pl.lit(c.name)) for c in broken),
                reason=pl.concat_str(
                    [pl.when(pl.col(c.name)).then(_reason(table, c)) for c in broken],
                    separator="; ",
                    ignore_nulls=True,
                ),
            )
        )
        offending = [name for c in broken if c.column != suites.MISSING for name in c.columns]
        quarantine = refusals.refuse(
            table, rows, offending=offending, source=source, run_id=self.run_id, quarantined_at=self.now
        )
        file = suite_files.committed(table.name).file
        failures = [
            Failure(c.expectation, c.column, c.severity, int(violated[c.name].sum()), file) for c in broken
        ]
        return frame.filter(~refused), quarantine, failures

    def _validate(self, table: Table, good: pl.DataFrame) -> list[Outcome]:
        """What Great Expectations says of the rows about to be published.

        A run's own records alone are no reason to load it: then the same rules are evaluated by Polars.
        """
        if good.is_empty():
            return []
        if self._engine is None and table.name in self.by_rules and table.name not in self.team:
            return by_rules(table, suite_files.committed(table.name), good)
        from tasks.gate.great_expectations import Engine

        if self._engine is None:
            pages = self.folder / PAGES if self.data_docs else None
            self._engine = Engine(self.folder, run_id=self.run_id, now=self.now, pages=pages)
        own = self.team.get(table.name)
        files = [suite_files.committed(table.name), *([own] if own else [])]
        read = [suite.columns for suite in files]
        names = {name for columns in read for name in columns or table.schema}
        columns = [name for name in table.schema if name in names]
        return self._engine.validate(table.name, files, good.select(*columns, suites.missing(table)))

    def _record(
        self,
        table: Table,
        frame: pl.DataFrame,
        failures: Sequence[Failure],
        outcomes: Sequence[Outcome],
        *,
        quarantined: int,
        gate_failed: bool = False,
    ) -> None:
        if frame.is_empty() and not gate_failed:
            return
        first, last = _days(table, frame)
        digests = {outcome.suite.file: outcome.suite.sha256 for outcome in outcomes}
        self._results.append(
            Result(
                table=table.name,
                first_day=first,
                last_day=last,
                rows=frame.height,
                quarantined=quarantined,
                evaluated=len(outcomes),
                gate_failed=gate_failed,
                suites=digests,
                failures=tuple(failures),
            )
        )

    def _fail(
        self,
        table: Table,
        frame: pl.DataFrame,
        failures: Sequence[Failure],
        sentence: str,
        outcomes: Sequence[Outcome] = (),
    ) -> NoReturn:
        """Nothing of the frame goes on; the results are written, because the run ends here."""
        self._record(table, frame, failures, outcomes, quarantined=0, gate_failed=True)
        self.finish()
        raise GateError(f"{sentence}; nothing of this unit was published")


def _days(table: Table, frame: pl.DataFrame) -> tuple[str | None, str | None]:
    """First and last UTC day of a frame's rows, where its table has days of its own."""
    if frame.schema.get(table.partition_by or "") != UTC:
        return None, None
    days = frame[table.partition_by or ""].dt.date().drop_nulls()
    return (None, None) if days.is_empty() else (str(days.min()), str(days.max()))


def _failure(outcome: Outcome) -> Failure:
    return Failure(
        outcome.expectation,
        outcome.column,
        outcome.severity,
        outcome.rows,
        outcome.suite.file,
        outcome.error,
    )


def _sentence(table: str, failure: Failure, rows: int) -> str:
    column = f" on {failure.column}" if failure.column else ""
    head = f"{failure.suite}: {table}: {failure.expectation}{column} ({failure.severity})"
    if failure.error:
        return f"{head} cannot be evaluated: {failure.error}"
    return f"{head} fails" + (f" for {failure.rows} of {rows} rows" if failure.rows else "")


def _listed(sentences: Sequence[str]) -> str:
    more = f"; and {len(sentences) - 10} more" if len(sentences) > 10 else ""
    return "; ".join(sentences[:10]) + more


def _most(failures: Sequence[Failure]) -> str:
    most = max(failures, key=lambda failure: failure.rows or 0)
    return f"{most.expectation}({most.column})"


def _total(counts: Sequence[int | None]) -> int | None:
    """Rows of all frames together; None where one of them was not counted."""
    return None if None in counts else sum(count or 0 for count in counts)


def _reason(table: Table, check: Check) -> pl.Expr:
    if check.column == suites.MISSING:
        return pl.format("{} missing, " + check.expected, pl.col(suites.MISSING))
    if len(check.columns) > 1 and check.expectation.endswith("_unique"):
        return pl.lit(f"{check.column} came before, {check.expected}")
    value = refusals.shown_value(table, check.columns[0]).str.slice(0, 100)
    return pl.concat_str(pl.lit(f"{check.columns[0]} is "), value, pl.lit(f", {check.expected}"))
