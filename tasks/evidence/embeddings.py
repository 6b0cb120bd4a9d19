"""Cache of embeddings by content, so that nothing is embedded twice.

LAKE/cache/embeddings/FINGERPRINT/ is a cache (`tasks/files/cache.py`) of segments: `keys.npy` (n, 4) uint64,
the SHA-256 of each text, and `vectors.npy` (n, d) float32, mapped into memory, so that a lookup costs what it
finds. It holds no text, but a vector says something of its text, so the cache deserves the same protection as
the lake.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from tasks.evidence.models import Embedder, Vectors
from tasks.evidence.roles import Role
from tasks.files.cache import Cache, Entry

CHUNK_TEXTS = 2048
"""Texts between two segments: what an interruption costs, a minute or two on a small CPU."""

SMALL_ROWS = 8 * CHUNK_TEXTS
"""Segments below this size are merged, so that a year of nights leaves dozens of files and not thousands."""

SMALL_SEGMENTS = 32
"""So many small segments are merged into one."""

_KEY = ("k0", "k1", "k2", "k3")


@dataclass(frozen=True)
class _Segment:
    name: str
    rows: int


class CachedEmbedder:
    """An embedder that remembers, in the lake, every vector it ever computed.

    Itself an `Embedder`. `computed` counts the texts that had to be embedded, `cached` those that had not.
    """

    def __init__(self, embedder: Embedder, lake_root: Path) -> None:
        self._embedder = embedder
        self._lake_root = lake_root
        self._maps: dict[int, np.ndarray | None] = {}
        """Vectors of the segments that were looked into; None where one is damaged."""
        self._segments: list[_Segment] = []
        self.computed = 0
        self.cached = 0

    @property
    def fingerprint(self) -> str:
        """The embedder's own."""
        return self._embedder.fingerprint

    @property
    def dimension(self) -> int:
        """The embedder's own."""
        return self._embedder.dimension

    @property
    def roles_differ(self) -> bool:
        """The embedder's own."""
        return self._embedder.roles_differ

    @cached_property
    def _cache(self) -> Cache:
        folder = self._lake_root / "cache" / "embeddings" / self.fingerprint
        return Cache(folder, "its texts are embedded anew")

    @cached_property
    def _index(self) -> list[pl.DataFrame]:
        """Per segment: k0 to k3, segment, row; 40 bytes in memory per text ever embedded."""
        frames: list[pl.DataFrame] = []
        for name in self._cache.names():
            keys = self._cache.read(name, _read_keys)
            if keys is not None:
                self._add(name, keys, frames)
        return frames

    def encode(self, texts: Sequence[str], role: Role = "document") -> Vectors:
        """(n, dimension) float32 of unit length, in the order of the texts.

        Raises:
            LakeError: the cache cannot be written.
            ModelError: the model cannot be loaded.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        if len(texts) == 0:
            return vectors
        places = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).with_row_index("place")
        distinct = places.group_by("text", maintain_order=True).agg("place").with_row_index("number")
        keys = self._keys(distinct["text"].to_list(), role)
        by_number = np.empty((distinct.height, self.dimension), dtype=np.float32)
        missing = self._look_up(keys, by_number)
        self.cached += distinct.height - len(missing)
        for first in range(0, len(missing), CHUNK_TEXTS):
            rows = missing[first : first + CHUNK_TEXTS]
            computed = self._embedder.encode(distinct["text"].gather(rows).to_list(), role)
            by_number[rows] = computed
            self.computed += len(rows)
            self._append(keys[rows], computed)
        if len(missing):
            self._merge_small()
        flat = distinct.select("number", "place").explode("place")
        vectors[flat["place"].to_numpy()] = by_number[flat["number"].to_numpy()]
        return vectors

    def known(self, queries: Sequence[str], documents: Sequence[str]) -> Vectors:
        """(n, dimension) vectors that are cached, queries first, NaN where none is; no model is loaded.

        One look-up for both: it costs the cache's size, not the number of texts.
        """
        vectors = np.full((len(queries) + len(documents), self.dimension), np.nan, dtype=np.float32)
        if len(vectors):
            keys = [self._keys(queries, "query"), self._keys(documents, "document")]
            self._look_up(np.concatenate(keys), vectors)
        return vectors

    def _keys(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """(n, 4) uint64: the SHA-256 of each text, and of the role where it makes a difference."""
        prefix = b"query\0" if role == "query" and self.roles_differ else b""
        joined = b"".join(hashlib.sha256(prefix + t.encode("utf-8", "surrogatepass")).digest() for t in texts)
        return np.frombuffer(joined, dtype="<u8").reshape(-1, 4)

    def _look_up(self, keys: np.ndarray, out: Vectors) -> np.ndarray:
        """Fills `out` for every key that some sound segment holds; numbers of those that none does."""
        numbered = _frame(keys).with_row_index("number")
        unknown = np.ones(len(keys), dtype=bool)
        if self._index:
            hits = (
                pl.concat(self._index)
                .join(numbered, on=_KEY, how="inner")
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

    def _add(self, name: str, keys: np.ndarray, frames: list[pl.DataFrame]) -> None:
        frames.append(
            _frame(keys).with_columns(
                segment=pl.lit(len(self._segments), dtype=pl.UInt32),
                row=pl.int_range(len(keys), dtype=pl.UInt32, eager=True),
            )
        )
        self._segments.append(_Segment(name, len(keys)))

    def _vectors(self, number: int) -> np.ndarray | None:
        """A segment's vectors, mapped; None where the segment turns out to be damaged."""
        if number not in self._maps:
            segment = self._segments[number]

            def read(entry: Entry) -> np.ndarray:
                vectors: np.ndarray = np.load(entry.path("vectors.npy"), mmap_mode="r", allow_pickle=False)
                if vectors.shape != (segment.rows, self.dimension) or vectors.dtype != np.float32:
                    raise ValueError("vectors.npy has another shape than keys.npy")
                return vectors

            self._maps[number] = self._cache.read(segment.name, read)
        return self._maps[number]

    def _append(self, keys: np.ndarray, vectors: Vectors) -> None:
        index = self._index
        self._add(self._write(keys, [vectors]), keys, index)

    def _write(self, keys: np.ndarray, parts: Sequence[np.ndarray]) -> str:
        """Writes one segment out of parts, one at a time in memory; returns its name."""

        def fill(folder: Path) -> None:
            np.save(folder / "keys.npy", keys, allow_pickle=False)
            shape = (len(keys), self.dimension)
            mapped = np.lib.format.open_memmap(
                folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape
            )
            row = 0
            for part in parts:
                mapped[row : row + len(part)] = part
                row += len(part)
            mapped.flush()

        return self._cache.write(fill)

    def _merge_small(self) -> None:
        """Many small segments become one; the old ones go after the new one stands."""
        small = [number for number, segment in enumerate(self._segments) if segment.rows < SMALL_ROWS]
        if len(small) < SMALL_SEGMENTS:
            return
        sound = [(n, v) for n in small if (v := self._vectors(n)) is not None]
        keys = np.concatenate(
            [self._index[number].select(_KEY).to_numpy().astype(np.uint64) for number, _ in sound]
        )
        self._write(keys, [vectors for _, vectors in sound])
        self._maps.clear()
        for number, _ in sound:
            self._cache.remove(self._segments[number].name)
        self._segments = []
        del self._index  # read again at the next lookup


def _frame(keys: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({name: np.ascontiguousarray(keys[:, i]) for i, name in enumerate(_KEY)})


def _read_keys(entry: Entry) -> np.ndarray:
    keys: np.ndarray = np.load(io.BytesIO(entry.data("keys.npy")), allow_pickle=False)
    if keys.dtype != np.uint64 or keys.ndim != 2 or keys.shape[1] != 4:
        raise ValueError("keys.npy holds no SHA-256 digests")
    return keys
