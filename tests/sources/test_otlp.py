"""OTLP files as exporters write them: spans put together, one output once, however they are spread."""

from __future__ import annotations

import gzip
import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from tasks.errors import SourceError
from tasks.sources import otlp_messages
from tasks.sources.gathering import Traces
from tasks.sources.otlp import OtlpSettings, pull
from tasks.tables import OUTPUTS
from tests.support.otlp_files import framed, lines, message, protobuf, span
from tests.support.pulls import Pulls
from tests.support.scopes import NOW

KIND = "openinference.span.kind"
EXPORTS = Path(__file__).parent / "exports"


def answer(trace: int, at: float = 0.0, said: str = "The board.") -> list[dict[str, Any]]:
    """Children first, as exporters send them; the root ends last."""
    number = trace * 10
    document = {
        "retrieval.documents.0.document.content": f"Fact {trace}.",
        "retrieval.documents.0.document.id": "d",
    }
    own = {"trace": trace, "parent": number}
    return [
        span(number + 1, {KIND: "RETRIEVER", **document}, at=at + 0.1, seconds=0.1, **own),
        span(
            number + 2,
            {KIND: "TOOL", "tool.name": "look", "output.value": "42"},
            at=at + 0.3,
            seconds=0.1,
            **own,
        ),
        span(
            number + 3,
            {KIND: "LLM", "llm.model_name": "m", "output.value": said},
            at=at + 0.5,
            seconds=0.2,
            **own,
        ),
        span(
            number,
            {KIND: "AGENT", "input.value": f"Who runs {trace}?", "output.value": said},
            trace=trace,
            at=at,
        ),
    ]


class Night(Pulls):
    """What was published, by id of the output."""

    def __init__(self, path: Path, work: Path, **source: Any) -> None:
        super().__init__(pull, OtlpSettings(name="traces", kind="otlp", path=str(path), **source), work)
        self._folder, self._number = work, 0
        self.published: dict[str, dict[str, Any]] = {}
        self.versions: list[str] = []

    def pull(self, now: datetime = NOW, hours: float = 0, **scoped: Any) -> pl.DataFrame:
        self._number += 1
        self.work = self._folder / str(self._number)
        outputs = super().pull(now + timedelta(hours=hours), **scoped)
        for row in outputs.to_dicts():
            if row["output_id"] not in self.published:
                self.versions.append(row["source_id"])
            self.published[row["output_id"]] = row
        return outputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def night(folder: Path, tmp_path: Path) -> Night:
    return Night(folder, tmp_path / "work")


def check(outputs: pl.DataFrame, traces: range) -> None:
    assert outputs.sort("source_id").select("source_id", "prompt", "response", "agent", "model").rows() == [
        (f"{trace:032x}", f"Who runs {trace}?", "The board.", "bot", "m") for trace in traces
    ]
    assert outputs["tools"].to_list() == [["look"]] * len(traces)
    for row in outputs.to_dicts():
        assert [context["uri"] for context in row["contexts"]] == ["d", "tool:look"]


def test_json_lines_become_outputs_and_every_span_is_accounted_for(folder, night):
    lines(folder / "a.jsonl", [*answer(1), *answer(2)], answer(3))
    check(night.pull(), range(1, 4))
    assert night.records_in == 12
    assert night.pull().height == 0


@pytest.mark.parametrize("form", ["gzip", "zstd", "proto", "proto packed", "json packed", "bare proto"])
def test_every_form_of_the_file_exporters_reads_the_same(folder, night, form):
    messages = [[*answer(1), *answer(2)], answer(3)]
    text = lines(folder / ".plain", *messages).read_bytes()
    written = [json.dumps(message(spans)).encode() for spans in messages]
    if form == "gzip":
        (folder / "a.json.gz").write_bytes(gzip.compress(text))
    elif form == "zstd":
        (folder / "a.json.zst").write_bytes(pa.compress(text, "zstd", asbytes=True))
    elif form == "json packed":
        framed(folder / "a.json", *written, packed=True)
    elif form == "bare proto":
        (folder / "a.pb").write_bytes(protobuf([each for spans in messages for each in spans]))
    else:
        framed(folder / "a.pb", *map(protobuf, messages), packed=form == "proto packed")
    check(night.pull(), range(1, 4))


