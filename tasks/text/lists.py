"""Claims over numbers that a sentence lists: "all scored between 80% and 90%", "none scored below 80%".

Belongs here: which claims are of this form, and whether the listed numbers bear them out. Does not belong
here: a number beside a number (`numbers.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.text import numbers, quantities

LEAST_LISTED = 2
_HIGHEST = (
    r"best|highest|top|maximum|largest|strongest|longest|biggest|greatest|tallest|most expensive|"
    r"warmest|hottest|oldest|heaviest|deepest|widest|latest"
)
_LOWEST = (
    r"worst|weakest|lowest|minimum|smallest|shortest|cheapest|youngest|least expensive|coldest|"
    r"coolest|lightest|shallowest|narrowest|earliest"
)
_OF_TIMES = {"fastest": "lowest", "slowest": "highest"}
_BELOW = r"(?:below|under|(?:less|fewer|lower|smaller|shorter|younger|lighter|cheaper|colder|earlier) than)"
_ABOVE = (
    r"(?:above|over|exceed(?:s|ed)?|"
    r"(?:more|greater|higher|larger|bigger|longer|older|heavier|taller|later|warmer|hotter|deeper|wider) "
    r"than)"
)
_MEAN = r"^(?:the |their |its |on )?(?:average|mean)\b"
_SUM = (
    r"^(?:the |their )?(?:total|sum)\b|^(?:together|altogether|in total|in all)\b|\b(?:in total|altogether)\b"
)
_COUNT = (
    r"^(?:exactly |only |at least |at most )?"
    r"(one|two|three|four|five|six|seven|eight|nine|ten|\d\d?) of the \b"
)
_EACH = r"^(?:all|every|each|both)\b"
_NO = r"^(?:no|none|neither|nobody)\b"
_SOME = r"^(?:at least one|one or more)\b"
_COUNTS = {
    word: str(n)
    for n, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1
    )
}
_LIST = r"\d[\d.,]*\s?%?(?:\s\p{L}+)?(?:,? and |,? or |, )[$€£]?\d"
_COMPARING = (
    "every each all both least most less fewer between lower greater higher larger bigger smaller longer "
    "shorter older younger heavier lighter taller cheaper warmer hotter colder later earlier deeper wider "
    "fastest quickest slowest "
    "exceed exceeds exceeded range ranged ranges average mean total sum together altogether amount amounts "
    "amounted come comes came add adds added one two three four five six seven eight nine ten only exactly"
)
_FRAME = sorted(
    {*_HIGHEST.replace("|", " ").split(), *_LOWEST.replace("|", " ").split()} | set(_COMPARING.split())
)
"""Words of the form itself, which the sentence need not have."""


SCHEMA = pl.Schema({"row": pl.UInt32, "at": pl.UInt32, "listed": pl.String, "holds": pl.Boolean})
"""Of `borne_out`, below."""


def borne_out(
    claims: pl.Series, near: pl.DataFrame, of_claims: pl.DataFrame, terms: pl.DataFrame
) -> pl.DataFrame:
    """`SCHEMA`: claims over a list whose other words the sentence all has.

    Args:
        claims: n claims.
        near: sentences, as `nearest.nearest` gives them.
        of_claims: terms of claims, as given there.
        terms: terms of all sentences, as given there.
    """
    asked = _asked(claims)
    if not asked.height:
        return SCHEMA.to_frame()
    values = _listed(asked, near, of_claims, terms)
    compared = (
        _same_unit(values, asked)
        .group_by("row", "at", maintain_order=True)
        .agg(pl.col("shown").str.join(", ").alias("listed"), pl.len().alias("count"), holds=_holds())
    )
    return (
        compared.filter(pl.col("count") >= LEAST_LISTED)
        .unique("row", keep="first", maintain_order=True)
        .select("row", "at", "listed", "holds")
    )


def _same_unit(values: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Listed values beside what is asked of them; "older than 40" is of the one unit that the list has."""
    same = values.join(asked, on=["row", "unit"])
    is_one = (pl.col("unit").n_unique().over("at") == 1) & (pl.col("unit") != "")
    bare = (
        values.filter(is_one)
        .join(asked.filter("is_bare").drop("unit"), on="row")
        .with_columns(value="plain")
        .select(same.columns)
    )
    both = pl.concat([same, bare])
    # The fastest lap takes least, and the fastest car goes furthest in an hour: only times are told.
    is_time = (pl.col("unit") == "s") & pl.col("which").is_in(["fastest", "slowest"])
    which = pl.when(is_time).then(pl.col("which").replace(_OF_TIMES)).otherwise("which")
    return both.with_columns(which=which).filter(~pl.col("which").is_in(["fastest", "slowest"]))


