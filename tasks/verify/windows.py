"""Windows over long passages, and batches under a token budget.

Works on token counts and flat arrays of ids, so every backend shares it. Nothing is ever cut off: a pair
is read in windows that together cover every token, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

PAD_TO = 8
"""Inputs are padded to a multiple of this: some 5% more tokens, and each batch has inputs of one length."""

Span = tuple[np.ndarray, np.ndarray]
"""Where each text starts in the flat ids, and how many tokens it has."""


@dataclass(frozen=True)
class WindowParameters:
    """How long passages are read."""

    max_tokens: int = 512
    """Longest input, special tokens included."""
    max_windows: int = 64
    """A pair that needs more is not read at all."""
    overlap_tokens: int = 64
    """Two average sentences: a fact at the seam is whole in one of the two windows."""
    minimum_room: int = 16
    """Tokens of passage a window must hold beside the claim; with less a window is no context."""


@dataclass(frozen=True)
class Plan:
    """Windows of all pairs; `pair`, `start` and `length` have a row per window, `windows` one per pair."""

    pair: np.ndarray
    start: np.ndarray
    length: np.ndarray
    windows: np.ndarray


@dataclass(frozen=True)
class Template:
    """Special tokens before, between and after the two texts, and their segment types."""

    prefix: np.ndarray
    middle: np.ndarray
    suffix: np.ndarray
    first_type: int
    middle_types: np.ndarray
    second_type: int
    pad: int

    @property
    def special(self) -> int:
        """Special tokens of a pair."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    def fill(
        self, flat: np.ndarray, first: Span, second: Span, length: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Padded `ids`, `mask` and `types`, each (rows, longest) int64, at least `length` long."""
        edges = np.cumsum(
            np.column_stack(
                [
                    np.full(len(first[1]), len(self.prefix)),
                    first[1],
                    np.full(len(first[1]), len(self.middle)),
                    second[1],
                    np.full(len(first[1]), len(self.suffix)),
                ]
            ),
            axis=1,
        )
        at = np.arange(max(length, edges[:, -1].max()))[None, :]
        a, b, c, d, e = (edges[:, i, None] for i in range(5))
        ids = np.full((len(edges), at.shape[1]), self.pad, np.int64)
        types = np.zeros_like(ids)
        mask = (at < e).astype(np.int64)
        for low, high, source, offset in (
            (np.zeros_like(a), a, self.prefix, np.zeros_like(a)),
            (a, b, flat, first[0][:, None]),
            (b, c, self.middle, np.zeros_like(a)),
            (c, d, flat, second[0][:, None]),
            (d, e, self.suffix, np.zeros_like(a)),
        ):
            inside = (at >= low) & (at < high)
            if inside.any():
                ids[inside] = source[(at - low + offset)[inside]]
        types[(at < b) & (mask == 1)] = self.first_type
        types[(at >= c) & (mask == 1)] = self.second_type
        between = (at >= b) & (at < c)
        if between.any():
            types[between] = self.middle_types[np.broadcast_to(at - b, between.shape)[between]]
        return ids, mask, types


def distinct_pairs(
    claims: Sequence[str], passages: Sequence[str]
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Distinct texts; the claim's and passage's index of each distinct pair; each row's distinct pair."""
    text = pl.Series("text", [*claims, *passages], dtype=pl.String)
    ids = text.to_frame().select(
        pl.col("text").rank("dense").cast(pl.Int64) - 1
    )["text"].to_numpy()  # fmt: skip
    texts = text.unique().sort().to_list()
    pairs = np.column_stack([ids[: len(claims)], ids[len(claims) :]]).reshape(-1, 2)
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    return texts, distinct[:, 0], distinct[:, 1], place.reshape(-1)


def plan(
    claim_tokens: np.ndarray, passage_tokens: np.ndarray, special: int, parameters: WindowParameters
) -> Plan:
    """Windows that together cover every passage token; none where the pair does not fit.

    The last window ends with the passage, so windows of one pair have one length.
    """
    room = parameters.max_tokens - special - claim_tokens
    overlap = np.clip(np.minimum(parameters.overlap_tokens, room // 2), 0, None)
    step = np.maximum(room - overlap, 1)
    needed = np.where(passage_tokens <= room, 1, 1 + -(-(passage_tokens - room) // step))
    fits = (room >= np.minimum(parameters.minimum_room, passage_tokens)) & (room >= 0)
    windows = np.where(fits & (needed <= parameters.max_windows), needed, 0)
    pair = np.repeat(np.arange(len(windows)), windows)
    nth = np.arange(len(pair)) - np.repeat(np.cumsum(windows) - windows, windows)
    length = np.minimum(passage_tokens, np.maximum(room, 0))[pair]
    start = np.minimum(nth * step[pair], passage_tokens[pair] - length)
    return Plan(pair, start, length, windows)


def padded(lengths: np.ndarray, longest: int) -> np.ndarray:
    """Length each input is padded to: its own, rounded up, so that it does not depend on its neighbours."""
    rounded: np.ndarray = -(-lengths // PAD_TO) * PAD_TO
    return np.asarray(np.maximum(np.minimum(rounded, longest), lengths))


def batches(lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Row numbers, longest first, of rows of one length, within the budget of tokens."""
    order = np.argsort(-lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(same):
            count = max(1, budget // max(1, int(lengths[same[0]])))
            yield from (same[at : at + count] for at in range(0, len(same), count))
