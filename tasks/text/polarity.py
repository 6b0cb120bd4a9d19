"""Words that turn a statement round: negations, opposites, and words that deny what they hold.

Belongs here: lists of words and the forms that belong together. Does not belong here: what a sentence says
with them (`nearest.py`).
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import re

NEGATORS = frozenset(
    "not no never none nobody nowhere neither nor cannot without nicht kein keine keinen keiner keinem nie "
    "niemals "
    "pas jamais aucun aucune nunca ningún ninguna non mai não nem niet geen nooit не нет ни нельзя nie inte "
    "不 没 沒 未 无 無 لا لم لن ليس غير hardly".split()
)
"""Words that turn a statement round. French "ne" and Polish "się" say nothing alone; "pas" does."""
NOT_NEGATING = (
    r"(?i)\b(?:not (?:only|just|merely|simply|least|until|unless|necessarily|far|so much|yet known|clear)|"
    r"no (?:more|less|later|earlier|fewer|sooner|greater|doubt|matter|one knows)|why not|or not|if not|"
    r"not really|none but|no but|whether or not|nor is|almost no|nicht nur|"
    r"non solo|non seulement|no sólo|no solo|não só|no\.\s?\d)\b"
)
NEW_SUPPOSITION = r"([,;])\s((?:and|so|but|or)\s(?:if|unless|once|when)\b)"
SPELLED = {
    r"(?i)\b(?:at no (?:time|point|stage)|(?:under|in) no (?:circumstances?|case|way)|on no account|by no "
    r"means)\b": "not",
    # What a sentence is unlike is not what it is about.
    r"(?i)^unlike [^,.;]{2,60}, ": "",
    r"(?i)\bno longer\b": "not", r"(?i)\bcan ?not\b": "cannot", r"(?i)\bfail(?:s|ed)? to\b": "not",
    r"(?i)\brefus(?:e|es|ed) to\b": "not", r"(?i)\bunable to\b": "not",
    r"(?i)\b(?:is|was|are|were|be) impossible (?:for \p{L}+ )?to\b": "not", r"(?i)\bno one\b": "nobody",
    r"(?i)\bneed(?:s)? not\b": "not need", r"(?i)\bfree of\b": "without",
    r"(?i)\b(?:lacks|lacked|lack (?:a|an|any|the))\b": "not",
    r"(?i)\b(?:is|are|was|were)( not)? (?:able|allowed|permitted) to\b": "can$1",
    r"(?i)\b(?:is|are|was|were) (?:forbidden|prohibited|banned|barred) (?:to|from)\b": "can not",
    r"(?i)\bnon[-‐](\p{L}{4,})": "not $1",
    # French and Italian articles and "ne" that lost their vowel: "n'est" is "est".
    r"(?i)\b(?:n|l|d|qu|dell|all|nell|dall)['’](\p{L})": "$1",
}  # fmt: skip
_OPPOSITES = """
permit: permit permits permitted allow allows allowed / prohibit prohibits prohibited forbid forbids forbidden
ban bans banned disallow disallows disallowed disallowed
include: include includes included including / exclude excludes excluded excluding omit omits omitted
available: available / unavailable
possible: possible / impossible
legal: legal lawful / illegal unlawful
safe: safe / unsafe dangerous
require: required mandatory compulsory obligatory / optional voluntary
accept: accept accepts accepted approve approves approved / reject rejects rejected refuse refuses refused
decline declines declined disapproves disapproved
increase: increase increases increased increasing rise rises rose risen rising grew grow grows growing /
decrease decreases decreased decreasing fall falls fell fallen falling decline drop drops dropped shrank
enable: enable enables enabled / disable disables disabled
support: support supports supported supporting / unsupported
open: open opens opened / closed
always: always / never
alive: alive / dead
win: win wins won gain gains gained / lose loses lost
pass: pass passes passed succeed succeeds succeeded / fail fails failed
early: early earlier earliest / late later latest
high: high higher highest / low lower lowest
large: large larger largest big bigger biggest / small smaller smallest
long: long longer longest / short shorter shortest
hot: hot hotter hottest warm warmer warmest / cold colder coldest cool cooler coolest
best: best / worst
better: better / worse
maximum: maximum / minimum
most: majority / minority
start: start starts started begin begins began begun / end ends ended stop stops stopped
cheap: cheap cheaper cheapest / expensive costly
guilty: guilty / innocent
"""


def _opposites() -> dict[str, tuple[str, bool]]:
    result: dict[str, tuple[str, bool]] = {}
    # A line without a name goes on from the one before.
    for entry in re.sub(r"\n(?=[^:\n]*(?:\n|$))", " ", _OPPOSITES.strip()).splitlines():
        name, _, body = entry.partition(":")
        same, _, other = body.partition("/")
        result |= dict.fromkeys(same.split(), (f"={name}", False))
        result |= dict.fromkeys(other.split(), (f"={name}", True))
    return result


OPPOSITES = _opposites()
"""Word → (what it is about, whether it says the opposite)."""
LISTED = sorted(NEGATORS)
PREFIXED = (
    r"^(?:un|non)(\p{L}{4,})$|"
    r"^in(accessible|accurate|active|adequate|admissible|applicable|appropriate|audible|capable|compatible|"
    r"complete|consistent|correct|curable|dependent|direct|edible|effective|efficient|eligible|exact|"
    r"experienced|flexible|formal|hospitable|soluble|stable|"
    r"frequent|operative|secure|significant|sufficient|tolerant|valid|visible|voluntary)$|"
    r"^im(mature|moral|mortal|movable|mutable|partial|patient|perfect|permeable|practical|precise|probable|"
    r"proper|pure)$|^ir(rational|regular|relevant|replaceable|responsible|reversible)$|"
    r"^il(legible|literate|logical)$|^dis((?:agree|allow|appear|approve|connect|continue|like|obey|prove|"
    r"qualify|trust)(?:s|d|ed)?|qualified|abled|honest|satisfied|similar)$"
)
"""Words that deny what they hold: "ineligible" is about being eligible."""
IRREGULAR = {
    form: base
    for entry in "pay paid; send sent; sell sold; buy bought; make made; give gave given; "
    "take took taken; "
    "write wrote written; build built; find found; lose lost; leave left; keep kept; hold held; "
    "uphold upheld; lead led; meet met; speak spoke spoken; spend spent; begin began begun; "
    "become became; grow grew grown; "
    "rise rose risen; fall fell fallen; choose chose chosen; wear wore worn; bear bore borne; "
    "run ran; swim swam; teach taught; catch caught; bring brought; think thought; go went gone; "
    "use using used uses; remain stay stays stayed staying; child children; "
    "man men; woman women; person people persons; foot feet; life lives".split("; ")
    for base, *forms in [entry.split()]
    for form in forms
}
