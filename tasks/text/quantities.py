"""Quantities in texts of many languages, brought to one value: "$1.2 million" and "1,200,000 dollars".

Belongs here: finding numbers, percentages, amounts, durations, measures and times of day, and their values.
Does not belong here: what follows where two texts differ (`rules.py`). Why no library reads them:
`docs/decisions/0031-rules-beside-the-network.md`.

All functions are vectorised over texts; regular expressions are Polars' (linear time).
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import polars as pl

from tasks.text import words

SCHEMA = pl.Schema(
    {
        "row": pl.UInt32,
        "shown": pl.String,
        "bare": pl.String,
        "value": pl.Float64,
        "other": pl.Float64,
        "unit": pl.String,
        "key": pl.String,
        "next": pl.String,
        "hedge": pl.String,
        "before": pl.String,
        "step": pl.Float64,
        "times": pl.Float64,
        "is_word": pl.Boolean,
    }
)
"""Of `quantities`, below."""

_ZEROS = "٠۰०০૦௦౦೦൦๐０"
DIGITS = {chr(ord(zero) + n): str(n) for zero in _ZEROS for n in range(10)} | {
    "٫": ".", "٬": ",", "，": ",", "．": ".", "％": "%", "٪": "%", "\u00a0": "\u202f", "\u2009": "\u202f",
    "−": "-", "–": "-", "—": "-", "’": "'",
}  # fmt: skip
"""Digits and signs of other scripts as ASCII has them; every narrow or fixed space as one of them."""

_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORD_VALUES = (
    {word: n for n, word in enumerate(f"{_ONES} seventeen eighteen nineteen".split(), start=1)}
    | {word: 10 * n for n, word in enumerate(_TENS.split(), start=2)}
    | {"zero": 0}
)
HALVES = [f"{word} and a half" for word in _ONES.split()[:9]]
FRACTIONS = {
    "three quarters of an hour": "45 minutes", "a quarter of an hour": "15 minutes",
    "an hour and a half": "90 minutes", "a year and a half": "18 months", "half an hour": "30 minutes",
    "half a year": "6 months", "half a million": "500,000",
    "half a billion": "500 million", "three quarters of": "75% of", "three-quarters of": "75% of",
    "two thirds of": "about 66.7% of", "two-thirds of": "about 66.7% of", "a quarter of": "25% of",
    "one quarter of": "25% of", "a third of": "about 33.3% of", "one third of": "about 33.3% of",
    "a fifth of": "20% of", "one fifth of": "20% of", "a tenth of": "10% of", "half of": "50% of",
    "by a half": "by 50%", "by half": "by 50%", "by a third": "by about 33.3%", "by a quarter": "by 25%",
    "by a fifth": "by 20%", "by a tenth": "by 10%", "by two thirds": "by about 66.7%",
    "by three quarters": "by 75%", "half the": "50% of the",
    "half its": "50% of its", "half their": "50% of their",
}  # fmt: skip
"""Shares and parts of an hour in words; longer ones first, since the first that fits is taken."""
_SHARED = r"(?i)\b(?:half|quarters?|thirds?|fifth|tenth)\b"
_SCALES = {
    "hundred": 1e2, "dozen": 12, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "lakh": 1e5, "crore": 1e7, "mn": 1e6, "bn": 1e9, "k": 1e3, "m": 1e6, "b": 1e9, "mio": 1e6, "mrd": 1e9,
    "tausend": 1e3, "millionen": 1e6, "milliarde": 1e9, "milliarden": 1e9, "billionen": 1e12, "mille": 1e3,
    "millions": 1e6, "billions": 1e9, "thousands": 1e3, "milliard": 1e9, "milliards": 1e9, "mil": 1e3,
    "millón": 1e6, "millones": 1e6, "milione": 1e6, "milioni": 1e6, "miliardo": 1e9, "miliardi": 1e9,
    "milhão": 1e6, "milhões": 1e6, "bilhão": 1e9, "bilhões": 1e9, "miljoen": 1e6, "miljard": 1e9,
    "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8, "千": 1e3, "百": 1e2, "ألف": 1e3, "مليون": 1e6, "مليار": 1e9,
    "тысяч": 1e3, "тысячи": 1e3, "млн": 1e6, "млрд": 1e9, "миллион": 1e6, "миллиона": 1e6, "миллионов": 1e6,
}  # fmt: skip
"""Words of scale. The letters k, m and b count only where they are glued to digits or follow a currency."""

_UNITS = """
% 1 percent; % 1 per cent; % 1 prozent; % 1 pour cent; % 1 por ciento; % 1 per cento; % 1 procent; % 1 pct
$ 1 dollar; $ 1 usd; $ 1 us$; € 1 euro; € 1 eur; £ 1 pound; £ 1 gbp; ¥ 1 yen; ¥ 1 jpy; 元 1 yuan; 元 1 cny
CHF 1 franken; CHF 1 chf; ₹ 1 rupee; ₹ 1 inr
s 1 second; s 1 sec; s 60 minute; s 60 min; s 3600 hour; s 3600 hr; s 3600 h; s 86400 day; s 604800 week
s 1 sekunde; s 1 sekunden; s 60 minuten; s 3600 stunde; s 3600 stunden; s 86400 tag; s 86400 tage
s 86400 tagen; s 604800 woche; s 604800 wochen; s 86400 jour; s 3600 heure; s 604800 semaine; s 86400 día
s 86400 dias; s 3600 hora; s 604800 semana; s 86400 giorni; s 3600 ore; s 604800 settimane; s 86400 天
mo 1 month; mo 12 year; mo 1 monat; mo 1 monate; mo 1 monaten; mo 12 jahr; mo 12 jahre; mo 12 jahren
mo 1 mois; mo 12 an; mo 12 année; mo 1 mes; mo 1 meses; mo 12 año; mo 1 mesi; mo 12 anni; mo 12 anos; mo 12 年
m 0.001 mm; m 0.001 millimetre; m 0.001 millimeter; m 0.01 cm; m 0.01 centimetre; m 0.01 centimeter
m 1 m; m 1 metre; m 1 meter; m 1000 km; m 1000 kilometre; m 1000 kilometer; m 1609.344 mile; m 0.3048 ft
m 0.3048 foot; m 0.3048 feet; m 0.0254 inch; m 0.0254 inches; m 0.9144 yard
g 0.001 mg; g 0.001 milligram; g 0.000001 mcg; g 0.000001 microgram; g 1 g; g 1 gram; g 1000 kg
g 1000 kilogram; g 1000 kilo; g 453.59237 lb; g 28.349523 ounce; g 28.349523 oz; g 1000000 tonne
g 1000000 ton; l 0.001 ml; l 0.001 millilitre; l 0.001 milliliter; l 1 litre; l 1 liter; l 1 l
w 1 watt; w 1000 kw; w 1000 kilowatt; w 1000000 mw; w 1000000 megawatt; w 1000000000 gw
B 1000 kb; B 1000000 mb; B 1000000000 gb; B 1000000000000 tb
°C 1 celsius; °C 1 °c; °F 1 fahrenheit; °F 1 °f
"""
UNITS = {
    name: (unit, float(factor))
    for entry in _UNITS.replace("\n", ";").split(";")
    if (parts := entry.split(maxsplit=2))
    for unit, factor, name in [parts]
}
MONTH = 2629746.0
"""Seconds: a twelfth of the mean year. Months and years are durations too, and no whole number of days."""
UNITS |= {name: ("s", MONTH * factor) for name, (unit, factor) in UNITS.items() if unit == "mo"}
"""Name, in lower case and singular → (unit that its kind is measured in, factor)."""
_UNIT_NAMES = pl.Series(list(UNITS))
_BASES = pl.Series([unit for unit, _ in UNITS.values()])
_FACTORS = pl.Series([factor for _, factor in UNITS.values()])
CURRENCIES = {"$": "$", "us$": "$", "usd": "$", "€": "€", "eur": "€", "£": "£", "gbp": "£", "¥": "¥",
               "chf": "CHF", "rs": "₹", "₹": "₹", "a$": "A$", "c$": "C$", "元": "元"}  # fmt: skip
_DOLLARS = {"canadian": "C$", "australian": "A$"}
_HEDGES = {
    "near": "about around roughly approximately approx circa ca nearly almost some close ~ ≈ near estimated "
    "ungefähr etwa rund environ près aproximadamente unos circa",
    "more": "over above exceeding > ≥ more least minimum exceeds exceeded plus beyond über mindestens "
    "larger longer higher older heavier taller bigger later greater deeper wider warmer hotter",
    "less": "under below < ≤ less most maximum fewer upto up "
    "smaller shorter lower younger lighter cheaper earlier colder",
}
HEDGES = {word: kind for kind, listed in _HEDGES.items() for word in listed.split()}
"""Word before a number → how the number may differ: near it, or anything above or below."""
_BEFORE_YEARS = [
    *"in since from until till by of year circa and to during before after between around early late mid en "
    "im seit bis depuis dal nel desde em i w jahr année año anno года году about".split(),
    *words.MONTHS,
    "may",
]
_AFTER_YEARS = (
    "and or to as it the in by with was he she when after but for at on is while until a und et".split()
)
"""Words beside a bare number of four digits that make it a year rather than a count."""

_FUNCTION = sorted({*words.STOP_WORDS, *HEDGES, "am", "um", "bei", "de", "à", "por"})

_ONE = "|".join(sorted(_WORD_VALUES, key=len, reverse=True))
_SMALL = rf"(?:{_ONE})(?:[ \-](?:one|two|three|four|five|six|seven|eight|nine)\b)?"
_WORDED = rf"{_SMALL}(?: hundred(?: (?:and )?{_SMALL})?)?"
_DIGITS = r"\d{1,3}(?:[\x{202f}]\d{3})+(?:[.,]\d+)?|\d{1,3}(?: \d{3}){2,}(?:[.,]\d+)?|\d+(?:[.,:']\d+)*"
_SCALE_WORDS = "|".join(sorted((s for s in _SCALES if len(s) > 1), key=len, reverse=True))
_HAN_SCALES = "[万萬亿億千百]"
_SCALE = (
    rf"(?:[ \-\x{{202f}}]?(?:{_SCALE_WORDS})\b\.?|{_HAN_SCALES}|[kKmMbB]\b)"
    rf"(?:[ ](?:{_SCALE_WORDS})\b|{_HAN_SCALES})?"
)
_PREFIX = r"(?:us\$|a\$|c\$|usd|eur|gbp|chf|rs\.?|[$€£¥₹])"
_AFTER = r"°\s?[cf]\b|[%$€£¥₹元天年]|(?:per|pour|por) (?:cent|cento|ciento)\b|\p{L}(?:[\p{L}'.]*\p{L})?\b\.?"
_KIND = r"calendar|business|working|consecutive|full|whole|square|cubic|sq\.?|cu\.?|"
_KIND += r"us|u\.s\.|american|canadian|australian"
_QUANTITY = (
    r"(?i)"
    r"(?:(?:(?P<earlier>\p{L}+) )?(?P<before>[\p{L}~≈<>≥≤]+):? ?(?:the |a |an |to |of )?)?"
    rf"(?P<whole>(?P<bare>(?:\b(?P<currency>{_PREFIX}) ?|(?P<sign>[$€£¥₹]) ?)?"
    rf"(?:(?P<digits>{_DIGITS})|\b(?P<worded>{_WORDED})\b)"
    rf"(?P<scale>{_SCALE})?)"
    rf"(?:[ \-\x{{202f}}]{{0,2}}(?:(?P<kind>{_KIND})[ \-])?(?P<after>{_AFTER}))?)(?: (?P<next>\p{{L}}+)\b)?"
)
_CLOCK_AFTER = r"(?i)^(?:[ap]\.?m\b|uhr|o'clock)"
_GLUED = r"(?i)\p{Latin}\d"


def with_shares(texts: pl.Series) -> pl.Series:
    """The texts with `FRACTIONS` in digits."""
    shared = texts.str.contains(_SHARED).fill_null(value=False)
    if not shared.any():
        return texts
    found, values = list(FRACTIONS), list(FRACTIONS.values())
    few = texts.set(~shared, None).str.replace_many(found, values, ascii_case_insensitive=True, leftmost=True)
    return texts.zip_with(~shared, few)


def plain(texts: pl.Series) -> pl.Series:
    """The texts with digits, separators and spaces of other scripts as ASCII."""
    texts = with_shares(texts.cast(pl.String))
    return (
        texts.str.replace_many(list(DIGITS), list(DIGITS.values()))
        .str.replace_all(r"(\d0)'s\b", "${1}s")
        # "12·4%" is how some journals write 12.4%.
        .str.replace_all(r"(\d)·(\d)", "${1}.${2}")
        # "9 h 15", "9h15" and "9 Uhr 15" are times of day.
        .str.replace_all(r"\b([01]?\d|2[0-3]) ?(?:h|Uhr) ?([0-5]\d)\b", "${1}:${2}")
        .str.replace_many(HALVES, [f"{n}.5" for n in range(1, 10)], ascii_case_insensitive=True)
        .str.replace_all(r"(\d) ?½|(\d) and a half\b", "${1}${2}.5")
        .str.replace_all(r"\b(1\d|20)(\d\d)[-/](\d\d)([\s,.;:)]|$)", "${1}${2} - ${1}${3}${4}")
    )


def quantities(texts: pl.Series) -> pl.DataFrame:
    """`SCHEMA`, in the order of the text.

    `shown` is the number as written with its scale and the word after it. `value` is in the unit's base
    (seconds, metres, grams ...; `unit` "" where it has none) and `other` a second reading, where
    there is one ("1.410" is 1.41 or 1410), else null. `key` is the stem of the word after, `next` of the one
    after that; `hedge` is near, more, less or "". `step` is the place of the last digit written, in base
    units: "1.2 million" is exact to 100,000. `times` is one of the unit, with its scale, in base units.
    """
    found = words.matches(plain(texts), _QUANTITY)
    if not found.height:
        return pl.DataFrame(schema=SCHEMA)
    frame = found.with_columns(pl.col("shown").str.extract_groups(_QUANTITY).struct.unnest()).with_columns(
        pl.col("earlier", "before", "next", "worded").str.to_lowercase(),
        pl.col("currency").str.to_lowercase().str.strip_chars_end("."),
    )
    frame = frame.with_columns(
        pl.col("earlier", "before", "next", "currency", "sign", "scale", "after", "kind").fill_null("")
    )
    # "mp3" and "Covid19" are names; the letter before a digit was taken for the word before.
    glued = pl.col("shown").str.contains(_GLUED) & pl.col("digits").is_not_null()
    return _measured(_valued(frame.filter(~glued))).select(SCHEMA.names())


def _valued(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds `number`, `alternative`, `decimals` before scale and unit."""
    digits = pl.col("digits")
    joined = digits.str.replace_all(r"[ \x{202f}']", "")
    # "7.30 pm" is a time of day, and 7.3 of anything else.
    is_noon = pl.col("after").str.contains(_CLOCK_AFTER) & joined.str.contains(r"^\d{1,2}\.[0-5]\d$")
    joined = pl.when(is_noon).then(joined.str.replace(".", ":", literal=True)).otherwise(joined)
    # Once, and not in each of the expressions below.
    frame = frame.with_columns(joined=joined)
    joined = pl.col("joined")
    marks = joined.str.count_matches(r"[.,]")
    last_is_comma = joined.str.contains(r",\d+$")
    mixed = joined.str.contains(r"\.\d+.*,") | joined.str.contains(r",\d+.*\.")
    grouped = joined.str.contains(r"^\d{1,3}(?:[.,]\d{2,3})*[.,]\d{3}$")
    dropped = joined.str.replace_all(r"[.,]", "")
    decimal = pl.when(last_is_comma).then(joined.str.replace_all(r"\.", "").str.replace(",", ".")).otherwise(
        joined.str.replace_all(",", "")
    )  # fmt: skip
    clock = joined.str.contains(r"^\d{1,2}:\d{2}(?::\d{2})?$")
    frame = frame.with_columns(mixed=mixed, grouped=grouped, clock=clock, marks=marks, comma=last_is_comma)
    mixed, grouped, clock, marks, last_is_comma = (
        pl.col(name) for name in ("mixed", "grouped", "clock", "marks", "comma")
    )
    hours = joined.str.extract(r"^(\d+):").cast(pl.Float64, strict=False)
    minutes = joined.str.extract(r"^\d+:(\d+)").cast(pl.Float64, strict=False)
    single = marks == 1
    as_groups, as_decimal = dropped.cast(pl.Float64, strict=False), decimal.cast(pl.Float64, strict=False)
    number = (
        pl.when(digits.is_null())
        .then(None)
        .when(clock)
        .then(hours + minutes / 60)
        .when(mixed | (marks == 0))
        .then(as_decimal)
        .when(single & grouped & last_is_comma)
        .then(as_groups)
        .when(single)
        .then(as_decimal)
        .when(grouped)
        .then(as_groups)
    )
    alternative = (
        pl.when(single & grouped & last_is_comma & ~mixed)
        .then(as_decimal)
        .when(single & grouped & ~mixed)
        .then(as_groups)
    )
    decimals = joined.str.extract(r"[.,](\d+)$").str.len_chars()
    return frame.with_columns(
        number=pl.coalesce(number, _spelled(pl.col("worded"))),
        alternative=alternative,
        decimals=pl.when(clock | grouped).then(0).otherwise(decimals).fill_null(0),
        is_clock=clock.fill_null(value=False),
        zeros=pl.when(marks == 0)
        .then(digits.str.extract(r"(0*)$").str.len_chars())
        .otherwise(0)
        .fill_null(0),
    ).drop_nulls("number")


