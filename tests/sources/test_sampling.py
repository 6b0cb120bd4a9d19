"""`init --from-source`: the kind of files is found out, five answers are shown, the configuration loads."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import InputError
from tasks.settings import load
from tasks.sources.dialects import dialect
from tasks.starter import write_starter
from tests.support.otlp_files import framed, lines, protobuf, span

LLM = {"openinference.span.kind": "LLM", "output.value": "Paris.", "input.value": "Capital?"}


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("otlp", {"resourceSpans": []}),
        ("atif", {"schema_version": "ATIF-v1.4", "session_id": "s", "agent": {}, "steps": []}),
        ("langsmith", {"id": "1", "run_type": "llm", "trace_id": "t"}),
        ("langsmith", {"runs": [{"id": "1", "run_type": "llm"}]}),
        (
            "langfuse",
            {"id": "1", "traceId": "t", "type": "SPAN", "startTime": "x", "parentObservationId": None},
        ),
        (
            "langfuse",
            {"id": "1", "trace_id": "t", "type": "SPAN", "start_time": "x", "parent_observation_id": ""},
        ),
        ("phoenix", {"context": {"trace_id": "t", "span_id": "s"}, "span_kind": "LLM"}),
        ("mlflow", {"info": {"trace_id": "t"}, "data": {"spans": []}}),
        ("mlflow", {"trace": '{"info": {}, "data": {}}'}),
        ("files", {"id": 1, "question": "?", "answer": "!"}),
        ("files", {"trace_id": "t", "type": "x", "answer": "!"}),
    ],
)
def test_the_names_of_its_records_say_which_system_wrote_an_export(kind: str, record: dict[str, Any]) -> None:
    assert dialect([record]) == kind


def test_a_folder_of_spans_needs_no_word_of_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    lines(tmp_path / "json" / "t.jsonl", [span(n, LLM, trace=n) for n in range(1, 8)])
    written = write_starter(tmp_path / "a", from_source="files", path=str(tmp_path / "json"))
    settings = load(tmp_path / "a" / "claimledger.toml")
    assert settings.sources[0].kind == "otlp"
    assert "proposed: kind = otlp, whose exports have such records" in written["notes"]
    shown = [note for note in written["notes"] if note.startswith("as read: asked 'Capital?'")]
    assert len(shown) == 5
    assert all(note.endswith("; not found: evidence, model") for note in shown)
    assert any(note.startswith("7 of 7 sampled answers have no evidence") for note in written["notes"])
    framed(tmp_path / "t.pb", protobuf([span(1, LLM)]))
    write_starter(tmp_path / "b", from_source="files", path=str(tmp_path / "t.pb"))
    assert load(tmp_path / "b" / "claimledger.toml").sources[0].kind == "otlp"


def test_a_query_is_mapped_and_its_time_is_the_watermark(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "answers.db") as connection:
        connection.execute("create table answers (id integer, created_at text, question text, answer text)")
        rows = [(n, f"2026-11-01T10:0{n}:00Z", f"What is {n}?", f"It is number {n}.") for n in range(6)]
        connection.executemany("insert into answers values (?, ?, ?, ?)", rows)
    connection.close()
    url = f"sqlite:///{tmp_path / 'answers.db'}"
    written = write_starter(
        tmp_path / "a", from_source="sql", path=None, url=url, query="select * from answers"
    )
    (source,) = load(tmp_path / "a" / "claimledger.toml").sources
    assert (source.kind, source.watermark, source.fields.response) == ("sql", "created_at", "answer")  # type: ignore[attr-defined]
    assert sum(note.startswith("as read: asked 'What is") for note in written["notes"]) == 5


@pytest.mark.parametrize(
    ("kind", "needs"),
    [
        ("phoenix", "needs --url or --path"),
        ("otlp", "needs --path"),
        ("sql", "needs --url"),
        ("files", "--path"),
    ],
)
def test_what_a_kind_needs_is_said(kind: str, needs: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=needs):
        write_starter(tmp_path, from_source=kind, path=None)


def test_nothing_is_written_where_there_is_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"resourceSpans": []}) + "\n")
    with pytest.raises(InputError, match="has no agent's answer yet"):
        write_starter(tmp_path / "a", from_source="otlp", path=str(tmp_path / "t.jsonl"))
    assert not (tmp_path / "a").exists()
