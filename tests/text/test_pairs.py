"""Differences between a claim and its evidence that can be put into words."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text import pairs, words


def differing(find, claim, evidence):
    row = find(pl.Series([claim]), pl.Series([evidence])).row(0)
    return None if row == (None, None) else row


@pytest.mark.parametrize(
    ("claim", "evidence", "difference"),
    [
        ("France has 94 reactors.", "It runs 92 reactors.", ("94 reactors", "92 reactors")),
        ("Ninety people came.", "80 people came.", ("Ninety people", "80 people")),
        ("Ninety people came.", "90 people came.", None),
        ("1,000 people came.", "1000 people came.", None),
        ("It has 94 reactors.", "It has 92 engineers.", None),
        ("It has 94 reactors.", "", None),
    ],
)
def test_numbers_differ_where_the_same_thing_is_counted_otherwise(claim, evidence, difference):
    assert differing(pairs.number_mismatch, claim, evidence) == difference


@pytest.mark.parametrize(
    ("claim", "evidence", "difference"),
    [
        ("It is 5 km long.", "It is 5 miles long.", ("5 km", "5 miles")),
        ("It is 5 km long.", "It is 5 kilometres long.", None),
        ("It grew 7%.", "It grew 7 percent.", None),
        ("It is 5 km long.", "It is 6 miles long.", None),
    ],
)
def test_units_differ_where_equal_numbers_carry_them(claim, evidence, difference):
    assert differing(pairs.unit_mismatch, claim, evidence) == difference


@pytest.mark.parametrize(
    ("claim", "evidence", "difference"),
    [
        ("It opened in 1998.", "It opened in 1997.", ("1998", "1997")),
        ("It opened in March.", "It opened in April.", ("March", "April")),
        ("It opened in 1998.", "Planned in 1997, it opened in 1998.", None),
        ("It opened in 1998.", "It opened last year.", None),
    ],
)
def test_dates_differ_where_the_evidence_gives_others(claim, evidence, difference):
    assert differing(pairs.date_mismatch, claim, evidence) == difference


@pytest.mark.parametrize(
    ("claim", "evidence", "name"),
    [
        ("It opened in Boston.", "It opened in May.", "Boston"),
        ("It opened in Boston.", "BOSTON saw it open.", None),
        ("Boston's mayor won.", "The mayor won.", None),
        ("Plants grow.", "Trees grow.", None),
    ],
)
def test_a_name_is_missing_where_no_part_of_the_evidence_has_it(claim, evidence, name):
    assert pairs.name_missing(pl.Series([claim]), pl.Series([evidence]))[0] == name


def test_negation_on_one_side_is_a_mismatch_and_on_both_is_none():
    claim = pl.Series(["He did not win.", "He won.", "He did not win.", "He won."])
    evidence = pl.Series(["He won.", "He didn't win.", "He never won.", "He won."])
    assert pairs.negation_mismatch(claim, evidence).to_list() == ["the claim", "the evidence", None, None]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=600), min_size=1, max_size=5))
def test_pieces_hold_every_character_that_is_not_white_space(texts):
    cut = pairs.pieces(pl.Series(texts, dtype=pl.String))
    for at, text in enumerate(texts):
        kept = "".join(cut.filter(pl.col("passage") == at)["text"])
        assert "".join(kept.split()) == "".join(text.split())
    assert all(len(piece) <= 400 for piece in cut["text"])


def compute(claims, passages):
    cut = pairs.pieces(pl.Series(passages))
    return pairs.shared_words(
        pl.Series(claims),
        pl.Series(passages),
        cut,
        np.linspace(0, 1, cut.height),
        weights={"alpha": 1.0},
        unknown_weight=3.0,
    )


def test_equal_texts_share_every_word():
    values = dict(zip(pairs.SHARED, compute(["Alpha has 5 km."], ["Alpha has 5 km."])[0], strict=True))
    assert values["coverage"] == values["coverage_best"] == values["bigrams"] == 1.0
    assert values["rarest_missing"] == 0.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=200)), min_size=1, max_size=6))
def test_shared_words_are_finite_for_any_text(rows):
    assert np.isfinite(compute([c for c, _ in rows], [p for _, p in rows])).all()


def test_terms_are_normalised_alike_in_words_and_digits():
    found = words.numbers(pl.Series(["Twelve, 12, 12.0 and 1,200"]))
    assert found["term"].to_list() == ["12", "12", "12", "1200"]


def test_citation_marks_are_no_numbers_of_the_claim():
    claims = pl.DataFrame(
        {"claim": ["It has 92 reactors [1][2, 3].", "Seen in 1987 [^4^]", "an array[index] of 3", None]}
    )
    cleaned = claims.select(pairs.without_citations(pl.col("claim")))["claim"].to_list()
    assert cleaned == ["It has 92 reactors.", "Seen in 1987", "an array[index] of 3", None]
