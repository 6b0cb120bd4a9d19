"""Door to a corpus's snapshots on disk: the passages of each, and its indexes by meaning and by word.

LAKE/index/SNAPSHOT/ is a cache (`tasks/files/cache.py`) with the entries `passages` (row i of every index is
row i here), `words` (BM25) and `dense-FINGERPRINT` (FAISS). All of it can be deleted: it is built again from
the documents and the embedding cache. A snapshot is named by the content of its documents, so the same corpus
is the same snapshot on every machine.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from tasks import ids
from tasks.errors import LakeError
from tasks.evidence.dense import DenseIndex
from tasks.evidence.lexical import LexicalIndex
from tasks.evidence.models import Embedder, Vectors
from tasks.files import durable
from tasks.files.cache import Cache, Entry
from tasks.tables import PASSAGES, QUARANTINE

log = logging.getLogger("claimledger.evidence")

DENSE = "dense-"
"""Begins the names of indexes by meaning; the embedder's fingerprint ends them."""

EMPTY_SNAPSHOT = ids.digest("snapshot")
"""Snapshot of a run without a corpus."""

KEPT_SNAPSHOTS = 3
"""Snapshots whose files stay: the newest, the one before it, and one more for a run still reading."""


@dataclass(frozen=True)
class SnapshotFiles:
    """The files of one snapshot; whatever is missing or damaged is built again from what is below it."""

    folder: Path

    @property
    def _cache(self) -> Cache:
        return Cache(self.folder, "it is built again")

    def passages(self) -> pl.DataFrame | None:
        """The passages, where they were stored."""
        return self._cache.read("passages", lambda entry: pl.read_parquet(entry.data("passages.parquet")))

    def ensure(self, passages: pl.DataFrame, embedder: Embedder) -> None:
        """Stores the passages and both indexes, unless they are there.

        Raises:
            LakeError: the disk refuses.
        """
        if self._cache.read("passages", lambda entry: entry.path("passages.parquet")) is None:
            data = parquet(passages)
            self._cache.write(lambda folder: durable.write_new(folder / "passages.parquet", data), "passages")
        stored = self._cache.names()
        if _dense_name(embedder) not in stored:
            if any(name.startswith(DENSE) for name in stored):
                log.warning(
                    "corpus index: made by another embedder; %d passages are embedded anew", len(passages)
                )
            self._build_dense(passages["text"], embedder)
        if "words" not in stored:
            self._build_words(passages["text"])
        with durable.touching(self.folder):
            os.utime(self.folder)

    def dense(self, texts: pl.Series, embedder: Embedder) -> DenseIndex:
        """The index of the texts by meaning."""

        def parse(entry: Entry) -> DenseIndex:
            return DenseIndex.load(entry.path("dense.faiss"), len(texts), embedder.dimension)

        return self._cache.read(_dense_name(embedder), parse) or self._build_dense(texts, embedder)

    def words(self, texts: pl.Series) -> LexicalIndex:
        """The index of the texts by word."""

        def parse(entry: Entry) -> LexicalIndex:
            return LexicalIndex.load(entry.checked_folder(), len(texts))

        return self._cache.read("words", parse) or self._build_words(texts)

    def _build_dense(self, texts: pl.Series, embedder: Embedder) -> DenseIndex:
        index = DenseIndex.build(texts, embedder)
        self._cache.write(lambda folder: index.save(folder / "dense.faiss"), _dense_name(embedder))
        return index

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

    @cached_property
    def _dense(self) -> DenseIndex:
        return self.files.dense(self._rows["text"], self.embedder)

    @cached_property
    def _words(self) -> LexicalIndex:
        return self.files.words(self._rows["text"])


def reader(root: Path, snapshot: str, embedder: Embedder) -> CorpusIndex:
    """A snapshot that the run of another process has published, to be searched; it has nothing to publish.

    Raises:
        LakeError: its files are gone.
    """
    files = SnapshotFiles(root / "index" / snapshot)
    passages = files.passages()
    if passages is None:
        raise LakeError(f"{files.folder}: the passages of the snapshot are gone; run again")
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
    """Removes the files of snapshots that nobody reads any more, oldest use first."""
    with durable.touching(folder):
        places = sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime_ns)
    for place in places[:-KEPT_SNAPSHOTS]:
        if place.name not in used:
            shutil.rmtree(place, ignore_errors=True)


def parquet(frame: pl.DataFrame) -> bytes:
    """The frame as one Parquet file, made in memory: written by Polars, a full disk is a ComputeError."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _dense_name(embedder: Embedder) -> str:
    return f"{DENSE}{embedder.fingerprint[:16]}"
