"""Words, numbers, dates, units, names and negation in texts: one long frame of (row, term) per kind.

Belongs here: finding and normalising terms, so that "ninety-two", "92" and "92.0" are one number. Does not
belong here: comparing a claim with its evidence (`pairs.py`). English word lists; in other languages the
lists match nothing and the counts of words and numbers still work.

Each finder takes texts (n) and returns `row` (UInt32 index into the texts), `term` (normalised), `shown`
(as it stands in the text) and, where the term belongs to something, `key`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

Finder = Callable[[pl.Series], pl.DataFrame]

STOP_WORDS = frozenset(
    [
        "a", "about", "above", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at",
        "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could",
        "did", "do", "does", "doing", "down", "during", "each", "few", "for", "from", "further", "had",
        "has", "have", "having", "he", "her", "here", "hers", "him", "himself", "his", "how", "i", "if",
        "in", "into", "is", "it", "its", "itself", "just", "may", "me", "might", "more", "most", "must",
        "my", "no", "nor", "not", "of", "off", "on", "once", "only", "or", "other", "our", "out", "over",
        "own", "s", "same", "shall", "she", "should", "so", "some", "such", "t", "than", "that", "the",
        "their", "theirs", "them", "then", "there", "these", "they", "this", "those", "through", "to",
        "too", "under", "until", "up", "upon", "us", "very", "was", "we", "were", "what", "when", "where",
        "which", "while", "who", "whom", "why", "will", "with", "within", "would", "you", "your",
    ]
)  # fmt: skip

_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty",
]  # fmt: skip
NUMBER_WORDS = {w: str(i) for i, w in enumerate(_SMALL) if w != "one"} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
    "billion": "1000000000",
    "dozen": "12",
    "twice": "2",
}
"""Without "one", which is mostly a pronoun."""

MONTHS = [
    "january", "february", "march", "april", "june", "july", "august", "september", "october",
    "november", "december",
]  # fmt: skip
"""Without "may", which is mostly a verb."""

UNITS = {
    name: unit
    for unit, names in {
        "percent": "% percent",
        "percentage point": "pp",
        "metre": "m metre metres meter meters",
        "kilometre": "km kilometre kilometres kilometer kilometers",
        "mile": "mile miles mi",
        "foot": "ft foot feet",
        "inch": "inch inches",
        "centimetre": "cm centimetre centimetres centimeter centimeters",
        "millimetre": "mm millimetre millimetres millimeter millimeters",
        "gram": "g gram grams",
        "kilogram": "kg kilogram kilograms",
        "milligram": "mg milligram milligrams",
        "microgram": "mcg µg μg microgram micrograms",
        "tonne": "t ton tons tonne tonnes",
        "pound": "lb lbs pound pounds",
        "litre": "l litre litres liter liters",
        "millilitre": "ml millilitre millilitres milliliter milliliters",
        "second": "s sec second seconds",
        "minute": "min minute minutes",
        "hour": "h hr hour hours",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "year years",
        "degree": "° degrees degree",
        "celsius": "°c celsius",
        "fahrenheit": "°f fahrenheit",
        "watt": "w watt watts",
        "kilowatt": "kw kilowatt kilowatts",
        "megawatt": "mw megawatt megawatts",
        "dollar": "dollar dollars",
        "euro": "euro euros",
        "thousand": "thousand",
        "million": "million",
        "billion": "billion",
        "trillion": "trillion",
    }.items()
    for name in names.split()
}

_WORD = r"[\p{L}\p{N}]+(?:['’.\-][\p{L}\p{N}]+)*"
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_NEGATION = (
    r"(?i)\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|fail(?:s|ed)? to|unable|"
    r"refus(?:e|es|ed) to|\w+n['’]t)\b"
)
_SUFFIX = r"(?:ingly|edly|ing|ed|ies|es|s|ly|e)$"
_SHORTEST_STEM = 4


def _found(texts: pl.Series, pattern: str) -> pl.DataFrame:
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
    return _found(texts, _WORD).with_columns(term=_plain(pl.col("shown")))


def _plain(word: pl.Expr) -> pl.Expr:
    return word.str.to_lowercase().str.replace(r"['’]s$", "")


def _stem(word: pl.Expr) -> pl.Expr:
    short = word.str.replace(_SUFFIX, "")
    return pl.when(short.str.len_chars() >= _SHORTEST_STEM).then(short).otherwise(word)


def content_stems(texts: pl.Series) -> pl.DataFrame:
    """Words that carry content, cut to a crude stem; numbers as `numbers` writes them."""
    stop = pl.Series(sorted(STOP_WORDS), dtype=pl.String)
    return (
        tokens(texts)
        .filter(~pl.col("term").is_in(stop.implode()))
        .with_columns(term=_stem(pl.col("term").replace(list(NUMBER_WORDS), list(NUMBER_WORDS.values()))))
    )


def bigrams(texts: pl.Series) -> pl.DataFrame:
    """Adjacent pairs of content stems."""
    found = content_stems(texts)
    return found.select(
        "row",
        (pl.col("term") + " " + pl.col("term").shift(-1).over("row")).alias("term"),
    ).drop_nulls()


def _value(shown: pl.Expr) -> pl.Expr:
    """Digits without thousands separators and trailing zeros; number words as digits."""
    plain = (
        shown.str.to_lowercase()
        .str.replace_all(",", "")
        .str.replace(r"(\.\d*?)0+$", "${1}")
        .str.strip_chars_end(".")
    )
    return plain.replace(list(NUMBER_WORDS), list(NUMBER_WORDS.values()))


_NUMBER_WORD = r"(?i:\b(?:" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + r")\b)"


def numbers(texts: pl.Series) -> pl.DataFrame:
    """Numbers in digits or small words: `term` is the value as digits."""
    return _found(texts, rf"{_NUMBER}|{_NUMBER_WORD}").with_columns(term=_value(pl.col("shown")))


def counted(texts: pl.Series) -> pl.DataFrame:
    """Numbers with the word that follows: `term` the value, `key` the stem of what is counted."""
    return (
        _found(texts, rf"(?:{_NUMBER}|{_NUMBER_WORD})\s+\p{{L}}{{3,}}")
        .with_columns(
            term=_value(pl.col("shown").str.extract(r"^(\S+)")),
            key=_stem(_plain(pl.col("shown").str.extract(r"(\p{L}+)$"))),
        )
        .filter(~pl.col("key").is_in(pl.Series(sorted(STOP_WORDS)).implode()))
    )


_UNIT = "|".join(sorted((n.replace("%", "%") for n in UNITS), key=len, reverse=True))


def measured(texts: pl.Series) -> pl.DataFrame:
    """Numbers with a unit: `term` the unit's one name, `key` the value."""
    return (
        _found(texts, rf"{_NUMBER}[\s\-]?(?i:{_UNIT})(?:\b|$|\s)")
        .select(
            "row",
            pl.col("shown").str.strip_chars(),
            term=pl.col("shown")
            .str.extract(rf"(?i)[\d\s\-]({_UNIT})\s?$")
            .str.to_lowercase()
            .replace(list(UNITS), list(UNITS.values())),
            key=_value(pl.col("shown").str.extract(rf"^({_NUMBER})")),
        )
        .drop_nulls("term")
    )


