"""JSON records that mean one thing only: parsed at orjson's speed, refused where parsers disagree.

orjson refuses NaN, infinity, invalid UTF-8, lone surrogates and half records by itself. What it lets pass
and two programs may read differently is found like this:

1. Duplicate keys: a record written again has one colon per key and those inside strings. Where keys were
   duplicated there are fewer than in the bytes read; without, exactly as many (`\\u003a`, an escaped colon,
   goes to the slow path). Counting bytes and writing records again cost less than parsing.
2. Integers beyond 64 bits: runs of 19 or more digits, found by translating all digits to one.
3. NUL characters and negative zero: searched in the bytes.
4. Depth: never more than there are brackets.

A block of records that shows nothing of this is taken whole; otherwise each record is looked at, and what is
doubtful goes through the standard library's parser, which sees pairs and digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

import orjson

from tasks.files import split
from tasks.files.limits import LimitSettings
from tasks.files.portions import Piece, Portion, Readable, Record, too_long
from tasks.files.refusal import Refusal, shown
from tasks.files.split import Block

_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_RUN = b"0" * 19
_RUN = re.compile(b"0+")
_NEGATIVE_ZERO = re.compile(rb"-0(?:\.0*)?(?:[eE][+-]?[0-9]+)?[ \t\r\n]*[,\]}]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_INT64 = range(-(2**63), 2**63)


def line_portions(
    stream: Readable, limits: LimitSettings, *, line: int = 1, offset: int = 0
) -> Iterator[Portion]:
    """Records of JSON Lines; `line` and `offset` say where the stream begins."""
    for block in split.lines(stream, limits.max_record_bytes, line=line, offset=offset):
        block.pieces[:1] = [piece.unmarked() for piece in block.pieces[:1]]
        portion = _portion(block, limits)
        if block.unfinished is not None:
            tail = block.unfinished.unmarked()
            try:
                portion.records.append((parse(tail.raw, limits), tail))
            except Refusal as refusal:
                check = "half_line" if refusal.check == "json" else refusal.check
                reason = f"the last line has no newline and breaks off: {refusal.reason}"
                portion.refused.append((tail, Refusal(check, reason)))
        yield portion


def value_portions(stream: Readable, limits: LimitSettings) -> Iterator[Portion]:
    """Records of a JSON array, or of values that follow one another over any lines."""
    for block in split.elements(stream, limits.max_record_bytes):
        portion = _portion(block, limits)
        if block.unfinished is not None:
            tail = block.unfinished
            portion.failure = portion.failure or Refusal(
                "truncated",
                f"is cut off, or continues after its end, at line {tail.line}, byte {tail.offset}",
            )
            if tail.raw:
                try:
                    portion.records.append((parse(tail.raw, limits), tail))
                except Refusal as refusal:
                    portion.refused.append((tail.head(), refusal))
        yield portion


def _portion(block: Block, limits: LimitSettings) -> Portion:
    portion = Portion(failure=block.failure, blank=block.blank, resume=block.resume)
    portion.records = _parsed_together(block.pieces, limits)
    if not portion.records:
        for piece in block.pieces:
            try:
                portion.records.append((parse(piece.raw, limits), piece))
            except Refusal as refusal:
                portion.refused.append((piece, refusal))
    portion.refused += [(head, too_long(length, limits)) for head, length in block.oversized]
    portion.refused.sort(key=lambda pair: pair[0].offset)
    return portion


def _parsed_together(pieces: Sequence[Piece], limits: LimitSettings) -> list[tuple[Record, Piece]]:
    """All records of a block where none of them is doubtful, else none."""
    try:
        records: list[Record] = [orjson.loads(piece.raw) for piece in pieces]
    except orjson.JSONDecodeError:
        return []
    return list(zip(records, pieces, strict=True)) if _is_plain(records, pieces, limits) else []


def _is_plain(records: Sequence[object], pieces: Sequence[Piece], limits: LimitSettings) -> bool:
    if any(not isinstance(r, dict) or len(r) > limits.max_columns for r in records):
        return False
    if any(p.raw.count(b"{") + p.raw.count(b"[") > limits.max_depth for p in pieces):
        return False
    text = b"\n".join([p.raw for p in pieces])
    return not _is_doubtful(text) and _colons_agree(text, records)


def _is_doubtful(text: bytes) -> bool:
    return (
        b"\\u0000" in text
        or (b"\\u003" in text and b"\\u003a" in text.lower())
        or _has_wide_integer(text)
        or (b"-0" in text and _NEGATIVE_ZERO.search(text) is not None)
    )


def _has_wide_integer(text: bytes) -> bool:
    """Whether a run of digits stands where a number would and is beyond 64 bits.

    Numbers follow a colon, a bracket or a comma; an id of 32 digits is in quotes and passed over.
    """
    digits = text.translate(_DIGITS)
    place = digits.find(_LONG_RUN)
    while place >= 0:
        run = _RUN.match(digits, place)
        end = run.end() if run else place + 1
        before = text[max(0, place - 16) : place].rstrip(b"-").rstrip()
        # All blank: too much space to tell, so the slow path tells.
        if before[-1:] in (b":", b"[", b",", b"") and (end - place > 19 or int(text[place:end]) >= 2**63):
            return True
        place = digits.find(_LONG_RUN, end)
    return False


def _colons_agree(text: bytes, value: object) -> bool:
    try:
        return text.count(b":") == orjson.dumps(value).count(b":")
    except orjson.JSONEncodeError:  # deeper than orjson writes
        return False


def parse(raw: bytes, limits: LimitSettings) -> Record:
    """One record.

    Raises:
        Refusal: why it is none, or which limit it breaks.
    """
    # Depth comes first: below it every parser here is safe from exhausting its stack.
    if raw.count(b"{") + raw.count(b"[") > limits.max_depth:
        depth = _depth(raw)
        if depth > limits.max_depth:
            raise Refusal("depth", f"nested {depth} deep, at most {limits.max_depth} levels are allowed")
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _why(raw, error) from None
    if not isinstance(record, dict):
        kind = {list: "a list", str: "a string", type(None): "null"}.get(type(record), "a single value")
        raise Refusal("not_a_record", f"this is {kind}, expected a JSON record in braces")
    if len(record) > limits.max_columns:
        raise Refusal(
            "columns", f"the record has {len(record)} keys, at most {limits.max_columns} are allowed"
        )
    if _is_doubtful(raw) or not _colons_agree(raw, record):
        return _strictly(raw)
    return record


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for code in _STRING.sub(b"", raw):
        if code in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif code in b"]}":
            depth -= 1
    return deepest


def _strictly(raw: bytes) -> Record:
    try:
        record = _strict_loads(raw)
    except RecursionError:
        raise Refusal("depth", "nested too deep to be read") from None
    except ValueError as error:
        raise Refusal("json", f"not JSON: {shown(str(error), 200)}") from None
    if b"\\u0000" in raw and _holds_nul(record):
        raise Refusal("nul", "the record contains a NUL character")
    if not isinstance(record, dict):
        raise Refusal("not_a_record", "expected a JSON record in braces")
    return record


def _strict_loads(raw: bytes | str) -> object:
    return json.loads(
        raw, object_pairs_hook=_unique, parse_int=_int64, parse_float=_finite, parse_constant=_constant
    )


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in k or _holds_nul(v) for k, v in value.items())
    return isinstance(value, list) and any(_holds_nul(v) for v in value)


def _unique(pairs: list[tuple[str, object]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refusal("duplicate_key", f"the key {shown(key, 60)!r} occurs twice in one record")
            seen.add(key)
    return record


def _int64(text: str) -> int:
    # The length first: turning a million digits into an integer takes minutes.
    if len(text) > 20 or int(text) not in _INT64:
        raise Refusal("integer", f"the integer {shown(text, 40)} does not fit into 64 bits")
    if text == "-0":
        raise Refusal("negative_zero", "a number is negative zero, which other programs read as zero")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Refusal("number", f"the number {shown(text, 40)} is beyond what a double can hold")
    if number == 0 and text[0] == "-" and not re.search("[1-9]", re.split("[eE]", text)[0]):
        raise Refusal("negative_zero", "a number is negative zero, which other programs read as zero")
    return number


def _constant(text: str) -> NoReturn:
    raise Refusal("number", f"{text} is not a JSON number; write null where a number is missing")


def _why(raw: bytes, error: orjson.JSONDecodeError) -> Refusal:
    """The reason in the words of whoever has to mend the export."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as bad:
        try:
            raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return Refusal("encoding", f"not valid UTF-8 at byte {bad.start} of the record")
        return Refusal("surrogate", f"half a character (a lone surrogate) at byte {bad.start} of the record")
    if "\0" in text:
        return Refusal("nul", f"a NUL byte at byte {raw.index(0)} of the record")
    try:
        _strict_loads(text)
    except Refusal as refusal:
        return refusal
    except (ValueError, RecursionError):
        pass
    else:
        # The standard library reads halves of characters; orjson's word for them is what is left.
        return Refusal("surrogate", f"half a character (a lone surrogate) at character {error.pos}")
    return Refusal("json", f"not JSON: {shown(error.msg, 120)} at character {error.pos} of the record")
