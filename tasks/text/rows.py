"""Tables and lists in plain text, told row by row: each row says what its values are, and where tables stand.

Belongs here: Markdown tables, rows of delimited values and lists under a heading. Does not belong here:
tables of documents, which are told so when they are read (`evidence/document_text.py`), or what follows
from a row.

A row stays one line, and the lines stay as many, so that a row of the result is found again in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import polars as pl

from tasks.text import quantities

_CANDIDATE = (
    r"\n\s*(?:[-*•] |\|)|[^\n|]\|[^\n]*\n|\t[^\n]*\n|\n\s*\d{1,2}[.)] |\n[^\n:]{1,40}: |"
    r"\n[^\n,;]+[,;][^\n ,;]+[,;]?[^\n]*(?:\n|$)"
)
"""Quick look for a text that may hold a table or list at all: most do not."""
_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_ITEM = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+(?=\S)")
_PAIR = re.compile(r"^[^\s:][^:.!?]{0,39}: \S")
_UNIT = re.compile(r"[(\[]([^\s()\[\]]{1,12})[)\]]\s*$|\bin (\S{1,12})$|^(\S{1,12})$")
_NUMBER = re.compile(r"^\d[\d.,]*$")
ROW = r"^[^:;]{1,80}: [^:;]{1,80}; .*"
"""A row of a table as it is told."""
_LINE = (
    r"^(?:\d{1,2}[.)] |[-*•] )?(?:\p{L}[\p{L}'’-]* ?){1,4}[:–—-]? ?"
    r"[$€£]?\d[\d.,:]*(?: ?[\p{L}%°€]{1,8})?[.;]?$"
)
"""A line of a list that gives one value for one name: "Ferrara 3:18"."""
ANY_ROW = rf"{ROW}|{_LINE}"
"""Rows beside each other are alike, whatever words they have."""
LONGEST_CELL = 80
"""Characters of a cell or heading; what is longer is prose."""
MOST_COLUMNS = 50
_DELIMITERS = ("\t", "|", ";", ",")
_TOLD = re.compile(ROW)


@dataclass(frozen=True)
class Table:
    """A table in a text: its header, empty where each row names its values, and the first characters of its
    rows; `end` is the character behind the last."""

    header: str
    rows: tuple[int, ...]
    end: int


def tables(text: str) -> list[Table]:
    """The tables of a text, in order."""
    if "\n" not in text:
        return []
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    found, at = [], 0
    while at < len(lines):
        bounds = _bounds(lines, at)
        first, end = bounds[:2] if bounds else (at, _behind_rows(lines, at))
        if end - first > (0 if bounds else 1):
            header = "\n".join(line for line in lines[at:first] if line.strip())
            found.append(Table(header, tuple(starts[first:end]), starts[end] - 1))
        at = max(end, at + 1)
    return found


def _behind_rows(lines: Sequence[str], at: int) -> int:
    """The line behind rows that say by themselves what their values are."""
    while at < len(lines) and _TOLD.match(lines[at]):
        at += 1
    return at


def told(texts: pl.Series) -> pl.Series:
    """The texts, with every row of a table as `column: value; column: value` and every item of a list under a
    heading as `heading: item`. A text without either is as it was.
    """
    texts = texts.cast(pl.String).fill_null("")
    candidates = texts.str.contains(_CANDIDATE)
    if not candidates.any():
        return texts
    few = texts.filter(candidates).unique()
    changed = pl.DataFrame(
        {"text": few, "told": [_told(text) for text in few]}, schema_overrides={"told": pl.String}
    )
    joined = texts.alias("text").to_frame().join(changed, on="text", how="left", maintain_order="left")
    return joined.select(pl.coalesce("told", "text").alias(texts.name)).to_series()


def _told(text: str) -> str:
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        at = _table(lines, at) or _list(lines, at) or at + 1
    return "\n".join(lines)


def _table(lines: list[str], at: int) -> int:
    """Tells the table that begins at a line; the line behind it, 0 where none begins."""
    bounds = _bounds(lines, at)
    if bounds is None:
        return 0
    first, end, delimiter = bounds
    names = _cells(lines[at], delimiter)
    lines[at:first] = ["; ".join(names), *[""] * (first - at - 1)]
    _name(lines, first, end, delimiter, names)
    return end


def _bounds(lines: Sequence[str], at: int) -> tuple[int, int, str] | None:
    """(first row, line behind the last, delimiter) of the table whose header a line is; None for others."""
    if at + 1 < len(lines) and "|" in lines[at] and _RULE.match(lines[at + 1]) is not None:
        end = at + 2
        while end < len(lines) and "|" in lines[end]:
            end += 1
        return at + 2, end, "|"
    for delimiter in _DELIMITERS:
        if delimiter in lines[at] and (end := _delimited(lines, at, delimiter)):
            return at + 1, end, delimiter
    return None


def _delimited(lines: Sequence[str], at: int, delimiter: str) -> int:
    """The line behind rows of as many short cells as their header has; 0 where the lines are prose."""
    names = _cells(lines[at], delimiter)
    if not _is_header(names, lines[at], delimiter):
        return 0
    # Two columns are told from prose by the numbers of the second.
    is_pair = delimiter == "," and len(names) == 2
    end = at + 1
    while end < len(lines):
        cells = _cells(lines[end], delimiter)
        if len(cells) != len(names) or max(map(len, cells)) > LONGEST_CELL:
            break
        if delimiter == "," and ", " in lines[end]:
            break
        if is_pair and _NUMBER.match(cells[1]) is None:
            break
        end += 1
    return end if end > at + (2 if is_pair else 1) else 0


def _is_header(names: Sequence[str], line: str, delimiter: str) -> bool:
    """A comma needs no space behind it, or prose would be a table."""
    return (
        2 <= len(names) <= MOST_COLUMNS
        and all(names)
        and max(map(len, names)) <= LONGEST_CELL
        and not any(any(c.isdigit() for c in name) for name in names)
        and not line.rstrip().endswith((".", "!", "?"))
        and not (delimiter == "," and ", " in line)
    )


def _cells(line: str, delimiter: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|") if delimiter == "|" else line.strip("\r ")
    return [cell.strip().strip('"*_`') for cell in inner.split(delimiter)]


def _name(lines: list[str], start: int, end: int, delimiter: str, names: Sequence[str]) -> None:
    for at in range(start, end):
        cells = _cells(lines[at], delimiter)
        pairs = [
            f"{names[place]}: {_with_unit(cell, names[place])}"
            if place < len(names) and names[place]
            else cell
            for place, cell in enumerate(cells)
            if cell
        ]
        lines[at] = "; ".join(pairs)


def _with_unit(cell: str, name: str) -> str:
    """A bare number with the unit that its column is named by: "Weight (kg)", "price in euros", "hours"."""
    unit = _UNIT.search(name)
    if unit is None or _NUMBER.match(cell) is None:
        return cell
    word = next(filter(None, unit.groups()))
    known = word.lower().removesuffix("s") in quantities.UNITS or word.lower() in quantities.UNITS
    # "Year" says which year it was, "years" how many.
    counts = word.lower() not in ("year", "month", "week", "day", "hour", "second")
    return f"{cell} {word}" if (known and counts) or word in "%€£$" else cell


def _list(lines: list[str], at: int) -> int:
    """Puts a heading before each item below it; the line behind the list, 0 where none begins."""
    heading = lines[at].strip().strip("#*_ ").rstrip(":").strip()
    is_heading = heading and len(heading) <= LONGEST_CELL and not heading.endswith((".", "!", "?", ";", ","))
    if not is_heading or _ITEM.match(lines[at]) or _PAIR.match(lines[at].strip()):
        return 0
    first = at + 1
    while first < len(lines) and first <= at + 2 and not lines[first].strip():
        first += 1
    end = first
    while end < len(lines) and (_ITEM.match(lines[end]) or _PAIR.match(lines[end].strip())):
        lines[end] = f"{heading}: {_ITEM.sub('', lines[end]).strip()}"
        end += 1
    return end if end > first else 0
