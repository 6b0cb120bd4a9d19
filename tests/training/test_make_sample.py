"""The bundled sample: made by rule, labelled, true to its corpus, with evidence for everything."""

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import REPOSITORY
from training import make_sample, sample_answers, sample_corpus
from training.sample_corpus import plain

SAMPLES = REPOSITORY / "data" / "samples"
ERRORS = {
    "number", "date", "negation in the claim", "negation in the evidence", "neighbour", "condition", "name",
    "addition", "unit",
}  # fmt: skip
OTHERS = {
    "confidential email", "confidential phone", "confidential secret", "confidential iban", "abstention",
    "unfounded abstention", "courtesy", "reasoning",
}  # fmt: skip
MADE = {agent.name for agent in sample_answers.AGENTS}


def lines(file: Path) -> list[dict[str, Any]]:
    data = file.read_bytes()
    return [
        json.loads(line) for line in (gzip.decompress(data) if file.suffix == ".gz" else data).splitlines()
    ]


@cache
def traces() -> dict[str, dict[str, Any]]:
    return {t["trace"]["id"]: t for f in sorted(SAMPLES.glob("outputs/*.gz")) for t in lines(f)}


@cache
def planted() -> list[dict[str, Any]]:
    return lines(SAMPLES / "gold" / "planted.jsonl")


def documents() -> pl.DataFrame:
    """The corpus as the table that it was written from: a paragraph is a passage."""
    rows = []
    for source, paths in sample_corpus.PATHS.items():
        for path in paths:
            file = SAMPLES / "corpus" / sample_corpus.file_of(source, path)
            title, *blocks = file.read_text("utf-8").rstrip("\n").split("\n\n")
            section = ""
            for block in blocks:
                if block.startswith("## "):
                    section = block.removeprefix("## ")
                else:
                    rows.append((source, path, title.removeprefix("# "), section, block))
    return pl.DataFrame(rows, schema=["source", "path", "title", "section", "text"], orient="row")


def expertqa() -> list[dict[str, Any]]:
    """The real answers as ExpertQA has them, put together from the sample."""
    labels: dict[str, list[dict[str, Any]]] = {}
    for label in lines(SAMPLES / "gold" / "claims.jsonl.gz"):
        labels.setdefault(label.pop("source_id"), []).append(label)
    return [
        {
            "id": name,
            "question": t["input"]["question"],
            "answer": t["output"]["text"],
            "system": t["agent"],
            "field": t["tags"]["field"],
            "specific_field": t["tags"]["specific_field"],
            "contexts": [{"text": d["content"], "uri": d["source"]} for d in t["retrieval"]["documents"]],
            "claims": [{k: v for k, v in label.items() if k != "ordinal"} for label in labels[name]],
        }
        for name, t in traces().items()
        if t["agent"] not in MADE
    ]


def test_the_rule_makes_the_committed_sample_byte_by_byte_from_its_own_documents_and_answers(tmp_path):
    without = {**expertqa()[0], "id": "f" * 32, "contexts": []}
    long = {**expertqa()[0], "id": "e" * 32, "contexts": [{"uri": "u", "text": "x" * 2_751}]}
    rows = [without, *reversed(expertqa()), long]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    documents().write_parquet(tmp_path / "docs.parquet")
    counts = make_sample.main(tmp_path / "in.jsonl", tmp_path / "docs.parquet", tmp_path / "out")
    made = {f.relative_to(tmp_path / "out"): f.read_bytes() for f in (tmp_path / "out").rglob("*.*")}
    committed = [f for part in ("outputs", "gold", "corpus") for f in (SAMPLES / part).rglob("*.*")]
    assert set(made) == {f.relative_to(SAMPLES) for f in committed}
    for file in committed:
        assert made[file.relative_to(SAMPLES)] == file.read_bytes(), file.name
    assert sum(n for name, n in counts.items() if name.startswith("outputs/")) == len(traces())


