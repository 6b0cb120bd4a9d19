"""Segments: the log's events as immutable Parquet files, and the small indexes that find one among millions.

A segment N is `N.parquet` (typed columns for people, `event` with the canonical bytes that are hashed) and
`N.json` (rows, first index, SHA-256 of the file), written last: a segment without it does not exist. Files
are hashed before they are parsed. `index/N.u64` is a cache: sorted prefixes of ids, rebuilt when it is
missing, and never believed, because what it points at is compared with the id that was asked for.

Small segments are joined (`joining.py`). Both are there for a moment: the one that begins at the same index
and holds more rows counts, and those that it covers are retired. A reader that still has the old list finds
the same rows in the segment that covers them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl

from tasks import ids
from tasks.errors import IntegrityError
from tasks.files import durable, parquet
from tasks.schema import Column, Table
from tasks.tables import EVENTS

MAX_ROWS = 65_536
"""Rows of one segment: large enough to scan fast, small enough to hold in memory twice."""

_FULL = (MAX_ROWS, 250_000)
"""Rows of a segment that another one of the same append may follow: now, and in the first release."""

_COLUMNS = {c.name: c for c in EVENTS.columns}
SEGMENT = Table(
    "segment",
    ("sequence",),
    "Rows of the log as they were appended",
    (
        *(_COLUMNS[n] for n in ("sequence", "event_id", "kind", "occurred_at", "subject_id", "run_id")),
        Column("claim_id", pl.String, "Claim the event is about", nullable=True),
        _COLUMNS["leaf_hash"],
        Column("event", pl.Binary, "Canonical bytes: what is hashed"),
    ),
    partition_by=None,
)
_IDS = ("event_id", "subject_id", "claim_id")
_sound: set[tuple[Path, int, int, int]] = set()
"""Segment files whose digest this process has compared: path, inode, size, time."""


@dataclass(frozen=True)
class Part:
    """A segment that was joined with others: what the bigger one keeps of it."""

    number: int
    rows: int
    run_id: str


@dataclass(frozen=True)
class Segment:
    """One segment: its number, where its rows are in the log, the digest of its file."""

    folder: Path
    number: int
    first: int
    rows: int
    sha256: str
    run_id: str
    joined: tuple[Part, ...] = ()
    """The segments that it was made of, in order; none where an append wrote it."""

    @property
    def end(self) -> int:
        """Index one past the last row."""
        return self.first + self.rows

    @property
    def parts_written(self) -> tuple[Part, ...]:
        """What appends wrote: the segments that it was joined from, or itself."""
        return self.joined or (Part(self.number, self.rows, self.run_id),)

    @property
    def append_ends(self) -> list[int]:
        """Indexes at which an append ended for certain, so that a checkpoint of that size was signed."""
        ends = accumulate((part.rows for part in self.parts_written), initial=self.first)
        return [
            end
            for end, part in zip(list(ends)[1:], self.parts_written, strict=True)
            if part.rows not in _FULL
        ]

    @property
    def path(self) -> Path:
        """The Parquet file."""
        return self.folder / f"{self.number:06d}.parquet"

    @property
    def index_path(self) -> Path:
        """The rebuildable index."""
        return self.folder.parent / "index" / f"{self.number:06d}.u64"

    def read(self) -> pl.DataFrame:
        """All rows. The bytes are hashed first, so that only those that were appended are parsed.

        Raises:
            IntegrityError: the file's bytes are not those that were appended, or are no segment.
        """
        try:
            data = self._bytes()
        except FileNotFoundError:
            return self._successor_rows()
        try:
            frame = parquet.parse(SEGMENT, data)
        except Exception as error:  # noqa: BLE001 - a reader of hostile bytes may raise anything
            raise self._no_segment(error) from None
        if frame.height != self.rows:
            raise IntegrityError(f"{self.path}: {frame.height} rows, expected {self.rows}")
        return frame

    def parts(self, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
        """Some columns of all rows in order, so many rows at a time; the bytes are hashed first.

        Raises:
            IntegrityError: the file's bytes are not those that were appended.
        """
        try:
            data = self._bytes()
        except FileNotFoundError:
            yield from self._successor_rows().select(columns).iter_slices(rows)
            return
        yield from parquet.parts(SEGMENT, data, columns, rows)

    def _bytes(self) -> bytes:
        data = self.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise IntegrityError(f"{self.path}: not the bytes that were appended; restore it from a copy")
        return data

    def _successor_rows(self) -> pl.DataFrame:
        """Its rows in the segment that it was joined into since the caller listed the log.

        Raises:
            IntegrityError: there is none, so this one is lost.
        """
        for other in listed(self.folder):
            if other.number != self.number and other.first <= self.first and self.end <= other.end:
                return other.read().slice(self.first - other.first, self.rows)
        raise IntegrityError(f"{self.path}: the segment is missing; restore it from a copy") from None

    def find(self, values: pl.Series, prefixes: np.ndarray, column: str) -> pl.DataFrame | None:
        """Typed columns (without the bytes) of the rows whose `column` is one of these ids; None for none.

        Args:
            prefixes: of the ids, sorted, because looking them up in order is many times faster.
        """
        index = self._index()
        at = np.minimum(np.searchsorted(index, prefixes), len(index) - 1)
        if not (index[at] == prefixes).any():
            return None  # an empty frame for each of a thousand segments took ten times as long as the index
        return self._select(pl.exclude("event"), pl.col(column).is_in(values.implode()))

    def subjects(self, kind: str) -> pl.Series:
        """What the events of one kind are about.

        Raises:
            IntegrityError: the file's bytes are not those that were appended.
        """
        return self._select(pl.col("subject_id"), pl.col("kind") == kind)["subject_id"]

    def events(self, kinds: Iterable[str]) -> pl.DataFrame:
        """sequence, subject_id and event of the events of some kinds.

        Raises:
            IntegrityError: the file's bytes are not those that were appended.
        """
        return self._select(pl.col("sequence", "subject_id", "event"), pl.col("kind").is_in(list(kinds)))

    def _select(self, columns: pl.Expr, which: pl.Expr) -> pl.DataFrame:
        try:
            self._compare_once()
            return parquet.scan(SEGMENT, [self.path]).filter(which).select(columns).collect()
        except FileNotFoundError:
            return self._successor_rows().filter(which).select(columns)
        except pl.exceptions.PolarsError as error:
            raise self._no_segment(error) from None

    def _no_segment(self, error: Exception) -> IntegrityError:
        return IntegrityError(f"{self.path}: its bytes match its digest but are no segment ({error})")

    def _compare_once(self) -> None:
        facts = self.path.stat()
        mark = (self.path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if mark not in _sound:
            self._bytes()
            _sound.add(mark)

    def _index(self) -> np.ndarray:
        try:
            if self.index_path.stat().st_size:
                return np.memmap(self.index_path, dtype="<u8", mode="r")
        except (OSError, ValueError):
            pass
        index = build_index(self.read())
        if self.path.exists():  # a retired segment leaves no index behind
            write_index(self, index)
        return index


def build_index(frame: pl.DataFrame) -> np.ndarray:
    """Sorted prefixes of every id of a segment's rows."""
    return np.sort(np.concatenate([ids.prefixes(frame[column].drop_nulls()) for column in _IDS]))


