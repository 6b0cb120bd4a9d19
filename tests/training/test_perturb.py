"""Edits of claims: what each changes, and that it leaves the rest alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import perturb, rephrase


def drawn(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - reproducible edits


ALL = {**perturb.HARMFUL, **rephrase.HARMLESS, "roles": perturb.roles}


def edit(kind: str, text: str, seed: int = 0) -> str | None:
    return ALL[kind](text, drawn(seed))


@pytest.mark.parametrize(
    ("kind", "text", "among"),
    [
        (
            "date",
            "Born in 1970.",
            {f"Born in {1970 + d}." for d in (-20, -10, -4, -3, -2, -1, 1, 2, 3, 4, 10)},
        ),
        ("unit", "It is 5 km long.", {"It is 5 miles long.", "It is 5 m long."}),
        ("comparison", "Sales rose.", {"Sales fell."}),
        ("comparison", "More than ten came.", {"Less than ten came.", "Fewer than ten came."}),
        ("quantifier", "All of the players left.", {"None of the players left.", "Few of the players left."}),
        ("quantifier", "It is always open.", {"It is never open."}),
        ("negation", "It was sold.", {"It was not sold."}),
        ("negation", "It was not sold.", {"It was sold."}),
        ("tense", "It has been sold.", {"It will be sold."}),
        ("number_words", "They have 3 cats.", {"They have three cats."}),
        ("number_words", "They have three cats.", {"They have 3 cats."}),
        ("date_format", "On May 4, 1990 it fell.", {"On 4 May 1990 it fell."}),
        ("date_format", "On 4 May 1990 it fell.", {"On May 4, 1990 it fell."}),
        ("date_format", "On May 4, a Friday, it fell.", {"On 4 May, a Friday, it fell."}),
        ("synonym", "The film ended.", {"The movie ended.", "The film finished."}),
        ("voice", "The film was directed by Ann Lee.", {"Ann Lee directed the film."}),
        ("voice", "C was first written by Ann Lee and Bob Ray.", {"Ann Lee and Bob Ray first wrote C."}),
        ("voice", "He was given by the King in 1920.", {"The King gave him in 1920."}),
        ("roles", "Ann Lee was the teacher of Bob Ray.", {"Bob Ray was the teacher of Ann Lee."}),
    ],
)
def test_an_edit_changes_one_thing(kind, text, among):
    assert {edit(kind, text, seed) for seed in range(30)} <= among


def test_a_number_becomes_another_number():
    for seed in range(50):
        changed = edit("number", "It has 92 reactors.", seed)
        assert changed is not None
        before, number, after = changed.partition(changed.split()[2])
        assert (before, after) == ("It has ", " reactors.")
        assert number != "92"


def test_a_year_is_a_date_and_no_number():
    assert edit("number", "It opened in 1998.") is None


def test_a_name_is_replaced_by_one_that_shares_no_word_with_it():
    pool = ["Boston", "New Paris", "Rome"]
    got = {perturb.name("She lives in Paris now.", drawn(s), pool) for s in range(30)}
    assert got == {"She lives in Boston now.", "She lives in Rome now."}


def test_a_statement_framed_as_in_conversation_still_states_it():
    for seed in range(60):
        told = rephrase.framing("The band was formed in Hanna.", drawn(seed))
        assert told is not None
        assert "the band was formed in hanna" in told.lower()
    assert rephrase.framing("Too short.", drawn(0)) is None


def test_an_edit_that_finds_nothing_returns_none():
    assert all(edit(kind, "Cats purr.") is None for kind in ALL)


def test_a_list_of_names_comes_in_another_order():
    assert edit("list_order", "It flows through Rome and Pisa.") == "It flows through Pisa and Rome."


@given(st.text(max_size=200), st.integers(0, 10))
def test_an_edit_of_any_text_is_a_text_or_none_and_depends_on_the_seed_alone(text, seed):
    for change in ALL.values():
        first = change(text, drawn(seed))
        assert first == change(text, drawn(seed))
        assert first is None or isinstance(first, str)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("voice", "It is sold by the house that was built by Ann."),
        ("voice", "Popping of the kernels was achieved by hand."),
        ("voice", "It was improved by adding salt."),
        ("voice", "It was written by Ann Lee in Rome and was sold later."),
        ("voice", "It was written by Dick J."),
        ("roles", "Ann Lee and Bob Ray teach."),
        ("roles", "They met Ann Lee, Bob Ray and Cid Fox."),
    ],
)
def test_what_cannot_be_edited_safely_is_left_alone(kind, text):
    assert {edit(kind, text, seed) for seed in range(10)} == {None}
