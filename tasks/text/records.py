"""Numbers that stand in another record than the claim's: the row, year or product beside it.

Belongs here: which of several like records a claim is about, and whether its number stands there. Does not
belong here: numbers that stand nowhere (`numbers.py`).

A record is a sentence or a line, or a clause of a sentence that gives several. Two are alike where they share
words and give numbers for the same thing. A claim is about the record that holds most of its words, where a
name or another number of the claim counts double: they tell records apart.
"""

from __future__ import annotations

import polars as pl

from tasks.text import nearest, numbers, quantities

LEAST_LIKENESS = 0.4
"""Share of the words of the shorter of two records that the other has."""
LEAST_SHARE = 0.5
"""Of the claim's words, by weight, that its own record holds."""
_CLAUSE = r"[,;]\s+|\s(?:and|while|whereas|but|und|et)\s"
SCHEMA = pl.Schema(
    {"row": pl.UInt32, "at": pl.UInt32, "claim": pl.String, "evidence": pl.String, "is_open": pl.Boolean}
)
"""Of `misplaced`, below."""


def misplaced(claims: pl.Series, near: pl.DataFrame, of_claims: pl.DataFrame) -> pl.DataFrame:
    """`SCHEMA`: a number of the claim that only another record gives, at most one a row.

    `at` is the sentence that the claim is about, and `evidence` what it gives for the same thing; `is_open`
    where the claim fits two records that give different numbers equally well.

    Args:
        claims: n claims.
        near: sentences, as `nearest.nearest` gives them.
        of_claims: terms of claims, as given there.
    """
    claimed = (
        quantities.quantities(claims)
        .filter(pl.int_range(pl.len()).over("row") < numbers.MOST_QUANTITIES)
        .filter(~(pl.col("is_word") & (pl.col("value") == 1)) & (pl.col("hedge") == ""))
        .join(near.select("row"), on="row", how="semi")
        .with_row_index("id")
    )
    if not claimed.height:
        return SCHEMA.to_frame()
    lines = near.select("row", "at", text="sentence").with_row_index("record")
    clauses = (
        lines.select("row", "at", pl.col("text").str.replace_all(_CLAUSE, "\n").str.split("\n"))
        .explode("text")
        .with_row_index("record")
    )
    by_line = _compared(claimed, lines, of_claims, 2)
    # A clause may lack what its sentence began with, so that two that fit equally say nothing.
    by_clause = _compared(claimed, clauses, of_claims, 1).filter(~pl.col("is_open"))
    by_clause = by_clause.join(_said_elsewhere(claimed, near), on=["row", "at"], how="anti")
    return pl.concat([by_line, by_clause]).unique("row", keep="first", maintain_order=True)


def _said_elsewhere(claimed: pl.DataFrame, near: pl.DataFrame) -> pl.DataFrame:
    """`row`, `at` of sentences beside which another holds as many of the claim's words, and all its numbers.

    A clause of a sentence speaks against nothing that such a one says whole.
    """
    given = (
        quantities.quantities(near["sentence"])
        .with_columns(pl.lit(near["at"]).gather(pl.col("row")).alias("at"))
        .select("at", "value")
    )
    asked = claimed.select("row", "value").unique()
    held = (
        near.select("row", "at", "shared", "turned")
        .join(asked, on="row")
        .join(given.unique(), on=["at", "value"])
        .group_by("row", "at", "shared", "turned")
        .len("held")
        .join(asked.group_by("row").len("asked"), on="row")
        .filter((pl.col("held") == pl.col("asked")) & ~pl.col("turned"))
    )
    return (
        near.select("row", "at", "shared")
        .join(held.select("row", other="at", best="shared"), on="row")
        .filter((pl.col("other") != pl.col("at")) & (pl.col("best") >= pl.col("shared")))
        .select("row", "at")
        .unique()
    )


