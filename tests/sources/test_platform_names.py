"""Exports of many platforms: the answer is the answer, never the evidence, the question or a model answer."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.sources.mapping import propose

ASKED = ("How many looms does the mill run?", "How many days of leave are there?")
SAID = ("The mill runs 14 looms and was opened in 1987.", "Every employee has 28 days of paid leave a year.")
GIVEN = (
    "The mill runs 14 looms. It was opened in 1987 and employs 60 weavers in three shifts a day.",
    "Staff handbook, chapter 4. Every employee has 28 days of paid leave a year, asked for by mail.",
)
SYSTEM = "You are a helpful assistant. Answer only from the context below and cite the source that you used."

Q, A, E = "<question>", "<answer>", "<evidence>"
EXPORTS: dict[str, tuple[dict[str, Any], str | None, str | None, str | None]] = {
    # name: (a record, response, prompt, contexts)
    "ragas": (
        {"user_input": Q, "retrieved_contexts": [E], "response": A, "reference": f"Gold: {A}"},
        "response", "user_input", "retrieved_contexts",
    ),
    "deepeval": (
        {"input": Q, "actual_output": A, "expected_output": f"{A} Yes.", "retrieval_context": [E]},
        "actual_output", "input", "retrieval_context",
    ),
    "a model answer beside the agent's": (
        {"question": Q, "answer": f"Gold: {A}", "hypothesis": A}, "hypothesis", "question", None,
    ),
    "ids beside texts": (
        {"query": Q, "gold_answer": f"{A} So it is.", "generated_answer": A, "retrieved_docs": [E],
         "retrieved_ids": ["d1"]},
        "generated_answer", "query", "retrieved_docs",
    ),
    "sharegpt": (
        {"conversations": [{"from": "system", "value": SYSTEM}, {"from": "human", "value": Q},
                           {"from": "gpt", "value": A}]},
        "conversations", "conversations", None,
    ),
    "speakers": (
        {"transcript": [{"speaker": "customer", "text": Q}, {"speaker": "agent", "text": A}]},
        "transcript", "transcript", None,
    ),
    "authors": (
        {"parts": [{"author": {"type": "user"}, "body": Q}, {"author": {"type": "bot"}, "body": A}]},
        "parts", "parts", None,
    ),
    "anthropic": (
        {"system": SYSTEM, "messages": [{"role": "user", "content": Q}],
         "content": [{"type": "text", "text": A}]},
        "content", "messages", None,
    ),
    "flowise": (
        {"question": Q, "text": A, "sourceDocuments": [{"pageContent": E, "metadata": {}}]},
        "text", "question", "sourceDocuments",
    ),
    "langchain": (
        {"inputs": {"query": Q}, "outputs": {"result": A, "source_documents": [{"page_content": E}]}},
        "outputs.result", "inputs.query", "outputs.source_documents",
    ),
    "llamaindex": (
        {"query": Q, "response": A, "source_nodes": [{"node": {"text": E}, "score": 0.8}]},
        "response", "query", "source_nodes",
    ),
    "haystack": (
        {"query": Q, "answers": [{"answer": A}], "documents": [{"content": E}]},
        "answers.0.answer", "query", "documents",
    ),
    "dify": (
        {"query": Q, "answer": A, "retriever_resources": [{"content": E, "document_name": "d"}]},
        "answer", "query", "retriever_resources",
    ),
    "columns of a database": (
        {"USER_TXT": Q, "BOT_TXT": A, "KB_TXT": E, "USER_NAME": "Ada Lo"}, "BOT_TXT", "USER_TXT", "KB_TXT",
    ),
    "a summary of an article": ({"article": E, "summary": A}, "summary", None, "article"),
    "deep within": (
        {"event": {"llm": {"in": Q, "out": A}, "docs": [{"txt": E, "href": "http://a/1"}]}},
        "event.llm.out", "event.llm.in", "event.docs",
    ),
    "names that say nothing": ({"a": Q, "b": E, "c": A}, "c", "a", "b"),
}  # fmt: skip


def filled(value: Any, number: int) -> Any:
    """A record whose placeholders are texts."""
    if isinstance(value, dict):
        return {key: filled(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, number) for item in value]
    for mark, texts in ((Q, ASKED), (A, SAID), (E, GIVEN)):
        value = value.replace(mark, texts[number]) if isinstance(value, str) else value
    return value


@pytest.mark.parametrize("name", EXPORTS)
def test_the_answer_of_an_export_is_proposed(name: str) -> None:
    record, response, prompt, contexts = EXPORTS[name]
    fields = propose([filled(record, number) for number in (0, 1)]).fields
    assert (fields.response, fields.prompt, fields.contexts) == (response or "response", prompt, contexts)


def test_a_preview_of_the_answer_is_not_the_answer() -> None:
    records = [{"payload": {"text": text}, "preview": f"{text[:20]}…"} for text in SAID]
    assert propose(records).fields.response == "payload.text"


def test_a_guess_is_said_with_its_reason() -> None:
    sentences = propose([filled({"a": Q, "b": E, "c": A}, number) for number in (0, 1)]).sentences
    assert sentences[0] == (
        "fields.response is a guess: 'c' is the answer and 'b' its evidence, "
        "which has the same words and more"
    )
    assert not any("no field holds evidence" in sentence for sentence in sentences)


def test_documents_and_questions_alone_hold_no_answer() -> None:
    records = [filled({"hits": [{"text": E}], "ask": Q}, number) for number in (0, 1)]
    proposal = propose(records)
    assert proposal.sentences[0] == "no field holds text that could be the answer; set fields.response"
