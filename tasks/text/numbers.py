"""Where a claim's quantities are not those of its evidence.

Belongs here: which quantity of a claim nothing in a passage equals, and what stands there instead. Does not
belong here: reading quantities (`quantities.py`) or what a verdict makes of it (`rules.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.text import quantities, words

MOST_QUANTITIES = 40
"""Of a claim; no sentence of prose has more, and the comparison grows with them."""
NEAR = 0.1
"""How far "about 100" may be from it."""
_STOPS = sorted(words.STOP_WORDS)
MONEY = sorted(set(quantities.CURRENCIES.values()))
DEGREES = ["°C", "°F"]
EARLY = 40
"""Years of a century that "early" takes in."""
NEAR_MONTH = 0.1
"""How far days and weeks may be from the months that they are told as: "four weeks", "30 days", "a month"."""
_OPEN = ("", "year", "o'clock")
"""Units that a bare number may have: the other text may leave the word out."""


def unmatched(claims: pl.Series, passages: pl.Series, own: pl.DataFrame | None = None) -> pl.DataFrame:
    """`quantities.SCHEMA` with `id`: quantities of claims that nothing in the passage of their row equals.

    Equal is the same value in the same kind of unit, in any reading; what a hedge or a range allows; and a
    rounding of a longer number. `own` are the quantities of the claims, where they have been read.
    """
    claimed = (
        (quantities.quantities(claims) if own is None else own)
        .filter(pl.int_range(pl.len()).over("row") < MOST_QUANTITIES)
        # "One" is mostly a pronoun.
        .filter(~(pl.col("is_word") & (pl.col("value") == 1) & (pl.col("unit") == "")))
        .with_row_index("id")
    )
    claimed = not_as_written(claimed, passages)
    if not claimed.height:
        return claimed
    texts = only(passages, claimed["row"])
    given = quantities.quantities(texts)
    readings = _readings(given, "row").unique()
    mine = _readings(claimed, "id", "row")
    equal = mine.join(readings, on=["row", "v"], suffix="_e").filter(same_kind())
    rest = claimed.join(equal, on="id", how="anti")
    loose = rest.join(readings.rename({"unit": "unit_e", "v": "e"}), on="row").filter(same_kind())
    rest = rest.join(loose.filter(_is_compatible()), on="id", how="anti")
    return _outside_ranges(rest, claims, texts, readings)


def not_as_written(claimed: pl.DataFrame, passages: pl.Series) -> pl.DataFrame:
    """Without bare numbers that the passage has digit for digit: most, and they need no closer look."""
    written = words.matches(only(passages, claimed["row"]), r"\d+(?:[.,]\d+)*").unique()
    same = pl.col("unit").is_in(_OPEN) & (pl.col("hedge") == "")
    plain = claimed.filter(same).join(written, left_on=["row", "bare"], right_on=["row", "shown"], how="semi")
    return claimed.join(plain, on="id", how="anti")


def only(texts: pl.Series, rows: pl.Series) -> pl.Series:
    """The texts of some rows, null elsewhere."""
    wanted = pl.int_range(len(texts), dtype=pl.UInt32, eager=True).is_in(rows.implode())
    return texts.zip_with(wanted, pl.Series([None], dtype=pl.String).new_from_index(0, len(texts)))


def _readings(frame: pl.DataFrame, *keys: str) -> pl.DataFrame:
    others = frame.select(*keys, "unit", v="other").drop_nulls("v")
    return pl.concat([frame.select(*keys, "unit", v="value"), others])


def same_kind() -> pl.Expr:
    """Whether `unit` and `unit_e` may be of the same kind."""
    unit, other = pl.col("unit"), pl.col("unit_e")
    return (unit == other) | unit.is_in(_OPEN) | other.is_in(_OPEN)


def _is_compatible() -> pl.Expr:
    value, e, step, hedge = pl.col("value"), pl.col("e"), pl.col("step"), pl.col("hedge")
    return (
        ((hedge == "near") & ((value - e).abs() <= NEAR * e.abs()))
        | (_in_months(value, e) & ((value - e).abs() <= NEAR_MONTH * e.abs()))
        | ((hedge == "more") & (e >= value))
        | ((hedge == "less") & (e <= value))
        | ((hedge == "decade") & (e >= value) & (e < value + _years(value)))
        # "1.2 million" for 1,234,567; two digits at least, or everything would be a rounding.
        | ((pl.col("unit") != "year") & ((value - e).abs() <= 0.5 * step) & (value.abs() >= 10 * step))
    )


def _years(value: pl.Expr) -> pl.Expr:
    """How long "the 1990s", "the 1800s" and "the early 1800s" are."""
    early = pl.when(pl.col("before") == "early").then(EARLY).otherwise(100)
    return pl.when(value % 100 == 0).then(early).otherwise(10)


def _in_months(value: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Whether one of two durations is in months or years, and the other is not."""
    each = [(v / quantities.MONTH - (v / quantities.MONTH).round()).abs() < 1e-6 for v in (value, other)]
    return (pl.col("unit") == "s") & (value > 0) & (other > 0) & (each[0] != each[1])


