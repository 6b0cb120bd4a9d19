"""One segment of the log against its own bytes, its bundles and its rows in the tables: a unit of work.

Belongs here: everything about a segment that needs no other segment, and running that in several processes
that share nothing. Does not belong here: what joins segments, the tree and its checkpoints
(`ledger_verify.py`).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from tasks.errors import IntegrityError
from tasks.lake.store import Lake
from tasks.ledger import canonical, events, merkle, recording, segments, tiles
from tasks.ledger.log import Log
from tasks.ledger.notes import PublicKey
from tasks.ledger.segments import Segment
from tasks.ledger.tiles import Tile
from tasks.ledger.verify_files import Findings, TableFiles
from tasks.ledger.verify_rows import RowChecks, RowsChecked
from tasks.ledger.verify_salts import Salts
from tasks.ledger.verify_tiles import TileFiles

_OPENING = len('{"_schema":"')
_BUNDLES_AT_ONCE = 16
"""Events are hashed 4,096 at a time: their copies stay in the processor's cache."""


@dataclass(frozen=True)
class Scope:
    """What every process that checks segments needs to know."""

    root: Path
    log: Log
    salts: Path
    erased: frozenset[str]


@dataclass(frozen=True)
class Work:
    """A segment and the files of the `events` table that are said to be its rendering."""

    segment: Segment
    rendered: tuple[Path, ...] = ()


@dataclass
class SegmentChecked:
    """What the check of one segment found, and what the tree is built from."""

    segment: Segment
    hashes: bytes | None = None
    """Leaf hashes; None where the events are lost."""
    head: list[bytes] = field(default_factory=list)
    tail: list[bytes] = field(default_factory=list)
    """Events of the bundles that this segment shares with its neighbours."""
    found: Findings = field(default_factory=Findings)
    rotations: list[tuple[int, PublicKey, PublicKey]] = field(default_factory=list)
    narrow_tiles: set[str] = field(default_factory=set)
    rows: RowsChecked = field(default_factory=RowsChecked)
    rendered: bytes = b""
    """Which of its events have a row in the `events` table, as packed bits."""
    loose: list[Path] = field(default_factory=list)
    """Files that were said to be its rendering and hold other events."""
    digests: dict[str, str] = field(default_factory=dict)


