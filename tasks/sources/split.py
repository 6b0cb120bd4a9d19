"""Bytes into the bytes of single records, with line and byte offset, in bounded memory.

Belongs here: where a record begins and ends. Does not belong here: what it says (`strict.py`). A broken
record ends where the next one begins, so that its neighbours survive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tasks.sources.streams import BLOCK, Readable, Unreadable

KEPT = 8_192
"""First bytes kept of a record that is too long to hold: what quarantine shows."""


class Piece(NamedTuple):
    """The bytes of one record; `line` counts from 1, `offset` from 0, both in the unpacked file."""

    raw: bytes
    line: int
    offset: int


@dataclass
class Block:
    """Some neighbouring records; `oversized` are those beyond the limit, of which only the head is kept."""

    pieces: list[Piece] = field(default_factory=list)
    oversized: list[tuple[Piece, int]] = field(default_factory=list)
    """(head, length in bytes)"""
    unfinished: Piece | None = None
    """What stood after the last newline, or after the last whole element: perhaps half a record."""
    blank: int = 0
    failure: Unreadable | None = None
    """Why the stream ends here; what stands before it is good."""
    resume: tuple[int, int] | None = None
    """(offset, line) after the last newline, on the last block of lines: a longer file goes on there."""


def lines(stream: Readable, limit: int, *, line: int = 1, offset: int = 0) -> Iterator[Block]:
    """Lines of a stream; blank ones are counted and left out.

    `line` and `offset` say where the stream begins. A line longer than `limit` bytes is skipped as it is
    read. A stream that fails ends with a block that says why.
    """
    held: list[bytes] = []
    held_size = 0
    skipped = 0
    failure: Unreadable | None = None
    while True:
        try:
            chunk = stream.read(BLOCK)
        except Unreadable as error:
            failure, chunk = error, b""
        if not chunk:
            break
        cut = chunk.rfind(b"\n")
        if cut < 0:
            if skipped or held_size + len(chunk) > limit:
                head = b"".join([*held, chunk])[:KEPT]
                skipped = (skipped or held_size) + len(chunk)
                held, held_size = [head], len(head)
            else:
                held.append(chunk)
                held_size += len(chunk)
            continue
        block = Block()
        body = chunk[: cut + 1]
        if skipped:
            first = body.find(b"\n")
            length = skipped + first
            block.oversized.append((Piece(b"".join(held), line, offset), length))
            line, offset, body = line + 1, offset + length + 1, body[first + 1 :]
        elif held:
            body = b"".join([*held, body])
        line = _whole_lines(block, body, limit, line, offset)
        offset += len(body)
        rest = chunk[cut + 1 :]
        held, held_size, skipped = ([rest], len(rest), 0) if rest else ([], 0, 0)
        yield block
    last = Block(failure=failure, resume=(offset, line))
    tail = b"".join(held)
    if skipped or len(tail) > limit:
        last.oversized.append((Piece(tail[:KEPT], line, offset), skipped or len(tail)))
    elif tail and not tail.isspace():
        last.unfinished = Piece(tail, line, offset)
    yield last


def _whole_lines(block: Block, body: bytes, limit: int, line: int, offset: int) -> int:
    """Sorts the lines of `body` into the block; gives the number of the line after them."""
    texts = body.split(b"\n")
    texts.pop()
    offsets = accumulate((len(t) + 1 for t in texts), initial=offset)
    for number, (text, place) in enumerate(zip(texts, offsets, strict=False), line):
        if not text or text.isspace():
            block.blank += 1
        elif len(text) > limit:
            block.oversized.append((Piece(text[:KEPT], number, place), len(text)))
        else:
            block.pieces.append(Piece(text, number, place))
    return line + len(texts)


class _Scanner:
    """Finds where elements end, a chunk at a time, without parsing: quotes, escapes and depth by NumPy.

    The idea is that of simdjson (Langdale, Lemire: Parsing Gigabytes of JSON per Second, 2019).
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.inside = 0
        self.escaped = False

    def ends(self, chunk: bytes, base: int) -> npt.NDArray[np.int64]:
        """Positions of commas at depth `base` and of brackets that close to `base - 1`, in order."""
        codes = np.frombuffer(chunk, dtype=np.uint8)
        quotes = codes == ord('"')
        slashes = np.flatnonzero(codes == ord("\\"))
        carried, self.escaped = self.escaped, False
        if slashes.size:
            begins = np.r_[True, np.diff(slashes) != 1]
            firsts = np.maximum.accumulate(np.where(begins, np.arange(slashes.size), 0))
            place = np.arange(slashes.size) - firsts
            if carried and slashes[0] == 0:
                place[: int((firsts == 0).sum())] += 1
            escaped = slashes[place % 2 == 0] + 1
            if escaped.size and escaped[-1] == codes.size:
                self.escaped, escaped = True, escaped[:-1]
            quotes[escaped] = False
        if carried and codes[0] != ord("\\"):
            quotes[0] = False
        inside = (np.cumsum(quotes, dtype=np.int64) + self.inside) & 1
        outside = inside == 0
        self.inside = int(inside[-1])
        opens = ((codes == ord("{")) | (codes == ord("["))) & outside
        closes = ((codes == ord("}")) | (codes == ord("]"))) & outside
        commas = (codes == ord(",")) & outside
        marks = np.flatnonzero(opens | closes | commas)
        if not marks.size:
            return marks
        steps = opens[marks].astype(np.int64) - closes[marks]
        depths = self.depth + np.cumsum(steps)
        self.depth = int(depths[-1])
        ends: npt.NDArray[np.int64] = marks[
            (commas[marks] & (depths == base)) | (closes[marks] & (depths == base - 1))
        ]
        return ends


