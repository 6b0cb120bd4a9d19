"""Labels of tokens into persons and addresses: the words they make, where one ends, what is shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.privacy.entities import Piece, findings, kind_of, masked


def pieces(text: str, labels: dict[str, str], score: float = 0.9) -> list[Piece]:
    """Tokens of at most four characters, as tokenisers cut words, labelled by the word that they are of."""
    tokens = []
    for word in re.finditer(r"\w+|[^\w\s]", text):
        label = labels.get(word.group(), "O")
        for place in range(word.start(), word.end(), 4):
            own = label if place == word.start() else "O"
            tokens.append(Piece(place, min(place + 4, word.end()), own, score))
    return tokens


def found(text: str, labels: dict[str, str]) -> list[tuple[str, str]]:
    return [(kind, text[one.start : one.end]) for kind, one in findings(text, pieces(text, labels), 0.5)]


def test_pieces_of_words_are_one_name_whatever_the_pieces_behind_the_first_say() -> None:
    text = "Ask Magdalena Kowalczyk about it."
    assert found(text, {"Magdalena": "B-PER", "Kowalczyk": "I-PER"}) == [("person", "Magdalena Kowalczyk")]


def test_two_people_beside_each_other_are_two() -> None:
    text = "From Magdalena Johannes to all"
    assert found(text, {"Magdalena": "B-PER", "Johannes": "B-PER"}) == [
        ("person", "Magdalena"),
        ("person", "Johannes"),
    ]


def test_given_name_and_surname_are_one_person_where_a_model_tells_them_apart() -> None:
    text = "Ask Magdalena Kowalczyk."
    assert found(text, {"Magdalena": "B-GIVENNAME", "Kowalczyk": "B-SURNAME"}) == [
        ("person", "Magdalena Kowalczyk")
    ]


def test_an_address_goes_on_over_a_comma_and_ends_at_a_word() -> None:
    text = "Send it to Lindenweg 12, 10115 or not."
    labels = {"Lindenweg": "B-STREET", "12": "B-BUILDINGNUM", "10115": "B-ZIPCODE"}
    assert found(text, labels) == [("address", "Lindenweg 12, 10115")]


@pytest.mark.parametrize(
    ("label", "kind"),
    [("B-PER", "person"), ("I-street_address", "address"), ("LOC", None), ("B-GPE", None), ("O", None),
     ("PERSON", "person"), ("E-Zip-Code", "address")],
)  # fmt: skip
def test_labels_are_read_without_case_signs_and_place(label: str, kind: str | None) -> None:
    assert kind_of(label) == kind


def test_what_the_model_is_not_sure_of_is_no_finding_and_the_least_sure_word_counts() -> None:
    text = "Anna Meier"
    tokens = [Piece(0, 4, "B-PER", 0.95), Piece(5, 10, "I-PER", 0.7)]
    assert [one.confidence for _, one in findings(text, tokens, 0.7)] == [0.7]
    assert list(findings(text, tokens, 0.71)) == []


def test_only_a_first_letter_is_shown_of_a_name_and_nothing_of_an_address() -> None:
    assert (masked("person", "Anna Meier"), masked("address", "Lindenweg 12")) == ("A***", "***")


@given(st.text("ab ,.", min_size=1, max_size=40), st.data())
def test_findings_are_apart_in_order_and_windows_that_overlap_change_nothing(text: str, data) -> None:  # type: ignore[no-untyped-def]
    words = sorted({match.group() for match in re.finditer(r"\w+", text)})
    label = st.sampled_from(["O", "B-PER", "I-PER", "B-STREET"])
    tokens = pieces(text, {word: data.draw(label) for word in words})
    once = list(findings(text, tokens, 0.5))
    ends = [0]
    for _, one in once:
        assert ends[-1] <= one.start < one.end
        ends.append(one.end)
    middle = len(tokens) // 2
    assert list(findings(text, [*tokens[: middle + 1], *tokens[middle:]], 0.5)) == once
