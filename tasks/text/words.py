"""Words, numbers, months and names in texts: one long frame of (row, term) per kind.

Terms are normalised, so that "twelve", "12" and "12.0" are one number. Word lists are English; in other
languages they match nothing and the counts of words and numbers still work.

Each finder takes texts (n) and returns `row` (UInt32 index into the texts), `term` (normalised), `shown`
(as the text has it).
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

_WORD = r"[\p{L}\p{N}]+(?:['’.\-][\p{L}\p{N}]+)*"
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
SENTENCE_END = r"([.!?。！？]+[\"'”’)\]]*)\s"
"""Quick and the same for every language; claims are cut by `sentences.py`, with more care."""
_SUFFIX = r"(?:ingly|edly|ing|ed|ies|es|s|ly|e)$"
_SHORTEST_STEM = 4
_IS_STOP_WORD = pl.col("term").is_in(sorted(STOP_WORDS))


def matches(texts: pl.Series, pattern: str) -> pl.DataFrame:
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
    return matches(texts, _WORD).with_columns(term=_plain(pl.col("shown")))


def _plain(word: pl.Expr) -> pl.Expr:
    return word.str.to_lowercase().str.replace(r"['’]s$", "")


def stem(word: pl.Expr) -> pl.Expr:
    """A word in lower case without its ending; the same for most forms of an English word."""
    short = word.str.replace(_SUFFIX, "")
    return pl.when(short.str.len_chars() >= _SHORTEST_STEM).then(short).otherwise(word)


def content_stems(texts: pl.Series) -> pl.DataFrame:
    """Words that carry content, cut to a crude stem; numbers as `numbers` writes them."""
    digits = pl.col("term").replace(NUMBER_WORDS)
    return tokens(texts).filter(~_IS_STOP_WORD).with_columns(term=stem(digits))


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
    return matches(texts, rf"{_NUMBER}|{_NUMBER_WORD}").with_columns(term=_value(pl.col("shown")))


DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()


_MONTHS_ELSEWHERE = """
Januar Februar März April Mai Juni Juli August September Oktober November Dezember
janvier février mars avril mai juin juillet août septembre octobre novembre décembre
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
januari februari maart april mei juni juli augustus september oktober november december
января февраля марта апреля мая июня июля августа сентября октября ноября декабря
январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре
"""
_DAYS_ELSEWHERE = """
Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag
lundi mardi mercredi jeudi vendredi samedi dimanche
lunes martes miércoles jueves viernes sábado domingo
lunedì martedì mercoledì giovedì venerdì sabato domenica
maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
понедельник вторник среду четверг пятницу субботу воскресенье
"""
_ENGLISH_MONTHS = [*MONTHS[:4], "may", *MONTHS[4:]]


def _elsewhere(listed: str, english: list[str]) -> dict[str, str]:
    lines = [line.split() for line in listed.strip().splitlines()]
    return {word: name for line in lines for word, name in zip(line, english, strict=True)}


DATES_ELSEWHERE = _elsewhere(_MONTHS_ELSEWHERE, _ENGLISH_MONTHS) | _elsewhere(_DAYS_ELSEWHERE, DAYS)
"""Months and days of other languages, as their languages write them, and the English name of each."""


FREQUENCIES = {"hourly": "hour", "daily": "day", "nightly": "night", "weekly": "week", "monthly": "month",
               "quarterly": "quarter", "yearly": "year", "annual": "year", "annually": "year"}  # fmt: skip
_PERIODS = "|".join(sorted({*FREQUENCIES.values()}))
_FREQUENCY = rf"(?i)\b(?:{'|'.join(FREQUENCIES)}|(?:per|a|each|every) (?:{_PERIODS}))\b"


def frequencies(texts: pl.Series) -> pl.DataFrame:
    """How often: `term` the period, `key` "often"; "monthly", "per month" and "every month" are one."""
    term = pl.col("shown").str.to_lowercase().str.replace(r"^(?:per|a|each|every) ", "").replace(FREQUENCIES)
    return matches(texts, _FREQUENCY).with_columns(term=term, key=pl.lit("often"))


def dates(texts: pl.Series) -> pl.DataFrame:
    """Months and days of the week written out: `term` the English name in lower case, `key` month or day."""
    named = "|".join(MONTHS + DAYS)
    elsewhere = "|".join(sorted(DATES_ELSEWHERE, key=len, reverse=True))
    term = pl.coalesce(
        pl.col("shown").replace_strict(DATES_ELSEWHERE, default=None, return_dtype=pl.String),
        pl.col("shown").str.to_lowercase().str.strip_chars_end("s"),
    )
    key = pl.when(term.is_in(DAYS)).then(pl.lit("day")).otherwise(pl.lit("month"))
    return matches(texts, rf"\b(?:{elsewhere}|(?i:{named})s?)\b").with_columns(term=term, key=key)


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


def token_counts(texts: pl.Series) -> np.ndarray:
    """(n,) int64 number of words and numbers in each text."""
    return np.asarray(texts.str.count_matches(_WORD).fill_null(0).cast(pl.Int64).to_numpy())
