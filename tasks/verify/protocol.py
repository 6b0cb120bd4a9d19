"""The verifier behind one small Protocol: (claims, passages) in, probabilities (n, 3) out.

Belongs here: the Protocol, its result, and which implementation a setting means. Does not belong here:
how one computes (`features.py`, `classifiers.py`) or what follows from the scores (`decide/verdicts.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Scores:
    """Scores of n pairs, in the order they were given.

    `tokens_seen < tokens_offered` exactly where a pair did not fit; its probabilities are (0, 0, 1) and its
    `windows` is 0.
    """

    probabilities: np.ndarray
    """(n, 3) float64 in the order of `tables.VERDICTS`; every row sums to 1."""
    tokens_offered: np.ndarray
    """(n,) int32: tokens of claim and passage, without the model's own special tokens."""
    tokens_seen: np.ndarray
    """(n,) int32: tokens that were read in at least one window."""
    windows: np.ndarray
    """(n,) int32: windows the pair was read in; 1, with `tokens_seen` 0, where a remote judge was asked and
    gave no usable answer."""

    @property
    def is_read(self) -> np.ndarray:
        """(n,) bool: the pair was judged, whatever came out."""
        return (self.windows > 0) & (self.tokens_seen >= self.tokens_offered)

    @property
    def is_unanswered(self) -> np.ndarray:
        """(n,) bool: a remote judge was asked and gave no usable answer."""
        unanswered: np.ndarray = (self.windows > 0) & ~self.is_read
        return unanswered


class Verifier(Protocol):
    """Turns pairs into calibrated probabilities; deterministic, independent of batch size and order."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 over weights, settings that change a score, and calibration."""
        ...

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """Scores pair i of `claims[i]` and `passages[i]`; `progress` gets numbers of pairs newly done."""
        ...


@runtime_checkable
class ReadsTogether(Protocol):
    """A verifier that judges several passages of one claim better as one text than one by one."""

    def shared(self, claims: pl.Series, passages: pl.Series) -> np.ndarray:
        """(n,) in [0, 1]: how much each passage shares with its claim."""
        ...


def fingerprint(**parts: Any) -> str:
    """Hex SHA-256 over named parts, as canonical JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def empty_scores(count: int) -> Scores:
    """Scores of pairs that nothing was read of: certainly insufficient, no tokens, no windows."""
    probabilities = np.zeros((count, 3))
    probabilities[:, 2] = 1.0
    zeros = np.zeros(count, np.int32)
    return Scores(probabilities, zeros, zeros.copy(), zeros.copy())


def score_distinct(
    claims: Sequence[str],
    passages: Sequence[str],
    score: Callable[[pl.Series, pl.Series], Scores],
    *,
    chunk_pairs: int,
    progress: Callable[[int], None] | None = None,
) -> Scores:
    """Scores pairs in the order given, where `score` is asked once for equal pairs, chunk by chunk.

    Args:
        score: claims and passages of at most `chunk_pairs` distinct pairs to their scores.
        progress: gets numbers of given pairs newly done.
    """
    import polars as pl

    frame = pl.DataFrame(
        {"claim": list(claims), "passage": list(passages)}, schema={"claim": pl.String, "passage": pl.String}
    )
    distinct = frame.unique(maintain_order=True).with_row_index("at")
    joined = frame.join(distinct, on=["claim", "passage"], how="left", maintain_order="left")
    place = joined["at"].to_numpy()
    repeats = np.bincount(place, minlength=distinct.height)
    parts = []
    for chunk in distinct.iter_slices(chunk_pairs):
        parts.append(score(chunk["claim"], chunk["passage"]))
        if progress:
            progress(int(repeats[chunk["at"].to_numpy()].sum()))
    if not parts:
        return empty_scores(0)
    names = ("probabilities", "tokens_offered", "tokens_seen", "windows")
    return Scores(*(np.concatenate([getattr(part, name) for part in parts])[place] for name in names))
