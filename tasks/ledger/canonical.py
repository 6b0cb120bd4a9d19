"""Canonical JSON (RFC 8785) restricted so far that every writer gives the same bytes.

Keys are `[a-z_][a-z0-9_]*` and sorted; values are strings as they came (valid Unicode, not normalised),
booleans, null, lists, objects, and integers below 2^53 in absolute value. There are no floats: probabilities
are millionths (`_u6`), times microseconds (`_us`). Within these bounds Polars' encoder, Python's and RFC 8785
agree for every code point, and the tests prove it.

NaN would become `null` silently in fast encoders, and a float some other spelling; both are refused here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import groupby

import polars as pl

MAX_BYTES = 65_535
"""A tlog-tiles entry carries its length in 16 bits."""
MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 7493)."""
_ROWS_AT_ONCE = 8192
_KEY = re.compile(r"[a-z_][a-z0-9_]*")


class CanonicalError(ValueError):
    """A value that has no canonical form here; the message names the field."""


def millionths(column: str) -> pl.Expr:
    """A probability as an integer of millionths, named `<column>_u6`; `encode` refuses what was NaN.

    NaN is made an integer that no encoder lets through, because a cast would turn it into null.
    """
    value = pl.col(column)
    scaled = (value * 1_000_000).round()
    bad = value.is_nan() | value.is_infinite()
    return pl.when(bad).then(2**62).otherwise(scaled.fill_nan(0)).cast(pl.Int64).alias(f"{column}_u6")


def microseconds(column: str, name: str | None = None) -> pl.Expr:
    """A UTC time as microseconds since 1970, named `<column>_us`."""
    return pl.col(column).dt.epoch("us").alias(name or f"{column}_us")


def encode(frame: pl.DataFrame) -> pl.Series:
    """One canonical JSON text per row, as Binary; columns in any order, struct fields sorted by this.

    Raises:
        CanonicalError: a float, a time or a bad key in the schema, an integer beyond 2^53, a row above 65,535
            bytes.
    """
    for name in frame.columns:
        _check_key(name)
    if not frame.columns:
        raise CanonicalError("an event without fields")
    # A few thousand rows at a time: their texts stay in the processor's cache.
    parts = [_encoded(part) for part in frame.iter_slices(_ROWS_AT_ONCE)]
    return pl.concat(parts) if parts else pl.Series("event", [], dtype=pl.Binary)


def _encoded(frame: pl.DataFrame) -> pl.Series:
    columns = [_sorted(name, frame[name]) for name in sorted(frame.columns)]
    encoded = pl.DataFrame(columns).select(pl.struct(pl.all()).struct.json_encode().alias("event"))["event"]
    longest = encoded.str.len_bytes().max()
    if isinstance(longest, int) and longest > MAX_BYTES:
        raise CanonicalError(f"an event of {longest} bytes, at most {MAX_BYTES} fit in a log entry")
    return encoded.cast(pl.Binary)


def says(data: pl.Series, fields: Sequence[str], known: pl.DataFrame) -> pl.Series:
    """Whether objects say what is known of them (Boolean, n), found by encoding and without parsing.

    What is known is encoded and compared with the bytes at the place where it must be: 2.5 times as fast as
    parsing the known fields and an anti-join. Fields that are not known may say anything.

    Args:
        data: canonical objects (Binary, n), each with exactly `fields`.
        fields: names of all top-level fields, sorted.
        known: values of some of them (n rows). No key inside the value of an unknown field may be
            called as the known field that comes next.

    Raises:
        CanonicalError: as `encode`.
    """
    runs = [(is_known, list(run)) for is_known, run in groupby(fields, key=lambda f: f in known.columns)]
    frame = pl.DataFrame([data.alias("data"), text(data).alias("text")])
    at: pl.Expr = pl.lit(1, pl.Int64)
    good: pl.Expr = pl.col("text").is_not_null()
    body = pl.col("data").bin
    for number, (is_known, run) in enumerate(runs):
        name = f"run {number}"
        is_last = number + 1 == len(runs)
        if is_known:
            frame = frame.with_columns(encode(known.select(run)).alias(name))
            size = pl.col(name).bin.size().cast(pl.Int64) - 2
            good &= body.slice(at, size) == pl.col(name).bin.slice(1, size)
            good &= body.slice(at + size, 1) == pl.lit(b"}" if is_last else b",")
            at = at + size + 1
            if is_last:
                good &= at == body.size().cast(pl.Int64)
        elif not is_last:
            # A new run of known fields begins at its first name.
            words = f',"{runs[number + 1][1][0]}":'
            frame = frame.with_columns(
                pl.col("text").str.find(words, literal=True).cast(pl.Int64).alias(name)
            )
            good &= pl.col(name) + 1 >= at
            at = pl.col(name) + 1
    return frame.select(good.fill_null(value=False).alias("good"))["good"]


