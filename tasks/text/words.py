"""Words, numbers, dates, units, names and negation in texts: one long frame of (row, term) per kind.

Terms are normalised, so that "twelve", "12" and "12.0" are one number. Word lists are English; in other
languages they match nothing and the counts of words and numbers still work.

Each finder takes texts (n) and returns `row` (UInt32 index into the texts), `term` (normalised), `shown`
(as the text has it) and, where the term belongs to something, `key`.
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

Finder = Callable[[pl.Series], pl.DataFrame]

STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below between
    both but by can could did do does doing down during each few for from further had has have having he her
    here hers him himself his how i if in into is it its itself just may me might more most must my no nor
    not of off on once only or other our out over own s same shall she should so some such t than that the
    their theirs them then there these they this those through to too under until up upon us very was we were
    what when where which while who whom why will with within would you your
    """.split()
)
_SMALL_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
NUMBER_WORDS = {word: str(number) for number, word in enumerate(_SMALL_NUMBERS.split()) if word != "one"} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80",
    "ninety": "90", "hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000",
    "dozen": "12", "twice": "2",
}  # fmt: skip
"""Without "one", which is mostly a pronoun."""

MONTHS = "january february march april june july august september october november december".split()
"""Without "may", which is mostly a verb."""

_UNITS = """
% percent; pp; m metre metres meter meters; km kilometre kilometres kilometer kilometers; mile miles mi;
ft foot feet; inch inches; cm centimetre centimetres centimeter centimeters;
mm millimetre millimetres millimeter millimeters; g gram grams; kg kilogram kilograms;
mg milligram milligrams; mcg µg μg microgram micrograms; t ton tons tonne tonnes; lb lbs pound pounds;
l litre litres liter liters;
ml millilitre millilitres milliliter milliliters; s sec second seconds; min minute minutes; h hr hour hours;
day days; week weeks; month months; year years; ° degrees degree; °c celsius; °f fahrenheit; w watt watts;
kw kilowatt kilowatts; mw megawatt megawatts; dollar dollars; euro euros; thousand; million; billion; trillion
"""
UNITS = {name: names.split()[0] for names in _UNITS.split(";") for name in names.split()}
"""Every name of a unit, and the first one of the same unit."""

_WORD = r"[\p{L}\p{N}]+(?:['’.\-][\p{L}\p{N}]+)*"
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_NEGATION = (
    r"(?i)\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|fail(?:s|ed)? to|unable|"
    r"refus(?:e|es|ed) to|\w+n['’]t)\b"
)
SENTENCE_END = r"([.!?。！？]+[\"'”’)\]]*)\s"
"""Quick and the same for every language; claims are cut by `sentences.py`, with more care."""
_SUFFIX = r"(?:ingly|edly|ing|ed|ies|es|s|ly|e)$"
_SHORTEST_STEM = 4
_IS_STOP_WORD = pl.col("term").is_in(sorted(STOP_WORDS))


def _matches(texts: pl.Series, pattern: str) -> pl.DataFrame:
    """`row`, `shown`: every match of the pattern, in order."""
    return (
        pl.DataFrame({"shown": texts.cast(pl.String)})
        .with_row_index("row")
        .with_columns(pl.col("shown").str.extract_all(pattern))
        .explode("shown", empty_as_null=True)
        .drop_nulls("shown")
    )


def tokens(texts: pl.Series) -> pl.DataFrame:
    """Every word, lower-cased, without a possessive."""
    return _matches(texts, _WORD).with_columns(term=_plain(pl.col("shown")))


def _plain(word: pl.Expr) -> pl.Expr:
    return word.str.to_lowercase().str.replace(r"['’]s$", "")


def _stem(word: pl.Expr) -> pl.Expr:
    short = word.str.replace(_SUFFIX, "")
    return pl.when(short.str.len_chars() >= _SHORTEST_STEM).then(short).otherwise(word)


