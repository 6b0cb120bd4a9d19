"""A quantity has one value, however it is written."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text import quantities


def read(text: str) -> list[tuple[float, str]]:
    return list(quantities.quantities(pl.Series([text])).select("value", "unit").iter_rows())


@pytest.mark.parametrize(
    ("texts", "value", "unit"),
    [
        (["$1.2 million", "$1,200,000", "1.2 million dollars", "1,200,000 USD", "US$1.2m"], 1_200_000, "$"),
        (
            ["2 billion euros", "2,000,000,000 euros", "€2bn", "2 Milliarden Euro", "2 000 000 000 €"],
            2e9,
            "€",
        ),
        (["400,00 Euro", "400 euros", "EUR 400.00"], 400, "€"),
        (["1.410,00 Euro", "€1,410", "1'410.00 EUR", "1\u202f410,00 €"], 1410, "€"),
        (["3.5k visitors", "3,500 visitors", "3500 Besucher", "٣٥٠٠ زائر", "三 3500"], 3500, ""),
        (["twelve per cent", "12%", "12 Prozent", "12 percent", "12 pour cent", "١٢٪"], 12, "%"),
        (["24 hours", "one day", "1,440 minutes", "24 Stunden"], 86400, "s"),
        (["5 km", "5,000 metres", "5 kilometres"], 5000, "m"),
        (["twenty-five thousand", "25,000", "25.000,00", "2.5万"], 25000, ""),
        (["two hundred and five people", "205 people"], 205, ""),
        (["8 pm", "20:00", "20 Uhr"], 20, "o'clock"),
        (["in 1998", "since 1998"], 1998, "year"),
        (["one and a half hours", "1½ hours", "90 minutes"], 5400, "s"),
        (["0.5 cubic metres", "500 litres"], 500, "l"),
        (["20 square metres", "200,000 square centimetres", "20 sq m"], 20, "m²"),
        (["14 calendar days", "14 days"], 14 * 86400, "s"),
        (["twelve months", "one year", "12 Monate"], 12 * quantities.MONTH, "s"),
    ],
)
def test_one_quantity_has_one_value(texts, value, unit):
    for text in texts:
        assert read(text)[-1:] == [(value, unit)], text


def test_a_number_that_can_be_read_two_ways_has_both_values():
    row = quantities.quantities(pl.Series(["1.410 people and 1,410 people"])).select("value", "other")
    assert row.rows() == [(1.41, 1410.0), (1410.0, 1.41)]


def test_digits_within_a_name_are_no_quantity():
    assert read("Covid19 and mp3 and B12") == []


def test_a_hedge_says_how_a_number_may_differ():
    texts = pl.Series(["about 100 people", "over 100 people", "up to 100 people", "the 1990s", "100 people"])
    assert quantities.quantities(texts)["hedge"].to_list() == ["near", "more", "less", "decade", ""]


def test_ranges_have_ends_in_one_unit():
    texts = pl.Series(["10-12%", "between 10 and 12 euros", "from 1 to 2 million", "the 2018-19 season"])
    rows = quantities.ranges(texts).rows()
    assert rows == [(0, 10, 12, "%"), (1, 10, 12, "€"), (2, 1, 2e6, ""), (3, 2018, 2019, "")] or rows[3][
        1:3
    ] == (
        2018,
        2019,
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=80), max_size=4))
def test_any_text_can_be_read(texts):
    found = quantities.quantities(pl.Series(texts, dtype=pl.String))
    assert found.schema == quantities.SCHEMA
    assert found["value"].is_finite().all()
