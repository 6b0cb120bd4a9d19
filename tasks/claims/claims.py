"""Outputs into claims: checkable statements with exact character spans.

Block structure is `blocks.py`, the words that mark a kind are `speech.py`, and the sentence splitter is an
argument. Text that addresses the verifier is a claim like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from tasks import ids, tables
from tasks.claims import blocks, reasoning, speech
from tasks.claims.abstentions import is_abstention
from tasks.claims.conversation import is_about_the_conversation
from tasks.knobs import Section
from tasks.schema import conform
from tasks.text.boundaries import ENDS
from tasks.text.language import language

Segment = Callable[[str, str], list[tuple[int, int]]]
"""A sentence splitter: text and the language of its answer in, (start, end) in Unicode characters out."""

_TERMINATORS = frozenset(ENDS + ";՞፡\u037e\n")


_PIECE = {
    "row": pl.UInt32,
    "ordinal": pl.Int32,
    "start": pl.Int64,
    "end": pl.Int64,
    "text": pl.String,
    "block": pl.String,
}


@dataclass(frozen=True)
class ExtractParameters(Section):
    """What counts as a claim."""

    minimum_characters: int = 3
    """Shorter pieces are not claims: a lone bullet or number states nothing checkable."""

    maximum_claims: int = 2000
    """Claims per output beyond this go to quarantine by name: bounds what one hostile answer can cost."""


@dataclass(frozen=True)
class Extracted:
    """Claims (CLAIMS frame) and what was refused (QUARANTINE frame, one row per output with a surplus)."""

    claims: pl.DataFrame
    quarantine: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Piece:
    """One claim to be: text[start:end], and the kind of block it is in."""

    start: int
    end: int
    block: blocks.BlockKind | Literal["reasoning"]


def extract(
    outputs: pl.DataFrame, segment: Segment, parameters: ExtractParameters, *, run_id: str, now: datetime
) -> Extracted:
    """Claims of outputs (OUTPUTS frame), in order of output and position.

    `response[start:end] == text` in Unicode characters, without white space around it; spans are in order and
    apart. Sentences of prose, list items, quotes and whole data rows of tables are claims; headings, table
    heads, code blocks, front matter and reasoning are claims of kind `other`, so that nothing goes unlisted.
    Markers, rules and pieces without a letter or digit, or below the minimum, are not.
    """
    responses = outputs["response"].to_list()
    per_output = [pieces(response, segment, parameters.minimum_characters) for response in responses]
    counts = pl.Series([len(one) for one in per_output], dtype=pl.Int64)
    kept = [
        (row, ordinal, piece.start, piece.end, response[piece.start : piece.end], piece.block)
        for row, (response, one) in enumerate(zip(responses, per_output, strict=True))
        for ordinal, piece in enumerate(one[: parameters.maximum_claims])
    ]
    rows = pl.DataFrame(kept, schema=_PIECE, orient="row").join(
        outputs.select("output_id", "produced_at").with_row_index("row"), on="row", maintain_order="left"
    )
    frame = rows.with_columns(
        claim_id=ids.digest_rows("claim", [rows[c] for c in ("output_id", "start", "end", "text")]),
        kind=_kinds(rows["block"], rows["text"]),
        run_id=pl.lit(run_id),
    )
    return Extracted(
        claims=conform(tables.CLAIMS, frame.select(tables.CLAIMS.schema.names())),
        quarantine=_surplus(outputs, counts, parameters, run_id=run_id, now=now),
    )


def _kinds(block: pl.Series, text: pl.Series) -> pl.Series:
    """The kind of each piece: not-knowing, what states nothing, and the rest, which is judged."""
    is_prose = block == "prose"
    abstains = is_prose & is_abstention(text) & ~text.str.contains(speech.QUESTION)
    is_other = is_about_the_conversation(text) | pl.select(speech.is_not_factual(pl.lit(text))).to_series()
    states = (is_prose | (block == "table_row")) & ~is_other
    kinds = pl.when(abstains).then(pl.lit("abstention")).when(states).then(pl.lit("factual"))
    return pl.select(kinds.otherwise(pl.lit("other"))).to_series()


def pieces(text: str, segment: Segment, minimum_characters: int) -> list[Piece]:
    """Pieces of one answer in order: a sentence each in prose, else a block each."""
    thoughts = reasoning.spans(text)
    parts = [Piece(*_bare(text, start, end), "reasoning") for start, end in thoughts]
    text = reasoning.without(text, thoughts)
    name = language(text)
    for block in blocks.split(text):
        spans = (
            _sentences(text, block.start, block.end, segment, name)
            if block.kind == "prose"
            else [(block.start, block.end)]
        )
        for start, end in spans:
            if end - start >= minimum_characters and any(map(str.isalnum, text[start:end])):
                parts.append(Piece(start, end, block.kind))
    return sorted(parts, key=lambda piece: piece.start) if thoughts else parts


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space around it."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _sentences(text: str, start: int, end: int, segment: Segment, name: str) -> list[tuple[int, int]]:
    """Spans of a block's sentences; whatever the splitter leaves out belongs to the sentence before it."""
    content = text[start:end]
    if _TERMINATORS.isdisjoint(content[:-1]):
        return [(start, end)]
    ends = sorted({min(high, len(content)) for _, high in segment(content, name)} | {len(content)})
    spans = []
    low = 0
    for high in ends:
        piece = content[low:high]
        bare = piece.lstrip("> \t\r\n" if "\n" in piece or low else " ").lstrip()
        if bare:
            left = start + low + len(piece) - len(bare)
            spans.append((left, left + len(bare.rstrip())))
        low = max(low, high)
    return spans


def _surplus(
    outputs: pl.DataFrame, counts: pl.Series, parameters: ExtractParameters, *, run_id: str, now: datetime
) -> pl.DataFrame:
    over = outputs.select("output_id", "source", claims=counts).filter(
        pl.col("claims") > parameters.maximum_claims
    )
    refused = over.select(
        "source",
        locator=pl.col("output_id"),
        check=pl.lit("maximum_claims"),
        reason=pl.format(
            "the answer makes {} claims, {} more than extract.maximum_claims allows; the first {} are judged",
            pl.col("claims"),
            pl.col("claims") - parameters.maximum_claims,
            pl.lit(parameters.maximum_claims),
        ),
        raw=pl.format("claims={}", "claims"),
    )
    frames = [
        tables.quarantine_rows(
            rows.drop("source").to_dicts(), table="claims", source=source, run_id=run_id, quarantined_at=now
        )
        for (source,), rows in refused.group_by("source", maintain_order=True)
    ]
    return pl.concat([tables.QUARANTINE.empty(), *frames])
