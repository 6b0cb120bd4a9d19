"""Door to DuckDB: the queries of a report, run over the lake's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from glob import escape
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

from tasks.gate.validate import RESULTS
from tasks.lake import runs
from tasks.lake.store import Lake
from tasks.report.queries import COMMON, QUERIES, TABLES, Query, Scope, statement
from tasks.tables import TABLES as DECLARED

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"
"""What DuckDB keeps in memory; the rest is spilled, so that a larger lake does not need more."""


class Database(AbstractContextManager["Database"]):
    """One connection in memory that sees the tables of one lake.

    Each table is a view over its visible files and an empty table of its declared columns, so that files
    written before a column was added, and tables without any file, can be queried like all others.
    """

    def __init__(self, lake: Lake, scope: Scope) -> None:
        """Opens the tables of the lake; reads no rows."""
        self.scope = scope
        texts = ("validation", "settings", "verifiers", "policy_values")
        self._sources = {name: f"lake_{name}" for name in (*TABLES, *texts)}
        self._connection = connected(lake)
        for table in TABLES:
            self._add(table, [escape(str(file)) for file in lake.files(table)])
        for name, file in (("validation", RESULTS), ("settings", "settings.json")):
            self._add_text(name, _document(lake, scope.run_id, file))
        for name, state in (("verifiers", runs.VERIFIERS), ("policy_values", runs.POLICY_VALUES)):
            self._add_text(name, [json.dumps(lake.read_state(state))])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection and frees its memory."""
        self._connection.close()

    def _add(self, table: str, files: Sequence[str]) -> None:
        empty = DECLARED[table].empty().with_columns(date=pl.lit(None, pl.Date))
        self._connection.register(f"empty_{table}", empty)
        parts = [f"FROM empty_{table}"]
        if files:
            names = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
            options = "hive_partitioning = true, union_by_name = true"
            parts.append(f"FROM read_parquet([{names}], {options})")
        self._connection.execute(f"CREATE VIEW lake_{table} AS {' UNION ALL BY NAME '.join(parts)}")

    def _add_text(self, name: str, texts: Sequence[str]) -> None:
        frame = pl.DataFrame({"content": texts}, {"content": pl.String})
        self._connection.register(f"lake_{name}", frame)

    def make_common_tables(self) -> None:
        """Makes the tables that several queries read, once, for the scope as it now is."""
        for name, query in COMMON.items():
            self._connection.execute(f"CREATE TEMP TABLE {name} AS {self._text(query)}")

    def rows(self, query: Query, parameters: Sequence[object] | None = None) -> pl.DataFrame:
        """The result of a query for the scope as it now is."""
        return _rows(self._connection, self._text(query), parameters)

    def results(self, names: Sequence[str]) -> dict[str, pl.DataFrame]:
        """Results of the page's queries by name."""
        return {name: self.rows(QUERIES[name]) for name in names}

    def trend(self, slices: Sequence[str]) -> pl.DataFrame:
        """The rows of the query `trend` that speak of some slices, whose names are never part of a text."""
        trend = self._text(QUERIES["trend"])
        shown = f"SELECT * FROM ({trend}) WHERE slice IN (SELECT unnest(?)) ORDER BY slice, date"  # noqa: S608
        return _rows(self._connection, shown, [list(slices)])

    def _text(self, query: Query) -> str:
        return statement(query, self.scope, self._sources)


def connected(lake: Lake) -> duckdb.DuckDBPyConnection:
    """A connection in memory that fetches nothing; what does not fit is spilled into the lake's scratch."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    config |= {"memory_limit": MEMORY, "temp_directory": str(lake.root / "_work" / "report")}
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def over(lake: Lake, text: str, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The result of a query over frames by name."""
    with connected(lake) as connection:
        for name, frame in frames.items():
            connection.register(name, frame)
        return _rows(connection, text)


def _rows(
    connection: duckdb.DuckDBPyConnection, text: str, parameters: Sequence[object] | None = None
) -> pl.DataFrame:
    frame = pl.from_arrow(connection.sql(text, params=parameters).to_arrow_table())
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - for the type checker: a table is a frame
    return frame


def _document(lake: Lake, run_id: str, name: str) -> list[str]:
    """A JSON file of the run's folder; nothing where it is missing or no JSON."""
    try:
        text = (lake.root / "runs" / run_id / name).read_text("utf-8")
        json.loads(text)
    except (OSError, ValueError):
        return []
    return [text]
