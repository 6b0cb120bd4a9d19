"""Small edits of a claim that make it false, one fact each.

Belongs here: one function per kind of edit, pure and driven by the random generator it is given. Does not
belong here: which evidence an edited claim is shown with (`augment.py`) or what a verifier must answer
(`benchmarks/contrast.py`). English only; an edit that finds nothing to change returns None.

In the spirit of behavioural testing (Ribeiro et al. 2020, "Beyond Accuracy", ACL).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

Edit = Callable[[str, random.Random], str | None]

SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
WORD_VALUE = {w: i for i, w in enumerate(SMALL) if i >= 2}
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
MONTH = "|".join(MONTHS)
NUMBER = re.compile(r"(?<![\w.,/\-:])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w/:]|[.,]\d|-\d)")
_YEAR = re.compile(r"(?<![\w.,/\-])(?:1[0-9]\d\d|20\d\d)(?![\w/]|[.,]\d)")
NUMBER_WORD = re.compile(r"\b(?:" + "|".join(WORD_VALUE) + r")\b", re.IGNORECASE)
_DAY_MONTH = re.compile(rf"\b(?:{MONTH})\b(?= \d)|(?<=\d )\b(?:{MONTH})\b|(?<=[Ii]n )\b(?:{MONTH})\b")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}(?: [A-Z][a-z]+)*(?!\w)")

_ANY_NAME = re.compile(r"\b[A-Z][a-z]{2,}(?: [A-Z][a-z]+)+|(?<=[a-z] )[A-Z][a-z]{2,}\b")

_UNIT_GROUPS = (
    ("kilometers", "miles", "meters", "feet"),
    ("kilometres", "miles", "metres", "feet"),
    ("km", "miles", "m"),
    ("kilograms", "pounds", "tonnes", "grams"),
    ("kg", "g", "mg"),
    ("million", "billion", "thousand"),
    ("seconds", "minutes", "hours", "days", "weeks", "months", "years"),
    ("second", "minute", "hour", "day", "week", "month", "year"),
    ("dollars", "euros", "pounds", "yen"),
    ("percent", "percentage points"),
    ("Celsius", "Fahrenheit"),
    ("litres", "gallons"),
    ("liters", "gallons"),
    ("inches", "feet", "centimetres"),
    ("acres", "hectares", "square miles"),
)
_UNIT = re.compile(
    r"(?<=\d )(?:"
    + "|".join(sorted({re.escape(u) for g in _UNIT_GROUPS for u in g}, key=len, reverse=True))
    + r")\b|(?<=\bhundred )(?:miles|meters|feet|years|days)\b"
    r"|(?<=\b(?:two|ten|six) )(?:years|days|months|weeks|hours|minutes)\b"
    + r"|(?<=\b(?:three|seven|eight) )(?:years|days|months|weeks|hours|minutes)\b"
    + r"|(?<=\b(?:four|five|nine) )(?:years|days|months|weeks|hours|minutes)\b"
)
_OPPOSITES = (
    ("more than", "less than"),
    ("more than", "fewer than"),
    ("at least", "at most"),
    ("over", "under"),
    ("increase", "decrease"),
    ("increased", "decreased"),
    ("increases", "decreases"),
    ("increasing", "decreasing"),
    ("rose", "fell"),
    ("rise", "fall"),
    ("rising", "falling"),
    ("higher", "lower"),
    ("highest", "lowest"),
    ("before", "after"),
    ("above", "below"),
    ("larger", "smaller"),
    ("largest", "smallest"),
    ("bigger", "smaller"),
    ("greater", "smaller"),
    ("better", "worse"),
    ("best", "worst"),
    ("older", "younger"),
    ("oldest", "youngest"),
    ("longer", "shorter"),
    ("longest", "shortest"),
    ("earlier", "later"),
    ("first", "last"),
    ("north", "south"),
    ("northern", "southern"),
    ("east", "west"),
    ("eastern", "western"),
    ("northeast", "southwest"),
    ("northwest", "southeast"),
    ("maximum", "minimum"),
    ("majority", "minority"),
    ("faster", "slower"),
    ("stronger", "weaker"),
    ("inside", "outside"),
    ("up", "down"),
    ("early", "late"),
    ("high", "low"),
    ("large", "small"),
    ("positive", "negative"),
    ("upper", "lower"),
    ("improve", "worsen"),
    ("improved", "worsened"),
    ("reduce", "raise"),
    ("reduced", "raised"),
    ("won", "lost"),
    ("win", "lose"),
    ("begins", "ends"),
    ("began", "ended"),
    ("male", "female"),
    ("father", "mother"),
    ("brother", "sister"),
    ("husband", "wife"),
    ("son", "daughter"),
)
_OPPOSITE: dict[str, list[str]] = {}
for _a, _b in _OPPOSITES:
    _OPPOSITE.setdefault(_a, []).append(_b)
    _OPPOSITE.setdefault(_b, []).append(_a)
_COMPARISON = re.compile(
    r"\b(?:" + "|".join(sorted(_OPPOSITE, key=len, reverse=True)) + r")\b", re.IGNORECASE
)

_QUANTIFIERS = {
    "all": ("none of", "few"),
    "every": ("no",),
    "each": ("no",),
    "always": ("never",),
    "never": ("always",),
    "often": ("never",),
    "usually": ("never",),
    "sometimes": ("always",),
    "most": ("few",),
    "many": ("few", "no"),
    "several": ("no",),
    "some": ("no", "all"),
    "both": ("neither of", "only one of"),
    "few": ("many", "most"),
    "everyone": ("no one",),
    "someone": ("no one",),
    "people": ("no people",),
    "no": ("many",),
}
_QUANTIFIER = re.compile(
    r"\b(?:" + "|".join(q for q in _QUANTIFIERS if q != "people") + r")\b(?! of the (?:art|time))",
    re.IGNORECASE,
)
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|can|could|will|would|should|must|may|might|did|does|do"
    r"|(?:has|have|had)(?= (?:been|become|\w{3,}ed)\b))\b(?! not\b|n['’]t| also not)"
)
_NOT = re.compile(r"\b(is|are|was|were|can|could|will|would|should|must|may|did|does|do|has|have|had) not ")
_TENSES = (
    (re.compile(r"\bhas been\b"), "will be"),
    (re.compile(r"\bwill be\b"), "was"),
    (re.compile(r"\bwill\b(?! be)"), "did not"),
    (re.compile(r"\bwas\b(?= \w+ed\b)"), "will be"),
    (re.compile(r"\bwere\b(?= \w+ed\b)"), "will be"),
)


def put(text: str, match: re.Match[str], new: str) -> str:
    """The text with `new` in place of the match, a capital where one stood."""
    old = match.group(0)
    if old[:1].isupper() and new[:1].islower():
        new = new[0].upper() + new[1:]
    return text[: match.start()] + new + text[match.end() :]


def one(pattern: re.Pattern[str], text: str, rng: random.Random) -> re.Match[str] | None:
    """One of the places that match, drawn; None where there is none."""
    found = list(pattern.finditer(text))
    return rng.choice(found) if found else None


def number(text: str, rng: random.Random) -> str | None:
    """Another number (digits or a small word); years are `date`'s."""
    found = [m for m in NUMBER.finditer(text) if not _YEAR.fullmatch(m.group(0))]
    found += list(NUMBER_WORD.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    old = match.group(0)
    if old.lower() in WORD_VALUE:
        others = [w for w, v in WORD_VALUE.items() if v != WORD_VALUE[old.lower()] and v <= 12]
        return put(text, match, rng.choice(others))
    value = float(old.replace(",", ""))
    if "." in old:
        places = len(old.split(".")[1])
        changed = value
        while f"{changed:.{places}f}" == f"{value:.{places}f}":
            changed = max(0.0, value * rng.choice((0.5, 0.7, 0.9, 1.1, 1.4, 2.0)) + rng.choice((0, 1)))
        new = f"{changed:,.{places}f}" if "," in old else f"{changed:.{places}f}"
    else:
        step = rng.choice((1, 2, 3, 5, max(1, int(value * 0.1)), max(1, int(value * 0.5))))
        changed = value + step if rng.random() < 0.5 or value - step < 1 else value - step
        new = f"{int(changed):,}" if "," in old else str(int(changed))
    return put(text, match, new)


def date(text: str, rng: random.Random) -> str | None:
    """Another year, or another month of a date."""
    found = list(_YEAR.finditer(text)) + list(_DAY_MONTH.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    old = match.group(0)
    if old in MONTHS:
        return put(text, match, rng.choice([m for m in MONTHS if m != old]))
    return put(text, match, str(int(old) + rng.choice((-20, -10, -4, -3, -2, -1, 1, 2, 3, 4, 10))))


def unit(text: str, rng: random.Random) -> str | None:
    """Another unit of the same kind after a number."""
    match = one(_UNIT, text, rng)
    if match is None:
        return None
    old = match.group(0)
    others = [u for g in _UNIT_GROUPS if old in g for u in g if u != old]
    return put(text, match, rng.choice(others)) if others else None


def name(text: str, rng: random.Random, pool: Sequence[str] = ()) -> str | None:
    """Another name from the pool in place of one inside the sentence."""
    found = [m for m in _NAME.finditer(text) if m.group(0) not in MONTHS]
    if not found or not pool:
        return None
    match = rng.choice(found)
    words = set(match.group(0).split())
    for _ in range(8):
        new = rng.choice(pool)
        if not words & set(new.split()) and new not in text:
            return put(text, match, new)
    return None


def names(text: str) -> list[str]:
    """Names inside a sentence that `name` could replace or take."""
    return [m.group(0) for m in _NAME.finditer(text) if m.group(0) not in MONTHS]


def comparison(text: str, rng: random.Random) -> str | None:
    """The opposite direction or comparison: more than and less than, rose and fell, north and south."""
    match = one(_COMPARISON, text, rng)
    if match is None:
        return None
    return put(text, match, rng.choice(_OPPOSITE[match.group(0).lower()]))


def quantifier(text: str, rng: random.Random) -> str | None:
    """A quantifier that the first one rules out: all to none of, many to few, always to never."""
    match = one(_QUANTIFIER, text, rng)
    if match is None:
        return None
    new = rng.choice(_QUANTIFIERS[match.group(0).lower()])
    if new.endswith(" of") and not re.match(
        r" (?:the|of|these|those|his|her|its|their)\b", text[match.end() :]
    ):
        new = {"none of": "no", "neither of": "neither", "only one of": "only one of the"}[new]
    new = new.removesuffix(" of") if text[match.end() :].startswith(" of ") else new
    return put(text, match, new)


def negation(text: str, rng: random.Random) -> str | None:
    """`not` put in after the first auxiliary, or taken out."""
    without = _NOT.search(text)
    if without is not None:
        return text[: without.end(1)] + " " + text[without.end() :]
    match = _AUXILIARY.search(text)
    if match is None or " never " in text:
        return None
    join = "not" if match.group(0) == "can" and rng.random() < 0.5 else " not"
    return text[: match.end()] + join + text[match.end() :]


def tense(text: str, rng: random.Random) -> str | None:
    """What has happened as what will, and the reverse."""
    found = [(p.search(text), new) for p, new in _TENSES]
    usable = [(m, new) for m, new in found if m is not None]
    if not usable:
        return None
    match, new = rng.choice(usable)
    return put(text, match, new)


def roles(text: str, rng: random.Random) -> str | None:
    """Two names of the sentence in each other's place, unless they are items of one list."""
    found = [m for m in _ANY_NAME.finditer(text) if m.group(0) not in MONTHS]
    pairs = [
        (first, second)
        for first, second in pairwise(found)
        if first.group(0) != second.group(0)
        and len(text[first.end() : second.start()].split()) > 1
        and not re.fullmatch(r"(?:,| and| or|, and)? ?", text[first.end() : second.start()])
    ]
    if not pairs:
        return None
    first, second = rng.choice(pairs)
    between = text[first.end() : second.start()]
    return text[: first.start()] + second.group(0) + between + first.group(0) + text[second.end() :]


HARMFUL: dict[str, Edit] = {
    "number": number,
    "date": date,
    "unit": unit,
    "comparison": comparison,
    "quantifier": quantifier,
    "negation": negation,
    "tense": tense,
}
"""Edits that make a true claim false; `name` needs a pool and stands beside them."""
