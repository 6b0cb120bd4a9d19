"""Words that mean the same are written alike, where the evidence has the other one."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.text import forms, synonyms


def aligned(claim: str, passage: str) -> str:
    return str(synonyms.aligned(pl.Series([claim]), pl.Series([passage]))[0])


@pytest.mark.parametrize(
    ("claim", "passage", "written"),
    [
        ("The council turned down the bid.", "The bid was rejected.", "The council rejected the bid."),
        ("Crews have to wear a vest.", "A crew must wear a vest.", "Crews must wear a vest."),
        ("Entry costs nothing: it is for free.", "Entry is free of charge.", None),
        ("The film was a success.", "The movie, a success, ran for weeks.", "The movie was a success."),
    ],
)
def test_a_word_is_written_as_the_passage_has_it(claim, passage, written):
    expected = written or "Entry costs nothing: it is free of charge."
    assert aligned(claim, passage) == expected


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("The council turned down the bid.", "The council turned down the bid it had rejected before."),
        ("The council approved the bid.", "The bid was rejected."),
        ("The calendar is full.", "The calling ended."),
        ("A bigger movie-theatre opened.", "A large film opened."),
        ("", "The movie."),
    ],
)
def test_what_the_passage_has_or_does_not_mean_stays(claim, passage):
    assert aligned(claim, passage) == claim


def test_a_pair_does_not_depend_on_the_pairs_beside_it():
    claims = pl.Series(["The film ended.", "No word of it.", "They hired a lawyer."])
    passages = pl.Series(["The movie finished.", "The movie.", "They recruited an attorney."])
    together = forms.aligned(claims, passages).to_list()
    assert together == ["The movie finished.", "No word of it.", "They recruited a attorney."]
    assert together == [
        forms.aligned(claims[at : at + 1], passages[at : at + 1])[0] for at in range(len(claims))
    ]
