"""Door to FAISS: the corpus's snapshots, each with its passages and its index.

LAKE/index/SNAPSHOT/ holds `passages.parquet` (row i of every index is row i here), `words/` (BM25) and
`dense-FINGERPRINT.faiss`; beside each a record of its SHA-256, checked before it is read. All of it can be
deleted: it is built again from the documents and the embedding cache. A snapshot is named by the content of
its documents, so the same corpus is the same snapshot on every machine.

Cost follows what changed: files whose size and time stand in the manifest are not read, documents whose text
is known are not cut, texts in the cache are not embedded. The manifest moves only after the passages are
published, so an interrupted refresh is simply done again.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks import ids, tables
from tasks.evidence import corpus as corpus_files
from tasks.evidence import passages as passages_stage
from tasks.evidence.lexical import LexicalIndex
from tasks.evidence.models import Embedder, Vectors
from tasks.evidence.parameters import CorpusSettings
from tasks.evidence.passages import Segment
from tasks.files import durable
from tasks.files.limits import LimitSettings
from tasks.gate.reconcile import Counts
from tasks.lake.store import Lake
from tasks.schema import conform

EMPTY_SNAPSHOT = ids.digest("snapshot")
"""Snapshot of a run without a corpus."""

FLAT_ROWS = 200_000
"""Up to here every query is compared with every row: exact, nothing to train, 4 ms a query at the limit."""

CELLS_PER_ROOT = 4
"""Beyond: cells of an inverted file per square root of rows, FAISS's own advice."""

PROBES = 64
"""Cells looked into per query; see docs/decisions/0004-retrieval.md for recall and time."""

KEPT_SNAPSHOTS = 3
"""Snapshots whose files stay: the newest, the one before it, and one more for a run still reading."""

_ENCODE_TEXTS = 8192
_ROWS = pl.Schema({"query": pl.UInt32, "row": pl.UInt32, "score": pl.Float32})
_STORED = (*(c for c in tables.PASSAGES.schema if c not in ("run_id", "produced_at")), "content_sha256")
_MANIFEST = pl.Schema(
    {
        "file": pl.String,
        "size": pl.Int64,
        "mtime_ns": pl.Int64,
        "document_uri": pl.String,
        "content_sha256": pl.String,
    }
)


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
    folder: Path
    embedder: Embedder
    manifest: bytes

    def search(self, vectors: Vectors, k: int) -> pl.DataFrame:
        """query (row of `vectors`), passage_id, score (cosine): up to k nearest passages, best first."""
        return self._named(nearest(self._dense, vectors, k))

    def search_words(self, texts: Sequence[str], k: int) -> pl.DataFrame:
        """query (row of `texts`), passage_id, score (BM25): up to k passages that share a word."""
        return self._named(self._words.search(texts, k))

    def describe(self, found: pl.DataFrame) -> pl.DataFrame:
        """passage_id, text, document_uri of the passages in `found` (a frame with passage_id)."""
        return self._rows.join(found, on="passage_id", how="semi").select(
            "passage_id", "text", "document_uri"
        )

    def _named(self, hits: pl.DataFrame) -> pl.DataFrame:
        passage_ids = self._rows["passage_id"].gather(hits["row"])
        return hits.select("query", passage_ids, "score")

    @cached_property
    def _rows(self) -> pl.DataFrame:
        frame = _read_frame(self.folder / "passages.parquet")
        assert frame is not None  # noqa: S101 - `refresh` has just read or written it
        return frame

    @cached_property
    def _dense(self) -> Any:
        return _open_dense(self.folder, self._rows["text"], self.embedder)

    @cached_property
    def _words(self) -> LexicalIndex:
        return _open_words(self.folder, self._rows["text"])


def nearest(index: Any, vectors: Vectors, k: int) -> pl.DataFrame:
    """query, row, score: the up to k nearest rows of a FAISS index for each vector, best first.

    FAISS pads with row -1 where it has fewer than k; Polars and NumPy would take that for the last row.
    """
    if len(vectors) == 0 or index.ntotal == 0:
        return _ROWS.to_frame()
    scores, rows = index.search(np.ascontiguousarray(vectors, dtype=np.float32), k)
    found = rows.ravel() >= 0
    queries = np.repeat(np.arange(len(vectors), dtype=np.uint32), k)
    return pl.DataFrame(
        {
            "query": queries[found],
            "row": rows.ravel()[found].astype(np.uint32),
            "score": scores.ravel()[found],
        }
    )


