"""Small edits of a claim: those that make it false, and those that change nothing.

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

_SMALL = [
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
_WORD_VALUE = {w: i for i, w in enumerate(_SMALL) if i >= 2}
_MONTHS = [
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
_MONTH = "|".join(_MONTHS)
_NUMBER = re.compile(r"(?<![\w.,/\-:])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w/:]|[.,]\d|-\d)")
_YEAR = re.compile(r"(?<![\w.,/\-])(?:1[0-9]\d\d|20\d\d)(?![\w/]|[.,]\d)")
_NUMBER_WORD = re.compile(r"\b(?:" + "|".join(_WORD_VALUE) + r")\b", re.IGNORECASE)
_DAY_MONTH = re.compile(rf"\b(?:{_MONTH})\b(?= \d)|(?<=\d )\b(?:{_MONTH})\b|(?<=[Ii]n )\b(?:{_MONTH})\b")
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


def _put(text: str, match: re.Match[str], new: str) -> str:
    old = match.group(0)
    if old[:1].isupper() and new[:1].islower():
        new = new[0].upper() + new[1:]
    return text[: match.start()] + new + text[match.end() :]


def _one(pattern: re.Pattern[str], text: str, rng: random.Random) -> re.Match[str] | None:
    found = list(pattern.finditer(text))
    return rng.choice(found) if found else None


def number(text: str, rng: random.Random) -> str | None:
    """Another number (digits or a small word); years are `date`'s."""
    found = [m for m in _NUMBER.finditer(text) if not _YEAR.fullmatch(m.group(0))]
    found += list(_NUMBER_WORD.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    old = match.group(0)
    if old.lower() in _WORD_VALUE:
        others = [w for w, v in _WORD_VALUE.items() if v != _WORD_VALUE[old.lower()] and v <= 12]
        return _put(text, match, rng.choice(others))
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
    return _put(text, match, new)


def date(text: str, rng: random.Random) -> str | None:
    """Another year, or another month of a date."""
    found = list(_YEAR.finditer(text)) + list(_DAY_MONTH.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    old = match.group(0)
    if old in _MONTHS:
        return _put(text, match, rng.choice([m for m in _MONTHS if m != old]))
    return _put(text, match, str(int(old) + rng.choice((-20, -10, -4, -3, -2, -1, 1, 2, 3, 4, 10))))


def unit(text: str, rng: random.Random) -> str | None:
    """Another unit of the same kind after a number."""
    match = _one(_UNIT, text, rng)
    if match is None:
        return None
    old = match.group(0)
    others = [u for g in _UNIT_GROUPS if old in g for u in g if u != old]
    return _put(text, match, rng.choice(others)) if others else None


def name(text: str, rng: random.Random, pool: Sequence[str] = ()) -> str | None:
    """Another name from the pool in place of one inside the sentence."""
    found = [m for m in _NAME.finditer(text) if m.group(0) not in _MONTHS]
    if not found or not pool:
        return None
    match = rng.choice(found)
    words = set(match.group(0).split())
    for _ in range(8):
        new = rng.choice(pool)
        if not words & set(new.split()) and new not in text:
            return _put(text, match, new)
    return None


def names(text: str) -> list[str]:
    """Names inside a sentence that `name` could replace or take."""
    return [m.group(0) for m in _NAME.finditer(text) if m.group(0) not in _MONTHS]


def comparison(text: str, rng: random.Random) -> str | None:
    """The opposite direction or comparison: more than and less than, rose and fell, north and south."""
    match = _one(_COMPARISON, text, rng)
    if match is None:
        return None
    return _put(text, match, rng.choice(_OPPOSITE[match.group(0).lower()]))


def quantifier(text: str, rng: random.Random) -> str | None:
    """A quantifier that the first one rules out: all to none of, many to few, always to never."""
    match = _one(_QUANTIFIER, text, rng)
    if match is None:
        return None
    new = rng.choice(_QUANTIFIERS[match.group(0).lower()])
    if new.endswith(" of") and not re.match(
        r" (?:the|of|these|those|his|her|its|their)\b", text[match.end() :]
    ):
        new = {"none of": "no", "neither of": "neither", "only one of": "only one of the"}[new]
    new = new.removesuffix(" of") if text[match.end() :].startswith(" of ") else new
    return _put(text, match, new)


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
    return _put(text, match, new)


def roles(text: str, rng: random.Random) -> str | None:
    """Two names of the sentence in each other's place, unless they are items of one list."""
    found = [m for m in _ANY_NAME.finditer(text) if m.group(0) not in _MONTHS]
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


_DAY_FIRST = re.compile(rf"\b(\d{{1,2}}) ({_MONTH}),? (\d{{4}})\b")
_MONTH_FIRST = re.compile(rf"\b({_MONTH}) (\d{{1,2}}),? (\d{{4}})\b")
_DAY_OF_MONTH = re.compile(rf"(?<=[a-z,(] )({_MONTH}) (\d{{1,2}})(?=[,.;)]|$| [a-z])(?!,? ?\d{{4}})")
_ITEM = r"[A-Za-z][A-Za-z'-]+"
_LIST = re.compile(rf"\b({_ITEM}), ({_ITEM}),? and ({_ITEM})(?=[.,;:)]|$)")
_PAIR = re.compile(r"(?<=[a-z] )([A-Z]\w+) and ([A-Z]\w+)\b(?! [A-Z])")
_SYNONYM_PAIRS = (
    ("film", "movie"),
    ("began", "started"),
    ("begin", "start"),
    ("large", "big"),
    ("about", "approximately"),
    ("also", "additionally"),
    ("often", "frequently"),
    ("usually", "typically"),
    ("many", "numerous"),
    ("children", "kids"),
    ("near", "close to"),
    ("show", "demonstrate"),
    ("shows", "demonstrates"),
    ("showed", "demonstrated"),
    ("help", "assist"),
    ("helps", "assists"),
    ("important", "significant"),
    ("famous", "well-known"),
    ("located", "situated"),
    ("created", "made"),
    ("purchase", "buy"),
    ("purchased", "bought"),
    ("obtain", "get"),
    ("obtained", "got"),
    ("received", "got"),
    ("people", "persons"),
    ("quickly", "rapidly"),
    ("entire", "whole"),
    ("physician", "doctor"),
    ("automobile", "car"),
    ("car", "automobile"),
    ("United States", "U.S."),
    ("United Kingdom", "UK"),
    ("television", "TV"),
    ("however", "nevertheless"),
    ("because", "since"),
    ("therefore", "thus"),
    ("various", "different"),
    ("require", "need"),
    ("requires", "needs"),
    ("such as", "including"),
    ("woman", "lady"),
    ("talking", "speaking"),
    ("job", "occupation"),
    ("ended", "finished"),
    ("killed", "slain"),
    ("mainly", "primarily"),
    ("main", "primary"),
    ("small", "little"),
    ("town", "small city"),
    ("author", "writer"),
    ("movie", "film"),
    ("started", "began"),
)
_SYNONYMS = dict(_SYNONYM_PAIRS)
_SYNONYM = re.compile(r"\b(?:" + "|".join(sorted(_SYNONYMS, key=len, reverse=True)) + r")\b")
_IRREGULAR = {
    "written": "wrote",
    "sung": "sang",
    "drawn": "drew",
    "given": "gave",
    "taken": "took",
    "chosen": "chose",
    "begun": "began",
    "driven": "drove",
    "shown": "showed",
    "beaten": "beat",
    "built": "built",
    "led": "led",
    "won": "won",
    "made": "made",
    "held": "held",
    "bought": "bought",
    "sold": "sold",
    "found": "found",
    "run": "ran",
}
_ENDS_AGENT = (
    r"(?!(?:in|on|at|for|from|as|and|with|during|after|before|to|who|which|that|when|while|under|over|near"
    r"|between|through|using|around|circa|since)\b)"
)
_PASSIVE = re.compile(
    r"^(?P<subject>(?:The |A |An |His |Her |Its |Their )?[A-Z]?[\w'’-]+(?: [\w'’-]+){0,7}?) "
    r"(?:was|were|has been|have been) (?P<how>(?:originally|first|initially|later|jointly|independently) )?"
    r"(?P<verb>[a-z]{2,}ed|" + "|".join(_IRREGULAR) + r") "
    rf"by (?P<agent>(?:the |a |an )?[\w'’.-]+(?: {_ENDS_AGENT}[\w'’-]+){{0,5}}"
    r"(?:(?:, [A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*)*,? and [A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*)?)"
    r"(?P<rest>(?:,? (?:in|on|at|during|after|before|between|from|for|as|to|with|under|using|around|circa"
    r"|while|when|since|over) [^.;:]{2,120})?)"
    r"(?P<stop> ?\.?)$"
)
"""Only the past, whose active form needs no agreement; the agent ends before a preposition or conjunction."""
_NO_AGENTS = (
    "hand",
    "car",
    "contract",
    "mail",
    "email",
    "phone",
    "now",
    "then",
    "default",
    "accident",
    "mistake",
)
_GOES_ON = re.compile(r"\b(?:and|but|or) (?:\w+ly )?(?:(?:is|was|were|are|has|have|had|can|will) |\w+ed\b)")
"""A second verb of the passive sentence's subject, which would get the agent for its subject."""
_NO_VOICE = re.compile(
    r"\b(?:who|which|that|and|not|it|he|she|they|this|these|both|there|as|when|while|if|because)\b", re.I
)
_OBJECTS = {"I": "me", "He": "him", "She": "her", "It": "it", "We": "us", "They": "them", "You": "you"}


def number_words(text: str, rng: random.Random) -> str | None:
    """Small numbers as words, or words as digits."""
    found = [m for m in _NUMBER.finditer(text) if m.group(0).isdigit() and 2 <= int(m.group(0)) <= 20]
    before = re.compile(rf"(?:{_MONTH}|[#$£€]|No\.|Season|season|Chapter|Part|World War) ?$")
    found = [
        m
        for m in found
        if not before.search(text[: m.start()]) and not re.match(rf"%| ?(?:{_MONTH})", text[m.end() :])
    ]
    found += list(_NUMBER_WORD.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    old = match.group(0)
    return _put(text, match, _SMALL[int(old)] if old.isdigit() else str(_WORD_VALUE[old.lower()]))


def date_format(text: str, rng: random.Random) -> str | None:  # noqa: ARG001 - the shape of an edit
    """May 4, 1990 as 4 May 1990, and the reverse; May 4 as 4 May."""
    match = _MONTH_FIRST.search(text)
    if match is not None:
        return _put(text, match, f"{match.group(2)} {match.group(1)} {match.group(3)}")
    match = _DAY_FIRST.search(text)
    if match is not None:
        return _put(text, match, f"{match.group(2)} {match.group(1)}, {match.group(3)}")
    match = _DAY_OF_MONTH.search(text)
    return None if match is None else _put(text, match, f"{match.group(2)} {match.group(1)}")


def list_order(text: str, rng: random.Random) -> str | None:  # noqa: ARG001 - the shape of an edit
    """The items of a list in another order."""
    match = _LIST.search(text)
    if match is not None:
        first, second, third = match.groups()
        if (
            len({first, second, third}) == 3
            and first[0].isupper() == second[0].isupper() == third[0].isupper()
        ):
            return text[: match.start()] + f"{second}, {third} and {first}" + text[match.end() :]
    match = _PAIR.search(text)
    if match is not None and match.group(1) not in _MONTHS:
        return text[: match.start()] + f"{match.group(2)} and {match.group(1)}" + text[match.end() :]
    return None


def synonym(text: str, rng: random.Random) -> str | None:
    """One word by another of the same meaning."""
    match = _one(_SYNONYM, text, rng)
    return None if match is None else _put(text, match, _SYNONYMS[match.group(0)])


def voice(text: str, rng: random.Random) -> str | None:  # noqa: ARG001 - the shape of an edit
    """A passive sentence with an agent as an active one."""
    match = _PASSIVE.match(text)
    if match is None:
        return None
    agent, subject = match["agent"].strip(), match["subject"]
    subject = _OBJECTS.get(subject, subject)
    if (
        (subject not in _OBJECTS.values() and _NO_VOICE.search(subject))
        or agent.split()[0].endswith("ing")
        or agent[0].isdigit()
        or agent.lower().rstrip(".") in _NO_AGENTS
        or re.search(r"\b(?:[A-Z]|Prof|Dr|such|some time)\.?$", agent)
        or _GOES_ON.search(match["rest"])
    ):
        return None
    first = subject.split(" ")[0]
    if first in ("The", "A", "An", "His", "Her", "Its", "Their"):
        subject = subject[0].lower() + subject[1:]
    verb = _IRREGULAR.get(match["verb"], match["verb"])
    agent = re.sub(r"\.$", "", agent) if not match["rest"] else agent
    how = match["how"] or ""
    return f"{agent[0].upper()}{agent[1:]} {how}{verb} {subject}{match['rest']}{match['stop'] or '.'}"


_OPENERS = (
    "Yes, ",
    "Oh yes, ",
    "Sure! ",
    "Exactly! ",
    "Well, ",
    "Actually, ",
    "Also, ",
    "In short, ",
    "Fun fact: ",
    "Great question! ",
    "I think ",
    "I think that ",
    "I believe ",
    "I know that ",
    "I read that ",
    "I have heard that ",
    "As far as I know, ",
    "Did you know that ",
    "To answer your question, ",
    "It is worth noting that ",
    "Note that ",
    "Based on the documents provided, ",
    "According to the sources, ",
)
_CLOSERS = (
    " What do you think?",
    " Have you heard of it?",
    " Do you like it?",
    " It is great!",
    " I love it!",
    " That is so interesting.",
    " I hope this helps!",
    " Let me know if you have more questions.",
    " :)",
)
_LOWERED = re.compile(
    r"^(?:The|A|An|It|He|She|They|There|This|These|His|Her|Its|Their|In|On|At|Some|Most|Many) "
)


def framing(text: str, rng: random.Random) -> str | None:
    """The statement as people and agents say it in conversation: an opening, a remark after it, or both."""
    if len(text) < 20:
        return None
    told = text.strip()
    draw = rng.random()
    if draw < 0.75:
        opener = rng.choice(_OPENERS)
        lowers = not opener.endswith("! ") and _LOWERED.match(told)
        told = opener + (told[0].lower() + told[1:] if lowers else told)
    if draw > 0.5:
        told = (told if told[-1] in ".!?" else f"{told}.") + rng.choice(_CLOSERS)
    if rng.random() < 0.15:
        return told.lower()
    return told.rstrip(".") if rng.random() < 0.3 else told


HARMLESS: dict[str, Edit] = {
    "number_words": number_words,
    "date_format": date_format,
    "list_order": list_order,
    "synonym": synonym,
    "voice": voice,
}
"""Edits that leave a claim as true as it was."""