def content_stems(texts: pl.Series) -> pl.DataFrame:
    """Words that carry content, cut to a crude stem; numbers as `numbers` writes them."""
    digits = pl.col("term").replace(NUMBER_WORDS)
    return tokens(texts).filter(~_IS_STOP_WORD).with_columns(term=_stem(digits))


def bigrams(texts: pl.Series) -> pl.DataFrame:
    """Adjacent pairs of content stems."""
    pair = pl.col("term") + " " + pl.col("term").shift(-1).over("row")
    return content_stems(texts).select("row", term=pair).drop_nulls()


def _value(shown: pl.Expr) -> pl.Expr:
    """Digits without thousands separators and trailing zeros; number words as digits."""
    plain = (
        shown.str.to_lowercase()
        .str.replace_all(",", "")
        .str.replace(r"(\.\d*?)0+$", "${1}")
        .str.strip_chars_end(".")
    )
    return plain.replace(NUMBER_WORDS)


_NUMBER_WORD = r"(?i:\b(?:" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + r")\b)"


def numbers(texts: pl.Series) -> pl.DataFrame:
    """Numbers in digits or small words: `term` is the value as digits."""
    return _matches(texts, rf"{_NUMBER}|{_NUMBER_WORD}").with_columns(term=_value(pl.col("shown")))


def counted(texts: pl.Series) -> pl.DataFrame:
    """Numbers with the word that follows: `term` the value, `key` the stem of what is counted."""
    return (
        _matches(texts, rf"(?:{_NUMBER}|{_NUMBER_WORD})\s+\p{{L}}{{3,}}")
        .with_columns(
            term=_value(pl.col("shown").str.extract(r"^(\S+)")),
            key=_stem(_plain(pl.col("shown").str.extract(r"(\p{L}+)$"))),
        )
        .filter(~pl.col("key").is_in(sorted(STOP_WORDS)))
    )


_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))


def measured(texts: pl.Series) -> pl.DataFrame:
    """Numbers with a unit: `term` the unit's one name, `key` the value."""
    return (
        _matches(texts, rf"{_NUMBER}[\s\-]?(?i:{_UNIT})(?:\b|$|\s)")
        .select(
            "row",
            pl.col("shown").str.strip_chars(),
            term=pl.col("shown").str.extract(rf"(?i)[\d\s\-]({_UNIT})\s?$").str.to_lowercase().replace(UNITS),
            key=_value(pl.col("shown").str.extract(rf"^({_NUMBER})")),
        )
        .drop_nulls("term")
    )


def years(texts: pl.Series) -> pl.DataFrame:
    """Years from 1000 to 2099 that stand alone."""
    return _matches(texts, r"\b(?:1\d{3}|20\d{2})s?\b").with_columns(term=pl.col("shown"))


def months(texts: pl.Series) -> pl.DataFrame:
    """Months written out."""
    return _matches(texts, r"\b(?i:" + "|".join(MONTHS) + r")\b").with_columns(
        term=pl.col("shown").str.to_lowercase()
    )


def names(texts: pl.Series) -> pl.DataFrame:
    """Capitalised words that are no function words, without a lone one that opens a sentence."""
    is_capital = pl.col("shown").str.contains(r"^\p{Lu}")
    is_first = pl.int_range(pl.len()).over("row") == 0
    is_before_capital = is_capital.shift(-1).over("row").fill_null(value=False)
    return (
        tokens(texts)
        .filter(
            is_capital
            & (pl.col("term").str.len_chars() > 1)
            & ~_IS_STOP_WORD
            & ~pl.col("term").is_in(MONTHS)
            & (~is_first | is_before_capital)
        )
        .select("row", "term", pl.col("shown").str.replace(r"['’]s$", ""))
    )


def is_negated(texts: pl.Expr) -> pl.Expr:
    """Whether each text has an odd number of negations; two cancel each other."""
    return texts.str.count_matches(_NEGATION).fill_null(0) % 2 == 1


def token_counts(texts: pl.Series) -> np.ndarray:
    """(n,) int64 number of words and numbers in each text."""
    return np.asarray(texts.str.count_matches(_WORD).fill_null(0).cast(pl.Int64).to_numpy())