def test_spans_of_one_trace_in_several_files_and_days_are_one_output_once(folder, night):
    spans = answer(1)
    lines(folder / "a.jsonl", spans[:2])
    lines(folder / "b.jsonl", spans[2:3])
    assert night.pull(hours=-23.9).height == 0  # the root has not come, and may yet
    lines(folder / "c.jsonl", spans[3:])
    check(night.pull(), range(1, 2))
    assert night.pull(hours=1).height == 0
    assert night.versions == [f"{1:032x}"]


@pytest.mark.parametrize("roots_are_last", [True, False])
def test_any_way_of_spreading_and_reading_them_ends_in_the_same_outputs(
    folder, night, tmp_path, roots_are_last
):
    """Roots end last, so exporters send them last, and each output comes once; else it comes in versions."""
    shuffle = random.Random(7)  # noqa: S311
    spans = [each for trace in range(1, 31) for each in answer(trace, at=trace)]
    shuffle.shuffle(spans)
    if roots_are_last:
        spans.sort(key=lambda each: "parentSpanId" not in each)
    for number in range(10):
        lines(folder / f"{number}.jsonl", spans[number * 12 : number * 12 + 12])
        night.pull(hours=-23.9 + number / 100)
    night.pull()
    last = {row["source_id"]: row for row in night.published.values()}
    check(pl.DataFrame(list(last.values()), schema=OUTPUTS.schema), range(1, 31))
    assert not roots_are_last or len(night.versions) == 30
    whole = Night(folder, tmp_path / "whole")
    whole.pull()
    assert whole.published.keys() == {row["output_id"] for row in last.values()}


def test_a_trace_without_root_is_an_output_after_the_wait_and_a_late_root_a_new_version(folder, night):
    spans = answer(1)
    lines(folder / "a.jsonl", spans[:3])
    assert night.pull(hours=-20).height == 0
    (first,) = night.pull().to_dicts()
    assert (first["response"], first["prompt"]) == ("The board.", None)
    lines(folder / "b.jsonl", spans[3:])
    (second,) = night.pull(hours=1).to_dicts()
    assert second["prompt"] == "Who runs 1?"
    assert second["source_id"] == first["source_id"]
    assert len(second["contexts"]) == 2


def test_a_late_span_brings_the_rest_of_its_trace_from_files_that_were_read(folder, night):
    spans = answer(1)
    lines(folder / "a.jsonl", [*spans[1:], *answer(2)])
    assert night.pull()["contexts"].list.len().to_list() == [1, 2]
    lines(folder / "b.jsonl", spans[:1])
    (late,) = night.pull(hours=1).to_dicts()
    assert (late["prompt"], len(late["contexts"])) == ("Who runs 1?", 2)
    # Files that share a trace are read together from now on: a part of it is not a version of the output.
    lines(folder / "b.jsonl", spans[:1], answer(3))
    assert night.pull(hours=2)["source_id"].to_list()[-1:] == [f"{3:032x}"]
    assert night.versions.count(f"{1:032x}") == 2


def test_a_range_of_days_is_read_whole_and_leaves_the_marks(folder, night):
    lines(folder / "a.jsonl", answer(1), answer(2, at=24 * 3600))
    outputs = night.pull(
        hours=240, since=NOW.date() - timedelta(days=1), until=NOW.date() - timedelta(days=1)
    )
    check(outputs, range(1, 2))
    assert night.marks == {}


def test_memory_is_bounded_by_files_of_spans_and_the_result_is_the_same(folder, night, monkeypatch):
    monkeypatch.setattr("tasks.sources.trace_files.Traces", lambda path: Traces(path, held_bytes=3_000))
    lines(folder / "a.jsonl", *(answer(trace) for trace in range(1, 20)))
    check(night.pull().sort("source_id"), range(1, 20))
    # They lay in a file without a name: what a killed run had read does not stay.
    assert list((night.work / "spans").iterdir()) == []


def test_content_may_lie_in_logs(folder, night):
    own = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    given = {
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Hello."}]}]
    }
    plain = message([span(1, own)])
    (attributes,) = [span(1, given)["attributes"]]
    log = {"traceId": f"{1:032x}", "spanId": f"{1:016x}", "attributes": attributes,
           "eventName": "gen_ai.client.inference.operation.details"}  # fmt: skip
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log, {"body": {"stringValue": "other"}}]}]}]}
    (folder / "a.jsonl").write_text(json.dumps(plain) + "\n" + json.dumps(logs) + "\n")
    assert night.pull()["response"].to_list() == ["Hello."]


