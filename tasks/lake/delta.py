"""A lake's tables as Delta tables, for readers that know those: each row once, brought up to date by adding.

Every row carries `lake_file`, the file of the lake that it is in, with the digest of its content. So what is
there already is known from the Delta table itself, whatever became of an earlier export: files that are new
are added; a day of which a file is gone or another one (an erasure, files that were joined) is written again,
in one commit. Then the versions before are removed, because they hold what was erased.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from tasks.errors import IntegrityError
from tasks.files import delta, parquet
from tasks.lake import verification
from tasks.lake.store import Lake
from tasks.tables import TABLES

FILE = "lake_file"
_BATCH_BYTES = 128 * 2**20
"""Of Parquet files that are read and added at once."""


@dataclass(frozen=True)
class Exported:
    """What became of one table."""

    table: str
    added: int
    """Rows of files that are new."""
    days: Sequence[date]
    """Days that were written again."""
    version: int


def export(lake: Lake, target: str) -> list[Exported]:
    """Brings `TARGET/TABLE` up to what each table of the lake is; what is read is hashed first.

    Raises:
        LakeError: somebody writes to the lake. IntegrityError: a file is not what was committed.
        InputError: the target cannot be written, or the library is missing.
    """
    with lake.lock("export to Delta"):
        committed = verification.published(lake.root)
        if committed.damaged:
            raise IntegrityError(committed.damaged[0])
        return [_table(lake, name, f"{target.rstrip('/')}/{name}", committed.standing) for name in TABLES]


def _table(lake: Lake, name: str, target: str, committed: Mapping[Path, set[str]]) -> Exported:
    files = {_label(path, committed, lake): path for path in lake.files(name)}
    there = delta.values(target, FILE)
    if there is None:
        delta.make(target, pl.DataFrame(schema=_schema(name)), partition_by="date")
    known = there or set()
    stale = {_day(label) for label in known - files.keys()}
    fresh = {label: path for label, path in files.items() if label not in known and _day(label) not in stale}
    if stale:
        again = {label: path for label, path in files.items() if _day(label) in stale}
        delta.replace(target, _rows(lake, name, again), "date", sorted(stale))
        delta.forget(target)
    added = 0
    for batch in _batches(fresh):
        rows = _rows(lake, name, batch)
        if rows.height:
            delta.append(target, rows)
            added += rows.height
    return Exported(name, added, sorted(stale), delta.version(target))


def _label(path: Path, committed: Mapping[Path, set[str]], lake: Lake) -> str:
    """`date=DAY/part-….parquet@DIGEST`: one that replaced another keeps its name, and has another digest.

    The digest is that of the commit; the bytes are compared with it when the file is read.
    """
    digests = committed.get(path.relative_to(lake.root), set())
    if not digests:
        raise IntegrityError(f"{path}: not in any commit manifest; run `claimledger doctor`")
    return f"{path.parent.name}/{path.name}@{min(digests)[:16]}"


def _day(label: str) -> date:
    return date.fromisoformat(label.partition("/")[0].removeprefix("date="))


def _rows(lake: Lake, name: str, files: dict[str, Path]) -> pl.DataFrame:
    """The rows of some files, as the Delta table has them."""
    verification.check(lake.root, list(files.values()))
    parts = [
        parquet.scan(TABLES[name], [path]).with_columns(
            pl.lit(_day(label)).alias("date"), pl.lit(label).alias(FILE)
        )
        for label, path in files.items()
    ]
    return pl.concat([pl.LazyFrame(schema=_schema(name)), *parts]).collect()


def _schema(name: str) -> pl.Schema:
    return pl.Schema({**dict(TABLES[name].schema), "date": pl.Date(), FILE: pl.String()})


def _batches(files: dict[str, Path]) -> Iterator[dict[str, Path]]:
    batch: dict[str, Path] = {}
    size = 0
    for label, path in files.items():
        batch[label] = path
        size += path.stat().st_size
        if size > _BATCH_BYTES:
            yield batch
            batch, size = {}, 0
    if batch:
        yield batch
