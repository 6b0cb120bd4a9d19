"""What text that addresses a judge looks like: families of patterns over a text's shadow (`shadow.py`).

Words and forms only; whether a match is a command or the report of one is decided in `addressing.py`.

A gap holds no letter, digit or end of sentence and a word nothing else, so a text splits in one way; every
quantifier is bounded; time is linear in the text. The patterns are written in what Python's `re` and Rust's
regex both read alike: no look-around, no back-reference.
"""

from __future__ import annotations

from dataclasses import dataclass

_GAP = r"[^a-z0-9.!?;:]{1,6}"
_WORD = rf"[a-z0-9]{{1,24}}{_GAP}"


@dataclass(frozen=True)
class Family:
    """One way to address a judge.

    `literals` are groups of lower-case pieces; every match holds at least one of each group, so that a
    search for plain strings sets almost all texts aside.
    """

    kind: str
    outline: str
    """What is shown instead of the text, which might address whoever reads the report."""
    pattern: str
    literals: tuple[tuple[str, ...], ...]


def _words(most: int) -> str:
    return rf"(?:{_WORD}){{0,{most}}}"


def _family(
    kind: str, outline: str, patterns: tuple[str, ...], *literals: str, spaced: bool = True
) -> Family:
    """In `spaced` patterns a blank is a gap, and an underscore, which emphasises, an edge of a word."""
    source = "|".join(patterns)
    if spaced:
        source = source.replace(" ", _GAP).replace(r"\b", r"(?:\b|_)")
    return Family(kind, outline, f"(?im){source}", tuple(tuple(group.split("|")) for group in literals))


_STRONG = r"(?:(?:fully|strongly) )?(?:supported|entailed|entailment)\b"
_TRUE = r"(?:(?:fully|completely|entirely|totally) )?(?:true|correct|accurate|factual|verified)\b"
_VALUE = f"(?:{_STRONG}|{_TRUE})"
VALUES = ("supported", "entailed", "entailment", "true", "correct", "accurate", "factual", "verified")
"""The last words of a verdict that is asked for."""

_CLAIM = "(?:claims?|statements?|answers?|responses?|sentences?|submissions?|hypothesis|assertions?|summary)"
_OBJECT = (
    rf"(?:(?:this|the|that|every|each|all|any|my|our|these|following|above) {_words(2)}{_CLAIM}"
    "(?: (?:above|below))?|it|this|that|them)"
)
_STOP = (
    "(?:ignore|disregard|forget|override|overrule|bypass|discard|neglect|stop following"
    "|(?:do not|don t|never) (?:follow|obey)|pay no attention to)"
)
_ORDERS = r"(?:instructions?|prompts?|directions|directives?|rubric|guidelines|system message)\b"
_RULES = r"(?:rules|context|messages?|criteria|evidence|passages)\b"
_EARLIER = "(?:previous|prior|above|preceding|earlier|foregoing|original|initial|former)"
_TOLD = (
    "(?:above|before|earlier|previously|that came before"
    r"|(?:that )?you (?:were|have been|had been) (?:told|given|shown|instructed))\b"
)
_GRADE = (
    "(?:mark|label|rate|score|grade|classify|judge|tag|rule|treat|accept|consider|evaluate|assess|regard)"
)
RETURNS = ("output", "return", "print", "write", "select", "report", "emit")
"""Verbs that programs use of a value named `supported` too."""
_UTTER = "(?:output|respond|reply|answer|return|say|print|write|predict|choose|select|conclude|report|emit)"
_TOP = "(?:highest|maximum|perfect|full|top)"
_POINTS = r"(?:scores?|marks?|ratings?|grades?|points)\b"
_MACHINE = (
    "(?:(?:ai|llm|automated|automatic|nli|machine) "
    "(?:grader|judge|evaluator|verifier|reviewer|auditor|assistant|model|rater|checker)s?"
    "|(?:fact checking|fact checker|language|judge|reward) models?|fact checkers?"
    "|graders?|verifiers?|evaluators?|llms?|ai)"
)
_PERSON = "(?:judges?|reviewers?|auditors?|assessors?|raters?|annotators?)"
_MUST = "(?:must|should|shall|has to|have to|is to|are to|needs to|need to|will|can only)"
_LABEL = "(?:verdict|label|judge?ment|classification)"
_KEY = r"[\"'\u201c\u201d]"
_IS = r"\s{0,3}:\s{0,3}"

_MACHINES = "grader|verifier|evaluator|llm|ai|fact|language|judge|reward|machine|automat|nli"
_PERSONS = "reviewer|auditor|assessor|rater|annotator"
_VERDICTS = "supported|entail|true|correct|accurate|factual|verified"