def _outside_ranges(
    rest: pl.DataFrame, claims: pl.Series, passages: pl.Series, readings: pl.DataFrame
) -> pl.DataFrame:
    """Without those that a range of the evidence holds, and the ends of a range that holds the evidence."""
    if not rest.height:
        return rest
    given = quantities.ranges(passages).rename({"unit": "unit_e"})
    held = rest.join(given, on="row").filter(
        same_kind() & (pl.col("value") >= pl.col("low")) & (pl.col("value") <= pl.col("high"))
    )
    own = quantities.ranges(claims).join(readings.rename({"unit": "unit_e", "v": "e"}), on="row")
    inside = (pl.col("e") >= pl.col("low")) & (pl.col("e") <= pl.col("high"))
    holding = own.filter(same_kind()).group_by("row", "low", "high").agg(inside.any()).filter("e")
    ends = pl.concat([holding.select("row", value="low"), holding.select("row", value="high")]).unique()
    return rest.join(held, on="id", how="anti").join(ends, on=["row", "value"], how="anti")


def instead(own: pl.DataFrame, rest: pl.DataFrame, near: pl.DataFrame, least: float) -> pl.DataFrame:
    """`row`, `at`, `claim`, `evidence`: what the nearest sentences say in the place of an unmatched quantity.

    The same place: the same unit, the same thing counted, or the same word before. A quantity that the claim
    has as well is in its own place. `own` are the quantities of the claims.
    """
    near = near.filter(pl.col("share") >= least).join(rest.select("row"), on="row", how="semi")
    own = own.select("row", "value", "unit").unique()
    both = (
        rest.join(near.select("row", "at", "share"), on="row")
        .join(of_sentences(near), on="at")
        .join(own, left_on=["row", "value_e", "unit_e"], right_on=["row", "value", "unit"], how="anti")
    )
    return (
        # "One of 19 children" does not say that there is one.
        both.filter(
            same_place() & ~(pl.col("is_word_e") & (pl.col("value_e") == 1) & (pl.col("unit_e") == ""))
        )
        .sort("row", "share", "id", descending=[False, True, False], maintain_order=True)
        .unique("row", keep="first", maintain_order=True)
        .select("row", "at", **shown())
    )


def of_sentences(near: pl.DataFrame) -> pl.DataFrame:
    """`at` and the columns of the sentences' quantities, each with `_e` after its name."""
    return (
        quantities.quantities(near["sentence"])
        .with_columns(pl.lit(near["at"]).gather(pl.col("row")).alias("at"))
        .select("at", pl.exclude("at", "row").name.suffix("_e"))
    )


def same_place() -> pl.Expr:
    """Whether a quantity and one with `_e` after its names stand for the same thing."""
    same_before = _alike("before", "before_e") & same_kind()
    # A year is not a count, whatever stands beside it.
    both_or_neither = (pl.col("unit") == "year") == (pl.col("unit_e") == "year")
    return both_or_neither & (_is_named() | same_before)


def _is_named() -> pl.Expr:
    same_unit = (
        (pl.col("unit") == pl.col("unit_e"))
        & (pl.col("unit") != "")
        & ~_in_months(pl.col("value"), pl.col("value_e"))
    )
    same_thing = _alike("key", "key_e") | _alike("key", "next_e") | _alike("next", "key_e")
    labelled = _alike("key", "before_e") | _alike("before", "key_e")
    # "$5" for "€5": the value is the same and the money is not.
    is_money = pl.any_horizontal(
        pl.col("unit").is_in(scale) & pl.col("unit_e").is_in(scale) for scale in (MONEY, DEGREES)
    )
    return (
        same_unit
        | (same_kind() & (same_thing | labelled))
        | ((pl.col("value") == pl.col("value_e")) & is_money)
    )


def shown() -> dict[str, pl.Expr]:
    """`claim` and `evidence` as the texts have them: with what is counted, where that is the same."""
    both_have_units = (pl.col("unit") != "") & (pl.col("unit_e") != "")
    whole = (_is_named() | both_have_units) & (pl.col("unit") != "year")
    return {
        "claim": pl.when(whole).then("shown").otherwise("bare"),
        "evidence": pl.when(whole).then("shown_e").otherwise("bare_e"),
    }


def _alike(one: str, other: str) -> pl.Expr:
    word = pl.col(one)
    return (word == pl.col(other)) & (word.str.len_chars() > 2) & ~word.is_in(_STOPS)
