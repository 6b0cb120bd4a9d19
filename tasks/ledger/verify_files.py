"""Table files as verification reads them: hashed once, parsed for the keys that they hold.

Bytes that no commit wrote never reach Polars, which may abort on them. What PyArrow and its page checksums
still make of such a file is looked at, so that an edited row can be named; what they cannot read is a
finding. Whether the rows are right is up to `verify_rows.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from tasks import ids
from tasks.files import parquet
from tasks.lake import verification
from tasks.lake.store import Lake
from tasks.ledger.findings import Findings
from tasks.tables import TABLES

_KEYS_KEPT = 8_000_000
"""Keys of files that are kept in memory, eight bytes each, so that a file is parsed for its own rows only."""


@dataclass(frozen=True)
class Loaded:
    """Rows of some files of one table, and how many of them each file holds."""

    frame: pl.DataFrame
    parts: tuple[tuple[Path, int], ...]
    folder: Path
    """Of the table, or of the one day that was looked at."""

    def split(self, flags: np.ndarray) -> Iterator[tuple[Path, np.ndarray]]:
        """Each file with its share of one flag per row."""
        at = 0
        for path, rows in self.parts:
            yield path, flags[at : at + rows]
            at += rows

    def file_of(self, key: str, value: str) -> Path:
        """The file with a row of that key; the folder where none has one."""
        matches = (self.frame[key] == value).fill_null(value=False).to_numpy()
        return next((path for path, flags in self.split(matches) if flags.any()), self.folder)


class TableFiles:
    """Reads the tables of a lake that nobody writes meanwhile; what is wrong with a file is a finding."""

    def __init__(self, lake: Lake, findings: Findings) -> None:
        self.lake, self.root, self.findings = lake, lake.root, findings
        self.digests: dict[str, str] = {}
        """SHA-256 of every file read, by its place in the lake."""
        self._days: dict[str, dict[date, list[Path]]] = {}
        self._keys: dict[tuple[Path, str], np.ndarray] = {}

    def days(self, table: str) -> dict[date, list[Path]]:
        """Files by day, ascending."""
        if table not in self._days:
            days: dict[date, list[Path]] = {}
            for path in self.lake.files(table):
                days.setdefault(date.fromisoformat(path.parent.name.removeprefix("date=")), []).append(path)
            self._days[table] = days
        return self._days[table]

    @cached_property
    def _standing(self) -> dict[Path, set[str]]:
        return verification.published(self.root).standing

    def read(self, table: str, path: Path) -> pl.DataFrame | None:
        """A file's rows; None and a finding where it cannot be read."""
        try:
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            place = path.relative_to(self.root)
            self.digests[place.as_posix()] = digest
            is_committed = verification.named(path, digest) or digest in self._standing.get(place, set())
            return (parquet.parse if is_committed else parquet.decode)(TABLES[table], data)
        except Exception as error:  # noqa: BLE001 - a reader of hostile bytes may raise anything
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.findings.fail(f"{path}: cannot be read as {table} ({first[:120]})")
            return None

    def rows(self, table: str, days: Sequence[date] | None, key: str, values: pl.Series) -> Loaded:
        """Rows of the files that hold any of these values of the key: those rows, and others beside them.

        Args:
            days: partitions to look in; all of them where None.
        """
        by_day = self.days(table)
        files = [path for day in (by_day if days is None else days) for path in by_day.get(day, ())]
        folder = self.root / "tables" / table
        if days is not None and len(days) == 1:
            folder /= f"date={days[0]}"
        return self._load(table, files, key, values, folder)

    def corpus_passages(self, passage_ids: pl.Series) -> pl.DataFrame:
        """Passages of corpora, which are stored on the day of their first indexing."""
        folder = self.root / "tables" / "passages"
        frame = self._load("passages", self._corpus_files, "passage_id", passage_ids, folder).frame
        return frame.filter(pl.col("corpus") != "context")

    def _load(self, table: str, files: Sequence[Path], key: str, values: pl.Series, folder: Path) -> Loaded:
        prefixes = np.unique(ids.prefixes(values.drop_nulls()))
        frames, parts = [], []
        for path in files:
            keys = self._keys.get((path, key))
            if keys is not None and not _meet(keys, prefixes):
                continue
            frame = self.read(table, path)
            if frame is None:
                continue
            if keys is None and len(files) > 1 and not _meet(self._keep_keys(path, key, frame), prefixes):
                continue
            frames.append(frame)
            parts.append((path, frame.height))
        frame = frames[0] if len(frames) == 1 else pl.concat([TABLES[table].empty(), *frames])
        return Loaded(frame, tuple(parts), folder)

    def _keep_keys(self, path: Path, key: str, frame: pl.DataFrame) -> np.ndarray:
        keys = np.unique(ids.prefixes(frame[key].drop_nulls()))
        if sum(map(len, self._keys.values())) > _KEYS_KEPT:
            self._keys.clear()
        self._keys[path, key] = keys
        return keys

    @cached_property
    def _corpus_files(self) -> list[Path]:
        """Files with passages of corpora; all others are passages of answers' own contexts."""
        paths = [path for paths in self.days("passages").values() for path in paths]
        frames = ((path, self.read("passages", path)) for path in paths)
        return [path for path, frame in frames if frame is not None and (frame["corpus"] != "context").any()]


def _meet(keys: np.ndarray, others: np.ndarray) -> bool:
    """Whether two sorted arrays share a value."""
    few, many = (keys, others) if len(keys) < len(others) else (others, keys)
    if not len(few):
        return False
    at = np.minimum(np.searchsorted(many, few), len(many) - 1)
    return bool((many[at] == few).any())
