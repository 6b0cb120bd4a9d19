"""Whole dates in texts, as days: "5 March 2026", "2026-03-05" and "05.03.2026" are one.

Belongs here: finding dates that name day, month and year. Does not belong here: months and days alone
(`words.py`), years (`quantities.py`), or what follows where two texts differ (`rules.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.text import words

SCHEMA = pl.Schema({"row": pl.UInt32, "shown": pl.String, "day": pl.Date, "other": pl.Date})
"""Of `days`: `other` is the second reading of "05/03/2026", null where there is one only."""

_NAMED = "|".join([*words.MONTHS, "may"])
_SHORT = r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
_ELSEWHERE = "|".join(sorted(words.DATES_ELSEWHERE, key=len, reverse=True))
_MONTH = rf"(?:(?i:{_NAMED})|(?i:{_SHORT})\b\.?|{_ELSEWHERE})"
_DATE = (
    r"\b(?:(?P<iso>[12]\d{3}-\d{2}-\d{2})"
    r"|(?P<one>\d{1,2})(?P<mark>[./])(?P<two>\d{1,2})[./](?P<three>[12]\d{3})"
    rf"|(?P<before>\d{{1,2}})(?:st|nd|rd|th|\.)? (?:of |de )?(?P<month>{_MONTH}),? (?:de )?"
    r"(?P<year>[12]\d{3})"
    rf"|(?P<named>{_MONTH}) (?P<after>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<of>[12]\d{{3}}))\b"
)
_NUMBER_OF = {name: at for at, name in enumerate([*words.MONTHS[:4], "may", *words.MONTHS[4:]], 1)}
_LETTERS = {name[:3]: at for name, at in _NUMBER_OF.items()}


def days(texts: pl.Series) -> pl.DataFrame:
    """`SCHEMA`: every date that the calendar has, in the order of the text."""
    texts = texts.cast(pl.String)
    # Most texts hold no year, and need no closer look.
    found = words.matches(texts.set(~texts.str.contains(r"[12]\d{3}").fill_null(value=False), None), _DATE)
    if not found.height:
        return SCHEMA.to_frame()
    parts = found.with_columns(pl.col("shown").str.extract_groups(_DATE).struct.unnest())
    month = pl.coalesce(_month(pl.col("month")), _month(pl.col("named")))
    number = {
        name: pl.col(name).cast(pl.Int32, strict=False) for name in ("one", "two", "three", "before", "after")
    }
    year = pl.coalesce("year", "of").cast(pl.Int32, strict=False)
    iso = pl.col("iso").str.to_date(strict=False)
    worded = _date(year, month, pl.coalesce(number["before"], number["after"]))
    european = _date(number["three"], number["two"], number["one"])
    american = pl.when(pl.col("mark") == "/").then(_date(number["three"], number["one"], number["two"]))
    return (
        parts.with_columns(day=pl.coalesce(iso, worded, european, american), other=american)
        .drop_nulls("day")
        .select("row", "shown", "day", other=pl.when(pl.col("other") != pl.col("day")).then("other"))
    )


def _month(name: pl.Expr) -> pl.Expr:
    english = name.replace(words.DATES_ELSEWHERE)
    return (
        english.str.to_lowercase()
        .str.slice(0, 3)
        .replace_strict(_LETTERS, default=None, return_dtype=pl.Int32)
    )


def _date(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    written = pl.format(
        "{}-{}-{}", year, month.cast(pl.String).str.zfill(2), day.cast(pl.String).str.zfill(2)
    )
    return written.str.to_date("%Y-%m-%d", strict=False)
