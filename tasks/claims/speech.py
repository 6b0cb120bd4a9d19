"""What is said but states nothing to check: questions, greetings, refusals, offers, empty instructions.

Words and marks of each kind are linear-time patterns over a column of texts. In doubt a sentence is factual:
a check too many costs milliseconds, a check too few lets a false statement through. English has words here;
other scripts have their question marks.
"""

# ruff: noqa: E501 - one pattern a line reads better than pieces

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
_PRAISE = _any(
    "great", "good", "excellent", "interesting", "important", "fascinating", "tough", "broad", "complex", "hard",
    "difficult", "tricky", "complicated", "big", "open", "deep",
)  # fmt: skip
GREETING = (
    _BEGIN
    + _any(
        _any(_HELLO, _BYE) + r"(?:[ ,]+(?:there|again|all|everyone|team|friend|back|sir|madam))*",
        rf"(?:hi|hello|hey|dear),? {_NAME}(?: {_NAME})?,?",
        r"(?:many )?(?:thanks|thank you)(?: so much| very much| again| a lot)?(?: for .{1,100})?",
        _SURE + r"(?:[,!] (?:here|i['’]?ll|let me|happy to|i['’]?d).{0,120})?",
        rf"(?:that['’]s an? |that is an? |what an? |this is an? )?(?:very |really |quite )?{_PRAISE}(?:(?: and |, )\w+)? question"
        r"(?: (?:that has|with|which has) no (?:definitive|simple|single|easy|clear) answer)?",
        r"(?:my |our )?(?:sincere )?apologies(?: for .{1,100})?|sorry (?:about|for) .{1,100}",
        r"(?:best|kind|warm)(?:est)? (?:regards|wishes)",
        r"sincerely(?: yours)?",
        r"yours (?:truly|sincerely|faithfully)",
        r"have an? (?:great|nice|good|lovely|wonderful) .{1,30}",
    )
    + r"[\s!.,…]*"
    + _END
)

_CANNOT = _any(
    "can['’]?t", "can ?not", "(?:am|are|was) (?:not able|unable)", "won['’]?t", "will not", "don['’]?t",
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
    r"let me (?:explain|help|check|walk|know|break|summari[sz]e|clarify|look|transfer|connect|put you|pass|forward|find|get|see|take|search|verify|confirm that for)\b",
    r"let['’]?s (?:start|begin|look|take|dive|explore|break|go|consider|see|examine|walk|get)\b",
)

_ADVISER = _any(
    "doctor", "physician", "pharmacist", "lawyer", "attorney", "solicitor", "accountant", "bank", "manager",
    "administrator", "teacher", "specialists?", "experts?", "professionals?", "providers?", "advis[eo]rs?",
    "(?:support|customer service|help ?desk|it|hr)(?: team| department| staff)?", "representatives?", "team",
)  # fmt: skip
_MATERIAL = _any(
    "details", "information", "context", "specifics", "background", "question", "request", "query"
)
_PLEASE = r"(?:(?:then|now|also|and|or|so|otherwise),? )?(?:please |just |simply |kindly |always |do |you (?:can|may|should) )*"
INSTRUCTION = (
    _BEGIN
    + _PLEASE
    + _any(
        rf"(?:consult|contact|ask|see|talk to|talk with|speak to|speak with|check with|reach out to|turn to)(?: with)?"
        rf" (?:your|an?|the|our) (?:[a-z-]+ ){{0,3}}?{_ADVISER}(?: or (?:an? |your )?(?:[a-z-]+ )?{_ADVISER})?"
        r"(?: (?:before use|directly|first|for (?:more|further|additional|specific|personali[sz]ed|professional|medical|"
        r"legal|financial) [^\d]{1,60}|if (?:you|in|needed|necessary|symptoms|problems)\b[^\d]{0,60}))?",
        r"be (?:sure|careful|aware|patient|cautious|mindful|prepared)",
        r"(?:wait|hold on|stand by|bear with (?:me|us)|take your time|try again(?: later)?|don['’]?t worry|stay tuned|proceed"
        r"|enjoy|remember|note|keep in mind|bear in mind)(?: (?:a|one|this|that|it|the following|a moment|while .{1,40}))?",
        r"(?:click|tap|press|select|use|open|follow|fill in|fill out) (?:on )?(?:the|this|that|our) (?:button|link|icon|form|arrow)",
        r"(?:see|refer to|check|read|review|follow|find|use) (?:the |this |our )?(?:[a-z]+ ){0,2}(?:link|section|table|list|steps?|answer|"
        r"message|details|attachment|sources?|references?|instructions|example|summary)s?(?: (?:below|above|attached|carefully|provided))?",
        rf"(?:provide|share|give|send|add|include|offer)(?: (?:me|us))?(?: (?:with|some|more|further|additional|any|a bit|the|your|specific|"
        rf"relevant|exact|full|other|necessary|missing|few|and|which))+ {_MATERIAL}(?: .{{0,100}})?",
        r"(?:specify|clarify|rephrase|restate|reword|elaborate on|tell me|tell us|give me|give us|let me know|let us know|help me|show me)\b[^\d]{0,120}",
        r"(?:ask|search) (?:me|us|again|another|a different|a new)\b[^\d]{0,80}",
    )
    + r"[\s!.,…]*"
    + _END
)
"""An instruction about this conversation, or one that says nothing of its own: `Please wait`, `Consult a doctor`.

Any other instruction says what is to be done, which a document may say otherwise: it is checked."""

