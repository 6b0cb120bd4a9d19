"""A claim of several facts is cut where words join them, and the fact that the evidence lacks is found."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text import facts

CLAIM = "She moved to Lyon, where she taught physics, and later wrote a novel."


def test_facts_are_clauses_and_conjuncts_with_their_places():
    found = facts.facts(pl.Series([CLAIM, "Paris is large."]))
    assert found["fact"].to_list() == [
        "She moved to Lyon,",
        "where she taught physics,",
        "and later wrote a novel.",
        "Paris is large.",
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.sampled_from("ab ,;andbut.é\n"), max_size=40), max_size=4))
def test_a_fact_is_what_stands_at_its_place(claims):
    for row, start, end, fact in facts.facts(pl.Series("claim", claims, dtype=pl.String)).iter_rows():
        assert claims[row][start:end] == fact


def test_the_fact_that_the_evidence_lacks_is_found_where_it_has_another():
    claims = pl.Series([CLAIM, CLAIM, CLAIM])
    evidence = pl.Series(
        [
            "She moved to Lyon in May. In Lyon she taught physics.",
            "The harbour was closed.",
            "She moved to Lyon, where she taught physics and wrote a novel.",
        ]
    )
    assert facts.lacking(claims, evidence).to_list() == ["and later wrote a novel.", None, None]


def test_a_number_is_lacking_only_where_nothing_equals_it():
    claims = pl.Series(["It opened in 2019.", "It has 94 reactors.", "It cost $1.2 million."])
    evidence = pl.Series(["It opened in 2018.", "It has 92 reactors.", "It cost $1,200,000."])
    assert facts.number_lacking(claims, evidence).to_list() == ["2019", "94 reactors", None]


def test_a_number_that_is_part_of_a_name_or_that_the_claim_says_in_words_is_not_named_as_lacking():
    claims = pl.Series(["It spread with COVID-19.", "Up to a third of them fell ill.", "It weighs 12.4 kg."])
    evidence = pl.Series(["It spread.", "Many of them fell ill.", "It weighs 12·4 kg."])
    assert facts.number_lacking(claims, evidence).to_list() == [None, None, None]


def test_claims_without_joints_and_no_claims_at_all_lack_no_fact():
    for claims in (["Paris is large.", "Lyon is old."], []):
        texts = pl.Series("text", claims, dtype=pl.String)
        assert facts.lacking(texts, texts).to_list() == [None] * len(claims)
        assert facts.number_lacking(texts, texts).to_list() == [None] * len(claims)
