"""Door to the files of the index by meaning: shards that snapshots share, and what each has of them.

LAKE/index/vectors-FINGERPRINT/ is a cache (`tasks/files/cache.py`) of two kinds of entry: `trained-...` with
cells and codes, and `shard-...` with the vectors of some passages and their ids. A snapshot's own entry is
written last: (1) cells are trained, (2) shards are written, (3) recall is measured, (4) the plan appears. A
crash before (4) leaves shards that the next attempt finds by their names; the snapshot before answers all the
while, since nothing that it needs is changed.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks import ids
from tasks.evidence import dense, shards
from tasks.evidence.dense import DenseIndex, Shard
from tasks.evidence.models import Embedder, Vectors
from tasks.evidence.shards import IndexParameters, Method, Placed, Plan
from tasks.files import durable
from tasks.files.cache import Cache, Entry
from tasks.text.pairs import pieces

log = logging.getLogger("claimledger.evidence")

SHARED = "vectors-"
"""Begins the name of the folder with shards; the embedder's fingerprint ends it."""

ENCODED_TEXTS = 8192
"""Texts whose vectors are in memory at once while an index is built."""

PLAN = "plan.json"


@dataclass(frozen=True)
class DenseFiles:
    """The shards of one embedder in a lake's folder of indexes."""

    folder: Path
    embedder: Embedder
    threads: int = 0

    @property
    def _cache(self) -> Cache:
        return Cache(shared_folder(self.folder, self.embedder), "it is rebuilt")

    def build(
        self, passages: pl.DataFrame, parameters: IndexParameters, before: Plan | None
    ) -> tuple[Plan, list[Placed]]:
        """Shards for the passages (passage_id, text), those of the plan before used again.

        Raises:
            LakeError: the disk refuses.
        """
        dense.use_threads(self.threads)
        if before is not None and before.method.trained and self._trained_file(before.method) is None:
            before = None
        method = shards.method_after(before, len(passages), parameters)
        method = method or self._trained(passages["text"], parameters)
        placed = self._shards(passages, method, parameters, before)
        if method.kind == "ivf" and (
            before is None
            or before.method.trained != method.trained
            or shards.is_stale(method, len(passages))
        ):
            method = self._measured(passages, method, placed, parameters)
            if method.kind == "flat":
                log.warning("corpus index: %s; everything is compared", method.refused)
                placed = self._shards(passages, method, parameters, None)
        return Plan(method, parameters, tuple(shard.name for shard in placed)), placed

    def open(self, plan: Plan, placed: list[Placed]) -> DenseIndex:
        """The index, every shard's digest checked.

        Raises:
            ValueError: a shard is missing or damaged.
        """
        parts = []
        for shard in placed:
            index = self._index(shard.name, len(shard.rows))
            if index is None:
                raise ValueError(f"shard {shard.name} is missing")
            parts.append(Shard(index, shard.rows))
        return DenseIndex(parts, plan.method, threads=self.threads)

    def _trained(self, texts: pl.Series, parameters: IndexParameters) -> Method:
        """(1) Cells and codes, learnt from an even sample: passages are in the order of their digests."""
        cells = max(1, int(parameters.cells_per_root * len(texts) ** 0.5))
        sample = texts.gather_every(max(1, len(texts) // (dense.TRAINING_ROWS * cells)))
        vectors = np.concatenate(list(self._encoded(sample)))
        name = f"trained-{ids.digest('cells', str(cells), *sample.to_list())[:32]}"
        self._cache.write(lambda folder: dense.train(vectors, cells, folder / "trained.faiss"), name)
        return Method("ivf", name, trained_passages=len(texts), cells=cells)

    def _shards(
        self, passages: pl.DataFrame, method: Method, parameters: IndexParameters, before: Plan | None
    ) -> list[Placed]:
        """(2) The shards of the plan before that stay, and new ones for passages that none of them holds."""
        names = before.shards if before and before.method.trained == method.trained else ()
        taken = np.zeros(len(passages), dtype=bool)
        found = [
            shards.placed(name, held, passages["passage_id"], taken)
            for name in names
            if (held := self._ids(name)) is not None
        ]
        placed = shards.kept(found, method, parameters)
        missing = np.ones(len(passages), dtype=bool)
        for shard in placed:
            missing[shard.rows[shard.rows >= 0]] = False
        rows = np.flatnonzero(missing)
        size = parameters.shard_passages
        return placed + [
            self._new_shard(passages, rows[first : first + size], method)
            for first in range(0, len(rows), size)
        ]

    def _new_shard(self, passages: pl.DataFrame, rows: np.ndarray, method: Method) -> Placed:
        of_shard = passages[rows]
        name = f"shard-{ids.digest('shard', method.trained, *of_shard['passage_id'].to_list())[:32]}"
        if self._ids(name) is None:
            trained = self._trained_file(method)

            def fill(folder: Path) -> None:
                vectors = self._encoded(of_shard["text"])
                dense.fill(trained, self.embedder.dimension, vectors, folder / "vectors.faiss")
                of_shard.select("passage_id").write_parquet(folder / "passages.parquet")

            self._cache.write(fill, name)
        return Placed(name, rows.astype(np.int64))

    def _measured(
        self, passages: pl.DataFrame, method: Method, placed: list[Placed], parameters: IndexParameters
    ) -> Method:
        """(3) The method with as many probes as reach the recall, measured beside comparing everything."""
        asked = pieces(passages["text"].head(shards.QUESTIONS)).unique("passage", keep="first")
        questions = self.embedder.encode(asked.sort("passage")["text"].to_list(), "query")
        exact = shards.exact(questions, self._encoded(passages["text"]), shards.DEPTH)
        index = self.open(Plan(method, parameters), placed)
        for probes in shards.probes_in_order(parameters, method.cells):
            found = index.search(questions, shards.DEPTH, probes=probes)
            recall = shards.recall(self._exactly(found, questions, passages["text"]), exact)
            method = replace(method, probes=probes, recall=round(recall, 4), measured_passages=len(passages))
            if method.recall >= parameters.aim_recall:
                break
        return method if method.recall >= parameters.minimum_recall else shards.refused(method, parameters)

    def _exactly(self, found: pl.DataFrame, questions: Vectors, texts: pl.Series) -> pl.DataFrame:
        """What was found with its similarity before vectors were coded."""
        vectors = self.embedder.encode(texts.gather(found["row"]).to_list())
        return found.with_columns(
            score=pl.Series(np.einsum("ij,ij->i", questions[found["query"].to_numpy()], vectors))
        )

    def _encoded(self, texts: pl.Series) -> Iterator[Vectors]:
        for first in range(0, len(texts), ENCODED_TEXTS):
            yield self.embedder.encode(texts[first : first + ENCODED_TEXTS].to_list())

    def _ids(self, name: str) -> pl.Series | None:
        """The passages that a shard holds."""

        def parse(entry: Entry) -> pl.Series:
            return pl.read_parquet(entry.data("passages.parquet"))["passage_id"]

        return self._cache.read(name, parse)

    def _index(self, name: str, rows: int) -> Any:
        def parse(entry: Entry) -> Any:
            return dense.mapped(entry.path("vectors.faiss"), rows, self.embedder.dimension)

        return self._cache.read(name, parse)

    def _trained_file(self, method: Method) -> Path | None:
        """The trained quantiser, checked; None of an exact index, and of one that is damaged."""
        if not method.trained:
            return None
        return self._cache.read(method.trained, lambda entry: entry.path("trained.faiss"))


def shared_folder(folder: Path, embedder: Embedder) -> Path:
    """Where the shards of an embedder are."""
    return folder / f"{SHARED}{embedder.fingerprint[:16]}"


def prune(shared: Path, plans: Sequence[Plan]) -> None:
    """Removes what none of the plans needs, and the folder where that is everything."""
    cache = Cache(shared, "it is rebuilt")
    used = {name for plan in plans for name in (*plan.shards, plan.method.trained)}
    for name in cache.names():
        if name not in used:
            cache.remove(name)
    if not plans:
        shutil.rmtree(shared, ignore_errors=True)


def write_plan(folder: Path, plan: Plan, placed: list[Placed]) -> None:
    """(4) The plan, and the snapshot's rows of each shard."""
    durable.write_new(folder / PLAN, json.dumps(plan.as_dict(), sort_keys=True).encode())
    for number, shard in enumerate(placed):
        np.save(folder / f"rows-{number:05d}.npy", shard.rows.astype(np.int32), allow_pickle=False)


def read_plan(entry: Entry) -> Plan:
    """The plan of a snapshot's entry; ValueError, KeyError or TypeError where it is none."""
    return Plan.of(json.loads(entry.data(PLAN)))


def read_placed(entry: Entry, plan: Plan) -> list[Placed]:
    """The rows of the plan's shards."""
    return [
        Placed(name, np.load(entry.path(f"rows-{number:05d}.npy"), allow_pickle=False))
        for number, name in enumerate(plan.shards)
    ]
