"""Door to office formats: the visible text of DOCX, PPTX and XLSX, tables as `column: value` lines.

They are zip archives of XML: how much they unpack to is checked before anything is unpacked, documents with
a DTD are refused, links are not followed, and macros are never looked at. The libraries come with the extra
`office`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from tasks.evidence.document_text import Cell, DocumentText, table_lines, tidy, visible_length
from tasks.files import workbooks
from tasks.files.refusal import Refusal, shown

if TYPE_CHECKING:
    from docx.document import Document
    from lxml.etree import _Element
    from pptx.shapes.base import BaseShape

    from tasks.files.workbooks import SheetCell, Worksheet

_MOST_PARTS = 20_000
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SMALLEST_HALF_POINTS = 4
_BREAKS = {f"{_WORD}tab": " ", f"{_WORD}br": "\n", f"{_WORD}cr": "\n", f"{_WORD}noBreakHyphen": "-"}


def read(suffix: str, data: bytes, *, most_bytes: int) -> DocumentText:
    """Visible text of a document that unpacks to no more than `most_bytes`.

    Raises:
        Refusal: it is damaged, encrypted, unpacks to more, or the extra `office` is not installed.
    """
    _check(data, most_bytes)
    readers = {".docx": _docx, ".pptx": _pptx, ".xlsx": _xlsx}
    try:
        lines, hidden, surroundings = readers[suffix](data)
    except ImportError:
        what = "reading it needs the extra `office`: pip install 'claimledger[office]'"
        raise Refusal("extra", what) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged archives raise anything, from KeyError to XMLSyntaxError
        reason = f"damaged, or not a {suffix} document ({shown(str(error) or type(error).__name__, 80)})"
        raise Refusal("damaged", reason) from None
    text = "\n".join(line for line in map(tidy, lines) if line)
    if not text:
        raise Refusal("empty", "the document has no visible text")
    return DocumentText(text, hidden, surroundings)


def _check(data: bytes, most_bytes: int) -> None:
    """Refuses what is not an archive of XML, or one made to hurt."""
    if data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise Refusal("encrypted", "encrypted, or in the format before 2007; save a copy without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            size = sum(part.file_size for part in parts)
            if size > most_bytes or len(parts) > _MOST_PARTS:
                unpacked = f"unpacks to {size} bytes in {len(parts)} parts"
                raise Refusal("size", f"{unpacked}, at most {most_bytes} in {_MOST_PARTS} are allowed")
            if len({part.filename for part in parts}) < len(parts):
                raise Refusal("damaged", "two parts of the archive have the same name")
            for part in parts:
                if not part.filename.lower().endswith((".xml", ".rels")):
                    continue
                with archive.open(part) as stream:
                    if b"<!DOCTYPE" in stream.read(4096):
                        raise Refusal(
                            "dtd",
                            f"a part has a DTD ({part.filename!r}), which an office document may not have",
                        )
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        raise Refusal("damaged", "damaged, or not an office document") from None


Found = tuple[list[str], int, int]
"""Lines, hidden characters, characters of surroundings."""


def _docx(data: bytes) -> Found:
    from docx import Document
    from docx.oxml import parse_xml

    document = Document(io.BytesIO(data))
    body = _Body(frozenset(_hidden_styles(document)))
    lines = list(body.lines(document.element.body))
    for part in document.part.package.iter_parts():
        if str(part.partname).lower() in ("/word/footnotes.xml", "/word/endnotes.xml"):
            lines += body.lines(parse_xml(part.blob))
    surroundings = {
        element.text
        for section in document.sections
        for place in (section.header, section.footer)
        for element in place._element.iter(f"{_WORD}t")
        if element.text
    }
    return lines, body.hidden, sum(map(visible_length, surroundings))


def _hidden_styles(document: Document) -> Iterator[str]:
    for style in document.styles.element.iter(f"{_WORD}style"):
        if _is_on(style.find(f"{_WORD}rPr/{_WORD}vanish")):
            yield style.get(f"{_WORD}styleId", "")


def _is_on(flag: _Element | None) -> bool:
    return flag is not None and flag.get(f"{_WORD}val", "true").lower() not in ("0", "false", "off")


class _Body:
    """Paragraphs and tables of a Word document; counts what is hidden or deleted."""

    def __init__(self, hidden_styles: frozenset[str]) -> None:
        self.hidden = 0
        self._styles = hidden_styles

    def lines(self, parent: _Element) -> Iterator[str]:
        """A line a paragraph or a table's row, in the document's order."""
        waiting = list(reversed(parent))
        while waiting:
            element = waiting.pop()
            if element.tag == f"{_WORD}p":
                yield self._paragraph(element)
            elif element.tag == f"{_WORD}tbl":
                yield from table_lines(self._rows(element))
            elif isinstance(element.tag, str):  # content controls and the like hold paragraphs
                waiting.extend(reversed(element))

    def _rows(self, table: _Element) -> list[list[Cell]]:
        look = table.find(f"{_WORD}tblPr/{_WORD}tblLook")
        has_head = look is not None and (
            look.get(f"{_WORD}firstRow") == "1" or _bit(look.get(f"{_WORD}val"), 0x20)
        )
        rows = []
        for number, row in enumerate(table.iterchildren(f"{_WORD}tr")):
            is_head = (number == 0 and has_head) or _is_on(row.find(f"{_WORD}trPr/{_WORD}tblHeader"))
            cells = []
            for cell in row.iterchildren(f"{_WORD}tc"):
                span = cell.find(f"{_WORD}tcPr/{_WORD}gridSpan")
                columns = int(span.get(f"{_WORD}val", "1")) if span is not None else 1
                text = " ".join(self._paragraph(paragraph) for paragraph in cell.iter(f"{_WORD}p"))
                cells.append(Cell(tidy(text).replace("\n", " "), is_head, columns))
            rows.append(cells)
        return rows

    def _paragraph(self, paragraph: _Element) -> str:
        style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
        is_hidden = style is not None and style.get(f"{_WORD}val") in self._styles
        parts = []
        for run in paragraph.iter(f"{_WORD}r"):
            texts = [_BREAKS.get(piece.tag) or piece.text or "" for piece in run if _is_text(piece)]
            around = {ancestor.tag for ancestor in run.iterancestors()}
            if _FALLBACK in around:
                continue  # what stands before it says the same
            if (
                is_hidden
                or f"{_WORD}del" in around
                or f"{_WORD}moveFrom" in around
                or self._is_hidden(run, around)
            ):
                self.hidden += sum(map(visible_length, texts))
            else:
                parts += texts
        return "".join(parts)

    def _is_hidden(self, run: _Element, around: set[str]) -> bool:
        look = run.find(f"{_WORD}rPr")
        if look is None:
            return False
        style, size = look.find(f"{_WORD}rStyle"), look.find(f"{_WORD}sz")
        if style is not None and style.get(f"{_WORD}val") in self._styles:
            return True
        if any(_is_on(look.find(f"{_WORD}{name}")) for name in ("vanish", "strike", "dstrike")):
            return True
        if size is not None and int(float(size.get(f"{_WORD}val", "20"))) < _SMALLEST_HALF_POINTS:
            return True
        color = look.find(f"{_WORD}color")
        is_painted = look.find(f"{_WORD}shd") is not None or look.find(f"{_WORD}highlight") is not None
        is_white = color is not None and color.get(f"{_WORD}val", "").upper() == "FFFFFF"
        return is_white and not is_painted and f"{_WORD}tbl" not in around


def _bit(value: str | None, mask: int) -> bool:
    try:
        return bool(int(value or "0", 16) & mask)
    except ValueError:
        return False


def _is_text(piece: _Element) -> bool:
    return piece.tag in (f"{_WORD}t", f"{_WORD}delText") or piece.tag in _BREAKS


def _pptx(data: bytes) -> Found:
    from pptx import Presentation

    lines: list[str] = []
    hidden = surroundings = 0
    for slide in Presentation(io.BytesIO(data)).slides:
        seen: list[str] = []
        for shape, is_hidden, surrounds in _shapes(slide.shapes):
            texts = list(_shape_lines(shape))
            if is_hidden:
                hidden += sum(map(visible_length, texts))
            elif surrounds:
                surroundings += sum(map(visible_length, texts))
            else:
                seen += texts
        if slide._element.get("show") in ("0", "false"):
            hidden += sum(map(visible_length, seen))
        else:
            lines += seen
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            hidden += visible_length(slide.notes_slide.notes_text_frame.text)
    return lines, hidden, surroundings


def _shapes(shapes: Iterable[BaseShape]) -> Iterator[tuple[BaseShape, bool, bool]]:
    """Every shape, those in groups too: is it hidden, is it a footer, a date or a number of the slide."""
    from pptx.enum.shapes import PP_PLACEHOLDER

    repeated = (PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.SLIDE_NUMBER)
    waiting = [(shape, False) for shape in reversed(list(shapes))]
    while waiting:
        shape, is_hidden = waiting.pop()
        own = shape._element.xpath("./*/p:cNvPr/@hidden")
        is_hidden = is_hidden or bool(own and own[0] in ("1", "true"))
        members = getattr(shape, "shapes", None)
        if members is not None:
            waiting += [(member, is_hidden) for member in reversed(list(members))]
            continue
        yield shape, is_hidden, shape.is_placeholder and shape.placeholder_format.type in repeated


def _shape_lines(shape: BaseShape) -> Iterator[str]:
    frame = getattr(shape, "text_frame", None) if shape.has_text_frame else None
    if frame is not None:
        yield from (paragraph.text.replace("\v", "\n") for paragraph in frame.paragraphs)
    table = getattr(shape, "table", None) if getattr(shape, "has_table", False) else None
    if table is not None:
        yield from table_lines(
            [
                [
                    Cell(tidy(cell.text).replace("\n", " "), number == 0 and table.first_row)
                    for cell in row.cells
                ]
                for number, row in enumerate(table.rows)
            ]
        )


def _xlsx(data: bytes) -> Found:
    book = workbooks.opened(data)
    lines: list[str] = []
    hidden = 0
    visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    for sheet in book.worksheets:
        shown, unseen = _cells(sheet)
        hidden += unseen
        if sheet in visible:
            lines += [sheet.title] if len(visible) > 1 and shown else []
            for region in _regions(shown):
                lines += _lines(region)
        else:
            hidden += sum(visible_length(text) for row in shown.values() for text, _ in row.values())
    return lines, hidden, 0


Row = dict[int, tuple[str, bool]]
"""Text of each column's cell, and whether it is words rather than a number."""