def text(data: pl.Series) -> pl.Series:
    """Bytes as String (n); null where they are not UTF-8."""
    try:
        return data.cast(pl.String)
    except pl.exceptions.PolarsError:
        return data.map_elements(_utf8, pl.String)


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def text_field(data: pl.Series, name: str) -> pl.Series:
    """64 characters of a top-level field (String, n) out of canonical bytes: its digest.

    Null where there is no such field or it holds no text; of another text, what stands there.
    """
    words = f',"{name}":"'
    frame = pl.DataFrame([data.alias("data"), text(data).alias("text")])
    at = pl.col("text").str.find(words, literal=True).cast(pl.Int64) + len(words)
    return text(frame.select(pl.col("data").bin.slice(at, 64).alias(name))[name])


def integer_field(data: pl.Series, name: str) -> pl.Series:
    """A top-level field's integer (Int64, n) out of canonical bytes; null where it holds anything else."""
    return text(data).str.extract(f',"{name}":(-?[0-9]+)[,}}]').cast(pl.Int64)


def _check_key(name: str) -> None:
    if _KEY.fullmatch(name) is None:
        raise CanonicalError(f"key {name!r} is not lower-case ASCII letters, digits and underscores")


def _sorted(place: str, series: pl.Series) -> pl.Series:
    """The series, checked, with the fields of structs in sorted order at every depth."""
    dtype = series.dtype
    if dtype in (pl.String, pl.Boolean, pl.Null):
        return series
    if dtype.is_integer():
        if (series.abs() > MAX_INTEGER).any():
            raise CanonicalError(f"{place}: NaN, infinity or an integer beyond 2^53 has no canonical form")
        return series
    if isinstance(dtype, pl.List):
        inner = series.list.explode(keep_nulls=False, empty_as_null=False)
        if _sorted(place, inner).dtype != dtype.inner:
            raise CanonicalError(f"{place}: declare the fields of its objects in sorted order")
        return series
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            _check_key(field.name)
        fields = [_sorted(f"{place}.{f.name}", series.struct.field(f.name)) for f in dtype.fields]
        if series.null_count():
            raise CanonicalError(f"{place}: a missing object has no canonical form here")
        fields.sort(key=lambda each: each.name)
        return pl.DataFrame(fields).to_struct(series.name)
    raise CanonicalError(f"{place}: {dtype} has no canonical form here; use integers and strings")


def dumps(value: object) -> bytes:
    """One value as canonical JSON: what `encode` does for frames, for a single object.

    Raises:
        CanonicalError: a float, a bad key, a large integer, half a character.
    """
    _check(value, "value")
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except UnicodeEncodeError:
        raise CanonicalError("half a character (a lone surrogate) has no canonical form") from None


def loads(data: bytes) -> dict[str, object]:
    """The object whose canonical form these bytes are.

    Raises:
        CanonicalError: not JSON, not an object, or another spelling of the same object.
    """
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise CanonicalError("the event's bytes are not JSON") from None
    if not isinstance(value, dict) or dumps(value) != data:
        raise CanonicalError("the event's bytes are not canonical JSON")
    return value


def _check(value: object, place: str) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise CanonicalError(f"{place}: an integer beyond 2^53 has no canonical form")
    elif isinstance(value, list):
        for item in value:
            _check(item, place)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CanonicalError(f"{place}: a key that is not a string")
            _check_key(key)
            _check(item, f"{place}.{key}")
    else:
        raise CanonicalError(f"{place}: {type(value).__name__} has no canonical form here")
