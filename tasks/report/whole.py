"""Whole answers of the claims that a page lists, with all their claims marked, and where their traces are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from tasks.visible import shortened, visible

_PROMPT = 600
"""Longest question shown, characters."""


@dataclass(frozen=True)
class Piece:
    """Some characters of an answer; part of a claim where there is an id."""

    text: str
    claim_id: str | None = None
    standing: str | None = None


@dataclass(frozen=True)
class WholeAnswer:
    """One answer: what was asked, and what was said with its claims marked."""

    output_id: str
    prompt: str
    pieces: list[Piece]
    cut_before: bool
    cut_after: bool
    trace: str | None
    """Its address at the source, where the source has one."""


def present(
    answers: pl.DataFrame, claims: pl.DataFrame, traces: Mapping[str, str], room: int
) -> dict[str, WholeAnswer]:
    """Answers by output id.

    Args:
        answers, claims: results of `whole_answers` and `their_claims`.
        traces: by output id, the address of its trace.
        room: longest answer shown, characters.
    """
    spans: dict[str, list[tuple[int, int, str, str | None]]] = {}
    for output, claim, start, end, standing in claims.select(
        "output_id", "claim_id", "start", "end", "standing"
    ).iter_rows():
        spans.setdefault(output, []).append((start, end, claim, standing))
    return {
        row["output_id"]: _answer(row, spans.get(row["output_id"], []), traces.get(row["output_id"]), room)
        for row in answers.to_dicts()
    }


def _answer(
    row: Mapping[str, str | None],
    spans: Sequence[tuple[int, int, str, str | None]],
    trace: str | None,
    room: int,
) -> WholeAnswer:
    text = row["response"] or ""
    first = min((start for start, *_ in spans), default=0)
    low = max(0, min(first - room // 8, len(text) - room)) if len(text) > room else 0
    high = min(len(text), low + room)
    return WholeAnswer(
        output_id=str(row["output_id"]),
        prompt=visible(shortened(row["prompt"] or "", _PROMPT)),
        pieces=_pieces(text, spans, low, high),
        cut_before=low > 0,
        cut_after=high < len(text),
        trace=trace,
    )


def _pieces(text: str, spans: Sequence[tuple[int, int, str, str | None]], low: int, high: int) -> list[Piece]:
    """The characters from `low` to `high`; claims that overlap an earlier one or the ends are unmarked."""
    kept: list[tuple[int, int, str, str | None]] = [(low, low, "", None)]
    for start, end, claim, standing in sorted(spans):
        if kept[-1][1] <= start < end <= high:
            kept.append((start, end, claim, standing))
    kept.append((high, high, "", None))
    pieces = []
    for (_, before, *_), (start, end, claim, standing) in pairwise(kept):
        if before < start:
            pieces.append(Piece(visible(text[before:start])))
        if start < end:
            pieces.append(Piece(visible(text[start:end]), claim, standing))
    return pieces
