"""What rules say of a claim and a passage: that they contradict, or that the passage cannot settle it.

Belongs here: which rule speaks, in which order, and in which words. Does not belong here: reading numbers and
words (`quantities.py`, `nearest.py`), or what becomes of a score (`verify/guards.py`).

A rule speaks seldom and is then nearly always right: precision is measured per source on claims that people
found supported (decision 31). Bump `RULES_VERSION` with any change that can change a finding: it is part of
verifiers' fingerprints.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import polars as pl

from tasks.text import (
    calendar_days,
    limits,
    lists,
    nearest,
    numbers,
    other_names,
    quantities,
    records,
    rows,
    words,
)
from tasks.text.language import SEEN, UNKNOWN, function_words, language

RULES_VERSION = 8
FINDINGS = pl.Schema(
    {
        "row": pl.UInt32,
        "rule": pl.String,
        "effect": pl.String,
        "finding": pl.String,
        "start": pl.Int64,
        "end": pl.Int64,
        "sentence": pl.String,
    }
)
"""At most one row per pair: the first rule that speaks. `effect` is the verdict that follows, `finding` the
reason in words, and the rest the sentence that it rests on, null where it rests on none."""
LANGUAGE = "language"
UNREADABLE = "language not supported by this verifier"
LONGEST_QUOTE = 60
"""Characters of foreign text in a finding."""
LEAST_NUMBER_SHARE = 0.65
LEAST_NEGATION_SHARE = 0.85
"""Of the claim's words that a sentence must hold, for a number or a negation in it to be about the claim."""
_SUPPOSED = r"(?i)\b(?:if|unless|until|whether|supposed to|would|could have|might|wenn|falls|ob|si)\b"
"""A sentence that supposes something does not say it."""
_COMPARED = (
    r"(?i)\b(?:until|unless|more than|less than|fewer than|at least|at most|exceed\w*)\b|"
    r"\b(?:below|under|above|over)\b \W{0,2}(?:the age of |an? )?"
    rf"(?:\d|(?:{'|'.join(words.NUMBER_WORDS)}|one|half|third|quarter)\b)"
)
"""A claim whose negation is about a number or a time: "no pupil scored below 80%"."""


def findings(claims: pl.Series, passages: pl.Series, reads: Collection[str] | None = None) -> pl.DataFrame:
    """`FINDINGS` of n pairs, by row. Pair i depends on row i alone.

    Args:
        claims: n claims.
        passages: n passages.
        reads: languages that the verifier reads; None leaves languages alone.
    """
    claims, passages = claims.cast(pl.String).fill_null(""), passages.cast(pl.String).fill_null("")
    near, of_claims, of_sentences = nearest.nearest(claims, passages)
    own = quantities.quantities(claims)
    found = [
        _lists(claims, near, of_claims, of_sentences),
        _days(claims, near),
        # "Boat 7,450,3" holds three numbers; what a row tells has them apart.
        _numbers(claims, rows.told(passages), near, own),
        _dates(claims, passages, near),
        _records(own, near, of_claims),
        _names(near, of_claims, of_sentences),
        _negations(claims, near),
    ]
    if reads is not None:
        found.append(_languages(claims, passages, reads))
    found += [_limits(claims, near), _mentions(claims, passages, of_claims, of_sentences)]
    return pl.concat(found).unique("row", keep="first", maintain_order=True).sort("row")


def _lists(
    claims: pl.Series, near: pl.DataFrame, of_claims: pl.DataFrame, of_sentences: pl.DataFrame
) -> pl.DataFrame:
    """What a claim says of numbers that a sentence lists, worked out; the one rule that can support."""
    found = lists.borne_out(claims, near, of_claims, of_sentences)
    listed = pl.format("the evidence lists {}", quoted("listed"))
    against = pl.format("{}, of which the claim is not true", listed)
    return pl.concat(
        [
            _located(found.filter("holds"), near, "list", "supported", listed),
            _located(found.filter(~pl.col("holds")), near, "list", "contradicted", against),
        ]
    )


