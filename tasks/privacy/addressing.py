"""Text that addresses the verifier or a judge: in which texts it is, where, and how sure that is.

Findings of the kind `judge_address`, and how a command differs from the report of one; the patterns are
`address_patterns.py`, and what follows from a finding is up to policies.

Such text changes no verdict: no verifier of ours takes orders. It is shown because whoever writes it wants to
change one: in an answer it speaks to its auditor, in evidence it is an indirect prompt injection (OWASP
LLM01:2025; against judges: Shi et al. 2024, "JudgeDeceiver"). What only reports an address ("attackers write
'ignore all previous instructions'") is found with a confidence below `ACTED_ON`: shown, and nothing follows
from it. So a writer who passes an order off as a report is shown, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import polars as pl

from tasks.privacy import confidential, shadow
from tasks.privacy.address_patterns import FAMILIES, RETURNS, VALUES
from tasks.privacy.outline import Finding

KIND = "judge_address"
LABEL = f"{KIND}@1"
ACTED_ON = 0.6
"""Confidence (ratio) from which an address counts for reasons, policies and `claimledger score`."""
PLAIN, REPORTED = 0.9, 0.4
"""Confidence of an address, and of one that is reported or not in the form of a command."""

_PATTERNS = [(family, re.compile(family.pattern)) for family in FAMILIES]
_QUOTES = "\"'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
_COMMANDED = re.compile(
    rf"(?i)(?:\A|[.!?:;,\n(\[{{<>*#|`\u2013\u2014{_QUOTES}-]"
    r"|\b(?:please|now|then|and|always|just|simply|kindly|so|also|but|only"
    r"|you (?:must|should|shall|will|have to|need to|are to|can only|only|always)"
    rf"|(?:want|need|ask|order|command|instruct|tell) you to))[\s*_`({_QUOTES}]{{0,4}}\Z"
)
_NEGATED = re.compile(
    r"(?i)\b(?:not|never|cannot|can't|don't|won't|without|nor)\s{1,3}(?:[a-z]{1,20}\s{1,3})?\Z"
)
_CONDITIONED = re.compile(r"(?i)\b(?:if|when|whenever|unless|once|where)\b(?!\s{1,3}you\b)[^.!?\n]{0,80}\Z")
_CONDITION = re.compile(
    rf"(?i)[\s,){_QUOTES}]{{0,3}}(?:or|if|when|unless|until|once|only|based|provided|in which|versus|vs)\b"
    rf"|[\s){_QUOTES}]{{0,3}}[/|]"
)
_ENDS = re.compile(
    rf"(?i)[*_`)\]}}\s{_QUOTES}]{{0,4}}(?:\Z|[.!?,;:\n<\[{{]"
    r"|(?:for|to) (?:all|every|each|any|this|the|these|it)\b|in (?:all|any|every)\b"
    r"|regardless|no matter|and\b|whatever|without|every time)"
)
_BY = re.compile(
    rf"(?i)[*_\s{_QUOTES}]{{1,4}}by (?:the|all|this) [a-z]{{0,8}}\s?(?:evidence|passages?|context|document)\b"
)
_BARE = re.compile(r"(?i)\s{0,4}(?:\Z|[.,;:\n)\]}])")
_IDENTIFIER = re.compile(r"[A-Za-z0-9]_[A-Za-z0-9]")
_REPORTED = re.compile(
    r"(?i)\b(?:such as|e\.g\.|for example|for instance|examples?|phrases?|called|known as|says|saying|said"
    r"|writes?|wrote|typ(?:e|es|ing)|tells?|telling|told|asks?|asked|asking|instructs?|instructed|instructing"
    r"|attack[a-z]{0,4}|adversar[a-z]{1,5}|inject[a-z]{0,5}|jailbreak[a-z]{0,4}|hackers?|malicious[a-z]{0,2}"
    r"|tries|tried|trying)\b[^!?\n]{0,60}\Z"
)
_NAMED = re.compile(r"(?i)[`)\"'\u2019\u201d]{0,2}\s{0,2}(?:special )?(?:tokens?|tags?|markers?)\b")
_NEAR = 40
"""Characters between two addresses that are shown as one: an order goes on, a fence has many tokens."""
_BEFORE = 120
"""Characters before an address that say whether it is a command."""


def addresses(text: str) -> Iterator[Finding]:
    """Where the text addresses a judge, in order of position and apart."""
    folded, places = shadow.fold(text)
    matches = sorted(
        (match.start(), -match.end(), family.outline, confidence)
        for family, pattern in _PATTERNS
        for match in pattern.finditer(folded)
        if (confidence := _confidence(family.kind, folded, match.start(), match.end()))
    )
    joined: list[tuple[int, int, str, float]] = []
    for start, negative_end, outline, confidence in matches:
        if joined and start - joined[-1][1] <= _NEAR:
            first, last, what, highest = joined[-1]
            joined[-1] = first, max(last, -negative_end), what, max(confidence, highest)
        else:
            joined.append((start, -negative_end, outline, confidence))
    for start, end, outline, confidence in joined:
        yield Finding(places[start], places[end - 1] + 1, outline, confidence)


def _confidence(kind: str, text: str, start: int, end: int) -> float:
    """Of a match; 0 where the text around it says that nobody is addressed."""
    before, after = text[max(0, start - _BEFORE) : start], text[end : end + 40]
    commanded = _COMMANDED.search(before if start <= _BEFORE else " " + before)
    if kind == "override":
        is_meant = not _is_identifier(text, start, end)
    elif kind == "order":
        is_meant = (
            bool(commanded)
            and not _CONDITIONED.search(before)
            and not _is_identifier(text, start, end)
            and (_is_closed(text[start:end], after) or bool(_BY.match(after)))
        )
    elif kind == "answer":
        is_meant = _is_closed(text[start:end], after)
    else:
        is_meant = True
    if not is_meant or (
        kind not in ("answer", "token") and (_CONDITION.match(after) or _NEGATED.search(before))
    ):
        return 0.0
    is_reported = _REPORTED.search(before) or (kind == "override" and not commanded)
    is_named = kind == "token" and (_NAMED.match(after) or before.rpartition("\n")[2].count("`") % 2 == 1)
    return REPORTED if is_reported or is_named else PLAIN


def _is_closed(match: str, after: str) -> bool:
    """Whether a verdict that ends the match is the whole of it: not "supported by three witnesses"."""
    words = match.lower().rstrip("_")
    if not words.endswith(VALUES):
        return True
    is_value_of_code = words.startswith(RETURNS) and "supported" in words and len(words.split()) == 2
    return bool(_ENDS.match(after)) and not (is_value_of_code and _BARE.match(after))


def _is_identifier(text: str, start: int, end: int) -> bool:
    """Whether the words are joined as in a name of code."""
    return bool(_IDENTIFIER.search(text, max(0, start - 1), min(len(text), end + 1)))


def screened(texts: pl.Series) -> pl.Series:
    """Which of the texts (String, n) may address a judge (Boolean, n): all that do, and few others."""
    shadows = shadow.plain(texts).alias("text").to_frame().with_row_index("row")
    rows = []
    for family in FAMILIES:
        held = shadows
        for group in family.literals:
            held = held.filter(pl.col("text").str.contains_any(list(group), ascii_case_insensitive=True))
        rows.append(held.filter(pl.col("text").str.contains(family.pattern))["row"])
    return shadows["row"].is_in(pl.concat(rows).implode()).rename("screened")


def is_addressed(texts: pl.Series) -> pl.Series:
    """Which of the texts (String, n) address a judge with a confidence that is acted on (Boolean, n).

    A text that is given many times, as passages are, is looked at once.
    """
    different = texts.cast(pl.String).alias("text").drop_nulls().unique(maintain_order=True)
    likely = different.filter(screened(different))
    sure = [any(one.confidence >= ACTED_ON for one in addresses(text)) for text in likely]
    hits = likely.filter(pl.Series(sure, dtype=pl.Boolean))
    return texts.cast(pl.String).is_in(hits.implode()).fill_null(value=False).rename("addresses_judge")


def scan(outputs: pl.DataFrame, *, run_id: str, now: datetime) -> pl.DataFrame:
    """Findings (FINDINGS frame) of addresses in the responses of outputs (OUTPUTS frame)."""
    numbered = outputs.select("output_id", "produced_at", "response").with_row_index("row")
    likely = numbered.filter(screened(numbered["response"]))
    rows = [
        (row, KIND, LABEL, finding)
        for row, text in likely.select("row", "response").iter_rows()
        for finding in addresses(text)
    ]
    return confidential.as_findings(rows, numbered, run_id=run_id, now=now)
