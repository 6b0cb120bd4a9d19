"""Which words of a claim decide whether a passage bears it out: shared terms, and numbers that differ.

Belongs here: spans over two texts. Does not belong here: markup, and any judgement; a mark helps the eye
and changes no verdict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Mark = Literal["shared", "missing"]

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*%?|[^\W\d_]+(?:['’-][^\W\d_]+)*")
_FUNCTION_WORDS = """
    a about above across after again against all almost also although always am among an and another
    any are around as at away be became because become been before being below between both but by
    can could did do does doing done down due during each either else even ever every few first for
    found from further gave get give given go had has have having he her here hers him his how
    however i if in into is it its itself just last least less let like likely made main make makes
    making many may me might more most much must my near need no nor not now of off often on once
    one only or other others our out over own part per perhaps rather same say second see seem
    several shall she should show since so some still such take than that the their them then there
    these they this those though three through thus to together too two under until up upon us use
    used uses using usually various very via was way we well were what when where whether which
    while who whom whose why will with within without would yet you your
"""
"""Function words of English: they are in every passage, so a mark on them says nothing."""
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())

_SUFFIXES = ("ingly", "edly", "ing", "ies", "ied", "ed", "es", "ly", "s", "e")


@dataclass(frozen=True)
class Span:
    """Characters [start, end) of a text: `shared` with the other text, or `missing` there."""

    start: int
    end: int
    mark: Mark


def deciding_spans(claim: str, passage: str) -> tuple[list[Span], list[Span]]:
    """Spans over the claim and over the passage, each in order and without overlap.

    `shared`: content words (compared without case and common English endings) and numbers (compared
    without thousands separators) that both texts hold. `missing`: numbers of the claim that the passage
    does not hold, and numbers of the passage that the claim does not hold where the claim misses one,
    for these are what a contradiction most often turns on.
    """
    of_claim, of_passage = list(_tokens(claim)), list(_tokens(passage))
    claim_keys, passage_keys = {key for _, _, key in of_claim}, {key for _, _, key in of_passage}
    disputed = any(_is_number(key) and key not in passage_keys for key in claim_keys)
    return (
        _marked(of_claim, passage_keys, mark_missing=True),
        _marked(of_passage, claim_keys, mark_missing=disputed),
    )


def densest_window(text: str, spans: list[Span], length: int) -> tuple[int, int]:
    """[start, end) of the `length` characters that hold most spans; the earliest of equals.

    Starts at a word where one begins nearby. The whole text where it is not longer than `length`.
    """
    if len(text) <= length:
        return 0, len(text)
    best, best_count, first = 0, -1, 0
    margin = length // 8  # so that the first marked word keeps some of what leads to it
    for index, span in enumerate(spans):
        while spans[first].start < span.end - (length - margin):
            first += 1
        if index - first + 1 > best_count:
            best, best_count = max(0, spans[first].start - margin), index - first + 1
    start = min(best, len(text) - length)
    space = text.find(" ", start, start + margin)
    start = space + 1 if start and space >= 0 else start
    return start, min(len(text), start + length)


def pieces(
    text: str, spans: list[Span], start: int = 0, end: int | None = None
) -> list[tuple[str, Mark | None]]:
    """The text from `start` to `end` as (characters, mark) pairs, which joined are that text."""
    end = len(text) if end is None else end
    cut: list[tuple[str, Mark | None]] = []
    position = start
    for span in spans:
        if span.start < position or span.end > end:
            continue
        if span.start > position:
            cut.append((text[position : span.start], None))
        cut.append((text[span.start : span.end], span.mark))
        position = span.end
    if position < end:
        cut.append((text[position:end], None))
    return cut


def _tokens(text: str) -> list[tuple[int, int, str]]:
    found = []
    for match in _TOKEN.finditer(text):
        word = match[0].casefold()
        if _is_number(word):
            if text[match.start() - 1 : match.start()] == "[" and text[match.end() : match.end() + 1] == "]":
                continue  # a citation mark, not a quantity
            found.append((match.start(), match.end(), word.replace(",", "").rstrip(".:")))
        elif len(word) > 2 and word not in _STOP_WORDS:
            found.append((match.start(), match.end(), _stem(word)))
    return found


def _is_number(word: str) -> bool:
    return word[0].isdigit()


def _stem(word: str) -> str:
    """Drops one common ending: enough for `oxidises` to meet `oxidised`, and no more is claimed."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


def _marked(tokens: list[tuple[int, int, str]], other: set[str], *, mark_missing: bool) -> list[Span]:
    spans = []
    for start, end, key in tokens:
        if key in other:
            spans.append(Span(start, end, "shared"))
        elif mark_missing and _is_number(key):
            spans.append(Span(start, end, "missing"))
    return spans
