"""CSV with a header, row by row: comma, semicolon or tab, whichever the header has most of."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping

from tasks.files.limits import LimitSettings
from tasks.files.portions import BLOCK, BYTE_ORDER_MARK, Piece, Portion, Readable, Record, check_columns
from tasks.files.refusal import Refusal, shown


class _Lines:
    """Lines of text for the csv module, which remembers the bytes of the row being read.

    Invalid bytes travel as lone surrogates (PEP 383) and are refused with their row.
    """

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._buffer: list[bytes] = []
        self._held = b""
        self._end = False
        self.failure: Refusal | None = None
        self.row: list[bytes] = []
        self._size = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while not self._buffer:
            if self._end:
                raise StopIteration
            self._read()
        line = self._buffer.pop()
        self.row.append(line)
        self._size += len(line)
        if self._size > self._limit:
            raise Refusal("record_too_long", f"more than {self._limit} bytes (limits.max_record_bytes)")
        return line.decode("utf-8", "surrogateescape")

    def begin(self, given_back: int = 0) -> None:
        """Begins a new row; the last `given_back` lines of the row before it are read again."""
        self._buffer += self.row[: -given_back - 1 : -1]
        self.row, self._size = [], 0

    def _read(self) -> None:
        try:
            chunk = self._stream.read(BLOCK)
        except Refusal as failure:
            self.failure, chunk = failure, b""
        self._end = not chunk
        # After a newline only: `bytes.splitlines` would also split at a bare carriage return.
        *whole, rest = (self._held + chunk).split(b"\n")
        parts, self._held = [line + b"\n" for line in whole], rest
        if rest and (self._end or len(rest) > self._limit):
            # An endless line: hand it over, the size check refuses it, what follows it comes as lines.
            parts, self._held = [*parts, rest], b""
        self._buffer = parts[::-1]


def rows(stream: Readable, limits: LimitSettings) -> Iterator[tuple[list[str] | Refusal, Piece]]:
    """Every row, the header first, or why it cannot be read; an empty line is a row without cells.

    A row whose quotes do not close is refused: its first line alone, and reading goes on with the second.

    Raises:
        Refusal: no header, or the stream fails; at the end of what could be read.
    """
    csv.field_size_limit(min(limits.max_record_bytes, 2**31 - 1))
    lines = _Lines(stream, limits.max_record_bytes)
    try:
        first = next(lines)
    except (StopIteration, Refusal):
        raise lines.failure or Refusal("csv_header", "has no header line of columns") from None
    delimiter = max(",;\t", key=first.count)
    offset = len(lines.row[0])
    lines.row[0] = lines.row[0].removeprefix(BYTE_ORDER_MARK)
    line, offset = 1, offset - len(lines.row[0])
    lines.begin(given_back=1)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        row: list[str] | Refusal
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            row = Refusal("csv", f"quotes cannot be read ({shown(str(error), 80)})")
        except Refusal as refusal:
            row = refusal
        swallowed = 0
        if isinstance(row, Refusal):  # a quote that never closes swallows its neighbours: give them back
            swallowed = len(lines.row) - 1
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        own = lines.row[: len(lines.row) - swallowed]
        piece = Piece(b"".join(own), line, offset)
        yield row if isinstance(row, Refusal) else _fault(piece.raw) or row, piece
        line, offset = line + len(own), offset + len(piece.raw)
        lines.begin(given_back=swallowed)
    if lines.failure is not None:
        raise lines.failure


def _fault(raw: bytes) -> Refusal | None:
    if b"\0" in raw:
        return Refusal("nul", f"a NUL byte at byte {raw.index(0)} of the row")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Refusal("encoding", f"not valid UTF-8 at byte {error.start} of the row")
    return None


def portions(stream: Readable, limits: LimitSettings, required: Mapping[str, str]) -> Iterator[Portion]:
    """Records of the rows; empty cells are missing values, a row of another width than the header is refused.

    Raises:
        Refusal: no header, or one that `check_columns` refuses.
    """
    table = rows(stream, limits)
    header, _ = next(table)
    if isinstance(header, Refusal):
        raise Refusal("csv_header", f"has a header that cannot be read ({header.reason})")
    check_columns(header, limits, required)
    portion, size = Portion(), 0
    try:
        for row, piece in table:
            size += len(piece.raw)
            if isinstance(row, Refusal):
                portion.refused.append((piece.head(), row))
            elif not row:
                portion.blank += 1
            elif len(row) != len(header):
                reason = f"the row has {len(row)} cells, the header {len(header)}"
                portion.refused.append((piece.head(), Refusal("ragged", reason)))
            else:
                record: Record = {k: v for k, v in zip(header, row, strict=True) if v != ""}
                portion.records.append((record, piece))
            if size > BLOCK:
                yield portion
                portion, size = Portion(), 0
    except Refusal as failure:
        portion.failure = failure
    yield portion
