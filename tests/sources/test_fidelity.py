"""What a source could not tell is counted, and documents that it only names are left to the corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.lake.store import Lake
from tasks.sources import fidelity, files, mlflow, otlp
from tasks.sources.mlflow import MlflowSettings
from tasks.sources.otlp import OtlpSettings
from tasks.sources.parameters import FieldMapping, FilesSettings, deciding
from tests.support.otlp_files import lines, span
from tests.support.pulls import pull_into
from tests.support.scopes import scope

KIND = "openinference.span.kind"


def spans(trace: int, *ids: str, **answer: object) -> list[dict[str, object]]:
    """A call of a model, and below it a retriever that gives documents by their ids alone."""
    documents = {f"retrieval.documents.{at}.document.id": name for at, name in enumerate(ids)}
    own = {KIND: "LLM", "input.value": "Where?", "output.value": "Paris.", **answer}
    return [
        span(trace * 10, own, trace=trace, seconds=5.0),
        span(trace * 10 + 1, {KIND: "RETRIEVER", **documents}, trace=trace, parent=trace * 10, at=1.0),
    ]


def traces(folder: Path, *made: dict[str, object], look_up: str | None = None) -> OtlpSettings:
    lines(folder / "t.jsonl", list(made))
    return OtlpSettings(name="t", kind="otlp", path=str(folder / "t.jsonl"), look_up=look_up)


def test_documents_named_by_spans_without_text_are_counted_and_said(tmp_path: Path) -> None:
    source = traces(tmp_path, *spans(1, "kb-1", "kb-2", "kb-1"), *spans(2, **{"input.value": ""}))
    (batch,) = otlp.pull(source, scope(work=tmp_path / "work"))
    assert batch.lacks == {fidelity.WITHOUT_TEXT: 2, fidelity.WITHOUT_PROMPT: 1}
    assert batch.warnings == (
        "source 't' could not tell everything; documents named without their text: 2; "
        "answers without what was asked: 1",
    )
    assert batch.outputs["contexts"].to_list() == [[], []]


def test_with_look_up_they_are_contexts_at_their_address_in_the_corpus(tmp_path: Path) -> None:
    source = traces(tmp_path, *spans(1, "kb-1", "kb-2"), look_up="articles/{id}.md")
    (batch,) = otlp.pull(source, scope(work=tmp_path / "work"))
    assert batch.outputs["contexts"].to_list() == [
        [{"uri": f"corpus:articles/{name}.md", "text": ""} for name in ("kb-1", "kb-2")]
    ]


def test_attributes_that_were_dropped_and_content_that_is_switched_off_are_counted(tmp_path: Path) -> None:
    (call, found) = spans(1, "kb-1")
    silent = span(99, {KIND: "LLM", "llm.model_name": "m"}, trace=9)
    source = traces(tmp_path, call | {"droppedAttributesCount": 3}, found, silent)
    (batch,) = otlp.pull(source, scope(work=tmp_path / "work"))
    assert batch.lacks[fidelity.CUT] == 1
    assert batch.lacks[fidelity.SWITCHED_OFF] == batch.quarantine.height == 1


def test_previews_that_may_be_cut_are_counted(tmp_path: Path) -> None:
    info = {"trace_id": "tr-1", "request_time": "2026-11-19T12:00:00Z", "state": "OK"}
    previews = {"request_preview": "Where?", "response_preview": "Paris is the cap"}
    (tmp_path / "t.jsonl").write_text(json.dumps({"info": info | previews, "data": {"spans": []}}) + "\n")
    source = MlflowSettings(name="m", kind="mlflow", path=str(tmp_path / "t.jsonl"))
    (batch,) = mlflow.pull(source, scope(work=tmp_path / "work"))
    assert batch.lacks == {fidelity.PREVIEWS: 1}


def test_records_may_hold_ids_of_documents_alone_or_among_texts(tmp_path: Path) -> None:
    answers = [
        {"id": "a", "at": "2026-11-19T12:00:00Z", "out": "Paris.", "ids": ["kb/1", 2, "kb/1"], "docs": []},
        {"id": "b", "at": "2026-11-19T12:00:00Z", "out": "Rome.", "ids": None,
         "docs": [{"uri": "kb/3", "text": None}, {"uri": "kb/4", "text": "Rome is big."}]},
        {"id": "c", "at": "2026-11-19T12:00:00Z", "out": "Oslo.", "ids": [{"id": [1]}], "docs": []},
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, answers)))
    fields = FieldMapping(id="id", produced_at="at", response="out", contexts="docs", context_ids="ids")
    source = FilesSettings(name="f", path=str(tmp_path / "a.jsonl"), fields=fields, look_up="{id}")
    pulled = pull_into(Lake.open(str(tmp_path / "lake")), [source])
    assert pulled.lacks == {"f": {fidelity.WITHOUT_TEXT: 3}}
    assert pulled.quarantined == 1
    (unit,) = pulled.units
    assert dict(unit.outputs().select("source_id", "contexts").iter_rows()) == {
        "a": [{"uri": "corpus:kb/1", "text": ""}, {"uri": "corpus:2", "text": ""}],
        "b": [{"uri": "corpus:kb/3", "text": ""}, {"uri": "kb/4", "text": "Rome is big."}],
    }
    (batch, *_) = files.pull(source, scope(work=tmp_path / "work"))
    assert json.loads(batch.outputs["metadata"][0]) == {}


def test_a_look_up_without_a_place_for_the_id_is_refused() -> None:
    with pytest.raises(ValueError, match="where a document's id belongs"):
        OtlpSettings(name="t", kind="otlp", path="t.jsonl", look_up="articles/")


def test_a_key_of_a_later_release_that_is_not_set_reads_nothing_again() -> None:
    plain = FilesSettings(name="f", path="a.jsonl")
    assert "look_up" not in deciding(plain)
    assert "context_ids" not in deciding(plain)["fields"]
