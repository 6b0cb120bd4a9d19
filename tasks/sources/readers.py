"""One reader per format: a file in, records and refusals with their places out, a portion at a time.

Belongs here: JSON Lines, JSON, CSV and Parquet as such. Does not belong here: which files (`streams.py`),
what a record means (`tasks/sources/records.py`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.sources import split, strict
from tasks.sources.parameters import LimitSettings
from tasks.sources.records import Refused, shown
from tasks.sources.split import KEPT, Block, Piece
from tasks.sources.streams import BLOCK, Readable, Unreadable

PORTION_BYTES = 16 * 2**20
"""Decoded bytes of Parquet rows held at once."""


@dataclass
class Portion:
    """Some neighbouring records of a file."""

    records: list[tuple[dict[str, Any], Piece]] = field(default_factory=list)
    refused: list[tuple[Piece, Refused]] = field(default_factory=list)
    failure: Unreadable | None = None
    """The file cannot be read any further; what came before is good."""
    blank: int = 0
    resume: tuple[int, int] | None = None
    """(offset, line) where a pull of the same file, grown longer, may go on."""


def json_lines(
    stream: Readable, limits: LimitSettings, *, line: int = 1, offset: int = 0
) -> Iterator[Portion]:
    """Records of JSON Lines; `line` and `offset` say where the stream begins."""
    for block in split.lines(stream, limits.max_record_bytes, line=line, offset=offset):
        if offset == 0 and line == 1 and block.pieces and block.pieces[0].line == 1:
            block.pieces[0] = _unmarked(block.pieces[0])
        portion = _portion(block, limits)
        tail = block.unfinished
        if tail is not None:
            tail = _unmarked(tail) if tail.offset == 0 else tail
            try:
                portion.records.append((strict.one(tail.raw, limits), tail))
            except Refused as refusal:
                reason = f"the last line has no newline and breaks off: {refusal.reason}"
                if refusal.check == "json":
                    refusal = Refused("half_line", reason)
                portion.refused.append((tail, refusal))
        yield portion


def json_values(stream: Readable, limits: LimitSettings) -> Iterator[Portion]:
    """Records of a JSON array, or of values that follow one another over any lines."""
    for block in split.elements(stream, limits.max_record_bytes):
        portion = _portion(block, limits)
        tail = block.unfinished
        if tail is not None:
            portion.failure = portion.failure or Unreadable(
                "truncated", f"breaks off or goes on after its end at line {tail.line}, byte {tail.offset}"
            )
            if tail.raw:
                try:
                    portion.records.append((strict.one(tail.raw, limits), tail))
                except Refused as refusal:
                    portion.refused.append((_cut(tail), refusal))
        yield portion


def _portion(block: Block, limits: LimitSettings) -> Portion:
    parsed = strict.parse(block.pieces, limits)
    refused = parsed.refused + [
        (
            head,
            _too_long(length, limits),
        )
        for head, length in block.oversized
    ]
    refused.sort(key=lambda r: r[0].offset)
    return Portion(parsed.records, refused, block.failure, block.blank, block.resume)


def _too_long(size: int, limits: LimitSettings) -> Refused:
    most = f"at most {limits.max_record_bytes} are allowed (limits.max_record_bytes)"
    return Refused("record_too_long", f"the record has {size} bytes, {most}")


def _unmarked(piece: Piece) -> Piece:
    return piece._replace(raw=piece.raw.removeprefix(b"\xef\xbb\xbf"))


def _cut(piece: Piece) -> Piece:
    return piece._replace(raw=piece.raw[:KEPT])


class _CsvLines:
    """Lines of text for the csv module, which remembers the bytes of the record being read.

    Invalid bytes travel as lone surrogates (PEP 383) and are refused with their record.
    """

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._buffer: list[bytes] = []
        self._held = b""
        self._end = False
        self.failure: Unreadable | None = None
        self.again: list[bytes] = []
        self.record: list[bytes] = []
        self.size = 0

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        line = self.again.pop() if self.again else self._line()
        self.record.append(line)
        self.size += len(line)
        if self.size > self._limit:
            raise Refused("record_too_long", f"more than {self._limit} bytes (limits.max_record_bytes)")
        return line.decode("utf-8", "surrogateescape")

    def _line(self) -> bytes:
        while not self._buffer:
            if self._end:
                raise StopIteration
            try:
                chunk = self._stream.read(BLOCK)
            except Unreadable as error:
                self.failure, chunk = error, b""
            self._end = not chunk
            parts = _newlines(self._held + chunk)
            self._held = b"" if self._end or not parts or parts[-1].endswith(b"\n") else parts.pop()
            if len(self._held) > self._limit:
                # An endless line: hand it over, the size check refuses it, the rest of it follows as lines.
                parts, self._held = [*parts, self._held], b""
            self._buffer = parts[::-1]
        return self._buffer.pop()


def _newlines(data: bytes) -> list[bytes]:
    """Split after each newline only: `bytes.splitlines` would also split at a bare carriage return."""
    parts = [part + b"\n" for part in data.split(b"\n")]
    last = parts.pop()[:-1]
    return [*parts, last] if last else parts


def csv_rows(stream: Readable, limits: LimitSettings, response: str | None) -> Iterator[Portion]:
    """Records of a CSV file with a header; comma, semicolon or tab, whichever the header has most of.

    A row with more or fewer cells than the header is refused, and so is one whose quotes do not close: its
    first line goes to quarantine and reading goes on with the second. Empty cells are missing values.

    Raises:
        Unreadable: no header, a header with a column twice, too many columns, or none for the answer.
    """
    lines = _CsvLines(stream, limits.max_record_bytes)
    header, delimiter = _csv_header(lines, limits, response)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line, offset = 1 + len(lines.record), sum(map(len, lines.record))
    portion, size = Portion(), 0
    while True:
        lines.record, lines.size = [], 0
        refusal: Refused | None = None
        row: list[str] = []
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            refusal = Refused("csv", f"quotes cannot be read ({shown(str(error), 80)})")
        except Refused as error:
            refusal = error
        if refusal is not None and len(lines.record) > 1:
            # A quote that never closes swallows its neighbours: give them back, refuse only where it opened.
            lines.again += lines.record[:0:-1]
            lines.record = lines.record[:1]
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        raw = b"".join(lines.record)
        place = Piece(raw, line, offset)
        line, offset = line + len(lines.record), offset + len(raw)
        size += len(raw)
        if refusal is None and not row:
            portion.blank += 1
        else:
            refusal = refusal or _csv_fault(row, header, raw)
            if refusal is None:
                record = {k: v for k, v in zip(header, row, strict=True) if v != ""}
                portion.records.append((record, place))
            else:
                portion.refused.append((_cut(place), refusal))
        if size > BLOCK:
            yield portion
            portion, size = Portion(), 0
    portion.failure = lines.failure
    yield portion


def _csv_header(lines: _CsvLines, limits: LimitSettings, response: str | None) -> tuple[list[str], str]:
    csv.field_size_limit(min(limits.max_record_bytes, 2**31 - 1))
    try:
        header_line = next(lines)
    except (StopIteration, Refused):
        raise lines.failure or Unreadable("csv_header", "has no header line of columns") from None
    header_line = header_line.removeprefix("\ufeff")
    delimiter = max(",;\t", key=header_line.count)
    lines.again, lines.record, lines.size = [header_line.encode("utf-8", "surrogateescape")], [], 0
    try:
        header = next(csv.reader(lines, delimiter=delimiter, strict=True))
    except (StopIteration, csv.Error, Refused) as error:
        raise Unreadable(
            "csv_header", f"has a header that cannot be read ({shown(str(error), 80)})"
        ) from None
    _check_columns(header, limits, response)
    return header, delimiter


def _csv_fault(row: list[str], header: list[str], raw: bytes) -> Refused | None:
    if len(row) != len(header):
        return Refused("ragged", f"the row has {len(row)} cells, the header {len(header)}")
    if b"\0" in raw:
        return Refused("nul", f"a NUL byte at byte {raw.index(0)} of the row")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Refused("encoding", f"not valid UTF-8 at byte {error.start} of the row")
    return None


def _check_columns(names: Sequence[str], limits: LimitSettings, response: str | None) -> None:
    if len(names) > limits.max_columns:
        raise Unreadable(
            "columns",
            f"has {len(names)} columns, at most {limits.max_columns} are allowed (limits.max_columns)",
        )
    twice = [n for n in names if names.count(n) > 1] if len(set(names)) < len(names) else []
    if twice:
        raise Unreadable("duplicate_column", f"has the column {shown(twice[0], 60)!r} twice")
    if response is None:
        return
    parts = response.split(".")
    if not any(".".join(parts[:n]) in names for n in range(1, len(parts) + 1)):
        listed = ", ".join(shown(n, 40) for n in names[:12]) + (", …" if len(names) > 12 else "")
        raise Unreadable(
            "schema",
            f"has no column for the answer ({response!r}); its columns are {listed}; "
            "name the right one as fields.response of the source",
        )


def parquet_rows(path: Path, limits: LimitSettings, response: str | None) -> Iterator[Portion]:
    """Records of a Parquet file; a place's line is the row, counted from 1, its offset the row from 0.

    What a file's metadata says of its size is not believed: columns of text stay dictionaries while they are
    read, rows are decoded a few at a time within a byte budget, and the sum is held against the file's limit.

    Raises:
        Unreadable: no Parquet file, damaged, a schema without the answer, or beyond a limit.
    """
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        plain = pq.ParquetFile(path)
        schema = plain.schema_arrow
        _check_columns(schema.names, limits, response)
        metadata = plain.metadata
        for group in range(metadata.num_row_groups):
            columns = (metadata.row_group(group).column(c) for c in range(metadata.num_columns))
            if sum(c.total_uncompressed_size for c in columns) > limits.max_file_bytes:
                raise Unreadable("too_large", _parquet_limit(limits))
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        plain.close()
        source = pq.ParquetFile(path, read_dictionary=texts)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Unreadable("parquet", f"is no readable Parquet file ({shown(str(error), 160)})") from None
    with source:
        yield from _parquet_portions(source, limits)


def _parquet_limit(limits: LimitSettings) -> str:
    return f"unpacks to more than {limits.max_file_bytes} bytes, the limit of limits.max_file_bytes"


def _parquet_portions(source: Any, limits: LimitSettings) -> Iterator[Portion]:
    import pyarrow as pa

    row, total = 0, 0
    batches = source.iter_batches(batch_size=1024)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError, ValueError) as error:
            yield Portion(
                failure=Unreadable("parquet", f"is damaged after row {row} ({shown(str(error), 160)})")
            )
            return
        if batch is None:
            return
        # Sizes of the decoded rows, from dictionaries and offsets alone: nothing is expanded to measure it.
        sizes = _decoded_sizes(batch)
        start = 0
        while start < batch.num_rows:
            stop, size = start, 0
            while stop < batch.num_rows and (stop == start or size + sizes[stop] <= PORTION_BYTES):
                size += sizes[stop]
                stop += 1
            total += size
            if total > limits.max_file_bytes:
                yield Portion(
                    failure=Unreadable("too_large", f"{_parquet_limit(limits)} (at row {row + start + 1})")
                )
                return
            portion = Portion()
            fits = [i for i in range(start, stop) if sizes[i] <= limits.max_record_bytes]
            for index, decoded in _decoded(batch, start, stop, fits):
                place = Piece(b"", row + index + 1, row + index)
                if isinstance(decoded, Refused):
                    portion.refused.append((place, decoded))
                else:
                    portion.records.append((decoded, place))
            for index in set(range(start, stop)).difference(fits):
                place = Piece(b"", row + index + 1, row + index)
                portion.refused.append((place, _too_long(sizes[index], limits)))
            yield portion
            start = stop
        row += batch.num_rows


def _decoded(
    batch: Any, start: int, stop: int, fits: list[int]
) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
    """Rows as records; a portion that cannot be decoded at once is decoded row by row: one bad row is one."""
    whole: list[dict[str, Any]] | None = None
    if len(fits) == stop - start:
        try:
            whole = batch.slice(start, stop - start).to_pylist()
        except (UnicodeDecodeError, ValueError, OverflowError):
            whole = None
    for index in fits:
        try:
            values = batch.slice(index, 1).to_pylist()[0] if whole is None else whole[index - start]
        except (UnicodeDecodeError, ValueError, OverflowError) as error:
            yield index, Refused("encoding", f"the row cannot be read ({shown(str(error), 120)})")
            continue
        if any(isinstance(v, str) and "\0" in v for v in values.values()):
            yield index, Refused("nul", "the row contains a NUL character")
        else:
            yield index, {name: value for name, value in values.items() if value is not None}


def _decoded_sizes(batch: Any) -> list[int]:
    """Bytes of each row once it is decoded."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    sizes = np.zeros(batch.num_rows, dtype=np.int64)
    for column in batch.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            lengths = pc.binary_length(column.dictionary).to_numpy(zero_copy_only=False)
            picked = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)
            sizes += np.asarray(lengths)[picked] if len(lengths) else 0
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        else:
            sizes += max(8, column.nbytes // max(1, batch.num_rows))
    return [int(size) for size in sizes]


def raw_of(record: dict[str, Any], place: Piece) -> bytes | str:
    """What quarantine shows of a record: its bytes, or a row of a table as JSON."""
    return place.raw or json.dumps(record, ensure_ascii=False, default=repr)[: 4 * KEPT]
