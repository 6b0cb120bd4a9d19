"""What the readers of all formats share: a document's text, what was left out of it, its tables as lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.files.refusal import Refusal

MOST_COLUMNS = 1_000
"""Cells of a row beyond this are left out, and no cell spans more."""


@dataclass(frozen=True)
class DocumentText:
    """A document's visible main text, and how many characters were left out of it, white space aside."""

    text: str
    hidden: int = 0
    """Characters that no reader sees, or that are struck out."""
    surroundings: int = 0
    """Characters of navigation, footers, banners, buttons: visible, and not what the document says."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table; `columns` and `rows` are what it spans."""

    text: str
    is_header: bool = False
    columns: int = 1
    rows: int = 1


def decode(data: bytes) -> str:
    """Text of a file in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        Refusal: it is in another encoding, or no text.
    """
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raw = data[max(0, error.start - 20) : error.start + 20].decode("utf-8", "backslashreplace")
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise Refusal("encoding", f"not {name} text at byte {error.start}", raw) from None
    if "\0" in text:
        raise Refusal("binary", f"a NUL character at {text.index(chr(0))}: binary data, not text")
    return text


def tidy(text: str) -> str:
    """One space for every run of blanks, one line break for every run of empty lines."""
    # The blank between two words, by far the most frequent, needs no replacing.
    return re.sub(r" ?\n[ \n]*", "\n", re.sub(r"[^\S\n]{2,}|[^\S\n ]", " ", text)).strip()


def visible_length(text: str) -> int:
    """Characters that are not white space."""
    return len("".join(text.split()))


def table_lines(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """A line a row: `column: value; column: value`, so that a row says by itself what its values are.

    The first rows that hold nothing but header cells name the columns, one below the other as `2025 / May`.
    Without such rows, header cells at a row's beginning are its label: `label: value; value`.
    """
    grid = list(_spread(rows))
    head = next((i for i, row in enumerate(grid) if not all(cell.is_header for cell in row)), len(grid))
    if head == len(grid):
        head = 0
    names = _names(grid[:head])
    return [line for row in grid[head:] if (line := _line(row, names))]


def _names(head: Sequence[Sequence[Cell]]) -> list[str]:
    width = max(map(len, head), default=0)
    columns = ([row[j].text for row in head if j < len(row) and row[j].text] for j in range(width))
    return [" / ".join(dict.fromkeys(texts)) for texts in columns]


def _line(row: Sequence[Cell], names: Sequence[str]) -> str:
    label = ""
    if not names and len(row) > 1 and row[0].is_header and row[0].text:
        label, row = f"{row[0].text}: ", row[1:]
    if len(row) > 1 and len({id(cell) for cell in row}) == 1:
        # One cell over the whole row is a heading of the rows below it.
        return label + row[0].text
    values = []
    for j, cell in enumerate(row):
        if not cell.text or (j and row[j - 1] is cell):
            continue
        name = names[j] if j < len(names) else ""
        values.append(f"{name}: {cell.text}" if name else cell.text)
    return label + "; ".join(values)


def _spread(rows: Sequence[Sequence[Cell]]) -> Iterator[list[Cell]]:
    """Rows with every cell in each column and row that it spans; spans that would swell the table are cut."""
    left = 10_000 + 4 * sum(map(len, rows))
    above: dict[int, tuple[Cell, int]] = {}
    for row in rows:
        spread: list[Cell] = []
        for cell in row:
            _hang(spread, above)
            width = max(1, min(cell.columns, MOST_COLUMNS, left))
            height = max(1, min(cell.rows, len(rows), left // width))
            left -= width * height
            for _ in range(width):
                if height > 1:
                    above[len(spread)] = (cell, height - 1)
                spread.append(cell)
        _hang(spread, above)
        if spread:
            yield spread[:MOST_COLUMNS]


def _hang(row: list[Cell], above: dict[int, tuple[Cell, int]]) -> None:
    """Puts cells that reach down from rows above into the next columns."""
    while (column := len(row)) in above:
        cell, height = above.pop(column)
        if height > 1:
            above[column] = (cell, height - 1)
        row.append(cell)