def measures(texts: pl.Series) -> pl.DataFrame:
    """`measured`, under the name that says it is what the evidence mentions."""
    return measured(texts)


def years(texts: pl.Series) -> pl.DataFrame:
    """Years from 1000 to 2099 that stand alone."""
    return _found(texts, r"\b(?:1\d{3}|20\d{2})s?\b").with_columns(term=pl.col("shown"))


def months(texts: pl.Series) -> pl.DataFrame:
    """Months written out."""
    return _found(texts, r"\b(?i:" + "|".join(MONTHS) + r")\b").with_columns(
        term=pl.col("shown").str.to_lowercase()
    )


def names(texts: pl.Series) -> pl.DataFrame:
    """Capitalised words that are no function words, without a lone one that opens a sentence."""
    found = tokens(texts).with_columns(
        opens=pl.int_range(pl.len()).over("row") == 0,
        capital=pl.col("shown").str.contains(r"^\p{Lu}"),
        next_capital=pl.col("shown").str.contains(r"^\p{Lu}").shift(-1).over("row").fill_null(value=False),
    )
    stop = pl.Series(sorted(STOP_WORDS | set(MONTHS)), dtype=pl.String)
    return found.filter(
        pl.col("capital")
        & (pl.col("term").str.len_chars() > 1)
        & ~pl.col("term").is_in(stop.implode())
        & (~pl.col("opens") | pl.col("next_capital"))
    ).select("row", "term", pl.col("shown").str.replace(r"['’]s$", ""))


def is_negated(texts: pl.Series) -> pl.Series:
    """Whether an odd number of negations stands in each text; two cancel each other."""
    return texts.str.count_matches(_NEGATION).fill_null(0) % 2 == 1


def token_counts(texts: pl.Series) -> np.ndarray:
    """(n,) int64 number of words and numbers in each text."""
    return np.asarray(texts.str.count_matches(_WORD).fill_null(0).cast(pl.Int64).to_numpy())
