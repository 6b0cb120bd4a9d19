"""Names that stand in another record than the claim's: "The red line ends at Harbour", and the blue one does.

Belongs here: a name that only a like sentence about something else gives. Does not belong here: numbers
(`records.py`), or names that the evidence has nowhere (`pairs.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.text import words

LEAST_TERMS, MOST_TERMS = 3, 7
"""Words of a claim: with fewer, one that is lacking leaves nothing to recognise its record by; with more, it
says several things, which may stand in several records."""
MOST_MISSING = 2
"""Words of a name."""
LEAST_LIKENESS = 0.5
"""Share of the words of the shorter of two sentences, without names, that the other has."""
_DATES = [*words.MONTHS, *words.DAYS]
SCHEMA = pl.Schema({"row": pl.UInt32, "at": pl.UInt32, "claim": pl.String, "evidence": pl.String})
_IS_NAME = pl.col("shown").str.contains(r"^\p{Lu}") & (pl.col("place") > 0)


def misplaced(near: pl.DataFrame, of_claims: pl.DataFrame, of_sentences: pl.DataFrame) -> pl.DataFrame:
    """`SCHEMA`: a name of the claim, in the place of which its own sentence has another; at most one a row.

    The claim's own sentence holds every other word of it. Another sentence, like that one, has the name and
    lacks a word of the claim.

    Args:
        near: sentences, as `nearest.nearest` gives them.
        of_claims: terms of claims, as given there.
        of_sentences: terms of all sentences, as given there.
    """
    # A row of a table names many things, none of them in the place of another.
    is_row = pl.col("sentence").str.contains("; ", literal=True)
    asked = near.filter(
        ~is_row & pl.col("count").is_between(LEAST_TERMS, MOST_TERMS) & ~pl.col("turned")
    ).filter((pl.col("shared") < pl.col("count")) & (pl.col("shared") >= pl.col("count") - MOST_MISSING))
    given = (
        of_sentences.join(asked.select("row"), on="row", how="semi")
        .join(near.select("at"), on="at", how="semi")
        .select("at", "row", "place", "shown", "term")
        .unique(["at", "term"], keep="first", maintain_order=True)
    )
    lacking = (
        asked.select("at", "row")
        .join(of_claims.select("row", "term", "shown", "place"), on="row")
        .join(given.select("at", "term"), on=["at", "term"], how="anti")
    )
    own = (
        lacking.group_by("at", "row", maintain_order=True)
        .agg(_IS_NAME.all().alias("are_names"), pl.col("term", "shown").sort_by("place"))
        .filter("are_names")
        .with_columns(name=pl.col("shown").list.join(" "))
        .select("at", "row", "name", terms="term")
    )
    if not own.height:
        return SCHEMA.to_frame()
    pairs = _others(own, given, of_claims)
    return (
        _alike(pairs, given)
        .join(_instead(given, of_claims), on="at")
        .unique("row", keep="first", maintain_order=True)
        .select("row", "at", claim="name", evidence="instead")
    )


def _others(own: pl.DataFrame, given: pl.DataFrame, of_claims: pl.DataFrame) -> pl.DataFrame:
    """`at`, `row`, `name`, `other`: a sentence with the whole name that lacks another word of the claim."""
    held = (
        own.explode("terms")
        .join(given.select("row", other="at", terms="term"), on=["row", "terms"])
        .filter(pl.col("other") != pl.col("at"))
        .group_by("at", "row", "name", "other", maintain_order=True)
        .len("held")
        .join(own.select("at", size=pl.col("terms").list.len()), on="at")
        .filter(pl.col("held") == pl.col("size"))
    )
    claimed = of_claims.group_by("row").len("count")
    shared = given.join(of_claims.select("row", "term"), on=["row", "term"], how="semi").group_by(other="at")
    return (
        held.join(shared.len("has"), on="other")
        .join(claimed, on="row")
        .filter(pl.col("has") < pl.col("count"))
        .select("at", "row", "name", "other")
    )


def _alike(pairs: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    dated = given.filter(pl.col("term").is_in(_DATES)).select("at").unique()["at"]
    given = given.filter(~_IS_NAME)
    sizes = given.group_by("at").len()
    shared = (
        pairs.select("at", "other")
        .unique()
        .join(given.select("at", "term"), on="at")
        .join(given.select("term", other="at"), on=["other", "term"])
        .group_by("at", "other")
        .len("shared")
        .join(sizes, on="at")
        .join(sizes.rename({"at": "other", "len": "len_other"}), on="other")
        .filter(
            # Months and days stand in each other's place, whatever else the sentences share.
            (
                pl.col("shared")
                >= pl.when(pl.all_horizontal(pl.col("at", "other").is_in(dated.implode())))
                .then(1)
                .otherwise(2)
            )
            & (pl.col("shared") >= LEAST_LIKENESS * pl.min_horizontal("len", "len_other"))
        )
    )
    return pairs.join(shared, on=["at", "other"], how="semi", maintain_order="left")


def _instead(given: pl.DataFrame, of_claims: pl.DataFrame) -> pl.DataFrame:
    """`at`, `instead`: the last name of each sentence that the claim does not have."""
    names = given.filter(_IS_NAME).join(of_claims.select("row", "term"), on=["row", "term"], how="anti")
    return names.sort("at", "place").group_by("at").agg(instead=pl.col("shown").last())