def _asked(claims: pl.Series) -> pl.DataFrame:
    """`row`, `unit`, `which` (each, no, some, highest, lowest), `low` and `high`: the claims of this form."""
    lower = claims.str.to_lowercase().str.strip_chars()
    text = pl.col("text")
    which = (
        pl.when(text.str.contains(_COUNT))
        .then(pl.lit("count") + text.str.extract(r"^at( least| most)").fill_null(""))
        .when(text.str.contains(_MEAN))
        .then(pl.lit("mean"))
        .when(text.str.contains(_SUM))
        .then(pl.lit("sum"))
        .when(text.str.contains(_NO))
        .then(pl.lit("no"))
        .when(text.str.contains(_SOME))
        .then(pl.lit("some"))
        .when(text.str.contains(r"^(?:the |their |its |his |her )?(?:fastest|quickest|slowest)\b"))
        .then(text.str.extract(r"(fastest|quickest|slowest)").replace("quickest", "fastest"))
        .when(text.str.contains(rf"^(?:the |their |its )?(?:{_HIGHEST})\b"))
        .then(pl.lit("highest"))
        .when(text.str.contains(rf"^(?:the |their |its )?(?:{_LOWEST})\b"))
        .then(pl.lit("lowest"))
        .when(
            text.str.contains(_EACH)
            | text.str.contains(r"\b(?:between|rang(?:e|es|ed|ing) from) \S+ (?:and|to)\b")
        )
        .then(pl.lit("each"))
    )
    forms = lower.to_frame("text").with_row_index("row").with_columns(which=which).drop_nulls("which")
    if not forms.height:
        return pl.DataFrame(
            schema={
                "row": pl.UInt32,
                "unit": pl.String,
                "which": pl.String,
                "low": pl.Float64,
                "high": pl.Float64,
                "asked": pl.Float64,
                "is_bare": pl.Boolean,
            }
        )
    forms = forms.with_columns(asked=text.str.extract(_COUNT).replace(_COUNTS).cast(pl.Float64, strict=False))
    only = forms["text"]
    ranges = quantities.ranges(only).unique("row", keep="last").select("row", "unit", "low", "high")
    last = quantities.quantities(only).unique("row", keep="last", maintain_order=True)
    compared = forms.select("row", "text", "which", "asked").with_row_index("at")
    singles = (
        last.rename({"row": "at"}).join(compared, on="at").join(ranges.select(at="row"), on="at", how="anti")
    )
    below = text.str.contains(rf"\b{_BELOW} [^\d]{{0,4}}\d")
    above = text.str.contains(rf"\b{_ABOVE} [^\d]{{0,4}}\d")
    least = text.str.contains(r"\b(?:at least|no less than) [^\d]{0,4}\d")
    most = text.str.contains(r"\b(?:at most|no more than|up to) [^\d]{0,4}\d")
    value, little = pl.col("value"), 1e-9
    # "The average is 68" of 68.3.
    about = pl.when(pl.col("which") == "mean").then(0.5 * pl.col("step")).otherwise(0.0)
    single = singles.select(
        "row",
        "unit",
        "which",
        low=pl.when(above)
        .then(value + little)
        .when(below | most)
        .then(-float("inf"))
        .otherwise(value - about),
        high=pl.when(below)
        .then(value - little)
        .when(above | least)
        .then(float("inf"))
        .otherwise(value + about),
        asked="asked",
        is_bare=(pl.col("unit") == "") & (pl.col("key") == "") & (above | below | least | most),
    )
    ranged = (
        ranges.rename({"row": "at"})
        .join(compared, on="at")
        .select("row", "unit", "which", "low", "high", "asked", is_bare=pl.lit(value=False))
    )
    # Two operands of a kind are two claims; years are given as spans and not as lists.
    counted = quantities.quantities(only).filter(~(pl.col("is_word") & (pl.col("unit") == "")))
    operands = counted.group_by(at="row", unit="unit").len()
    ones = compared.join(operands, on="at").filter(pl.col("len") == 1).select("row", "unit")
    return pl.concat([single.join(ones, on=["row", "unit"], how="semi"), ranged]).filter(
        pl.col("unit") != "year"
    )


