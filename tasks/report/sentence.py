"""One sentence of a page: its words, the query behind its numbers, and whether it is bad news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["worse", "better", "note"]


@dataclass(frozen=True)
class Sentence:
    """One sentence, the query behind its numbers, and whether it is bad news."""

    text: str
    query: str
    tone: Tone = "note"


def number(count: int, noun: str) -> str:
    """`1 claim`, `2,104 claims`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
