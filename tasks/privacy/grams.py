"""Texts as numbers: words into hashes, and hashes of words in a row.

A word is a run of letters and digits, or one character of a script that puts no blanks between words.
Everything is columns: time and memory are linear in the text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.privacy import shadow

SIZE = 5
"""Words of a gram: four and fewer in a row are as often the language's as the author's."""
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"[{_UNSPACED}]|[[\pL\pN]--[{_UNSPACED}]]+"
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio, odd: multiplying by it spreads bits (Knuth, TAOCP 6.4)."""


@dataclass(frozen=True)
class Grams:
    """One entry a gram: its hash, the row of its text, the place of its first word in that text."""

    hashes: np.ndarray
    rows: np.ndarray
    places: np.ndarray


def words(texts: pl.Series) -> pl.Series:
    """The words of each text's shadow (List(String), n), as they are written; null has none."""
    return shadow.plain(texts).fill_null("").str.extract_all(WORD)


def grams(texts: pl.Series, size: int = SIZE) -> Grams:
    """All grams of texts (String, n), without regard to case, in the order of the text."""
    listed = words(texts)
    counts = listed.list.len().to_numpy().astype(np.int64)
    hashes = listed.explode(empty_as_null=False).str.to_lowercase().hash(0).to_numpy().astype(np.uint64)
    rows = np.repeat(np.arange(counts.size), counts)
    places = np.arange(hashes.size) - np.repeat(np.cumsum(counts) - counts, counts)
    if hashes.size < size:
        none = np.zeros(0, dtype=np.int64)
        return Grams(none.astype(np.uint64), none, none)
    total = hashes.size - size + 1
    rolled = np.zeros(total, dtype=np.uint64)
    for step in range(size):  # over the words of a gram, not over texts
        rolled = (rolled ^ hashes[step : step + total]) * _FACTOR
        rolled ^= rolled >> np.uint64(29)
    whole = rows[:total] == rows[size - 1 :]
    return Grams(rolled[whole], rows[:total][whole], places[:total][whole])


class Lookup:
    """Which of many hashes are among some: a bit table first, so that nearly all are set aside at once."""

    def __init__(self, hashes: np.ndarray) -> None:
        ordered = np.sort(hashes)
        self._sorted = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])[: ordered.size]]
        bits = max(16, int(self._sorted.size).bit_length() + 4)
        self._mask = np.uint64((1 << bits) - 1)
        self._table = np.zeros(1 << bits, dtype=np.bool_)
        self._table[self._sorted & self._mask] = True

    def holds(self, hashes: np.ndarray) -> np.ndarray:
        """Indices into `hashes` of those that are among them."""
        likely = np.flatnonzero(self._table[hashes & self._mask])
        if not likely.size:
            return likely
        places = np.searchsorted(self._sorted, hashes[likely])
        places[places == self._sorted.size] = 0
        found: np.ndarray = likely[self._sorted[places] == hashes[likely]]
        return found
