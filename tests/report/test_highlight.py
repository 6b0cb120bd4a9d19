"""Which words are marked, and that marking changes none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report import worst
from tasks.report.highlight import deciding_spans, densest_window, pieces
from tasks.report.parameters import ReportParameters

TEXTS = st.text(st.sampled_from("abcdeé 1234.,:%-[]\nÀß"), max_size=200)


def marks(claim: str, passage: str) -> tuple[dict[str, str], dict[str, str]]:
    of_claim, of_passage = deciding_spans(claim, passage)
    return (
        {claim[s.start : s.end]: s.mark for s in of_claim},
        {passage[s.start : s.end]: s.mark for s in of_passage},
    )


def test_shared_content_words_are_marked_on_both_sides_across_case_and_endings() -> None:
    of_claim, of_passage = marks("Enzymes oxidised the sample", "The SAMPLE was oxidising with an enzyme")
    assert of_claim == {"Enzymes": "shared", "oxidised": "shared", "sample": "shared"}
    assert of_passage == {"SAMPLE": "shared", "oxidising": "shared", "enzyme": "shared"}


def test_function_words_are_not_marked() -> None:
    assert marks("This is what they have", "They have what this is") == ({}, {})


def test_a_number_that_only_the_claim_has_is_missing_and_so_are_the_passage_s_own() -> None:
    of_claim, of_passage = marks("lasts 24 months", "lasts 12 months")
    assert of_claim["24"] == "missing"
    assert of_passage["12"] == "missing"


def test_numbers_of_the_passage_are_not_marked_where_the_claim_misses_none() -> None:
    assert "99" not in marks("lasts 24 months", "lasts 24 months, page 99")[1]


@pytest.mark.parametrize(("one", "other"), [("1,200", "1200"), ("5%", "5%"), ("3.", "3")])
def test_numbers_meet_across_ways_of_writing(one: str, other: str) -> None:
    assert set(marks(f"about {one} tons", f"about {other} tons")[0].values()) == {"shared"}


def test_a_citation_mark_is_no_number() -> None:
    assert marks("It is so [3].", "It is so.")[0] == {}


@given(TEXTS, TEXTS)
def test_pieces_joined_are_the_text(claim: str, passage: str) -> None:
    for text, spans in zip((claim, passage), deciding_spans(claim, passage), strict=True):
        assert "".join(piece for piece, _ in pieces(text, spans)) == text
        assert [piece for piece, mark in pieces(text, spans) if mark] == [
            text[s.start : s.end] for s in spans
        ]


@given(TEXTS, TEXTS, st.integers(8, 80))
def test_a_window_is_inside_the_text_and_never_longer_than_asked(
    claim: str, passage: str, length: int
) -> None:
    start, end = densest_window(passage, deciding_spans(claim, passage)[1], length)
    assert 0 <= start <= end <= len(passage)
    assert end - start <= length
    assert len(passage) > length or (start, end) == (0, len(passage))


def test_the_window_holds_the_part_that_shares_most() -> None:
    passage = "nothing here " * 40 + "the warranty lasts twelve months " + "nothing there " * 40
    start, end = densest_window(passage, deciding_spans("warranty of twelve months", passage)[1], 120)
    assert "warranty lasts twelve months" in passage[start:end]


@pytest.mark.parametrize("place", [0, 300, 2000, 3900])
def test_a_long_passage_is_cut_so_that_the_sentence_that_decided_stays(place: int) -> None:
    sentence = "Audit  records\n\n stay for 12 months\u200b."
    filler = "The retention period of records is 24 months. " * 100
    text = filler[:place] + " " + sentence + " " + filler[place:]
    row = {"passage_id": "p", "origin": "context", "rank": 0, "tokens_seen": 1, "tokens_offered": 1}
    row |= {"p_supported": 0.1, "p_contradicted": 0.8, "p_insufficient": 0.1}
    verdict = {"evidence_ids": ["p"], "decisive_start": place + 1, "decisive_end": place + 1 + len(sentence)}
    shown = worst._passage(
        "Records stay for 24 months.",
        verdict,
        row | {"text": text, "document_uri": ""},
        ReportParameters(),
    )
    assert shown.decisive is not None
    said = "".join(t for t, _ in shown.words[slice(*shown.decisive)])
    assert said == "Audit  records\nstay for 12 months⟨U+200B⟩."
    assert len("".join(t for t, _ in shown.words)) <= ReportParameters().passage_characters
