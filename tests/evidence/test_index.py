"""Corpus snapshots: incremental, published once, and never read from bytes that were altered."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks import tables
from tasks.evidence import index as index_door
from tasks.evidence import passages as passages_stage
from tasks.evidence.dense import DenseIndex, Shard
from tasks.evidence.embeddings import CachedEmbedder
from tasks.evidence.index import EMPTY_SNAPSHOT, CorpusIndex, reader
from tasks.evidence.models import Vectors, load_embedder
from tasks.evidence.parameters import CorpusSettings
from tasks.evidence.pieces import unit
from tasks.evidence.refresh import publish, refresh
from tasks.evidence.roles import Role
from tasks.evidence.shards import IndexParameters, Method
from tasks.files.limits import LimitSettings
from tasks.lake.store import Lake
from tasks.workbench import JudgeParameters, Workbench

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RUN = "0" * 64


class Hashing:
    """Words into buckets: deterministic, quick, and near for texts that share words."""

    fingerprint = "f" * 64
    dimension = 64
    roles_differ = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], role: Role = "document") -> Vectors:
        self.asked += texts
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % self.dimension] += 1
        return unit(vectors)


def segment(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(r"[^.\s][^.]*\.?", text)]


class Bench:
    """Settings, lake, model and documents, with files old enough to be trusted by their time."""

    def __init__(self, root: Path) -> None:
        self.docs = root / "docs"
        self.docs.mkdir(exist_ok=True)
        self.lake = Lake.open(str(root / "lake"))
        self.section = CorpusSettings(path=str(self.docs))
        self.model = Hashing()
        self.embedder: Any = CachedEmbedder(self.model, self.lake.root)
        self.segment = segment
        self.clock = NOW

    def write(self, name: str, text: str) -> None:
        self.clock += timedelta(hours=1)
        (self.docs / name).write_text(text)
        stamp = self.clock.timestamp() - 60
        os.utime(self.docs / name, (stamp, stamp))

    def publish(self) -> CorpusIndex:
        self.clock += timedelta(hours=1)
        index, _ = publish(
            self.section,
            LimitSettings(),
            self.lake,
            self.embedder,
            self.segment,
            check=lambda passages: passages,
            run_id=RUN,
            now=self.clock,
        )
        assert index is not None
        return index

    def published(self) -> pl.DataFrame:
        return self.lake.scan("passages").collect().sort("document_uri", "start")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    for i in range(20):
        bench.write(f"{i:02d}.txt", f"Document number {i} speaks of topic{i}. It has a second sentence.")
    return bench


def test_passages_are_published_once_and_found_by_meaning_and_by_word(bench: Bench) -> None:
    index = bench.publish()
    assert index.size == bench.published().height == 20
    assert bench.published()["snapshot_first_seen"].unique().to_list() == [index.snapshot]
    assert bench.published()["snapshot_last_seen"].null_count() == 20
    hits = index.search(bench.model.encode(["topic7 topic7"]), 3)
    assert hits.columns == ["query", "passage_id", "score"]
    best = index.describe(hits.head(1))
    assert best["document_uri"].to_list() == ["07.txt"]
    words = index.search_words(["topic11", "unknown"], 3)
    assert index.describe(words)["document_uri"].to_list() == ["11.txt"]
    again = bench.publish()
    assert (again.passages.height, again.closed.height) == (0, 0)
    assert bench.published().height == 20


def test_another_embedder_finds_in_an_index_of_its_own_and_one_sentence_says_so(bench: Bench, caplog) -> None:
    before = bench.publish()
    bench.model = Hashing()
    bench.model.fingerprint = "e" * 64
    bench.embedder = CachedEmbedder(bench.model, bench.lake.root)
    index = bench.publish()
    assert index.snapshot == before.snapshot
    assert [r.getMessage() for r in caplog.records if r.name == "claimledger.evidence"] == [
        "corpus index: made by another embedder; 20 passages are embedded anew"
    ]
    best = index.describe(index.search(bench.model.encode(["topic7 topic7"]), 1))
    assert best["document_uri"].to_list() == ["07.txt"]
    caplog.clear()
    bench.publish()
    assert not caplog.records


def test_one_more_document_costs_one_more_document(bench: Bench) -> None:
    before = bench.publish()
    asked = len(bench.model.asked)
    bench.write("new.txt", "Something entirely new.")
    index = bench.publish()
    assert index.snapshot != before.snapshot
    assert bench.model.asked[asked:] == ["Something entirely new."]
    assert (index.summary["files_read"], index.summary["documents_cut"]) == (1, 1)
    assert index.passages["text"].to_list() == ["Something entirely new."]
    assert index.size == 21


def test_nothing_changed_reads_no_file_and_asks_no_model(bench: Bench) -> None:
    before = bench.publish()
    asked = len(bench.model.asked)
    index = bench.publish()
    assert index.snapshot == before.snapshot
    assert index.summary["files_read"] == 0
    assert len(bench.model.asked) == asked


def test_a_removed_document_leaves_the_next_snapshot_and_is_closed_in_the_lake(bench: Bench) -> None:
    before = bench.publish()
    (bench.docs / "07.txt").unlink()
    index = bench.publish()
    assert index.size == 19
    assert "07.txt" not in index.describe(index.search(bench.model.encode(["topic7"]), 19))["document_uri"]
    rows = bench.published()
    assert rows.height == 20
    assert rows.filter(pl.col("snapshot_last_seen").is_not_null()).select(
        "document_uri", "snapshot_last_seen"
    ).rows() == [("07.txt", before.snapshot)]


def test_a_document_that_comes_back_is_open_again_and_the_snapshot_is_the_old_one(bench: Bench) -> None:
    before = bench.publish()
    text = (bench.docs / "07.txt").read_text()
    (bench.docs / "07.txt").unlink()
    bench.publish()
    bench.write("07.txt", text)
    index = bench.publish()
    assert index.snapshot == before.snapshot
    assert bench.published()["snapshot_last_seen"].null_count() == bench.published().height == 20


def test_an_edited_document_keeps_the_passages_that_did_not_change(bench: Bench) -> None:
    start = "This paragraph stays as it is. " * 40
    bench.write("long.txt", start + "Old end.")
    before = bench.publish()
    bench.write("long.txt", start + "Another end.")
    index = bench.publish()
    old = before.passages.filter(pl.col("document_uri") == "long.txt")
    stayed = bench.published().filter(
        (pl.col("document_uri") == "long.txt") & pl.col("snapshot_last_seen").is_null()
    )
    assert 0 < index.passages.height < old.height
    assert set(stayed["passage_id"]) & set(old["passage_id"])
    text = start + "Another end."
    assert all(text[r["start"] : r["end"]] == r["text"] for r in stayed.iter_rows(named=True))


def test_touching_a_file_changes_nothing(bench: Bench) -> None:
    before = bench.publish()
    bench.write("03.txt", (bench.docs / "03.txt").read_text())
    index = bench.publish()
    assert (index.snapshot, index.passages.height) == (before.snapshot, 0)
    assert index.summary["documents_cut"] == 0


def test_a_file_written_while_the_run_was_reading_is_read_again(bench: Bench) -> None:
    (bench.docs / "03.txt").write_text("Early.")
    now = bench.clock.timestamp() + 3600
    os.utime(bench.docs / "03.txt", (now, now))
    bench.publish()
    (bench.docs / "03.txt").write_text("Later.")
    os.utime(bench.docs / "03.txt", (now, now))
    index = bench.publish()
    assert index.passages["text"].to_list() == ["Later."]


def test_two_documents_of_one_uri_are_named_and_the_second_takes_over_when_the_first_leaves(
    bench: Bench,
) -> None:
    bench.write("a.jsonl", '{"uri": "same", "text": "First text."}\n')
    bench.write("b.jsonl", '{"uri": "same", "text": "Second text."}\n')
    index = bench.publish()
    assert index.quarantine.select("locator", "check").rows() == [("b.jsonl", "corpus_duplicate_uri")]
    assert "First text." in index.passages["text"].to_list()
    (bench.docs / "a.jsonl").unlink()
    assert bench.publish().passages["text"].to_list() == ["Second text."]


def test_refused_files_are_published_to_quarantine_once_and_not_read_every_night(bench: Bench) -> None:
    bench.write("bad.pdf", "no pdf")
    bench.publish()
    index = bench.publish()
    assert index.summary["files_read"] == 0
    rows = bench.lake.scan("quarantine").collect()
    assert rows.select("locator", "check").rows() == [("bad.pdf", "corpus_pdf")]


@pytest.mark.parametrize("file", ["dense", "words", "passages", "manifest"])
def test_altered_files_are_never_loaded_but_built_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    import bm25s
    import faiss

    before = bench.publish()
    root = bench.lake.root / "index"
    path = {
        "dense": next(root.glob(f"vectors-{bench.embedder.fingerprint[:16]}/shard-*")) / "vectors.faiss",
        "words": before.files.folder / "words" / "vocab.index.json",
        "passages": before.files.folder / "passages" / "passages.parquet",
        "manifest": root / "manifest.parquet",
    }[file]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if file == "dense":
        read = faiss.read_index

        def read_unaltered(place: str, *flags: int) -> Any:
            assert Path(place).read_bytes() != bytes(data), "parsed before its digest matched"
            return read(place, *flags)

        monkeypatch.setattr(faiss, "read_index", read_unaltered)
    if file == "words":
        monkeypatch.setattr(bm25s.BM25, "load", lambda *_: pytest.fail("parsed before its digest matched"))
    index = bench.publish()
    assert index.snapshot == before.snapshot
    best = index.search(bench.model.encode(["topic7 topic7"]), 1)
    assert index.describe(best)["document_uri"].to_list() == ["07.txt"]
    assert index.describe(index.search_words(["topic11"], 3))["document_uri"].to_list() == ["11.txt"]
    assert len(set(bench.model.asked) - {"topic7 topic7"}) == 20
    assert bench.published().height == 20


def test_an_interrupted_publish_is_simply_done_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = refresh(
        bench.section,
        LimitSettings(),
        bench.lake,
        bench.embedder,
        segment,
        run_id=RUN,
        now=NOW + timedelta(days=9),
    )
    assert undisturbed is not None
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "write_state", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bench.publish()
    index = bench.publish()
    assert index.snapshot == undisturbed.snapshot
    assert bench.published().height == 20
    assert bench.published()["passage_id"].n_unique() == 20


def test_old_snapshots_do_not_pile_up(bench: Bench) -> None:
    for i in range(6):
        bench.write("changing.txt", f"Version {i}.")
        bench.publish()
    root = bench.lake.root / "index"
    assert len(list(root.glob("?" * 64))) == index_door.KEPT_SNAPSHOTS
    plans = [json.loads(path.read_bytes()) for path in root.glob("*/vectors-*/plan.json")]
    assert {p.name for p in root.glob("vectors-*/shard-*")} == {name for p in plans for name in p["shards"]}


def test_an_empty_corpus_is_a_snapshot_of_its_own_that_finds_nothing(tmp_path: Path) -> None:
    index = Bench(tmp_path).publish()
    assert index.size == 0
    assert index.snapshot != EMPTY_SNAPSHOT
    assert index.search(np.ones((2, 64), dtype=np.float32), 5).height == 0
    assert index.search_words(["a"], 5).height == 0


def test_without_a_corpus_there_is_no_index(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path))
    assert refresh(CorpusSettings(), LimitSettings(), lake, Hashing(), segment, run_id=RUN, now=NOW) is None


def test_fewer_neighbours_than_asked_for_never_become_the_last_row() -> None:
    import faiss

    flat = faiss.IndexFlatIP(4)
    flat.add(np.eye(4, dtype=np.float32)[:2])
    raw = flat.search(np.eye(4, dtype=np.float32)[:1], 5)[1]
    assert raw.tolist() == [[0, 1, -1, -1, -1]]
    part = Shard(flat, np.arange(2))
    hits = DenseIndex([part], Method()).search(np.eye(4, dtype=np.float32)[:1], 5)
    assert hits.select("query", "row", "score").rows() == [(0, 0, 1.0), (0, 1, 0.0)]
    cells = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(4), 4, 2, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    cells.cp.min_points_per_centroid = 1
    cells.train(np.eye(4, dtype=np.float32))
    cells.add(np.eye(4, dtype=np.float32)[:2])
    searched = DenseIndex([Shard(cells, np.array([5, -1]))], Method("ivf", probes=2))
    assert searched.search(np.eye(4, dtype=np.float32)[:1], 5)["row"].to_list() == [5]
    assert DenseIndex([], Method()).search(np.eye(4, dtype=np.float32), 5).height == 0


def test_a_large_corpus_gets_cells_its_record_says_so_and_yesterday_answers_beside_today(
    bench: Bench,
) -> None:
    bench.section = replace(
        bench.section, index=IndexParameters(flat_passages=100, shard_passages=1024, cells_per_root=1)
    )
    for part in range(3):
        lines = "\n".join(
            f'{{"text": "Line {i} about subject{i % 97} and matter{i % 89}.", "uri": "{i}"}}'
            for i in range(1000 * part, 1000 * (part + 1))
        )
        bench.write(f"part{part}.jsonl", lines)
    first = bench.publish()
    assert first.method.kind == "ivf"
    state = bench.lake.read_state("corpus-corpus")
    assert state["index"] == first.method.as_dict()
    assert state["index"]["recall"] >= 0.95
    yesterday = reader(bench.lake.root, first.snapshot, bench.embedder, bench.section.index, threads=1)
    (bench.docs / "part0.jsonl").unlink()
    bench.write("new.txt", "Something about pelicans.")
    today = bench.publish()
    asked = bench.model.encode(["Line 7 about subject7 and matter7."])
    old, new = yesterday.search(asked, 5), today.search(asked, 5)
    assert yesterday.describe(old.head(1))["document_uri"].to_list() == ["7"]
    assert today.describe(new).filter(pl.col("document_uri").cast(pl.Int64) < 1000).is_empty()
    assert new.height == 5
    assert today.method.trained == first.method.trained
    again = reader(bench.lake.root, first.snapshot, bench.embedder, bench.section.index)
    assert again.search(asked, 5).equals(old)


def test_other_cells_are_another_verifier_to_the_tables_and_an_exact_index_is_none(bench: Bench) -> None:
    parameters = JudgeParameters(corpus=bench.section)
    workbench = Workbench(parameters, bench.lake)
    workbench.__dict__["embedder"] = bench.model
    plain = workbench.identity_of("verifier")
    bench.publish()
    assert workbench.identity_of("verifier") == plain
    state = bench.lake.read_state("corpus-corpus")
    cells = Method("ivf", "trained-a", trained_passages=20, cells=4, probes=8, recall=0.97)
    names = []
    for method in (cells, replace(cells, recall=0.98), replace(cells, probes=16)):
        bench.lake.write_state("corpus-corpus", {**state, "index": method.as_dict()})
        names.append(workbench.identity_of("verifier"))
    assert names[0] == names[1]
    assert len({plain, *names}) == 3


def test_other_parameters_of_the_index_take_effect_on_the_same_snapshot(bench: Bench) -> None:
    before = bench.publish()
    assert before.method == Method()
    bench.section = replace(bench.section, index=IndexParameters(flat_passages=10, cells_per_root=1))
    index = bench.publish()
    assert index.snapshot == before.snapshot
    assert index.method.kind == "ivf"
    best = index.describe(index.search(bench.model.encode(["topic7 topic7"]), 1))
    assert best["document_uri"].to_list() == ["07.txt"]


def test_the_real_model_finds_a_paraphrase(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.embedder = CachedEmbedder(load_embedder(threads=1), bench.lake.root)
    bench.write("refunds.md", "Customers get their money back within 30 days of purchase.")
    bench.write("opening.md", "The shop is open from nine to five on weekdays.")
    index = bench.publish()
    hits = index.search(bench.embedder.encode(["How long can I return an item for a refund?"]), 1)
    assert index.describe(hits)["document_uri"].to_list() == ["refunds.md"]


def test_published_rows_have_the_declared_schema_and_say_when_they_were_first_indexed(bench: Bench) -> None:
    index = bench.publish()
    assert index.passages.schema == tables.PASSAGES.schema
    assert index.passages["produced_at"].unique().to_list() == [bench.clock]
    assert index.snapshot == passages_stage.snapshot_id(
        pl.DataFrame(
            {
                "document_uri": [p.name for p in sorted(bench.docs.iterdir())],
                "content_sha256": [
                    hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(bench.docs.iterdir())
                ],
            }
        ),
        bench.section.passages,
        corpus="corpus",
    )
