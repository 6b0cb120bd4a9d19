"""A name that only a like sentence about something else gives is in the wrong place."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.text import nearest, other_names


def found(claim: str, evidence: str) -> list[tuple[str, str]]:
    near, of_claims, of_sentences = nearest.nearest(pl.Series([claim]), pl.Series([evidence]))
    return other_names.misplaced(near, of_claims, of_sentences).select("claim", "evidence").rows()


@pytest.mark.parametrize(
    ("claim", "evidence", "pair"),
    [
        (
            "The red line ends at Harbour.",
            "The red line ends at Airport. The blue line ends at Harbour.",
            ("Harbour", "Airport"),
        ),
        (
            "The evening course is taught by Maria Lopez.",
            "The morning course is taught by Maria Lopez. The evening course is taught by John Park.",
            ("Maria Lopez", "Park"),
        ),
    ],
)
def test_the_name_of_another_record_is_named_with_the_claims_own(claim, evidence, pair):
    assert found(claim, evidence) == [pair]


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("The blue line ends at Harbour.", "The red line ends at Airport. The blue line ends at Harbour."),
        ("The red line ends at Harbour.", "The red line ends at Airport. We ate at Harbour."),
        ("The red line ends at Harbour.", "The red line ends at Airport."),
        ("The red line ends at Harbour.", "The red line ends there. The blue line ends at Harbour."),
    ],
)
def test_nothing_is_said_where_no_like_sentence_has_the_name_or_the_own_has_none(claim, evidence):
    assert found(claim, evidence) == []
