"""Names that stand in another record than the claim's: "The red line ends at Harbour", and the blue one does.

Belongs here: a name that only a like sentence about something else gives. Does not belong here: numbers
(`records.py`), or names that the evidence has nowhere (`pairs.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.text import nearest, words

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


_CLAUSE = r"[;,]\s+(?:and |while |whereas |but )?|\s(?:while|whereas)\s"


def in_clauses(near: pl.DataFrame, of_claims: pl.DataFrame) -> pl.DataFrame:
    """`misplaced` of the clauses of a sentence that holds all of a claim's words, where no other does.

    "Halloran leads the oncology ward, and Pereira leads the cardiology ward" holds every word of "Halloran
    leads the cardiology ward".
    """
    whole = near.filter((pl.col("shared") == pl.col("count")) & ~pl.col("turned")).filter(
        (pl.len().over("row") == 1)
        & pl.col("count").is_between(LEAST_TERMS, MOST_TERMS)
        & pl.col("sentence").str.contains(_CLAUSE)
        & ~pl.col("sentence").str.contains("; ", literal=True)
    )
    if not whole.height:
        return SCHEMA.to_frame()
    parts = pl.col("sentence").str.replace_all(_CLAUSE, "\n").str.split("\n")
    cut = (
        whole.select("row", "count", "turned", parts, whole="at")
        .explode("sentence", empty_as_null=True)
        .drop_nulls("sentence")
        .with_row_index("at")
    )
    terms = nearest.terms(cut["sentence"]).rename({"row": "at"}).join(cut.select("at", "row"), on="at")
    held = terms.select("at", "row", "term").unique().join(of_claims, on=["row", "term"], how="semi")
    shared = held.group_by("at").agg(shared=pl.len())
    found = misplaced(cut.join(shared, on="at", maintain_order="left"), of_claims, terms)
    places = cut.select("at", "whole")
    return found.join(places, on="at").select("row", "claim", "evidence", at="whole").select(SCHEMA.names())


def of_another(near: pl.DataFrame, of_claims: pl.DataFrame, of_sentences: pl.DataFrame) -> pl.DataFrame:
    """`SCHEMA`: a name before a word, in the place of which the claim's own sentence has another.

    "The Bergen depot employs 34 mechanics" says nothing of the Tromso depot, where the passage tells of both.
    """
    is_whole = (pl.col("shared") == pl.col("count")) & ~pl.col("turned")
    asked = near.filter(
        pl.col("count").is_between(LEAST_TERMS, MOST_TERMS)
        & (pl.col("shared") == pl.col("count") - 1)
        & ~pl.col("turned")
    ).join(near.filter(is_whole), on="row", how="anti")
    claimed = _named(of_claims.join(asked.select("row"), on="row", how="semi"), "row")
    if not claimed.height:
        return SCHEMA.to_frame()
    given = _named(of_sentences.join(claimed.select("row"), on="row", how="semi"), "at")
    both = claimed.select("row", "thing", name="term", claim="shown").join(
        given.select("row", "at", "thing", "term", "shown"), on=["row", "thing"]
    )
    has_it = both.filter(pl.col("term") == pl.col("name")).select("row", "name", "thing").unique()
    lacking = both.join(of_sentences.select("at", name="term"), on=["at", "name"], how="anti")
    return (
        lacking.join(has_it, on=["row", "name", "thing"], how="semi")
        .join(asked.select("at"), on="at", how="semi")
        .sort("row", "at")
        .unique("row", keep="first", maintain_order=True)
        .select("row", "at", "claim", evidence="shown")
    )


def _named(terms: pl.DataFrame, key: str) -> pl.DataFrame:
    """Names of terms with `thing`, the term right after each, which is no name; `key` tells texts apart."""
    things = terms.filter(~_IS_NAME).select(key, place=pl.col("place") - 1, thing="term")
    return terms.filter(_IS_NAME).join(things, on=[key, "place"])


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
