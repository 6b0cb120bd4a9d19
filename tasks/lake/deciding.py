"""The sentence of the evidence that decided a verdict, word for word: one rule for terminals and exports."""

from __future__ import annotations

import polars as pl


def with_sentence(verdicts: pl.LazyFrame, passages: pl.LazyFrame) -> pl.LazyFrame:
    """The verdicts in their order with `document_uri` and `sentence` of their first passage.

    Both are null where a verdict rests on no passage or the passage is gone; `sentence` also where none
    decided.

    Args:
        verdicts: evidence_ids, decisive_start, decisive_end, and any other column.
        passages: rows of PASSAGES.
    """
    first = pl.col("evidence_ids").list.first()
    start, end = pl.col("decisive_start"), pl.col("decisive_end")
    keyed = verdicts.with_columns(passage_id=first)
    needed = keyed.select("passage_id").drop_nulls().unique()
    shown = (
        passages.join(needed, on="passage_id", how="semi")
        .select("passage_id", "document_uri", passage="text")
        .unique("passage_id")
    )
    return (
        keyed.join(shown, on="passage_id", how="left", maintain_order="left")
        .with_columns(sentence=pl.col("passage").str.slice(start, end - start))
        .drop("passage", "passage_id")
    )
