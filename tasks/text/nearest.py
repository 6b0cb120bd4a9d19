"""The sentences of a passage that are about a claim, word by word, with what is negated in them.

Belongs here: cutting, choosing by shared words, and the polarity of each word. Does not belong here: what
follows from them (`rules.py`).
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import polars as pl

from tasks.text import quantities, words

KEPT = 12
"""Sentences of a passage that are compared with a claim: a fact, its restatements, records beside it."""
LEAST_SHARE = 0.25
"""Of the claim's words; a sentence with fewer is about something else."""

_APART = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])"
NEGATORS = frozenset(
    "not no never none nobody neither nor cannot without nicht kein keine keinen keiner keinem nie niemals "
    "pas jamais aucun aucune nunca ningún ninguna non mai não nem niet geen nooit не нет ни нельзя nie inte "
    "不 没 沒 未 无 無 لا لم لن ليس غير hardly".split()
)
"""Words that turn a statement round. French "ne" and Polish "się" say nothing alone; "pas" does."""
_NOT_NEGATING = (
    r"(?i)\b(?:not (?:only|just|merely|simply|least|until|unless|necessarily|far|so much|yet known|clear)|"
    r"no (?:more|less|later|earlier|fewer|sooner|greater|doubt|matter|one knows)|why not|or not|if not|"
    r"not really|none but|no but|whether or not|nor is|almost no|nicht nur|"
    r"non solo|non seulement|no sólo|no solo|não só|no\.\s?\d)\b"
)
_NEW_SUPPOSITION = r"([,;])\s((?:and|so|but|or)\s(?:if|unless|once|when)\b)"
_SPELLED = {
    r"(?i)\bno longer\b": "not", r"(?i)\bcan ?not\b": "cannot", r"(?i)\bfail(?:s|ed)? to\b": "not",
    r"(?i)\brefus(?:e|es|ed) to\b": "not", r"(?i)\bunable to\b": "not", r"(?i)\bno one\b": "nobody",
    r"(?i)\bneed(?:s)? not\b": "not need", r"(?i)\bfree of\b": "without",
    # French and Italian articles and "ne" that lost their vowel: "n'est" is "est".
    r"(?i)\b(?:n|l|d|qu|dell|all|nell|dall)['’](\p{L})": "$1",
}  # fmt: skip
_OPPOSITES = """
permit: permit permits permitted allow allows allowed / prohibit prohibits prohibited forbid forbids forbidden
ban bans banned disallow disallows disallowed disallowed
include: include includes included including / exclude excludes excluded excluding omit omits omitted
available: available / unavailable
possible: possible / impossible
valid: valid / invalid
legal: legal lawful / illegal unlawful
safe: safe / unsafe dangerous
require: required mandatory compulsory obligatory / optional voluntary
able: able / unable
accept: accept accepts accepted / reject rejects rejected refuse refuses refused decline declines declined
increase: increase increases increased increasing rise rises rose risen rising grew grow grows growing /
decrease decreases decreased decreasing fall falls fell fallen falling decline drop drops dropped shrank
enable: enable enables enabled / disable disables disabled
support: supported / unsupported
open: open opens opened / closed
always: always / never
approve: approve approves approved / disapprove disapproved
agree: agree agrees agreed / disagree disagrees disagreed
like: likely / unlikely
effective: effective / ineffective
reliable: reliable / unreliable
suitable: suitable / unsuitable
complete: complete / incomplete
refundable: refundable / nonrefundable non-refundable
necessary: necessary / unnecessary
successful: successful / unsuccessful
married: married / unmarried
alive: alive / dead
win: win wins won / lose loses lost
"""


def _opposites() -> dict[str, tuple[str, bool]]:
    result: dict[str, tuple[str, bool]] = {}
    for entry in _OPPOSITES.replace("/\n", "/ ").strip().splitlines():
        name, _, body = entry.partition(":")
        same, _, other = body.partition("/")
        result |= dict.fromkeys(same.split(), (f"={name}", False))
        result |= dict.fromkeys(other.split(), (f"={name}", True))
    return result


OPPOSITES = _opposites()
"""Word → (what it is about, whether it says the opposite)."""
_LISTED = sorted(NEGATORS)
_UNITS = sorted({*quantities.UNITS, *(f"{name}s" for name in quantities.UNITS)})
_NUMBERS = sorted({*words.NUMBER_WORDS, "one"})
_STOPS = sorted(
    words.STOP_WORDS | set(words.NUMBER_WORDS) | set("one still yet already now today ever even".split())
)


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


