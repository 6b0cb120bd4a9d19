"""Content-derived identities: the same thing has the same id in every run.

An id is the lower-case hex SHA-256 of a tag and the named values, each prefixed by its length, so that
no two different lists of values share a preimage (`("ab", "c")` against `("a", "bc")`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl


def readable(name: str) -> str:
    """At most 40 letters, digits and hyphens of a name from outside, for files and labels; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]


def digest(tag: str, *values: str | int | None) -> str:
    """Id of one thing. `None` and the empty string give different ids."""
    return _digest(tag.encode(), values)


def _digest(tag: bytes, values: Iterable[str | int | None]) -> str:
    # Hashed at once: a call for each part costs more than copying them together.
    parts = [tag]
    for value in values:
        if value is None:
            parts.append(b"\x00n")
            continue
        # Half a character (a lone surrogate) must not crash an id; the pull refuses such rows by name.
        data = str(value).encode("utf-8", "surrogatepass")
        parts += (b"\x00s%d:" % len(data), data)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def digest_rows(tag: str, columns: Sequence[pl.Series]) -> pl.Series:
    """Ids of many things: equal-length columns of strings or integers in, hex strings (n) out.

    Polars puts the preimages together; the loop is over a plain list into C-implemented SHA-256, of which
    Polars has none.
    """
    # In one piece: Polars panics in text functions over a column of which a filter left many pieces empty.
    marked = [_marked(_texts(column.rechunk()).alias(str(at))) for at, column in enumerate(columns)]
    frame = pl.DataFrame(marked)
    preimages = frame.select(pl.concat_str(pl.lit(tag), *frame.columns).cast(pl.Binary)).to_series()
    return pl.Series([hashlib.sha256(each).hexdigest() for each in preimages.to_list()], dtype=pl.String)


def _texts(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String or column.dtype.is_integer():
        return column.cast(pl.String)
    # Of other types Polars and Python write some values differently, and ids must stay what they are.
    return pl.Series([None if value is None else str(value) for value in column.to_list()], dtype=pl.String)


def _marked(texts: pl.Series) -> pl.Series:
    text = pl.col(texts.name)
    behind_its_length = pl.format("\0s{}:{}", text.str.len_bytes(), text)
    marked = pl.when(text.is_null()).then(pl.lit("\0n")).otherwise(behind_its_length)
    return texts.to_frame().select(marked.alias(texts.name)).to_series()


def text_sha256(texts: pl.Series) -> pl.Series:
    """SHA-256 of each text's UTF-8 bytes, hex; null stays null."""
    return pl.Series(
        [None if t is None else hashlib.sha256(t.encode()).hexdigest() for t in texts.to_list()],
        dtype=pl.String,
    )


def prefixes(texts: pl.Series) -> np.ndarray:
    """The first eight bytes of hex ids as numbers (uint64, n): what ids are looked up by, eight bytes each.

    Where one of them is not a hex id, all are looked up by their digests' prefixes. A prefix is never
    trusted: whoever looks something up by it compares the ids.
    """
    if texts.is_empty():
        return np.empty(0, dtype="<u8")
    shortest = texts.str.len_bytes().min()
    if isinstance(shortest, int) and shortest >= 16 and texts.str.contains("^[0-9a-f]{16}").all():
        digits = texts.cast(pl.Binary).bin.slice(0, 16).cast(pl.String)
        numbers = digits.str.decode("hex").bin.reinterpret(dtype=pl.UInt64, endianness="big")
        return numbers.to_numpy().astype("<u8", copy=False)
    digests = (int.from_bytes(hashlib.sha256(t.encode()).digest()[:8], "big") for t in texts.to_list())
    return np.fromiter(digests, dtype="<u8", count=len(texts))
