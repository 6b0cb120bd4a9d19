"""Why a verdict is what it is, in words taken from the evidence and the scores, and never from a model.

The deciding sentence is the one that shares most of the claim's content with it; a word counts for more the
fewer sentences of the passage hold it. It is what the rules compare with the claim first, so that a number
elsewhere in a long passage does not explain anything.
"""

from __future__ import annotations

import polars as pl

from tasks.text import pairs, words

LONGEST_QUOTE = 120
"""Characters of foreign text in a reason: a line on a phone; the rest is in the passage."""


def sentences(texts: pl.Series) -> pl.DataFrame:
    """`row` (UInt32), `start`, `end` (Int64, characters), `sentence`: `texts[row][start:end] == sentence`.

    Every character that is not white space is in exactly one sentence; a text of white space has none.
    """
    stop = pl.col("sentence").str.len_chars().cast(pl.Int64)
    return (
        pl.DataFrame({"sentence": texts.cast(pl.String).fill_null("")})
        .with_row_index("row")
        # One character for one, so that lengths still add up to places in the text.
        .with_columns(pl.col("sentence").str.replace_all(words.SENTENCE_END, "${1}\n").str.split("\n"))
        .explode("sentence", empty_as_null=True)
        .with_columns(start=((stop + 1).cum_sum() - stop - 1).over("row"))
        .with_columns(
            start=pl.col("start") + stop - pl.col("sentence").str.strip_chars_start().str.len_chars(),
            sentence=pl.col("sentence").str.strip_chars(),
        )
        .with_columns(end=pl.col("start") + stop)
        .filter(pl.col("sentence") != "")
        .select("row", "start", "end", "sentence")
    )


def deciding(claims: pl.Series, passages: pl.Series) -> pl.DataFrame:
    """For n pairs, in order: `start`, `end` (Int64), `sentence`; null where no sentence shares a word.

    The first of equals. Pair i depends on row i alone.
    """
    cut = sentences(passages).with_row_index("at")
    of_claims = words.content_stems(claims).select("row", "term").unique()
    shared = (
        words.content_stems(cut["sentence"])
        .select(at="row", term="term")
        .unique()
        .join(cut.select("at", "row"), on="at")
        .join(of_claims, on=["row", "term"])
        .with_columns(weight=1.0 / pl.len().over("row", "term"))
        # Sorted, because sums of floats depend on their order and a reason must not depend on the batch.
        .sort("at", "term")
        .group_by("at", maintain_order=True)
        .agg(pl.col("weight").sum().round(9), pl.len())
    )
    best = (
        cut.join(shared, on="at")
        .sort("row", "len", "weight", "start", descending=[False, True, True, False])
        .unique("row", keep="first", maintain_order=True)
    )
    rows = pl.DataFrame({"row": pl.int_range(len(claims), dtype=pl.UInt32, eager=True)})
    return rows.join(best, on="row", how="left", maintain_order="left").select("start", "end", "sentence")


def difference(claims: pl.Series, deciding_sentences: pl.Series, passages: pl.Series) -> pl.Series:
    """ "evidence says 92 reactors, the claim says 94 reactors"; null where the rules see no difference.

    The deciding sentence is compared first, then the whole passage; negation in that sentence alone.
    """
    near = deciding_sentences.fill_null("")
    rules = (pairs.number_mismatch, pairs.unit_mismatch, pairs.date_mismatch)
    quoted = [
        rule(claims, text.fill_null(""))
        .select(
            pl.when(pl.col("claim").is_not_null()).then(
                pl.format(
                    "evidence says {}, the claim says {}", clean(pl.col("evidence")), clean(pl.col("claim"))
                )
            )
        )
        .to_series()
        for text in (near, passages)
        for rule in rules
    ]
    side = pl.DataFrame({"side": pairs.negation_mismatch(claims, near), "near": near})
    negated = side.select(
        pl.when((pl.col("near") != "") & pl.col("side").is_not_null()).then(
            pl.format("only {} says this with a negation", "side")
        )
    ).to_series()
    return pl.select(pl.coalesce(*quoted, negated)).to_series().rename("difference")


def absent(claims: pl.Series, all_evidence: pl.Series) -> pl.Series:
    """First name of each claim that nothing of its evidence mentions; null where there is none."""
    missing = pairs.name_missing(claims, all_evidence.fill_null(""))
    return missing.to_frame("absent").select(clean(pl.col("absent")))["absent"]


def worded(score: pl.Expr) -> pl.Expr:
    """The reason of a verdict that thresholds reached, from `verdict`, `place`, `difference` and `absent`."""
    return (
        pl.when(pl.col("verdict") == "supported")
        .then(pl.format("supported by {} ({})", "place", score))
        .when(pl.col("verdict") == "contradicted")
        .then(
            pl.when(pl.col("difference").is_not_null())
            .then(pl.format("{}, in {} ({})", "difference", "place", score))
            .otherwise(pl.format("contradicted by {} ({})", "place", score))
        )
        .when(pl.col("absent").is_not_null())
        .then(pl.format("no passage mentions {}", "absent"))
        .when(pl.col("difference").is_not_null())
        .then(pl.format("{}, and nothing else settles it", "difference"))
        .otherwise(pl.format("the evidence does not settle this claim; closest is {} ({})", "place", score))
    )


def clean(text: pl.Expr) -> pl.Expr:
    """Foreign text fit for a reason: one line of bounded length without control characters."""
    # Category C takes controls, escapes, direction overrides and zero-width characters alike.
    line = text.str.replace_all(r"\s+", " ").str.replace_all(r"\p{C}", "").str.strip_chars()
    return (
        pl.when(line.str.len_chars() > LONGEST_QUOTE)
        .then(line.str.slice(0, LONGEST_QUOTE - 1) + pl.lit("…"))
        .otherwise(line)
    )
