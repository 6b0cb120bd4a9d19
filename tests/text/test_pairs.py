"""What a claim shares with its evidence, and the names that the evidence lacks."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text import pairs, words


@pytest.mark.parametrize(
    ("claim", "evidence", "name"),
    [
        ("It opened in Boston.", "It opened in May.", "Boston"),
        ("It opened in Boston.", "BOSTON saw it open.", None),
        ("Boston's mayor won.", "The mayor won.", None),
        ("Plants grow.", "Trees grow.", None),
        ("It uses a Breakdown Structure.", "Use a breakdown structureStep 2 follows.", None),
    ],
)
def test_a_name_is_missing_where_no_part_of_the_evidence_has_it(claim, evidence, name):
    assert pairs.name_missing(pl.Series([claim]), pl.Series([evidence]))[0] == name


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("He joined Lagacé in Oslo.", "In Oslo he met Maxime Lagace."),
        ("The baby in Ghostbusters cried.", "In ghost busters a baby cried."),
        ("The poet was a famous Frenchman.", "Nationality: French; a famous poet."),
        ("It was sad, and I've said Hello.", "It was sad."),
        ("It began in the U.S. last year.", "It began in the United States."),
        ("It was sung by Paul Lynde1.", "Paul Lynde sang it."),
        ("Tests of COVID-19-positive guests came.", "Guests had COVID-19."),
        ("He spoke to Chinese workers.", "Workers in China spoke to him."),
        ("Villages of Wake County grew.", "Villages of several counties grew: Wake among them."),
        ("They counted Several boats.", "Boats were counted."),
    ],
)
def test_a_name_in_another_form_and_a_word_with_a_capital_are_not_missing(claim, evidence):
    assert pairs.name_missing(pl.Series([claim]), pl.Series([evidence]))[0] is None


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
