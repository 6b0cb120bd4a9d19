"""The sentences of a passage that are about a claim, word by word, with what is negated in them.

Belongs here: cutting, choosing by shared words, and the polarity of each word. Does not belong here: what
follows from them (`rules.py`).
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import polars as pl

from tasks.text import polarity, quantities, rows, words

KEPT = 12
"""Sentences of a passage that are compared with a claim: a fact, its restatements, records beside it."""
LEAST_SHARE = 0.25
"""Of the claim's words; a sentence with fewer is about something else."""

SUBJECT = 3
"""Words at the head of a sentence that a pronoun at the head of the next may stand for."""
_PRONOUN = r"^(?:It|They|He|She)\b"
_EXPLETIVE = (
    r"^It (?:(?:is |was )?(?:rain|snow|freez|thaw)\p{L}*|seem\p{L}*|appear\p{L}*|turn\p{L}* out|took|takes|"
    r"(?:is|was|has been|will be) (?:\p{L}+ ){1,2}(?:that|to|if|whether)\b)"
)
"""Sentences whose "It" stands for nothing: "It rains", "It is likely that"."""
_DEGREES = r"(?i)°\s?[cf]\b"
_TITLE = r"\b((?:Dr|Mr|Mrs|Ms|Prof|St)\.)[ ]"
_NO_END = "\x01"
"""Stands for the blank after a title while sentences are cut."""
_APART = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])"
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
        .with_columns(
            pl.col("sentence")
            .str.replace_all(_TITLE, f"${{1}}{_NO_END}")
            .str.replace_all(words.SENTENCE_END, "${1}\n")
            .str.split("\n")
        )
        .explode("sentence", empty_as_null=True)
        .with_columns(pl.col("sentence").str.replace_all(_NO_END, " ", literal=True))
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
    text = pl.col("text").str.replace_all(_APART, " $1 ").str.replace_all(_DEGREES, " ")
    text = text.str.replace_all(polarity.NOT_NEGATING, " ")
    for pattern, spelled in polarity.SPELLED.items():
        text = text.str.replace_all(pattern, spelled)
    # One expression: a collect for each pattern costs more than the patterns do.
    spelled_out = quantities.with_shares(texts.cast(pl.String)).to_frame("text").select(text)["text"]
    is_negator = pl.col("term").is_in(polarity.LISTED) | pl.col("term").str.contains(r"n['’]t$")
    is_content = (
        ~is_negator
        & ~pl.col("term").is_in(_STOPS)
        & ~pl.col("term").str.contains(r"^\d|'(?:s|re|ve|ll|d|m)$")
        & ~(pl.col("term").str.ends_with("ly") & (pl.col("term").str.len_chars() > 4))
    )
    word = pl.col("term")
    held = pl.concat_list(
        word.str.extract(polarity.PREFIXED, group) for group in range(1, 7)
    ).list.drop_nulls()
    # "30 days" is a quantity and no word of the clause.
    before = pl.col("term").shift(1).over("row").fill_null("")
    is_unit = pl.col("term").is_in(_UNITS) & (before.str.contains(r"^\d") | before.is_in(_NUMBERS))
    names = list(polarity.OPPOSITES)
    about = _about("term")
    turned = pl.col("term").replace_strict(names, [b for _, b in polarity.OPPOSITES.values()], default=False,
                                           return_dtype=pl.Boolean)  # fmt: skip
    return (
        words.tokens(spelled_out)
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
    listed = [about for about, _ in polarity.OPPOSITES.values()]
    return pl.col(word).replace_strict(list(polarity.OPPOSITES), listed, default=None, return_dtype=pl.String)


def _root(word: pl.Expr) -> pl.Expr:
    """What forms of a word have in common, where the stem is too short to be cut: "runs", "fixes"."""
    base = word.replace(polarity.IRREGULAR)
    short = base.str.replace(r"^(\p{L}+(?:x|sh|ch|ss))es$", "${1}").str.replace(
        r"^(\p{L}{2,}[^sui])s$", "${1}"
    )
    # "Denied" and "denies" are of "deny".
    stem = words.stem(short.str.replace(r"^(\p{L}{2,}[^aeiou\P{L}])ie[ds]$", "${1}y"))
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
    marked = passages.cast(pl.String).str.replace_all(polarity.NEW_SUPPOSITION, "$1\n$2")
    cut = said(marked).rename({"sentence": "shown", "said": "sentence"}).with_row_index("at")
    of_sentences = terms(cut["sentence"])
    is_turned = pl.col("is_negated") != pl.col("is_negated_claim")
    shared = (
        pl.concat([_distinct(of_sentences).rename({"row": "at"}), _meant(cut, of_sentences, of_claims)])
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
    kept = pl.concat([kept, _rows_beside(claims, cut, kept)]).sort("row", maintain_order=True)
    by_pair = of_sentences.rename({"row": "at"}).join(cut.select("at", "row"), on="at")
    return kept, of_claims, by_pair


def _rows_beside(claims: pl.Series, cut: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Rows of tables and lists that give a number of the claim and share no word with it, as `kept` has them.

    Only where another row is about the claim: which of them a number belongs to is told by the names.
    """
    is_row = pl.col("sentence").str.contains(rows.ANY_ROW)
    asked = kept.filter(is_row).select("row").unique()
    if not asked.height:
        return kept.clear()
    numbers = words.matches(claims, r"\d[\d.,:]*\d|\d").join(asked, on="row", how="semi")
    beside = (
        cut.join(asked, on="row", how="semi")
        .filter(is_row)
        .join(kept, on="at", how="anti")
        .join(numbers.select("row", number="shown").unique(), on="row")
        .filter(pl.col("sentence").str.contains(pl.col("number"), literal=True))
        .unique("at", maintain_order=True)
        .filter(pl.int_range(pl.len()).over("row") < KEPT)
    )
    of_claim = kept.unique("row").select("row", "count", "negated", "negations_claim")
    return (
        pl.concat([kept.clear(), beside.join(of_claim, on="row").drop("number")], how="diagonal")
        .with_columns(
            pl.col("shared", "negations", "negated_shared", "share").fill_null(0),
            pl.col("turned").fill_null(value=False),
        )
        .select(kept.columns)
    )


def _meant(cut: pl.DataFrame, of_sentences: pl.DataFrame, of_claims: pl.DataFrame) -> pl.DataFrame:
    """Terms, as `_distinct` gives them by `at`, that "It" and "They" at the head of a sentence stand for.

    The first words of the sentence before, which mostly are its subject, and which the sentence lacks itself;
    said both ways, because they say nothing of what the sentence says of them.
    """
    led = cut.filter(
        pl.col("sentence").str.contains(_PRONOUN)
        & ~pl.col("sentence").str.contains(_EXPLETIVE)
        & (pl.col("row").shift(1) == pl.col("row"))
        & ~pl.col("sentence").shift(1).str.contains(_PRONOUN)
    ).select("at", "row", before=pl.col("at") - 1)
    # A sentence that says nothing of the claim's by itself is about something else.
    own = of_sentences.rename({"row": "at"}).join(led, on="at").join(of_claims, on=["row", "term"])
    led = led.join(own, on="at", how="semi").drop("row")
    first = (
        of_sentences.rename({"row": "before"})
        .join(led, on="before")
        .sort("at", "place")
        .filter(pl.int_range(pl.len()).over("at") < SUBJECT)
    )
    return (
        _distinct(first.drop("before").rename({"at": "row"}))
        .rename({"row": "at"})
        .join(of_sentences.select("term", at="row"), on=["at", "term"], how="anti")
        .with_columns(is_both=pl.lit(value=True), by_negator=pl.lit(value=False))
    )


def _distinct(frame: pl.DataFrame) -> pl.DataFrame:
    """A row per (row, term): negated where the term is at its first place; both ways is `is_both`."""
    return frame.group_by("row", "term", maintain_order=True).agg(
        pl.col("is_negated", "by_negator", "shown", "place").first(),
        is_both=pl.col("is_negated").any() & ~pl.col("is_negated").all(),
    )
