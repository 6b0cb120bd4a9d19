"""The index by meaning on disk: near to exact, incremental, without what left, and whole after a kill."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks import ids
from tasks.errors import LakeError
from tasks.evidence import dense, dense_files, shards
from tasks.evidence.dense import DenseIndex
from tasks.evidence.dense_files import DenseFiles
from tasks.evidence.models import Vectors
from tasks.evidence.pieces import unit
from tasks.evidence.roles import Role
from tasks.evidence.shards import IndexParameters, Method, Placed, Plan

PARAMETERS = IndexParameters(flat_passages=1_000, shard_passages=1_024, cells_per_root=1)


_RANDOM = np.random.default_rng(0)
NEAR_TOPICS = _RANDOM.normal(size=(60, 24))[np.arange(6_100) % 60] + 0.7 * _RANDOM.normal(size=(6_100, 24))
NOISE = 0.2 * _RANDOM.normal(size=(6_100, 24))


class Topics:
    """A text is a number; its vector is near one of 60 topics, and that of a question near its passage."""

    fingerprint = "f" * 64
    dimension = 24
    roles_differ = True

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], role: Role = "document") -> Vectors:
        if role == "document":
            self.encoded += texts
        rows = np.array(texts, dtype=np.int64)
        return unit(NEAR_TOPICS[rows] + (NOISE[rows] if role == "query" else 0))


def corpus(numbers: Sequence[int]) -> pl.DataFrame:
    """passage_id, text, in the order of a snapshot."""
    texts = [str(number) for number in numbers]
    return pl.DataFrame({"passage_id": [ids.digest("p", text) for text in texts], "text": texts}).sort(
        "passage_id"
    )


def share(found: pl.DataFrame, exact: pl.DataFrame) -> float:
    """Of the exact pairs, those found: no two passages here are equally near."""
    return exact.join(found, on=["query", "row"], how="semi").height / exact.height


class Bench:
    """One embedder and one folder of indexes."""

    def __init__(self, folder: Path, parameters: IndexParameters = PARAMETERS) -> None:
        self.embedder = Topics()
        self.files = DenseFiles(folder, self.embedder)
        self.parameters = parameters

    def build(self, passages: pl.DataFrame, before: Plan | None = None) -> tuple[Plan, list[Placed]]:
        return self.files.build(passages, self.parameters, before)

    def questions(self, numbers: Sequence[int]) -> Vectors:
        return self.embedder.encode([str(number) for number in numbers], "query")

    def exact(self, passages: pl.DataFrame, questions: Vectors, k: int) -> pl.DataFrame:
        return shards.exact(questions, [Topics().encode(passages["text"].to_list())], k)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_an_exact_index_in_shards_is_one_comparison_of_everything_whatever_came_and_left(
    tmp_path: Path, seed: int
) -> None:
    bench = Bench(tmp_path, IndexParameters(flat_passages=10_000, shard_passages=256))
    random = np.random.default_rng(seed)
    plan: Plan | None = None
    for _ in range(4):
        passages = corpus(random.choice(1_500, size=600 + int(random.integers(400)), replace=False).tolist())
        plan, placed = bench.build(passages, plan)
        questions = bench.questions(random.choice(1_500, size=40).tolist())
        found = bench.files.open(plan, placed).search(questions, 20)
        expected = bench.exact(passages, questions, 20)
        assert found.select("query", "row").equals(expected.select("query", "row"))
        assert found["score"].to_numpy() == pytest.approx(expected["score"].to_numpy(), abs=1e-5)


def test_a_large_corpus_gets_cells_and_the_recall_recorded_is_the_one_it_has(bench: Bench) -> None:
    passages = corpus(range(4_000))
    plan, placed = bench.build(passages)
    method = plan.method
    assert (method.kind, method.cells, len(plan.shards)) == ("ivf", 63, 4)
    assert method.recall >= PARAMETERS.minimum_recall
    index = bench.files.open(plan, placed)
    asked = bench.questions([int(text) for text in passages["text"].head(shards.QUESTIONS)])
    recall = share(index.search(asked, 10), bench.exact(passages, asked, 10))
    assert recall == pytest.approx(method.recall, abs=1e-3)
    others = bench.questions(range(300))
    assert share(index.search(others, 10), bench.exact(passages, others, 10)) >= 0.93
    assert method.in_words().startswith(f"{method.probes} of 63 cells looked into, one byte a number, recall")


def test_one_percent_more_encodes_one_percent_and_finds_what_a_rebuilt_index_finds(
    bench: Bench, tmp_path: Path
) -> None:
    before, _ = bench.build(corpus(range(4_000)))
    bench.embedder.encoded.clear()
    passages = corpus(range(40, 4_040))
    plan, placed = bench.build(passages, before)
    assert sorted(map(int, bench.embedder.encoded)) == list(range(4_000, 4_040))
    assert plan.shards[:-1] == before.shards
    assert plan.method == before.method
    questions = bench.questions(range(3_900, 4_100))
    found = bench.files.open(plan, placed).search(questions, 10)
    # With the same cells the shards make no difference at all ...
    again = bench.files._shards(passages, plan.method, PARAMETERS, None)
    assert [shard.dead for shard in again] == [0, 0, 0, 0]
    assert bench.files.open(plan, again).search(questions, 10).equals(found)
    # ... and cells trained anew find as much.
    other = Bench(tmp_path / "other")
    whole = other.files.open(*other.build(passages)).search(questions, 10)
    exact = bench.exact(passages, questions, 10)
    assert share(found, exact) >= 0.95
    assert share(whole, exact) >= 0.95


@pytest.mark.parametrize("left", [30, 700, 2_900])
def test_what_left_never_comes_back_and_takes_no_place(bench: Bench, left: int) -> None:
    before, _ = bench.build(corpus(range(4_000)))
    passages = corpus(range(left, 4_000))
    plan, placed = bench.build(passages, before)
    gone = bench.embedder.encode([str(number) for number in range(30)])
    found = bench.files.open(plan, placed).search(gone, 10)
    assert found.group_by("query").len()["len"].to_list() == [10] * 30
    texts = passages["text"].gather(found["row"]).cast(pl.Int64)
    assert texts.min() >= left
    assert share(found, bench.exact(passages, gone, 10)) >= 0.9
    returned, rows = bench.build(corpus(range(4_000)), plan)
    first = bench.files.open(returned, rows).search(gone, 1)
    assert corpus(range(4_000))["text"].gather(first["row"]).to_list() == [str(n) for n in range(30)]


def test_cells_that_find_too_little_are_refused_and_everything_is_compared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, IndexParameters(flat_passages=1_000, cells_per_root=1, most_probes=1))
    passages = corpus(range(3_000))
    with caplog.at_level(logging.WARNING, "claimledger.evidence"):
        plan, placed = bench.build(passages)
    assert plan.method.kind == "flat"
    assert plan.method.refused.endswith("of the ten nearest in 1 cells, 0.95 is required")
    assert [plan.method.refused in record.getMessage() for record in caplog.records] == [True]
    questions = bench.questions(range(50))
    found = bench.files.open(plan, placed).search(questions, 10)
    assert share(found, bench.exact(passages, questions, 10)) == 1.0
    caplog.clear()
    again, _ = bench.build(corpus(range(3_010)), plan)
    assert again.method == plan.method
    assert not caplog.records


def test_a_damaged_shard_is_never_parsed_and_costs_that_shard(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = corpus(range(4_000))
    plan, placed = bench.build(passages)
    questions = bench.questions(range(100))
    expected = bench.files.open(plan, placed).search(questions, 10)
    path = dense_files.shared_folder(bench.files.folder, bench.embedder) / plan.shards[1] / "vectors.faiss"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    parsed: list[Path] = []
    mapped = dense.mapped
    monkeypatch.setattr(dense, "mapped", lambda path, *rest: (parsed.append(path), mapped(path, *rest))[1])
    with pytest.raises(ValueError, match="is missing"):
        bench.files.open(plan, placed)
    assert path not in parsed
    bench.embedder.encoded.clear()
    mended, rows = bench.build(passages, plan)
    assert len(bench.embedder.encoded) == len(placed[1].rows)
    assert mended.method == plan.method
    assert bench.files.open(mended, rows).search(questions, 10).equals(expected)


KILLED = """
import os, signal, sys
from pathlib import Path
from tasks.evidence import dense
from tests.evidence.test_dense_files import Bench, corpus

