"""Sheets that come back from people and spreadsheet programs."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.review import cells, review_sheets
from tasks.review.review_sheets import SheetError, judged, read, read_lines

V = [f"{n:064x}" for n in range(6)]
C = [f"{n:064x}" for n in range(100, 106)]
NOW = "2026-11-20T10:00:00+00:00"
KNOWN = pl.DataFrame(
    {
        "verdict_id": V[:5],
        "claim_id": C[:5],
        "verdict": ["supported", "contradicted", "insufficient", "supported", "supported"],
        "produced_at": [datetime(2026, 11, 1, tzinfo=UTC)] * 5,
        "is_erased": [False, False, False, False, True],
    },
    schema_overrides={"produced_at": pl.Datetime("us", "UTC")},
)


def sheet(
    *lines: str, header: str = "verdict_id,claim_id,reviewer,outcome,corrected_verdict,comment"
) -> bytes:
    return "\r\n".join([header, *lines, ""]).encode()


def judge(data: bytes, **options: str) -> tuple[list[dict[str, object]], list[tuple[int, str]], int]:
    found = read(data)
    usable, refused, blank = judged(found.rows, KNOWN, now=NOW, **options)  # type: ignore[arg-type]
    return usable.to_dicts(), [*found.refused, *refused.select("line", "problem").rows()], blank


@given(st.text(max_size=30))
def test_no_cell_is_active_and_every_text_comes_back(text):
    assert not cells.inert(text).startswith(cells.ACTIVE)
    assert cells.original(cells.inert(text)) == text


@given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)))
def test_what_a_sheet_shows_never_begins_like_a_formula(texts):
    data = review_sheets.write(("verdict_id", "claim"), [[V[0], text] for text in texts])
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))[1:]
    assert [cells.original(row[1]) for row in rows] == texts
    assert not any(row[1].startswith(cells.ACTIVE) for row in rows)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("0123", "'0123"), ("1/2", "'1/2"), ("12e3", "'12e3"), ("1.50", "'1.50"), ("9" * 16, "'" + "9" * 16),
        ("TRUE", "'TRUE"), ("2026-11-02", "'2026-11-02"), ("'0123", "''0123"),
        ("0.97", "0.97"), ("123", "123"), ("ab12", "ab12"), ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_would_write_otherwise_is_text_and_other_numbers_stay_numbers(text, cell):
    assert cells.inert(text) == cell
    assert cells.original(cell) == text


def test_a_sheet_that_was_opened_in_a_code_page_says_what_to_do():
    data = review_sheets.write(("verdict_id", "outcome"), [[V[0], "confirmed"]])
    wrong = data.decode("windows-1252").encode()
    with pytest.raises(review_sheets.SheetError, match="open it as UTF-8"):
        review_sheets.read(wrong)


def test_a_filled_in_line_becomes_a_review_and_an_empty_one_does_not():
    usable, refused, blank = judge(
        sheet(f'{V[0]},{C[0]},a.meier,overturned,contradicted,"\'=1+1 was 92, not 94"', f"{V[1]},{C[1]},,,,")
    )
    assert refused == []
    assert blank == 1
    [row] = usable
    assert (row["verdict_id"], row["outcome"], row["corrected_verdict"]) == (
        V[0],
        "overturned",
        "contradicted",
    )
    assert row["comment"] == "=1+1 was 92, not 94"
    assert row["reviewed_at"] == datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_every_spreadsheet_programs_dialect_is_read(separator, mark, end):
    header = separator.join(["Outcome", "my notes", "VERDICT_ID", "reviewer"])
    lines = [header, separator.join(["Confirmed", "x", V[0].upper(), "a"]), ""]
    usable, refused, _ = judge(mark + end.join(lines).encode())
    assert refused == []
    assert [(r["verdict_id"], r["claim_id"], r["outcome"]) for r in usable] == [(V[0], C[0], "confirmed")]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"x,{C[0]},a,confirmed,,", "64 hexadecimal"),
        (f"{V[5]},,a,confirmed,,", "no such verdict"),
        (f"{V[0]},{C[1]},a,confirmed,,", "not the claim of this verdict"),
        (
            f"{V[0]},,a,maybe,,",
            "outcome is 'maybe', expected one of confirmed, overturned, unsure, withdrawn",
        ),
        (f"{V[0]},,a,,contradicted,", "outcome is empty"),
        (f"{V[0]},,a,overturned,wrong,", "corrected_verdict is not one of"),
        (f"{V[0]},,a,confirmed,contradicted,", "confirms the verdict and corrects it"),
        (f"{V[0]},,a,overturned,supported,", "corrects it to the same"),
        (f"{V[0]},,,confirmed,,", "reviewer is empty"),
        (f"{V[0]},,{'a' * 201},confirmed,,", "more than 200 characters"),
        (f"{V[0]},,a,confirmed,,{'b' * 10_001}", "more than 10000 characters"),
        (f"{V[4]},,a,confirmed,,", "was erased"),
        (f"{V[0]},,a\x00b,confirmed,,", "NUL"),
        (f'{V[0]},,"a"b,confirmed,,', "quotes cannot be read"),
        (f"{V[0]}", "1 cells"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused_by_number_and_the_others_go_on(line, sentence):
    usable, refused, _ = judge(sheet(f"{V[1]},,a,confirmed,,", line, f"{V[2]},,b,confirmed,,"))
    assert [row["verdict_id"] for row in usable] == [V[1], V[2]]
    [(number, problem)] = refused
    assert number == 3
    assert sentence in problem


def test_bytes_that_are_no_utf8_refuse_their_own_line_alone():
    data = sheet(f"{V[0]},,Müller,confirmed,,", f"{V[1]},,a,confirmed,,").replace("ü".encode(), b"\xfc")
    usable, refused, _ = judge(data)
    assert [row["verdict_id"] for row in usable] == [V[1]]
    assert refused == [(2, "not valid UTF-8 at byte 67 of the row")]


def test_a_quote_that_never_closes_costs_its_own_line_alone():
    usable, refused, _ = judge(
        sheet(f"{V[0]},,a,confirmed,,", f'{V[1]},,"a,confirmed,,', f"{V[2]},,a,confirmed,,")
    )
    assert [row["verdict_id"] for row in usable] == [V[0], V[2]]
    assert refused[0][0] == 3
    assert "quotes cannot be read" in refused[0][1]


def test_one_reviewer_who_says_two_things_of_a_verdict_has_said_neither():
    usable, refused, _ = judge(
        sheet(f"{V[0]},,a,confirmed,,", f"{V[0]},,a,overturned,,", f"{V[0]},,b,overturned,,")
    )
    assert [row["reviewer"] for row in usable] == ["b"]
    assert [line for line, _ in refused] == [2, 3]


@pytest.mark.parametrize(
    ("moment", "sentence"),
    [("2026-11-21T00:00:00Z", "future"), ("yesterday", "ISO 8601"), ("2026-11-01T00:00:00", "ISO 8601")],
)
def test_a_review_has_a_time_with_a_zone_that_has_come(moment, sentence):
    header = "verdict_id,reviewer,outcome,reviewed_at"
    _, refused, _ = judge(sheet(f"{V[0]},a,confirmed,{moment}", header=header))
    assert sentence in refused[0][1]
    usable, _, _ = judge(sheet(f"{V[0]},a,confirmed,2026-11-19T12:00:00+02:00", header=header))
    assert usable[0]["reviewed_at"] == datetime(2026, 11, 19, 10, tzinfo=UTC)


def test_who_reviewed_may_be_said_once_for_all_lines():
    usable, refused, _ = judge(sheet(f"{V[0]},,,confirmed,,", f"{V[1]},,b,confirmed,,"), default_reviewer="a")
    assert refused == []
    assert [row["reviewer"] for row in usable] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"\r\n\r\n", "empty"),
        (b"\xff\xfev\x00", "UTF-16"),
        (b"a,b\r\n1,2\r\n", "no column verdict_id"),
        (b"verdict_id,comment\r\n", "no column outcome"),
        (b"verdict_id,outcome,outcome\r\n", "outcome twice"),
        (b"PK\x03\x04\x14\x00\x06\x00", "not an XLSX"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused_as_a_whole(data, sentence):
    with pytest.raises(SheetError, match=sentence):
        read(data)


@given(st.binary(max_size=400))
def test_no_bytes_whatever_break_the_reader(tail):
    try:
        found = read(b"verdict_id,outcome\n" + tail)
    except SheetError:
        return
    usable, refused, blank = judged(found.rows, KNOWN, now=NOW, default_reviewer="a")
    assert usable.height + refused.height + blank == found.rows.height


def test_json_lines_from_annotation_tools_are_read_too():
    data = (
        f'{{"verdict_id": "{V[0]}", "outcome": "confirmed", "reviewer": "a", "label": 3}}\n'
        f'not json\n["x"]\n{{"verdict_id": 3, "outcome": "confirmed"}}\n'
        f'{{"verdict_id": "{V[1]}", "outcome": "confirmed", "reviewer": "\\ud800"}}\n\n'
    ).encode()
    found = read_lines(data)
    usable, refused, _ = judged(found.rows, KNOWN, now=NOW)
    assert usable["verdict_id"].to_list() == [V[0]]
    assert refused.is_empty()
    assert [line for line, _ in found.refused] == [2, 3, 4, 5]


def test_texts_of_erased_outputs_leave_a_sheet_and_answers_stay():
    header = ("verdict_id", "claim", "evidence_1", "outcome", "comment")
    data = review_sheets.write(
        header, [[V[0], "she said", "it", "confirmed", "so"], [V[1], "b", "c", "", ""]]
    )
    new = review_sheets.without_texts(data, {V[0]}, "[erased]", lines=False)
    rows = list(csv.reader(io.StringIO(new.decode("utf-8-sig"), newline="")))
    assert rows[1] == [cells.inert(V[0]), "[erased]", "[erased]", "confirmed", "[erased]"]
    assert rows[2] == [cells.inert(V[1]), "b", "c", "", ""]
    assert review_sheets.without_texts(new, {V[0]}, "[erased]", lines=False) == new
    assert review_sheets.without_texts(b"anything\n", {V[0]}, "[erased]", lines=False) == b"anything\n"
