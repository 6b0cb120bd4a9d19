"""An answer is what its user saw, in whatever shape an export keeps it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources import messages

SAID = "The Orsa mill runs 14 looms."
MORE = "It was opened in 1987."
USER = {"role": "user", "content": "How many looms?"}
SYSTEM = {"role": "system", "content": "You are a mill guide. The mill has 40 looms."}


def text(value: Any) -> str:
    speech = messages.answer(value)
    assert speech is not None
    return speech.text


@pytest.mark.parametrize(
    "value",
    [
        SAID,
        json.dumps(SAID),
        json.dumps(json.dumps(SAID)),
        {"role": "assistant", "content": SAID},
        json.dumps({"role": "assistant", "content": SAID}),
        json.dumps(json.dumps({"role": "assistant", "content": SAID})),
        [SYSTEM, USER, {"role": "assistant", "content": SAID}],
        {"messages": [SYSTEM, USER, {"role": "assistant", "content": SAID}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}}]},
        {"choices": [{"index": 0, "text": SAID}]},
        {"content": [{"type": "text", "text": SAID}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": SAID}]}}]},
        {"candidates": [{"content": {"parts": [{"text": SAID}]}}]},
        [{"role": "assistant", "parts": [{"type": "text", "content": SAID}]}],
        {"generations": [[{"text": SAID, "type": "ChatGeneration"}]]},
        {"lc": 1, "type": "constructor", "id": ["langchain", "AIMessage"], "kwargs": {"content": SAID}},
        {"type": "ai", "content": SAID},
        {"role": "assistant", "content": [{"type": "text", "text": {"value": SAID, "annotations": []}}]},
        {"role": "assistant", "content": None, "refusal": SAID},
        [{"type": "text", "text": SAID}],
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": SAID}]}]},
    ],
    ids=str,
)
def test_one_answer_in_the_shapes_of_many_platforms(value: Any) -> None:
    assert text(value) == SAID


def test_the_parts_of_an_answer_are_all_of_it_in_order() -> None:
    parts = [{"type": "text", "text": SAID}, {"type": "text", "text": MORE}]
    assert text({"role": "assistant", "content": parts}) == f"{SAID}\n{MORE}"


def test_a_sentence_that_is_cut_where_a_citation_begins_stays_one_sentence() -> None:
    parts = [
        {"type": "text", "text": "The Orsa mill "},
        {"type": "text", "text": "runs 14 looms", "citations": [{"cited_text": "14 looms"}]},
        {"type": "text", "text": "."},
    ]
    assert text(parts) == SAID


def test_reasoning_between_output_items_is_kept_apart_and_tool_calls_are_no_answer() -> None:
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "It has 40 looms, I believe."}]},
        {"type": "function_call", "name": "search_docs", "arguments": "{}"},
        {"type": "function_call_output", "output": "The mill has 99 looms."},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": MORE}]},
    ]
    speech = messages.answer(items)
    assert speech == messages.Speech(
        f"{SAID}\n\n{MORE}", reasoning=("It has 40 looms, I believe.",), tool_calls=("search_docs",)
    )


@pytest.mark.parametrize(
    "part",
    [
        {"type": "thinking", "thinking": "It has 40 looms.", "signature": "x"},
        {"type": "reasoning", "text": "It has 40 looms."},
        {"thought": True, "text": "It has 40 looms."},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "It has 40 looms."}]},
    ],
    ids=str,
)
def test_thoughts_are_never_the_answer(part: dict[str, Any]) -> None:
    speech = messages.answer({"role": "assistant", "content": [part, {"type": "text", "text": SAID}]})
    assert speech == messages.Speech(SAID, reasoning=("It has 40 looms.",))


def test_a_message_that_only_calls_a_tool_says_nothing() -> None:
    call = {"type": "function", "function": {"name": "search", "arguments": "{}"}}
    speech = messages.answer({"role": "assistant", "content": None, "tool_calls": [call]})
    assert speech == messages.Speech("", tool_calls=("search",))


def test_of_a_conversation_the_answer_to_the_last_question_counts() -> None:
    talk = [
        SYSTEM,
        USER,
        {"role": "assistant", "content": "Forty."},
        {"role": "user", "content": "Are you sure?"},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [{"function": {"name": "search"}}]},
        {"role": "tool", "content": "The mill has 14 looms."},
        {"role": "assistant", "content": SAID},
    ]
    assert text(talk) == f"Let me look.\n\n{SAID}"
    question = messages.question(talk)
    assert question is not None
    assert question.text == "Are you sure?"


def test_an_image_is_named_and_its_bytes_are_not() -> None:
    parts = [
        {"type": "text", "text": SAID},
        {"type": "image_url", "image_url": {"url": "https://example.org/looms.png"}},
        {"type": "image", "source": {"type": "base64", "data": "AAAA"}},
    ]
    speech = messages.answer({"role": "assistant", "content": parts})
    assert speech is not None
    assert speech.images == ("https://example.org/looms.png", "without a name")
    assert speech.text == f"{SAID}\n\n[image: https://example.org/looms.png]\n\n[image: without a name]"


@pytest.mark.parametrize(
    "value", [{"answer": SAID, "confidence": 0.9}, {"a": [1, 2]}, [1, 2], 5, None, True, [], {}], ids=str
)
def test_what_is_no_message_is_not_taken_for_one(value: Any) -> None:
    assert messages.answer(value) is None


@pytest.mark.parametrize("value", ["12", '"unfinished', "{not json}", "[1] says so.", "null", "true"])
def test_text_that_only_looks_like_json_stays_text(value: str) -> None:
    assert text(value) == value


def test_a_conversation_of_users_alone_has_no_answer() -> None:
    speech = messages.answer([SYSTEM, USER])
    assert speech is not None
    assert speech.text == ""


def test_json_nested_a_hundred_times_and_a_role_list_of_a_million_end_quickly() -> None:
    nested: Any = SAID
    for _ in range(12):
        nested = json.dumps(nested)
    assert isinstance(messages.decoded(nested), str)
    deep: Any = {"role": "assistant", "content": SAID}
    for _ in range(100):
        deep = {"messages": [deep]}
    assert messages.answer(deep) is None
    assert messages.answer([USER] * 1_000_000) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "parts", "messages", "kwargs", "id", "output"]
            ),
            inner | st.sampled_from(["assistant", "user", "text", "reasoning", "tool_call"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_read_without_an_error(value: Any) -> None:
    speech = messages.answer(value)
    assert speech is None or isinstance(speech.text, str)
    messages.question(value)
