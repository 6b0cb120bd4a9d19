"""Delta tables: which Parquet files are the table now, and what their partitions' columns hold.

Only these count: a folder of a Delta table also holds files that were deleted or compacted, until they are
vacuumed. The files themselves are read as any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from tasks.files.refusal import Refusal, shown

LOG = "_delta_log"
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
            "delta", "is a Delta table, which needs a library more; run `pip install 'claimledger[delta]'`"
        ) from None
    try:
        table = DeltaTable(path)
        features = _UNREADABLE & set(table.protocol().reader_features or ())
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
    except (DeltaError, OSError, ValueError) as error:
        raise Refusal("delta", f"is no Delta table that can be read ({shown(str(error), 160)})") from None
    if features:
        raise Refusal(
            "delta",
            f"is a Delta table with {' and '.join(sorted(features))}, which is not read; purge and disable "
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