def write_index(segment: Segment, index: np.ndarray) -> None:
    """Keeps the index beside the segments; losing it costs time and nothing else."""
    segment.index_path.parent.mkdir(exist_ok=True)
    segment.index_path.write_bytes(index.tobytes())


def write(
    folder: Path, number: int, frame: pl.DataFrame, run_id: str, joined: tuple[Part, ...] = ()
) -> Segment:
    """Writes a segment durably: the Parquet file first, its description last."""
    data = parquet.encode(SEGMENT, frame)
    sha256, first = hashlib.sha256(data).hexdigest(), int(frame["sequence"][0])
    segment = Segment(folder, number, first, frame.height, sha256, run_id, joined)
    durable.make_folder(folder)
    durable.replace(segment.path, data)
    write_index(segment, build_index(frame))
    description: dict[str, object] = {
        "first_index": first,
        "rows": frame.height,
        "run_id": run_id,
        "sha256": sha256,
    }
    if joined:
        description["joined"] = [asdict(part) for part in joined]
    durable.replace_json(segment.path.with_suffix(".json"), description)
    return segment


def listed(folder: Path) -> list[Segment]:
    """The segments of a log in order, without those that were joined into a bigger one.

    Raises:
        IntegrityError: a description is damaged.
    """
    return _current(described(folder))


def retired(folder: Path) -> list[Segment]:
    """Segments that another one covers, so that nothing reads them any more.

    Raises:
        IntegrityError: a description is damaged.
    """
    every = described(folder)
    current = {segment.number for segment in _current(every)}
    return [segment for segment in every if segment.number not in current]


def _current(every: Sequence[Segment]) -> list[Segment]:
    current: list[Segment] = []
    for segment in sorted(every, key=lambda each: (each.first, -each.rows, each.number)):
        if not current or segment.end > current[-1].end:
            current.append(segment)
    return current


def described(folder: Path) -> list[Segment]:
    """Every segment that has a description, retired or not.

    Raises:
        IntegrityError: a description is damaged.
    """
    return [_described(path) for path in sorted(folder.glob("[0-9]*.json"))]


def _described(path: Path) -> Segment:
    record = durable.read_json(path) or {}
    try:
        return Segment(
            path.parent,
            int(path.stem),
            int(record["first_index"]),
            int(record["rows"]),
            str(record["sha256"]),
            str(record["run_id"]),
            tuple(
                Part(int(each["number"]), int(each["rows"]), str(each["run_id"]))
                for each in record.get("joined", [])
            ),
        )
    except (KeyError, TypeError, ValueError):
        raise IntegrityError(f"{path}: not a segment's description; restore it from a copy") from None


def remove(segment: Segment) -> None:
    """Removes a segment: its description first, because without it the file is nobody's."""
    segment.path.with_suffix(".json").unlink(missing_ok=True)
    segment.path.unlink(missing_ok=True)
    segment.index_path.unlink(missing_ok=True)


def find(segments: Iterable[Segment], values: pl.Series, column: str) -> pl.DataFrame:
    """Rows, without their bytes, of all segments whose `column` is one of the ids, in log order."""
    if values.is_empty():
        return SEGMENT.empty().drop("event")
    prefixes = np.unique(ids.prefixes(values))
    rows = (segment.find(values, prefixes, column) for segment in segments)
    return pl.concat([SEGMENT.empty().drop("event"), *(each for each in rows if each is not None)])
