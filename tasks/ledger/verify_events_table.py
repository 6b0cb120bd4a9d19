"""Does the `events` table say what the log says? Files with their segment first, then what is left over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from tasks.lake.store import Lake
from tasks.ledger import events_table, merkle
from tasks.ledger.findings import Findings
from tasks.ledger.log import Log
from tasks.ledger.segments import Segment
from tasks.ledger.verify_files import TableFiles


class EventsTable:
    """The files of the `events` table, and which of the log's events have a row in them."""

    def __init__(self, lake: Lake, log: Log, start: int) -> None:
        self.lake, self.log, self.start = lake, log, start
        self.rendered = np.zeros(log.head.size, dtype=bool)
        self.loose = {path.relative_to(lake.root): path for path in lake.files("events")}
        """Files that no segment's check has accounted for, by place."""

    def of(self, segment: Segment) -> tuple[Path, ...]:
        """The files that the commit of a segment named; they are no longer loose."""
        places = events_table.rendered_places(self.lake, segment)
        return tuple(self.loose.pop(place) for place in places if place in self.loose)

    def add(self, segment: Segment, packed: bytes, loose: Iterable[Path]) -> None:
        """What a segment's check saw: which events have a row, as packed bits, and files of other events."""
        seen = np.unpackbits(np.frombuffer(packed, np.uint8))[: segment.rows]
        self.rendered[segment.first : segment.first + len(seen)] = seen
        self.loose |= {path.relative_to(self.lake.root): path for path in loose}

    def finish(self, leaves: Path, files: TableFiles) -> None:
        """Files that no commit named, and rows that are missing.

        Args:
            leaves: file of the leaf hashes from index `start` on.
        """
        hashes = np.memmap(leaves, "V32", "r") if leaves.stat().st_size else np.empty(0, "V32")
        for path in self.loose.values():
            self._loose_file(path, hashes, files)
        missing = np.flatnonzero(~self.rendered[self.start :]) + self.start
        done = int(self.lake.read_state(events_table.STATE).get("rendered", 0))
        if missing.size and missing[0] >= done:
            files.findings.note(f"events: {missing.size} events wait to be rendered; the next run does it")
        elif missing.size:
            files.findings.fail(f"events: {missing.size} rows are missing, first sequence {missing[0]}")

    def _loose_file(self, path: Path, hashes: np.ndarray, files: TableFiles) -> None:
        rows = files.read("events", path)
        rows = None if rows is None else rows.filter(rows["sequence"] >= self.start)
        if rows is None or rows.is_empty():
            return
        sequence = rows["sequence"].to_numpy()
        if sequence.min() < 0 or sequence.max() >= self.log.head.size:
            files.findings.fail(f"{path}: has events that the log does not have")
            return
        mark(path, sequence, self.rendered, files.findings)
        compare(path, rows, hashes[sequence - self.start], files.findings)


def mark(path: Path, places: np.ndarray, rendered: np.ndarray, findings: Findings, first: int = 0) -> None:
    """Marks the events that a file renders; one that is rendered already is a finding."""
    if len(np.unique(places)) != len(places) or rendered[places].any():
        findings.fail(f"{path}: has events twice, for example {(places[:1] + first).tolist()}")
    rendered[places] = True


def compare(path: Path, rows: pl.DataFrame, leaves: np.ndarray, findings: Findings) -> None:
    """Names the columns of a file of the `events` table that differ from the log.

    Args:
        leaves: for each row, the leaf hash that the log has at its sequence.
    """
    sequence = rows["sequence"]
    bodies = [body.encode() for body in rows["body"].to_list()]
    hashes = merkle.leaf_hashes(bodies)
    wrong = np.flatnonzero(leaves != np.frombuffer(hashes, "V32"))
    if wrong.size:
        findings.fail(
            f"{path}: column body of {wrong.size} rows differs from the log, first sequence "
            f"{sequence[int(wrong[0])]}"
        )
        return
    event_ids = b"".join([hashlib.sha256(body).digest() for body in bodies])
    for column, differs in differing(rows, rows["body"], event_ids, hashes).items():
        findings.fail(
            f"{path}: column {column} of {differs.sum()} rows differs from the event's bytes, first "
            f"sequence {sequence[int(differs.arg_true()[0])]}"
        )


def differing(
    frame: pl.DataFrame, bodies: pl.Series, event_ids: bytes, leaf_hashes: bytes
) -> dict[str, pl.Series]:
    """Typed columns that do not say what the events' bytes say, with the rows (Boolean, n) that differ.

    In canonical JSON a field reads `"name":value`; inside a string the quotes would be escaped, and no
    nested record before it has a field of these names, so what follows the first such words is the value.
    """
    checks = []
    body = pl.col("body").cast(pl.Binary).bin
    for column in ("kind", "occurred_at", "subject_id", "run_id", "claim_id"):
        if column not in frame.columns:
            continue
        is_time = column == "occurred_at"
        words = f',"{column}_us":' if is_time else f',"{column}":'
        at = pl.col("body").str.find(words, literal=True).cast(pl.Int64) + len(words)
        text = pl.col(column).dt.epoch("us").cast(pl.String) if is_time else pl.col(column)
        value = pl.concat_str([text, pl.lit(",")] if is_time else [pl.lit('"'), text, pl.lit('"')])
        value = value.cast(pl.Binary)
        differs = (body.slice(at, value.bin.size().cast(pl.Int64)) != value).fill_null(value=True)
        # Where the column is null, the event has no text in that field.
        is_text = (body.slice(at, pl.lit(1, pl.Int64)) == pl.lit(b'"')).fill_null(value=False)
        checks.append(pl.when(pl.col(column).is_null()).then(is_text).otherwise(differs).alias(column))
    columns = frame.lazy().with_columns(body=bodies).select(checks).collect().get_columns()
    columns += [_other_hex(frame["event_id"], event_ids), _other_hex(frame["leaf_hash"], leaf_hashes)]
    return {each.name: each for each in columns if each.any()}


def _other_hex(column: pl.Series, hashes: bytes) -> pl.Series:
    """Where a column of hex digests differs from these hashes (Boolean, n)."""
    digits = hashes.hex()
    expected = pl.Series(
        column.name, [digits[i : i + 64] for i in range(0, len(digits), 64)], dtype=pl.String
    )
    return ~column.eq_missing(expected)
