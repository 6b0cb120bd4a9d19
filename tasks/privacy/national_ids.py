"""Door to `python-stdnum`: national identity numbers of persons, of more than forty countries.

Shapes propose (`national_id_shapes.py`), words near them speak for those that look like any number, and the
library checks digits, dates and regions. It is LGPL and comes with the extra `privacy`; it computes only: no
network, no disk but its own tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from tasks.errors import ConfigError
from tasks.privacy.national_id_shapes import ANYONES, SHAPES, Shape
from tasks.privacy.outline import Finding, masked_digits

_BEFORE, _AFTER = 48, 24
"""Characters before and after a number in which its words count."""
_LETTERS = r"0-9A-Za-z\u00c0-\u024f\u0370-\u04ff"
"""Of scripts that put blanks between words; in others a word may touch the number."""
_EDGES = rf"(?<![{_LETTERS}_.+/#@$€£-])(?:%s)(?![{_LETTERS}_@%%€]|[.,:/-][0-9]|-[A-Za-z])"
_NEAR = rf"(?i)(?<![{_LETTERS}])(?:%s)(?![{_LETTERS}])"
_CLAUSE = re.compile(r"[.!?;]\s+(?=[A-ZÀ-Þ0-9])|;|[。！？]|\n\s*\n")
_UNCHECKED = frozenset(["gb.nino"])
"""Numbers without a check digit, of which the shape says all."""
_CHECKED, _ANNOUNCED = 0.9, 0.95

_SILENT = [shape for shape in SHAPES if not shape.words]
_WORDY = [shape for shape in SHAPES if shape.words]
_WORDS = "|".join(dict.fromkeys([*(shape.words for shape in _WORDY), ANYONES]))
_ANY_WORD = re.compile(_NEAR % _WORDS)
_ANYONES = re.compile(_NEAR % ANYONES)

SCREEN = "|".join(shape.pattern for shape in _SILENT)
"""Numbers that no word needs to announce."""
WORDS = rf"(?i)(?:^|[^{_LETTERS}])(?:{_WORDS})(?:[^{_LETTERS}]|$)"
"""What a text holds that announces another."""
DIGITS = r"[0-9](?:[ ./-]{0,2}[0-9]){3}"
"""And what all numbers have."""


def require() -> None:
    """Says which package is missing, before any text is read.

    Raises:
        ConfigError: the extra `privacy` is not installed.
    """
    try:
        import stdnum  # noqa: F401
    except ImportError:
        raise ConfigError(
            "privacy.detectors: national_id needs the extra privacy: pip install 'claimledger[privacy]'"
        ) from None


@cache
def _patterns() -> list[tuple[Shape, re.Pattern[str], re.Pattern[str] | None]]:
    return [
        (
            shape,
            re.compile(_EDGES % shape.pattern),
            re.compile(_NEAR % shape.words) if shape.words else None,
        )
        for shape in (*_SILENT, *_WORDY)
    ]


@cache
def _module(name: str) -> Any:
    return import_module(f"stdnum.{name}")


def national_ids(text: str) -> Iterator[Finding]:
    """National numbers of a text; several countries may claim one, those first in the table come first."""
    has_words = _ANY_WORD.search(text) is not None
    for shape, pattern, words in _patterns():
        if words is not None and not has_words:
            return
        for match in pattern.finditer(text):
            start, end = match.span()
            if words is not None and not _is_near(shape, words, text, start, end):
                continue
            if shape.stdnum in _UNCHECKED or _module(shape.stdnum).is_valid(match.group()):
                confidence = _CHECKED if words is None else _ANNOUNCED
                outline = masked_digits(match.group(), 2)
                yield Finding(start, end, f"{shape.stdnum.replace('_', '')} {outline}", confidence)


def _is_near(shape: Shape, words: re.Pattern[str], text: str, start: int, end: int) -> bool:
    before = _CLAUSE.split(text[max(0, start - _BEFORE) : start])[-1]
    after = _CLAUSE.split(text[end : end + _AFTER])[0]
    own = (words,) if shape.is_weak else (words, _ANYONES)
    return any(one.search(side) for one in own for side in (before, after))
