"""Door to Great Expectations: the only file that knows it; none of its types leave.

Loading it takes seconds, so this module is imported at the first frame with rows, or at the start of a run
that has suites of a team. A checkpoint a table validates the rows about to be published against the
committed suite and the team's; its actions store what came of it and build the pages of what failed. An
expectation costs some 6 ms however few the rows, so a plain yes or no is asked for first, and counts only
where it was no.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, cast

from tasks.errors import ClaimledgerError, ConfigError, GateError
from tasks.files import durable
from tasks.gate.outcomes import Outcome
from tasks.gate.suite_files import Suite, TeamSuites
from tasks.gate.suites import CONFIDENTIAL, ExpectationBody, columns_read

if TYPE_CHECKING:
    import polars as pl

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # it reads this when it is imported
with warnings.catch_warnings():
    # Deprecations among its own dependencies while it loads are not ours to mend.
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction
    from great_expectations.checkpoint.actions import ActionContext, ValidationAction
    from great_expectations.checkpoint.checkpoint import CheckpointResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
        register_expectation,
    )

# It says on every run where it makes its pages, and has set this level itself: that is not a step of a flow.
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)


class _InOneSentence(logging.Handler):
    """A page that cannot be made, on a full disk for example, is logged with a traceback and passed over."""

    def emit(self, record: logging.LogRecord) -> None:
        what = re.search(r'follows:\s+(\w+): "', record.getMessage())
        log.warning("a page of Data Docs was not made (%s)", what[1] if what else record.levelname)


log = logging.getLogger("claimledger.gate")
_rendering = logging.getLogger("great_expectations.render")
_rendering.addHandler(_InOneSentence(logging.WARNING))
_rendering.propagate = False

RESULTS = "great_expectations.jsonl"
"""In a run's folder: what Great Expectations returned, a line for each suite and frame."""
_SITE = "run"
_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0}
"""Result format with counts and without any value of a row."""
_MODULES: dict[tuple[Path, str], ModuleType] = {}
"""Modules of teams that this process has loaded, by file and digest."""


class StoreResults(ValidationAction):  # type: ignore[misc]
    """Appends the results of a checkpoint to a file of the run, as they are but for tracebacks."""

    type: Literal["store_results"] = "store_results"
    file: str

    def run(
        self,
        checkpoint_result: CheckpointResult,
        action_context: ActionContext | None = None,  # noqa: ARG002 - the library passes it by name
    ) -> dict[str, int]:
        """Appends a line for each suite."""
        file = Path(self.file)
        lines = [json.dumps(_plain(result)) + "\n" for result in checkpoint_result.run_results.values()]
        with durable.touching(file):
            durable.make_folder(file.parent)
            with file.open("a", encoding="utf-8") as handle:
                handle.writelines(lines)
        return {"lines": len(lines)}


class UpdatePagesOnFailure(UpdateDataDocsAction):  # type: ignore[misc]
    """Builds Data Docs at once for a frame on which a suite fails; `Engine.build_pages` builds the others."""

    type: Literal["update_pages_on_failure"] = "update_pages_on_failure"

    def run(
        self, checkpoint_result: CheckpointResult, action_context: ActionContext | None = None
    ) -> dict[object, dict[str, str]]:
        """Builds the pages of a checkpoint's results."""
        if checkpoint_result.success:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its templates
            return cast("dict[object, dict[str, str]]", super().run(checkpoint_result, action_context))


