"""What is said but states nothing to check: questions, greetings, refusals, offers, instructions.

Words and marks of each kind are linear-time patterns over a column of texts. In doubt a sentence is factual:
a check too many costs milliseconds, a check too few lets a false statement through. English has words here;
other scripts have their question marks.
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import polars as pl


def _any(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


_EMOJI = r"[\x{2600}-\x{27bf}\x{1f000}-\x{1faff}\x{fe0f}\x{200d}]"
_BEGIN = r"(?i)^(?:[\s*_~`\"'“”‘’«»()>#]|" + _EMOJI + ")*"
_END = (
    r"(?:[\s*_~`\"'”’»)\]】」』]|\[\^?[\d,\s–-]{1,40}\]|【[^】]{0,80}】|" + _EMOJI + r")*$"
)  # closing marks, citation marks, emoji

QUESTION = r"(?:[?？؟՞⁇⁈\x{37e}]|か。|՞[^։:]{0,200}[։:]|(?:လား|လဲ)။)!?" + _END

_QUOTES_A_QUESTION = r"^[^\s\"“«‘「『*_].*[?？؟][^\p{L}]*[\"”»’」』]"
"""`She asked "Why?"` is a statement; `"Why?"` is a question."""

LEAD_IN = r"[:：][\s*_~`\"”)]*$"

_NAME = r"[\p{Lu}\p{Ll}.'’-]{1,30}"
_HELLO = _any(
    "hi", "hello", "hey", "greetings", "howdy", r"good (?:morning|afternoon|evening|day|night|luck)"
)
_BYE = _any("goodbye", "bye", "welcome", "cheers", "congratulations", "best of luck", "enjoy")
_SURE = _any(
    "sure(?: thing)?", "certainly", "of course", "absolutely", "definitely", "gladly", "no problem", "got it",
    "understood", "you['’]?re (?:very )?welcome", "my pleasure",
)  # fmt: skip
_PRAISE = _any("great", "good", "excellent", "interesting", "important", "fascinating", "tough")
GREETING = (
    _BEGIN
    + _any(
        _any(_HELLO, _BYE) + r"(?:[ ,]+(?:there|again|all|everyone|team|friend|back|sir|madam))*",
        rf"(?:hi|hello|hey|dear),? {_NAME}(?: {_NAME})?,?",
        r"(?:many )?(?:thanks|thank you)(?: so much| very much| again| a lot)?(?: for .{1,100})?",
        _SURE + r"(?:[,!] (?:here|i['’]?ll|let me|happy to|i['’]?d).{0,120})?",
        rf"(?:that['’]s an? |what an? |this is an? )?{_PRAISE} (?:and \w+ )?question",
        r"(?:best|kind|warm)(?:est)? (?:regards|wishes)",
        r"sincerely(?: yours)?",
        r"yours (?:truly|sincerely|faithfully)",
        r"have an? (?:great|nice|good|lovely|wonderful) .{1,30}",
    )
    + r"[\s!.,…]*"
    + _END
)

_CANNOT = _any(
    "can['’]?t", "can ?not", "(?:am|are|was|were) (?:not able|unable)", "won['’]?t", "will not", "don['’]?t",
    "do not", "didn['’]?t", "couldn['’]?t", "could not", "am not", "must decline",
)  # fmt: skip
_SERVE = _any(
    "help", "assist", "provide", "answer", "access", "browse", "discuss", "comply", "fulfill?", "find",
    "offer", "give", "share", "do", "have", "know", "to", "comment", "verify", "confirm", "predict", "see",
    "generate", "engage", "an?", "qualified", "able", "sure", "certain", "support", "diagnose", "recall",
)  # fmt: skip
_MACHINE = _any(
    r"(?:\w+ )?(?:ai|a\.i\.|artificial|language|virtual|digital|llm)\b",
    "large language",
    r"chat\w*",
    "assistant",
)
REFUSAL = (
    _BEGIN
    + r"(?:(?:unfortunately|regrettably|sorry|apologies|however|but)[,.]? )*"
    + _any(
        r"(?:i['’]?m|i am|we['’]?re|we are) (?:so |very |really |truly |deeply )?(?:sorry|afraid)"
        r"(?:[\s!.…]*$|,? (?:but |that )?(?:i|we)\b| (?:for|to hear) )",
        r"i (?:sincerely )?apologi[sz]e\b",
        r"(?:my|our) (?:sincere )?apologies\b",
        rf"(?:i|we) {_CANNOT} (?:\w+ )?{_SERVE}\b",
        r"(?:i['’]?m|we['’]?re) (?:not able|unable|not (?:sure|certain|qualified|an?)|just an?|only an?)\b",
        rf"as an? {_MACHINE}[^,]{{0,60}},? (?:i|my)\b",
    )
)

_PERFORM = _any(
    "explain", "describe", "try", "do", "provide", r"summari[sz]e", "help", "answer", "outline", "walk"
)
SELF = _BEGIN + _any(
    r"i hope\b",
    r"(?:i would|i['’]d) be (?:happy|glad|delighted)\b",
    rf"(?:i am|i['’]m) (?:(?:happy|glad|here|just an?|only an?)\b|an? {_MACHINE})",
    rf"(?:i will|i['’]ll) (?:now )?{_PERFORM}\b",
    r"i (?:love|enjoy|strive|aim)\b",
    r"i was (?:trained|designed|created|built|developed)\b",
    r"my (?:knowledge|training) (?:cut-?off|data|is|was|only|does)\b",
    r"(?:hope|glad|happy) (?:this|that|it|to|i)\b",
    r"here(?:['’]s| is| are) (?:what (?:i|we) (?:found|know|have)"
    r"|(?:an?|the|some|your) (?:\w+ ){0,3}"
    r"(?:summary|overview|list|breakdown|answer|outline|explanation|results?)"
    r"(?: (?:of|for|to|about|on) [^\d]{1,60})?)[.!…]*$",
)

_ASK = _any(
    "let me know", "feel free", "don['’]?t hesitate", "do not hesitate", "i['’]?m here", "i am here",
    "i['’]?m happy", "i['’]?d be happy", "i['’]?ll be happy", "i can help", "just ask",
)  # fmt: skip
OFFER = _BEGIN + _any(
    r"(?:please |and |so |just )?(?:let me know|feel free|don['’]?t hesitate|do not hesitate)\b",
    rf"(?:if|should) you\b.{{0,160}}\b{_ASK}\b",
    r"(?:would|do) you (?:like|want)\b",
    r"shall i\b",
    r"let me (?:explain|help|check|walk|know|break|summari[sz]e|clarify|look)\b",
    r"let['’]?s (?:start|begin|look|take|dive|explore|break|go|consider|see|examine|walk|get)\b",
)

_DETERMINER = _any(
    "the", "an?", "your", "yourself", "these", "those", "it", "them", "us", "our", "all", "any", "each",
    "both", "my", "me", "this",
)  # fmt: skip
_VERBS = """
add adjust allow apply arrange ask attach bake boil bring browse build buy call change check choose clean
clear click close combine compare complete configure connect contact cook copy create cut define delete
describe discuss divide download drain drag drink drop eat edit enable enter evaluate examine fill find
follow gather get give heat hold identify include insert inspect install keep launch leave let list
locate measure mix monitor move multiply open pay pick place plug pour practice prepare press provide
pull push put read record reduce remove repeat replace request research reset restart return review rinse
run save schedule scroll seek select send set share shut sign skip spend stir stop store submit subtract
switch tap take tell test track turn type understand unplug update upgrade upload use visit wash watch
wear wipe write
""".split()
"""Verbs that open an instruction if an object follows: `Open the valve`, but `Open source is free`."""
IMPERATIVE = (
    _BEGIN
    + r"(?:(?:then|next|first|second|third|finally|lastly|now|also|and|or|otherwise|instead),? )?"
    + _any(
        r"please\b",
        r"make sure\b",
        r"be (?:sure|careful|aware|patient|cautious|mindful|prepared)\b",
        r"(?:do not|don['’]?t)\b",
        rf"never [a-z]+ {_DETERMINER}\b",
        r"(?:ensure|avoid|consult|verify|consider|try|remember to)\s+\w",
        r"(?:check|look|search|watch) (?:for|with|if|whether|at|into|out)\b",
        r"(?:talk|speak) (?:to|with)\b",
        r"(?:go|refer|navigate) to\b",
        r"wait (?:for|until)\b",
        r"focus on\b",
        r"turn (?:on|off)\b",
        r"(?:start|begin) (?:by|with)\b",
        rf"{_any(*_VERBS)} (?:{_DETERMINER}\b|\*\*|`)",
    )
)
_CARRIES_A_FACT = _any(
    r"[;—–]", r"\s-\s", r"(?i:\b(?:because|since|which|who|whose|where|is|are|was|were|will|has|have)\b)",
    r"[.,:]\s\w", r"(?i:\bthat\b)",
)  # fmt: skip
"""An instruction with one of these may carry a statement, so it is checked."""

_TURNS = r"(?i)[,;]\s?(?:but|however|although|though|yet|which|who|where)\b,?\s+(?P<next>[\w'’]+)"
_NO_TURN = r"(?i)^(?:i|i['’]\w+|we|we['’]\w+|here|let|please|feel|if|my|you)$"
"""`I can't see your account, but the fee is $5`: what follows the turn is checked, if it turns at all."""

REFERENCE = _any(
    r"^\s*(?:\[?\^?[\w.-]{0,40}\]?:\s*)?[<(]?(?:https?://|www\.)\S+[>)]?(?:\s+[\"'(].{0,300})?\s*$",
    r"^\s*(?:[-–,;|\s]*!?\[[^\]]{0,300}\]\([^)\s]{0,500}\))+[\s.,;|]*$",
    r"^\s*(?:</?[A-Za-z][^<>]{0,300}>\s*)+$",
)
"""A source, a link, an image or a tag alone: it points, and states nothing."""

_TITLE = r"^(?:\*\*|__)[^*_.!?\d]{1,80}(?:\*\*|__)$"
"""A line all in bold, without a full stop or a number: a heading by another name."""

_SEEN = 600
"""Characters that a pattern sees: a greeting has fewer, and one sentence may have two million."""


def is_not_factual(text: pl.Expr) -> pl.Expr:
    """Whether each text is a question, greeting, refusal, offer, instruction, lead-in or bare reference."""
    head = text.str.head(_SEEN)
    tail = text.str.tail(_SEEN // 3)
    is_short = text.str.len_chars() <= _SEEN
    turn = head.str.extract(_TURNS, 1)
    turns = (turn.is_not_null() & ~turn.str.contains(_NO_TURN)).fill_null(value=False)
    return (
        (tail.str.contains(QUESTION) & ~(is_short & head.str.contains(_QUOTES_A_QUESTION + r"[\s.)]*$")))
        | tail.str.contains(LEAD_IN)
        | (is_short & head.str.contains(_any(GREETING, REFERENCE, _TITLE)))
        | (is_short & head.str.contains(_any(REFUSAL, SELF, OFFER)) & ~turns)
        | (is_short & head.str.contains(IMPERATIVE) & ~head.str.contains(_CARRIES_A_FACT))
    )