def refresh(
    section: CorpusSettings,
    limits: LimitSettings,
    lake: Lake,
    embedder: Embedder,
    segment: Segment,
    *,
    run_id: str,
    now: datetime,
) -> CorpusIndex | None:
    """Brings passages and index up to the documents as they stand; None where no corpus is configured.

    Writes only under LAKE/index, where nothing is lost that could not be built again. What has to be
    published is in the result; `publish` does it.

    Raises:
        ConfigError: the corpus path leads nowhere.
        LakeError: the lake cannot be written.
    """
    if not section.path:
        return None
    name = section.name
    listing = corpus_files.list_files(section, limits)
    state = lake.read_state(_state_name(name))
    folder = lake.root / "index"
    manifest, before = _previous(folder, state, section.passages)
    same = ["file", "size", "mtime_ns"]
    kept = manifest.join(listing.files, on=same, how="semi")
    changed = listing.files.join(manifest, on=same, how="anti").sort("file")
    known = before.select("document_uri", "content_sha256").unique()

    refused, documents, cut = list(listing.refused), [kept], []
    read = 0
    for batch in corpus_files.read(changed, section, limits):
        refused += batch.refused
        read += batch.documents.height
        documents.append(batch.documents.join(changed.select(same), on="file").select(_MANIFEST.names()))
        fresh = batch.documents.join(known, on=["document_uri", "content_sha256"], how="anti")
        cut.append(_cut(fresh, segment, section, run_id, now))
    every = pl.concat([*documents, _without_documents(changed, documents)]).sort("file", "document_uri")
    unique, doubled = _one_per_uri(every)
    refused += doubled
    snapshot = passages_stage.snapshot_id(unique, section.passages, corpus=name)
    current = (
        pl.concat([before, *cut])
        # First the documents that count: a passage that two versions of one share has the same id in both.
        .join(unique, on=["document_uri", "content_sha256"], how="semi")
        .unique("passage_id")
        .sort("passage_id")
    )
    place = folder / snapshot
    with durable.touching(folder):
        _ensure_snapshot(place, current)
        _ensure_dense(place, current["text"], embedder)
        _ensure_words(place, current["text"])
        _prune(folder, {snapshot, str(state.get("snapshot"))})
    new, closed = _changes(
        lake, name, current, snapshot=snapshot, before=state.get("snapshot"), run_id=run_id, now=now
    )
    # A file written while this run was reading could change again within the same tick: read it next time.
    # So are files with a refused uri: the document that took it may leave before the file changes.
    old_enough = pl.col("mtime_ns") < int(now.timestamp() - 2) * 10**9
    contested = pl.col("file").is_in([row["locator"] for row in doubled])
    settled = pl.when(old_enough & ~contested).then("mtime_ns")
    return CorpusIndex(
        snapshot=snapshot,
        size=current.height,
        passages=new,
        closed=closed,
        quarantine=corpus_files.quarantine(refused, corpus=name, run_id=run_id, now=now),
        summary={
            "files": listing.files.height,
            "files_read": changed.height,
            "files_ignored": listing.ignored,
            "files_without_documents": every.filter(pl.col("document_uri").is_null())["file"].n_unique(),
            "documents": unique.height,
            "documents_read": read,
            "documents_cut": sum(frame["document_uri"].n_unique() for frame in cut),
            "passages": current.height,
            "passages_new": new.height,
            "passages_changed": closed.height,
            "refused": len(refused),
        },
        folder=place,
        embedder=embedder,
        manifest=_parquet(every.with_columns(mtime_ns=settled)),
    )


def publish(
    section: CorpusSettings,
    limits: LimitSettings,
    lake: Lake,
    embedder: Embedder,
    segment: Segment,
    *,
    check: Callable[[pl.DataFrame], pl.DataFrame],
    run_id: str,
    now: datetime,
) -> tuple[CorpusIndex | None, dict[str, Counts]]:
    """`refresh`, then the lake: new passages, passages that left, quarantine, and last the manifest.

    `check` validates the new passages before anything of them is published. Returns the index, None where
    no corpus is configured, and the counts of what was committed.

    Interrupted anywhere, it is done again from the old manifest; rows that are there already stay.
    """
    index = refresh(section, limits, lake, embedder, segment, run_id=run_id, now=now)
    if index is None:
        return None, {}
    frames = {"passages": check(index.passages), "quarantine": index.quarantine}
    counts = lake.commit(run_id, "corpus", frames, run_day=now.date())
    if index.closed.height:
        lake.replace_rows("passages", index.closed, run_id=run_id, unit="corpus-closed")
    path = lake.root / "index" / "manifest.parquet"
    with durable.touching(path):
        durable.replace(path, index.manifest)
    lake.write_state(
        _state_name(section.name),
        {
            "snapshot": index.snapshot,
            "manifest_sha256": durable.sha256_file(path),
            "cut": _cut_digest(section.passages),
        },
    )
    return index, counts


