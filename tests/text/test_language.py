"""Languages: right on short answers, unknown where nothing says it, of bounded time on anything."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text.language import UNKNOWN, language

DATA = Path(__file__).parent.parent / "data"
ROWS = [json.loads(line) for line in (DATA / "sentences_unseen.jsonl").read_text("utf-8").splitlines()]


def test_an_answer_of_a_few_sentences_is_placed_in_its_language() -> None:
    rows = [row for row in ROWS if row["topic"] == "languages"]
    assert len({row["language"] for row in rows}) >= 20
    assert sum(language(row["text"]) == row["language"] for row in rows) >= 0.98 * len(rows)


def test_a_single_sentence_is_more_often_left_unknown_than_placed_wrongly() -> None:
    pairs = [(row["language"], row["text"][a:b]) for row in ROWS for a, b in row["spans"]]
    answers = [(own, language(text)) for own, text in pairs]
    assert sum(own == named for own, named in answers) >= 0.8 * len(pairs)
    assert sum(named not in (own, UNKNOWN) for own, named in answers) <= 0.03 * len(pairs)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "12.5 %",
        "...",
        "👍👍",
        "X200",
        "\u200b\u200b",
        "https://example.com/der/die/das",
        "`if not`",
    ],
)
def test_what_says_nothing_of_its_language_is_unknown(text: str) -> None:
    assert language(text) == UNKNOWN


def test_the_language_of_most_of_the_text_counts() -> None:
    german = "Die Anlage wurde im März geprüft, und der Bericht ist fertig. "
    assert language(german * 3 + "The rest is in English.") == "de"
    assert language("Tokyo (東京) is the capital of Japan and it is large.") == "en"
    assert language("東京は日本の首都です。Windows 11 で動きます。") == "ja"


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_one_answer_and_always_the_same(text: str) -> None:
    assert language(text) == language(text) != ""


def test_a_million_characters_take_no_longer_than_a_page() -> None:
    began = time.perf_counter()
    for letter in ("a ", "я", "日", "\u202eשלום ", "é"):
        language(letter * 1_000_000)
    assert time.perf_counter() - began < 2
