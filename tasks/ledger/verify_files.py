"""Table files as verification reads them: hashed once, parsed once, found by the keys they hold.

Belongs here: which file of a day holds which keys, and what may be parsed by what. Does not belong here:
whether the rows are right (`ledger_rows.py`).

Bytes that no commit wrote never reach Polars, which may abort on them. What PyArrow and its page checksums
still make of such a file is looked at, so that an edited row can be named; what they cannot read is a
finding.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from tasks import ids
from tasks.errors import ClaimledgerError
from tasks.files import parquet
from tasks.lake import verification
from tasks.lake.store import Lake
from tasks.ledger.notes import NoteError
from tasks.tables import TABLES

_KEYS_KEPT = 8_000_000
"""Keys of files that are kept in memory, eight bytes each, so that a file is parsed for its own rows only."""


@dataclass
class Findings:
    """Sentences: what failed, what could not be judged, what is worth knowing."""

    failures: list[str] = field(default_factory=list)
    unknowns: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def failed(self, sentence: str) -> None:
        """A check that did not hold."""
        if sentence not in self.failures:
            self.failures.append(sentence)

    def unknown(self, sentence: str) -> None:
        """Something that could not be judged for want of a key, a schema or a file."""
        if sentence not in self.unknowns:
            self.unknowns.append(sentence)

    def noticed(self, sentence: str) -> None:
        """Nothing wrong, and worth knowing."""
        if sentence not in self.notices:
            self.notices.append(sentence)

    def add(self, other: Findings) -> None:
        """What another process found."""
        for sentence in other.failures:
            self.failed(sentence)
        for sentence in other.unknowns:
            self.unknown(sentence)
        for sentence in other.notices:
            self.noticed(sentence)

    @contextmanager
    def catching(self, *, silently: bool = False) -> Iterator[None]:
        """A check that cannot go on is itself a finding, and the next check follows."""
        try:
            yield
        except (ClaimledgerError, NoteError) as error:
            if not silently:
                self.failed(str(error))
        except OSError as error:
            if not silently:
                self.failed(f"{error.filename}: cannot be read ({error.strerror})")


@dataclass(frozen=True)
class Loaded:
    """Rows of some files of one table, and where each file's rows stand in the frame."""

    table: str
    frame: pl.DataFrame
    parts: tuple[tuple[Path, int], ...]
    folder: Path

    def split(self, flags: np.ndarray) -> Iterator[tuple[Path, np.ndarray]]:
        """Each file with its share of one flag per row."""
        at = 0
        for path, rows in self.parts:
            yield path, flags[at : at + rows]
            at += rows

    def file_of(self, key: str, value: str, root: Path) -> str:
        """The file with a row of that key; the folder of the table where none has one."""
        if key in self.frame.columns:
            there = (self.frame[key] == value).fill_null(value=False).to_numpy()
            for path, flags in self.split(there):
                if flags.any():
                    return str(path)
        return str(self.folder if self.folder.is_relative_to(root) else root)


