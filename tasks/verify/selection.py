"""Which sentences of a long passage a claim is about, shown together in the order of the document.

Belongs here: cutting into sentences and choosing within a budget of characters. Does not belong here: reading
the chosen text (`tasks/verify/crossencoder.py`) or finding passages in a corpus (`retrieval.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.text import words


@dataclass(frozen=True)
class SelectionParameters:
    """How much of a passage the gathered text holds."""

    budget_characters: int = 480
    """About 110 word pieces of English: with the claim, a window of 128 to 160 tokens."""
    longest_sentence: int = 360
    """Longer ones (tables, lists without stops) are cut at white space, so that one cannot fill it all."""


def sentences(texts: pl.Series, longest: int = 360) -> pl.DataFrame:
    """`row` (UInt32), `ordinal` (UInt32 within the row), `sentence`: every non-blank part, in order."""
    cut = rf"\S(?:.{{0,{longest - 2}}}\S(?:\s|$)|\S{{0,{longest - 1}}})"
    return (
        pl.DataFrame({"sentence": texts.cast(pl.String).fill_null("")})
        .with_row_index("row")
        .with_columns(
            pl.col("sentence").str.replace_all(r"([.!?。！？]+[\"'”’)\]]*)\s+", "${1}\n").str.split("\n")
        )
        .explode("sentence", empty_as_null=True)
        .with_columns(pl.col("sentence").str.extract_all(cut))
        .explode("sentence", empty_as_null=True)
        .with_columns(pl.col("sentence").str.strip_chars())
        .filter(pl.col("sentence").str.len_chars() > 0)
        .with_columns(ordinal=pl.int_range(pl.len(), dtype=pl.UInt32).over("row"))
        .select("row", "ordinal", "sentence")
    )


def gather(
    claims: pl.Series,
    texts: pl.Series,
    weights: Mapping[str, float],
    unknown_weight: float,
    parameters: SelectionParameters | None = None,
) -> pl.Series:
    """For n pairs: the text where it fits the budget, else its sentences that share most with the claim.

    A sentence's score is the weight (inverse document frequency) of the claim's content stems it holds;
    the best ones are taken until the budget is full and joined in the order of the text. Pair i depends on
    row i alone.
    """
    parameters = parameters or SelectionParameters()
    texts = texts.cast(pl.String).fill_null("")
    long = texts.str.len_chars() > parameters.budget_characters
    if not long.any():
        return texts
    cut = sentences(
        pl.select(pl.when(long).then(texts).otherwise(None)).to_series(), parameters.longest_sentence
    )
    shared = overlap(claims, cut["row"].to_numpy(), cut["sentence"], weights, unknown_weight)
    length = pl.col("sentence").str.len_chars().cast(pl.Int64)
    chosen = (
        cut.with_columns(score=pl.Series(shared))
        .sort("row", "score", "ordinal", descending=[False, True, False])
        .with_columns(used=(length + 1).cum_sum().over("row"))
        .filter((pl.col("used") <= parameters.budget_characters) | (pl.col("used") == length + 1))
        .sort("row", "ordinal")
        .group_by("row", maintain_order=True)
        .agg(pl.col("sentence").str.join(" "))
    )
    rows = pl.DataFrame({"row": pl.int_range(len(texts), dtype=pl.UInt32, eager=True)})
    gathered = rows.join(chosen, on="row", how="left", maintain_order="left")["sentence"]
    return gathered.zip_with(gathered.is_not_null() & long, texts)


def overlap(
    claims: pl.Series,
    row: np.ndarray,
    texts: pl.Series,
    weights: Mapping[str, float],
    unknown_weight: float,
) -> np.ndarray:
    """(m,) weight of the content stems that text j shares with claim `row[j]`, as a share of the claim's.

    Args:
        claims: n claims.
        row: (m,) index of the claim that each text is compared with.
        texts: m sentences or pieces.
        weights: inverse document frequency by stem; `unknown_weight` for stems it lacks.
    """
    shares = _shares(claims, weights, unknown_weight)
    owners = pl.DataFrame({"at": np.arange(len(texts), dtype=np.uint32), "row": row.astype(np.uint32)})
    shared = (
        words.content_stems(texts)
        .select(at="row", term="term")
        .unique()
        .join(owners, on="at")
        .join(shares, on=["row", "term"])
        .sort("at", "term")
        .group_by("at")
        .agg(pl.col("share").sum())
    )
    result = np.zeros(len(texts))
    result[shared["at"].to_numpy()] = shared["share"].to_numpy()
    return np.round(result, 9)


def _shares(claims: pl.Series, weights: Mapping[str, float], unknown_weight: float) -> pl.DataFrame:
    """`row`, `term`, `share`: of each content stem in the weight of its claim's."""
    vocabulary = pl.DataFrame(
        {"term": list(weights), "weight": list(weights.values())},
        schema={"term": pl.String, "weight": pl.Float64},
    )
    return (
        words.content_stems(claims)
        .select("row", "term")
        .unique()
        .join(vocabulary, on="term", how="left")
        .with_columns(pl.col("weight").fill_null(unknown_weight))
        # Sorted, because sums of floats depend on their order and a score must not depend on the batch.
        .sort("row", "term")
        .select("row", "term", share=pl.col("weight") / pl.col("weight").sum().over("row"))
    )
