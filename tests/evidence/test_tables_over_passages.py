"""A table that fills several passages: each of them says by itself what its values are."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime

import openpyxl
import polars as pl
import pytest

from tasks import ids
from tasks.evidence import html_text, office_text, passages
from tasks.evidence.passages import LONGEST_HEADER, PassageParameters
from tasks.text import rows, rules
from tasks.text.sentences import segmenter

HEADER = ["Boat", "Price in euros", "Seats"]
ROWS = [[f"Kestrel {n}", str(500 + n), str(2 + n % 7)] for n in range(60)]
INTRODUCTION = "We let boats by the day. Prices are as follows."


def _markdown(header: list[str], body: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return (
        INTRODUCTION + "\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n\nSee you soon."
    )


def _csv(header: list[str], body: list[list[str]]) -> str:
    return "\n".join(",".join(cells) for cells in [header, *body])


def _html(header: list[str], body: list[list[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in header)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for cells in body)
    page = f"<main><p>{INTRODUCTION}</p><table><tr>{head}</tr>{lines}</table></main>"
    return html_text.read(page.encode(), max_depth=512, main_only=True).text


def _workbook(header: list[str], body: list[list[str]]) -> str:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for cells in [header, *body]:
        sheet.append(cells)
    book.save(stream)
    return office_text.read(".xlsx", stream.getvalue(), most_bytes=2**26).text


def cut(text: str, uri: str = "boats") -> pl.DataFrame:
    documents = pl.DataFrame({"document_uri": [uri], "text": [text]})
    return passages.from_documents(
        documents, segmenter(), PassageParameters(), corpus="handbook", snapshot="a" * 64, run_id="0" * 64,
        produced_at=datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip


def last_with(found: pl.DataFrame, words: str) -> str:
    return str(found.filter(pl.col("text").str.contains(words, literal=True))["text"][-1])


@pytest.mark.parametrize("written", [_markdown, _csv, _html, _workbook])
def test_the_value_of_a_later_row_is_known_by_its_column_where_only_its_passage_is_found(written) -> None:
    found = cut(written(HEADER, ROWS))
    assert found.height >= 3, "or the table fits into one passage"
    passage = last_with(found, "Kestrel 45")
    assert "Kestrel 2\n" not in passage
    told = rows.told(pl.Series([passage]))[0]
    assert any(
        "Boat: Kestrel 45" in line and "Price in euros: 545" in line and "Seats: 5" in line
        for line in told.split("\n")
    )
    wrong, right = (f"The price of Kestrel 45 is {price} euros." for price in (546, 545))
    effects = rules.findings(pl.Series([wrong, right]), pl.Series([passage] * 2))
    assert effects.select("row", "effect").rows() == [(0, "contradicted")]


@pytest.mark.parametrize("written", [_markdown, _csv, _html, _workbook])
def test_no_row_is_cut_in_two(written) -> None:
    text = written(HEADER, ROWS)
    lines = {line for line in text.split("\n") if "Kestrel" in line}
    found = cut(text)
    held = {line for passage in found["text"] for line in passage.split("\n") if "Kestrel" in line}
    assert held == lines


def test_what_holds_no_long_table_keeps_text_and_id() -> None:
    short = _markdown(HEADER, ROWS[:8])
    prose = " ".join(f"Sentence {n} is about boats, prices; and seats." for n in range(80))
    for text in (short, prose):
        found = cut(text)
        expected = [text[start:end] for start, end in found.select("start", "end").iter_rows()]
        assert found["text"].to_list() == expected
        columns = [pl.Series([value] * found.height) for value in ("handbook", "boats")]
        spans = [found["start"], pl.Series(expected)]
        assert found["passage_id"].to_list() == ids.digest_rows("passage", [*columns, *spans]).to_list()


def test_a_header_that_would_crowd_out_the_rows_is_not_repeated() -> None:
    header = [f"a rather long name of column {'x' * 60}" for _ in range(LONGEST_HEADER // 60)]
    text = _markdown(header, [[f"{n}"] * len(header) for n in range(200)])
    found = cut(text)
    assert all(
        passage == text[start:end] for passage, start, end in found.select("text", "start", "end").iter_rows()
    )


def test_ten_thousand_rows_are_cut_in_time_that_grows_with_the_rows() -> None:
    small, _ = _timed(2_500)
    large, found = _timed(10_000)
    assert large < 16 * max(small, 0.01)
    assert found["text"].str.starts_with(",".join(HEADER)).all()
    assert found["text"].str.len_chars().max() <= PassageParameters().target_characters + LONGEST_HEADER + 1


def _timed(count: int) -> tuple[float, pl.DataFrame]:
    text = _csv(HEADER, [[f"Kestrel {n}", str(n), "3"] for n in range(count)])
    began = time.process_time()
    found = cut(text)
    return time.process_time() - began, found