def _spelled(text: pl.Expr) -> pl.Expr:
    """ "two hundred and twenty-five" → 225."""

    def small(part: pl.Expr) -> pl.Expr:
        pieces = part.str.extract_all(r"[a-z]+")
        values = pl.element().replace_strict(_WORD_VALUES, default=0, return_dtype=pl.Float64)
        return pieces.list.eval(values).list.sum()

    hundreds = text.str.extract(r"^(.*?) hundred")
    rest = text.str.extract(r" hundred(?: and)?(.*)$").fill_null("")
    return pl.when(hundreds.is_not_null()).then(small(hundreds) * 100 + small(rest)).otherwise(small(text))


def _measured(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds `value`, `other`, `unit`, `key`, `hedge`, `step`, `shown` from number, scale and words around."""
    lower = pl.col("after").str.to_lowercase().str.strip_chars_end(".'").str.replace_all(r"°\s", "°")
    singular = lower.str.replace(r"s$", "")
    symbols = {"%": "%", "$": "$", "€": "€", "£": "£", "¥": "¥", "₹": "₹", "元": "元"}

    # The name itself before its singular: "s" is a second.
    at = frame.select(at=pl.coalesce(_unit_at(lower), _unit_at(singular)))["at"]
    prefix = pl.coalesce(
        pl.col("currency").replace_strict(CURRENCIES, default=None, return_dtype=pl.String),
        pl.col("sign").replace_strict(symbols, default=None, return_dtype=pl.String),
        pl.col("before").replace_strict(CURRENCIES, default=None, return_dtype=pl.String),
    )
    # "12 Canadian dollars" are not those of the United States.
    of_country = (
        pl.col("kind").str.to_lowercase().replace_strict(_DOLLARS, default=None, return_dtype=pl.String)
    )
    named = pl.coalesce(
        pl.when(singular == "dollar").then(of_country),
        lower.replace_strict(symbols, default=None, return_dtype=pl.String),
        pl.lit(_BASES.gather(at)),
    )
    # Once, and not in each of the expressions below.
    frame = frame.with_columns(prefix=prefix, named=named, lower=lower)
    prefix, named, lower = pl.col("prefix"), pl.col("named"), pl.col("lower")
    is_year = (
        pl.col("digits").str.contains(r"^(?:1\d{3}|20\d{2})$")
        # A round thousand is a count; the year 1000 is seldom written of.
        & (pl.col("digits") != "1000")
        & (pl.col("scale") == "")
        & (pl.col("before").is_in(_BEFORE_YEARS) | lower.is_in(_AFTER_YEARS) | lower.is_in(["", "s"]))
    ).fill_null(value=False)
    clock = pl.col("is_clock") | lower.is_in(["pm", "am", "p.m", "a.m", "uhr", "o'clock"])
    unit = (
        pl.when(clock)
        .then(pl.lit("o'clock"))
        .when(is_year & prefix.is_null() & named.is_null())
        .then(pl.lit("year"))
        .otherwise(pl.coalesce(prefix, named, pl.lit("")))
    )
    factor = pl.when(prefix.is_not_null() | clock).then(1.0).otherwise(
        pl.lit(_FACTORS.gather(at)).fill_null(1.0)
    )  # fmt: skip
    scales = (
        pl.col("scale").str.to_lowercase().str.extract_all(rf"{_SCALE_WORDS}|{_HAN_SCALES}|[kmb]\b")
        .list.eval(pl.element().replace_strict(_SCALES, default=1.0, return_dtype=pl.Float64))
        .list.eval(pl.element().product()).list.first().fill_null(1.0)
    )  # fmt: skip
    unit, factor = _of_areas(*_of_weights(unit, factor, lower))
    frame = frame.with_columns(unit=unit, times=scales * factor, clock=clock)
    unit, times, clock = pl.col("unit"), pl.col("times"), pl.col("clock")
    exponent = pl.col("zeros").cast(pl.Float64) - pl.col("decimals").cast(pl.Float64)
    # "up to 5", "more than 5": the hedge is the word before the last.
    hedge = (
        pl.when(pl.col("before").is_in(["to", "than", "the", "a", "of"])).then("earlier").otherwise("before")
    )
    is_after_noon = lower.is_in(["pm", "p.m"]) & (pl.col("number") < 12)
    # "$35 fee": the unit stands before, the word after is none.
    is_marked = (pl.col("currency") != "") | (pl.col("sign") != "")
    shown = pl.when(is_marked).then("bare").otherwise("whole")
    value = pl.col("number") * times + pl.when(is_after_noon).then(12.0).otherwise(0.0)
    return frame.with_columns(
        value=value.round(9),
        other=pl.when(clock & (pl.col("number") <= 12)).then(value - 12).otherwise(
            pl.col("alternative") * times
        ),
        key=words.stem(lower),
        next=words.stem(pl.col("next")),
        hedge=pl.when((unit == "year") & (lower == "s"))
        .then(pl.lit("decade"))
        .otherwise(hedge.replace_strict(HEDGES, default="", return_dtype=pl.String)),
        step=pl.when(clock).then(0.0).otherwise(pl.lit(10.0).pow(exponent)) * times,
        is_word=pl.col("digits").is_null(),
        shown=shown.str.strip_chars_end(".").str.replace_all("\u202f", " "),
        bare=pl.col("bare").str.strip_chars_end(".").str.replace_all("\u202f", " "),
        before=words.stem(_word_before()),
    )  # fmt: skip


def _unit_at(name: pl.Expr) -> pl.Expr:
    """Place of a unit among `UNITS`, null for other words."""
    return name.replace_strict(
        _UNIT_NAMES, pl.int_range(len(UNITS), dtype=pl.UInt32, eager=True), default=None
    )


def _of_weights(unit: pl.Expr, factor: pl.Expr, name: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """(unit, factor) of "25 pounds of flour" and "weighs 25 pounds", which are no money."""
    is_weight = name.str.contains("^pounds?$") & (
        (pl.col("next") == "of") | pl.col("before").is_in(["weigh", "weighs", "weighed", "weighing"])
    )
    return (
        pl.when(is_weight).then(pl.lit("g")).otherwise(unit),
        pl.when(is_weight).then(UNITS["lb"][1]).otherwise(factor),
    )


def _of_areas(unit: pl.Expr, factor: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """(unit, factor) where lengths are squared or cubed: a cubic metre is 1,000 litres."""
    kind = pl.col("kind").str.to_lowercase().str.slice(0, 2)
    is_square, is_cubic = (kind == "sq") & (unit == "m"), (kind == "cu") & (unit == "m")
    return (
        pl.when(is_square).then(pl.lit("m²")).when(is_cubic).then(pl.lit("l")).otherwise(unit),
        pl.when(is_square).then(factor**2).when(is_cubic).then(1000 * factor**3).otherwise(factor),
    )


def _word_before() -> pl.Expr:
    """The last word before that is not a function word; the number before may have taken it for its own."""
    taken = pl.col("next").shift(1).over("row").fill_null("")
    earlier = pl.when(pl.col("earlier") != "").then("earlier").otherwise(taken)
    lacking = pl.col("before").is_in(_FUNCTION) | (pl.col("before") == "")
    return pl.when(lacking).then(earlier).otherwise("before")


def ranges(texts: pl.Series) -> pl.DataFrame:
    """`row`, `low`, `high`, `unit`: "10-12%", "between 10 and 12 euros", "from 8 to 16"."""
    between = "-| to | and | bis | à | a | y | und "
    pattern = rf"(?i)({_PREFIX}|[$€£¥₹])? ?({_DIGITS})((?:{_SCALE})?) ?(%?) ?(?:{between})"
    pattern += rf" ?((?:{_PREFIX}|[$€£¥₹])?(?:{_DIGITS})(?:{_SCALE})?[ -]?(?:{_AFTER})?)"
    found = words.matches(plain(texts), pattern)
    groups = found["shown"].str.extract_groups(pattern).struct.unnest()
    high = _single(groups["5"])
    low = _single(groups["1"].fill_null("") + groups["2"] + groups["3"].fill_null(""))
    # "1 to 2 million": the scale of the end holds for the beginning.
    return (
        pl.DataFrame({"row": found["row"], "low": low["value"], "high": high["value"], "unit": high["unit"]})
        .drop_nulls()
        .filter(pl.col("low") < pl.col("high"))
    )


def _single(texts: pl.Series) -> pl.DataFrame:
    """The first quantity of each text, nulls where there is none."""
    first = quantities(texts).unique("row", keep="first", maintain_order=True)
    rows = pl.DataFrame({"row": pl.int_range(len(texts), dtype=pl.UInt32, eager=True)})
    return rows.join(first, on="row", how="left", maintain_order="left")
