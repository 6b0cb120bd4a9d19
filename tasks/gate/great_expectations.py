"""Door to Great Expectations: the only file that knows it; none of its types leave.

Belongs here: running a suite on one partition, and its own pages. Does not belong here: what follows from
a result (`validate.py`) or what a suite says (`gate/suites.py`).

Great Expectations takes seconds to import and some 8 ms for each expectation however few the rows, so it
is imported at the first partition with rows, one context serves the whole run, and the detailed result is
asked for only where the plain yes or no was no.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

_ANALYTICS = "GX_ANALYTICS_ENABLED"


@dataclass(frozen=True)
class Outcome:
    """One expectation on one partition. `rows` holds the positions of unexpected rows, where it has any."""

    check: str
    success: bool
    severity: str
    unexpected: int
    rows: tuple[int, ...] = ()
    error: str | None = None
    """Why it could not be evaluated; then `success` is false and says nothing about rows."""


@dataclass
class Engine:
    """A context of Great Expectations in memory, made when it is first needed."""

    _context: Any = None
    _batch: Any = None
    _suites: dict[str, Any] = field(default_factory=dict)
    _turn: AbstractContextManager[Any] = field(default_factory=threading.Lock)

    def validate(self, suite: Mapping[str, Any], frame: pl.DataFrame) -> list[Outcome]:
        """Runs a suite on a frame that has the columns its expectations read; one outcome each, in order."""
        with self._turn:
            self._start()
            if suite["name"] not in self._suites:
                self._suites[suite["name"]] = self._context.suites.add(_library().ExpectationSuite(**suite))
            # Only these columns become pandas, as a copy that costs three times the memory.
            batch = self._batch.get_batch(batch_parameters={"dataframe": frame.to_pandas()})
            with _remembered_configurations():
                results = batch.validate(self._suites[suite["name"]], result_format="BOOLEAN_ONLY").results
            # Results come grouped by column, not in the suite's order: only names tell them apart.
            outcomes = {_name(result): _outcome(result) for result in results}
            failed = [
                expectation
                for expectation in suite["expectations"]
                if not outcomes[expectation["meta"]["check"]].success
            ]
            if failed:
                again = {**suite, "name": f"{suite['name']} again", "expectations": failed}
                detailed = batch.validate(_library().ExpectationSuite(**again), result_format="COMPLETE")
                outcomes |= {_name(result): _outcome(result) for result in detailed.results}
            return [outcomes[expectation["meta"]["check"]] for expectation in suite["expectations"]]

    def _start(self) -> None:
        if self._context is not None:
            return
        library = _library()
        from great_expectations.data_context.types.base import ProgressBarsConfig

        self._context = library.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = self._context.data_sources.add_pandas("lake").add_dataframe_asset("partition")
        self._batch = asset.add_batch_definition_whole_dataframe("whole")

    def build_pages(
        self,
        folder: Path,
        totals: Mapping[str, Mapping[str, Mapping[str, int]]],
        *,
        run_id: str,
        now: datetime,
    ) -> None:
        """Writes Data Docs: one page per suite and one per table's validation in this run.

        Args:
            totals: per table and check, `rows` and `unexpected` over all partitions of the run. A page
                per partition would cost half a second each and nobody would read it. No value of a row
                is on any page.
        """
        with self._turn:
            self._start()
            site = {
                "class_name": "SiteBuilder",
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(folder),
                },
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
            self._context.add_data_docs_site(site_name="run", site_config=site)
            for table, checks in sorted(totals.items()):
                self._store(table, checks, run_id, now)
            with warnings.catch_warnings():
                # Its templates are its own affair; our pages are rendered elsewhere.
                warnings.simplefilter("ignore")
                self._context.build_data_docs(site_names=["run"])

    def _store(self, table: str, checks: Mapping[str, Mapping[str, int]], run_id: str, now: datetime) -> None:
        from great_expectations.core.expectation_validation_result import (
            ExpectationSuiteValidationResult,
            ExpectationValidationResult,
        )
        from great_expectations.core.run_identifier import RunIdentifier
        from great_expectations.data_context.types.resource_identifiers import (
            ExpectationSuiteIdentifier,
            ValidationResultIdentifier,
        )

        results = []
        for configuration in self._suites[table].expectation_configurations:
            count = checks[configuration.meta["check"]]
            share = 100 * count["unexpected"] / count["rows"] if count["rows"] else 0.0
            results.append(
                ExpectationValidationResult(
                    success=count["unexpected"] == 0 and not count.get("errors"),
                    expectation_config=configuration,
                    result={
                        "element_count": count["rows"],
                        "unexpected_count": count["unexpected"],
                        "unexpected_percent": share,
                    },
                    exception_info={
                        "raised_exception": False,
                        "exception_message": None,
                        "exception_traceback": None,
                    },
                    meta={},
                )
            )
        good = sum(result.success for result in results)
        run = RunIdentifier(run_name=run_id, run_time=now)
        suite = ExpectationSuiteIdentifier(name=table)
        whole = ExpectationSuiteValidationResult(
            success=good == len(results),
            results=results,
            suite_name=table,
            statistics={
                "evaluated_expectations": len(results),
                "successful_expectations": good,
                "unsuccessful_expectations": len(results) - good,
                "success_percent": 100 * good / len(results),
            },
            meta={"run_id": run, "validation_time": now, "active_batch_definition": {}},
            batch_id=table,
        )
        self._context.validation_results_store.store_validation_results(
            suite_validation_result=whole,
            suite_validation_result_identifier=ValidationResultIdentifier(
                expectation_suite_identifier=suite, run_id=run, batch_identifier="all partitions"
            ),
            expectation_suite_identifier=suite,
        )


def _library() -> Any:
    """Great Expectations with its usage statistics off, which must be said before it is imported."""
    os.environ[_ANALYTICS] = "false"
    with warnings.catch_warnings():
        # Deprecations among its own dependencies while it loads are not ours to mend.
        warnings.simplefilter("ignore")
        import great_expectations
    return great_expectations


@contextmanager
def _remembered_configurations() -> Iterator[None]:
    """Half the time: each expectation renders its own configuration once instead of some 80 times.

    The property is a pure function of an object that nothing changes during a validation (1.24.1; a test
    compares with the library as it is). Lift when the library remembers it itself.
    """
    from great_expectations.expectations.expectation import Expectation

    original = Expectation.configuration
    # By identity, with the object kept alive: these objects cannot be hashed.
    seen: dict[int, tuple[Any, Any]] = {}

    def configuration(self: Any) -> Any:
        known = seen.get(id(self))
        if known is None:
            known = seen[id(self)] = (self, original.fget(self))
        return known[1]

    Expectation.configuration = property(configuration)
    try:
        yield
    finally:
        Expectation.configuration = original


def _name(result: Any) -> str:
    return str(result.expectation_config.meta["check"])


def _outcome(result: Any) -> Outcome:
    details = result.result or {}
    error = _error(result.exception_info or {})
    positions = tuple(int(position) for position in details.get("unexpected_index_list") or ())
    return Outcome(
        check=_name(result),
        success=bool(result.success),
        severity=str(
            getattr(result.expectation_config.severity, "value", result.expectation_config.severity)
        ),
        unexpected=int(details.get("unexpected_count") or 0),
        rows=positions,
        error=error,
    )


def _error(information: Mapping[str, Any]) -> str | None:
    """The first exception's message: given for the expectation itself or, by metric, for its parts."""
    parts: Sequence[Any] = [information, *(v for v in information.values() if isinstance(v, dict))]
    for part in parts:
        if part.get("raised_exception"):
            return str(part.get("exception_message"))[:300]
    return None