def terms(texts: pl.Series) -> pl.DataFrame:
    """`row`, `place`, `shown`, `term`, `is_negated`: words that carry content, without numbers.

    `term` is a stem, or what a word and its opposite are about. `is_negated` says whether the text turns it
    round: a negation before it, or the opposite word, but not both.
    """
    text = texts.cast(pl.String).str.replace_all(_APART, " $1 ").str.replace_all(_NOT_NEGATING, " ")
    for pattern, word in _SPELLED.items():
        text = text.str.replace_all(pattern, word)
    is_negator = pl.col("term").is_in(_LISTED) | pl.col("term").str.contains(r"n['’]t$")
    is_content = (
        ~is_negator
        & ~pl.col("term").is_in(_STOPS)
        & ~pl.col("term").str.contains(r"^\d|'(?:s|re|ve|ll|d|m)$")
        & ~(pl.col("term").str.ends_with("ly") & (pl.col("term").str.len_chars() > 4))
    )
    # "30 days" is a quantity and no word of the clause.
    before = pl.col("term").shift(1).over("row").fill_null("")
    is_unit = pl.col("term").is_in(_UNITS) & (before.str.contains(r"^\d") | before.is_in(_NUMBERS))
    names = list(OPPOSITES)
    about = pl.col("term").replace_strict(names, [a for a, _ in OPPOSITES.values()], default=None,
                                          return_dtype=pl.String)  # fmt: skip
    turned = pl.col("term").replace_strict(names, [b for _, b in OPPOSITES.values()], default=False,
                                           return_dtype=pl.Boolean)  # fmt: skip
    return (
        words.tokens(text)
        .with_columns(place=pl.int_range(pl.len()).over("row"), negations=is_negator.cum_sum().over("row"))
        .filter(is_content & ~is_unit)
        .with_columns(before=pl.col("negations") - pl.col("negations").shift(1).over("row").fill_null(0))
        .select(
            "row",
            "place",
            "shown",
            term=pl.coalesce(about, words.stem(pl.col("term"))),
            is_negated=(pl.col("before") % 2 == 1) != turned,
            by_negator=pl.col("before") % 2 == 1,
        )
    )


def nearest(claims: pl.Series, passages: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(sentences, terms of claims, terms of sentences) of n pairs.

    Sentences: `at`, `row`, `start`, `end`, `sentence`, `share` of the claim's distinct terms, `shared` and
    `count` of them, `turned`: whether claim and sentence say them the other way round; the KEPT best of each
    row, best first, none below LEAST_SHARE. Terms of all sentences have `at` and the pair's `row`.
    """
    all_of_claims = terms(claims)
    of_claims = _distinct(all_of_claims)
    # "It is not possible, so if you change your mind ...": the condition is of what follows.
    marked = passages.cast(pl.String).str.replace_all(_NEW_SUPPOSITION, "$1\n$2")
    cut = sentences(marked).with_row_index("at")
    of_sentences = terms(cut["sentence"])
    is_turned = pl.col("is_negated") != pl.col("is_negated_claim")
    shared = (
        _distinct(of_sentences)
        .rename({"row": "at"})
        .join(cut.select("at", "row"), on="at")
        .join(of_claims, on=["row", "term"], suffix="_claim")
        # Said both ways in one sentence, it says nothing.
        .with_columns(pl.when("is_both").then("is_negated_claim").otherwise("is_negated").alias("is_negated"))
        .sort("at", "place_claim")
        .group_by("at", maintain_order=True)
        .agg(
            shared=pl.len(),
            turned=is_turned.sum() % 2 == 1,
            word_claim=pl.col("shown_claim").filter(is_turned).first(),
            word=pl.col("shown").filter(is_turned).first(),
            only_evidence=pl.col("by_negator").filter(is_turned).first(),
            is_opposite=(pl.col("by_negator") == pl.col("by_negator_claim")).filter(is_turned).first(),
            negated_shared=pl.col("by_negator_claim").sum(),
        )
    )
    claim_counts = of_claims.group_by("row").agg(count=pl.len(), negated=pl.col("by_negator").sum())
    negations = of_sentences.group_by(at="row").agg(negations=pl.col("by_negator").sum())
    own = all_of_claims.group_by("row").agg(negations_claim=pl.col("by_negator").sum())
    kept = (
        cut.join(shared, on="at")
        .join(claim_counts, on="row")
        .join(negations, on="at")
        .join(own, on="row")
        .with_columns(share=pl.col("shared") / pl.col("count"))
        .filter(pl.col("share") >= LEAST_SHARE)
        .sort("row", "share", "start", descending=[False, True, False])
        .group_by("row", maintain_order=True)
        .head(KEPT)
    )
    by_pair = of_sentences.rename({"row": "at"}).join(cut.select("at", "row"), on="at")
    return kept, of_claims, by_pair


def _distinct(frame: pl.DataFrame) -> pl.DataFrame:
    """A row per (row, term): negated where the term is at its first place; both ways is `is_both`."""
    return frame.group_by("row", "term", maintain_order=True).agg(
        pl.col("is_negated", "by_negator", "shown", "place").first(),
        is_both=pl.col("is_negated").any() & ~pl.col("is_negated").all(),
    )
