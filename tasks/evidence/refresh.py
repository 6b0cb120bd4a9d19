"""Brings a corpus's snapshot up to its documents as they are, and publishes what changed.

Cost follows what changed: files whose size and time are in the manifest are not read, documents whose text is
known are not cut, texts in the cache are not embedded. The manifest moves only after the passages are
published, so an interrupted refresh is simply done again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.evidence import corpus as corpus_files
from tasks.evidence import documents, snapshots
from tasks.evidence import index as index_files
from tasks.evidence import passages as passages_stage
from tasks.evidence.index import CorpusIndex, SnapshotFiles
from tasks.evidence.models import Embedder
from tasks.evidence.parameters import CorpusSettings
from tasks.evidence.passages import Segment
from tasks.files import durable
from tasks.files.limits import LimitSettings
from tasks.gate.reconcile import Counts
from tasks.lake.store import Lake
from tasks.privacy.cover import Cover


@dataclass
class _Changed:
    """What the changed files gave."""

    refused: list[dict[str, str]]
    documents: list[pl.DataFrame] = field(default_factory=list)
    """DOCUMENTS frames without their texts."""
    passages: list[pl.DataFrame] = field(default_factory=list)
    """PASSAGES frames of the documents whose text was not known."""

    def counts(self) -> dict[str, int]:
        """Documents that were read, and those of them that were cut, and that hold hidden text."""
        return {
            "documents_read": sum(frame.height for frame in self.documents),
            "documents_cut": sum(frame["document_uri"].n_unique() for frame in self.passages),
            "documents_read_with_hidden_text": sum(
                frame.filter(pl.col("hidden_characters") > 0).height for frame in self.documents
            ),
        }


def refresh(
    section: CorpusSettings,
    limits: LimitSettings,
    lake: Lake,
    embedder: Embedder,
    segment: Segment,
    *,
    run_id: str,
    now: datetime,
    threads: int = 0,
    cover: Cover | None = None,
) -> CorpusIndex | None:
    """Brings passages and index up to the documents as they are; None where no corpus is configured.

    Writes only under LAKE/index, where nothing is lost that could not be built again. What has to be
    published is in the result; `publish` does it.

    Raises:
        ConfigError: the corpus path leads nowhere.
        LakeError: the lake cannot be written.
    """
    if not section.path:
        return None
    # (1) what there is, and what of it is known
    mirror = lake.root / "index" / "mirrors" / hashlib.sha256(section.name.encode()).hexdigest()[:16]
    listing = corpus_files.list_files(section, limits, mirror=mirror)
    state = lake.read_state(snapshots.state_name(section.name))
    folder = lake.root / "index"
    cut = _cut_digest(section, limits, cover)
    manifest, before = _previous(folder, state, cut)
    kept = manifest.join(listing.files, on=snapshots.IDENTITY, how="semi")
    files = listing.files.join(manifest, on=snapshots.IDENTITY, how="anti").sort("file")
    # (2) read and cut what is not
    changed = _read(files, before, section, limits, segment=segment, now=now, cover=cover)
    entries = snapshots.manifest(kept, files, changed.documents)
    unique, contested = snapshots.one_per_uri(entries)
    refused = [*listing.refused, *changed.refused, *contested]
    # (3) the snapshot and its files
    snapshot = passages_stage.snapshot_id(unique, section.passages, corpus=section.name)
    current = snapshots.current([before, *changed.passages], unique)
    stored = SnapshotFiles(folder / snapshot, section.index, threads)
    last = SnapshotFiles(folder / str(state.get("snapshot")))
    stored.ensure(current, embedder, last.plan(embedder))
    index_files.prune(folder, {snapshot, str(state.get("snapshot"))})
    # (4) what the lake does not hold yet
    new, closed = snapshots.changes(
        lake.scan("passages").filter(pl.col("corpus") == section.name),
        current,
        snapshot=snapshot,
        before=state.get("snapshot"),
        run_id=run_id,
        now=now,
    )
    return CorpusIndex(
        snapshot=snapshot,
        size=current.height,
        passages=new,
        closed=closed,
        quarantine=corpus_files.quarantine(refused, corpus=section.name, run_id=run_id, now=now, cover=cover),
        summary={
            "files": listing.files.height,
            "files_read": files.height,
            "files_ignored": listing.ignored,
            "files_without_documents": entries.filter(pl.col("document_uri").is_null())["file"].n_unique(),
            "documents": unique.height,
            **changed.counts(),
            "passages": current.height,
            "passages_new": new.height,
            "passages_changed": closed.height,
            "refused": len(refused),
            **_left_out(entries),
        },
        files=stored,
        embedder=embedder,
        manifest=index_files.parquet(snapshots.settled(entries, refused, now)),
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
    threads: int = 0,
    cover: Cover | None = None,
) -> tuple[CorpusIndex | None, dict[str, Counts]]:
    """`refresh`, then the lake: new passages, passages that left, quarantine, and last the manifest.

    `check` validates the new passages before anything of them is published. Returns the index, None where
    no corpus is configured, and the counts of what was committed.

    Interrupted anywhere, it is done again from the old manifest; rows that are there already stay.
    """
    index = refresh(
        section,
        limits,
        lake,
        embedder,
        segment,
        run_id=run_id,
        now=now,
        threads=threads,
        cover=cover,
    )
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
        snapshots.state_name(section.name),
        {
            "snapshot": index.snapshot,
            "index": index.method.as_dict(),
            "manifest_sha256": durable.sha256_file(path),
            "cut": _cut_digest(section, limits, cover),
        },
    )
    return index, counts


def _cut_digest(section: CorpusSettings, limits: LimitSettings, cover: Cover | None) -> str:
    """Names how documents are read, covered and cut; otherwise done, they are read anew."""
    rules = documents.rules(section, limits)
    return snapshots.cut_digest(section.passages, rules if cover is None else rules + cover.digest)


def _left_out(entries: pl.DataFrame) -> dict[str, int]:
    """Characters of all documents that no passage holds, and how many documents have such."""
    sums = {name: int(entries[name].sum()) for name in snapshots.LEFT_OUT}
    return {**sums, "documents_with_hidden_text": entries.filter(pl.col("hidden_characters") > 0).height}


def _previous(folder: Path, state: dict[str, Any], cut: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Manifest and passages of the published snapshot; both empty where either cannot be trusted."""
    nothing = (snapshots.MANIFEST.to_frame(), snapshots.PASSAGES.to_frame())
    if state.get("cut") != cut:
        return nothing
    try:
        data = (folder / "manifest.parquet").read_bytes()
    except OSError:
        return nothing
    if hashlib.sha256(data).hexdigest() != state.get("manifest_sha256"):
        return nothing
    before = SnapshotFiles(folder / str(state["snapshot"])).passages()
    return nothing if before is None else (pl.read_parquet(io.BytesIO(data)), before)


def _read(
    files: pl.DataFrame,
    before: pl.DataFrame,
    section: CorpusSettings,
    limits: LimitSettings,
    *,
    segment: Segment,
    now: datetime,
    cover: Cover | None,
) -> _Changed:
    """The documents of the files, a batch at a time, and the passages of those that are new."""
    changed = _Changed([])
    known = before.select("document_uri", "content_sha256").unique()
    for batch in corpus_files.read(files, section, limits, cover):
        changed.refused += batch.refused
        changed.documents.append(batch.documents.drop("text"))
        fresh = batch.documents.join(known, on=["document_uri", "content_sha256"], how="anti")
        changed.passages.append(snapshots.cut(fresh, segment, section.passages, corpus=section.name, now=now))
    return changed
