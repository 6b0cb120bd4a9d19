"""Rows of tables and items of lists say by themselves what their values are; each is found in the text."""

from __future__ import annotations

import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text import nearest, rows


def told(text: str) -> list[str]:
    return rows.told(pl.Series([text]))[0].split("\n")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("| Plan | Storage |\n|---|:---:|\n| Free | 10 GB |", "Plan: Free; Storage: 10 GB"),
        ("Plan | Storage\n--- | ---\nFree | 10 GB", "Plan: Free; Storage: 10 GB"),
        ("name,role,salary\nAna Silva,analyst,48000", "name: Ana Silva; role: analyst; salary: 48000"),
        ("type;capacity;hours\nB;1500;9", "type: B; capacity: 1500; hours: 9 hours"),
        ("city\tdistance (km)\nLyon\t12", "city: Lyon; distance (km): 12 km"),
        ("Instrument,Year,Maker\nViola,1719,Bianchi", "Instrument: Viola; Year: 1719; Maker: Bianchi"),
        ("Gold card\n- annual fee: 90 euros\n- limit: 8000", "Gold card: annual fee: 90 euros"),
        ("## Opening hours\n\nMonday: 9 to 12\nTuesday: closed", "Opening hours: Monday: 9 to 12"),
    ],
)
def test_a_row_names_its_columns_and_an_item_its_heading(text, row):
    assert row in told(text)
    assert len(told(text)) == len(text.split("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "It was late, cold, and dark.\nThe road, the bridge, and the inn were empty.",
        "The first line of prose\nand its second line.",
        "a|b is written as or in this language.",
        "",
    ],
)
def test_prose_is_left_as_it_is(text):
    assert told(text) == text.split("\n")


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from("ab1 |,;:.-\n\t*é"), max_size=60))
def test_every_sentence_of_a_told_text_has_its_place_in_the_text(text):
    for _, start, end, sentence, _ in nearest.said(pl.Series([text])).iter_rows():
        assert text[start:end] == sentence


def test_a_long_table_is_told_in_time_that_grows_with_its_rows():
    table = "| city | people |\n|---|---|\n" + "\n".join(f"| town {n} | {n} |" for n in range(10_000))
    begun = time.monotonic()
    cut = nearest.said(pl.Series([table]))
    assert time.monotonic() - begun < 10
    assert cut["said"][-1] == "city: town 9999; people: 9999"
