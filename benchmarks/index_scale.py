"""An index by meaning of a million passages: built, 1% more, searched, each beside bare FAISS.

    python -m benchmarks.index_scale DEVELOPMENT_DATA [--passages 1000000] [--base FILE.npy] [--threads 1]

`docs.parquet` in DEVELOPMENT_DATA has 9,215 sections of documentation and health pages. They are embedded
once by the default model (minutes; kept in --base), and so is one sentence of every 18th, as claims are: real
passages and real questions. A made passage lies between a real one and one of its ten nearest, at a random
place, with 0.02 of noise in each number: what is near, and in how many directions, is as in the real ones.
Nothing is embedded while the clock runs: the figures are of the index alone.

Prints the recall of real passages in cells, and of made ones by made and by real questions; seconds of the
clock and of the processor, peak memory, bytes; questions a second of the index in shards against one FAISS
index in memory with the same cells and codes, in turns in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks import ids
from tasks.evidence import dense_files, shards
from tasks.evidence.dense import DenseIndex
from tasks.evidence.dense_files import DenseFiles
from tasks.evidence.models import Vectors, load_embedder
from tasks.evidence.pieces import unit
from tasks.evidence.roles import Role
from tasks.evidence.shards import IndexParameters, Plan

CHARACTERS = 700
NEIGHBOURS = 10
NOISE = 0.02
BLOCK = 50_000
BATCH = 256
ROUNDS = 5


class Numbered:
    """A text is the number of its vector; a question is its passage and some noise."""

    fingerprint = "f" * 64
    roles_differ = True

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = vectors
        self.dimension = int(vectors.shape[1])
        self.encoded = 0

    def encode(self, texts: Sequence[str], role: Role = "document") -> Vectors:
        vectors = np.asarray(self._vectors[np.array(texts, dtype=np.int64)], dtype=np.float32)
        if role == "document":
            self.encoded += len(texts)
            return vectors
        return unit(vectors + NOISE * np.random.default_rng(7).normal(size=vectors.shape))


def real(data: Path, base: Path, threads: int) -> tuple[Vectors, Vectors]:
    """Passages and questions of the documentation, embedded once."""
    asked = base.with_name(f"questions-{base.name}")
    if not base.exists():
        texts = pl.read_parquet(data / "docs.parquet")["text"].str.slice(0, CHARACTERS)
        texts = texts.unique(maintain_order=True)
        sentences = texts.gather_every(18).str.split(". ").list.first().str.slice(0, 200)
        embedder = load_embedder(threads=threads)
        np.save(base, embedder.encode(texts.to_list()))
        np.save(asked, embedder.encode(sentences.to_list(), "query"))
    return np.load(base), np.load(asked)


def made(base: Vectors, count: int, path: Path) -> np.ndarray:
    """(count, d) vectors between neighbours of the real ones, in a file mapped into memory."""
    random = np.random.default_rng(0)
    near = np.concatenate(
        [
            np.argpartition(-(block @ base.T), NEIGHBOURS + 1)[:, : NEIGHBOURS + 1]
            for block in np.array_split(base, 20)
        ]
    )
    vectors = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, base.shape[1]))
    for first in range(0, count, BLOCK):
        size = min(BLOCK, count - first)
        one = random.integers(len(base), size=size)
        other = near[one, random.integers(NEIGHBOURS + 1, size=size)]
        share = random.random((size, 1), dtype=np.float32)
        noise = random.standard_normal((size, base.shape[1]), dtype=np.float32)
        vectors[first : first + size] = unit(base[one] + share * (base[other] - base[one]) + NOISE * noise)
    return vectors


def corpus(numbers: range) -> pl.DataFrame:
    """passage_id, text, in the order of a snapshot."""
    texts = pl.Series("text", numbers).cast(pl.String)
    return pl.DataFrame({"passage_id": ids.digest_rows("p", [texts]), "text": texts}).sort("passage_id")


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What the work gives; seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, {
        "s": round(time.perf_counter() - clock, 2),
        "processor_s": round(time.process_time() - processor, 2),
    }


def bare(folder: Path, plan: Plan) -> Any:
    """One FAISS index in memory with the same cells, codes and vectors."""
    import faiss

    index = faiss.read_index(str(folder / plan.method.trained / "trained.faiss"))
    for name in plan.shards:
        part = faiss.read_index(str(folder / name / "vectors.faiss"))
        index.merge_from(part, index.ntotal)
    index.nprobe = plan.method.probes
    return index


def beside_bare(index: DenseIndex, other: Any, questions: Vectors, k: int) -> dict[str, float]:
    """Questions a second of processor time, by turns; recall of each against the other."""
    spent = {"ours": 0.0, "bare": 0.0}
    batches = [questions[first : first + BATCH] for first in range(0, len(questions), BATCH)]
    index.search(batches[0], k)
    other.search(batches[0], k)
    for _ in range(ROUNDS):
        for batch in batches:
            spent["ours"] += timed(lambda batch=batch: index.search(batch, k))[1]["processor_s"]
            spent["bare"] += timed(lambda batch=batch: other.search(batch, k))[1]["processor_s"]
    count = ROUNDS * len(questions)
    rates = {name: round(count / seconds, 1) for name, seconds in spent.items()}
    return {
        "questions": len(questions),
        "ours_per_processor_s": rates["ours"],
        "bare_per_processor_s": rates["bare"],
        "ratio": round(rates["ours"] / rates["bare"], 3),
    }


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measured_recall(
    index: DenseIndex, questions: Vectors, passages: pl.DataFrame, embedder: Numbered
) -> float:
    """Recall at ten of these questions."""
    exact = shards.exact(questions, blocks(passages, embedder), shards.DEPTH)
    found = index.search(questions, shards.DEPTH)
    vectors = embedder.encode(passages["text"].gather(found["row"]).to_list())
    scores = np.einsum("ij,ij->i", questions[found["query"].to_numpy()], vectors)
    return round(shards.recall(found.with_columns(score=pl.Series(scores)), exact), 4)


def blocks(passages: pl.DataFrame, embedder: Numbered) -> Any:
    return (
        embedder.encode(passages["text"][f : f + BLOCK].to_list()) for f in range(0, len(passages), BLOCK)
    )


def run(vectors: np.ndarray, asked: Vectors, folder: Path, parameters: IndexParameters, threads: int) -> dict:
    embedder = Numbered(vectors)
    files = DenseFiles(folder, embedder, threads)
    more = max(1, len(vectors) // 101)
    first, grown = corpus(range(len(vectors) - more)), corpus(range(len(vectors)))
    (plan, _), building = timed(lambda: files.build(first, parameters, None))
    shared = dense_files.shared_folder(folder, embedder)
    result: dict[str, Any] = {
        "passages": len(first),
        "method": plan.method.as_dict(),
        "build": building,
        "peak_memory_gib_after_build": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "bytes_per_passage": round(size(shared) / len(first), 1),
    }
    encoded = embedder.encoded
    (second, places), adding = timed(lambda: files.build(grown, parameters, plan))
    result["one_percent_more"] = {
        **adding,
        "encoded": embedder.encoded - encoded,
        "ratio_of_processor": round(adding["processor_s"] / building["processor_s"], 4),
    }
    index, opening = timed(lambda: files.open(second, places))
    result["open"] = opening
    made_questions = embedder.encode(
        grown["text"].gather_every(max(1, len(grown) // 1000)).to_list(), "query"
    )
    result["recall_at_10"] = {
        "recorded": second.method.recall,
        "made_questions": measured_recall(index, made_questions, grown, embedder),
        "real_questions": measured_recall(index, asked, grown, embedder),
    }
    alive = corpus(range(0, len(vectors), 1)).filter(pl.col("text").cast(pl.Int64) % 50 != 0)
    (third, rows), leaving = timed(lambda: files.build(alive, parameters, second))
    result["two_percent_left"] = {**leaving, "shards_written": len(set(third.shards) - set(second.shards))}
    if plan.method.kind == "ivf":
        single = bare(shared, second)
        result["search"] = beside_bare(index, single, np.concatenate([asked, made_questions]), 20)
        result["search_after_2_percent_left"] = beside_bare(files.open(third, rows), single, asked, 20)
    result["peak_memory_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", default=os.environ.get("CLAIMLEDGER_DEVELOPMENT_DATA"))
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--base", type=Path, default=Path(tempfile.gettempdir()) / "index-scale-base.npy")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if not options.data:
        parser.error("name the folder of development data, or set CLAIMLEDGER_DEVELOPMENT_DATA")
    base, asked = real(Path(options.data), options.base, options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = replace(IndexParameters(), flat_passages=1_000)
        print(json.dumps({"real": run(base, asked, folder / "real", small, options.threads)}), flush=True)
        vectors = made(base, options.passages, folder / "made.npy")
        print(json.dumps({"made": run(vectors, asked, folder / "made", IndexParameters(), options.threads)}))


if __name__ == "__main__":
    main()
