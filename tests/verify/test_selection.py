"""Which sentences of a long passage are read with a claim."""

import numpy as np
import polars as pl
import pytest

from tasks.verify import selection
from tasks.verify.selection import SelectionParameters

FILLER = "The committee met again and talked about other matters of the day. "
DECISIVE = "Marie Curie won the Nobel Prize in Chemistry."
CLAIM = "Marie Curie won a Nobel Prize."


def gather(claims, texts, **parameters):
    return selection.gather(
        pl.Series(claims), pl.Series(texts), {}, 1.0, SelectionParameters(**parameters)
    ).to_list()


def test_a_text_within_the_budget_is_read_as_it_stands():
    assert gather([CLAIM], ["Short.  As it is. "]) == ["Short.  As it is. "]


@pytest.mark.parametrize("place", range(0, 250, 10))
def test_the_decisive_sentence_is_read_wherever_it_stands_in_3000_words(place):
    parts = [FILLER] * 250
    parts[place] = DECISIVE + " "
    text = "".join(parts)
    assert len(text.split()) > 2900
    (read,) = gather([CLAIM], [text])
    assert DECISIVE in read


def test_sentences_of_several_facts_are_read_together_in_the_order_of_the_document():
    text = FILLER * 20 + "Curie was born in Warsaw. " + FILLER * 20 + "She studied in Paris. " + FILLER * 9
    (read,) = gather(["She studied in Paris and was born in Warsaw."], [text])
    assert 0 <= read.index("born in Warsaw") < read.index("studied in Paris")


def test_what_is_read_keeps_to_the_budget():
    (read,) = gather([CLAIM], [FILLER * 100], budget_characters=300)
    assert 0 < len(read) <= 300


def test_a_text_without_stops_or_spaces_is_cut_and_not_dropped():
    (read,) = gather(["x"], ["y" * 5000])
    assert set(read) <= {"y", " "}
    assert read


def test_a_pair_does_not_depend_on_its_neighbours():
    texts = [FILLER * 30 + DECISIVE, DECISIVE + FILLER * 30, "short"]
    claims = [CLAIM, "The committee met.", ""]
    together = gather(claims, texts)
    assert together == [gather([c], [t])[0] for c, t in zip(claims, texts, strict=True)]


def test_every_word_of_a_text_is_in_one_sentence():
    text = "One two. Three four! Five?\n\nSix " + "seven " * 200
    cut = selection.sentences(pl.Series([text]))
    assert " ".join(cut["sentence"]).split() == text.split()


def test_overlap_is_the_weighted_share_of_the_claims_words():
    shares = selection.overlap(
        pl.Series(["rare common"]), np.zeros(3, np.int64),
        pl.Series(["rare", "common", "other"]), {"rare": 3.0, "common": 1.0}, 5.0,
    )  # fmt: skip
    assert shares.tolist() == pytest.approx([0.75, 0.25, 0.0])
