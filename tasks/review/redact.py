"""Taking an erased output's text out of pages and files that show it.

Belongs here: in which spellings a text stands in a file, which element of a page shows a claim, whether a
page still shows a text. Does not belong here: which files there are (`tasks/review/erase.py`).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from itertools import accumulate

from tasks.visible import visible

_WINDOW = 40
"""Characters in a row that two texts do not share by chance."""
_SHORT = 24
"""Shorter texts may stand anywhere."""
_FOR_SCRIPTS = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&'"})


def spellings(texts: Iterable[str]) -> list[bytes]:
    """Every way in which the texts stand in HTML, JSON, scripts, CSV and plain files, longest first."""
    found: dict[str, None] = {}
    for text in texts:
        for shown in (text, visible(text)):
            plain, ascii_ = json.dumps(shown, ensure_ascii=False)[1:-1], json.dumps(shown)[1:-1]
            escaped = html.escape(shown)
            for spelling in (
                shown,
                escaped,
                html.escape(shown, quote=False),
                escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
                plain,
                ascii_,
                plain.translate(_FOR_SCRIPTS),
                ascii_.translate(_FOR_SCRIPTS),
                html.escape(ascii_),
                shown.replace('"', '""'),
            ):
                found.setdefault(spelling)
    encoded = [spelling.encode("utf-8", "surrogateescape") for spelling in found]
    return sorted(encoded, key=lambda each: (-len(each), each))


class _Elements(HTMLParser):
    """Spans of the elements with certain ids, outermost first."""

    def __init__(self, ids: set[str], starts: Sequence[int]) -> None:
        super().__init__(convert_charrefs=False)
        self.ids, self.starts = ids, starts
        self.spans: list[tuple[int, int]] = []
        self._open: tuple[str, int, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line, column = self.getpos()
        if self._open is None:
            if dict(attrs).get("id") in self.ids:
                self._open = (tag, self.starts[line - 1] + column, 1)
        elif self._open[0] == tag:
            self._open = (tag, self._open[1], self._open[2] + 1)

    def handle_endtag(self, tag: str) -> None:
        if self._open is None or self._open[0] != tag:
            return
        name, start, depth = self._open
        if depth > 1:
            self._open = (name, start, depth - 1)
            return
        line, column = self.getpos()
        self.spans.append((start, self.starts[line - 1] + column))
        self._open = None


def without_elements(page: str, ids: set[str], instead: str) -> str:
    """The page with the elements of these ids replaced, whatever is inside them."""
    starts = [0, *accumulate(len(line) + 1 for line in page.split("\n"))]
    parser = _Elements(ids, starts)
    parser.feed(page)
    parser.close()
    for start, end in reversed(parser.spans):
        close = page.index(">", end) + 1
        page = f"{page[:start]}{instead}{page[close:]}"
    return page


def shows(page: str, texts: Iterable[str]) -> bool:
    """Whether a page's words, without markup, hold a text or forty characters of it in a row."""
    words = _words(html.unescape(re.sub("<[^>]*>", "", page)))
    for text in texts:
        whole = _words(visible(text))
        if len(whole) < _SHORT:
            continue
        parts = [whole[at : at + _WINDOW] for at in range(0, max(1, len(whole) - _WINDOW + 1), _WINDOW)]
        if any(part and part in words for part in parts):
            return True
    return False


def _words(text: str) -> str:
    return " ".join(text.split())