def test_no_input_file_carries_a_label_or_a_time_of_its_making():
    for file in SAMPLES.glob("outputs/*.gz"):
        assert file.read_bytes()[4:8] == bytes(4)  # gzip's own time
    expected = {
        "trace", "timestamp", "agent", "use_case", "model", "input", "output", "retrieval", "tags", "tools",
    }  # fmt: skip
    for name, trace in traces().items():
        assert set(trace) == expected
        assert set(trace["tags"]) <= {"origin", "field", "specific_field"}
        if trace["agent"] not in MADE:
            assert trace["timestamp"] == make_sample.produced_at(name).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_every_output_has_evidence_to_be_judged_by():
    corpus = {f.relative_to(SAMPLES / "corpus").as_posix(): f.read_text("utf-8")
              for f in SAMPLES.glob("corpus/*/*.md")}  # fmt: skip
    by_corpus = 0
    for trace in traces().values():
        given = trace["retrieval"]["documents"]
        if trace["agent"] in MADE:
            assert all(document["content"].strip() in corpus[document["source"]] for document in given)
            by_corpus += not given
        else:
            assert given
    assert by_corpus == 135
    for statement in lines(SAMPLES / "gold" / "true.jsonl.gz"):
        assert statement["truth"] in corpus[statement["document"]]
        assert statement["claim"] in traces()[statement["source_id"]]["output"]["text"]


def test_every_planted_error_is_in_its_answer_and_not_in_the_corpus():
    text = plain("\n".join(f.read_text("utf-8") for f in sorted(SAMPLES.glob("corpus/*/*.md"))))
    kinds = Counter(row["kind"] for row in planted())
    assert set(kinds) == ERRORS | OTHERS
    assert min(kinds.values()) >= 3
    for row in planted():
        assert row["claim"] in traces()[row["source_id"]]["output"]["text"]
        assert row["changed"]
        if row["kind"] in ERRORS:
            assert row["claim"] not in text
            assert (row["truth"] is None) == (row["kind"] == "addition")
            assert row["truth"] is None or plain(row["truth"]) in text
            right = "insufficient" if row["kind"] in ("condition", "addition") else "contradicted"
            assert row["verdict"] == right


def test_every_written_error_is_planted_at_least_once():
    claims = {row["claim"] for row in planted()}
    for file in (sample_answers.PLANTS, sample_answers.SPECIALS):
        for row in lines(file):
            assert row.get("claim", row.get("text")) in claims


def test_on_one_day_of_the_month_the_help_desk_changes_its_model_and_errs_more():
    errors = Counter(row["source_id"] for row in planted() if row["kind"] in ERRORS)
    true = Counter(row["source_id"] for row in lines(SAMPLES / "gold" / "true.jsonl.gz"))

    def share(agent: str, first: str, last: str) -> float:
        mine = [
            n for n, t in traces().items() if t["agent"] == agent and first <= t["timestamp"][:10] <= last
        ]
        wrong = sum(errors[n] for n in mine)
        return wrong / (wrong + sum(true[n] for n in mine))

    models = {
        (t["model"], t["timestamp"][:10] < "2026-11-09")
        for t in traces().values()
        if t["agent"] == "help-desk"
    }
    assert models == {("help-writer-1", True), ("help-writer-2", False)}
    assert share("help-desk", "2026-10-20", "2026-11-08") == pytest.approx(0.06, abs=0.01)
    assert share("help-desk", "2026-11-09", "2026-11-18") == pytest.approx(0.30, abs=0.03)
    before, after = (
        share("handbook-assistant", *days)
        for days in (("2026-10-20", "2026-11-08"), ("2026-11-09", "2026-11-18"))
    )
    assert after == pytest.approx(before, abs=0.05)


def test_an_error_whose_document_no_longer_says_the_contrary_is_refused():
    (source, *_) = sample_corpus.PATHS
    passages = sample_corpus.passages(documents(), source)
    changed = [p for p in passages if "an outage exceeds 5 minutes" not in p.text]
    with pytest.raises(ValueError, match=r"sla/index\.md: no sentence holds"):
        sample_answers.plants(changed)
