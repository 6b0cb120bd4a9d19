"""What every detector hands on: where confidential data is in a text, its outline, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """text[start:end] is confidential; `masked` is its outline; `confidence` is a ratio."""

    start: int
    end: int
    masked: str
    confidence: float


@dataclass(frozen=True)
class Detector:
    """A kind of confidential data; what `screen` (a pattern in Rust syntax) does not match has none of it."""

    kind: str
    version: str
    screen: str
    find: Callable[[str], Iterator[Finding]]

    @property
    def label(self) -> str:
        """What tables call it: name@version."""
        return f"{self.kind}@{self.version}"


def digits_of(piece: str) -> str:
    """The ASCII digits of the piece, in their order."""
    return "".join(character for character in piece if "0" <= character <= "9")


def masked_digits(piece: str, shown: int) -> str:
    """The piece with every letter and digit but the last `shown` starred."""
    starred = sum(character.isalnum() for character in piece) - shown
    return re.sub(r"[^\W_]", "*", piece, count=starred) if starred > 0 else piece
