"""Delta tables: which Parquet files are the table now, and what their partitions' columns hold; and writing.

Only these count: a folder of a Delta table also holds files that were deleted or compacted, until they are
vacuumed. The files themselves are read as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl

from tasks.errors import InputError
from tasks.files.refusal import Refusal, shown

if TYPE_CHECKING:
    from deltalake import DeltaTable

LOG = "_delta_log"
_NO_STATISTICS = {"delta.dataSkippingNumIndexedCols": "0"}
"""They hold the least and the greatest text of a column: no place for what may have to be erased."""
_PARTITION = "partition."
_UNREADABLE = {"deletionVectors", "columnMapping"}
"""Features of tables whose Parquet files alone do not hold the table's rows under their names."""


@dataclass(frozen=True)
class Part:
    """One Parquet file of a table; `name` is its path below the table's folder."""

    name: str
    values: Mapping[str, Any]
    """What its partition's columns hold, which are not in the file."""


def is_table(path: str) -> bool:
    """Whether a folder of this disk is a Delta table."""
    return (Path(path) / LOG).is_dir()


def parts(path: str) -> list[Part]:
    """The files of the table's newest version, by name; `path` is its folder or URL.

    Raises:
        Refusal: no Delta table, one that cannot be read by its files, or the library is missing.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ModuleNotFoundError:
        raise Refusal(
            "delta", "is a Delta table, which needs an extra library; run `pip install 'claimledger[delta]'`"
        ) from None
    try:
        table = DeltaTable(path)
        features = _UNREADABLE & set(table.protocol().reader_features or ())
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
    except (DeltaError, OSError, ValueError) as error:
        raise Refusal("delta", f"is not a readable Delta table ({shown(str(error), 160)})") from None
    if features:
        raise Refusal(
            "delta",
            f"is a Delta table with {' and '.join(sorted(features))}, which is not supported; "
            "purge and disable "
            "it, or export the table to Parquet",
        )
    columns = [name for name in actions.columns if name.startswith(_PARTITION)]
    found = [
        Part(unquote(row["path"]), {name.removeprefix(_PARTITION): _plain(row[name]) for name in columns})
        for row in actions.select("path", *columns).iter_rows(named=True)
    ]
    return sorted(found, key=lambda part: part.name)


def _plain(value: object) -> object:
    """Dates of partitions as text, as they are in the paths."""
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


@contextmanager
def _writing(target: str) -> Iterator[None]:
    """What Delta's library refuses, in one sentence."""
    try:
        from deltalake.exceptions import DeltaError
    except ModuleNotFoundError:
        raise InputError(
            "Delta tables need an extra library; run `pip install 'claimledger[delta]'`"
        ) from None
    try:
        yield
    except (DeltaError, OSError) as error:
        raise InputError(f"{target}: the Delta table cannot be used ({shown(str(error), 200)})") from None


def values(target: str, column: str) -> set[str] | None:
    """Distinct values of a column of text; None where there is no table."""
    with _writing(target):
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            table = DeltaTable(target)
        except TableNotFoundError:
            return None
        found = pl.scan_delta(table).select(pl.col(column).unique()).collect()
        return set(found[column].drop_nulls())


def make(target: str, empty: pl.DataFrame, *, partition_by: str) -> None:
    """An empty table with these columns."""
    with _writing(target):
        from deltalake import write_deltalake

        write_deltalake(
            target,
            empty.to_arrow(),
            partition_by=[partition_by],
            configuration=_NO_STATISTICS,
            mode="error",
        )


def append(target: str, rows: pl.DataFrame) -> None:
    """Adds rows, in one commit; columns that the table does not have yet are added to it."""
    with _writing(target):
        from deltalake import write_deltalake

        write_deltalake(target, rows.to_arrow(), mode="append", schema_mode="merge")


def replace(target: str, rows: pl.DataFrame, column: str, days: Sequence[date]) -> None:
    """Puts rows in place of all that have one of these days in the column, in one commit."""
    listed = ", ".join(f"'{day.isoformat()}'" for day in days)
    with _writing(target):
        from deltalake import write_deltalake

        write_deltalake(
            target,
            rows.to_arrow(),
            mode="overwrite",
            schema_mode="merge",
            predicate=f"{column} IN ({listed})",
        )


def forget(target: str) -> None:
    """Removes the files of all versions but the newest: nothing of what was erased can be read any more."""
    with _writing(target):
        _open(target).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def version(target: str) -> int:
    """The newest version's number."""
    with _writing(target):
        return int(_open(target).version())


def _open(target: str) -> DeltaTable:
    from deltalake import DeltaTable

    return DeltaTable(target)
