"""Door to bm25s: words in, ranked rows of a corpus out.

Kept beside a snapshot's FAISS index as plain arrays and JSON, without pickle; who reads them has checked
their digests first (`tasks/evidence/index.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.evidence.bm25 import K1, B, words

ROWS = pl.Schema({"query": pl.UInt32, "row": pl.UInt32, "score": pl.Float64})


class LexicalIndex:
    """BM25 over rows of text; row i is the i-th text it was built from."""

    def __init__(self, retriever: Any, size: int) -> None:
        self._retriever = retriever
        self._size = size

    @classmethod
    def build(cls, texts: pl.Series) -> LexicalIndex:
        """The index of these texts; one without a single word finds nothing."""
        import bm25s

        lists = texts.to_frame("text").select(words(pl.col("text"))).to_series()
        distinct = lists.explode().drop_nulls().unique().sort()
        if distinct.is_empty():
            return cls(None, len(texts))
        codes = dict(zip(distinct.to_list(), range(len(distinct)), strict=True))
        # Codes instead of words: ten million Python strings would not fit a small machine.
        coded = (
            lists.to_frame("word")
            .with_row_index("row")
            .explode("word")
            .drop_nulls("word")
            .with_columns(pl.col("word").cast(pl.Enum(distinct)).to_physical().cast(pl.Int64))
            .group_by("row", maintain_order=True)
            .agg("word")
        )
        rows: list[list[int]] = [[] for _ in range(len(texts))]
        for row, word in zip(coded["row"].to_list(), coded["word"].to_list(), strict=True):
            rows[row] = word
        retriever = bm25s.BM25(k1=K1, b=B, method="lucene")
        retriever.index((rows, codes), show_progress=False)
        return cls(retriever, len(texts))

    def search(self, texts: Sequence[str], k: int) -> pl.DataFrame:
        """query, row, score: up to k rows for each text that share a word with it, best first."""
        if self._retriever is None or len(texts) == 0:
            return ROWS.to_frame()
        queries = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(words(pl.col("text")))
        depth = min(k, self._size)
        rows, scores = self._retriever.retrieve(
            queries.to_series().to_list(), k=depth, show_progress=False, n_threads=0
        )
        return pl.DataFrame(
            {
                "query": np.repeat(np.arange(len(texts), dtype=np.uint32), depth),
                "row": rows.ravel().astype(np.uint32),
                "score": scores.ravel().astype(np.float64),
            }
        ).filter(pl.col("score") > 0)

    def save(self, folder: Path) -> None:
        """Writes arrays and vocabulary into a folder; nothing where there are no words."""
        folder.mkdir(parents=True, exist_ok=True)
        if self._retriever is not None:
            self._retriever.save(folder, show_progress=False, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, size: int) -> LexicalIndex:
        """What `save` wrote for an index of `size` rows."""
        import bm25s

        if not any(folder.glob("*.npy")):
            return cls(None, size)
        return cls(bm25s.BM25.load(folder, mmap=False, allow_pickle=False, show_progress=False), size)
