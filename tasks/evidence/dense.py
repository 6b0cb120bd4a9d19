"""Door to FAISS: vectors in, the rows nearest to a vector out.

An index file is parsed only after its digest was checked (`tasks/files/cache.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.evidence.models import Embedder, Vectors

FLAT_ROWS = 200_000
"""Up to here every query is compared with every row: exact, nothing to train, 4 ms a query at the limit."""

CELLS_PER_ROOT = 4
"""Beyond: cells of an inverted file per square root of rows, FAISS's own advice."""

PROBES = 64
"""Cells looked into per query; see docs/decisions/0004-retrieval.md for recall and time."""

TRAINING_ROWS = 64
"""Rows a cell is trained with: enough, and a quarter of the time that FAISS's default of 256 takes."""

ENCODED_TEXTS = 8192
"""Texts whose vectors are in memory at once while an index is built."""

ROWS = pl.Schema({"query": pl.UInt32, "row": pl.UInt32, "score": pl.Float32})


class DenseIndex:
    """Rows of unit vectors; row i is the i-th text it was built from."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def build(cls, texts: pl.Series, embedder: Embedder) -> DenseIndex:
        """The index of these texts: exact, or an inverted file where they are many."""
        import faiss

        index: Any = faiss.IndexFlatIP(embedder.dimension)
        if len(texts) > FLAT_ROWS:
            cells = int(CELLS_PER_ROOT * len(texts) ** 0.5)
            index = faiss.IndexIVFFlat(index, embedder.dimension, cells, faiss.METRIC_INNER_PRODUCT)
            sample = texts.gather_every(max(1, len(texts) // (TRAINING_ROWS * cells)))
            index.train(np.concatenate(list(_encoded(sample, embedder))))
            index.nprobe = PROBES
        for vectors in _encoded(texts, embedder):
            index.add(vectors)
        return cls(index)

    def search(self, vectors: Vectors, k: int) -> pl.DataFrame:
        """query, row, score: the up to k nearest rows for each vector, best first.

        FAISS pads with row -1 where it has fewer than k; Polars and NumPy would take that for the last row.
        """
        if len(vectors) == 0 or self._index.ntotal == 0:
            return ROWS.to_frame()
        scores, rows = self._index.search(np.ascontiguousarray(vectors, dtype=np.float32), k)
        is_row = rows.ravel() >= 0
        queries = np.repeat(np.arange(len(vectors), dtype=np.uint32), k)
        return pl.DataFrame(
            {
                "query": queries[is_row],
                "row": rows.ravel()[is_row].astype(np.uint32),
                "score": scores.ravel()[is_row],
            }
        )

    def save(self, path: Path) -> None:
        """Writes one file."""
        import faiss

        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path, rows: int, dimension: int) -> DenseIndex:
        """What `save` wrote. Raises ValueError where it is an index of other rows."""
        import faiss

        index = faiss.read_index(str(path))
        if (index.ntotal, index.d) != (rows, dimension):
            raise ValueError(f"{path.name} holds {index.ntotal} rows of {index.d} numbers, not these texts")
        return cls(index)


def _encoded(texts: pl.Series, embedder: Embedder) -> Iterator[Vectors]:
    for first in range(0, len(texts), ENCODED_TEXTS):
        yield embedder.encode(texts[first : first + ENCODED_TEXTS].to_list())
