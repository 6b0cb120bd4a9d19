"""The claims a reader should look at first, each with the evidence that decided it, side by side.

Belongs here: which claims, which passages, which words. Does not belong here: markup and layout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import polars as pl

from tasks.report.highlight import Mark, deciding_spans, densest_window, pieces
from tasks.report.summary import SLICES
from tasks.visible import shortened, visible

Standing = Literal["contradicted", "conflict", "insufficient"]
STANDINGS: tuple[Standing, ...] = ("contradicted", "conflict", "insufficient")


@dataclass(frozen=True)
class WorstParameters:
    """How many claims a page shows, and how much of their texts."""

    claims: int = 24
    """Worst claims of the whole lake: what a person reads in a quarter of an hour."""

    per_slice: int = 1
    """Worst claims of every (agent, use case, standing) besides, so that a filter finds something."""

    maximum: int = 72
    """All claims of a page; with the lengths below some 400 kB."""

    passages: int = 3
    """Passages per claim, the deciding one first."""

    claim_characters: int = 1200
    passage_characters: int = 700
    """Longest text shown; a longer passage is cut to the part that shares most with the claim."""


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
    standing: Standing
    verdict: str
    probability: float
    reason: str
    agent: str
    model: str
    use_case: str
    slice_indices: dict[str, int]
    produced_at: datetime
    policy: str
    prompt: str
    words: list[tuple[str, Mark | None]]
    passages: list[ShownPassage] = field(default_factory=list)
    more_passages: int = 0


def select(verdicts: pl.DataFrame, parameters: WorstParameters) -> pl.DataFrame:
    """Current verdicts worth a look, worst first, with a column `standing`.

    Contradicted claims by falling `p_contradicted`, then conflicts by how strongly both sides speak, then
    insufficient ones by rising `p_supported`. One claim is in one standing: contradicted before conflict.
    Half of the room goes to the first standing, so that a night of contradictions hides no conflict.
    """
    standing = (
        pl.when(pl.col("verdict") == "contradicted")
        .then(pl.lit("contradicted"))
        .when(pl.col("is_conflict"))
        .then(pl.lit("conflict"))
        .when(pl.col("verdict") == "insufficient")
        .then(pl.lit("insufficient"))
    )
    severity = (
        pl.when(pl.col("standing") == "contradicted")
        .then(pl.col("p_contradicted"))
        .when(pl.col("standing") == "conflict")
        .then(pl.min_horizontal("p_contradicted", "p_supported"))
        .otherwise(1 - pl.col("p_supported"))
    )
    ordered = (
        verdicts.with_columns(standing=standing)
        .filter(pl.col("standing").is_not_null())
        .with_columns(_severity=severity, _order=_order())
        .sort(["_order", "_severity", "claim_id"], descending=[False, True, False])
    )
    room = {"contradicted": parameters.claims // 2, "conflict": parameters.claims // 4}
    room["insufficient"] = parameters.claims - sum(room.values())
    place = pl.int_range(pl.len()).over("standing")
    limit = pl.col("standing").replace_strict(list(room), list(room.values()), return_dtype=pl.Int64)
    within = pl.int_range(pl.len()).over("agent", "use_case", "standing")
    marked = ordered.with_columns(_overall=place < limit, _slice=within < parameters.per_slice)
    chosen = pl.concat(
        [
            marked.filter("_overall"),
            # Each slice's worst, most severe slices first, as far as there is room.
            marked.filter(~pl.col("_overall") & pl.col("_slice")),
        ]
    ).head(parameters.maximum)
    return chosen.sort(["_order", "_severity", "claim_id"], descending=[False, True, False]).drop(
        "_order", "_severity", "_overall", "_slice"
    )


def deciding_passages(
    chosen: pl.DataFrame, evidence: pl.DataFrame, parameters: WorstParameters
) -> pl.DataFrame:
    """Of every chosen verdict the most telling evidence rows, in order, and `offered`: how many there were.

    For a conflict the strongest supporting and contradicting passages alternate; for a contradiction the
    most contradicting come first; otherwise the ones that say most either way.
    """
    judged = chosen.select("claim_id", "verifier", "snapshot", "standing")
    rows = evidence.join(judged, on=["claim_id", "verifier", "snapshot"], how="inner")
    says = pl.max_horizontal("p_supported", "p_contradicted")
    weight = pl.when(pl.col("standing") == "contradicted").then(pl.col("p_contradicted")).otherwise(says)
    side = (pl.col("standing") == "conflict") & (pl.col("p_supported") > pl.col("p_contradicted"))
    return (
        rows.with_columns(_weight=weight, _side=side)
        .sort(["claim_id", "_weight", "rank"], descending=[False, True, False])
        .with_columns(_turn=pl.int_range(pl.len()).over("claim_id", "_side"))
        .sort(["claim_id", "_turn", "_weight", "rank"], descending=[False, False, True, False])
        .with_columns(offered=pl.len().over("claim_id"), _place=pl.int_range(pl.len()).over("claim_id"))
        .filter(pl.col("_place") < parameters.passages)
        .drop("_weight", "_side", "_turn", "_place", "standing")
    )


def present(
    chosen: pl.DataFrame,
    *,
    claims: pl.DataFrame,
    outputs: pl.DataFrame,
    deciding: pl.DataFrame,
    passages: pl.DataFrame,
    parameters: WorstParameters,
) -> list[ShownClaim]:
    """Claims as a page shows them, in the order of `chosen`.

    `chosen` is `select(...)` with `*_index` columns of `summary.fold_values`, reason, policy, evidence_ids,
    decisive_start and decisive_end; `claims`
    has claim_id, text; `outputs` output_id, prompt; `deciding` is `deciding_passages(...)`; `passages`
    has passage_id, document_uri, text. A text that a table no longer holds is shown as erased.
    """
    texts = dict(claims.select("claim_id", "text").iter_rows())
    prompts = dict(outputs.select("output_id", "prompt").iter_rows())
    documents = {row["passage_id"]: row for row in passages.iter_rows(named=True)}
    rows_of = {
        key[0]: rows.to_dicts() for key, rows in deciding.partition_by("claim_id", as_dict=True).items()
    }
    shown = []
    for row in chosen.iter_rows(named=True):
        claim = visible(shortened(texts.get(row["claim_id"]) or ERASED, parameters.claim_characters))
        evidence = rows_of.get(row["claim_id"], [])
        beside = [_passage(claim, row, e, documents.get(e["passage_id"]), parameters) for e in evidence]
        first = _text(documents.get(evidence[0]["passage_id"])) if evidence else ""
        marks = deciding_spans(claim, first)[0] if evidence else []
        shown.append(
            ShownClaim(
                claim_id=row["claim_id"],
                output_id=row["output_id"],
                verdict_id=row["verdict_id"],
                verifier=row["verifier"],
                snapshot=row["snapshot"],
                standing=row["standing"],
                verdict=row["verdict"],
                probability=row[f"p_{row['verdict']}"],
                reason=visible(shortened(row["reason"], 400)),
                agent=row["agent"],
                model=row["model"] or "",
                use_case=row["use_case"],
                slice_indices={column: row[f"{column}_index"] for column in SLICES},
                produced_at=row["produced_at"],
                policy=row["policy"],
                prompt=visible(shortened(prompts.get(row["output_id"]) or "", 300)),
                words=pieces(claim, marks),
                passages=beside,
                more_passages=evidence[0]["offered"] - len(evidence) if evidence else 0,
            )
        )
    return shown


ERASED = "(this text is not in the lake: erased, or its table is not published)"


def _text(document: dict[str, str] | None) -> str:
    return _clean(document["text"]) if document else ERASED


def _clean(text: str) -> str:
    # Scraped documents are full of blank lines; the words are what is compared.
    return re.sub(r"\s*\n\s*", "\n", visible(text).strip())


def _passage(
    claim: str,
    verdict: dict[str, Any],
    row: dict[str, Any],
    document: dict[str, str] | None,
    parameters: WorstParameters,
) -> ShownPassage:
    text = _text(document)
    spans = deciding_spans(claim, text)[1]
    sentence = _sentence(verdict, row, document, text)
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
        uri=visible(shortened(document["document_uri"], 300)) if document else "",
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


def _sentence(
    verdict: dict[str, Any], row: dict[str, Any], document: dict[str, str] | None, shown: str
) -> tuple[int, int] | None:
    """[start, end) in the shown text of the sentence that decided, if it stands in this passage."""
    first, last = verdict["decisive_start"], verdict["decisive_end"]
    if (
        document is None
        or first is None
        or last is None
        or verdict["evidence_ids"][:1] != [row["passage_id"]]
    ):
        return None
    sentence = _clean(document["text"][first:last])
    # Cleaning moves characters, so the sentence is looked for near where it stood.
    near = len(_clean(document["text"][:first]))
    found = [m.start() for m in re.finditer(re.escape(sentence), shown)] if sentence else []
    if not found:
        return None
    start = min(found, key=lambda at: abs(at - near))
    return start, start + len(sentence)


def _around(sentence: tuple[int, int], length: int, room: int) -> tuple[int, int]:
    """[start, end) of at most `room` characters with the sentence in the middle."""
    start = max(0, min(sentence[0] - (room - (sentence[1] - sentence[0])) // 2, sentence[0], length - room))
    return start, min(length, start + room)


def _order() -> pl.Expr:
    return pl.col("standing").replace_strict(STANDINGS, range(len(STANDINGS)), return_dtype=pl.Int64)