class TableFiles:
    """Reads the tables of a lake that nobody writes meanwhile; what it notices goes to `found`."""

    def __init__(self, lake: Lake, found: Findings) -> None:
        self.lake, self.root, self.found = lake, lake.root, found
        self.digests: dict[str, str] = {}
        """SHA-256 of every file read, by its place in the lake."""
        self._listed: dict[str, dict[date, list[Path]]] = {}
        self._keys: OrderedDict[tuple[Path, str], np.ndarray] = OrderedDict()
        self._kept = 0
        self._whole: dict[str, Loaded] = {}

    def days(self, table: str) -> dict[date, list[Path]]:
        """Files by day."""
        if table not in self._listed:
            days: dict[date, list[Path]] = {}
            for path in self.lake.files(table):
                days.setdefault(date.fromisoformat(path.parent.name.removeprefix("date=")), []).append(path)
            self._listed[table] = days
        return self._listed[table]

    @cached_property
    def _standing(self) -> dict[Path, set[str]]:
        return verification.standing(self.root)[0]

    def bytes_of(self, path: Path) -> tuple[bytes, bool]:
        """A file's bytes, and whether a commit wrote them."""
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        place = path.relative_to(self.root)
        self.digests[place.as_posix()] = digest
        vouched = verification.named(path, digest) or digest in self._standing.get(place, set())
        return data, vouched

    def read(self, table: str, path: Path) -> pl.DataFrame | None:
        """A file's rows; None and a finding where it cannot be read."""
        try:
            data, vouched = self.bytes_of(path)
            declared = TABLES[table]
            return parquet.parse(declared, data) if vouched else parquet.decode(declared, data)
        except Exception as error:  # noqa: BLE001 - a reader of hostile bytes may raise anything
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.found.failed(f"{path}: cannot be read as {table} ({first[:120]})")
            return None

    def rows(self, table: str, days: Sequence[date] | None, key: str, wanted: pl.Series) -> Loaded:
        """Rows of the files that hold any of the wanted keys: those and others beside them.

        Args:
            days: partitions to look in; all of them where None.
        """
        listed = self.days(table)
        found = sorted(listed) if days is None else days
        files = [path for day in found for path in listed.get(day, ())]
        folder = self.root / "tables" / table
        place = folder / f"date={found[0]}" if days is not None and len(found) == 1 else folder
        return self._load(table, files, key, ids.prefixes(wanted.drop_nulls()), place)

    def _load(self, table: str, files: Sequence[Path], key: str, wanted: np.ndarray, place: Path) -> Loaded:
        wanted = np.unique(wanted)
        frames, parts = [TABLES[table].empty()], []
        for path in files:
            keys = self._keys.get((path, key))
            if keys is not None and not _meet(keys, wanted):
                continue
            frame = self.read(table, path)
            if frame is None:
                continue
            if keys is None and len(files) > 1:
                keys = self._keep_keys(path, key, frame)
                if not _meet(keys, wanted):
                    continue
            frames.append(frame)
            parts.append((path, frame.height))
        return Loaded(table, frames[1] if len(frames) == 2 else pl.concat(frames), tuple(parts), place)

    def _keep_keys(self, path: Path, key: str, frame: pl.DataFrame) -> np.ndarray:
        keys = np.unique(ids.prefixes(frame[key].drop_nulls()))
        self._keys[path, key] = keys
        self._kept += len(keys)
        while self._kept > _KEYS_KEPT and len(self._keys) > 1:
            _, oldest = self._keys.popitem(last=False)
            self._kept -= len(oldest)
        return keys

    def all_rows(self, table: str) -> Loaded:
        """Every row of a small table, read once."""
        if table not in self._whole:
            files = [path for _, paths in sorted(self.days(table).items()) for path in paths]
            read = [(path, self.read(table, path)) for path in files]
            there = [(path, frame) for path, frame in read if frame is not None]
            frame = pl.concat([TABLES[table].empty(), *(f for _, f in there)])
            parts = tuple((path, f.height) for path, f in there)
            self._whole[table] = Loaded(table, frame, parts, self.root / "tables" / table)
        return self._whole[table]

    def corpus_passages(self, wanted: pl.Series) -> pl.DataFrame:
        """Passages of corpora, which stand on the day of their first indexing."""
        loaded = self._load(
            "passages", self._corpus_files, "passage_id", ids.prefixes(wanted), self.root / "tables/passages"
        )
        return loaded.frame.filter(pl.col("corpus") != "context")

    @cached_property
    def _corpus_files(self) -> list[Path]:
        """Files with passages of corpora; all others are passages of answers' own contexts."""
        found = []
        for _, paths in sorted(self.days("passages").items()):
            for path in paths:
                frame = self.read("passages", path)
                if frame is not None and (frame["corpus"] != "context").any():
                    found.append(path)
        return found


def _meet(keys: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two sorted arrays share a value."""
    few, many = (keys, wanted) if len(keys) < len(wanted) else (wanted, keys)
    if not len(few):
        return False
    at = np.minimum(np.searchsorted(many, few), len(many) - 1)
    return bool((many[at] == few).any())
