"""The claims a reader should look at first, each with the evidence that decided it, side by side.

Which claims and which passages, the queries `worst` and `evidence` say; here are their words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, cast

import polars as pl

from tasks.report.highlight import Mark, deciding_spans, densest_window, pieces
from tasks.report.parameters import ReportParameters
from tasks.visible import shortened, visible

ERASED = "(this text is not in the lake: erased, or its table is not published)"
_REASON, _PROMPT, _URI = 400, 300, 300
"""Longest reason, question and address shown, characters."""


@dataclass(frozen=True)
class ShownPassage:
    """One passage beside a claim: where it is from, what the verifier gave it, and its marked words."""

    uri: str
    origin: str
    rank: int
    p_supported: float
    p_contradicted: float
    p_insufficient: float
    words: list[tuple[str, Mark | None]]
    decisive: tuple[int, int] | None
    """Which of `words` are the sentence that decided the verdict; None where none is known or shown."""
    cut_before: bool
    cut_after: bool
    is_read_whole: bool


@dataclass(frozen=True)
class ShownClaim:
    """One claim as a page shows it; every text is already free of invisible characters."""

    claim_id: str
    output_id: str
    verdict_id: str
    verifier: str
    snapshot: str
    standing: str
    """contradicted, conflict, unsettled, unchecked or supported."""
    because: str | None
    """Of `tables.INSUFFICIENT_BECAUSE`, where the verdict is insufficient."""
    verdict: str
    probability: float
    sides: tuple[float, float]
    """p_supported and p_contradicted, what both sides of a conflict have."""
    reason: str
    agent: str
    model: str | None
    use_case: str
    produced_at: datetime
    policy: str
    prompt: str
    words: list[tuple[str, Mark | None]]
    passages: list[ShownPassage]
    more_passages: int


class _Claim(TypedDict):
    """A row of `worst`, joined with its row of `TEXTS`."""

    claim_id: str
    verdict_id: str
    output_id: str
    produced_at: datetime
    agent: str
    model: str | None
    use_case: str
    verdict: str
    standing: str
    because: str | None
    verifier: str
    policy: str
    snapshot: str
    p_supported: float
    p_contradicted: float
    p_insufficient: float
    reason: str | None
    evidence_ids: list[str] | None
    decisive_start: int | None
    decisive_end: int | None
    text: str | None
    prompt: str | None


class _Evidence(TypedDict):
    """A row of `evidence`, joined with its row of `PASSAGES`."""

    claim_id: str
    rank: int
    passage_id: str
    origin: str
    p_supported: float
    p_contradicted: float
    p_insufficient: float
    tokens_offered: int
    tokens_seen: int
    offered: int
    document_uri: str | None
    text: str | None


def present(
    worst: pl.DataFrame,
    *,
    texts: pl.DataFrame,
    evidence: pl.DataFrame,
    passages: pl.DataFrame,
    parameters: ReportParameters,
) -> list[ShownClaim]:
    """Claims as a page shows them, in the order of `worst`.

    Args: results of the queries `worst`, `TEXTS`, `evidence` and `PASSAGES`. A text that a table no longer
    holds is shown as erased.
    """
    claims = worst.join(texts.unique("verdict_id"), on="verdict_id", how="left", maintain_order="left")
    rows = evidence.join(passages.unique("passage_id"), on="passage_id", how="left", maintain_order="left")
    beside: dict[str, list[_Evidence]] = {}
    for row in cast(list[_Evidence], rows.to_dicts()):
        beside.setdefault(row["claim_id"], []).append(row)
    return [
        _shown(claim, beside.get(claim["claim_id"], []), parameters)
        for claim in cast(list[_Claim], claims.to_dicts())
    ]


def _shown(row: _Claim, evidence: list[_Evidence], parameters: ReportParameters) -> ShownClaim:
    claim = visible(shortened(row["text"] or ERASED, parameters.claim_characters))
    marks = deciding_spans(claim, _text(evidence[0]))[0] if evidence else []
    probabilities = {
        "supported": row["p_supported"],
        "contradicted": row["p_contradicted"],
        "insufficient": row["p_insufficient"],
    }
    return ShownClaim(
        claim_id=row["claim_id"],
        output_id=row["output_id"],
        verdict_id=row["verdict_id"],
        verifier=row["verifier"],
        snapshot=row["snapshot"],
        standing=row["standing"],
        because=row["because"],
        verdict=row["verdict"],
        probability=probabilities[row["verdict"]],
        sides=(row["p_supported"], row["p_contradicted"]),
        reason=visible(shortened(row["reason"] or ERASED, _REASON)),
        agent=row["agent"],
        model=row["model"],
        use_case=row["use_case"],
        produced_at=row["produced_at"],
        policy=row["policy"],
        prompt=visible(shortened(row["prompt"] or "", _PROMPT)),
        words=pieces(claim, marks),
        passages=[_passage(claim, row, each, parameters) for each in evidence],
        more_passages=evidence[0]["offered"] - len(evidence) if evidence else 0,
    )


def _text(row: _Evidence) -> str:
    return ERASED if row["text"] is None else _clean(row["text"])


def _clean(text: str) -> str:
    # Scraped documents are full of blank lines; the words are what is compared.
    return re.sub(r"\s*\n\s*", "\n", visible(text).strip())


def _passage(claim: str, verdict: _Claim, row: _Evidence, parameters: ReportParameters) -> ShownPassage:
    text = _text(row)
    spans = deciding_spans(claim, text)[1]
    sentence = _sentence(verdict, row, text)
    start, end = densest_window(text, spans, parameters.passage_characters)
    if sentence and not start <= sentence[0] < sentence[1] <= end:
        start, end = _around(sentence, len(text), parameters.passage_characters)
    words, decisive = pieces(text, spans, start, end), None
    if sentence and sentence[1] <= end:
        before, inside, after = (
            pieces(text, spans, *part) for part in ((start, sentence[0]), sentence, (sentence[1], end))
        )
        words, decisive = before + inside + after, (len(before), len(before) + len(inside))
    return ShownPassage(
        uri=visible(shortened(row["document_uri"] or "", _URI)),
        origin=row["origin"],
        rank=row["rank"],
        p_supported=row["p_supported"],
        p_contradicted=row["p_contradicted"],
        p_insufficient=row["p_insufficient"],
        words=words,
        decisive=decisive,
        cut_before=start > 0,
        cut_after=end < len(text),
        is_read_whole=row["tokens_seen"] == row["tokens_offered"],
    )


def _sentence(verdict: _Claim, row: _Evidence, shown: str) -> tuple[int, int] | None:
    """[start, end) in the shown text of the sentence that decided, if it is in this passage."""
    first, last, text = verdict["decisive_start"], verdict["decisive_end"], row["text"]
    decided_here = (verdict["evidence_ids"] or [])[:1] == [row["passage_id"]]
    if text is None or first is None or last is None or not decided_here:
        return None
    sentence = _clean(text[first:last])
    # Cleaning moves characters, so the sentence is looked for near its old place.
    near = len(_clean(text[:first]))
    places = [match.start() for match in re.finditer(re.escape(sentence), shown)] if sentence else []
    if not places:
        return None
    start = min(places, key=lambda at: abs(at - near))
    return start, start + len(sentence)


def _around(sentence: tuple[int, int], length: int, room: int) -> tuple[int, int]:
    """[start, end) of at most `room` characters with the sentence in the middle."""
    start = max(0, min(sentence[0] - (room - (sentence[1] - sentence[0])) // 2, sentence[0], length - room))
    return start, min(length, start + room)
