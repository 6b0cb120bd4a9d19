"""Reasons come from the evidence: the sentence that decided, its exact place, and what differs in it."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.decide import explanation

OTHER = "The committee met on Monday. It rained. "
REACTORS = "France operates 92 reactors today."


def deciding(claim, passage):
    return explanation.deciding(pl.Series([claim]), pl.Series([passage])).row(0)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.text(st.sampled_from("ab.!? \n\t。é👍\"'\r\x00"), max_size=40), max_size=5))
def test_a_sentence_is_what_stands_at_its_place(texts):
    cut = explanation.sentences(pl.Series("text", texts, dtype=pl.String))
    for row, start, end, sentence in cut.iter_rows():
        assert texts[row][start:end] == sentence
    for row, text in enumerate(texts):
        kept = "".join(cut.filter(pl.col("row") == row)["sentence"])
        assert [c for c in kept if not c.isspace()] == [c for c in text if not c.isspace()]


def test_the_deciding_sentence_is_found_wherever_it_stands():
    for before in range(4):
        passage = OTHER * before + REACTORS + " " + OTHER * (3 - before)
        start, end, sentence = deciding("France runs 94 reactors.", passage)
        assert sentence == REACTORS == passage[start:end]


def test_no_sentence_decides_where_none_shares_a_word():
    assert deciding("Cats sleep.", OTHER) == (None, None, None)
    assert deciding("", "") == (None, None, None)


def test_a_pair_is_explained_the_same_in_any_company():
    claims = pl.Series(["France runs 94 reactors.", "It rained on Monday.", "Cats sleep."])
    passages = pl.Series([OTHER + REACTORS, OTHER, OTHER])
    together = explanation.deciding(claims, passages)
    alone = pl.concat(explanation.deciding(claims[i : i + 1], passages[i : i + 1]) for i in range(3))
    assert together.equals(alone)


def difference(claim, passage):
    claims, passages = pl.Series([claim]), pl.Series([passage])
    near = explanation.deciding(claims, passages)["sentence"]
    return explanation.difference(claims, near, passages)[0]


def test_a_difference_is_read_in_the_sentence_that_decided():
    passage = "Belgium once had 7 reactors. " + OTHER + REACTORS
    assert difference("France operates 94 reactors.", passage) == (
        "evidence says 92 reactors, the claim says 94 reactors"
    )
    assert difference("France operates 92 reactors.", passage) is None


def test_negation_counts_in_that_sentence_alone():
    passage = "It did not rain. " + OTHER + "The bridge was opened in May."
    assert difference("The bridge was not opened in May.", passage) == (
        "only the claim says this with a negation"
    )
    assert difference("The bridge was opened in May.", passage) is None


def test_an_absent_name_is_named():
    claims = pl.Series(["It opened in Boston.", "It opened in May."])
    assert explanation.absent(claims, pl.Series(["It opened in May.", "It opened in May."])).to_list() == [
        "Boston",
        None,
    ]
