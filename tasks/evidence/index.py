"""Door to a corpus's snapshots on disk: the passages of each, and its indexes by meaning and by word.

LAKE/index/SNAPSHOT/ is a cache (`tasks/files/cache.py`) with the entries `passages` (row i of every index is
row i here), `words` (BM25) and `vectors-FINGERPRINT` (which of `dense_files.py`'s shards). All of it can be
deleted: it is built again from the documents and the embedding cache. A snapshot is named by the
content of its documents, so the same corpus is the same snapshot on every machine.
"""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from tasks import ids
from tasks.errors import LakeError
from tasks.evidence import dense_files
from tasks.evidence.dense import DenseIndex
from tasks.evidence.dense_files import DenseFiles
from tasks.evidence.lexical import LexicalIndex
from tasks.evidence.models import Embedder, Vectors
from tasks.evidence.shards import IndexParameters, Method, Plan
from tasks.files import durable
from tasks.files.cache import Cache, Entry
from tasks.tables import PASSAGES, QUARANTINE

log = logging.getLogger("claimledger.evidence")

DENSE = dense_files.SHARED
"""Begins the names of indexes by meaning; the embedder's fingerprint ends them."""

SNAPSHOT_NAME = re.compile(r"[0-9a-f]{64}")

EMPTY_SNAPSHOT = ids.digest("snapshot")
"""Snapshot of a run without a corpus."""

KEPT_SNAPSHOTS = 3
"""Snapshots whose files stay: the newest, the one before it, and one more for a run still reading."""


@dataclass(frozen=True)
class SnapshotFiles:
    """The files of one snapshot; whatever is missing or damaged is built again from what is below it."""

    folder: Path
    parameters: IndexParameters = IndexParameters()
    threads: int = 0
    """Threads that search and build an index by meaning; 0 is one per core."""

    @property
    def _cache(self) -> Cache:
        return Cache(self.folder, "it is rebuilt")

    def passages(self) -> pl.DataFrame | None:
        """The passages, where they were stored."""
        return self._cache.read("passages", lambda entry: pl.read_parquet(entry.data("passages.parquet")))

    def plan(self, embedder: Embedder) -> Plan | None:
        """What the index by meaning consists of, where there is one."""
        return self._cache.read(_dense_name(embedder), dense_files.read_plan)

    def ensure(self, passages: pl.DataFrame, embedder: Embedder, before: Plan | None = None) -> None:
        """Stores the passages and both indexes, unless they are there.

        Args:
            before: of the snapshot that this one follows; its shards are used again.

        Raises:
            LakeError: the disk refuses.
        """
        if self._cache.read("passages", lambda entry: entry.path("passages.parquet")) is None:
            data = parquet(passages)
            self._cache.write(lambda folder: durable.write_new(folder / "passages.parquet", data), "passages")
        stored = self._cache.names()
        own = self.plan(embedder)
        if own is None or own.parameters != self.parameters:
            if own is None and any(name.startswith(DENSE) for name in stored):
                log.warning(
                    "corpus index: made by another embedder; %d passages are embedded anew", len(passages)
                )
            self._cache.remove(_dense_name(embedder))
            self._build_dense(passages, embedder, own or before)
        if "words" not in stored:
            self._build_words(passages["text"])
        with durable.touching(self.folder):
            os.utime(self.folder)

    def dense(self, passages: pl.DataFrame, embedder: Embedder) -> DenseIndex:
        """The index of the passages by meaning."""
        files = self._shared(embedder)

        def parse(entry: Entry) -> DenseIndex:
            plan = dense_files.read_plan(entry)
            return files.open(plan, dense_files.read_placed(entry, plan))

        before = self.plan(embedder)  # a damaged shard costs that shard
        index = self._cache.read(_dense_name(embedder), parse)
        if index is None:
            self._build_dense(passages, embedder, before)
            index = self._cache.read(_dense_name(embedder), parse)
        if index is None:
            raise LakeError(f"{self.folder}: an index that was just written is damaged; check the disk")
        return index

    def words(self, texts: pl.Series) -> LexicalIndex:
        """The index of the texts by word."""

        def parse(entry: Entry) -> LexicalIndex:
            return LexicalIndex.load(entry.checked_folder(), len(texts))

        return self._cache.read("words", parse) or self._build_words(texts)

    def _shared(self, embedder: Embedder) -> DenseFiles:
        return DenseFiles(self.folder.parent, embedder, self.threads)

    def _build_dense(self, passages: pl.DataFrame, embedder: Embedder, before: Plan | None) -> None:
        made = self._shared(embedder).build(passages, self.parameters, before)
        self._cache.write(lambda folder: dense_files.write_plan(folder, *made), _dense_name(embedder))

    def _build_words(self, texts: pl.Series) -> LexicalIndex:
        index = LexicalIndex.build(texts)
        self._cache.write(index.save, "words")
        return index


