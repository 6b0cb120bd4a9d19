"""One segment of the log against its own bytes, its bundles and its rows in the tables: a unit of work.

Everything about a segment that needs no other segment is checked here. What joins segments, the tree and its
checkpoints, is in `verify_tree.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from tasks.errors import IntegrityError
from tasks.lake.store import Lake
from tasks.ledger import canonical, events, events_table, segments, tiles, verify_events_table
from tasks.ledger.findings import Findings
from tasks.ledger.log import Log
from tasks.ledger.notes import PublicKey
from tasks.ledger.segments import Segment
from tasks.ledger.tiles import Tile
from tasks.ledger.verify_files import TableFiles
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
    salts: Salts
    erased: frozenset[str]


@dataclass(frozen=True)
class Work:
    """A segment and the files of the `events` table that are said to be its rendering."""

    segment: Segment
    rendered: tuple[Path, ...] = ()


@dataclass(frozen=True)
class HandOver:
    """An event that hands the log over from one key to another."""

    index: int
    before: PublicKey
    after: PublicKey


@dataclass
class SegmentChecked:
    """What the check of one segment has to say, and what the tree is built from."""

    segment: Segment
    hashes: bytes | None = None
    """Leaf hashes; None where the events are lost."""
    head: list[bytes] = field(default_factory=list)
    tail: list[bytes] = field(default_factory=list)
    """Events of the bundles that this segment shares with its neighbours."""
    findings: Findings = field(default_factory=Findings)
    hand_overs: list[HandOver] = field(default_factory=list)
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
        self.rows = RowChecks(self.files, scope.salts, scope.erased)

    def check(self, work: Work) -> SegmentChecked:
        """Everything about one segment."""
        segment = work.segment
        done = SegmentChecked(segment)
        self.files.findings, self.files.digests = done.findings, done.digests
        frame = self._read(segment, done)
        if frame is None:
            done.loose += work.rendered
            self._lost(segment, done)
            return done
        event_ids = self._hash(segment, frame["event"], done)
        is_sound = self._columns(frame, event_ids, done)
        self._index(segment, frame, done)
        done.hand_overs = _hand_overs(frame, done.findings)
        self._rendered(work, frame, done, is_sound=is_sound)
        done.rows = self.rows.segment(frame, self._vintages(segment, frame, done.findings))
        return done

    def _read(self, segment: Segment, done: SegmentChecked) -> pl.DataFrame | None:
        with done.findings.catching():
            return segment.read()
        return None

    def _lost(self, segment: Segment, done: SegmentChecked) -> None:
        """The tree decides whether bundles, else tiles, hold what the segment held."""
        with done.findings.catching():
            entries = [self.log.entry(index) for index in range(segment.first, segment.end)]
            self._hash(segment, pl.Series("event", entries, dtype=pl.Binary), done)
            return
        with done.findings.catching(silently=True):
            node = self.log.node()
            done.hashes = b"".join(node(0, index) for index in range(segment.first, segment.end))

    def _hash(self, segment: Segment, column: pl.Series, done: SegmentChecked) -> bytes:
        """Leaf hashes and ids of the events, and the bundles that lie within the segment."""
        sha256, leaves, event_ids = hashlib.sha256, [], []
        files = TileFiles(self.log, done.findings)
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
                    with done.findings.catching():
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
            done.findings.fail(f"{path}: an event's bytes are not text")
            return False
        wrong = verify_events_table.differing(frame, bodies, event_ids, done.hashes or b"")
        is_moved = frame["sequence"] != pl.int_range(first, first + frame.height, eager=True)
        if is_moved.any():
            wrong["sequence"] = is_moved
        for column, differs in wrong.items():
            done.findings.fail(
                f"{path}: column {column} of {differs.sum()} events differs from their bytes, first at "
                f"index {first + int(differs.arg_true()[0])}"
            )
        return not wrong

    def _vintages(self, segment: Segment, frame: pl.DataFrame, findings: Findings) -> pl.Series:
        """The vintage of each event (Int8); null where its schema is unknown or that of another kind."""
        schemas = canonical.text(frame["event"].bin.slice(_OPENING, 64))
        kinds = schemas.replace_strict(events.known_schemas(), default=None, return_dtype=pl.String)
        vintages = {schema: vintage for schema, (_, vintage) in events.vintages().items()}
        is_unknown = kinds.is_null()
        if is_unknown.any():
            findings.leave_open(
                f"{segment.path}: {is_unknown.sum()} events are of a schema this release does not know, "
                f"first at index {segment.first + is_unknown.arg_true()[0]}; check them with the release "
                "that wrote them"
            )
        known = schemas.replace_strict(vintages, default=None, return_dtype=pl.Int8)
        return known.zip_with(kinds.eq_missing(frame["kind"]), pl.Series([None], dtype=pl.Int8))

    def _index(self, segment: Segment, frame: pl.DataFrame, done: SegmentChecked) -> None:
        with done.findings.catching():
            if segment.index_path.exists():
                index = segments.build_index(frame)
                if segment.index_path.read_bytes() != index.tobytes():
                    done.findings.fail(f"{segment.index_path}: damaged; delete it, it is only a cache")

    def _rendered(self, work: Work, frame: pl.DataFrame, done: SegmentChecked, *, is_sound: bool) -> None:
        """Files of the `events` table that render this segment say what it says."""
        expected = events_table.rendered(frame)
        seen = np.zeros(frame.height, dtype=bool)
        for path in work.rendered:
            rows = self.files.read("events", path)
            if rows is None or rows.is_empty():
                continue
            places = rows["sequence"].to_numpy() - work.segment.first
            if places.min() < 0 or places.max() >= frame.height:
                done.loose.append(path)
                continue
            verify_events_table.mark(path, places, seen, done.findings, work.segment.first)
            if not (is_sound and rows.equals(expected[places])):
                leaves = np.frombuffer(done.hashes or b"", "V32")[places]
                verify_events_table.compare(path, rows, leaves, done.findings)
        done.rendered = np.packbits(seen).tobytes()


def _hand_overs(frame: pl.DataFrame, findings: Findings) -> list[HandOver]:
    hand_overs = []
    changes = frame.filter(pl.col("kind") == "configuration")
    for sequence, data in changes.select("sequence", "event").iter_rows():
        with findings.catching():
            try:
                body = events.read(data)
            except canonical.CanonicalError as error:
                raise IntegrityError(f"event {sequence}: {error}") from None
            if body.get("change") == "key":
                before, after = str(body["before"]), str(body["after"])
                hand_overs.append(HandOver(sequence, PublicKey.parse(before), PublicKey.parse(after)))
    return hand_overs
