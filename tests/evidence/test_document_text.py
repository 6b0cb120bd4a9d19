"""What all formats share: tables as lines that say by themselves what their values are, and tidy text."""

from __future__ import annotations

import time

import pytest

from tasks.evidence.document_text import Cell, decode, table_lines, tidy, visible_length
from tasks.files.refusal import Refusal


def head(*names: str) -> list[Cell]:
    return [Cell(name, is_header=True) for name in names]


def row(*values: str) -> list[Cell]:
    return [Cell(value) for value in values]


def test_a_row_says_of_each_value_which_column_it_is_in() -> None:
    lines = table_lines([head("Model", "Price"), row("A1", "10 EUR"), row("B2", "20 EUR")])
    assert lines == ["Model: A1; Price: 10 EUR", "Model: B2; Price: 20 EUR"]


def test_an_empty_value_is_left_out_with_its_name() -> None:
    assert table_lines([head("Model", "Price", "Stock"), row("A1", "", "3")]) == ["Model: A1; Stock: 3"]


def test_two_rows_of_headers_name_a_column_together() -> None:
    top = [Cell("", is_header=True, rows=2), Cell("2025", is_header=True, columns=2)]
    lines = table_lines([top, head("May", "June"), row("Sales", "7", "8")])
    assert lines == ["Sales; 2025 / May: 7; 2025 / June: 8"]


def test_headers_of_rows_are_their_labels_where_no_row_names_the_columns() -> None:
    label = Cell("Warranty", is_header=True)
    assert table_lines([[label, Cell("24 months"), Cell("EU")]]) == ["Warranty: 24 months; EU"]


def test_a_cell_that_spans_rows_belongs_to_each_of_them() -> None:
    lines = table_lines([head("Site", "Plant"), [Cell("Harwick", rows=2), Cell("A")], row("B")])
    assert lines == ["Site: Harwick; Plant: A", "Site: Harwick; Plant: B"]


def test_a_cell_over_the_whole_row_is_a_heading() -> None:
    lines = table_lines([head("Model", "Price"), [Cell("Pumps", columns=2)], row("A1", "10")])
    assert lines == ["Pumps", "Model: A1; Price: 10"]


def test_without_any_header_the_values_of_a_row_stay_together() -> None:
    assert table_lines([row("a", "b"), row("c", "d")]) == ["a; b", "c; d"]


def test_spans_made_to_swell_a_table_are_cut() -> None:
    began = time.process_time()
    lines = table_lines([[Cell("x", columns=65_000, rows=65_000)] for _ in range(20_000)])
    assert len(lines) == 20_000
    assert time.process_time() - began < 5


def test_runs_of_blanks_and_empty_lines_are_one() -> None:
    assert tidy("  a \t b \n\n  \n c ") == "a b\nc"
    assert visible_length(" a b\n c ") == 3


def test_text_in_another_encoding_is_refused_by_the_place_of_its_first_fault() -> None:
    assert decode("Grüße".encode("utf-16")) == decode("Grüße".encode()) == "Grüße"
    with pytest.raises(Refusal, match="not UTF-8 text at byte 3"):
        decode(b"caf\xe9")
    with pytest.raises(Refusal, match="NUL"):
        decode(b"a\0b")
