"""Pieces of long texts, batches of pieces, and rows of unit length: the arithmetic around an embedder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def pieces(text: str, offsets: list[tuple[int, int]], room: int) -> Iterator[tuple[str, int]]:
    """Windows of at most `room` tokens, beginning with a word where one begins in the second half.

    A window that began inside a word would be read as other tokens than those counted, and perhaps more.
    """
    first = 0
    while first < len(offsets):
        last = min(first + room, len(offsets))
        if last < len(offsets):
            for place in range(last, first + room // 2, -1):
                if offsets[place - 1][1] < offsets[place][0]:
                    last = place
                    break
            else:
                # One endless word: half a window leaves space for being read as more tokens.
                last = first + max(1, room // 2)
        yield text[offsets[first][0] : offsets[last - 1][1]], last - first
        first = last


def batches(lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of one length each, longest first, of at most `budget` tokens.

    Nothing is padded, which would cost as much as text; and since a sum of floats may change its last bit
    with the padding, a vector is the same whatever was embedded beside it. The longest come first so that
    memory peaks at the start.
    """
    order = np.argsort(-lengths, kind="stable")
    for alike in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(alike):
            count = max(1, budget // max(1, int(lengths[alike[0]])))
            yield from (alike[first : first + count] for first in range(0, len(alike), count))


def unit(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Rows scaled to unit length, float32; a row of zeros stays zeros."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