@dataclass(frozen=True)
class CorpusIndex:
    """One snapshot, ready to be searched; index files are opened at the first search."""

    snapshot: str
    size: int
    """Passages in the snapshot."""
    passages: pl.DataFrame
    """PASSAGES rows to publish: those the lake does not hold yet."""
    closed: pl.DataFrame
    """PASSAGES rows whose snapshot_last_seen changes: those that left, and those that came back."""
    quarantine: pl.DataFrame
    """QUARANTINE rows: files and records that were refused."""
    summary: dict[str, int]
    files: SnapshotFiles
    embedder: Embedder
    manifest: bytes

    def search(self, vectors: Vectors, k: int) -> pl.DataFrame:
        """query (row of `vectors`), passage_id, score (cosine): up to k nearest passages, best first."""
        return self._named(self._dense.search(vectors, k))

    def search_words(self, texts: Sequence[str], k: int) -> pl.DataFrame:
        """query (row of `texts`), passage_id, score (BM25): up to k passages that share a word."""
        return self._named(self._words.search(texts, k))

    def describe(self, passage_ids: pl.DataFrame) -> pl.DataFrame:
        """passage_id, text, document_uri of the passages in a frame with passage_id."""
        return self._rows.join(passage_ids, on="passage_id", how="semi").select(
            "passage_id", "text", "document_uri"
        )

    def of_documents(self, uris: pl.DataFrame) -> pl.DataFrame:
        """passage_id, text, document_uri of all passages of the documents in a frame with document_uri."""
        return self._rows.join(uris, on="document_uri", how="semi", maintain_order="left").select(
            "passage_id", "text", "document_uri"
        )

    def _named(self, hits: pl.DataFrame) -> pl.DataFrame:
        passage_ids = self._rows["passage_id"].gather(hits["row"])
        return hits.select("query", passage_ids, "score")

    @cached_property
    def _rows(self) -> pl.DataFrame:
        frame = self.files.passages()
        assert frame is not None  # noqa: S101 - `refresh` has just read or written it
        return frame

    @property
    def method(self) -> Method:
        """How passages are found by meaning, as it was chosen and measured when the index was built."""
        plan = self.files.plan(self.embedder)
        return plan.method if plan else Method()

    @cached_property
    def _dense(self) -> DenseIndex:
        return self.files.dense(self._rows, self.embedder)

    @cached_property
    def _words(self) -> LexicalIndex:
        return self.files.words(self._rows["text"])


def reader(
    root: Path,
    snapshot: str,
    embedder: Embedder,
    parameters: IndexParameters = IndexParameters(),  # noqa: B008 - frozen
    *,
    threads: int = 0,
) -> CorpusIndex:
    """A snapshot that the run of another process has published, to be searched; it has nothing to publish.

    Raises:
        LakeError: its files are gone.
    """
    files = SnapshotFiles(root / "index" / snapshot, parameters, threads)
    passages = files.passages()
    if passages is None:
        raise LakeError(f"{files.folder}: the snapshot's passages are missing; run again")
    return CorpusIndex(
        snapshot=snapshot,
        size=passages.height,
        passages=PASSAGES.empty(),
        closed=PASSAGES.empty(),
        quarantine=QUARANTINE.empty(),
        summary={},
        files=files,
        embedder=embedder,
        manifest=b"",
    )


def prune(folder: Path, used: set[str]) -> None:
    """Removes the files of snapshots that nobody reads any more, oldest use first, and then the shards that
    no other snapshot has.
    """
    with durable.touching(folder):
        places = sorted(
            (p for p in folder.iterdir() if SNAPSHOT_NAME.fullmatch(p.name)),
            key=lambda p: p.stat().st_mtime_ns,
        )
    for place in places[:-KEPT_SNAPSHOTS]:
        if place.name not in used:
            shutil.rmtree(place, ignore_errors=True)
    for shared in folder.glob(f"{DENSE}*"):
        caches = [Cache(place, "it is rebuilt") for place in places if place.is_dir()]
        plans = [plan for cache in caches if (plan := cache.read(shared.name, dense_files.read_plan))]
        dense_files.prune(shared, plans)


def parquet(frame: pl.DataFrame) -> bytes:
    """The frame as one Parquet file, made in memory: written by Polars, a full disk is a ComputeError."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _dense_name(embedder: Embedder) -> str:
    return f"{DENSE}{embedder.fingerprint[:16]}"
