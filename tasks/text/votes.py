"""Which words and letters of a list occur in each of many texts, and what they count for: by array.

(1) All texts are one row of code points, and a table says which of them are within a word. (2) The letters of
a word, each times a power of one odd number, are summed modulo 2^64: two sums over the whole row give any
word's, wherever it is. A word of the same sum as a listed one is taken for it; who makes up such a word gains
no more than by writing the other. (3) Each word and letter counts once a text, in the order of the list, so
that what a text gets depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

Votes = Mapping[str, Sequence[tuple[str, float]]]
"""Word or letter → (candidate, weight) of each that it speaks for."""

CHARACTERS = 2**15
"""Of texts that are counted at once: powers and sums of so many letters fit into a processor's cache."""
_SLOTS = 16
"""Bits of a word's sum that are looked up first: a thousand words have some sixty thousand places."""
_BASE = 0x9E3779B97F4A7C15


def _powers(base: int) -> np.ndarray:
    powers = np.full(CHARACTERS, base, dtype=np.uint64)
    powers[0] = 1
    return np.cumprod(powers)


_POWERS, _BACK = _powers(_BASE), _powers(pow(_BASE, -1, 2**64))


class Ballot:
    """Counts votes of words and of single letters; texts and words are in small letters."""

    def __init__(
        self, words: Votes, letters: Votes, candidates: Sequence[str], between: Sequence[int]
    ) -> None:
        """`between` are code points that end a word; an apostrophe is a part of one, and ends its parts."""
        self.candidates = sorted(candidates)
        listed, own = sorted(words), sorted(letters)
        self._sums = np.array([_sum(word) for word in listed])
        self._factor, self._slot = _places(self._sums)
        # What lies behind the table is what its last place says: within a word, and no letter of a list.
        last = max(*between, *map(ord, letters), ord("'")) + 1
        self._within = np.ones(last + 1, dtype=bool)
        self._within[list(between)] = False
        self._letter = np.full(last + 1, -1, dtype=np.int16)
        self._letter[[ord(letter) for letter in own]] = np.arange(len(own)) + len(listed)
        signs = [*(words[word] for word in listed), *(letters[letter] for letter in own)]
        self._weights = np.zeros((len(signs), len(self.candidates)))
        for at, votes in enumerate(signs):
            for name, weight in votes:
                self._weights[at, self.candidates.index(name)] = weight

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """What each candidate gets in each text (n, candidates); no text is longer than CHARACTERS - 2."""
        parts = [self._counted(part) for part in _parts(texts)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.candidates)))

    def _counted(self, texts: Sequence[str]) -> np.ndarray:
        whole = " ".join(["", *texts, ""])
        ends = np.cumsum([len(text) + 1 for text in texts])
        places = codes = _points(whole)
        if not whole.isascii():
            places = np.minimum(codes, len(self._within) - 1)
        within = self._within[places]
        sums = np.zeros(len(codes) + 1, dtype=np.uint64)  # (2)
        np.cumsum(codes * _POWERS[: len(codes)], out=sums[1:])
        found = [self._found(sums, within)]
        if "'" in whole:
            found.append(self._found(sums, within & (codes != ord("'"))))
        if not whole.isascii():
            letters = self._letter[places]
            at = np.flatnonzero(letters >= 0)
            found.append((at, letters[at]))
        # (3)
        is_met = np.zeros((len(texts), len(self._weights)), dtype=bool)
        for positions, signs in found:
            is_met[np.searchsorted(ends, positions), signs] = True
        rows, met = np.nonzero(is_met)
        scores = np.zeros((len(texts), len(self.candidates)))
        if rows.size:
            starts = np.flatnonzero(np.diff(rows, prepend=-1))
            scores[rows[starts]] = np.add.reduceat(self._weights[met], starts, axis=0)
        return scores

    def _found(self, sums: np.ndarray, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions of listed words, and their numbers."""
        edges = (
            np.flatnonzero(within[1:] != within[:-1]) + 1
        )  # (1): there is a space before and behind each text
        starts, ends = edges[::2], edges[1::2]
        own = (sums[ends] - sums[starts]) * _BACK[starts]
        numbers = self._slot[(own * self._factor) >> np.uint64(64 - _SLOTS)]
        same = np.flatnonzero(self._sums[numbers] == own)
        return starts[same], numbers[same]


def _sum(word: str) -> np.uint64:
    return np.uint64(sum(ord(letter) * pow(_BASE, at, 2**64) for at, letter in enumerate(word)) % 2**64)


def _places(sums: np.ndarray) -> tuple[np.uint64, np.ndarray]:
    """A factor that puts all sums into places of their own, and which is where; elsewhere the first."""
    factor = _BASE
    while True:
        places = (sums * np.uint64(factor)) >> np.uint64(64 - _SLOTS)
        if len(np.unique(places)) == len(sums):
            slot = np.zeros(2**_SLOTS, dtype=np.int16)
            slot[places] = np.arange(len(sums))
            return np.uint64(factor), slot
        factor = (factor * _BASE + 2) % 2**64


def _points(text: str) -> np.ndarray:
    if text.isascii():
        return np.frombuffer(text.encode(), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Neighbours with at most CHARACTERS together, with a space before and behind each."""
    start, held = 0, 1
    for at, text in enumerate(texts):
        if held + len(text) + 1 > CHARACTERS and at > start:
            yield texts[start:at]
            start, held = at, 1
        held += len(text) + 1
    if start < len(texts):
        yield texts[start:]
