"""Content-derived identities: the same thing has the same id in every run.

An id is the lower-case hex SHA-256 of a tag and the named values, each prefixed by its length, so that
no two different lists of values share a preimage (`("ab", "c")` against `("a", "bc")`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import polars as pl


def digest(tag: str, *values: str | int | None) -> str:
    """Id of one thing. `None` and the empty string give different ids."""
    return _digest(tag.encode(), values)


def _digest(tag: bytes, values: Iterable[str | int | None]) -> str:
    state = hashlib.sha256(tag)
    for value in values:
        if value is None:
            state.update(b"\x00n")
            continue
        # Half a character (a lone surrogate) must not crash an id; the pull refuses such rows by name.
        data = str(value).encode("utf-8", "surrogatepass")
        state.update(b"\x00s%d:" % len(data))
        state.update(data)
    return state.hexdigest()


def digest_rows(tag: str, columns: Sequence[pl.Series]) -> pl.Series:
    """Ids of many things: equal-length columns of strings or integers in, hex strings (n) out.

    The loop is over `zip` of plain lists into C-implemented SHA-256: there is no vectorised SHA-256 in
    Polars, and hashing itself is nine tenths of the time.
    """
    encoded = tag.encode()
    rows = zip(*(column.to_list() for column in columns), strict=True)
    return pl.Series([_digest(encoded, row) for row in rows], dtype=pl.String)


def text_sha256(texts: pl.Series) -> pl.Series:
    """SHA-256 of each text's UTF-8 bytes, hex; null stays null."""
    return pl.Series(
        [None if t is None else hashlib.sha256(t.encode()).hexdigest() for t in texts.to_list()],
        dtype=pl.String,
    )
