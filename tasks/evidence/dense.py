"""Door to FAISS: vectors in, the rows nearest to a vector out.

An index file is parsed only after its digest was checked (`tasks/files/cache.py`), and then mapped into
memory, so that opening costs its digest and a search what it looks into.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from tasks.errors import LakeError
from tasks.evidence import shards
from tasks.evidence.models import Vectors
from tasks.evidence.shards import ROWS, Method

TRAINING_ROWS = 64
"""Rows a cell is trained with: enough, and a quarter of the time that FAISS's default of 256 takes."""


@dataclass(frozen=True)
class Shard:
    """One FAISS index, and the row of the snapshot that each of its rows is, -1 for one that left."""

    index: Any
    rows: np.ndarray


class DenseIndex:
    """Unit vectors of a snapshot's passages, in shards of one method."""

    def __init__(self, parts: Sequence[Shard], method: Method, *, threads: int = 0) -> None:
        self.method = method
        self._parts = parts
        self._threads = threads

    def search(self, vectors: Vectors, k: int, *, probes: int | None = None) -> pl.DataFrame:
        """query, row, score: the up to k nearest rows for each vector, best first, equal scores by row.

        FAISS pads with row -1 where it has fewer than k; Polars and NumPy would take that for the last row.
        """
        if len(vectors) == 0 or not self._parts:
            return ROWS.to_frame()
        use_threads(self._threads)
        queries = np.ascontiguousarray(vectors, dtype=np.float32)
        if self.method.kind == "flat":
            return shards.best((_flat(part, queries, k) for part in self._parts), k)
        return shards.best(self._in_cells(queries, k, probes or self.method.probes), k)

    def _in_cells(self, queries: Vectors, k: int, probes: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Every shard has the same cells, so those nearest to a query are looked for once."""
        distances, cells = self._parts[0].index.quantizer.search(queries, probes)
        return [_near(part, queries, k, (distances, cells)) for part in self._parts]


def use_threads(threads: int) -> None:
    """FAISS has a number of threads of its own; 0 leaves it at one per core."""
    if threads:
        import faiss

        faiss.omp_set_num_threads(threads)


def _flat(part: Shard, queries: Vectors, k: int) -> tuple[np.ndarray, np.ndarray]:
    # Asking for as many more as have left costs less than asking about every row whether it has.
    dead = int((part.rows < 0).sum())
    scores, numbers = part.index.search(queries, min(k + dead, len(part.rows)))
    return scores, _rows(part, numbers)


def _near(
    part: Shard, queries: Vectors, k: int, assigned: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows among what is in the assigned cells."""
    import faiss

    distances, cells = assigned
    scores = np.empty((len(queries), k), dtype=np.float32)
    numbers = np.empty((len(queries), k), dtype=np.int64)
    # The wrapper for Python takes no parameters, and a selection is one.
    part.index.search_preassigned_c(
        len(queries),
        faiss.swig_ptr(queries),
        k,
        faiss.swig_ptr(cells),
        faiss.swig_ptr(distances),
        faiss.swig_ptr(scores),
        faiss.swig_ptr(numbers),
        False,
        _parameters(part, cells.shape[1]),
    )
    return scores, _rows(part, numbers)


def _rows(part: Shard, numbers: np.ndarray) -> np.ndarray:
    return np.where(numbers < 0, -1, part.rows[numbers])


def _parameters(part: Shard, probes: int) -> Any:
    """Of a search in cells: rows that left take no place among the nearest."""
    import faiss

    # FAISS's stubs know nothing of the keywords that its Python layer adds.
    parameters, select = cast("Any", faiss.SearchParametersIVF), cast("Any", faiss.IDSelectorBitmap)
    alive = part.rows >= 0
    if alive.all():
        return parameters(nprobe=probes)
    return parameters(nprobe=probes, sel=select(np.packbits(alive, bitorder="little")))


def train(sample: Vectors, cells: int, path: Path) -> None:
    """Writes an empty index whose cells and codes are learnt from the sample."""
    import faiss

    dimension = sample.shape[1]
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        cells,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.train(np.ascontiguousarray(sample))
    _write(index, path)


def fill(trained: Path | None, dimension: int, vectors: Iterable[Vectors], path: Path) -> None:
    """Writes an index of these vectors: as trained, or exact."""
    import faiss

    index: Any = faiss.read_index(str(trained)) if trained else faiss.IndexFlatIP(dimension)
    for block in vectors:
        index.add(np.ascontiguousarray(block, dtype=np.float32))
    _write(index, path)


def _write(index: Any, path: Path) -> None:
    import faiss

    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:  # FAISS raises no OSError, and its words begin with its own source's place
        reason = str(error).rpartition("Error: ")[2].strip()
        raise LakeError(f"{path}: {reason}; free some space and run again") from None


def mapped(path: Path, rows: int, dimension: int) -> Any:
    """What `fill` wrote, mapped. Raises ValueError where it is an index of other rows."""
    import faiss

    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ValueError(f"{path.name} is not an index: {' '.join(str(error).split())}") from None
    if (index.ntotal, index.d) != (rows, dimension):
        raise ValueError(f"{path.name} holds {index.ntotal} rows of {index.d} numbers, not these texts")
    return index
