"""A claim's quantities, and words that mean the same, in the form that its evidence has: a network takes
"$1.2 million" for another number than "$1,200,000".

Belongs here: rewriting what is equal by value. Does not belong here: what differs (`numbers.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.text import calendar_days, numbers, quantities, synonyms

MEASURES = ("m", "g", "l", "w", "m²")
"""Units in which a figure of another system is a rounded one: "1,063 feet" for 324 metres."""
LEAST_NEAR = 0.03
"""How far "about 1.3 km" may be from 1,274 m to be read as it."""
MOST_REWRITTEN = 4
"""Quantities of one claim; a claim with more is a table, and the network reads it as it is."""


def aligned(claims: pl.Series, passages: pl.Series) -> pl.Series:
    """The claims, with quantities and words that the passage has in other forms as there; others stay.

    A form is exchanged only for one of the same value and unit, with its unit where both have one.
    """
    claims, passages = claims.cast(pl.String).fill_null(""), passages.cast(pl.String).fill_null("")
    claims = _with_days(synonyms.aligned(claims, passages), passages)
    claimed = quantities.quantities(claims).filter(
        pl.int_range(pl.len()).over("row") < numbers.MOST_QUANTITIES
    )
    # "One" is mostly a pronoun, and a small number reads the same as a word.
    claimed = claimed.filter(~(pl.col("is_word") & (pl.col("value") <= 20) & (pl.col("unit") == "")))
    claimed = numbers.not_as_written(claimed.with_row_index("id"), passages)
    if not claimed.height:
        return claims
    given = quantities.quantities(numbers.only(passages, claimed["row"]))
    forms = given.select("row", "value", "unit", pl.col("shown", "bare", "key").name.suffix("_e"))
    same = claimed.join(forms, on=["row", "value", "unit"])
    rounded = given.select("row", "unit", pl.col("value", "step", "shown", "bare", "key").name.suffix("_e"))
    apart = (pl.col("value") - pl.col("value_e")).abs()
    is_rounded = pl.col("unit").is_in(MEASURES) & (apart <= 0.5 * pl.min_horizontal("step", "step_e"))
    is_about = (pl.col("hedge") == "near") & (apart <= LEAST_NEAR * pl.col("value_e").abs())
    near = (
        claimed.filter(pl.col("unit").is_in([*MEASURES, *numbers.MONEY, "s"]))
        .join(same, on="id", how="anti")
        .join(rounded, on=["row", "unit"])
        .filter(is_rounded | is_about)
    )
    both = pl.concat([same, near.select(same.columns)])
    return _rewritten(
        claims, both.with_columns(_as_written("shown_e", passages), _as_written("bare_e", passages))
    )


def _as_written(column: str, passages: pl.Series) -> pl.Expr:
    """ "2.5 minutes" as the passage has it: "two and a half minutes"."""
    text = pl.lit(passages).gather(pl.col("row"))
    halves = pl.col(column).str.replace_many([f"{n}.5" for n in range(1, 10)], quantities.HALVES)
    # "45 minutes", where the passage says "three quarters of an hour".
    parts = [
        pl.when((pl.col(column) == digits) & text.str.contains(spelled, literal=True)).then(pl.lit(spelled))
        for spelled, digits in quantities.FRACTIONS.items()
    ]
    spelled = pl.coalesce(*parts, halves)
    is_spelled = ~text.str.contains(pl.col(column), literal=True) & text.str.contains(spelled, literal=True)
    return pl.when(is_spelled).then(spelled).otherwise(column).alias(column)


def _with_days(claims: pl.Series, passages: pl.Series) -> pl.Series:
    """The claims, with dates written as the passage writes them."""
    claimed = calendar_days.days(claims)
    if not claimed.height:
        return claims
    given = calendar_days.days(numbers.only(passages, claimed["row"]))
    both = claimed.join(given, on=["row", "day"], suffix="_e").select("row", old="shown", new="shown_e")
    changes = both.filter(pl.col("old") != pl.col("new")).unique("row", keep="first", maintain_order=True)
    return _replaced(claims, changes)


def _replaced(claims: pl.Series, changes: pl.DataFrame) -> pl.Series:
    """The claims with `old` written as `new`, once a row."""
    frame = claims.to_frame("claim").with_row_index("row")
    replaced = pl.col("claim").str.split(pl.col("old")).list.join(pl.col("new"))
    return (
        frame.join(changes, on="row", how="left", maintain_order="left")
        .select(claim=pl.when(pl.col("old").is_not_null()).then(replaced).otherwise("claim"))["claim"]
        .rename(claims.name)
    )


def _rewritten(claims: pl.Series, both: pl.DataFrame) -> pl.Series:
    has_unit = (
        (pl.col("unit") != "") & (pl.col("unit") != "year") & (pl.col("key") != "") & (pl.col("key_e") != "")
    )
    changes = (
        both.with_columns(
            old=pl.when(has_unit).then("shown").otherwise("bare"),
            new=pl.when(has_unit).then("shown_e").otherwise("bare_e"),
        )
        .unique("id", keep="first", maintain_order=True)
        .filter((pl.col("old") != pl.col("new")) & (pl.col("old") != ""))
        .with_columns(turn=pl.int_range(pl.len()).over("row"))
        .filter(pl.col("turn") < MOST_REWRITTEN)
    )
    for turn in range(MOST_REWRITTEN):
        now = changes.filter(pl.col("turn") == turn).select("row", "old", "new")
        if not now.height:
            break
        claims = _replaced(claims, now)
    return claims
