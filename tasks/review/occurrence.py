"""Whether a file or a record holds a text, however it is spelled there.

Markup, JSON, scripts and spreadsheets each escape signs in their own way, but letters and digits only by code
points. So letters and digits are what is compared; and a text counts as held where forty of them in a row
are, because what shows a long text may cut it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

SHORTEST = 12
"""Letters and digits of the shortest text that is looked for: shorter ones are in unrelated words."""
_WINDOW = 40
"""Letters and digits in a row that two texts do not share by chance."""
_MANY = 200
"""Windows above which a content is gone through once, instead of once for each."""
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)")


class Texts:
    """Texts to look for, those of at least so many letters and digits."""

    def __init__(self, texts: Iterable[str | None], shortest: int = SHORTEST) -> None:
        self._windows: set[str] = set()
        for text in texts:
            letters = _letters(text or "")
            if len(letters) >= shortest:
                last = max(0, len(letters) - _WINDOW)
                starts = {*range(0, last, _WINDOW), last}
                self._windows |= {letters[start : start + _WINDOW] for start in starts}
        self._size = min(map(len, self._windows), default=0)
        self._by_front: dict[str, list[str]] = {}
        for window in self._windows if len(self._windows) > _MANY else ():
            self._by_front.setdefault(window[: self._size], []).append(window)

    def are_in(self, content: str) -> bool:
        """Whether the content holds any of the texts."""
        plain = html.unescape(content)
        unescaped = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else " ", plain)
        return any(self._is_in(letters) for letters in {_letters(plain), _letters(unescaped)})

    def _is_in(self, letters: str) -> bool:
        if not self._by_front:
            return any(window in letters for window in self._windows)
        fronts = (letters[at : at + self._size] for at in range(len(letters) - self._size + 1))
        return any(
            letters.startswith(window, at)
            for at, front in enumerate(fronts)
            for window in self._by_front.get(front, ())
        )


def without(value: object, texts: Texts, instead: str) -> object:
    """A JSON value with every string that holds a text replaced."""
    if isinstance(value, str):
        return instead if texts.are_in(value) else value
    if isinstance(value, list):
        return [without(each, texts, instead) for each in value]
    if isinstance(value, dict):
        return {without(key, texts, instead): without(each, texts, instead) for key, each in value.items()}
    return value


def _letters(text: str) -> str:
    return "".join(re.findall(r"[^\W_]+", text)).casefold()
