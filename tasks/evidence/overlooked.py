"""A hint, not a verdict: an answer says that it does not know, and a sentence of its evidence is close to the
question.

Closeness is the cosine of question and sentence. It tells evidence on the subject from evidence on another,
and not whether a sentence on the subject holds the answer (figures: decision 30), so it alarms nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from tasks.evidence.models import Embedder

HINTS = pl.Schema(
    {
        "output_id": pl.String,
        "overlooked_passage_id": pl.String,
        "overlooked_start": pl.Int32,
        "overlooked_end": pl.Int32,
        "overlooked_similarity": pl.Float64,
    }
)
"""The sentence: passage_text[start:end], in Unicode characters; the cosine rounded to three decimals."""


def overlooked(
    questions: pl.DataFrame, sentences: pl.DataFrame, embedder: Embedder, least_similarity: float
) -> pl.DataFrame:
    """The sentence closest to each question, where it is close enough (HINTS frame), by output.

    Args:
        questions: `output_id` (unique) and `prompt` of answers that abstained.
        sentences: `output_id, passage_id, start, end, sentence` of the evidence that each was given.
        embedder: with its cache.
        least_similarity: cosine at or above which a sentence is close.
    """
    pairs = sentences.join(questions.drop_nulls(), on="output_id", how="inner", maintain_order="left")
    if pairs.is_empty():
        return HINTS.to_frame()
    asked = embedder.encode(pairs["prompt"].to_list(), "query")
    told = embedder.encode(pairs["sentence"].to_list())
    similarity = pl.Series(np.einsum("ij,ij->i", asked, told), dtype=pl.Float64).round(3)
    return (
        pairs.with_columns(overlooked_similarity=similarity)
        .filter(pl.col("overlooked_similarity") >= least_similarity)
        .sort(
            "output_id",
            "overlooked_similarity",
            "passage_id",
            "start",
            descending=[False, True, False, False],
        )
        .unique("output_id", keep="first", maintain_order=True)
        .with_columns(
            overlooked_passage_id="passage_id",
            overlooked_start=pl.col("start").cast(pl.Int32),
            overlooked_end=pl.col("end").cast(pl.Int32),
        )
        .select(HINTS.names())
    )
