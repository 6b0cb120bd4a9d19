"""One meaning under every name that it has had."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.sources import messages
from tasks.sources.attributes import describe, documents, is_of_an_agent, role, with_events
from tasks.sources.spans import Document, Span


def described(attributes: dict[str, Any], name: str = "span") -> Span:
    return describe(Span("t", "s", None, 0, 1, name=name), attributes)


ASKED, SAID = "How is Paris?", "Paris is rainy."
PARTS = [{"role": "assistant", "parts": [{"type": "text", "content": SAID}], "finish_reason": "stop"}]
GENERATIONS = {
    "GenAI, JSON text": {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "m-1-2026",
        "gen_ai.request.model": "m-1",
        "gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]
        ),
        "gen_ai.output.messages": json.dumps(PARTS),
        "gen_ai.usage.input_tokens": 12,
    },
    "GenAI, structured": {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "m-1-2026",
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": ASKED}]}],
        "gen_ai.output.messages": PARTS,
        "gen_ai.usage.prompt_tokens": 12,
    },
    "OpenLLMetry": {
        "gen_ai.system": "x",
        "gen_ai.response.model": "m-1-2026",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": ASKED,
        "gen_ai.completion.0.content": SAID,
        "gen_ai.usage.prompt_tokens": 12,
    },
    "OpenInference": {
        "openinference.span.kind": "LLM",
        "llm.model_name": "m-1-2026",
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Be kind.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.contents.0.message_content.type": "text",
        "llm.input_messages.1.message.contents.0.message_content.text": ASKED,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": SAID,
        "llm.token_count.prompt": 12,
    },
    "plain values": {
        "openinference.span.kind": "llm",
        "llm.model_name": "m-1-2026",
        "input.value": ASKED,
        "output.value": SAID,
        "llm.token_count.prompt": 12,
    },
}


@pytest.mark.parametrize("attributes", GENERATIONS.values(), ids=GENERATIONS)
def test_every_generation_of_names_says_the_same(attributes):
    span = described(attributes)
    question, answer = messages.question(span.input), messages.answer(span.output)
    assert question is not None
    assert answer is not None
    assert (span.role, span.model, question.text, answer.text) == ("llm", "m-1-2026", ASKED, SAID)
    assert span.more["input_tokens"] == 12


def test_content_in_events_and_logs_is_content_too():
    event = {"gen_ai.input.messages": [{"role": "user", "content": ASKED}], "gen_ai.output.messages": PARTS}
    base = {"gen_ai.operation.name": "chat"}
    span = described(with_events(base, [("gen_ai.client.inference.operation.details", event)]))
    assert messages.answer(span.output) == messages.Speech(SAID)
    older = [
        ("gen_ai.user.message", {"content": ASKED}),
        ("gen_ai.choice", {"index": 0, "message": {"role": "assistant", "content": SAID}}),
    ]
    span = described(with_events(base, older))
    assert messages.question(span.input) == messages.Speech(ASKED)
    assert messages.answer(span.output) == messages.Speech(SAID)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"openinference.span.kind": "RETRIEVER"}, "retriever"),
        ({"openinference.span.kind": "EVALUATOR"}, "judge"),
        ({"traceloop.span.kind": "workflow"}, "chain"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e"}, "other"),
        ({"openinference.span.kind": 7, "gen_ai.request.model": "m"}, "llm"),
        ({"http.method": "GET"}, "other"),
    ],
)
def test_roles(attributes, expected):
    assert role(attributes) == expected


def test_documents_keep_their_text_and_where_they_are_from():
    flat = {
        "retrieval.documents.1.document.content": "Second.",
        "retrieval.documents.0.document.content": "First.",
        "retrieval.documents.0.document.metadata": json.dumps({"source": "kb://1"}),
        "retrieval.documents.1.document.id": "2",
    }
    assert documents(flat) == [Document("First.", "kb://1"), Document("Second.", "2")]
    genai = {
        "gen_ai.retrieval.documents": json.dumps([{"id": "d1", "score": 0.9}, {"id": "d2", "text": "T."}])
    }
    assert documents(genai) == [Document("", "d1"), Document("T.", "d2")]


def test_a_tool_has_its_name_and_what_it_returned():
    span = described({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search",
                      "gen_ai.tool.call.result": "42"})  # fmt: skip
    assert (span.role, span.tool, span.output) == ("tool", "search", "42")
    assert described({"openinference.span.kind": "TOOL"}, name="lookup").tool == "lookup"


def test_attributes_of_the_wrong_type_are_text_or_nothing():
    span = described({"openinference.span.kind": "LLM", "llm.model_name": 7, "session.id": ["a"],
                      "llm.output_messages.0": "x", "llm.output_messages.1.message.content": 7})  # fmt: skip
    assert (span.model, span.session) == ("7", '["a"]')


def test_what_is_not_of_an_agent():
    assert not is_of_an_agent({"http.method": "GET", "db.system": "postgresql"})
    assert is_of_an_agent({"http.method": "GET", "gen_ai.system": "x"})