def test_what_the_sdk_s_own_file_exporter_writes(folder, night):
    """Made with opentelemetry-exporter-otlp-json-file 0.66b1."""
    (folder / "a.jsonl").write_bytes((EXPORTS / "otlp_sdk.jsonl").read_bytes())
    (row,) = night.pull(hours=24 * 10).to_dicts()
    assert (row["response"], row["model"], row["agent"]) == ("Paris is rainy.", "gpt-x", "traces")
    assert json.loads(row["metadata"])["finish_reasons"] == ["stop"]


BAD = {
    "half a line": (b'{"resourceSpans":[{"resou', ":2"),
    "no record": (b'"text"', ":2"),
    "a span without a time": (json.dumps(message([{"traceId": "1", "spanId": "2"}])).encode(), ":2"),
    "a span that is a list": (json.dumps(message([["x"]])).encode(), ":2"),  # type: ignore[list-item]
    "a time beyond 64 bits": (json.dumps(message([span(1, {}, startTimeUnixNano="9" * 30)])).encode(), ":2"),
    "an unset clock": (json.dumps(message([span(7, {"gen_ai.completion": "x", KIND: "LLM"}, trace=7,
                                                startTimeUnixNano="0", endTimeUnixNano="0")])).encode(),
                                                "trace"),
    "no answer": (json.dumps(message([span(7, {KIND: "LLM"}, trace=7)])).encode(), "trace"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "place"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_refused_by_itself_and_the_rest_goes_on(folder, night, line, place):
    good = lines(folder / ".good", answer(1)).read_bytes()
    (folder / "a.jsonl").write_bytes(good + line + b"\n" + lines(folder / ".good", answer(2)).read_bytes())
    check(night.pull(), range(1, 3))
    assert night.quarantine.height == 1
    assert place in night.quarantine["locator"][0]


def test_a_file_that_breaks_off_is_a_problem_and_what_came_before_is_kept(folder, night):
    path = framed(folder / "a.pb", protobuf(answer(1)), protobuf(answer(2)))
    path.write_bytes(path.read_bytes()[:-5])
    check(night.pull(), range(1, 2))
    assert night.problems == [f"{path} breaks off within message 2"]


def test_what_is_no_otlp_and_what_is_not_there(folder, night, tmp_path):
    (folder / "a.txt").write_text("notes")
    night.pull()
    assert "holds neither OTLP JSON lines nor protobuf" in night.problems[0]
    with pytest.raises(SourceError, match="no such file or folder; correct the source's path"):
        Night(tmp_path / "none", tmp_path).pull()


def test_a_message_over_the_budget_is_refused_by_name(folder, night, monkeypatch):
    monkeypatch.setattr(otlp_messages, "MESSAGE_BYTES", 4_000)
    lines(folder / "a.jsonl", answer(1, said="x" * 9_000), answer(2))
    assert night.pull().height == 1
    assert "more than 4000 bytes" in night.quarantine["reason"][0]


@pytest.mark.parametrize(
    "message",
    [
        {"resourceSpans": 1.5},
        {"resourceSpans": [{"scopeSpans": 7}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": 7}]}]},
        {"resourceLogs": True},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": ["x"]}]}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": [{"key": 1, "value": {}}, 2]}]}]}]},
    ],
)
def test_what_is_no_list_of_spans_or_logs_is_refused_and_the_rest_is_read(folder, night, message):
    (folder / "a.jsonl").write_text(json.dumps(message) + "\n")
    lines(folder / "b.jsonl", answer(1))
    check(night.pull(), range(1, 2))
    assert night.quarantine.height == 1


def test_attributes_whose_names_are_no_text_are_refused(folder, night):
    odd = span(1, {KIND: "LLM", "output.value": "Hello."}, events=[{"name": "gen_ai.choice"}])
    odd["attributes"].append({"key": 5, "value": {"stringValue": "x"}})
    lines(folder / "a.jsonl", [odd], answer(1))
    check(night.pull(), range(1, 2))
    assert "is not a span" in night.quarantine["reason"].item()
