"""Rows of one trace become one output: tables of observations, of runs, of messages."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.files.limits import LimitSettings
from tasks.files.portions import Piece, Portion
from tasks.sources import joining
from tasks.sources.joining import Joiner
from tasks.sources.parameters import FieldMapping, JoinSettings
from tests.sources.test_files_source import Result, pull

FIELDS = FieldMapping(id="trace_id", produced_at="end_time", response="output", prompt="input")
JOIN = JoinSettings(by="trace_id", order="start_time")


def observation(trace: str, kind: str, second: int, output: object, **more: Any) -> dict[str, Any]:
    """A row of an observations table: `output` is text, or JSON in text."""
    at = f"2026-11-01 10:00:{second:02d}.000000"
    text = output if isinstance(output, str) else json.dumps(output)
    return {"trace_id": trace, "type": kind, "start_time": at, "end_time": at, "output": text, **more}


DOCUMENTS = [
    {"page_content": "The Orsa mill runs 14 looms.", "metadata": {"source": "mill.md"}},
    {"page_content": "It was opened in 1987.", "metadata": {"source": "history.md"}},
]
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many looms?"}]
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "The Orsa mill runs 14 looms."}]}


def trace(name: str) -> list[dict[str, Any]]:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "search"}}]}
    return [
        observation(name, "SPAN", 0, "", input="How many looms?"),
        observation(name, "GENERATION", 1, call, input=json.dumps(MESSAGES)),
        observation(name, "RETRIEVER", 2, DOCUMENTS, name="search_docs", input="looms"),
        observation(name, "TOOL", 3, {"looms": 14}, name="inventory"),
        observation(name, "GENERATION", 4, ANSWER, input=json.dumps(MESSAGES), name="answer"),
        observation(name, "EVALUATOR", 5, "0.9"),
    ]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def joined(path: Path, *, join: JoinSettings = JOIN, fields: FieldMapping = FIELDS, **source: Any) -> Result:
    return pull(path, fields=fields, join=join, time_zone="UTC", **source)


def test_the_last_generation_answers_and_retrievers_and_tools_of_its_trace_are_its_evidence(tmp_path):
    result = joined(written(tmp_path / "a.jsonl", trace("t1") + trace("t2")))
    assert result.problems == result.reasons == []
    assert result.ids == ["t1", "t2"]
    one = result.outputs.row(0, named=True)
    assert (one["prompt"], one["response"]) == ("How many looms?", "The Orsa mill runs 14 looms.")
    assert one["contexts"] == [
        {"uri": "mill.md", "text": "The Orsa mill runs 14 looms."},
        {"uri": "history.md", "text": "It was opened in 1987."},
        {"uri": "inventory", "text": '{"looms": 14}'},
    ]
    assert json.loads(one["metadata"])["joined"] == {"rows": 6}


def test_every_row_is_accounted_for(tmp_path):
    rows = [
        *trace("t1"),
        observation("t2", "SPAN", 0, ""),
        observation("t2", "TOOL", 1, "x"),
        {"type": "SPAN"},
    ]
    result = joined(written(tmp_path / "a.jsonl", rows))
    assert (result.records_in, result.joined, result.outputs.height) == (9, 6, 1)
    assert result.reasons == [
        "none of the 2 rows of this trace holds an answer (type: generation, llm, assistant, ai)",
        "the row has nothing at join.by = 'trace_id', so it belongs to no trace",
    ]


def test_rows_that_a_filter_leaves_out_are_counted_and_belong_to_no_trace(tmp_path):
    path = written(tmp_path / "a.jsonl", trace("t1"))
    result = joined(path, where="type <> 'TOOL' AND type <> 'EVALUATOR'")
    assert (result.records_in, result.filtered, result.joined, result.outputs.height) == (6, 2, 3, 1)
    assert len(result.outputs["contexts"][0]) == 2


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(12)))
def test_traces_do_not_depend_on_how_rows_are_mixed(order):
    rows = [*trace("t1"), *trace("t2")]
    portion = Portion([(rows[number], Piece(b"{}", number + 1, 0)) for number in order])
    whole = [record for each in Joiner(JOIN, FIELDS).joined(lambda: [portion]) for record, _ in each.records]
    straight = Portion([(row, Piece(b"{}", 1, 0)) for row in rows])
    wanted = [
        record for each in Joiner(JOIN, FIELDS).joined(lambda: [straight]) for record, _ in each.records
    ]
    assert sorted(whole, key=lambda record: record["trace_id"]) == wanted


def test_a_table_of_messages_is_joined_by_its_conversation(tmp_path):
    rows = [
        ("c1", "user", "How many looms?"),
        ("c2", "user", "Who runs it?"),
        ("c1", "tool", "The Orsa mill runs 14 looms."),
        ("c1", "assistant", "It runs 14 looms."),
        ("c2", "assistant", "A company in Orsa."),
    ]
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("chat", "role", "content"), *rows])
    result = joined(
        path,
        join=JoinSettings(by="chat", kind="role", text="content"),
        fields=FieldMapping(id="chat", response="content", prompt="joined.question"),
        produced_at="2026-11-01T10:00:00Z",
    )
    assert result.outputs.select("source_id", "prompt", "response").rows() == [
        ("c1", "How many looms?", "It runs 14 looms."),
        ("c2", "Who runs it?", "A company in Orsa."),
    ]
    assert result.outputs["contexts"].list.len().to_list() == [1, 0]


def test_a_file_that_grew_by_rows_of_an_earlier_trace_gives_the_whole_trace_again(tmp_path):
    path = written(tmp_path / "a.jsonl", trace("t1"))
    first = joined(path)
    written(path, [*trace("t1"), observation("t1", "GENERATION", 9, "It runs 15 looms.", input="How many?")])
    second = joined(path, marks=first.marks)
    assert second.outputs["response"].to_list() == ["It runs 15 looms."]
    assert len(second.outputs["contexts"][0]) == 3
    assert joined(path, marks=second.marks).records_in == 0


def test_rows_are_in_the_order_of_their_numbers_and_texts_not_of_the_file():
    rows = [
        {"t": "1", "type": "LLM", "n": number, "output": f"Answer {number}."}
        for number in ("10", "9", 8.5, None)
    ]
    portion = Portion([(row, Piece(b"{}", 1, 0)) for row in rows[:3]])
    join = JoinSettings(by="t", order="n")
    (whole,) = Joiner(join, FieldMapping(response="output")).joined(lambda: [portion])
    assert whole.records[0][0]["output"] == "Answer 10."


def test_a_column_that_is_not_there_is_told_with_the_key_that_names_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("trace,type,output\n1,LLM,x\n", "utf-8")
    result = joined(path)
    assert (
        "has no column 'trace_id'; its columns are trace, type, output; name the right one as join.by"
        in (result.problems[0])
    )


def test_traces_that_are_never_whole_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(joining, "HELD_BYTES", 100_000)
    rows = [observation(f"t{n}", kind, 0, "x" * 100) for kind in ("TOOL", "LLM") for n in range(5_000)]
    result = joined(written(tmp_path / "a.jsonl", rows))
    assert "far apart; sort the export by 'trace_id'" in result.problems[0]
    assert result.outputs.is_empty()


@pytest.mark.parametrize(
    "value", [None, [], {}, "", 7, "[" * 100 + "]" * 100, [[["x"]]], [None, 3], {"documents": [None]}]
)
def test_whatever_a_row_of_evidence_holds_the_trace_is_an_output(tmp_path, value):
    rows = [observation("t1", "TOOL", 0, value), observation("t1", "LLM", 1, "Yes.")]
    assert joined(written(tmp_path / "a.jsonl", rows)).ids == ["t1"]


def test_a_trace_without_evidence_is_told_when_all_are(tmp_path):
    rows = [observation(f"t{n}", "LLM", 0, "Yes.", input="?") for n in range(5)]
    (problem,) = joined(written(tmp_path / "a.jsonl", rows)).problems
    assert problem.startswith(
        "source 'bot': fields.contexts = 'joined.evidence' leads to nothing in any of 5"
    )


def test_limits_hold_for_joined_files(tmp_path):
    path = written(tmp_path / "a.jsonl", trace("t1"))
    result = joined(path, limits=LimitSettings(max_file_bytes=1024))
    assert "limits.max_file_bytes" in result.problems[0]
