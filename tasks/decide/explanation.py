"""Why a verdict is what it is, in words taken from the evidence and the scores, and never from a model.

The deciding sentence is the one that shares most of the claim's content with it; a word counts for more the
fewer sentences of the passage hold it. A reason names a difference only where the rule that found it says
what the verdict says (`text/rules.py`); else the network decided, and the reason has its score alone.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from tasks.text import facts, nearest, pairs, rules, words

_SPAN = ("start", "end", "sentence")

LONGEST_QUOTE = 120
"""Characters of foreign text in a reason: a line on a phone; the rest is in the passage."""


def deciding(claims: pl.Series, passages: pl.Series) -> pl.DataFrame:
    """For n pairs, in order: `start`, `end` (Int64), `sentence`; null where no sentence shares a word.

    The first of equals. Pair i depends on row i alone.
    """
    cut = nearest.said(passages).with_row_index("at")
    of_claims = words.content_stems(claims).select("row", "term").unique()
    shared = (
        words.content_stems(cut["said"])
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


def findings(
    claims: pl.Series,
    best: pl.Series,
    everything: pl.Series,
    verdicts: pl.Series,
    reads: Collection[str] | None,
) -> pl.DataFrame:
    """For n claims, in order: `rule`, `finding`, `start`, `end`, `sentence` of a rule that says what the
    verdict says.

    Null where no rule speaks, or says otherwise: then the network decided, and only its score explains.

    Args:
        claims: n claims.
        best: the passage that speaks loudest for each verdict; the span is a place in it.
        everything: all passages of each claim, for a finding that rests on several; it has no span.
        verdicts: reached.
        reads: languages of the verifier, None where it tries them all.
    """
    rows = pl.DataFrame({"row": pl.int_range(len(claims), dtype=pl.UInt32, eager=True), "effect": verdicts})
    alone = rules.findings(claims, best, reads)
    together = rules.findings(claims, everything, reads).with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in rules.FINDINGS.items() if name in _SPAN
    )
    agreeing = pl.concat([alone, together]).join(
        rows, on=["row", "effect"], how="semi", maintain_order="left"
    )
    first = agreeing.unique("row", keep="first", maintain_order=True)
    return rows.join(first, on="row", how="left", maintain_order="left").select("rule", "finding", *_SPAN)


def absent(claims: pl.Series, all_evidence: pl.Series) -> pl.Series:
    """First name of each claim, else number, that nothing of its evidence mentions; null without one."""
    # A capital after a stop or a mark of a list opens a sentence and makes no name.
    inner = claims.str.replace_all(r"((?:[.!?:;–—]\s+|(?:^|\s)[-*•]\s+)[\"'“„(*_]*)\p{Lu}", "${1}x")
    # "Severe COVID-19": the first word is one because it is first.
    inner = inner.str.replace(r"^\p{Lu}(\p{Ll}+ \p{Lu}[\p{Lu}\d])", "x$1")
    texts = all_evidence.fill_null("")
    missing = pairs.name_missing(inner, texts)
    number = facts.number_lacking(claims, texts)
    return (
        missing.zip_with(missing.is_not_null(), number)
        .to_frame("absent")
        .select(clean(pl.col("absent")))["absent"]
    )


def unsettled(claims: pl.Series, all_evidence: pl.Series) -> pl.Series:
    """Of n claims: the fact most words of which the evidence lacks, where it has all of another."""
    fact = facts.lacking(claims, all_evidence.fill_null("")).to_frame("fact").select(clean(pl.col("fact")))
    return fact["fact"].str.strip_chars(" ,.;:").str.replace(r"^(?:and|but|while|whereas) ", "")


def about(claims: pl.Series, facts_lacking: pl.Series, verdicts: pl.Series, absent: pl.Series) -> pl.Series:
    """What the sentence that is shown has to be about: the fact that fails, where the reason names one."""
    names_it = (verdicts == "insufficient") & facts_lacking.is_not_null() & absent.is_null()
    return facts_lacking.zip_with(names_it, claims)


def worded(score: pl.Expr) -> pl.Expr:
    """The reason of a verdict that thresholds reached: of `verdict`, `place`, `finding`, `absent`, `fact`."""
    return (
        pl.when(pl.col("verdict") == "supported")
        .then(
            pl.when(pl.col("finding").is_not_null())
            .then(pl.format("{}, in {} ({})", "finding", "place", score))
            .otherwise(pl.format("supported by {} ({})", "place", score))
        )
        .when(pl.col("verdict") == "contradicted")
        .then(
            pl.when(pl.col("finding").is_not_null())
            .then(pl.format("{}, in {} ({})", "finding", "place", score))
            .otherwise(pl.format("contradicted by {} ({})", "place", score))
        )
        .when(pl.col("finding").is_not_null())
        .then("finding")
        .when(pl.col("absent").is_not_null())
        .then(pl.format("no passage mentions {}", "absent"))
        .when(pl.col("fact").is_not_null())
        .then(
            pl.format(
                "most words of “{}” are not in the evidence; closest is {} ({})", "fact", "place", score
            )
        )
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
