"""Door to openpyxl: workbooks of spreadsheet programs (XLSX), read and written as cells of text.

A workbook is a zip archive of XML: how much it unpacks to is checked before anything is unpacked. Formulas
are never computed; what is written is text that no program takes for a formula, a number or a date.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from tasks.visible import visible

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell as SheetCell
    from openpyxl.workbook.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

__all__ = [
    "SheetCell",
    "Table",
    "Workbook",
    "WorkbookError",
    "Worksheet",
    "is_workbook",
    "opened",
    "table",
    "write",
]

MOST_BYTES = 512 << 20
"""Unpacked; a sheet of a hundred thousand lines of text is a quarter of it."""
_MOST_PARTS, _MOST_COLUMNS = 20_000, 500
_NARROW, _WIDE = 16, 48
"""Widths of columns, in characters."""


class WorkbookError(ValueError):
    """The bytes are no workbook that can be read."""


@dataclass(frozen=True)
class Table:
    """The first sheet of a workbook, as texts."""

    rows: list[tuple[int, list[str]]]
    """Line, from 1, and its cells; lines without any are left out."""
    merged: frozenset[int]
    """Lines, from 1, some cell of which is one with a cell of another line."""

    @property
    def names(self) -> list[str]:
        """Cells of the first line."""
        return self.rows[0][1] if self.rows else []

    @property
    def whole(self) -> list[tuple[int, list[str]]]:
        """The lines below the first of which each cell is one line's own."""
        return [(line, cells) for line, cells in self.rows[1:] if line not in self.merged]

    @property
    def refused(self) -> list[tuple[int, str]]:
        """The others, each with the reason."""
        reason = "one of its cells is merged with a cell of another line; unmerge them"
        return [(line, reason) for line, _ in self.rows[1:] if line in self.merged]


def is_workbook(data: bytes) -> bool:
    """By its first bytes, whatever its name says."""
    return data.startswith(b"PK\x03\x04")


def opened(data: bytes, *, values: bool = True) -> Workbook:
    """The workbook, with the last results of its formulas, or with the formulas themselves.

    Raises:
        ImportError: openpyxl is not installed.
    """
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(data), data_only=values, keep_links=False)


def letter(column: int) -> str:
    """What spreadsheet programs call a column, from 1."""
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(column))


def table(data: bytes) -> Table:
    """The first sheet as texts; a formula is its own text.

    Raises:
        WorkbookError: it is damaged, encrypted, unpacks to too much, or openpyxl is not installed.
    """
    sheet = _checked(data).worksheets[0]
    # Only cells that are there: one cell in the last row must not cost a million empty rows.
    lines: dict[int, dict[int, str]] = {}
    for (line, column), cell in sheet._cells.items():
        if column <= _MOST_COLUMNS and (text := _text(cell.value)):
            lines.setdefault(line, {})[column] = text
    rows = [
        (line, [cells.get(column, "") for column in range(1, max(cells) + 1)])
        for line, cells in sorted(lines.items())
    ]
    merged = {
        line
        for ranges in sheet.merged_cells.ranges
        if ranges.max_row > ranges.min_row
        for line in range(ranges.min_row, ranges.max_row + 1)
        if line in lines or line <= max(lines, default=0)
    }
    return Table(rows, frozenset(merged))


def write(
    header: Sequence[str], rows: Sequence[Sequence[str]], choices: Mapping[str, Sequence[str]]
) -> bytes:
    """A workbook with one sheet, every cell of which is text.

    Args:
        choices: by column, the words that a spreadsheet program offers for its cells.

    Raises:
        WorkbookError: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Alignment, Font
        from openpyxl.worksheet.datavalidation import DataValidation
    except ImportError:
        raise WorkbookError(_MISSING) from None
    book = Workbook()
    sheet = book.active
    for line, cells in enumerate((header, *rows), 1):
        for column, text in enumerate(cells, 1):
            cell = sheet.cell(line, column)
            cell.value = visible(text)
            # Text, also where it begins like a formula, and also after somebody has edited the cell.
            cell.data_type, cell.number_format, cell.quotePrefix = "s", "@", True
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if line == 1:
                cell.font = Font(bold=True)
    longest = [max((len(row[at]) for row in rows), default=0) for at in range(len(header))]
    for at, name in enumerate(header):
        sheet.column_dimensions[letter(at + 1)].width = _WIDE if longest[at] > _WIDE else _NARROW
        if name in choices and rows:
            offered = DataValidation("list", formula1=f'"{",".join(choices[name])}"', allow_blank=True)
            offered.add(f"{letter(at + 1)}2:{letter(at + 1)}{len(rows) + 1}")
            sheet.add_data_validation(offered)
    sheet.freeze_panes = "A2"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def with_texts(data: bytes, changes: dict[tuple[int, int], str]) -> bytes:
    """The workbook with other texts in some cells of its first sheet, by line and column from 1."""
    book = _checked(data)
    for (line, column), text in changes.items():
        book.worksheets[0].cell(line, column).value = text
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


_MISSING = "XLSX needs the extra `office`: pip install 'claimledger[office]'; or use CSV"


def _checked(data: bytes) -> Workbook:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) <= MOST_BYTES and any(map(_has_dtd(archive), parts)):
                raise WorkbookError("a part of it has a DTD, which a workbook may not have")
        if sum(part.file_size for part in parts) > MOST_BYTES or len(parts) > _MOST_PARTS:
            raise WorkbookError(f"it unpacks to more than {MOST_BYTES >> 20} MiB")
        book = opened(data, values=False)
    except ImportError:
        raise WorkbookError(_MISSING) from None
    except (WorkbookError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - damaged archives raise anything, from KeyError to XMLSyntaxError
        raise WorkbookError("it is damaged or not an XLSX file; save it again without a password") from None
    if not book.worksheets:
        raise WorkbookError("it has no sheet with cells")
    return book


def _has_dtd(archive: zipfile.ZipFile) -> Callable[[zipfile.ZipInfo], bool]:
    def looks(part: zipfile.ZipInfo) -> bool:
        if not part.filename.lower().endswith((".xml", ".rels")):
            return False
        with archive.open(part) as stream:
            return b"<!DOCTYPE" in stream.read(4096)

    return looks


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
