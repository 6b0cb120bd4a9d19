"""BM25 between a claim and the passages of its own output, for many outputs at once.

Word statistics are those of the output's own passages, so that a claim's ranking does not depend on which
other outputs happen to be judged with it. The corpus as a whole is ranked by a library behind
`tasks/evidence/lexical.py`; both use the words and the formula given here.
"""

from __future__ import annotations

import polars as pl

K1 = 1.5
B = 0.75
"""Usual constants (Robertson and Zaragoza, 2009), and the library's defaults."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"[{_UNSPACED}]|[\p{{L}}\p{{M}}\p{{N}}--[{_UNSPACED}]]+(?:[.,]\p{{N}}+)*"
"""A word, a number with its decimals, or one character of a script that writes no spaces."""


def words(text: pl.Expr) -> pl.Expr:
    """List of lower-case words of a text column, in order, repeated as often as they occur."""
    return text.str.to_lowercase().str.extract_all(WORD)


def own_scores(claims: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    """BM25 of every claim against the passages of its own output that share a word with it.

    Args:
        claims: claim_id, output_id, text.
        passages: passage_id, output_id, text.

    Returns:
        claim_id, passage_id, score (Float64, above 0); pairs without a common word are absent.
    """
    terms = (
        passages.select("passage_id", "output_id", word=words(pl.col("text")))
        .with_columns(length=pl.col("word").list.len().cast(pl.Float64))
        .with_columns(
            passage_count=pl.len().over("output_id").cast(pl.Float64),
            mean_length=pl.col("length").mean().over("output_id"),
        )
        .explode("word")
        .drop_nulls("word")
        .group_by("output_id", "passage_id", "word", "length", "mean_length", "passage_count")
        .agg(frequency=pl.len().cast(pl.Float64))
        .with_columns(document_frequency=pl.len().over("output_id", "word").cast(pl.Float64))
    )
    n, df, tf = pl.col("passage_count"), pl.col("document_frequency"), pl.col("frequency")
    weight = (1 + (n - df + 0.5) / (df + 0.5)).log() * tf
    weight = weight / (tf + K1 * (1 - B + B * pl.col("length") / pl.col("mean_length")))
    queries = (
        claims.select("claim_id", "output_id", word=words(pl.col("text")))
        .explode("word")
        .drop_nulls("word")
        .group_by("claim_id", "output_id", "word")
        .agg(times=pl.len().cast(pl.Float64))
    )
    return (
        queries.join(terms.with_columns(weight=weight), on=["output_id", "word"])
        # Summed in a fixed order: floating-point sums must not depend on how rows were hashed.
        .sort("claim_id", "passage_id", "word")
        .group_by("claim_id", "passage_id", maintain_order=True)
        .agg(score=(pl.col("times") * pl.col("weight")).sum())
    )
