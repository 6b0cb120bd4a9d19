"""Rows of a database: a query, read by a server-side cursor in a read-only transaction, from a watermark on.

(1) The query is asked as a subquery, ordered by its watermark column, from the last watermark less an
overlap on: rows of an equal time come again and are known by their ids, and so are rows written late.
(2) Each batch carries the watermark that it reached, so that a pull that is cut off goes on from there.
(3) A connection that breaks is a failure that may pass: the pull reads the source again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen

from tasks.errors import SourceError
from tasks.files.portions import Record
from tasks.files.refusal import shown
from tasks.knobs import Example
from tasks.sources import sql_counts
from tasks.sources.base import Batch, Scope, Tally, Wanted
from tasks.sources.batches import Gatherer
from tasks.sources.minimise import MASK
from tasks.sources.parameters import RecordSettings, deciding
from tasks.sources.records import Mapper
from tasks.sources.secrets import minimiser as minimiser_of
from tasks.sources.secrets import secret, variable

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_MARK = "watermark"
_ALIAS = "claimledger_source"
LISTED = 200_000
"""Ids of one day that are held to be compared: some 30 MB."""
Mark = datetime | date | int | float | str
_USUAL = frozenset({str, int, float, bool, type(None), datetime, date, bytes, list, dict})
"""Types of values that records have as a driver gives them, as most are."""


@dataclass(frozen=True, kw_only=True)
class SqlSettings(RecordSettings):
    """Rows of a database."""

    kind: Literal["sql"]
    """Any database that SQLAlchemy has a dialect for."""
    url: Annotated[str, MinLen(1), Example("postgresql://reader@db/app")]
    """SQLAlchemy's URL of the database, without password."""
    query: Annotated[str, MinLen(1), Example("select id, asked_at, question, answer, docs from answers")]
    """One SELECT; each row is an answer."""
    watermark: Annotated[str | None, Example("asked_at")] = None
    """Column of the result that grows: a time or a number. Without it all rows are read every night."""
    overlap_minutes: Annotated[float, Ge(0), Le(525_600)] = 60.0
    """Minutes before the last watermark that are read again, where it is a time: rows may be written late."""
    fetch_rows: Annotated[int, Ge(1), Le(100_000)] = 2_000
    """Rows that the cursor fetches at once."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if ":" in self.url.partition("://")[2].rpartition("@")[0]:
            raise ValueError(f"take the password out of the url and set {variable(self.name)} to it")
        if self.minimise and self.watermark in [path for path, _ in self.minimise.rules()]:
            raise ValueError(
                f"minimise names the watermark {self.watermark!r}, whose last value is kept; take it out of "
                "one of the two"
            )


def pull(source: SqlSettings, scope: Scope) -> Iterator[Batch]:
    """Rows from the watermark on.

    Raises:
        SourceError: the database refuses the query or this user. ConnectionError: the connection broke.
    """
    mapper = Mapper(source, scope)
    minimiser = minimiser_of(source)
    gatherer = Gatherer(mapper, source.name, scope, minimiser)
    reader = hashlib.sha256(json.dumps(deciding(source), sort_keys=True).encode()).hexdigest()
    mark = None if scope.is_range else _read_mark(scope.marks, reader)
    newest = mark
    for number, row in enumerate(_rows(source, mark), start=1):
        newest = _newer(newest, row.get(source.watermark) if source.watermark else None)
        gatherer.add(row, f"row {number} of the query")
        if gatherer.is_full:
            yield gatherer.batch({} if scope.is_range else _written_mark(newest, reader))
    problems, warnings = mapper.doubts()
    marks = {} if scope.is_range else _written_mark(newest, reader)
    last = gatherer.batch(marks, tuple(problems), tuple(warnings))
    yield replace(last, warnings=(*last.warnings, *gatherer.fidelity(), *minimiser.doubts()))


def sampled(source: SqlSettings, count: int) -> list[Record]:
    """The first rows of the query.

    Raises:
        SourceError: the database refuses the query or this user. ConnectionError: it cannot be reached.
    """
    with closing(_rows(source, None)) as rows:
        return list(islice(rows, count))


def reach(source: SqlSettings) -> str:
    """Which database answers.

    Raises:
        SourceError: it cannot be reached, or lets nobody in.
    """
    from sqlalchemy import text

    try:
        with _connected(source) as connection:
            connection.execute(text("SELECT 1")).scalar()
            return f"{connection.dialect.name} at {_address(source)}"
    except ConnectionError as error:
        raise SourceError(str(error)) from None


def tally(source: SqlSettings, days: Sequence[date], wanted: Wanted) -> Iterator[Tally]:
    """`count(*)` over the query by UTC day, rows of equal id once; the ids where they are wanted.

    Raises:
        SourceError: the mapping names no columns to count by, or the database refuses. ConnectionError: the
            connection broke.
    """
    identity, moment = sql_counts.columns(source)
    with _connected(source) as connection:
        quote = connection.dialect.identifier_preparer.quote
        query = f"(\n{_escaped(source.query.strip().rstrip(';'), {})}\n) {quote(_ALIAS)}"
        at, of = quote(moment), quote(identity)
        sample = _first(connection, f"SELECT {at} FROM {query} WHERE {at} IS NOT NULL", {})  # noqa: S608
        if sample is None:
            yield from (Tally(day, 0, ()) for day in days)
            return
        bound = sql_counts.bounds(_plain(sample[0]), source)
        for group in sql_counts.in_a_row(days):
            edges = [*group, group[-1] + timedelta(days=1)]
            values = {f"day{number}": bound(day) for number, day in enumerate(edges)}
            counts = _first(connection, sql_counts.count(query, of, at, len(group)), values)
            for number, day in enumerate(group):
                count = int(counts[number]) if counts else 0
                ids = None
                if count <= LISTED and wanted(day, count):
                    listed = (
                        f"SELECT DISTINCT {of} FROM {query} "  # noqa: S608
                        f"WHERE {at} >= :first AND {at} < :last AND {of} IS NOT NULL"
                    )
                    between = {"first": bound(day), "last": bound(day + timedelta(days=1))}
                    ids = _kept(source, identity, (row[0] for row in _every(connection, listed, between)))
                yield Tally(day, count, ids)


def _kept(source: SqlSettings, identity: str, values: Iterator[object]) -> list[str]:
    """Ids as the lake has them: hashed where they are minimised."""
    minimiser = minimiser_of(source)
    ids = []
    for value in values:
        kept = minimiser.record({identity: _plain(value)}).get(identity)
        if kept is None or kept == MASK:
            raise SourceError(
                f"source {source.name!r}: minimise removes the id, so records cannot be told apart"
            )
        ids.append(str(kept))
    return ids


def _every(connection: Connection, statement: str, bound: Mapping[str, object]) -> Iterator[Any]:
    from sqlalchemy import text

    result = connection.execute(text(statement), bound)
    with result, _closed(result.cursor):
        yield from result


def _first(connection: Connection, statement: str, bound: Mapping[str, object]) -> Any:
    """The first row, if there is one."""
    rows = _every(connection, statement, bound)
    row = next(rows, None)
    rows.close()  # type: ignore[attr-defined]
    return row


def _rows(source: SqlSettings, mark: Mark | None) -> Generator[Record, None, None]:
    from sqlalchemy import text

    with _connected(source) as connection:
        quote = connection.dialect.identifier_preparer.quote
        statement = f"SELECT * FROM (\n{source.query.strip().rstrip(';')}\n) {quote(_ALIAS)}"  # noqa: S608
        bound: dict[str, Mark] = {}
        if source.watermark is not None:
            column = quote(source.watermark)
            if mark is not None:
                overlap = timedelta(minutes=source.overlap_minutes)
                bound["mark"] = mark - overlap if isinstance(mark, datetime) else mark
                statement += f"\nWHERE {column} >= :mark OR {column} IS NULL"
            statement += f"\nORDER BY {column}"
        result = connection.execute(text(_escaped(statement, bound)), bound)
        with result, _closed(result.cursor):
            names = list(result.keys())
            for part in result.partitions(source.fetch_rows):
                for row in part:
                    yield {
                        name: value if type(value) in _USUAL else _plain(value)
                        for name, value in zip(names, row, strict=True)
                    }


@contextmanager
def _closed(cursor: Any) -> Iterator[None]:
    """Closes the driver's own cursor, which SQLAlchemy leaves open where the connection broke."""
    try:
        yield
    finally:
        with suppress(Exception):
            cursor.close()


