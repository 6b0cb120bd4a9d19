"""The suites that run: the committed ones, and a team's own beside them.

A team's folder holds one JSON file a table (`verdicts.json`), in the format of Great Expectations, and Python
files with expectation classes of its own. What can be refused without loading Great Expectations is refused
here, the rest by `great_expectations.prepare`; both before anything is judged.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import get_args

from tasks.errors import ConfigError
from tasks.gate.suites import MISSING, ExpectationBody, SuiteBody, columns_read
from tasks.schema import Severity
from tasks.tables import TABLES

COMMITTED = "tasks/gate/expectations"
"""Where the suites of the tables' own rules are, in a checkout and in a wheel."""
UNVALIDATED = ("events", "quarantine")
"""Tables on which no suite runs: the ledger proves events, and quarantine holds what a suite refuses."""
_KEYS = {"name", "expectations", "meta", "notes", "suite_parameters", "id"}
_EXPECTATION_KEYS = {"type", "kwargs", "severity", "meta", "notes", "description", "id", "rendered_content"}


@dataclass(frozen=True)
class Suite:
    """One suite file. `name` is its name within a run; `file` is where people find it."""

    name: str
    table: str
    file: str
    sha256: str
    body: SuiteBody

    @property
    def columns(self) -> set[str] | None:
        """Columns that its expectations read; None where one of them reads the table as a whole."""
        columns = [columns_read(expectation) for expectation in self.body["expectations"]]
        whole = any(e["type"].startswith("expect_table") for e in self.body["expectations"])
        return None if whole or not all(columns) else {name for names in columns for name in names}


@dataclass(frozen=True)
class TeamSuites:
    """A team's suites by table, and the files with its own expectation classes."""

    suites: Mapping[str, Suite]
    modules: tuple[Path, ...]


@cache
def committed(table: str) -> Suite:
    """The committed suite of a table."""
    data = (files("tasks.gate") / "expectations" / f"{table}.json").read_bytes()
    return Suite(table, table, f"{COMMITTED}/{table}.json", sha256(data).hexdigest(), json.loads(data))


def team(folder: Path) -> TeamSuites:
    """The suites of `validation.suites`.

    Raises:
        ConfigError: the folder or a file in it cannot be used; names the file, and the expectation.
    """
    try:
        names = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))
    except OSError as error:
        raise ConfigError(
            f"{folder}: {error.strerror}; validation.suites must name the folder of your suites"
        ) from None
    suites = [_suite(path) for path in names if path.suffix == ".json"]
    if not suites:
        raise ConfigError(
            f"{folder}: holds no suite; add one JSON file per table, for example verdicts.json, or remove "
            "validation.suites"
        )
    modules = tuple(path for path in names if path.suffix == ".py")
    return TeamSuites({suite.table: suite for suite in suites}, modules)


def _suite(path: Path) -> Suite:
    table = path.stem
    if table not in TABLES:
        raise ConfigError(f"{path}: there is no table {table}{_nearest(table, TABLES)}")
    if table in UNVALIDATED:
        raise ConfigError(f"{path}: no suite runs on {table}; use {_listed(set(TABLES) - set(UNVALIDATED))}")
    try:
        data = path.read_bytes()
        body = json.loads(data)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(body, dict) or not isinstance(body.get("expectations"), list):
        raise ConfigError(f'{path}: expected an object with a list "expectations"')
    _only(body, _KEYS, str(path))
    expectations = [
        _expectation(entry, f"{path}: expectation {number}", {*TABLES[table].schema, MISSING})
        for number, entry in enumerate(body["expectations"], start=1)
    ]
    if not expectations:
        raise ConfigError(f"{path}: has no expectations; add some or remove the file")
    name = f"{table}-team"
    used: SuiteBody = {**body, "name": name, "expectations": expectations}  # type: ignore[typeddict-item]
    used.pop("id", None)  # type: ignore[typeddict-item]
    return Suite(name, table, str(path), sha256(data).hexdigest(), used)


def _expectation(entry: object, place: str, columns: Collection[str]) -> ExpectationBody:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise ConfigError(
            f'{place}: expected an object with a "type" such as expect_column_values_to_be_null'
        )
    place = f"{place} ({entry['type']})"
    _only(entry, _EXPECTATION_KEYS, place)
    if not isinstance(entry.setdefault("kwargs", {}), dict):
        raise ConfigError(f'{place}: "kwargs" is not an object')
    severity = entry.setdefault("severity", "critical")
    if severity not in get_args(Severity):
        raise ConfigError(f"{place}: unknown severity {severity}, expected {_listed(get_args(Severity))}")
    body: ExpectationBody = {key: value for key, value in entry.items() if key != "id"}  # type: ignore[assignment]
    for column in columns_read(body):
        if column not in columns:
            raise ConfigError(f"{place}: the table has no column {column}{_nearest(column, columns)}")
    return body


def _only(value: Mapping[str, object], known: Collection[str], place: str) -> None:
    for key in value:
        if key not in known:
            raise ConfigError(f"{place}: unknown key {key}{_nearest(key, known)}")


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else f", expected one of {_listed(known)}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names) if isinstance(names, set) else names)
