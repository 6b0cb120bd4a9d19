"""Office documents: what a reader sees of them, tables as lines, and archives made to hurt refused."""

from __future__ import annotations

import io
from datetime import date

import docx
import openpyxl
import pptx
import pytest
from pptx.util import Inches

from tasks.evidence import office_text
from tasks.evidence.document_text import DocumentText
from tasks.files.refusal import Refusal
from tests.support.documents import archive


def read(suffix: str, document: object) -> DocumentText:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]
    return office_text.read(suffix, stream.getvalue(), most_bytes=2**26)


def refused(suffix: str, data: bytes, most_bytes: int = 2**26) -> str:
    with pytest.raises(Refusal) as caught:
        office_text.read(suffix, data, most_bytes=most_bytes)
    return caught.value.check


def test_a_word_document_gives_paragraphs_and_tables_in_order() -> None:
    document = docx.Document()
    document.add_heading("Terms", 1)
    document.add_paragraph("The warranty lasts 24 months.")
    table = document.add_table(2, 2)
    for cell, text in zip(
        [*table.rows[0].cells, *table.rows[1].cells], ["Model", "Price", "A1", "10"], strict=True
    ):
        cell.text = text
    document.add_paragraph("End.")
    document.sections[0].footer.paragraphs[0].text = "Confidential"
    done = read(".docx", document)
    assert done.text == "Terms\nThe warranty lasts 24 months.\nModel: A1; Price: 10\nEnd."
    assert done.surroundings == len("Confidential")


def test_hidden_struck_and_white_runs_of_a_word_document_are_counted_and_left_out() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("Seen. ")
    paragraph.add_run("vanished").font.hidden = True
    paragraph.add_run("struck").font.strike = True
    paragraph.add_run("white").font.color.rgb = docx.shared.RGBColor(255, 255, 255)
    paragraph.add_run("Also seen.")
    assert read(".docx", document) == DocumentText("Seen. Also seen.", hidden=19)


def test_slides_give_their_text_and_hidden_slides_and_notes_are_counted() -> None:
    deck = pptx.Presentation()
    for title in ("One", "Two"):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = title
    table = deck.slides[0].shapes.add_table(2, 2, Inches(1), Inches(1), Inches(3), Inches(1)).table
    for place, text in enumerate(["Model", "Price", "A1", "10"]):
        table.cell(place // 2, place % 2).text = text
    deck.slides[0].notes_slide.notes_text_frame.text = "note"
    deck.slides[1]._element.set("show", "0")
    assert read(".pptx", deck) == DocumentText("One\nModel: A1; Price: 10", hidden=len("Two" + "note"))


def test_sheets_give_a_line_a_row_and_hidden_sheets_rows_and_columns_are_counted() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Prices of 2026"])
    sheet.append(["Model", "Price", "Since", "Share", "Secret"])
    sheet.append(["A1", 10.5, date(2026, 5, 1), 0.24, "abc"])
    sheet.append(["B2", 20, None, None, None])
    sheet["D3"].number_format = "0%"
    sheet.row_dimensions[4].hidden = True
    sheet.column_dimensions["E"].hidden = True
    hidden = book.create_sheet("Old")
    hidden.sheet_state = "hidden"
    hidden["A1"] = "old"
    done = read(".xlsx", book)
    assert done.text == "Prices of 2026\nModel: A1; Price: 10.5; Since: 2026-05-01; Share: 24%"
    assert done.hidden == len("B2" + "20" + "Secret" + "abc" + "old")


def test_a_cell_in_the_last_row_costs_one_cell() -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "first"
    book.active["XFD1048576"] = "last"
    assert read(".xlsx", book).text == "first\nlast"


def test_archives_made_to_hurt_are_refused() -> None:
    assert refused(".docx", b"no archive") == "damaged"
    assert refused(".docx", archive(word__document_xml=b"<a/>")) == "damaged"
    assert refused(".xlsx", archive(a_xml=b" " * 2**20), most_bytes=2**10) == "size"
    assert refused(".pptx", archive(a_xml=b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")) == "dtd"
    assert refused(".docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100) == "encrypted"
    assert refused(".docx", archive()) == "damaged"
