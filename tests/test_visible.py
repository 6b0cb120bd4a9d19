"""Characters that act instead of being seen."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.visible import shortened, visible

ANYTHING = st.text(st.characters(exclude_categories=[]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "⟨U+001B⟩[31mred"),
        ("a\u202etxt.exe", "a⟨U+202E⟩txt.exe"),
        ("pay\u200bpal", "pay⟨U+200B⟩pal"),
        ("\ufeffid", "⟨U+FEFF⟩id"),
        ("a\x00b", "a⟨U+0000⟩b"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("half \ud83d", "half ⟨U+D83D⟩"),
    ],
)
def test_what_acts_is_shown_as_its_code_point(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["👩‍👩‍👧 family", "می‌خواهم", "naïve café", "日本語", "שלום", "❤️‍🔥"])
def test_spelling_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_a_joiner_between_latin_letters_is_no_spelling() -> None:
    assert visible("pay\u200dpal") == "pay⟨U+200D⟩pal"


def test_a_tower_of_combining_marks_is_cut_to_four() -> None:
    assert visible("e" + "\u0301" * 500) == "e" + "\u0301" * 4


@given(ANYTHING)
def test_no_control_or_override_is_left_and_twice_is_once(text: str) -> None:
    shown = visible(text)
    assert not [c for c in shown if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff")
    assert visible(shown) == shown
    shown.encode("utf-8")


@given(st.text(), st.integers(1, 50))
def test_shortening_keeps_the_length_and_says_that_it_cut(text: str, length: int) -> None:
    short = shortened(text, length)
    assert len(short) <= length
    assert short == text or short.endswith("…")
