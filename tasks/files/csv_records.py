"""CSV with a header, row by row: comma, semicolon, tab or bar, whichever divides header and rows alike.

As spreadsheets write it: a first line `sep=;`, blanks around names, rows of nothing but delimiters, columns
without a name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping

from tasks.files.limits import LimitSettings
from tasks.files.portions import BLOCK, BYTE_ORDER_MARK, Piece, Portion, Readable, Record, check_columns
from tasks.files.refusal import Refusal, shown

DELIMITERS = ",;\t|"
SAMPLE = 50
"""Lines looked at where a header has several delimiters: names may hold commas."""
_QUOTED = re.compile('"(?:[^"]|"")*"')
_NAMED = re.compile("sep=([^\r\n])\r?\n?", re.IGNORECASE)
"""The first line by which a spreadsheet tells its own delimiter."""


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

    def ahead(self) -> list[str]:
        """Some of the lines that come next, as far as they were read."""
        return [line.decode("utf-8", "surrogateescape") for line in self._buffer[: -SAMPLE - 1 : -1]]

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
    offset = len(lines.row[0])
    lines.row[0] = lines.row[0].removeprefix(BYTE_ORDER_MARK)
    line, offset = 1, offset - len(lines.row[0])
    told = _NAMED.fullmatch(lines.row[0].decode("utf-8", "replace"))
    if told:
        line, offset = 2, offset + len(lines.row[0])
    delimiter = told[1] if told else _delimiter(first, lines.ahead())
    lines.begin(given_back=0 if told else 1)
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


def _delimiter(header: str, sample: list[str]) -> str:
    """The delimiter that divides most of the sample's lines as often as the header, else its commonest."""
    counts = {mark: _divisions(header, mark) for mark in DELIMITERS}
    candidates = [mark for mark in DELIMITERS if counts[mark]]
    if len(candidates) < 2:
        return candidates[0] if candidates else max(DELIMITERS, key=header.count)
    alike = {mark: sum(_divisions(line, mark) == counts[mark] for line in sample) for mark in candidates}
    return max(candidates, key=lambda mark: (alike[mark], counts[mark]))


def _divisions(line: str, mark: str) -> int:
    """Marks outside of quotes without a blank behind them, as prose has."""
    return len(re.findall(f"{re.escape(mark)}(?! )", _QUOTED.sub("", line)))


def _names(header: list[str]) -> list[str]:
    """Names of columns without the blanks around them; where several have none, they are called by place."""
    names = [name.strip() for name in header]
    if names.count("") < 2:
        return names
    return [name or f"column {place}" for place, name in enumerate(names, 1)]


def _fitted(row: list[str], width: int) -> list[str]:
    """The row without empty cells beyond the header's."""
    return row[:width] if len(row) > width and not any(row[width:]) else row


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
        raise Refusal("csv_header", f"has an unreadable header ({header.reason})")
    names = _names(header)
    check_columns(names, limits, required)
    portion, size = Portion(), 0
    try:
        for row, piece in table:
            size += len(piece.raw)
            if isinstance(row, Refusal):
                portion.refused.append((piece.head(), row))
            elif not any(row):
                portion.blank += 1
            elif len(cells := _fitted(row, len(names))) != len(names):
                reason = f"the row has {len(row)} cells, the header {len(names)}"
                portion.refused.append((piece.head(), Refusal("ragged", reason)))
            else:
                record: Record = {k: v for k, v in zip(names, cells, strict=True) if v != ""}
                portion.records.append((record, piece))
            if size > BLOCK:
                yield portion
                portion, size = Portion(), 0
    except Refusal as failure:
        portion.failure = failure
    yield portion
