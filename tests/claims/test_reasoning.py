"""What a model thought before it answered is listed and never judged as its answer."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.claims import reasoning

ANSWER = "The Orsa mill runs 14 looms."


def visible(text: str) -> str:
    return reasoning.without(text, reasoning.spans(text)).strip()


@pytest.mark.parametrize(
    "text",
    [
        f"<think>The mill has 40 looms, I believe. No, 14.</think>\n{ANSWER}",
        f"<think>\nForty?\n\n- or 14\n</think>\n\n{ANSWER}",
        f"The mill has 40 looms, I believe.\n</think>\n\n{ANSWER}",
        f"<Thinking>Forty.</Thinking> {ANSWER}",
        f"[THINK]Forty.[/THINK]{ANSWER}",
        f"<|channel|>analysis<|message|>Forty.<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
        f"<reasoning>Forty.</reasoning>\n<think>No.</think>\n{ANSWER}",
    ],
)
def test_reasoning_is_told_from_the_answer(text: str) -> None:
    assert visible(text) == ANSWER


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{ANSWER}",
        f"{ANSWER} It closes what <think> opens with </think> in its text.",
        "The `</think>` tag ends the reasoning of a model.",
        ANSWER,
    ],
)
def test_in_doubt_text_is_judged(text: str) -> None:
    assert visible(text) == text


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "\n", "a", " ", "[/THINK]"]), max_size=30).map("".join)
)
def test_positions_stay_and_passages_are_apart(text: str) -> None:
    spans = reasoning.spans(text)
    assert len(reasoning.without(text, spans)) == len(text)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_a_million_opening_tags_end_quickly() -> None:
    assert reasoning.spans("<thinking>\n" * 1_000_000 + "</think>") == []
