"""Markdown into blocks: where prose, headings, code and table rows begin and end.

Follows CommonMark 0.31 and GitHub's tables where an agent's answer is read as written; it is a scanner and
not a parser because spans must be exact characters of the raw text, and because its time must stay linear on
hostile text. In doubt a line is prose: code and headings are never checked, so nothing may hide in them by
accident (an open fence, a fence around prose).
"""

from __future__ import annotations

import itertools
import re
import sys
from dataclasses import dataclass
from typing import Literal

BlockKind = Literal["prose", "heading", "code", "table_header", "table_row", "front_matter"]


@dataclass(frozen=True, slots=True)
class Block:
    """text[start:end] without surrounding white space; never empty."""

    start: int
    end: int
    kind: BlockKind


PROSE_LANGUAGES = frozenset(
    {"markdown", "md", "text", "txt", "plaintext", "plain", "quote", "email", "letter"}
)
"""Info strings of fences whose content is read as prose."""

WRAP_WIDTH = 60
"""Characters: editors and mailers wrap at 65 to 80; shorter lines ended early were ended on purpose."""

_FRONT_MATTER_LINES = 60

_LINE = re.compile(r"[^\r\n]+")
_QUOTE = re.compile(r"[ \t]*>[> \t]*")
_ITEM = re.compile(
    r"[ \t]*(?:[-*+•‣◦▪●○–—·]|\d{1,3}[.)]|[a-z]\)|\([a-z0-9]{1,3}\)|[０-９]{1,2}[．、]|\d{1,2}、)"
    r"(?:[ \t\u3000]+|(?<=、))"
    r"(?:\[[ xX]\][ \t]+)?"
)
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([^`\r\n]*)\Z")
_SENTENCE_LIKE = re.compile(r"\s*[A-Z“\"]\S*(?:[ ,]+[A-Za-z'’-]+){3}.*[.!?:]['\"”)]?\s*\Z")
_KEY = re.compile(r"\s*(?:[\w.-]{1,60}\s*:|-\s|#)|\s+\S")
_FUNCTION_WORD = re.compile(
    r"(?:,|\b(?:a|an|and|as|at|by|for|from|in|is|of|on|or|that|the|to|was|which|with))\Z"
)


@dataclass(slots=True)
class _Line:
    start: int
    """First character after quotation marks."""
    text: str
    is_after_blank: bool
    is_quoted: bool

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def split(text: str) -> list[Block]:
    """Blocks of an answer, in order and apart; what lies between them is marks and white space.

    Block quotes are read without their marks (a sentence over several quoted lines keeps those inside it), a
    list item without its marker, a table row without its outer bars, a heading without its `#`.
    """
    return _Scanner(text).blocks()


class _Scanner:
    """One pass over the lines; `paragraph` holds the lines of prose that no other line has ended yet."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = _lines(text)
        self.fences = _fences(self.lines)
        self.finished: list[Block] = []
        self.paragraph: list[_Line] = []

    def blocks(self) -> list[Block]:
        place = self._front_matter()
        while place < len(self.lines):
            line = self.lines[place]
            if line.is_after_blank or (self.paragraph and self.paragraph[-1].is_quoted != line.is_quoted):
                self._flush()
            place = self._line(place, line) + 1
        self._flush()
        return self.finished

    def _line(self, place: int, line: _Line) -> int:
        """Takes in one line, and those after it that it begins a block with; the last one's place."""
        if place in self.fences:
            return self._code(place)
        if _is_delimiter_row(line.text) and self.paragraph and "|" in self.paragraph[-1].text:
            return self._table(place)
        if _is_rule(line.text):
            self._rule(line)
        elif heading := _HEADING.match(line.text):
            self._flush()
            content = line.text.rstrip().rstrip("#")
            self._add(line.start + heading.end(), line.start + len(content), "heading")
        elif _is_closed_row(line.text):
            self._flush()
            if place + 1 < len(self.lines) and _is_delimiter_row(self.lines[place + 1].text):
                self.paragraph.append(line)
            else:
                self._add_row(line, "table_row")
        elif _ITEM.match(line.text):
            self._flush()
            self.paragraph.append(_without_markers(line))
        else:
            self.paragraph.append(line)
        return place

    def _flush(self, kind: BlockKind = "prose") -> None:
        """Ends the paragraph: a block each for what belongs together."""
        lines = self.paragraph
        for first, last in _parts(lines) if kind == "prose" else [(0, len(lines) - 1)]:
            self._add(lines[first].start, lines[last].end, kind)
        lines.clear()

    def _front_matter(self) -> int:
        """Adds the front matter; the first line after it, 0 where there is none."""
        lines = self.lines
        if not lines or lines[0].start != 0 or lines[0].text.rstrip() not in ("---", "+++"):
            return 0
        mark = lines[0].text.rstrip()
        for place in range(1, min(len(lines), _FRONT_MATTER_LINES)):
            line = lines[place].text
            if line.rstrip() == mark and place > 1:
                self._add(0, lines[place].end, "front_matter")
                return place + 1
            if not (_KEY.match(line) or (mark == "+++" and "=" in line)):
                return 0
        return 0

    def _code(self, place: int) -> int:
        self._flush()
        last = self.fences[place]
        if last > place:
            self._add(self.lines[place].start, self.lines[last].end, "code")
        return last

    def _table(self, place: int) -> int:
        header = self.paragraph.pop()
        self._flush()
        self._add_row(header, "table_header")
        while place + 1 < len(self.lines) and _is_row(self.lines[place + 1]) and place + 1 not in self.fences:
            place += 1
            self._add_row(self.lines[place], "table_row")
        return place

    def _rule(self, line: _Line) -> None:
        """A thematic break, or the underline of a one-line heading."""
        title = self.paragraph[0].text if len(self.paragraph) == 1 else ""
        is_heading = (
            title
            and not title.rstrip().endswith((".", "!", "?", ":"))
            and line.text.strip()[0] in "=-"
            and len(title) <= 200
            and not _ITEM.match(title)
        )
        self._flush("heading" if is_heading else "prose")

    def _add(self, start: int, end: int, kind: BlockKind) -> None:
        piece = self.text[start:end]
        stripped = piece.strip()
        if stripped:
            left = start + len(piece) - len(piece.lstrip())
            self.finished.append(Block(left, left + len(stripped), kind))

    def _add_row(self, line: _Line, kind: BlockKind) -> None:
        left = len(line.text) - len(line.text.lstrip(" \t|"))
        right = len(line.text.rstrip().rstrip("| \t"))
        if right > left and not _is_delimiter_row(line.text):
            self._add(line.start + left, line.start + right, kind)


def _lines(text: str) -> list[_Line]:
    """Lines with something on them."""
    lines = []
    previous_end = 0
    for match in _LINE.finditer(text):
        content, start = match.group(), match.start()
        quote = _QUOTE.match(content)
        if quote:
            start, content = start + quote.end(), content[quote.end() :]
        if not content or content.isspace():
            continue
        gap = text[previous_end : match.start()].replace("\r\n", "\n").replace("\r", "\n")
        lines.append(_Line(start, content, gap.count("\n") > 1, quote is not None))
        previous_end = match.end()
    return lines


def _fences(lines: list[_Line]) -> dict[int, int]:
    """Line of a fence → last line of its code; → itself for a fence around prose, or one never closed."""
    marks = [(place, match) for place, line in enumerate(lines) if (match := _fence(line))]
    fences = {place: place for place, _ in marks}
    _pair(lines, marks, 0, len(marks), fences, is_nested=False)
    return fences


def _pair(
    lines: list[_Line],
    marks: list[tuple[int, re.Match[str]]],
    low: int,
    high: int,
    fences: dict[int, int],
    *,
    is_nested: bool,
) -> None:
    """Pairs the fences marks[low:high]; inside a fence around prose once more, and no deeper."""
    # A search that failed is not made again for as long a mark: this keeps the time linear.
    hopeless = {"`": sys.maxsize, "~": sys.maxsize}
    index = low
    while index < high:
        place, opening = marks[index]
        mark = opening.group(1)
        index += 1
        if len(mark) >= hopeless[mark[0]]:
            continue
        closing = next((i for i in range(index, high) if _closes(marks[i][1], mark)), None)
        if closing is None:
            hopeless[mark[0]] = len(mark)
            continue
        last = marks[closing][0]
        if not _is_prose(opening.group(2), lines[place + 1 : last]):
            fences[place] = last
        elif not is_nested:
            _pair(lines, marks, index, closing, fences, is_nested=True)
        index = closing + 1


def _fence(line: _Line) -> re.Match[str] | None:
    item = _ITEM.match(line.text)
    return _FENCE.match(line.text, item.end() if item else 0)


def _closes(fence: re.Match[str], mark: str) -> bool:
    return fence.group(1)[0] == mark[0] and len(fence.group(1)) >= len(mark) and not fence.group(2).strip()


def _is_prose(information: str, lines: list[_Line]) -> bool:
    """Whether a fence's content is prose: its info string says so, or there is none and it reads so."""
    if information.strip():
        return information.strip().lower() in PROSE_LANGUAGES
    return 2 * sum(_SENTENCE_LIKE.match(line.text[:400]) is not None for line in lines) > len(lines)


def _is_delimiter_row(line: str) -> bool:
    return "|" in line and "-" in line and not line.strip(" \t|:-")


def _is_closed_row(line: str) -> bool:
    """A row of a table with both outer bars, which needs no header to be one."""
    return line.lstrip().startswith("|") and line.rstrip().endswith("|") and len(line) > 2


def _without_markers(line: _Line) -> _Line:
    """A list item's text; a list may begin in an item: `- 1. text`."""
    position = 0
    while marker := _ITEM.match(line.text, position):
        position = marker.end()
    return _Line(line.start + position, line.text[position:], False, line.is_quoted)


def _is_row(line: _Line) -> bool:
    return "|" in line.text and not line.is_after_blank


def _is_rule(line: str) -> bool:
    """A thematic break, or the underline of a heading."""
    bare = line.replace(" ", "").replace("\t", "").rstrip()
    return len(bare) >= 3 and bare[0] in "-*_=─—" and bare == bare[0] * len(bare)


def _parts(paragraph: list[_Line]) -> list[tuple[int, int]]:
    """(first, last) of lines that belong together: wrapped for width they do, ended on purpose they do not.

    A line was wrapped if the next one's first word would not have fitted, or begins in lower case.
    """
    if not paragraph:
        return []
    width = max(len(line.text.rstrip()) for line in paragraph)
    parts = []
    first = 0
    for place, (line, following) in enumerate(itertools.pairwise(paragraph)):
        bare = line.text.rstrip()
        next_text = following.text.lstrip()
        word = len(next_text.split(maxsplit=1)[0]) if len(next_text) < 10_000 else 1
        is_wrapped = next_text[:1].islower() or (width >= WRAP_WIDTH and len(bare) + 1 + word > width)
        is_wrapped = is_wrapped or _FUNCTION_WORD.search(bare[-8:]) is not None
        if bare.endswith((":", "：")) or line.text.endswith(("  ", "\\")) or not is_wrapped:
            parts.append((first, place))
            first = place + 1
    return [*parts, (first, len(paragraph) - 1)]