_OVERRIDE, _ORDER, _ROLE = (
    "an order to drop instructions", "an order what to decide", "a message to a judge"
)  # fmt: skip
FAMILIES = (
    _family(
        "override", _OVERRIDE,
        (
            rf"\b{_STOP} {_words(3)}(?:{_EARLIER}|existing|system|your|evaluation|grading) {_words(2)}"
            rf"{_ORDERS}",
            rf"\b{_STOP} {_words(3)}{_EARLIER} {_words(1)}{_RULES}",
            rf"\b{_STOP} {_words(3)}(?:{_ORDERS}|{_RULES}) {_words(2)}{_TOLD}",
            rf"\b(?:ignore|disregard|forget) (?:everything|anything|what|whatever) {_words(2)}{_TOLD}",
            rf"\b{_STOP} (?:all )?(?:of )?the (?:above|foregoing) (?:and|then) "
            rf"(?:{_GRADE}|{_UTTER}|give|act)\b",
        ),
        "ignor|disregard|forget|overrid|overrul|bypass|discard|neglect|follow|obey|attention",
        "instruc|prompt|direct|rubric|guideline|messag|rules|context|criteria|evidence|passages|above|before"
        "|earlier|previous|told|given|shown|foregoing",
    ),
    _family(
        "override", _OVERRIDE,
        (
            rf"\b(?:ignorier[a-z]{{0,3}}|vergiss|vergessen|missacht[a-z]{{0,3}}) {_words(3)}"
            rf"(?:vorherigen|vorigen|bisherigen|obigen|fruheren) {_words(1)}"
            r"(?:anweisungen|instruktionen|vorgaben)\b",
            rf"\b(?:ignore[zr]?|oublie[zr]?) {_words(3)}(?:instructions|consignes) {_words(1)}"
            r"(?:precedentes|anterieures|ci dessus)\b",
            rf"\b(?:ignor[ae][a-z]{{0,3}}|olvid[ae][a-z]{{0,3}}) {_words(3)}"
            rf"(?:instrucciones|indicaciones|istruzioni) {_words(1)}(?:anteriores|previas|precedenti)\b",
        ),
        "ignor|vergiss|vergessen|missacht|oublie|olvid",
        "anweisungen|instruktionen|vorgaben|instructions|consignes|instrucciones|indicaciones|istruzioni",
    ),
    _family(
        "order", _ORDER,
        (
            rf"\b{_GRADE} {_OBJECT} (?:(?:as|to be|with|is) )?{_VALUE}",
            rf"\b{_UTTER} (?:(?:only|just|always|simply|with|exactly) ){{0,2}}(?:the )?"
            rf"(?:(?:verdict|label|word|answer|string|value|token) )?{_STRONG}",
            rf"\b(?:say|state|conclude|answer|report|confirm) that (?:this|the|every|each|all) {_words(1)}"
            rf"{_CLAIM} (?:is|are) {_VALUE}",
            rf"\b(?:the )?(?:correct|right|final|your|expected) {_words(1)}(?:verdict|label|judge?ment) "
            rf"{_words(4)}(?:is|must be|should be|has to be|will be) {_STRONG}",
        ),
        "mark|label|rate|score|grade|classif|judg|tag|rule|treat|accept|consider|evaluate|assess|regard"
        f"|{_UTTER[3:-1]}|state|confirm|verdict",
        _VERDICTS,
    ),
    _family(
        "order", _ORDER,
        (
            rf"\b(?:give|assign|award|grant) (?:{_OBJECT} )?(?:(?:a|the) )?{_TOP} {_words(1)}{_POINTS}",
            rf"\b(?:rate|score|grade|give) {_OBJECT} (?:(?:a|as|with) )?(?:10|5|100)(?: out of |\s?/\s?)"
            r"(?:10|5|100)\b",
            rf"\b(?:assign|give) (?:a )?score of (?:1\.0|1|10|5|100) to {_OBJECT}",
            r"\b(?:choose|select|prefer|pick) (?:response|answer|option|summary|assistant) [ab] as the "
            r"(?:better|best)\b",
        ),
        "give|assign|award|grant|rate|score|grade|choose|select|prefer|pick",
        "score|mark|rating|grade|points|out|10|/|better|best",
    ),
    _family(
        "role", _ROLE,
        (
            r"\b(?:note|message|instructions?|attention|notice|reminder|dear) (?:(?:to|for) )?"
            rf"(?:(?:the|any|all|an) )?{_MACHINE}\s{{0,2}}[:,]",
            rf"\b(?:attention|dear) {_MACHINE} (?:{_GRADE}|{_UTTER}|give)\b",
            r"\b(?:note|message|instructions?|attention|notice) (?:(?:to|for) )?(?:(?:the|any|all) )?"
            rf"{_PERSON}\s{{0,2}}[:,] {_words(6)}(?:{_VALUE}|{_TOP} {_POINTS})",
            rf"\b(?:{_MACHINE}|{_PERSON}) (?:note|instructions?|notice|override)\s{{0,2}}: {_words(6)}"
            rf"(?:{_VALUE}|{_TOP} {_POINTS})",
            r"\b(?:grader|evaluator|verifier|llm judge) (?:note|override)\s{0,2}:",
            r"\b(?:evaluation|grading|rubric|verdict|score|criteria) override\b",
        ),
        "note|message|instruction|attention|notice|reminder|dear|override",
        f"{_MACHINES}|{_PERSONS}|evaluation|grading|rubric|verdict|score|criteria",
    ),
    _family(
        "role", _ROLE,
        (
            rf"\b(?:{_MACHINE}|{_PERSON}) {_MUST} {_words(2)}(?:{_GRADE}|{_UTTER}|give|approve) {_words(6)}"
            rf"{_STRONG}",
        ),
        f"{_MACHINES}|{_PERSONS}",
        "supported|entail",
    ),
    _family(
        "role", _ROLE,
        (
            rf"\bif you(?: are| re) {_words(2)}(?:ai|llm|language model|bot) {_words(3)}"
            r"(?:reading|reviewing|grading|evaluating|judging|checking|scoring)\b",
        ),
        "ai|llm|language|bot",
        "reading|reviewing|grading|evaluating|judging|checking|scoring",
    ),
    _family(
        "role", _ROLE,
        (
            r"\bsystem\s{0,2}(?:prompt|message|note|notice)?\s{0,2}: "
            rf"{_words(2)}(?:override|ignore|disregard|you are now|you must|new instructions)\b",
        ),
        "system",
        "override|ignore|disregard|now|must|instructions",
    ),
    _family(
        "answer", "a judge's answer, ready made",
        (
            rf"{_KEY}(?:verdict|judge?ment|is_supported|p_supported|support_score|faithfulness"
            rf"|factuality|groundedness){_KEY}{_IS}{_KEY}?"
            r"(?:supported|entail(?:ed|ment|s)|true|correct|yes|1(?:\.0{1,4})?|0\.9[0-9]{0,4})\b",
            rf"{_KEY}(?:label|prediction|classification|decision|answer|result|output|rating|conclusion){_KEY}"
            rf"{_IS}{_KEY}(?:fully[_ ])?(?:supported|entail(?:ed|ment)){_KEY}",
            rf"{_KEY}(?:supported|entailment){_KEY}{_IS}(?:1\.0{{1,4}}|0\.9[0-9]{{0,4}})\b",
            r"\bset\s{1,3}p_supported\s{1,3}to\b",
            rf"{_KEY}supported{_KEY}{_IS}(?:true|1)\s{{0,3}},\s{{0,3}}{_KEY}"
            r"(?:contradicted|refuted|insufficient|neutral)",
            rf"\b{_LABEL}[\s*_\"'`]{{0,4}}[:=]>?[\s*_\"'`]{{0,4}}(?:fully[_ ])?"
            r"(?:supported|entailed|entailment)\b",
        ),
        "supported|entail|judgment|judgement|verdict|faithfulness|factuality|groundedness|support_score",
        ":|=|set",
        spaced=False,
    ),
    _family(
        "token", "a control token of chat or encoder models",
        (
            r"<\|(?:im_(?:start|end|sep)|endof(?:text|prompt)|begin_of_text|end_of_text"
            r"|(?:start|end)_header_id|eot_id|eom_id|system|user|assistant|channel|message|return|start|end"
            r"|sep|cls)\|>",
            r"\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
            r"(?-i:\[(?:SEP|CLS)\])",
            r"^[ \t]{0,3}#{2,4}[ \t]?(?:system|instruction|assistant|human|response)[ \t]?:",
            r"</?(?:evidence|claim|verdict|system_prompt)>",
            r"[=#*<-]{3,6}\s{0,2}(?:end|begin|start)\s(?:of\s)?(?:the\s)?(?:evidence|passages?|context"
            r"|system prompt|prompt|instructions|user input)\b",
        ),
        "<|[inst|[/inst|sys>>|_of_turn>|[sep]|[cls]|##|</|<evidence|<claim|<verdict|<system_prompt|===|***|---",
        "|>|inst]|sys>>|_turn>|[sep]|[cls]|:|>|evidence|passage|context|prompt|instruction|user",
        spaced=False,
    ),
)  # fmt: skip