def _cells(sheet: Worksheet) -> tuple[dict[int, Row], int]:
    """Rows by number, and the characters of hidden rows and columns.

    Only cells that are there: one cell in the last row must not cost a million empty rows.
    """
    hidden_rows = {number for number, row in sheet.row_dimensions.items() if row.hidden}
    hidden_columns: set[int] = set()
    for letter, column in sheet.column_dimensions.items():
        if column.hidden:
            first = column.min or 0
            hidden_columns.update(range(first, min(column.max or first, 20_000) + 1))
            hidden_columns.update(n for n in [first] if workbooks.letter(max(n, 1)) == letter)
    rows: dict[int, Row] = {}
    hidden = 0
    for (number, place), cell in sorted(sheet._cells.items()):
        text = _shown(cell)
        if not text:
            continue
        if number in hidden_rows or place in hidden_columns:
            hidden += visible_length(text)
        else:
            rows.setdefault(number, {})[place] = (text, isinstance(cell.value, str))
    return rows, hidden


def _shown(cell: SheetCell) -> str:
    """A cell's value nearly as the program shows it: percentages as such, times in ISO 8601."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return f"{value * 100:.10g}%" if "%" in (cell.number_format or "") else f"{value:.15g}"
    return tidy(str(value)).replace("\n", " ")


def _regions(rows: dict[int, Row]) -> Iterator[list[Row]]:
    """Tables of a sheet: an empty row ends one."""
    region: list[Row] = []
    before = 0
    for number, row in rows.items():
        if region and number > before + 1:
            yield region
            region = []
        region.append(row)
        before = number
    if region:
        yield region


def _lines(region: list[Row]) -> list[str]:
    """Titles, which are rows of one cell, then a line a row; a first row of words names the columns."""
    titles = next((i for i, row in enumerate(region) if len(row) > 1), len(region))
    head = region[titles : titles + 1]
    is_head = len(region) > titles + 1 and all(is_words for row in head for _, is_words in row.values())
    first = min(min(row) for row in region)
    lines = [text for row in region[:titles] for text, _ in row.values()]
    cells = []
    for number, row in enumerate(region[titles:]):
        places = range(first, max(row) + 1)
        cells.append([Cell(row[p][0] if p in row else "", is_head and number == 0) for p in places])
    return lines + table_lines(cells)
