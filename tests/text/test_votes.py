"""Many texts at once get the languages that a plain reading, word by word, gives each by itself."""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.text import language as module
from tasks.text.language import LEAST_LEAD, LEAST_SCORE, SEEN, UNKNOWN, language, languages
from tasks.text.votes import CHARACTERS

SAMPLE = Path(__file__).parent.parent / "data" / "sentences_unseen.jsonl"
TEXTS = [json.loads(line)["text"] for line in SAMPLE.read_text("utf-8").splitlines()]
NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|`[^`\n]*`")
APART = dict.fromkeys(
    [*map(ord, "‘“”„‚…‹›।॥،؛؟–—"), *(c for c in range(0xC0) if not chr(c).isalpha() and c != 0x27)], " "
)
LISTED = sorted(set(chain.from_iterable(words.split() for words in module._WORDS.values())))
WORDS = st.one_of(
    st.sampled_from(LISTED),
    st.sampled_from(LISTED).map(str.upper),
    st.text(max_size=8),
    st.sampled_from(
        [
            "'",
            "’",
            "``",
            "`the`",
            "@",
            "www.",
            "a@b",
            "HTTP://x",
            "http://the",
            "0",
            "İ",
            "ẞ",
            "ΣΑΣ",
            "\ud800",
        ]
    ),
)
JOINTS = st.sampled_from(
    [" ", " ", " ", "'", "’", "\n", "\t", ", ", ".", "-", "", "\u00a0", "\u3000", "\u2028", "“"]
)
MADE = st.lists(st.tuples(WORDS, JOINTS), max_size=40).map(lambda parts: "".join(chain.from_iterable(parts)))


def plainly(text: str) -> str:
    head = text[:SEEN]
    script = module._script(head)
    if script not in module._SHARED:
        return script or UNKNOWN
    lower = NOISE.sub(" ", head.lower().replace("’", "'"))
    words = set(lower.translate(APART).split())
    words |= {part for word in words for part in word.split("'")}
    names = module._SHARED[script]
    by_word = module._votes({name: module._WORDS[name].split() for name in names}, names, 1.0)
    by_letter = module._votes(dict(module._LETTERS), names, 0.8)
    votes = [by_word[word] for word in sorted(words & by_word.keys())]
    votes += [by_letter[letter] for letter in sorted(set(lower) & by_letter.keys())]
    scores: dict[str, float] = {}
    for name, weight in chain.from_iterable(votes):
        scores[name] = scores.get(name, 0.0) + weight
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    if not ranked or scores[ranked[0]] < LEAST_SCORE:
        return UNKNOWN
    is_clear = len(ranked) == 1 or scores[ranked[0]] >= LEAST_LEAD * scores[ranked[1]]
    return ranked[0] if is_clear else UNKNOWN


@settings(deadline=None)
@given(st.lists(st.one_of(MADE, st.sampled_from(TEXTS), st.text(max_size=40)), max_size=12))
@example([])
@example(["", "'", "the'", "l'anno dell'anno", "a" * 2_000])
def test_a_batch_gets_what_each_text_gets_word_by_word(texts: list[str]) -> None:
    assert languages(texts) == [plainly(text) for text in texts]


def test_each_text_of_the_sample_gets_the_same_alone_and_in_a_batch_of_any_length() -> None:
    expected = [plainly(text) for text in TEXTS]
    assert len(set(expected)) >= 20
    assert languages(TEXTS) == [language(text) for text in TEXTS] == expected
    longer = [(text + " ") * 200 for text in TEXTS]
    assert sum(map(len, longer)) > 10 * CHARACTERS
    assert languages(longer) == [plainly(text) for text in longer]


@pytest.mark.parametrize("script", sorted(module._SHARED))
def test_each_listed_word_and_letter_is_found_by_itself_and_by_nothing_else(script: str) -> None:
    ballot = module._ballot(script)
    names = module._SHARED[script]
    votes = module._votes({name: module._WORDS[name].split() for name in names}, names, 1.0)
    words = sorted(word for word in votes if "'" not in word and word.isascii() == (script == "Latn"))
    scores = ballot.scores([*words, *(f"x{word}" for word in words if f"x{word}" not in votes)])
    letters = module._votes(dict(module._LETTERS), names, 0.8)
    for at, word in enumerate(words):
        of = dict.fromkeys(ballot.candidates, 0.0)
        for sign in [votes[word], *(letters[one] for one in set(word) & letters.keys())]:
            for name, weight in sign:
                of[name] += weight
        assert scores[at] == pytest.approx([of[name] for name in ballot.candidates])
    if script == "Latn":
        assert not scores[len(words) :].any()
