"""The verifier behind one small Protocol: (claims, passages) in, probabilities (n, 3) out.

Belongs here: the Protocol and its result. Does not belong here: which implementation a setting means
(`load.py`), how one computes, or what follows from the scores (`decide/verdicts.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
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


@runtime_checkable
class ReadsLanguages(Protocol):
    """A verifier that leaves claims and evidence in other languages than these unsettled."""

    @property
    def reads(self) -> frozenset[str] | None:
        """ISO 639 codes; None of one that tries them all."""
        ...


def languages_of(verifier: Verifier) -> frozenset[str] | None:
    """The languages outside which a verifier settles nothing; None of one that tries them all."""
    return verifier.reads if isinstance(verifier, ReadsLanguages) else None


@dataclass
class Usage:
    """What a remote judge was asked, as its replies say."""

    requests: int = 0
    retries: int = 0
    unanswered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """In the currency of the configured prices; 0 where none are configured."""


@runtime_checkable
class Metered(Protocol):
    """A verifier that counts what it asks of a remote judge."""

    @property
    def usage(self) -> Usage | None:
        """So far; None where no remote judge is behind it."""
        ...


def usage_of(verifier: Verifier) -> Usage | None:
    """What the remote judge behind a verifier was asked; None of any other verifier."""
    return verifier.usage if isinstance(verifier, Metered) else None


def fingerprint(**parts: object) -> str:
    """Hex SHA-256 over named parts, as canonical JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def empty_scores(count: int) -> Scores:
    """Scores of pairs that nothing was read of: certainly insufficient, no tokens, no windows."""
    probabilities = np.zeros((count, 3))
    probabilities[:, 2] = 1.0
    zeros = np.zeros(count, np.int32)
    return Scores(probabilities, zeros, zeros.copy(), zeros.copy())


def distinct(claims: Sequence[str], passages: Sequence[str]) -> tuple[pl.DataFrame, np.ndarray]:
    """(distinct pairs as `at`, `claim`, `passage`; (n,) the distinct pair of each given one)."""
    frame = pl.DataFrame(
        {"claim": list(claims), "passage": list(passages)}, schema={"claim": pl.String, "passage": pl.String}
    )
    pairs = frame.unique(maintain_order=True).with_row_index("at")
    joined = frame.join(pairs, on=["claim", "passage"], how="left", maintain_order="left")
    return pairs, joined["at"].to_numpy()


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
    pairs, place = distinct(claims, passages)
    repeats = np.bincount(place, minlength=pairs.height)
    parts = []
    for chunk in pairs.iter_slices(chunk_pairs):
        parts.append(score(chunk["claim"], chunk["passage"]))
        if progress:
            progress(int(repeats[chunk["at"].to_numpy()].sum()))
    if not parts:
        return empty_scores(0)
    names = ("probabilities", "tokens_offered", "tokens_seen", "windows")
    return Scores(*(np.concatenate([getattr(part, name) for part in parts])[place] for name in names))
