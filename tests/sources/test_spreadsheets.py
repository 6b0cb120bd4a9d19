"""What spreadsheets write: delimiters, encodings, empty rows and columns; and a whole one to outputs."""

from __future__ import annotations

import codecs
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sources.parameters import FieldMapping
from tests.sources.test_files_source import Result, pull

GERMAN = """Nr.;Zeitpunkt;Frage;Antwort;Quelle 1;Quelle 2;Bewertung
1;24.10.2026 11:47;Wie viele Webstühle?;Die Mühle hat 14 Webstühle.;Die Mühle hat 14 Webstühle.;;4,5
2;25.10.2026 02:30;Seit wann?;Seit 1987.;;"Sie wurde 1987 eröffnet; seither läuft sie.";3,0
3;29.03.2026 02:30;Wo?;In Orsa.;;;1,0
;;;;;;
"""
FIELDS = FieldMapping(
    id="Nr.", produced_at="Zeitpunkt", prompt="Frage", response="Antwort", contexts=("Quelle 1", "Quelle 2")
)


def read(path: Path, data: bytes, **source: object) -> Result:
    if not path.exists():
        path.write_bytes(data)
    settings = {"fields": FIELDS, "time_zone": "Europe/Berlin", "time_format": "%d.%m.%Y %H:%M", **source}
    return pull(path, **settings)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (GERMAN.encode(), "auto"),
        (codecs.BOM_UTF8 + GERMAN.encode(), "auto"),
        (codecs.BOM_UTF8 + GERMAN.encode(), "windows-1252"),
        (GERMAN.replace("\n", "\r\n").encode(), "auto"),
        (b"sep=;\r\n" + GERMAN.encode(), "auto"),
        (codecs.BOM_UTF16_LE + GERMAN.encode("utf-16-le"), "auto"),
        (codecs.BOM_UTF16_BE + GERMAN.encode("utf-16-be"), "auto"),
        (GERMAN.encode("utf-16-le"), "utf-16-le"),
        (GERMAN.encode("cp1252"), "windows-1252"),
        (GERMAN.encode("iso-8859-15"), "iso-8859-15"),
        (GERMAN.replace(";", "\t").encode("utf-16"), "auto"),
        (GERMAN.replace(";", "|").encode(), "auto"),
    ],
)
def test_a_german_sheet_is_read_in_every_form_that_it_is_saved_in(tmp_path, data, encoding):
    result = read(tmp_path / "a.csv", data, encoding=encoding)
    assert result.problems == []
    assert result.outputs["produced_at"].dt.strftime("%F %R").to_list() == [
        "2026-10-24 09:47",
        "2026-10-25 00:30",
    ]
    assert result.outputs["response"].to_list() == ["Die Mühle hat 14 Webstühle.", "Seit 1987."]
    assert [[c["uri"] for c in contexts] for contexts in result.outputs["contexts"].to_list()] == [
        ["Quelle 1"],
        ["Quelle 2"],
    ]
    assert result.reasons == [
        "the time 2026-03-29 02:30:00 did not happen in Europe/Berlin: clocks were put forward"
    ]


def test_numbers_with_a_comma_are_compared_where_the_filter_says_so(tmp_path):
    where = "CAST(REPLACE(Bewertung, ',', '.') AS DOUBLE) >= 4"
    result = read(tmp_path / "a.csv", GERMAN.encode(), where=where)
    assert (result.ids, result.filtered, result.records_in) == (["1"], 2, 3)


def test_a_sheet_in_a_code_page_is_refused_with_what_to_set(tmp_path):
    result = read(tmp_path / "a.csv", GERMAN.replace("Nr.", "Ü").encode("cp1252"))
    assert 'set encoding = "windows-1252" or its' in result.problems[0]
    result = read(tmp_path / "b.csv", GERMAN.encode("cp1252"))
    assert [reason.partition(";")[2] for reason in result.reasons[:1]] == [
        ' if the export is in a code page, as plain CSV of Excel is, set encoding = "windows-1252" or its'
    ]


def test_a_byte_that_the_code_page_does_not_know_costs_its_row(tmp_path):
    data = GERMAN.encode("cp1252").replace(b"Seit 1987", b"Seit \x81987")
    assert read(tmp_path / "a.csv", data, encoding="windows-1252").ids == ["1"]


def test_half_a_character_of_utf_16_ends_the_file(tmp_path):
    data = codecs.BOM_UTF16_LE + GERMAN.encode("utf-16-le") + b"\x00\xd8;\x00"
    result = read(tmp_path / "a.csv", data)
    assert "is not valid utf-16 at byte" in result.problems[0]


@pytest.mark.parametrize(
    ("header", "row", "delimiter"),
    [
        ("Frage, Kunde;Antwort, Bot", "Wo?;Hier, dort, überall", ";"),
        ('"a;b;c",Antwort', "x,y", ","),
        ("Frage;Antwort", "1,5;2,5", ";"),
        ("Frage\tAntwort; kurz; lang", "a\tb", "\t"),
    ],
)
def test_the_delimiter_is_the_one_that_divides_header_and_rows_alike(tmp_path, header, row, delimiter):
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n{row}\n{row}\n", "utf-8")
    name = header.split(delimiter)[-1]
    source = {"fields": FieldMapping(response=name.strip()), "produced_at": "2026-11-01T10:00:00Z"}
    result = pull(path, **source)
    assert result.problems == result.reasons == []
    assert result.outputs["response"][0] == row.split(delimiter)[-1]


def test_blanks_around_names_columns_without_a_name_and_cells_beyond_them_do_no_harm(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        " id ;at ;out;;\n1;2026-11-01T10:00:00Z;Yes.;;x;;\n2;2026-11-01T10:00:00Z;No.;;;y\n", "utf-8"
    )
    fields = FieldMapping(id="id", produced_at="at", response="out")
    result = pull(path, fields=fields)
    assert result.ids == ["1"]
    assert result.outputs["metadata"][0] == '{"column 5":"x"}'
    assert result.reasons == ["the row has 6 cells, the header 5"]


def test_two_columns_of_one_name_are_refused(tmp_path):
    result = read(tmp_path / "a.csv", b"Antwort;Frage; Antwort\na;b;c\n")
    assert "has the column 'Antwort' twice" in result.problems[0]


@pytest.mark.parametrize(
    "data", [b"Nr.;Zeitpunkt;Frage;Antwort;Quelle 1;Quelle 2\n", b"Antwort", b"Antwort\r\n"]
)
def test_a_sheet_of_headers_only_is_told_once_and_is_no_problem(tmp_path, data):
    path = tmp_path / "a.csv"
    result = read(path, data)
    assert result.problems == []
    assert result.warnings == [f"{path} holds no record, at most names of columns"]
    assert read(path, data, marks=result.marks).warnings == []


def test_a_parquet_file_without_rows_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"Antwort": pa.array([], pa.string())}), path)
    result = pull(path, fields=FieldMapping(response="Antwort"))
    assert result.warnings == [f"{path} holds no record, at most names of columns"]


def test_an_empty_sheet_is_a_problem_of_its_source(tmp_path):
    assert "is empty" in read(tmp_path / "a.csv", b"").problems[0]
    assert "holds no record, only" in read(tmp_path / "b.csv", b"Antwort;Frage\n;\n;\n").warnings[0]


def test_a_file_that_grew_by_nothing_is_not_told_to_hold_no_record(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "1", "at": "2026-11-01T10:00:00Z", "out": "Yes."}\n')
    first = pull(path)
    path.write_bytes(path.read_bytes() + b"\n")
    assert pull(path, marks=first.marks).warnings == []
