"""Bytes into the bytes of single records, with line and byte offset, in bounded memory.

A broken record ends where the next one begins, so that its neighbours survive. What a record says is for
`json_records.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from tasks.files.portions import BLOCK, BYTE_ORDER_MARK, KEPT, Piece, Readable
from tasks.files.refusal import Refusal

_OUTSIDE_STRINGS = rb'(?:[^"\[\]{}%s]++|"(?:[^"\\]++|\\.)*+")*+([\[\]{}%s])'
_BRACKET = re.compile(_OUTSIDE_STRINGS % (b"", b""), re.DOTALL)
_MARK = re.compile(_OUTSIDE_STRINGS % (b",", b","), re.DOTALL)
"""Everything up to the next mark that is in no string; nothing where a string is not closed yet."""
_COMMA = ord(",")


@dataclass
class Block:
    """Some neighbouring records; `oversized` are those beyond the limit, of which only the head is kept."""

    pieces: list[Piece] = field(default_factory=list)
    oversized: list[tuple[Piece, int]] = field(default_factory=list)
    """(head, length in bytes)"""
    unfinished: Piece | None = None
    """What follows the last newline, or the last whole element: perhaps half a record."""
    blank: int = 0
    failure: Refusal | None = None
    """Why the stream ends here; what comes before it is good."""
    resume: tuple[int, int] | None = None
    """(offset, line) after the last newline, on the last block of lines: a longer file goes on there."""

    def add(self, piece: Piece, limit: int) -> None:
        """Takes a record, or its head where it is longer than `limit` bytes."""
        if len(piece.raw) > limit:
            self.oversized.append((piece.head(), len(piece.raw)))
        else:
            self.pieces.append(piece)


def lines(stream: Readable, limit: int, *, line: int = 1, offset: int = 0) -> Iterator[Block]:
    """Lines of a stream; blank ones are counted and left out.

    `line` and `offset` say where the stream begins. A line longer than `limit` bytes is skipped as it is
    read. A stream that fails ends with a block that says why.
    """
    held, passed = b"", 0
    while True:
        chunk, failure = _next(stream)
        if not chunk:
            break
        block = Block()
        if passed:  # within a line that is too long: its head is held, the rest of it passes by
            end = chunk.find(b"\n")
            if end < 0:
                passed += len(chunk)
                continue
            length = passed + end
            block.oversized.append((Piece(held, line, offset), length))
            line, offset, held, passed, chunk = line + 1, offset + length + 1, b"", 0, chunk[end + 1 :]
        whole, newline, held = (held + chunk).rpartition(b"\n")
        if newline:
            line = _whole_lines(block, whole, limit, line, offset)
            offset += len(whole) + 1
        if len(held) > limit:
            held, passed = held[:KEPT], len(held)
        yield block
    last = Block(failure=failure, resume=(offset, line))
    if passed:
        last.oversized.append((Piece(held, line, offset), passed))
    elif held and not held.isspace():
        last.unfinished = Piece(held, line, offset)
    yield last


def _next(stream: Readable) -> tuple[bytes, Refusal | None]:
    try:
        return stream.read(BLOCK), None
    except Refusal as failure:
        return b"", failure


def _whole_lines(block: Block, whole: bytes, limit: int, line: int, offset: int) -> int:
    """Sorts lines into the block; gives the number of the line after them."""
    texts = whole.split(b"\n")
    offsets = accumulate((len(t) + 1 for t in texts), initial=offset)
    for number, (text, place) in enumerate(zip(texts, offsets, strict=False), line):
        if not text or text.isspace():
            block.blank += 1
        else:
            block.add(Piece(text, number, place), limit)
    return line + len(texts)


class _Cutter:
    """Cuts chunks into elements: of one array, or values one after another."""

    def __init__(self, *, is_array: bool, offset: int, line: int, limit: int) -> None:
        self._is_array, self._limit = is_array, limit
        self._depth = int(is_array)
        self._offset, self._line = offset, line
        self.held = b""
        self._scanned = 0
        self.closed = False

    def feed(self, chunk: bytes) -> Block:
        """The elements that end in this chunk; what is begun is held."""
        block = Block()
        held, scanned, depth, start = self.held + chunk, self._scanned, self._depth, 0
        while match := (_MARK if self._is_array and depth == 1 else _BRACKET).match(held, scanned):
            scanned = match.end()
            mark = held[scanned - 1]
            if mark in b"[{":
                depth += 1
                continue
            if mark != _COMMA:
                depth = max(0, depth - 1)
            if depth > (mark == _COMMA):
                continue
            self._take(block, held[start:scanned], mark)
            start = scanned
            if self._is_array and mark != _COMMA:
                self.closed = True
                break
        self.held, self._scanned, self._depth = held[start:], scanned - start, depth
        return block

    def _take(self, block: Block, part: bytes, mark: int) -> None:
        piece = self.piece(part[:-1] if self._is_array else part)
        if piece.raw:
            block.add(piece, self._limit)
        elif mark == _COMMA:
            block.pieces.append(piece._replace(raw=b","))
        self._line += part.count(b"\n")
        self._offset += len(part)

    def piece(self, part: bytes) -> Piece:
        """What begins where the last element ended, without the white space around it."""
        lead = len(part) - len(part.lstrip())
        return Piece(part.strip(), self._line + part.count(b"\n", 0, lead), self._offset + lead)


def elements(stream: Readable, limit: int) -> Iterator[Block]:
    """Elements of one JSON array, or whole JSON values that follow one another; spread over any lines.

    An element longer than `limit` bytes ends the reading, because where it ends cannot be trusted.
    """
    chunk = stream.read(BLOCK)
    begin = len(chunk) - len(chunk.removeprefix(BYTE_ORDER_MARK).lstrip())
    is_array = chunk[begin : begin + 1] == b"["
    begin += is_array
    cutter = _Cutter(is_array=is_array, offset=begin, line=1 + chunk.count(b"\n", 0, begin), limit=limit)
    failure = None
    chunk = chunk[begin:]
    while True:
        yield cutter.feed(chunk)
        if cutter.closed:
            break
        if len(cutter.held) > limit:
            rest = cutter.piece(cutter.held)
            reason = f"cannot be split into records after line {rest.line}, byte {rest.offset}"
            failure = Refusal("record_too_long", reason)
            yield Block(oversized=[(rest.head(), len(rest.raw))], failure=failure)
            return
        chunk, failure = _next(stream)
        if not chunk:
            break
    rest = cutter.piece(cutter.held)
    # An array that never closes is reported even where its last element was whole.
    unfinished = rest if rest.raw or (is_array and not cutter.closed) else None
    yield Block(failure=failure, unfinished=unfinished)
