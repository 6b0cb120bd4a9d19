"""What the spans of a trace say together: the answer that a user saw, the question, the evidence."""

from __future__ import annotations

import json
from typing import Any

from tasks.sources.spans import Document, Span
from tasks.sources.traces import read


def span(number: str, role: str, start: int, end: int, parent: str | None = None, **more: Any) -> Span:
    return Span("t", number, parent, start * 10**9, end * 10**9, name=number, role=role, **more)  # type: ignore[arg-type]


def only(*spans: Span) -> dict[str, Any]:
    trace = read(spans)
    assert trace.refused == []
    (record,) = trace.records
    assert trace.joined == len({each.span_id for each in spans}) - 1
    return record


ROOT = span("root", "agent", 0, 9, input="Who runs Harwick?", output="The water board.", agent="help")
CALL = span("call", "llm", 5, 8, "root", output="The water board, I think.", model="m-1")
FOUND = span("found", "retriever", 1, 2, "root", documents=[Document("It is run by the board.", "kb://1")])
LOOKED = span("looked", "tool", 3, 4, "root", tool="registry", output='{"owner": "board"}')


def test_the_root_says_what_the_user_saw_and_the_others_what_it_rests_on():
    record = only(CALL, LOOKED, FOUND, ROOT)
    assert (record["response"], record["prompt"]) == ("The water board.", "Who runs Harwick?")
    assert (record["agent"], record["model"], record["tools"]) == ("help", "m-1", ["registry"])
    assert record["contexts"] == [
        {"uri": "kb://1", "text": "It is run by the board."},
        {"uri": "tool:registry", "text": '{"owner": "board"}'},
    ]
    assert record["produced_at"].isoformat() == "1970-01-01T00:00:09+00:00"


def test_a_root_without_an_answer_leaves_it_to_the_last_call_that_says_something():
    root = span("root", "other", 0, 9)
    calls = [
        span("a", "llm", 1, 3, "root", output="Let me look."),
        span("b", "llm", 4, 6, "root", output="Paris.", input=[{"role": "user", "content": "Where?"}]),
        span("c", "llm", 7, 8, "root", output=[{"role": "assistant", "tool_calls": [{"name": "f"}]}]),
    ]
    record = only(root, *calls)
    assert (record["response"], record["prompt"]) == ("Paris.", "Where?")


def test_calls_of_judges_answer_nobody():
    judge = span("judge", "judge", 8, 9, "root")
    inside = span("inside", "llm", 8, 9, "judge", output="Score: 1")
    root = span("root", "chain", 0, 9, output={"score": 1})
    assert only(root, CALL, judge, inside)["response"] == "The water board, I think."


def test_a_record_as_output_is_opened_where_it_has_an_answer():
    root = span(
        "root", "chain", 0, 9, input='{"question": "Who?"}', output='{"answer": "Me.", "context": []}'
    )
    record = only(root, CALL)
    assert (record["response"], record["prompt"]) == ("Me.", "Who?")


def test_results_of_tools_in_the_conversation_count_from_the_last_question_on():
    turns = [
        {"role": "user", "content": "And Rome?"},
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "weather"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "Rome: 20 C"},
        {"role": "assistant", "content": "20 C."},
        {"role": "user", "content": "And Paris?"},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c2", "name": "weather"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c2", "result": "Paris: 9 C"}]},
    ]
    record = only(span("call", "llm", 0, 1, input=json.dumps(turns), output="9 C."))
    assert record["contexts"] == [{"uri": "tool:weather", "text": "Paris: 9 C"}]
    assert record["prompt"] == "And Paris?"


def test_a_tool_that_failed_is_named_beside_the_answer():
    failed = span("failed", "tool", 3, 4, "root", tool="registry", is_error=True)
    assert json.loads(only(ROOT, failed)["metadata"])["failed_tools"] == ["registry"]
    assert "failed_tools" not in json.loads(only(ROOT, LOOKED)["metadata"])


def test_what_a_tool_did_after_the_answer_is_no_evidence():
    late = span("late", "tool", 20, 21, "root", tool="save", output="saved")
    assert only(ROOT, late)["contexts"] == []
    assert only(ROOT, late)["tools"] == ["save"]


def test_documents_without_text_are_named():
    blank = span("blank", "retriever", 1, 2, "root", documents=[Document("", "d1"), Document("", "d2")])
    record = only(ROOT, blank)
    assert record["contexts"] == []
    assert json.loads(record["metadata"])["documents_without_text"] == ["d1", "d2"]


def test_two_answers_under_one_trace_id_are_two_with_ids_that_stay():
    other = span("second", "agent", 20, 29, output="Another.", input="And?")
    below = span("below", "retriever", 21, 22, "second", documents=[Document("B.")])
    trace = read([other, below, ROOT, FOUND])
    assert [(r["id"], r["response"], len(r["contexts"])) for r in trace.records] == [
        ("t", "The water board.", 1), ("t:second", "Another.", 1),
    ]  # fmt: skip
    assert trace.joined == 2
    assert [r["id"] for r in read([ROOT]).records] == ["t"]


def test_a_span_that_came_twice_counts_once_and_a_circle_of_parents_ends():
    assert only(ROOT, ROOT, CALL)["response"] == "The water board."
    circle = [span("a", "llm", 0, 1, "b", output="A."), span("b", "llm", 0, 2, "a", output="B.")]
    assert only(*circle)["response"] == "B."


def test_traces_without_agents_are_left_out_and_those_without_answers_say_why():
    assert read([span("web", "other", 0, 1), span("db", "other", 0, 1, "web")]).filtered == 2
    silent = read([span("call", "llm", 0, 1)])
    assert silent.refused == [
        ("t", "none of the 1 spans has an output: inputs and outputs are not recorded at the source, and "
              "there is nothing to verify"),
    ]  # fmt: skip
    image = [{"role": "assistant", "tool_calls": [{"name": "f"}]}]
    assert read([span("call", "llm", 0, 1, output=image)]).refused == [
        ("t", "none of 1 calls of a model gave text that a user could see"),
    ]


def test_an_entry_of_another_service_is_a_root_here():
    record = only(span("entry", "agent", 0, 9, "elsewhere", is_entry=True, output="Here.", input="Q?"), CALL)
    assert (record["id"], record["response"]) == ("t", "Here.")
