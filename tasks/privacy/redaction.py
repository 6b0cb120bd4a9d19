"""What a redactor did before us: whether its placeholders are consistent, and whether it left anything.

A placeholder is `[EMAIL_1]`, `<PERSON>`, `{{PHONE}}` or three stars and more. In an answer, a numbered one
must be among those of its question and contexts: another number is nobody's, and whoever puts the values
back puts back none or a wrong one. One that is cut or has lost its brackets cannot be put back at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import polars as pl

from tasks.privacy import confidential
from tasks.privacy.outline import Finding

KIND = "redaction"
LABEL = f"{KIND}@1"
_NAMES = (
    "PERSON|NAME|FIRST_?NAME|LAST_?NAME|EMAIL(?:_ADDRESS)?|E-?MAIL|PHONE(?:_NUMBER)?|TEL|ADDRESS|LOCATION|IBAN(?:_CODE)?"
    "|CREDIT_?CARD|CARD|SSN|US_SSN|IP(?:_ADDRESS)?|DATE(?:_TIME|_OF_BIRTH)?|DOB|ORG(?:ANI[SZ]ATION)?|COMPANY|URL"
    "|ID|ACCOUNT(?:_NUMBER)?|PASSPORT|NATIONAL_ID|SECRET|KEY|PASSWORD|REDACTED|PII|USER(?:NAME)?"
)
_WHOLE = (
    rf"(?P<open>[\[<]|\{{\{{)(?P<name>{_NAMES})(?:[_ -]?(?P<number>[0-9]{{1,6}}))?(?P<close>[\]>]|\}}\}})"
)
_PLACEHOLDER = re.compile(rf"{_WHOLE}|(?<![*\w])\*{{3,}}(?![*\w])")
_BROKEN = re.compile(
    rf"[\[<](?:{_NAMES})_[0-9]{{1,6}}(?![\]>0-9_])|(?<![\[<{{A-Za-z0-9_])(?:{_NAMES})_[0-9]{{1,6}}[\]>]"
    rf"|[\[<](?:{_NAMES})_(?=\s|\Z)"
)
_SCREEN = r"[\[<]|\}\}|[\]>]|\*\*\*"
_PAIRS = {"[": "]", "<": ">", "{{": "}}"}
_SURE = 0.9


def placeholders(text: str) -> list[str]:
    """Those of a text, as they are written, in order."""
    return [match.group() for match in _PLACEHOLDER.finditer(text)]


def scan(outputs: pl.DataFrame, *, run_id: str, now: datetime) -> pl.DataFrame:
    """FINDINGS of placeholders in responses that are broken, or of numbers that the answer was never given.

    A placeholder hides a value and is shown as it is. Answers without a numbered placeholder in their own
    question and contexts were not redacted with numbers, and only broken ones count.
    """
    numbered = outputs.with_row_index("row")
    likely = numbered.filter(pl.col("response").str.contains(_SCREEN))
    rows = [
        (row, KIND, LABEL, finding)
        for row, response, prompt, contexts in likely.select(
            "row", "response", "prompt", "contexts"
        ).iter_rows()
        for finding in inconsistencies(
            response, "\n".join([prompt or "", *(one["text"] for one in contexts or ())])
        )
    ]
    return confidential.as_findings(rows, numbered, run_id=run_id, now=now)


def inconsistencies(response: str, given: str) -> Iterator[Finding]:
    """Placeholders of a response that its question and contexts (`given`) do not account for."""
    known = {
        (match["name"], match["number"])
        for match in _PLACEHOLDER.finditer(given)
        if match["number"] is not None
    }
    found = [(match.span(), "broken") for match in _BROKEN.finditer(response)]
    for match in _PLACEHOLDER.finditer(response):
        if match["open"] and match["close"] != _PAIRS[match["open"]]:
            found.append((match.span(), "broken"))
        elif known and match["number"] is not None and (match["name"], match["number"]) not in known:
            found.append((match.span(), "not given"))
    last = 0
    for (start, end), what in sorted(found):
        if start >= last:
            last = end
            yield Finding(start, end, f"{response[start:end]} ({what})", _SURE)


def left(findings: pl.LazyFrame, kinds: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Kind, findings and answers of what a redactor should have caught (FINDINGS), the most first."""
    return (
        findings.filter(pl.col("kind").is_in(kinds))
        .group_by("kind")
        .agg(findings=pl.len(), answers=pl.col("output_id").n_unique())
        .sort("findings", "kind", descending=[True, False])
        .collect()
        .rows()
    )


def miss_rate(reviewed: pl.DataFrame, confidence: float = 0.95) -> tuple[float, float, float]:
    """Share of reviewed answers in which a person found something left, with its exact interval.

    Args:
        reviewed: `left`: values that the person found in the answer; one row an answer, drawn at random.
        confidence: of the interval (Clopper and Pearson 1934): the answer is what was drawn, so values of
            one answer do not count as independent.
    """
    from scipy.stats import binomtest  # here, for no night without a reviewed sample needs it

    missed = reviewed.filter(pl.col("left") > 0).height
    interval = binomtest(missed, reviewed.height).proportion_ci(confidence, method="exact")
    return missed / reviewed.height, float(interval.low), float(interval.high)