def _state_name(corpus: str) -> str:
    return f"corpus-{corpus}"


def _cut_digest(parameters: passages_stage.PassageParameters) -> str:
    return ids.digest("cut", passages_stage.RULES, parameters.target_characters, parameters.overlap_sentences)


def _previous(
    folder: Path, state: dict[str, Any], parameters: passages_stage.PassageParameters
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Manifest and passages of the published snapshot; both empty where either cannot be trusted."""
    nothing = (_MANIFEST.to_frame(), _stored_schema().to_frame())
    if state.get("cut") != _cut_digest(parameters):
        return nothing
    try:
        data = (folder / "manifest.parquet").read_bytes()
    except OSError:
        return nothing
    if hashlib.sha256(data).hexdigest() != state.get("manifest_sha256"):
        return nothing
    before = _read_frame(folder / str(state["snapshot"]) / "passages.parquet")
    return (pl.read_parquet(io.BytesIO(data)), before) if before is not None else nothing


def _stored_schema() -> pl.Schema:
    return pl.Schema({name: tables.PASSAGES.schema.get(name, pl.String) for name in _STORED})


def _cut(
    documents: pl.DataFrame, segment: Segment, section: CorpusSettings, run_id: str, now: datetime
) -> pl.DataFrame:
    cut = passages_stage.from_documents(
        documents,
        segment,
        section.passages,
        corpus=section.name,
        snapshot=None,
        run_id=run_id,
        produced_at=now,
    )
    # Documents of one uri differ in content, so a passage belongs to every document that has its text there.
    contents = documents.select("document_uri", "content_sha256", document="text")
    return (
        cut.join(contents, on="document_uri")
        .filter(
            pl.col("document").str.slice(pl.col("start"), pl.col("end") - pl.col("start")) == pl.col("text")
        )
        .select(_STORED)
    )


def _without_documents(changed: pl.DataFrame, documents: list[pl.DataFrame]) -> pl.DataFrame:
    """Manifest rows of files that gave no document, so that they are not read again every night."""
    return changed.join(pl.concat(documents), on="file", how="anti").select(
        "file",
        "size",
        "mtime_ns",
        document_uri=pl.lit(None, dtype=pl.String),
        content_sha256=pl.lit(None, dtype=pl.String),
    )


def _one_per_uri(every: pl.DataFrame) -> tuple[pl.DataFrame, list[dict[str, str]]]:
    """The first document of each uri, and a refusal for every other one with another content."""
    documents = every.drop_nulls("document_uri")
    unique = documents.unique("document_uri", keep="first", maintain_order=True)
    others = documents.join(unique, on=["document_uri", "content_sha256"], how="anti")
    refused = [
        {
            "locator": file,
            "check": "corpus_duplicate_uri",
            "reason": "another document of the corpus has this uri and other text; give each its own",
            "raw": f"{uri} sha256:{digest}",
        }
        for file, uri, digest in others.select("file", "document_uri", "content_sha256").iter_rows()
    ]
    return unique.select("document_uri", "content_sha256"), refused


def _changes(
    lake: Lake,
    corpus: str,
    current: pl.DataFrame,
    *,
    snapshot: str,
    before: str | None,
    run_id: str,
    now: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """PASSAGES rows to publish, and those whose snapshot_last_seen is another one now."""
    if before == snapshot:
        return tables.PASSAGES.empty(), tables.PASSAGES.empty()
    published = lake.scan("passages").filter(pl.col("corpus") == corpus)
    there = published.select("passage_id", "snapshot_last_seen").collect()
    new = current.join(there, on="passage_id", how="anti").with_columns(
        snapshot_first_seen=pl.lit(snapshot),
        produced_at=pl.lit(now, dtype=tables.UTC),
        run_id=pl.lit(run_id),
    )
    is_current = pl.col("passage_id").is_in(current["passage_id"].implode())
    is_open = pl.col("snapshot_last_seen").is_null()
    # Where the state was lost, the snapshot that last held a passage is known only to be its first or later.
    last = pl.lit(before, dtype=pl.String).fill_null(pl.col("snapshot_first_seen"))
    changed = (
        published.filter(is_current != is_open)
        .with_columns(snapshot_last_seen=pl.when(is_current).then(None).otherwise(last))
        .collect()
    )
    return conform(tables.PASSAGES, new.drop("content_sha256")), conform(tables.PASSAGES, changed)


# Files of a snapshot ----------------------------------------------------------------------------------


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _write(path: Path, data: bytes) -> None:
    """The digest first: a file without its record could not be trusted, a record without its file is none."""
    durable.replace(_record(path), hashlib.sha256(data).hexdigest().encode())
    durable.replace(path, data)


def _is_sound(path: Path) -> bool:
    try:
        return durable.sha256_file(path).encode() == _record(path).read_bytes()
    except OSError:
        return False


def _read_frame(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if _is_sound(path) else None


def _ensure_snapshot(place: Path, current: pl.DataFrame) -> None:
    durable.make_folder(place)
    if not _is_sound(place / "passages.parquet"):
        _write(place / "passages.parquet", _parquet(current))
    os.utime(place)


def _prune(folder: Path, wanted: set[str]) -> None:
    """Removes the files of snapshots that nobody reads any more, oldest use first."""
    places = sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime_ns)
    for place in places[:-KEPT_SNAPSHOTS]:
        if place.name not in wanted:
            shutil.rmtree(place, ignore_errors=True)


def _dense_path(place: Path, embedder: Embedder) -> Path:
    return place / f"dense-{embedder.fingerprint[:16]}.faiss"


def _ensure_dense(place: Path, texts: pl.Series, embedder: Embedder) -> None:
    path = _dense_path(place, embedder)
    if not (path.exists() and _record(path).exists()):
        _build_dense(path, texts, embedder)


def _build_dense(path: Path, texts: pl.Series, embedder: Embedder) -> Any:
    import faiss

    index = _new_index(faiss, texts, embedder)
    for vectors in _encoded(texts, embedder):
        index.add(vectors)
    temporary = path.with_name(f".{path.name}.tmp")
    faiss.write_index(index, str(temporary))
    durable.replace(_record(path), durable.sha256_file(temporary).encode())
    temporary.replace(path)
    durable.sync_folder(path.parent)
    return index


def _new_index(faiss: Any, texts: pl.Series, embedder: Embedder) -> Any:
    flat = faiss.IndexFlatIP(embedder.dimension)
    if len(texts) <= FLAT_ROWS:
        return flat
    cells = int(CELLS_PER_ROOT * len(texts) ** 0.5)
    index = faiss.IndexIVFFlat(flat, embedder.dimension, cells, faiss.METRIC_INNER_PRODUCT)
    # 64 rows a cell train it well enough; FAISS's default of 256 takes four times as long.
    sample = texts.gather_every(max(1, len(texts) // (64 * cells)))
    index.train(np.concatenate(list(_encoded(sample, embedder))))
    index.nprobe = PROBES
    return index


def _encoded(texts: pl.Series, embedder: Embedder) -> Iterator[Vectors]:
    for first in range(0, len(texts), _ENCODE_TEXTS):
        yield embedder.encode(texts[first : first + _ENCODE_TEXTS].to_list())


def _open_dense(place: Path, texts: pl.Series, embedder: Embedder) -> Any:
    """The FAISS index; one whose bytes are not those on record is never parsed but built again."""
    import faiss

    path = _dense_path(place, embedder)
    if not _is_sound(path):
        return _build_dense(path, texts, embedder)
    index = faiss.read_index(str(path))
    if index.ntotal != len(texts) or index.d != embedder.dimension:
        return _build_dense(path, texts, embedder)
    return index


def _words_files(place: Path) -> list[Path]:
    return sorted(p for p in (place / "words").glob("*") if p.suffix != ".sha256")


def _words_digest(place: Path) -> bytes:
    files = {path.name: durable.sha256_file(path) for path in _words_files(place)}
    return ids.digest("words", *(f"{name} {digest}" for name, digest in files.items())).encode()


def _ensure_words(place: Path, texts: pl.Series) -> None:
    if not (place / "words.sha256").exists():
        _build_words(place, texts)


def _build_words(place: Path, texts: pl.Series) -> LexicalIndex:
    index = LexicalIndex.build(texts)
    (place / "words.sha256").unlink(missing_ok=True)
    shutil.rmtree(place / "words", ignore_errors=True)
    index.save(place / "words")
    durable.replace(place / "words.sha256", _words_digest(place))
    return index


def _open_words(place: Path, texts: pl.Series) -> LexicalIndex:
    try:
        sound = (place / "words.sha256").read_bytes() == _words_digest(place)
    except OSError:
        sound = False
    return LexicalIndex.load(place / "words", len(texts)) if sound else _build_words(place, texts)
