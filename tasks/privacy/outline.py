"""What every detector hands on: where confidential data is in a text, its outline, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Finding:
    """text[start:end] is confidential; `masked` is its outline; `confidence` is a ratio."""

    start: int
    end: int
    masked: str
    confidence: float


@dataclass(frozen=True)
class Detector:
    """A kind of confidential data, and what a text holds that has some, so that few are looked at closely.

    A text that has some matches `screen` (a pattern in Rust syntax), or holds one of the `literals` as it is
    written, where there are any, and matches all `shapes`: one pass for hundreds of plain strings is many
    times quicker than a pattern of as many shapes, and what is rare is asked first.
    """

    kind: str
    version: str
    screen: str
    find: Callable[[str], Iterator[Finding]]
    literals: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What tables call it: name@version."""
        return f"{self.kind}@{self.version}"

    def screened(self, texts: pl.Series) -> pl.Series:
        """Which of the texts (String, n) may hold data of the kind (Boolean, n); null holds none."""
        screened = texts.str.contains(self.screen).fill_null(value=False)
        if not self.shapes:
            return screened
        rows = (~screened).arg_true()
        if self.literals:
            rows = rows.filter(texts.gather(rows).str.contains_any(list(self.literals)))
        for pattern in self.shapes:
            rows = rows.filter(texts.gather(rows).str.contains(pattern))
        return screened.scatter(rows.drop_nulls(), values=True)


def digits_of(piece: str) -> str:
    """The ASCII digits of the piece, in their order."""
    return re.sub(r"[^0-9]+", "", piece)


def masked_digits(piece: str, shown: int) -> str:
    """The piece with every letter and digit but the last `shown` starred."""
    starred = sum(character.isalnum() for character in piece) - shown
    return re.sub(r"[^\W_]", "*", piece, count=starred) if starred > 0 else piece
