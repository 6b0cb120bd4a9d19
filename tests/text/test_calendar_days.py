"""Dates are one day however they are written."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from tasks.text import calendar_days


@pytest.mark.parametrize(
    "text",
    [
        "on 5 March 2026",
        "on March 5, 2026",
        "March 5th 2026",
        "the 5th of March, 2026",
        "2026-03-05",
        "05.03.2026",
        "5 Mar 2026",
        "am 5. März 2026",
        "le 5 mars 2026",
        "el 5 de marzo de 2026",
    ],
)
def test_a_date_is_one_day(text):
    assert calendar_days.days(pl.Series([text]))["day"].to_list() == [date(2026, 3, 5)]


def test_a_date_that_two_countries_read_otherwise_has_two_readings():
    found = calendar_days.days(pl.Series(["on 03/05/2026"]))
    assert {found["day"][0], found["other"][0]} == {date(2026, 3, 5), date(2026, 5, 3)}


@pytest.mark.parametrize("text", ["31 February 2026", "2026-13-40", "version 1.2.3", "", "May 2026"])
def test_what_is_no_day_of_the_calendar_is_none(text):
    assert not calendar_days.days(pl.Series([text])).height
