"""Sentences are found where they stand, and the nearest ones are about the claim."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text import nearest


@settings(deadline=None, max_examples=80)
@given(st.lists(st.text(st.sampled_from("ab.!? \n\t。é👍\"'\r\x00"), max_size=40), max_size=5))
def test_a_sentence_is_what_stands_at_its_place(texts):
    cut = nearest.sentences(pl.Series("text", texts, dtype=pl.String))
    for row, start, end, sentence in cut.iter_rows():
        assert texts[row][start:end] == sentence
    for row, text in enumerate(texts):
        kept = "".join(cut.filter(pl.col("row") == row)["sentence"])
        assert [c for c in kept if not c.isspace()] == [c for c in text if not c.isspace()]


def test_terms_carry_their_negation_and_opposites_one_name():
    found = nearest.terms(pl.Series(["It is not permitted.", "It is prohibited.", "It is permitted."]))
    assert found["term"].n_unique() == 1
    assert found["is_negated"].to_list() == [True, True, False]


def test_the_nearest_sentence_holds_most_of_the_claims_words():
    claim, passage = (
        "The warranty covers water.",
        "The office is small. The warranty covers all water. It rains water.",
    )
    near, _, _ = nearest.nearest(pl.Series([claim]), pl.Series([passage]))
    assert near["sentence"][0] == "The warranty covers all water."
    assert near["share"].to_list() == [1.0, 1 / 3]


def test_a_pronoun_at_the_head_of_a_sentence_stands_for_the_subject_before():
    near, _, _ = nearest.nearest(
        pl.Series(["The firewall blocks outgoing traffic."] * 2),
        pl.Series(
            [
                "By default the firewall blocks incoming traffic. It does not block outgoing traffic.",
                "The firewall is old. It is likely that someone blocks outgoing traffic.",
            ]
        ),
    )
    shares = dict(near.select("sentence", "share").iter_rows())
    assert shares["It does not block outgoing traffic."] == 1.0
    assert shares["It is likely that someone blocks outgoing traffic."] == 0.75
    near, _, _ = nearest.nearest(
        pl.Series(["Term renewals are automatic."]),
        pl.Series(["Term renewals are not automatic. They require a lot of thought."]),
    )
    assert near["sentence"].to_list() == ["Term renewals are not automatic."]


def test_rows_beside_the_claims_row_are_compared_where_they_give_its_number():
    near, _, _ = nearest.nearest(
        pl.Series(["Petrov threw 71.4 m."]),
        pl.Series(["Long 68.9 m\nPetrov 70.2 m\nAhmed 71.4 m\nThe hall was full for 71.4 minutes."]),
    )
    assert near["sentence"].to_list() == ["Petrov 70.2 m", "Ahmed 71.4 m"]