def _compared(
    claimed: pl.DataFrame, records: pl.DataFrame, of_claims: pl.DataFrame, common: int
) -> pl.DataFrame:
    terms = nearest.terms(records["text"]).select(record="row", term="term").unique()
    owned = terms.join(records.select("record", "row"), on="record").join(of_claims, on=["row", "term"])
    is_name = pl.col("shown").str.contains(r"^\p{Lu}")
    weight = pl.when(is_name).then(2).otherwise(1).sum()
    weights = owned.group_by("record").agg(own=weight)
    wholes = of_claims.group_by("row").agg(whole=weight)
    places = (
        _places(claimed, records)
        .join(weights, on="record", how="left")
        .join(wholes, on="row", how="left")
        .with_columns(pl.col("own").fill_null(0))
        .with_columns(weight=pl.col("own") + 2 * (pl.col("held") - pl.col("holds")))
    )
    holding = places.filter("holds").select("id", other="record", held_weight="weight")
    # The best of those that hold the number, or one worse might be taken for the claim's own record.
    best_holding = holding.group_by("id").agg(pl.col("held_weight").max())
    pairs = (
        # A year tells records apart and is seldom what they give.
        places.filter(
            ~pl.col("holds")
            & pl.col("is_same_place")
            & ~pl.col("is_year")
            & (pl.col("own") >= LEAST_SHARE * pl.col("whole"))
        )
        .join(best_holding, on="id")
        .filter((pl.col("weight") >= pl.col("held_weight")) & (pl.col("weight") > 0))
        .join(holding.select("id", "other"), on="id")
    )
    return (
        _alike(pairs, terms, common)
        .with_columns(is_open=pl.col("weight") == pl.col("held_weight"))
        # A bare number that fits two records is mostly one that tells them apart: "game 3".
        .filter(~pl.col("is_open") | ~pl.col("unit").is_in(["", "o'clock"]))
        .sort("row", "weight", "id", "record", descending=[False, True, False, False])
        .unique("row", keep="first", maintain_order=True)
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _places(claimed: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """A row per quantity of a claim and record that gives a number: does it hold it, or one for the same?"""
    given = (
        quantities.quantities(records["text"])
        .rename({"row": "record"})
        .select("record", pl.exclude("record").name.suffix("_e"))
    )
    both = claimed.join(records.select("row", "record", "at"), on="row").join(given, on="record")
    value = pl.col("value")
    equal = (
        ((value - pl.col("value_e")).abs() <= 1e-9 * value.abs())
        | (pl.col("other") == pl.col("value_e")).fill_null(value=False)
        | (value == pl.col("other_e")).fill_null(value=False)
    )
    own = claimed.select("row", value_e="value").unique()
    places = (
        both.join(own.with_columns(is_claimed=pl.lit(value=True)), on=["row", "value_e"], how="left")
        .with_columns(
            holds=equal & numbers.same_kind(),
            is_same_place=numbers.same_place() & numbers.same_kind() & pl.col("is_claimed").is_null(),
        )
        .with_columns(**numbers.shown())
        .sort("is_same_place", descending=True, maintain_order=True)
        .group_by("id", "record", maintain_order=True)
        .agg(
            pl.col("row", "at", "claim", "evidence").first(),
            pl.col("holds", "is_same_place").any(),
            pl.col("unit").first(),
            is_year=(pl.col("unit") == "year").first(),
        )
    )
    return places.with_columns(held=pl.col("holds").sum().over("row", "record"), holds=pl.col("holds"))


def _alike(pairs: pl.DataFrame, terms: pl.DataFrame, common: int) -> pl.DataFrame:
    """The pairs of `record` and `other` that are like each other."""
    sizes = terms.group_by("record").len()
    both = pairs.select("record", "other").unique()
    shared = (
        both.join(terms, on="record")
        .join(terms.rename({"record": "other"}), on=["other", "term"])
        .group_by("record", "other")
        .agg(shared=pl.len())
        .join(sizes, on="record")
        .join(sizes.rename({"record": "other", "len": "len_other"}), on="other")
        .filter(
            (pl.col("shared") >= common)
            & (pl.col("shared") >= LEAST_LIKENESS * pl.min_horizontal("len", "len_other"))
        )
    )
    return pairs.join(shared, on=["record", "other"], how="semi")
