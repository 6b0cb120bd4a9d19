"""The sentences of a passage that are about a claim, word by word, with what is negated in them.

Belongs here: cutting, choosing by shared words, and the polarity of each word. Does not belong here: what
follows from them (`rules.py`).
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import polars as pl

from tasks.text import quantities, rows, words

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
    r"(?i)\brefus(?:e|es|ed) to\b": "not", r"(?i)\bunable to\b": "not",
    r"(?i)\b(?:is|was|are|were|be) impossible (?:for \p{L}+ )?to\b": "not", r"(?i)\bno one\b": "nobody",
    r"(?i)\bneed(?:s)? not\b": "not need", r"(?i)\bfree of\b": "without",
    r"(?i)\bnon[-‐](\p{L}{4,})": "not $1",
    # French and Italian articles and "ne" that lost their vowel: "n'est" is "est".
    r"(?i)\b(?:n|l|d|qu|dell|all|nell|dall)['’](\p{L})": "$1",
}  # fmt: skip
_OPPOSITES = """
permit: permit permits permitted allow allows allowed / prohibit prohibits prohibited forbid forbids forbidden
ban bans banned disallow disallows disallowed disallowed
include: include includes included including / exclude excludes excluded excluding omit omits omitted
available: available / unavailable
possible: possible / impossible
legal: legal lawful / illegal unlawful
safe: safe / unsafe dangerous
require: required mandatory compulsory obligatory / optional voluntary
accept: accept accepts accepted approve approves approved / reject rejects rejected refuse refuses refused
decline declines declined disapproves disapproved
increase: increase increases increased increasing rise rises rose risen rising grew grow grows growing /
decrease decreases decreased decreasing fall falls fell fallen falling decline drop drops dropped shrank
enable: enable enables enabled / disable disables disabled
support: support supports supported supporting / unsupported
open: open opens opened / closed
always: always / never
alive: alive / dead
win: win wins won gain gains gained / lose loses lost
pass: pass passes passed succeed succeeds succeeded / fail fails failed
early: early earlier earliest / late later latest
high: high higher highest / low lower lowest
large: large larger largest big bigger biggest / small smaller smallest
long: long longer longest / short shorter shortest
hot: hot hotter hottest warm warmer warmest / cold colder coldest cool cooler coolest
best: best / worst
better: better / worse
maximum: maximum / minimum
most: majority / minority
start: start starts started begin begins began begun / end ends ended stop stops stopped
cheap: cheap cheaper cheapest / expensive costly
guilty: guilty / innocent
"""


def _opposites() -> dict[str, tuple[str, bool]]:
    result: dict[str, tuple[str, bool]] = {}
    # A line without a name goes on from the one before.
    for entry in re.sub(r"\n(?=[^:\n]*(?:\n|$))", " ", _OPPOSITES.strip()).splitlines():
        name, _, body = entry.partition(":")
        same, _, other = body.partition("/")
        result |= dict.fromkeys(same.split(), (f"={name}", False))
        result |= dict.fromkeys(other.split(), (f"={name}", True))
    return result


OPPOSITES = _opposites()
"""Word → (what it is about, whether it says the opposite)."""
_LISTED = sorted(NEGATORS)
_PREFIXED = (
    r"^(?:un|non)(\p{L}{4,})$|"
    r"^in(accessible|accurate|active|adequate|admissible|applicable|appropriate|audible|capable|compatible|"
    r"complete|consistent|correct|dependent|direct|effective|efficient|eligible|experienced|flexible|formal|"
    r"frequent|operative|secure|significant|sufficient|tolerant|valid|visible|voluntary)$|"
    r"^im(mature|moral|mortal|movable|mutable|partial|patient|perfect|permeable|practical|precise|probable|"
    r"proper|pure)$|^ir(rational|regular|relevant|replaceable|responsible|reversible)$|"
    r"^il(legible|literate|logical)$|^dis((?:agree|allow|appear|approve|connect|continue|like|obey|prove|"
    r"qualify|trust)(?:s|d|ed)?|qualified|abled|honest|satisfied|similar)$"
)
"""Words that deny what they hold: "ineligible" is about being eligible."""
_IRREGULAR = {
    form: base
    for entry in "pay paid; send sent; sell sold; buy bought; make made; give gave given; "
    "take took taken; "
    "write wrote written; build built; find found; lose lost; leave left; keep kept; hold held; "
    "uphold upheld; lead led; meet met; speak spoke spoken; spend spent; begin began begun; "
    "become became; grow grew grown; "
    "rise rose risen; fall fell fallen; choose chose chosen; wear wore worn; bear bore borne; "
    "run ran; swim swam; teach taught; catch caught; bring brought; think thought; go went gone; "
    "child children; man men; woman women; person people persons; foot feet; life lives".split("; ")
    for base, *forms in [entry.split()]
    for form in forms
}
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


def said(texts: pl.Series) -> pl.DataFrame:
    """`sentences` with `said`, what each says by itself: a row of a table with the names of its columns."""
    texts = texts.cast(pl.String).fill_null("")
    told = rows.told(texts)
    changed = (told != texts).arg_true()
    cut = sentences(told)
    if not len(changed):
        return cut.with_columns(said="sentence")
    is_told = pl.col("row").is_in(changed.implode())
    places = [
        place
        for (row,), part in cut.filter(is_told).group_by("row", maintain_order=True)
        for place in _in_text(int(row), texts[int(row)], told[int(row)], part)
    ]
    found = pl.DataFrame(places, schema={**cut.schema, "said": pl.String}, orient="row")
    rest = cut.filter(~is_told).with_columns(said="sentence")
    return pl.concat([rest, found]).sort("row", maintain_order=True)


def _in_text(row: int, text: str, told: str, part: pl.DataFrame) -> Iterator[tuple[int, int, int, str, str]]:
    """Where each sentence of what was told stands in the text: itself, or the row that it was told from."""
    lines = text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    of_told = list(accumulate((len(line) + 1 for line in told.split("\n")), initial=0))
    for start, said in part.select("start", "sentence").iter_rows():
        at = bisect_right(of_told, start) - 1
        within = lines[at].find(said)
        whole = lines[at].strip()
        first = starts[at] + (within if within >= 0 else lines[at].find(whole))
        sentence = said if within >= 0 else whole
        yield row, first, first + len(sentence), sentence, said


def terms(texts: pl.Series) -> pl.DataFrame:
    """`row`, `place`, `shown`, `term`, `is_negated`: words that carry content, without numbers.

    `term` is a stem, or what a word and its opposite are about. `is_negated` says whether the text turns it
    round: a negation before it, or the opposite word, but not both.
    """
    text = texts.cast(pl.String).str.replace_all(_APART, " $1 ").str.replace_all(_NOT_NEGATING, " ")
    for pattern, spelled in _SPELLED.items():
        text = text.str.replace_all(pattern, spelled)
    is_negator = pl.col("term").is_in(_LISTED) | pl.col("term").str.contains(r"n['’]t$")
    is_content = (
        ~is_negator
        & ~pl.col("term").is_in(_STOPS)
        & ~pl.col("term").str.contains(r"^\d|'(?:s|re|ve|ll|d|m)$")
        & ~(pl.col("term").str.ends_with("ly") & (pl.col("term").str.len_chars() > 4))
    )
    word = pl.col("term")
    held = pl.concat_list(word.str.extract(_PREFIXED, group) for group in range(1, 7)).list.drop_nulls()
    # "30 days" is a quantity and no word of the clause.
    before = pl.col("term").shift(1).over("row").fill_null("")
    is_unit = pl.col("term").is_in(_UNITS) & (before.str.contains(r"^\d") | before.is_in(_NUMBERS))
    names = list(OPPOSITES)
    about = _about("term")
    turned = pl.col("term").replace_strict(names, [b for _, b in OPPOSITES.values()], default=False,
                                           return_dtype=pl.Boolean)  # fmt: skip
    return (
        words.tokens(text)
        .with_columns(place=pl.int_range(pl.len()).over("row"), negations=is_negator.cum_sum().over("row"))
        .with_columns(all=pl.col("negations").max().over("row"))
        .filter(is_content & ~is_unit)
        .with_columns(held=held.list.first(), is_last=pl.int_range(pl.len(), 0, -1).over("row") == 1)
        .with_columns(
            before=pl.col("negations") - pl.col("negations").shift(1).over("row").fill_null(0),
            # "Die Bank erstattet die Gebühr nicht": what stands behind all words is about the last.
            behind=pl.when("is_last").then(pl.col("all") - pl.col("negations")).otherwise(0),
            is_opposite=turned != pl.col("held").is_not_null(),
            term=pl.coalesce(about, _about("held"), _root(pl.coalesce("held", "term"))),
        )
        .with_columns(by_negator=(pl.col("before") + pl.col("behind")) % 2 == 1)
        .select(
            "row",
            "place",
            "shown",
            "term",
            is_negated=pl.col("by_negator") != pl.col("is_opposite"),
            by_negator="by_negator",
        )
    )


def _about(word: str) -> pl.Expr:
    """What a word and its opposite are about; null for other words."""
    listed = [about for about, _ in OPPOSITES.values()]
    return pl.col(word).replace_strict(list(OPPOSITES), listed, default=None, return_dtype=pl.String)


def _root(word: pl.Expr) -> pl.Expr:
    """What forms of a word have in common, where the stem is too short to be cut: "runs", "fixes"."""
    base = word.replace(_IRREGULAR)
    short = base.str.replace(r"^(\p{L}+(?:x|sh|ch|ss))es$", "${1}").str.replace(
        r"^(\p{L}{2,}[^sui])s$", "${1}"
    )
    stem = words.stem(short)
    # "submitted", "planning": the letter that is doubled before an ending.
    doubled = stem.str.contains(r"(?:bb|dd|gg|ll|mm|nn|pp|rr|tt)$") & (stem.str.len_chars() > 4)
    return pl.when(doubled).then(stem.str.head(-1)).otherwise(stem)


def nearest(claims: pl.Series, passages: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(sentences, terms of claims, terms of sentences) of n pairs.

    Sentences: `at`, `row`, `start`, `end`, `shown` as the passage has it, `sentence` as it is read, `share`
    of the claim's distinct terms, `shared` and
    `count` of them, `turned`: whether claim and sentence say them the other way round; the KEPT best of each
    row, best first, none below LEAST_SHARE. Terms of all sentences have `at` and the pair's `row`.
    """
    all_of_claims = terms(claims)
    of_claims = _distinct(all_of_claims)
    # "It is not possible, so if you change your mind ...": the condition is of what follows.
    marked = passages.cast(pl.String).str.replace_all(_NEW_SUPPOSITION, "$1\n$2")
    cut = said(marked).rename({"sentence": "shown", "said": "sentence"}).with_row_index("at")
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