def _listed(
    asked: pl.DataFrame, near: pl.DataFrame, of_claims: pl.DataFrame, terms: pl.DataFrame
) -> pl.DataFrame:
    """`row`, `at`, `value`, `unit`, `shown` of the sentences that have every other word of the claim."""
    rows = asked.select("row").unique()
    needed = of_claims.join(rows, on="row", how="semi").filter(
        ~pl.col("shown").str.to_lowercase().is_in(_FRAME)
    )
    close = near.join(rows, on="row", how="semi").select("row", "at", "sentence")
    lacking = (
        close.select("row", "at")
        .join(needed.select("row", "term"), on="row")
        .join(terms.select("at", "term").unique(), on=["at", "term"], how="anti")
    )
    whole = close.join(lacking.select("at"), on="at", how="anti").filter(
        pl.col("sentence").str.contains(_LIST)
    )
    has_unit = pl.col("unit") != ""
    following = pl.when(has_unit).then("unit").fill_null(strategy="backward").over("at")
    of_unit = pl.when(has_unit & ~pl.col("unit").is_in([*numbers.MONEY, "%"])).then("times")
    times = of_unit.fill_null(strategy="backward").over("at").fill_null(1.0)
    is_bare = ~has_unit & pl.col("key").is_in(["", "and", "or"]) & ~pl.col("is_word")
    percent = pl.when(pl.col("unit") == "%").then(pl.lit("%")).otherwise(pl.lit(""))
    return (
        quantities.quantities(whole["sentence"])
        .with_columns(
            at=pl.lit(whole["at"]).gather(pl.col("row")), row=pl.lit(whole["row"]).gather(pl.col("row"))
        )
        # "Three tests": how many there are is none of the values.
        .filter(~(pl.col("is_word") & ~has_unit))
        # "60, 75 and 95 euros": the unit of the last is that of all.
        .with_columns(
            shown=pl.col("bare") + percent,
            plain=pl.when(is_bare).then("value").otherwise(pl.col("value") / pl.col("times")),
            unit=pl.when(is_bare).then(following.fill_null("")).otherwise("unit"),
            value=pl.when(is_bare).then(pl.col("value") * times).otherwise("value"),
        )
        .select("row", "at", "value", "unit", "shown", "plain")
    )


def _holds() -> pl.Expr:
    """Whether what is asked of the listed values is true."""
    value, which = pl.col("value"), pl.col("which").first()
    low, high = pl.col("low").first(), pl.col("high").first()
    inside = (value >= low) & (value <= high)
    together = pl.when(which == "sum").then(value.sum()).otherwise(value.mean())
    return (
        pl.when(which == "count")
        .then(inside.sum() == pl.col("asked").first())
        .when(which == "count least")
        .then(inside.sum() >= pl.col("asked").first())
        .when(which == "count most")
        .then(inside.sum() <= pl.col("asked").first())
        .when(which.is_in(["sum", "mean"]))
        .then((together >= low - 1e-9) & (together <= high + 1e-9))
        .when(which == "each")
        .then(inside.all())
        .when(which == "no")
        .then(~inside.any())
        .when(which == "some")
        .then(inside.any())
        .when(which == "highest")
        .then((value.max() >= low) & (value.max() <= high))
        .otherwise((value.min() >= low) & (value.min() <= high))
    )