def _numbers(claims: pl.Series, passages: pl.Series, near: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Another number in the place of the claim's, which the passage gives nowhere."""
    rest = numbers.unmatched(claims, passages, own)
    if not rest.height:
        return FINDINGS.to_frame()
    differing = numbers.instead(own, rest, near, LEAST_NUMBER_SHARE)
    words_of_it = pl.format("evidence says {}, the claim says {}", quoted("evidence"), quoted("claim"))
    return _located(differing, near, "number", "contradicted", words_of_it)


def _dates(claims: pl.Series, passages: pl.Series, near: pl.DataFrame) -> pl.DataFrame:
    """Another month, day of the week or frequency than the claim's, which the passage gives nowhere."""
    claimed = _times(claims).unique(["row", "term"], keep="first", maintain_order=True)
    if not claimed.height:
        return FINDINGS.to_frame()
    given = _times(numbers.only(passages, claimed["row"]))
    absent = claimed.join(given, on=["row", "term"], how="anti", maintain_order="left")
    close = near.filter(pl.col("share") >= LEAST_NUMBER_SHARE).join(
        absent.select("row"), on="row", how="semi"
    )
    given = _times(close["sentence"]).with_columns(at=pl.lit(close["at"]).gather(pl.col("row")))
    differing = (
        absent.select("row", "key", claim="shown")
        .join(close.select("row", "at", "share"), on="row")
        .join(given.select("at", "key", "term", evidence="shown"), on=["at", "key"])
        .join(claimed.select("row", "term"), on=["row", "term"], how="anti")
        .sort("row", "share", descending=[False, True], maintain_order=True)
        .unique("row", keep="first", maintain_order=True)
    )
    words_of_it = pl.format("evidence says {}, the claim says {}", quoted("evidence"), quoted("claim"))
    return _located(differing, near, "date", "contradicted", words_of_it)


def _times(texts: pl.Series) -> pl.DataFrame:
    """Months, days of the week and frequencies."""
    return pl.concat([words.dates(texts), words.frequencies(texts)])


def _days(claims: pl.Series, near: pl.DataFrame) -> pl.DataFrame:
    """Another day than the claim's, which no sentence about it gives."""
    claimed = calendar_days.days(claims)
    if not claimed.height:
        return FINDINGS.to_frame()
    close = near.filter(pl.col("share") >= LEAST_NUMBER_SHARE).join(
        claimed.select("row"), on="row", how="semi"
    )
    given = calendar_days.days(close["sentence"]).select(
        at=pl.lit(close["at"]).gather(pl.col("row")), evidence="shown", day_e="day", other_e="other"
    )
    both = claimed.join(close.select("row", "at", "share"), on="row").join(given, on="at")
    days, days_e = [pl.col("day"), pl.col("other")], [pl.col("day_e"), pl.col("other_e")]
    is_same = pl.any_horizontal((a == b).fill_null(value=False) for a in days for b in days_e)
    same = both.filter(is_same).select("row").unique()
    differing = (
        both.join(same, on="row", how="anti")
        .sort("row", "share", descending=[False, True], maintain_order=True)
        .unique("row", keep="first", maintain_order=True)
        .select("row", "at", "evidence", claim="shown")
    )
    words_of_it = pl.format("evidence says {}, the claim says {}", quoted("evidence"), quoted("claim"))
    return _located(differing, near, "date", "contradicted", words_of_it)


def _negations(claims: pl.Series, near: pl.DataFrame) -> pl.DataFrame:
    """The claim's words with a negation, or an opposite, on one side alone; no other sentence agrees."""
    in_claim = pl.lit(claims).gather(pl.col("row"))
    agreeing = near.filter(~pl.col("turned")).group_by("row").agg(agreed=pl.col("share").max())
    turned = (
        near.filter(
            pl.col("turned")
            & (pl.col("share") >= LEAST_NEGATION_SHARE)
            & (pl.col("shared") >= 2)
            # A negation of the claim whose word the sentence lacks might cancel the other.
            & (pl.col("negated") == pl.col("negated_shared"))
            # As many negations on either side belong to other words: "no air" and "no clean air".
            & (pl.col("is_opposite") | (pl.col("negations") != pl.col("negations_claim")))
            & ~in_claim.str.contains(_COMPARED)
            # Unless the claim supposes as much: "if you leave, it is (not) paid out".
            & (~pl.col("sentence").str.contains(_SUPPOSED) | in_claim.str.contains(_SUPPOSED))
        )
        .join(agreeing, on="row", how="left")
        .filter(pl.col("agreed").fill_null(0.0) < pl.col("share"))
        .unique("row", keep="first", maintain_order=True)
    )
    side = pl.when("only_evidence").then(pl.lit("evidence")).otherwise(pl.lit("claim"))
    words_of_it = (
        pl.when("is_opposite")
        .then(pl.format("evidence says “{}”, the claim says “{}”", quoted("word"), quoted("word_claim")))
        .otherwise(pl.format("only the {} negates “{}”", side, quoted("word_claim")))
    )
    columns = ("row", "at", "word", "word_claim", "only_evidence", "is_opposite")
    return _located(turned.select(columns), near, "negation", "contradicted", words_of_it)


def _records(own: pl.DataFrame, near: pl.DataFrame, of_claims: pl.DataFrame) -> pl.DataFrame:
    """A number that the passage gives for another row, year or product."""
    found = records.misplaced(own, near, of_claims)
    given, claimed = quoted("evidence"), quoted("claim")
    other = pl.format("evidence gives {} for this, and {} for something else", given, claimed)
    unclear = pl.format(
        "evidence gives {} in one case and {} in another, the claim names neither", given, claimed
    )
    by_name = _located(found.filter(~pl.col("is_open")), near, "record", "contradicted", other)
    return pl.concat([by_name, _located(found.filter("is_open"), near, "record", "insufficient", unclear)])


def _names(near: pl.DataFrame, of_claims: pl.DataFrame, of_sentences: pl.DataFrame) -> pl.DataFrame:
    """A name that the passage gives for another row or thing."""
    other = pl.format(
        "evidence gives {} for this, and {} for something else", quoted("evidence"), quoted("claim")
    )
    # Of sentences, and of the clauses of one that holds all of the claim's words.
    found = [
        other_names.misplaced(near, of_claims, of_sentences),
        other_names.in_clauses(near, of_claims),
    ]
    stands_for = pl.format(
        "evidence says this of {}, the claim says it of {}", quoted("evidence"), quoted("claim")
    )
    of_another = other_names.of_another(near, of_claims, of_sentences)
    return pl.concat(
        [
            *(_located(one, near, "name", "contradicted", other) for one in found),
            _located(of_another, near, "name", "insufficient", stands_for),
        ]
    )


def _limits(claims: pl.Series, near: pl.DataFrame) -> pl.DataFrame:
    """A condition that the claim leaves out, or words that only report or suppose what it says."""
    found = limits.limited(claims, near)
    condition = pl.format("the evidence limits this: “{}”", quoted("words"))
    mention = pl.format("the evidence does not say so itself: “{}”", quoted("words"))
    return pl.concat(
        [
            _located(found.filter("is_condition"), near, "condition", "insufficient", condition),
            _located(found.filter(~pl.col("is_condition")), near, "mention", "insufficient", mention),
        ]
    )


def _mentions(
    claims: pl.Series, passages: pl.Series, of_claims: pl.DataFrame, of_sentences: pl.DataFrame
) -> pl.DataFrame:
    found = limits.only_mentioned(claims, passages, of_claims, of_sentences)
    finding = pl.format("the evidence mentions {} and not “{}”", quoted("name"), quoted("word"))
    return _unlocated(found.select("row", finding=finding), "mention")


def _unlocated(found: pl.DataFrame, rule: str) -> pl.DataFrame:
    """`FINDINGS` that rest on no one sentence."""
    blank = {name: pl.lit(None, FINDINGS[name]) for name in ("start", "end", "sentence")}
    return found.select("row", rule=pl.lit(rule), effect=pl.lit("insufficient"), finding="finding", **blank)


def _located(
    found: pl.DataFrame, near: pl.DataFrame, rule: str, effect: str, finding: pl.Expr
) -> pl.DataFrame:
    if not found.height:
        return FINDINGS.to_frame()
    places = near.select("at", "start", "end", sentence="shown")
    return (
        found.join(places, on="at")
        .with_columns(rule=pl.lit(rule), effect=pl.lit(effect), finding=finding)
        .select(pl.col(name).cast(dtype) for name, dtype in FINDINGS.items())
    )


def _languages(claims: pl.Series, passages: pl.Series, reads: Collection[str]) -> pl.DataFrame:
    """Pairs of which either text is in another language, but for claims that stand there word for word."""
    foreign = [_foreign(texts, reads) for texts in (claims, passages)]
    pairs = pl.DataFrame(
        {
            "foreign": foreign[0] | foreign[1],
            "claim": _plain(claims).str.strip_chars_end(".!?。！？ "),
            "passage": _plain(passages),
        }
    ).with_row_index("row")
    is_verbatim = pl.col("passage").str.contains(pl.col("claim"), literal=True)
    unread = pairs.filter(pl.col("foreign") & ~is_verbatim)
    return _unlocated(unread.select("row", finding=pl.lit(UNREADABLE)), LANGUAGE)


def _plain(texts: pl.Series) -> pl.Series:
    return texts.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


_ENGLISH = r"(?i)\b(?:the|of|and|is|was|are|were|for|with|that|this|by|from|has|have|to|as|you|can)\b"
_ENGLISH_WORDS = words.STOP_WORDS | function_words("en") | {"every", "man", "me", "nor", "like"}
CHARACTERS_PER_GRAMMAR_WORD = 72
LEAST_FUNCTION_WORDS = 2
LEAST_FUNCTION_SHARE = 0.15
"""Of a text's words that belong to its language's grammar: a third in prose, a few in a table of names."""


def _foreign(texts: pl.Series, reads: Collection[str]) -> pl.Series:
    """Whether each text is in a language that is not read; a name or two does not tell."""
    distinct = texts.unique().alias("text")
    head = distinct.str.slice(0, SEEN)
    letters, latin = head.str.count_matches(r"\p{L}"), head.str.count_matches(r"\p{Latin}")
    other_script = (2 * latin < letters) & ("en" in reads)
    # One word in twelve of English grammar is English enough, and spares the closer look.
    unclear = head.str.count_matches(_ENGLISH) * CHARACTERS_PER_GRAMMAR_WORD < head.str.len_chars()
    foreign = other_script.to_list()
    for at in (unclear & ~other_script).arg_true():
        foreign[at] = is_foreign(head[at], reads)
    judged = pl.DataFrame({"text": distinct, "foreign": pl.Series(foreign, dtype=pl.Boolean)})
    return texts.to_frame("text").join(judged, on="text", how="left", maintain_order="left")["foreign"]


def is_foreign(text: str, reads: Collection[str]) -> bool:
    """Whether a text's beginning is in a language that is known, and is not one of `reads`."""
    name = language(text)
    if name == UNKNOWN or name in reads:
        return False
    grammar = function_words(name)
    if not grammar:
        return True
    seen = re.findall(r"\w+", text[:SEEN].lower())
    own = [word for word in seen if word in grammar and word not in ("man", "in", "a")]
    english = sum(word in _ENGLISH_WORDS for word in seen if word not in ("in", "a"))
    return (
        len(own) > english
        and len(set(own)) >= LEAST_FUNCTION_WORDS
        and len(own) >= LEAST_FUNCTION_SHARE * len(seen)
    )


def quoted(column: str) -> pl.Expr:
    """Foreign text fit for a finding: one line of bounded length without control characters."""
    line = pl.col(column).str.replace_all(r"\s+", " ").str.replace_all(r"\p{C}", "").str.strip_chars()
    return (
        pl.when(line.str.len_chars() > LONGEST_QUOTE)
        .then(line.str.slice(0, LONGEST_QUOTE - 1) + pl.lit("…"))
        .otherwise(line)
    )
