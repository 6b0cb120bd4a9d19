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
    short_line: int = 120
    """Lines up to this length that follow each other are rows of a table or list, kept or left together."""
    least_of_best: float = 0.4
    """A part of a passage is about the claim if it shares this much of what the best part shares; at 0 all is
    read, as it was before verifiers had this parameter ..."""
    least_new: float = 0.2
    """... or this share of the claim's words, by weight, that no better part has."""


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


def relevant(
    claims: pl.Series,
    texts: pl.Series,
    weights: Mapping[str, float],
    unknown_weight: float,
    parameters: SelectionParameters | None = None,
) -> pl.Series:
    """For n pairs: the text without the parts that are about something else, in the order of the text.

    What is read, counted and measured must not depend on paragraphs that only stand beside the evidence. A
    part is a paragraph, a run of short lines, or a sentence of a paragraph beyond the budget. Where no part
    shares a word with the claim, and where all are about it, the text is as it was. Pair i depends on row i
    alone.
    """
    parameters = parameters or SelectionParameters()
    texts = texts.cast(pl.String).fill_null("")
    if not parameters.least_of_best:
        return texts
    cut = _parts(texts, parameters)
    several = cut.filter(pl.len().over("row") > 1)
    if not several.height:
        return texts
    share = pl.col("share")
    held = (
        words.content_stems(several["part"])
        .unique(["row", "term"])
        .rename({"row": "at"})
        .join(several.select("row", "ordinal").with_row_index("at"), on="at")
        .join(_shares(claims, weights, unknown_weight), on=["row", "term"])
        .sort("at", "term")
        .with_columns(total=share.sum().round(9).over("at"))
        .sort("row", "term", "total", "at", descending=[False, False, True, False])
        .with_columns(is_new=pl.int_range(pl.len()).over("row", "term") == 0)
        .group_by("at", maintain_order=True)
        .agg(pl.col("row", "total").first(), new=share.filter("is_new").sort().sum().round(9))
    )
    kept = held.filter(
        (pl.col("total") >= parameters.least_of_best * pl.col("total").max().over("row"))
        | (pl.col("new") >= parameters.least_new)
    )
    chosen = (
        several.with_row_index("at")
        .with_columns(parts=pl.len().over("row"))
        .join(kept.select("at"), on="at", how="semi")
        .sort("at")
        .group_by("row", maintain_order=True)
        .agg(pl.col("part").str.join("\n"), pl.col("parts").first(), kept=pl.len())
        .filter(pl.col("kept") < pl.col("parts"))
    )
    rows = pl.DataFrame({"row": pl.int_range(len(texts), dtype=pl.UInt32, eager=True)})
    shown = rows.join(chosen, on="row", how="left", maintain_order="left")["part"]
    return shown.zip_with(shown.is_not_null(), texts)


def _parts(texts: pl.Series, parameters: SelectionParameters) -> pl.DataFrame:
    """`row` (UInt32), `ordinal`, `part`: paragraphs, runs of short lines, sentences of what is too long."""
    part, size = pl.col("part"), pl.col("part").str.len_chars()
    lines = (
        pl.DataFrame({"part": texts.str.split("\n")})
        .with_row_index("row")
        .explode("part", empty_as_null=True)
        .with_columns(part.str.strip_chars())
        .filter(size > 0)
        .with_row_index("line")
        .with_columns(is_short=size <= parameters.short_line)
        .with_columns(
            run=(
                ~pl.col("is_short") | ~pl.col("is_short").shift(1).over("row").fill_null(value=False)
            ).cum_sum()
        )
        # A run beyond the budget is several parts.
        .with_columns(full=((size + 1).cum_sum().over("row", "run") - 1) // parameters.budget_characters)
        .group_by("row", "run", "full", maintain_order=True)
        .agg(part.str.join("\n"))
    )
    is_long = size > parameters.budget_characters
    long = lines.filter(is_long).with_row_index("at")
    cut = sentences(long["part"], parameters.longest_sentence).rename({"row": "at", "sentence": "part"})
    whole = lines.filter(~is_long).select("row", "run", "full", ordinal=pl.lit(0, pl.UInt32), part="part")
    split = cut.join(long.select("at", "row", "run", "full"), on="at").select(whole.columns)
    return (
        pl.concat([whole, split])
        .sort("row", "run", "full", "ordinal")
        .select("row", "part", ordinal=pl.int_range(pl.len(), dtype=pl.UInt32).over("row"))
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
