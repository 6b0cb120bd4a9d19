"""Cache of embeddings by content, so that nothing is embedded twice.

LAKE/cache/embeddings/FINGERPRINT/SEGMENT/ holds `keys.npy` (n, 4) uint64, the SHA-256 of each text,
`vectors.npy` (n, d) float32, and `digest.json` with the SHA-256 of both. A segment appears whole by one
rename and never changes; its name is the digest of its content. Files are hashed before they are parsed,
parsed without pickle, and vectors are mapped into memory, so a lookup costs what it finds.

Whatever is wrong with a segment (torn, flipped, foreign), it is named, set aside and computed again: the
cache can always be deleted. It holds no text, but a vector says something of its text, so the cache
deserves the same protection as the lake.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.evidence.models import Embedder, Vectors
from tasks.files import durable

CHUNK_TEXTS = 2048
"""Texts between two segments: what an interruption costs, a minute or two on a small CPU."""

SMALL_ROWS = 8 * CHUNK_TEXTS
"""Segments below this size are merged, so that a year of nights leaves dozens of files and not thousands."""

SMALL_SEGMENTS = 32
"""So many small segments are merged into one."""

_KEY = ("k0", "k1", "k2", "k3")

log = logging.getLogger("claimledger.embeddings")


@dataclass(frozen=True)
class _Segment:
    folder: Path
    rows: int
    vectors_sha256: str


class CachedEmbedder:
    """An embedder that remembers, in the lake, every vector it ever computed.

    Itself an `Embedder`. `computed` counts the texts that had to be embedded, `found` those that had not.
    """

    def __init__(self, embedder: Embedder, lake_root: Path) -> None:
        self._embedder = embedder
        self._lake_root = lake_root
        self._maps: dict[int, np.ndarray] = {}
        self._segments: list[_Segment] = []
        self._discarded: set[int] = set()
        self.computed = 0
        self.found = 0

    @property
    def fingerprint(self) -> str:
        """The embedder's own."""
        return self._embedder.fingerprint

    @property
    def dimension(self) -> int:
        """The embedder's own."""
        return self._embedder.dimension

    @cached_property
    def folder(self) -> Path:
        """Where the segments of this embedder lie."""
        return self._lake_root / "cache" / "embeddings" / self.fingerprint

    @cached_property
    def _index(self) -> list[pl.DataFrame]:
        """Per segment: k0 to k3, segment, row; 40 bytes in memory per text ever embedded."""
        frames: list[pl.DataFrame] = []
        if self.folder.is_dir():
            for path in sorted(p for p in self.folder.iterdir() if not p.name.startswith((".", "_"))):
                self._open(path, frames)
        return frames

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32 of unit length, in the order of the texts.

        Raises:
            LakeError: the cache cannot be written.
            ModelError: the model cannot be loaded.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        if len(texts) == 0:
            return vectors
        wanted = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).with_row_index("place")
        distinct = wanted.group_by("text", maintain_order=True).agg("place").with_row_index("number")
        keys = _keys(distinct["text"].to_list())
        by_number = np.empty((distinct.height, self.dimension), dtype=np.float32)
        missing = self._look_up(keys, by_number)
        self.found += distinct.height - len(missing)
        for first in range(0, len(missing), CHUNK_TEXTS):
            rows = missing[first : first + CHUNK_TEXTS]
            computed = self._embedder.encode(distinct["text"].gather(rows).to_list())
            by_number[rows] = computed
            self.computed += len(rows)
            self._append(keys[rows], computed)
        if len(missing):
            self._merge_small()
        flat = distinct.select("number", "place").explode("place")
        vectors[flat["place"].to_numpy()] = by_number[flat["number"].to_numpy()]
        return vectors

    def known(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) vectors that are cached, NaN where none is; nothing is computed, no model loaded."""
        vectors = np.full((len(texts), self.dimension), np.nan, dtype=np.float32)
        if len(texts):
            self._look_up(_keys(list(texts)), vectors)
        return vectors

    def _look_up(self, keys: np.ndarray, out: Vectors) -> np.ndarray:
        """Fills `out` for every key that some sound segment holds; numbers of those that none does."""
        wanted = _frame(keys).with_row_index("number")
        unknown = np.ones(len(keys), dtype=bool)
        if self._index:
            hits = (
                pl.concat(self._index)
                .join(wanted, on=_KEY, how="inner")
                .unique("number", keep="any")
                .sort("segment", "row")
            )
            for (segment,), rows in hits.group_by("segment", maintain_order=True):
                vectors = self._vectors(int(str(segment)))
                if vectors is None:
                    continue
                numbers = rows["number"].to_numpy()
                out[numbers] = vectors[rows["row"].to_numpy()]
                unknown[numbers] = False
        return np.flatnonzero(unknown)

    def _open(self, folder: Path, frames: list[pl.DataFrame]) -> None:
        try:
            digests = json.loads((folder / "digest.json").read_bytes())
            data = (folder / "keys.npy").read_bytes()
            if hashlib.sha256(data).hexdigest() != digests["keys"]:
                raise ValueError("keys.npy is not what was written")
            keys = np.load(io.BytesIO(data), allow_pickle=False)
            if keys.dtype != np.uint64 or keys.ndim != 2 or keys.shape[1] != 4:
                raise ValueError("keys.npy holds no SHA-256 digests")
            segment = _Segment(folder, len(keys), str(digests["vectors"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _discard(folder, error)
            return
        self._add(segment, keys, frames)

    def _add(self, segment: _Segment, keys: np.ndarray, frames: list[pl.DataFrame]) -> None:
        frames.append(
            _frame(keys).with_columns(
                segment=pl.lit(len(self._segments), dtype=pl.UInt32),
                row=pl.int_range(len(keys), dtype=pl.UInt32, eager=True),
            )
        )
        self._segments.append(segment)

    def _vectors(self, number: int) -> np.ndarray | None:
        """A segment's vectors, mapped; None where the segment turns out to be damaged."""
        if number in self._discarded:
            return None
        if number not in self._maps:
            segment = self._segments[number]
            try:
                path = segment.folder / "vectors.npy"
                if durable.sha256_file(path) != segment.vectors_sha256:
                    raise ValueError("vectors.npy is not what was written")
                vectors: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
                if vectors.shape != (segment.rows, self.dimension) or vectors.dtype != np.float32:
                    raise ValueError("vectors.npy has another shape than keys.npy")
            except (OSError, ValueError) as error:
                _discard(segment.folder, error)
                self._discarded.add(number)
                return None
            self._maps[number] = vectors
        return self._maps[number]

    def _append(self, keys: np.ndarray, vectors: Vectors) -> None:
        index = self._index
        with durable.touching(self.folder):
            segment = self._write(keys, [vectors])
        self._add(segment, keys, index)

    def _write(self, keys: np.ndarray, parts: Sequence[np.ndarray]) -> _Segment:
        """Writes one segment out of parts, one at a time in memory; whole or not at all."""
        durable.make_folder(self.folder)
        temporary = self.folder / f"_writing-{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        np.save(temporary / "keys.npy", keys, allow_pickle=False)
        mapped = np.lib.format.open_memmap(
            temporary / "vectors.npy", mode="w+", dtype=np.float32, shape=(len(keys), self.dimension)
        )
        row = 0
        for part in parts:
            mapped[row : row + len(part)] = part
            row += len(part)
        mapped.flush()
        del mapped
        digests = {name: durable.sha256_file(temporary / f"{name}.npy") for name in ("keys", "vectors")}
        durable.write_new(temporary / "digest.json", json.dumps(digests, sort_keys=True).encode())
        for name in ("keys.npy", "vectors.npy"):
            handle = os.open(temporary / name, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        durable.sync_folder(temporary)
        name = hashlib.sha256((digests["keys"] + digests["vectors"]).encode()).hexdigest()[:32]
        place = self.folder / name
        if place.exists():  # the same content, written by an earlier attempt
            shutil.rmtree(temporary)
        else:
            temporary.rename(place)
            durable.sync_folder(self.folder)
        return _Segment(place, len(keys), digests["vectors"])

    def _merge_small(self) -> None:
        """Many small segments become one; the old ones go after the new one stands."""
        small = [
            number
            for number, segment in enumerate(self._segments)
            if segment.rows < SMALL_ROWS and number not in self._discarded
        ]
        if len(small) < SMALL_SEGMENTS:
            return
        sound = [(n, v) for n in small if (v := self._vectors(n)) is not None]
        keys = np.concatenate(
            [self._index[number].select(_KEY).to_numpy().astype(np.uint64) for number, _ in sound]
        )
        with durable.touching(self.folder):
            self._write(keys, [vectors for _, vectors in sound])
            for number, _ in sound:
                self._maps.pop(number, None)
                shutil.rmtree(self._segments[number].folder, ignore_errors=True)
        self._maps.clear()
        self._segments, self._discarded = [], set()
        del self._index  # read again at the next lookup


def _keys(texts: list[str]) -> np.ndarray:
    """(n, 4) uint64: the SHA-256 of each text."""
    joined = b"".join(hashlib.sha256(t.encode("utf-8", "surrogatepass")).digest() for t in texts)
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 4)


def _frame(keys: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({name: np.ascontiguousarray(keys[:, i]) for i, name in enumerate(_KEY)})


def _discard(folder: Path, error: Any) -> None:
    log.warning(
        "%s: damaged embedding cache segment (%s); discarded, its texts are embedded again", folder, error
    )
    shutil.rmtree(folder, ignore_errors=True)
