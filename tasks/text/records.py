"""Numbers that stand in another record than the claim's: the row, year or product beside it.

Belongs here: which of several like records a claim is about, and whether its number stands there. Does not
belong here: numbers that stand nowhere (`numbers.py`).

A record is a sentence or a line, or a clause of a sentence that gives several. Two are alike where they share
words and give numbers for the same thing. A claim is about the record that holds most of its words, where a
name or another number of the claim counts double: they tell records apart.
"""

from __future__ import annotations

import polars as pl

from tasks.text import nearest, numbers, quantities, rows, words

LEAST_LIKENESS = 0.4
"""Share of the words of the shorter of two records that the other has."""
LEAST_SHARE = 0.5
"""Of the claim's words, by weight, that its own record holds."""
_CLAUSE = r"[,;]\s+|\s(?:and|while|whereas|but|und|et)\s"
_TELLING = r"^\p{Lu}|^(?:first|second|third|fourth|fifth|sixth|last)$"
"""Words that tell records apart: names and ordinals."""
LEAST_SHARE_OF_YEARS = 0.7
"""The same where the number is a year: a sentence about the claim's subject tells of other years as well."""
SCHEMA = pl.Schema(
    {"row": pl.UInt32, "at": pl.UInt32, "claim": pl.String, "evidence": pl.String, "is_open": pl.Boolean}
)
"""Of `misplaced`, below."""


def misplaced(own: pl.DataFrame, near: pl.DataFrame, of_claims: pl.DataFrame) -> pl.DataFrame:
    """`SCHEMA`: a number of the claim that only another record gives, at most one a row.

    `at` is the sentence that the claim is about, and `evidence` what it gives for the same thing; `is_open`
    where the claim fits two records that give different numbers equally well.

    Args:
        own: quantities of claims, as `quantities.quantities` gives them.
        near: sentences, as `nearest.nearest` gives them.
        of_claims: terms of claims, as given there.
    """
    claimed = (
        own.filter(pl.int_range(pl.len()).over("row") < numbers.MOST_QUANTITIES)
        .filter(~(pl.col("is_word") & (pl.col("value") == 1)) & (pl.col("hedge") == ""))
        .join(near.select("row"), on="row", how="semi")
        .with_row_index("id")
        .with_columns(is_single=pl.len().over("row") == 1)
    )
    if not claimed.height:
        return SCHEMA.to_frame()
    near = near.join(claimed.select("row"), on="row", how="semi", maintain_order="left")
    lines = near.select("row", "at", text="sentence").with_row_index("record")
    given = quantities.quantities(lines["text"])
    # What a sentence of one number says in clauses, it says as a whole.
    several = given.group_by("row").len().filter(pl.col("len") > 1)["row"]
    clauses = (
        lines.filter(pl.col("record").is_in(several.implode()))
        .select("row", "at", pl.col("text").str.replace_all(_CLAUSE, "\n").str.split("\n"))
        .explode("text")
        .with_row_index("record")
    )
    clauses = _with_lead(clauses)
    by_line = _compared(claimed, lines.with_columns(lead=pl.lit("")), of_claims, 2, given)
    # A clause may lack what its sentence began with, so that two that fit equally say nothing.
    given_in_clauses = quantities.quantities(clauses["text"])
    by_clause = _compared(claimed, clauses, of_claims, 1, given_in_clauses).filter(~pl.col("is_open"))
    by_clause = by_clause.join(_said_elsewhere(claimed, near, given), on=["row", "at"], how="anti")
    return pl.concat([by_line, by_clause]).unique("row", keep="first", maintain_order=True)


