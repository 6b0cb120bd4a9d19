"""Equal quantities are read in one form, and nothing else of a claim changes."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.text import forms


@pytest.mark.parametrize(
    ("claim", "evidence", "read"),
    [
        ("Sales came to $1.2 million.", "Sales: $1,200,000.", "Sales came to $1,200,000."),
        ("It is worth 2,000,000,000 euros.", "Worth 2 billion euros.", "It is worth 2 billion euros."),
        ("The site had 3.5k visitors.", "3,500 visitors came.", "The site had 3,500 visitors."),
        ("The link expires after 24 hours.", "Valid for one day.", "The link expires after one day."),
        ("It grew 12 per cent.", "Growth of 12%.", "It grew 12%."),
        ("It sold 1,300,000 cars.", "It sold 1,200,000 cars.", "It sold 1,300,000 cars."),
        ("It has 5 km of track.", "It has 5 miles of track.", "It has 5 km of track."),
        ("No number.", "12 numbers", "No number."),
        (
            "It boils in 150 seconds.",
            "It boils in two and a half minutes.",
            "It boils in two and a half minutes.",
        ),
        (
            "It takes 45 minutes.",
            "It takes three quarters of an hour.",
            "It takes three quarters of an hour.",
        ),
        ("It is about 1.3 km long.", "It is 1,274 m long.", "It is about 1,274 m long."),
        ("It cost nearly $2 million.", "It cost $1,485,000.", "It cost nearly $2 million."),
    ],
)
def test_a_quantity_takes_the_form_of_the_evidence(claim, evidence, read):
    assert forms.aligned(pl.Series([claim]), pl.Series([evidence])).to_list() == [read]