class _Cutter:
    """Cuts chunks into elements: of one array at depth 1, or values one after another at depth 0."""

    def __init__(self, *, is_array: bool, offset: int, line: int, limit: int) -> None:
        self._is_array, self._limit = is_array, limit
        self._scanner = _Scanner(int(is_array))
        self._offset, self.line = offset, line
        self.held = b""
        self.closed = False

    def feed(self, chunk: bytes) -> Block:
        """The elements that end in this chunk; what is begun is held."""
        block = Block()
        previous = 0
        for end in self._scanner.ends(chunk, 1).tolist():
            closing = chunk[end : end + 1] != b","
            if not (self._is_array or closing):
                continue
            self._take(block, chunk[previous : end + (not self._is_array)], closing=closing)
            previous = end + 1
            if self._is_array and closing:
                self.closed = True
                break
        self.held += chunk[previous:]
        return block

    def rest(self) -> Piece:
        """What is held, as a piece."""
        lead = len(self.held) - len(self.held.lstrip())
        line = self.line + self.held.count(b"\n", 0, lead)
        return Piece(self.held.strip(), line, self._offset + lead)

    def _take(self, block: Block, part: bytes, *, closing: bool) -> None:
        self.held += part
        piece = self.rest()
        if len(piece.raw) > self._limit:
            block.oversized.append((piece._replace(raw=piece.raw[:KEPT]), len(piece.raw)))
        elif piece.raw:
            block.pieces.append(piece)
        elif not closing:
            block.pieces.append(piece._replace(raw=b","))
        self.line += self.held.count(b"\n")
        self._offset += len(self.held) + self._is_array
        self.held = b""


def elements(stream: Readable, limit: int) -> Iterator[Block]:
    """Elements of one JSON array, or whole JSON values that follow one another; spread over any lines.

    An element longer than `limit` bytes ends the reading, because where it ends cannot be trusted.
    """
    chunk = stream.read(BLOCK)
    begin = len(chunk) - len(chunk.removeprefix(b"\xef\xbb\xbf").lstrip())
    is_array = chunk[begin : begin + 1] == b"["
    begin += is_array
    cutter = _Cutter(is_array=is_array, offset=begin, line=1 + chunk.count(b"\n", 0, begin), limit=limit)
    chunk = chunk[begin:]
    failure: Unreadable | None = None
    while True:
        if chunk:
            yield cutter.feed(chunk)
        if cutter.closed:
            break
        if len(cutter.held) > limit:
            rest = cutter.rest()
            reason = f"cannot be split into records after line {rest.line}, byte {rest.offset}"
            head = (rest._replace(raw=rest.raw[:KEPT]), len(rest.raw))
            yield Block(oversized=[head], failure=Unreadable("record_too_long", reason))
            return
        try:
            chunk = stream.read(BLOCK)
        except Unreadable as error:
            failure, chunk = error, b""
        if not chunk:
            break
    rest = cutter.rest()
    # An array that never closes is said even where its last element was whole.
    unfinished = rest if rest.raw or (is_array and not cutter.closed) else None
    yield Block(failure=failure, unfinished=unfinished)
