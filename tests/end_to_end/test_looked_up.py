"""A trace that names its documents and keeps none of their text is judged by the corpus's text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from tests.end_to_end.conftest import Answer, read
from tests.support.otlp_files import lines, span
from tests.support.small_verifier import small_folder

KIND = "openinference.span.kind"


def test_an_audit_takes_the_text_of_named_documents_from_the_corpus_and_counts_unknown_ones(
    tmp_path: Path, succeed: Callable[..., Answer]
) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "plant.md").write_text("The Harwick plant has 92 reactors.")
    (tmp_path / "kb" / "other.md").write_text("Goods may be returned within 30 days.")
    answer = {KIND: "LLM", "input.value": "How many?", "output.value": "The Harwick plant has 92 reactors."}
    documents = {f"retrieval.documents.{n}.document.id": name for n, name in enumerate(("plant", "gone"))}
    lines(
        tmp_path / "t.jsonl",
        [span(1, answer, seconds=5.0), span(2, {KIND: "RETRIEVER", **documents}, parent=1, at=1.0)],
    )
    config = tmp_path / "claimledger.toml"
    config.write_text(
        f"""lake = "lake"
        [[sources]]
        name = "traces"
        kind = "otlp"
        path = "t.jsonl"
        look_up = "{{id}}.md"
        [corpus]
        path = "kb"
        [verifier]
        model = "{small_folder()}"
        """
    )
    succeed("audit", "--quiet", "--config", str(config))
    evidence = read(tmp_path / "lake", "evidence")
    passages = read(tmp_path / "lake", "passages").select("passage_id", "document_uri", "corpus")
    best = evidence.join(passages, on="passage_id").filter(pl.col("document_uri") == "plant.md")
    assert best.select("origin", "corpus").rows() == [("looked_up", "corpus")]
    assert read(tmp_path / "lake", "verdicts")["verdict"].to_list() == ["supported"]
    counts = json.loads(read(tmp_path / "lake", "runs")["counts"].item())
    assert counts["outputs"]["lacks"] == {
        "traces": {"documents_without_text": 2, "documents_looked_up": 1, "documents_unknown": 1}
    }
    page = next((tmp_path / "lake" / "reports").glob("*/index.html")).read_text()
    assert "Named documents that the corpus does not have" in page