fill, done = dense.fill, []

def fill_and_die(*arguments):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(fill(*arguments))

dense.fill = fill_and_die
Bench(Path(sys.argv[1])).build(corpus(range(4_000)))
"""


def test_a_kill_between_two_shards_costs_the_shards_that_were_not_written(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "a")], check=False)
    assert died.returncode == -signal.SIGKILL
    bench, undisturbed = Bench(tmp_path / "a"), Bench(tmp_path / "b")
    passages = corpus(range(4_000))
    plan, placed = bench.build(passages)
    expected, rows = undisturbed.build(passages)
    assert plan == expected
    # The sample of the cells, two shards of four, and everything once for the exact neighbours.
    assert len(undisturbed.embedder.encoded) - len(bench.embedder.encoded) == 2 * 1_024
    questions = bench.questions(range(100))
    found = bench.files.open(plan, placed).search(questions, 10)
    assert found.equals(undisturbed.files.open(expected, rows).search(questions, 10))


def test_two_snapshots_answer_at_once_and_shards_go_with_the_last_that_has_them(bench: Bench) -> None:
    old = corpus(range(4_000))
    first, first_rows = bench.build(old)
    yesterday = bench.files.open(first, first_rows)
    questions = bench.questions([7, 3_999])
    answer = yesterday.search(questions, 5)
    new = corpus(range(2_000, 6_000))
    second, second_rows = bench.build(new, first)
    today = bench.files.open(second, second_rows)
    assert yesterday.search(questions, 5).equals(answer)
    assert old["text"][yesterday.search(questions, 1)["row"][0]] == "7"
    assert new["text"][today.search(questions, 1)["row"][1]] == "3999"
    shared = dense_files.shared_folder(bench.files.folder, bench.embedder)
    dense_files.prune(shared, [first, second])
    assert bench.files.open(first, first_rows).search(questions, 5).equals(answer)
    dense_files.prune(shared, [second])
    names = {path.name for path in shared.iterdir()}
    assert names == {*second.shards, second.method.trained}
    dense_files.prune(shared, [])
    assert not shared.exists()


def test_an_index_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"missing/vectors.faiss: .*; free some space and run again$"):
        dense.fill(None, 4, [np.eye(4, dtype=np.float32)], tmp_path / "missing" / "vectors.faiss")


def test_threads_of_the_runner_reach_faiss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import faiss

    asked: list[int] = []
    monkeypatch.setattr(faiss, "omp_set_num_threads", asked.append)
    bench = Bench(tmp_path)
    files = DenseFiles(tmp_path, bench.embedder, threads=3)
    plan, placed = files.build(corpus(range(100)), PARAMETERS, None)
    assert asked == [3]
    files.open(plan, placed).search(bench.questions([1]), 1)
    assert asked == [3, 3]
    DenseIndex([], Method()).search(bench.questions([1]), 1)
    dense.use_threads(0)
    assert asked == [3, 3]