def _said_elsewhere(claimed: pl.DataFrame, near: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """`row`, `at` of sentences beside which another holds as many of the claim's words, and all its numbers.

    A clause of a sentence speaks against nothing that such a one says whole.
    """
    values = given.select(pl.lit(near["at"]).gather(pl.col("row")).alias("at"), "value")
    asked = claimed.select("row", "value").unique()
    held = (
        near.select("row", "at", "shared", "turned")
        .join(asked, on="row")
        .join(values.unique(), on=["at", "value"])
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


def _with_lead(clauses: pl.DataFrame) -> pl.DataFrame:
    """Adds `lead`: what a sentence's first clause says before its number, for clauses that go on from it.

    "The notice period is 4 weeks for staff and 3 months for managers": the second is about a notice period as
    well. A clause that has one of those words itself begins anew.
    """
    first = pl.col("text").first().over("at").str.extract(r"^(\D*)")
    nth = pl.int_range(pl.len()).over("at")
    led = clauses.with_columns(lead=pl.when(nth > 0).then(first).otherwise(pl.lit("")))
    led_by = nearest.terms(led["lead"]).select("row", "term").unique()
    own = nearest.terms(led["text"]).select("row", "term").unique()
    anew = led_by.join(own, on=["row", "term"], how="semi")["row"].unique()
    return led.with_columns(
        lead=pl.when(pl.int_range(pl.len(), dtype=pl.UInt32).is_in(anew.implode()))
        .then(pl.lit(""))
        .otherwise("lead")
    )


def _compared(
    claimed: pl.DataFrame, records: pl.DataFrame, of_claims: pl.DataFrame, common: int, given: pl.DataFrame
) -> pl.DataFrame:
    """`SCHEMA` of records (sentences or clauses), whose quantities are `given`."""
    whole = records["lead"] + " " + records["text"]
    at = pl.lit(records["record"]).gather(pl.col("row"))
    # "The lowest price" and "the highest price" are of two records, though they share what they are about.
    turned = pl.col("term").str.starts_with("=") & pl.col("is_negated")
    polar = pl.when(turned).then(pl.lit("-") + pl.col("term")).otherwise("term").alias("term")
    of_claims = of_claims.with_columns(polar)
    terms = nearest.terms(whole).select(polar, record=at).unique()
    owned = terms.join(records.select("record", "row"), on="record").join(of_claims, on=["row", "term"])
    is_name = pl.col("shown").str.contains(_TELLING)
    weight = pl.when(is_name).then(2).otherwise(1).sum()
    weights = owned.group_by("record").agg(own=weight)
    wholes = of_claims.group_by("row").agg(whole=weight)
    places = (
        _places(claimed, records, given)
        .join(weights, on="record", how="left")
        .join(wholes, on="row", how="left")
        .with_columns(pl.col("own").fill_null(0))
        .with_columns(weight=pl.col("own") + 2 * (pl.col("held") - pl.col("holds")))
    )
    holding = places.filter("holds").select("id", other="record", held_weight="weight")
    # The best of those that hold the number, or one worse might be taken for the claim's own record.
    best_holding = holding.group_by("id").agg(pl.col("held_weight").max())
    is_row = records["text"].str.contains(rows.ROW)
    places = places.join(records.select("record", is_row=is_row), on="record")
    pairs = (
        # A year tells records apart and is seldom what they give.
        places.filter(
            ~pl.col("holds") & pl.col("is_same_place") & (pl.col("own") >= LEAST_SHARE * pl.col("whole"))
        )
        .join(best_holding, on="id")
        .filter((pl.col("weight") >= pl.col("held_weight")) & (pl.col("weight") > 0))
        # ... unless a name tells them apart, and the claim's only number is a year.
        .filter(
            ~pl.col("is_year")
            | (
                pl.col("is_single")
                & (pl.col("weight") > pl.col("held_weight"))
                & ((pl.col("own") >= LEAST_SHARE_OF_YEARS * pl.col("whole")) | pl.col("is_row"))
            )
        )
        .join(holding.select("id", "other"), on="id")
    )
    return (
        _alike(pairs, terms, common, records.filter(pl.col("text").str.contains(rows.ANY_ROW))["record"])
        .with_columns(is_open=pl.col("weight") == pl.col("held_weight"))
        # A bare number that fits two records is mostly one that tells them apart: "game 3".
        .filter(~pl.col("is_open") | ~pl.col("unit").is_in(["", "o'clock"]))
        .sort("row", "weight", "id", "record", descending=[False, True, False, False])
        .unique("row", keep="first", maintain_order=True)
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _places(claimed: pl.DataFrame, records: pl.DataFrame, quantities_of: pl.DataFrame) -> pl.DataFrame:
    """A row per quantity of a claim and record that gives a number: does it hold it, or one for the same?"""
    given = (
        quantities_of.with_columns(record=pl.lit(records["record"]).gather(pl.col("row")))
        .select("record", pl.exclude("record", "row").name.suffix("_e"))
        # The one number of a kind in its record: what it is of needs no word beside it.
        .with_columns(is_alone=(pl.len().over("record", pl.col("unit_e") == "year") == 1) & ~_is_of_a_date())
        # "One of nine children" does not say that there is one.
        .filter(~(pl.col("is_word_e") & (pl.col("value_e") == 1) & (pl.col("unit_e") == "")))
    )
    both = claimed.join(records.select("row", "record", "at"), on="row").join(given, on="record")
    value = pl.col("value")
    equal = (
        ((value - pl.col("value_e")).abs() <= 1e-9 * value.abs())
        | (pl.col("other") == pl.col("value_e")).fill_null(value=False)
        | (value == pl.col("other_e")).fill_null(value=False)
    )
    own = claimed.select("row", value_e="value").unique()
    is_worded = pl.col("is_word") | pl.col("is_word_e")
    both_or_neither = (pl.col("unit") == "year") == (pl.col("unit_e") == "year")
    places = (
        both.join(own.with_columns(is_claimed=pl.lit(value=True)), on=["row", "value_e"], how="left")
        .with_columns(
            holds=equal & numbers.same_kind(),
            is_same_place=(
                numbers.same_place()
                | (
                    pl.col("is_alone")
                    & pl.col("is_single")
                    & (pl.col("unit") == pl.col("unit_e"))
                    & ~is_worded
                )
            )
            & both_or_neither
            & numbers.same_kind()
            & pl.col("is_claimed").is_null(),
        )
        .with_columns(**numbers.shown())
        .sort("is_same_place", descending=True, maintain_order=True)
        .group_by("id", "record", maintain_order=True)
        .agg(
            pl.col("row", "at", "claim", "evidence").first(),
            pl.col("holds", "is_same_place").any(),
            pl.col("unit").first(),
            is_year=(pl.col("unit") == "year").first(),
            is_single=pl.col("is_single").first(),
        )
    )
    return places.with_columns(held=pl.col("holds").sum().over("row", "record"), holds=pl.col("holds"))


def _is_of_a_date() -> pl.Expr:
    """Whether a bare number of the evidence is likely a day of a month or a year."""
    is_day = pl.col("key_e").is_in([word.lower() for word in (*words.MONTHS, *words.DATES_ELSEWHERE)])
    return is_day | ((pl.col("unit_e") == "") & pl.col("value_e").is_between(1000, 2100))


def _alike(pairs: pl.DataFrame, terms: pl.DataFrame, common: int, listed: pl.Series) -> pl.DataFrame:
    """The pairs of `record` and `other` that are like each other; those that are `listed` are."""
    sizes = terms.group_by("record").len()
    shorter = pl.min_horizontal("len", "len_other").cast(pl.Int64)
    both = pairs.select("record", "other").unique()
    shared = (
        both.join(terms, on="record")
        .join(terms.rename({"record": "other"}), on=["other", "term"])
        .group_by("record", "other")
        .agg(shared=pl.len())
        .join(sizes, on="record")
        .join(sizes.rename({"record": "other", "len": "len_other"}), on="other")
        .filter(
            (pl.col("shared") >= pl.min_horizontal(pl.lit(common), shorter - 1).clip(1))
            & (pl.col("shared") >= LEAST_LIKENESS * shorter)
        )
    )
    in_list = pairs.filter(pl.col("record").is_in(listed.implode()) & pl.col("other").is_in(listed.implode()))
    alike = pl.concat([shared.select("record", "other"), in_list.select("record", "other")])
    return pairs.join(alike, on=["record", "other"], how="semi")