def _escaped(statement: str, bound: Mapping[str, object]) -> str:
    """Colons of the query's own are not parameters, as in `::text` and in strings."""
    if not bound:
        return statement.replace(":", "\\:")
    head, _, tail = statement.rpartition(":mark")
    return head.replace(":", "\\:") + ":mark" + tail.replace(":", "\\:")


def _plain(value: object) -> object:
    """A value as records have it; every driver gives the same."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, time | timedelta) or type(value).__module__ in ("uuid", "ipaddress"):
        return str(value)
    return value


@contextmanager
def _connected(source: SqlSettings) -> Iterator[Connection]:
    """A connection in a transaction that can write nothing, and is rolled back."""
    from sqlalchemy import exc

    engine = _engine(source)
    try:
        with engine.connect() as connection:
            reading = connection.execution_options(stream_results=True, max_row_buffer=source.fetch_rows)
            if engine.dialect.name == "postgresql":
                reading = reading.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            elif engine.dialect.name in ("mysql", "mariadb"):
                reading.exec_driver_sql("SET TRANSACTION READ ONLY")
            elif engine.dialect.name == "sqlite":
                reading.exec_driver_sql("PRAGMA query_only = ON")
            yield reading
            reading.rollback()
    except exc.DBAPIError as error:
        reason = shown(" ".join(str(error.orig).split()), 300)
        if error.connection_invalidated or isinstance(error, exc.OperationalError | exc.InterfaceError):
            raise ConnectionError(f"{_address(source)}: {reason}{_hint(source, reason)}") from None
        raise SourceError(f"source {source.name!r}: the database refuses the query: {reason}") from None
    finally:
        engine.dispose()


def _hint(source: SqlSettings, reason: str) -> str:
    is_secret = "password" in reason.lower() or "authentication" in reason.lower()
    return f"; the password is read from {variable(source.name)}" if is_secret else ""


def _engine(source: SqlSettings) -> Engine:
    from sqlalchemy import create_engine, exc, make_url

    try:
        url = make_url(source.url)
        password = secret(source.name)
        # A database of unknown encoding would give bytes.
        more = {"client_encoding": "utf8"} if url.get_backend_name() == "postgresql" else {}
        return create_engine(url.set(password=password) if password else url, connect_args=more)
    except exc.ArgumentError:
        raise SourceError(
            f"source {source.name!r}: {shown(source.url, 200)} is not a database URL; expected for example "
            "postgresql://reader@host/database"
        ) from None
    except exc.NoSuchModuleError:
        raise SourceError(f"source {source.name!r}: SQLAlchemy has no dialect for this URL") from None
    except ModuleNotFoundError as error:
        advice = "'claimledger[sql]'" if error.name == "psycopg" else f"{error.name}"
        raise SourceError(
            f"source {source.name!r}: the driver {error.name} is missing; run `pip install {advice}`"
        ) from None


def _address(source: SqlSettings) -> str:
    return shown(source.url, 200)


def _newer(mark: Mark | None, value: object) -> Mark | None:
    if not isinstance(value, datetime | date | int | float | str):
        return mark
    return value


def _written_mark(mark: Mark | None, reader: str) -> dict[str, Any]:
    if mark is None:
        return {}
    kind = "datetime" if isinstance(mark, datetime) else "date" if isinstance(mark, date) else "value"
    value = mark.isoformat() if isinstance(mark, datetime | date) else mark
    return {_MARK: {"kind": kind, "value": value, "reader": reader}}


def _read_mark(marks: Mapping[str, Any], reader: str) -> Mark | None:
    """The last watermark, where the source is still configured as it was."""
    mark = marks.get(_MARK)
    if not mark or mark["reader"] != reader:
        return None
    if mark["kind"] == "datetime":
        return datetime.fromisoformat(mark["value"])
    value: Mark = date.fromisoformat(mark["value"]) if mark["kind"] == "date" else mark["value"]
    return value