_RUNS_INTO_A_QUESTION = r"(?i)^.{20,}[,;] (?:and |so |but )?(?:do|did|does|have|are|is that|is this|what about|how about|what do|would) you\b"
_TAG = r"(?i)^.{12,}, (?:right|correct|yes|no|is ?n['’]t (?:it|he|she|that)|are ?n['’]t (?:they|we)|does ?n['’]t (?:it|he|she)|do ?n['’]t they|was ?n['’]t (?:it|he|she)|is it not|is that right)\s?\?"
_ASKS_FIRST = _BEGIN + _any(
    r"(?:well|so|and|but|ok|okay|hi|hello|hey|yes|no|sure|oh)\b",
    r"(?:what|who|whom|whose|when|where|why|which|how|if|should|whether|do|does|did|is|are|was|were|am|have|has|had|can|could|will|"
    r"would|shall|may|might|you|you['’]re|your|i|i['’]m|we)\b",
)
_DID_YOU_KNOW = (
    _BEGIN
    + r"(?:and |so |hi,? |hey,? |oh,? |by the way,? )?(?:did|do) you know(?:,? that)? (?P<known>[\w'’-]+) "
)
_ASKED_FOR = r"(?i)^(?:what|who|whom|whose|when|where|why|which|how|if|whether|any|of|about|anything|anyone|the (?:name|answer|reason|difference|way)|me|him|her|them)$"


def _states_in_a_question(head: pl.Expr) -> pl.Expr:
    """`Did you know that tea is free?` and `Tea is free, right?` tell more than they ask."""
    known = head.str.extract(_DID_YOU_KNOW, 1)
    tells = (known.is_not_null() & ~known.str.contains(_ASKED_FOR)).fill_null(value=False)
    adds = head.str.contains(_RUNS_INTO_A_QUESTION) | head.str.contains(_TAG)
    return tells | (adds & ~head.str.contains(_ASKS_FIRST))


_TURNS = (
    r"(?i)(?:[,;]\s?|\b(?:know|sure|certain) )(?:but|however|although|though|yet|which|who|where)\b,?\s+"
    r"(?P<next>[\w'’]+(?: (?:do )?(?:know|heard|read|believe|think|learned)\b)?)"
)
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
    """Whether each text is a question, greeting, refusal, offer, empty instruction, lead-in or bare reference."""
    head = text.str.head(_SEEN)
    tail = text.str.tail(_SEEN // 3)
    is_short = text.str.len_chars() <= _SEEN
    turn = head.str.extract(_TURNS, 1)
    quotes = head.str.contains(_QUOTES_A_QUESTION + r"[\s.)]*$")
    turns = (turn.is_not_null() & ~turn.str.contains(_NO_TURN)).fill_null(value=False)
    return (
        (tail.str.contains(QUESTION) & ~(is_short & (quotes | _states_in_a_question(head))))
        | tail.str.contains(LEAD_IN)
        | (is_short & head.str.contains(_any(GREETING, REFERENCE, _TITLE)))
        | (is_short & head.str.contains(_any(REFUSAL, SELF, OFFER)) & ~turns)
        | (is_short & head.str.contains(INSTRUCTION))
    )