class Engine:
    """The checkpoints of one run, each made when its table comes first."""

    def __init__(self, folder: Path, *, run_id: str, now: datetime, pages: Path | None) -> None:
        """`pages` is the folder of its Data Docs, None for none."""
        self._run = RunIdentifier(run_name=run_id, run_time=now)
        self._folder = folder
        self._turn = threading.Lock()
        self._checkpoints: dict[tuple[str, bool], gx.Checkpoint] = {}
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._source = self._context.data_sources.add_pandas("lake")
        self._pages = pages
        self._without_pages: dict[str, list[ValidationResultIdentifier]] = {}
        if pages:
            place = str(pages.absolute())
            store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": place}
            index = {"class_name": "DefaultSiteIndexBuilder"}
            site = {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
            self._context.add_data_docs_site(site_name=_SITE, site_config=site)

    def validate(self, table: str, suites: Sequence[Suite], frame: pl.DataFrame) -> list[Outcome]:
        """Runs a table's checkpoint on rows about to be published.

        Args:
            table: its name.
            suites: the same ones for every frame of a table.
            frame: its rows, with the columns that the suites read and `required_missing`.

        Raises:
            GateError: Great Expectations itself failed.
            LakeError: results or pages cannot be written.
        """
        rows = {"dataframe": frame.to_pandas()}
        try:
            with self._turn, durable.touching(self._folder):
                result = self._checkpoint(table, suites).run(batch_parameters=rows, run_id=self._run)
                if not result.success and not any(_shows_values(result)):
                    counting = self._checkpoint(table, suites, counts=True)
                    result = counting.run(batch_parameters=rows, run_id=self._run)
                outcomes = _outcomes(result, suites)
                if result.success:
                    self._without_pages.setdefault(table, list(result.run_results))
                else:
                    self._without_pages[table] = []
        except ClaimledgerError:
            raise
        except Exception as error:
            raise GateError(
                f"{table}: Great Expectations stopped with {type(error).__name__}: {_one_line(error)}; "
                f"nothing of this unit was published; check {' and '.join(s.file for s in suites)}"
            ) from error
        return outcomes

    def build_pages(self) -> None:
        """Data Docs of the last frame of every table on which no suite failed; the others have theirs.

        Raises:
            LakeError: they cannot be written.
        """
        results = [key for keys in self._without_pages.values() for key in keys]
        suites = [key.expectation_suite_identifier for key in results]
        if not self._pages or not results:
            return
        with self._turn, durable.touching(self._folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its templates
            self._context.build_data_docs(site_names=[_SITE], resource_identifiers=[*results, *suites])

    def _checkpoint(self, table: str, suites: Sequence[Suite], *, counts: bool = False) -> gx.Checkpoint:
        """The checkpoint of a table, which asks for yes or no, or for counts."""
        if (table, counts) not in self._checkpoints:
            made = gx.Checkpoint(
                name=f"{table} with counts" if counts else table,
                validation_definitions=self._definitions(table, suites),
                actions=self._actions(),
                result_format=_COUNTS if counts else "BOOLEAN_ONLY",
            )
            self._checkpoints[table, counts] = self._context.checkpoints.add(made)
        return self._checkpoints[table, counts]

    def _definitions(self, table: str, suites: Sequence[Suite]) -> list[gx.ValidationDefinition]:
        """Each suite with the rows it is asked of, made when the table comes first."""
        if (table, False) in self._checkpoints:
            return list(self._checkpoints[table, False].validation_definitions)
        asset = self._source.add_dataframe_asset(table)
        batch = asset.add_batch_definition_whole_dataframe("rows about to be published")
        return [
            self._context.validation_definitions.add(
                gx.ValidationDefinition(
                    name=suite.name,
                    data=batch,
                    suite=self._context.suites.add(gx.ExpectationSuite(**deepcopy(suite.body))),
                )
            )
            for suite in suites
        ]

    def _actions(self) -> list[ValidationAction]:
        store = StoreResults(name="store results", file=str(self._folder / RESULTS))
        return [store, *([UpdatePagesOnFailure(name="pages", site_names=[_SITE])] if self._pages else [])]


def prepare(team: TeamSuites) -> None:
    """Loads a team's own expectation classes and makes each of its expectations once.

    Raises:
        ConfigError: a file cannot be imported, or replaces a class of Great Expectations; an expectation is
            unknown or cannot be made. Names the file and the expectation.
    """
    for path in team.modules:
        with _library_protected(path):
            _load(path)
    for suite in team.suites.values():
        for number, expectation in enumerate(suite.body["expectations"], start=1):
            place = f"{suite.file}: expectation {number} ({expectation['type']})"
            try:
                get_expectation_impl(expectation["type"])
                ExpectationConfiguration(**deepcopy(expectation)).to_domain_obj()
            except ExpectationNotFoundError:
                raise ConfigError(f"{place}: unknown expectation{_nearest(expectation['type'])}") from None
            except Exception as error:
                raise ConfigError(f"{place}: cannot be made: {_one_line(error)}") from error


def _load(path: Path) -> None:
    """Imports a file of a team once for each content it has, under a name that no package has."""
    try:
        source = path.read_bytes()
        key = (path, sha256(source).hexdigest())
        if key in _MODULES:
            return
        module = ModuleType(f"claimledger_team_{path.stem}_{key[1][:12]}")
        sys.modules[module.__name__] = module  # where its classes look their annotations up
        exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - the team's own code, as configured
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{path}: cannot be imported, {type(error).__name__}: {_one_line(error)}; correct it, or "
            "remove it from the folder of validation.suites"
        ) from error
    _MODULES[key] = module


@contextmanager
def _library_protected(path: Path) -> Iterator[None]:
    """Refuses a file that replaces classes of Great Expectations, and puts them back."""
    names = list_registered_expectation_implementations()
    before = {name: get_expectation_impl(name) for name in names}
    try:
        yield
    finally:
        replaced = [
            name
            for name, implementation in before.items()
            if implementation.__module__.startswith("great_expectations.")
            and get_expectation_impl(name) is not implementation
        ]
        for name in replaced:
            register_expectation(before[name])
    if replaced:
        raise ConfigError(
            f"{path}: a class replaces {', '.join(replaced)} of Great Expectations; give it another name"
        )


def _nearest(kind: str) -> str:
    near = difflib.get_close_matches(kind, list_registered_expectation_implementations(), n=1, cutoff=0.6)
    return (
        f", did you mean {near[0]}?" if near else "; correct its type, or add the Python file that defines it"
    )


def _outcomes(result: CheckpointResult, suites: Sequence[Suite]) -> list[Outcome]:
    by_name = {suite.name: suite for suite in suites}
    outcomes = []
    for validation in result.run_results.values():
        for each in validation.results:
            configuration = each.expectation_config
            count = (each.result or {}).get("unexpected_count")
            body: ExpectationBody = {"type": configuration.type, "kwargs": configuration.kwargs}
            outcomes.append(
                Outcome(
                    suite=by_name[validation.suite_name],
                    expectation=configuration.type,
                    column=", ".join(columns_read(body)),
                    severity=getattr(configuration.severity, "value", configuration.severity),
                    success=bool(each.success),
                    rows=None if count is None else int(count),
                    error=_error(each.exception_info or {}),
                )
            )
    return outcomes


def _shows_values(result: CheckpointResult) -> Iterator[bool]:
    """Whether a failed expectation would, with counts, show values that people wrote.

    Expectations on rows then only count; others show what they observed.
    """
    counting = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
    for validation in result.run_results.values():
        for each in validation.results:
            kind, kwargs = each.expectation_config.type, each.expectation_config.kwargs
            body: ExpectationBody = {"type": kind, "kwargs": kwargs}
            columns = columns_read(body) or CONFIDENTIAL
            if not each.success and not CONFIDENTIAL.isdisjoint(columns):
                yield not issubclass(get_expectation_impl(kind), counting)


def _plain(result: gx.ExpectationSuiteValidationResult) -> dict[str, object]:
    """A result as plain data, without tracebacks: these name places of the machine, and values."""
    value: dict[str, object] = result.to_json_dict()
    for each in cast("list[dict[str, dict[str, object]]]", value["results"]):
        information = each.get("exception_info") or {}
        for part in (information, *(v for v in information.values() if isinstance(v, dict))):
            part.pop("exception_traceback", None)
    return value


def _error(information: Mapping[str, object]) -> str | None:
    """The first exception's message: given for the expectation itself or, by metric, for its parts."""
    for part in (information, *(value for value in information.values() if isinstance(value, dict))):
        if part.get("raised_exception"):
            return _one_line(part.get("exception_message"))
    return None


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]
