"""JSON records that mean one thing only: parsed at orjson's speed, refused where parsers disagree.

Belongs here: which bytes are a record. Does not belong here: where they stand (`split.py`) or what they mean
(`tasks/sources/records.py`). orjson refuses NaN, infinity, invalid UTF-8, lone surrogates and half records by
itself. What it lets pass, and two programs may read differently, is found like this:

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
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from tasks.sources.parameters import LimitSettings
from tasks.sources.records import Refused, shown
from tasks.sources.split import Piece

_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_RUN = b"0" * 19
_RUN = re.compile(b"0+")
_NEGATIVE_ZERO = re.compile(rb"-0(?:\.0*)?(?:[eE][+-]?[0-9]+)?[ \t\r\n]*[,\]}]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_INT64 = range(-(2**63), 2**63)


class Parsed(NamedTuple):
    """Records with where they stood, and pieces that are none with the reason."""

    records: list[tuple[dict[str, Any], Piece]]
    refused: list[tuple[Piece, Refused]]


def parse(pieces: Sequence[Piece], limits: LimitSettings) -> Parsed:
    """Records of a block, in order; what is refused stands apart with its reason."""
    if not pieces:
        return Parsed([], [])
    try:
        records = [orjson.loads(piece.raw) for piece in pieces]
        if _is_plain(records, pieces, limits):
            return Parsed(list(zip(records, pieces, strict=True)), [])
    except orjson.JSONDecodeError:
        pass
    found = Parsed([], [])
    for piece in pieces:
        try:
            found.records.append((one(piece.raw, limits), piece))
        except Refused as refusal:
            found.refused.append((piece, refusal))
    return found


def _is_plain(records: list[Any], pieces: Sequence[Piece], limits: LimitSettings) -> bool:
    if any(type(r) is not dict or len(r) > limits.max_columns for r in records):
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

    Numbers follow a colon, a bracket or a comma; an id of 32 digits stands in quotes and is passed over.
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


def _colons_agree(text: bytes, value: Any) -> bool:
    try:
        return text.count(b":") == orjson.dumps(value).count(b":")
    except orjson.JSONEncodeError:  # deeper than orjson writes
        return False


def one(raw: bytes, limits: LimitSettings) -> dict[str, Any]:
    """One record.

    Raises:
        Refused: why it is none, or which limit it breaks.
    """
    # Depth comes first: below it every parser here is safe from exhausting its stack.
    if raw.count(b"{") + raw.count(b"[") > limits.max_depth:
        depth = _depth(raw)
        if depth > limits.max_depth:
            raise Refused("depth", f"nested {depth} deep, at most {limits.max_depth} is allowed")
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _why(raw, error) from None
    if not isinstance(record, dict):
        kind = {list: "a list", str: "a string", type(None): "null"}.get(type(record), "a single value")
        raise Refused("not_a_record", f"this is {kind}, expected a JSON record in braces")
    if len(record) > limits.max_columns:
        raise Refused(
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


def _strictly(raw: bytes) -> dict[str, Any]:
    try:
        record = _strict_loads(raw)
    except RecursionError:
        raise Refused("depth", "nested too deep to be read") from None
    except ValueError as error:
        raise Refused("json", f"not JSON: {shown(str(error), 200)}") from None
    if b"\\u0000" in raw and _holds_nul(record):
        raise Refused("nul", "the record contains a NUL character")
    if not isinstance(record, dict):
        raise Refused("not_a_record", "expected a JSON record in braces")
    return record


def _strict_loads(raw: bytes | str) -> Any:
    return json.loads(
        raw, object_pairs_hook=_unique, parse_int=_int64, parse_float=_finite, parse_constant=_constant
    )


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in k or _holds_nul(v) for k, v in value.items())
    return isinstance(value, list) and any(_holds_nul(v) for v in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refused("duplicate_key", f"the key {shown(key, 60)!r} occurs twice in one record")
            seen.add(key)
    return record


def _int64(text: str) -> int:
    # The length first: turning a million digits into an integer takes minutes.
    if len(text) > 20 or int(text) not in _INT64:
        raise Refused("integer", f"the integer {shown(text, 40)} does not fit into 64 bits")
    if text == "-0":
        raise Refused("negative_zero", "a number is negative zero, which other programs read as zero")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Refused("number", f"the number {shown(text, 40)} is beyond what a double can hold")
    if number == 0 and text[0] == "-" and not re.search("[1-9]", re.split("[eE]", text)[0]):
        raise Refused("negative_zero", "a number is negative zero, which other programs read as zero")
    return number


def _constant(text: str) -> Any:
    raise Refused("number", f"{text} is not a JSON number; write null where a number is missing")


def _why(raw: bytes, error: orjson.JSONDecodeError) -> Refused:
    """The reason in the words of whoever has to mend the export."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as bad:
        try:
            raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return Refused("encoding", f"not valid UTF-8 at byte {bad.start} of the record")
        return Refused("surrogate", f"half a character (a lone surrogate) at byte {bad.start} of the record")
    if "\0" in text:
        return Refused("nul", f"a NUL byte at byte {raw.index(0)} of the record")
    try:
        _strict_loads(text)
    except Refused as refusal:
        return refusal
    except (ValueError, RecursionError):
        pass
    else:
        # The standard library reads halves of characters; orjson's word for them is what is left.
        return Refused("surrogate", f"half a character (a lone surrogate) at character {error.pos}")
    return Refused("json", f"not JSON: {shown(error.msg, 120)} at character {error.pos} of the record")
