"""A claim cut into its facts, and the one that its evidence lacks.

Belongs here: clauses, conjuncts and appositions of one sentence, where commas and words join them. Does not
belong here: sentences of an answer (`sentences.py`), or whether a fact is true (a verifier).
"""

from __future__ import annotations

import polars as pl

from tasks.text import nearest, numbers, words

_AND = r"\s(and|but|while|whereas)\s"
LEAST_LACKING = 0.6
"""Share of a fact's words that nothing in the evidence holds, for the fact to be the one that is lacking."""
LEAST_WORDS = 2
"""Words of a fact; a shorter piece belongs to what is before it."""


def facts(claims: pl.Series) -> pl.DataFrame:
    """`row` (UInt32), `start`, `end` (Int64), `fact`, in order: `claims[row][start:end] == fact`.

    A claim without joints is one fact; pieces with fewer than `LEAST_WORDS` words go with the one before.
    """
    marked = (
        pl.DataFrame({"fact": claims.cast(pl.String).fill_null("")})
        .with_row_index("row")
        # Each mark is one character of the joint, so that lengths still add up to places in the claim.
        .with_columns(pl.col("fact").str.replace_all(r"([,;:])\s", "${1}\n").str.replace_all(_AND, "\n$1 "))
        .with_columns(pl.col("fact").str.split("\n"))
        .explode("fact")
        .with_columns(size=pl.col("fact").str.len_chars().cast(pl.Int64) + 1)
        .with_columns(start=(pl.col("size").cum_sum() - pl.col("size")).over("row"))
        .with_row_index("at")
    )
    said = nearest.terms(marked["fact"]).group_by(at="row").len("words")
    whole = (
        marked.join(said, on="at", how="left", maintain_order="left")
        .with_columns(words=pl.col("words").fill_null(0))
        .with_columns(is_new=(pl.col("words") >= LEAST_WORDS) | (pl.col("start") == 0))
        .with_columns(group=pl.col("is_new").cum_sum())
    )
    ends = pl.col("start") + pl.col("size") - 1
    spans = whole.group_by("row", "group", maintain_order=True).agg(pl.col("start").first(), end=ends.last())
    texts = pl.lit(claims.fill_null("")).gather(pl.col("row"))
    length = pl.col("end") - pl.col("start")
    return spans.with_columns(fact=texts.str.slice(pl.col("start"), length)).select(
        "row", "start", "end", "fact"
    )


def lacking(claims: pl.Series, evidence: pl.Series) -> pl.Series:
    """Of n claims: the first fact most of whose words nothing in the evidence holds; null without one.

    Null as well where no other fact is held: then the evidence is about something else altogether.
    """
    cut = facts(claims).filter(pl.len().over("row") > 1).with_row_index("at")
    rows = pl.DataFrame({"row": pl.int_range(len(claims), dtype=pl.UInt32, eager=True)})
    if not cut.height:
        return rows.with_columns(fact=pl.lit(None, pl.String))["fact"]
    given = nearest.terms(numbers.only(evidence, cut["row"])).select("row", "term").unique()
    asked = nearest.terms(cut["fact"]).select(at="row", term="term").unique()
    shares = (
        asked.join(cut.select("at", "row"), on="at")
        .join(given.with_columns(is_held=pl.lit(1)), on=["row", "term"], how="left")
        .group_by("at")
        .agg(held=pl.col("is_held").fill_null(0).mean())
    )
    judged = cut.join(shares, on="at").filter((pl.col("held") == 1.0).any().over("row")).sort("at")
    first = judged.filter(pl.col("held") <= 1.0 - LEAST_LACKING).unique("row", keep="first")
    return rows.join(first.select("row", "fact"), on="row", how="left", maintain_order="left")["fact"]


def number_lacking(claims: pl.Series, evidence: pl.Series) -> pl.Series:
    """Of n claims: the first number that nothing in the evidence equals, as written; null without one."""
    rest = numbers.unmatched(claims, evidence).unique("row", keep="first", maintain_order=True)
    rows = pl.DataFrame({"row": pl.int_range(len(claims), dtype=pl.UInt32, eager=True)})
    is_bare = (pl.col("unit") == "year") | pl.col("key").is_in(["", *words.STOP_WORDS])
    named = pl.when(is_bare).then("bare").otherwise("shown")
    text = pl.lit(evidence.cast(pl.String).fill_null("")).gather(pl.col("row"))
    # Digits that stand there as part of something else are mentioned all the same.
    is_written = text.str.contains(pl.col("bare"), literal=True)
    # "COVID-19" and "u-235" are names.
    claim = pl.lit(claims.cast(pl.String).fill_null("")).gather(pl.col("row"))
    glued = pl.format("-{}", "bare")
    is_name = claim.str.contains(glued, literal=True) & ~claim.str.contains(
        pl.format(" {}", "bare"), literal=True
    )
    # "A third" is read as 33.3%, which the claim does not say.
    is_own = claim.str.contains(named, literal=True)
    first = rest.filter(is_own & ~pl.col("is_word") & ~is_written & ~is_name).select("row", number=named)
    return rows.join(first, on="row", how="left", maintain_order="left")["number"]