class SegmentChecks:
    """Checks segments one after the other."""

    def __init__(self, scope: Scope) -> None:
        self.lake, self.log = Lake(scope.root), scope.log
        self.files = TableFiles(self.lake, Findings())
        self.rows = RowChecks(self.files, Salts.open(scope.salts), scope.erased)

    def check(self, work: Work) -> SegmentChecked:
        """Everything about one segment."""
        segment = work.segment
        done = SegmentChecked(segment)
        self.files.found, self.files.digests = done.found, done.digests
        frame: pl.DataFrame | None = None
        try:
            frame = segment.read()
            column = frame["event"]
        except IntegrityError as error:
            done.found.failed(str(error))
            with done.found.catching():
                # The bundles may still say what the segment said; the tree decides whether they do.
                entries = [self.log.entry(i) for i in range(segment.first, segment.end)]
                column = pl.Series("event", entries, dtype=pl.Binary)
        except OSError as error:
            done.found.failed(f"{segment.path}: cannot be read ({error.strerror})")
        if frame is None and "column" not in locals():
            with done.found.catching(silently=True):
                done.hashes = self._leaves(segment)
            done.loose += work.rendered
            return done
        event_ids = self._hash(segment, column, done)
        if frame is None:
            done.loose += work.rendered
            return done
        sound = self._columns(frame, event_ids, done)
        self._index(segment, frame, done)
        done.rotations = _rotations(frame, done.found)
        self._rendered(work, frame, done, is_sound=sound)
        done.rows = self.rows.segment(frame, self._schemas(segment, frame, done.found))
        return done

    def _leaves(self, segment: Segment) -> bytes:
        """Leaf hashes out of tiles, where the events are lost: the tree decides whether they are right."""
        node = self.log.node()
        return b"".join(node(0, i) for i in range(segment.first, segment.end))

    def _hash(self, segment: Segment, column: pl.Series, done: SegmentChecked) -> bytes:
        """Leaf hashes and ids of the events, and the bundles that lie within the segment."""
        sha256, leaves, event_ids = hashlib.sha256, [], []
        files = TileFiles(self.log, done.found)
        at, index = 0, -(-segment.first // tiles.WIDTH)
        before = min(index * tiles.WIDTH - segment.first, column.len())
        while at < column.len():
            size = before if at < before else _BUNDLES_AT_ONCE * tiles.WIDTH
            entries = column.slice(at, size).to_list()
            leaves.append(b"".join([sha256(b"\x00" + entry).digest() for entry in entries]))
            event_ids.append(b"".join([sha256(entry).digest() for entry in entries]))
            if at < before:
                done.head = entries
            else:
                for low in range(0, len(entries), tiles.WIDTH):
                    bundle = entries[low : low + tiles.WIDTH]
                    if len(bundle) < tiles.WIDTH:
                        done.tail = bundle
                        break
                    with done.found.catching():
                        files.check(Tile(tiles.ENTRIES, index), tiles.bundle(bundle))
                    index += 1
            at += len(entries)
        done.hashes = b"".join(leaves)
        done.narrow_tiles = files.narrow
        return b"".join(event_ids)

    def _columns(self, frame: pl.DataFrame, event_ids: bytes, done: SegmentChecked) -> bool:
        """The typed columns say what the bytes say."""
        path, first = done.segment.path, done.segment.first
        bodies = canonical.text(frame["event"])
        if bodies.null_count():
            done.found.failed(f"{path}: an event's bytes are not text")
            return False
        wrong = differing(frame, bodies)
        wrong["sequence"] = frame["sequence"] != pl.int_range(first, first + frame.height, eager=True)
        wrong["event_id"] = _other_hex(frame["event_id"], event_ids)
        wrong["leaf_hash"] = _other_hex(frame["leaf_hash"], done.hashes or b"")
        sound = True
        for column, differs in wrong.items():
            if differs.any():
                sound = False
                done.found.failed(
                    f"{path}: column {column} of {differs.sum()} events differs from their bytes, first at "
                    f"index {first + int(differs.arg_true()[0])}"
                )
        return sound

    def _schemas(self, segment: Segment, frame: pl.DataFrame, found: Findings) -> pl.Series:
        """Whether each event's schema is known and its kind the one that the schema is of."""
        schemas = canonical.text(frame["event"].bin.slice(_OPENING, 64))
        kinds = schemas.replace_strict(events.known_schemas(), default=None, return_dtype=pl.String)
        strange = kinds.is_null()
        if strange.any():
            at = strange.arg_true()[0]
            found.unknown(
                f"{segment.path}: {strange.sum()} events are of a schema this release does not know, first "
                f"at index {segment.first + at}; check them with the release that wrote them"
            )
        return kinds.eq_missing(frame["kind"])

    def _index(self, segment: Segment, frame: pl.DataFrame, done: SegmentChecked) -> None:
        with done.found.catching():
            if segment.index_path.exists():
                index = segments.build_index(frame)
                if segment.index_path.read_bytes() != index.tobytes():
                    done.found.failed(f"{segment.index_path}: damaged; delete it, it is only a cache")

    # The events table -----------------------------------------------------------------------------------

    def _rendered(self, work: Work, frame: pl.DataFrame, done: SegmentChecked, *, is_sound: bool) -> None:
        """Files of the `events` table that render this segment say what it says."""
        expected = recording.rendered(frame)
        seen = np.zeros(frame.height, dtype=bool)
        for path in work.rendered:
            rows = self.files.read("events", path)
            if rows is None or rows.is_empty():
                continue
            at = rows["sequence"].to_numpy() - work.segment.first
            if at.min() < 0 or at.max() >= frame.height:
                done.loose.append(path)
                continue
            if len(np.unique(at)) != len(at) or seen[at].any():
                done.found.failed(
                    f"{path}: has events twice, for example {(at[:1] + work.segment.first).tolist()}"
                )
            seen[at] = True
            if not (is_sound and rows.equals(expected[at])):
                table_file(path, rows, done.hashes or b"", work.segment.first, done.found)
        done.rendered = np.packbits(seen).tobytes()


def table_file(
    path: Path, rows: pl.DataFrame, leaves: bytes | np.ndarray, first: int, found: Findings
) -> None:
    """Names the columns of a file of the `events` table that differ from the log.

    Args:
        leaves: leaf hashes of the log from index `first` on; the file's sequences lie within.
    """
    sequence = rows["sequence"].to_numpy()
    bodies = [body.encode() for body in rows["body"].to_list()]
    hashes = merkle.leaf_hashes(bodies)
    stored = np.frombuffer(leaves, "V32") if isinstance(leaves, bytes) else leaves
    wrong = np.flatnonzero(stored[sequence - first] != np.frombuffer(hashes, "V32"))
    if wrong.size:
        found.failed(
            f"{path}: column body of {wrong.size} rows differs from the log, first sequence "
            f"{sequence[wrong[0]]}"
        )
        return
    wrong_by = differing(rows, rows["body"])
    sha256 = hashlib.sha256
    wrong_by["event_id"] = _other_hex(rows["event_id"], b"".join([sha256(b).digest() for b in bodies]))
    wrong_by["leaf_hash"] = _other_hex(rows["leaf_hash"], hashes)
    for column, differs in wrong_by.items():
        if differs.any():
            found.failed(
                f"{path}: column {column} of {differs.sum()} rows differs from the event's bytes, first "
                f"sequence {int(sequence[int(differs.arg_true()[0])])}"
            )


def differing(frame: pl.DataFrame, bodies: pl.Series) -> dict[str, pl.Series]:
    """Per typed column, the rows (Boolean, n) whose bytes do not say the same.

    In canonical JSON a field stands as `"name":value`; inside a string the quotes would be escaped, and no
    nested record before it has a field of these names, so what follows the first such words is the value.
    """
    quoted = {
        n: pl.concat_str([pl.lit('"'), pl.col(n), pl.lit('"')]) for n in ("kind", "subject_id", "run_id")
    }
    said = {name: (name, value) for name, value in quoted.items()}
    said["occurred_at"] = ("occurred_at_us", pl.col("occurred_at").dt.epoch("us").cast(pl.String) + ",")
    if "claim_id" in frame.columns:
        said["claim_id"] = ("claim_id", pl.concat_str([pl.lit('"'), pl.col("claim_id"), pl.lit('"')]))
    work = frame.lazy().with_columns(body=bodies)
    checks = []
    for column, (name, value) in said.items():
        words = f',"{name}":'
        at = pl.col("body").str.find(words, literal=True).cast(pl.Int64) + len(words)
        data = value.cast(pl.Binary)
        there = pl.col("body").cast(pl.Binary).bin.slice(at, data.bin.size().cast(pl.Int64))
        differs = (there != data).fill_null(value=True)
        if column == "claim_id":
            one = pl.col("body").cast(pl.Binary).bin.slice(at, pl.lit(1, pl.Int64))
            planted = (one == pl.lit(b'"')).fill_null(value=False)
            differs = pl.when(pl.col("claim_id").is_null()).then(planted).otherwise(differs)
        checks.append(differs.alias(column))
    found = work.select(checks).collect()
    return {name: found[name] for name in said}


def _other_hex(column: pl.Series, hashes: bytes) -> pl.Series:
    """Where a column of hex digests differs from these hashes (Boolean, n)."""
    digits = hashes.hex()
    if not column.null_count() and column.str.join("").item() == digits:
        sizes = column.str.len_bytes()
        if sizes.min() == sizes.max():
            return pl.repeat(value=False, n=column.len(), eager=True)
    expected = pl.Series([digits[i : i + 64] for i in range(0, len(digits), 64)], dtype=pl.String)
    return ~column.eq_missing(expected)


def _rotations(frame: pl.DataFrame, found: Findings) -> list[tuple[int, PublicKey, PublicKey]]:
    rotations = []
    changes = frame.filter(pl.col("kind") == "configuration")
    for sequence, data in changes.select("sequence", "event").iter_rows():
        with found.catching():
            try:
                body = events.read(data)
            except canonical.CanonicalError as error:
                raise IntegrityError(f"event {sequence}: {error}") from None
            if body.get("change") == "key":
                pair = PublicKey.parse(str(body["before"])), PublicKey.parse(str(body["after"]))
                rotations.append((sequence, *pair))
    return rotations


# In several processes -------------------------------------------------------------------------------------

_ENVIRONMENT = {
    # Threads of Polars must not be forked, and one per process is enough: the processes are the parallelism.
    "POLARS_MAX_THREADS": "1",
    # Memory that one segment needed is kept for the next: asking the system for it again and again costs more
    # than a tenth of the time. Both allocators, Polars' and Python's.
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1",
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
_checks: SegmentChecks | None = None


def start(scope: Scope) -> None:
    """What a process of the pool runs first."""
    global _checks  # noqa: PLW0603 - one per process of the pool
    _checks = SegmentChecks(scope)


def _check(work: Work) -> SegmentChecked:
    assert _checks is not None  # noqa: S101 - the initializer ran
    return _checks.check(work)


def check_all(
    scope: Scope, works: Sequence[Work], workers: int, *, initializer: Callable[[Scope], None] = start
) -> Iterator[SegmentChecked]:
    """Checks segments in order, `workers` at a time, each process with the segments it holds in memory.

    A process that dies over a segment (Polars may abort on bytes that were made for it) is a finding.
    """
    if workers <= 1 or len(works) <= 1:
        checks = SegmentChecks(scope)
        for work in works:
            yield checks.check(work)
        return
    left = deque(works)
    while left:
        with _pool(scope, workers, initializer) as pool:
            yield from _until_a_process_dies(pool, left, 2 * workers)
        if left:
            # One of those in flight killed its process; alone it shows which.
            with _pool(scope, 1, initializer) as pool:
                yield from _alone(pool, left.popleft())


def _until_a_process_dies(
    pool: ProcessPoolExecutor, left: deque[Work], most: int
) -> Iterator[SegmentChecked]:
    flying: deque[Future[SegmentChecked]] = deque()
    sent = 0
    while left:
        try:
            while sent < len(left) and len(flying) < most:
                flying.append(pool.submit(_check, left[sent]))
                sent += 1
            done = flying[0].result()
        except BrokenProcessPool:
            return
        flying.popleft()
        left.popleft()
        sent -= 1
        yield done


def _alone(pool: ProcessPoolExecutor, work: Work) -> Iterator[SegmentChecked]:
    try:
        yield pool.submit(_check, work).result()
    except BrokenProcessPool:
        done = SegmentChecked(work.segment)
        done.found.failed(
            f"{work.segment.path}: the process that checked it died; the segment, or a table file with its "
            "rows, is made to do that; restore both from a copy"
        )
        done.loose += work.rendered
        yield done


@contextmanager
def _pool(scope: Scope, workers: int, initializer: Callable[[Scope], None]) -> Iterator[ProcessPoolExecutor]:
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=initializer, initargs=(scope,)) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
