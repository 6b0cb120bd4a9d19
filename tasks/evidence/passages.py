"""Documents into passages: overlapping runs of whole sentences with exact character spans."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import polars as pl

from tasks import ids, tables
from tasks.knobs import Section
from tasks.schema import conform
from tasks.text import rows as table_rows
from tasks.text.rows import Table

Segment = Callable[[str], list[tuple[int, int]]]
"""A sentence splitter: text in, (start, end) spans in Unicode characters out."""

CONTEXT = "context"
"""What `corpus` says of passages that come from an output's own contexts."""

RULES = 2
"""Version of the cutting rules; part of a snapshot's id, so that new rules are a new snapshot."""

_LONG_SENTENCE_OVERLAP = 0.15
"""Share of the target that two parts of one over-long sentence have in common: about twenty words."""

LONGEST_HEADER = 300
"""Characters of a table's header that its later passages repeat; a longer one would crowd out the rows."""

_WIDE = 3.0
_DIGIT = 1.5
_SYMBOL = 3.0


@dataclass(frozen=True)
class PassageParameters(Section):
    """How documents are cut."""

    target_characters: int = 700
    """A passage grows by whole sentences up to this length: about 170 tokens, two thirds of a window.

    Counted in Latin letters. Digits count 1.5, symbols and letters of other scripts 3, because word-piece
    vocabularies spend that many more tokens on them; so 233 Chinese characters fill a passage.
    """

    overlap_sentences: int = 1
    """Sentences shared with the next passage, so that a fact that spans two is whole in one of them."""

    def __post_init__(self) -> None:
        if not 50 <= self.target_characters <= 100_000:
            raise ValueError(f"target_characters is {self.target_characters}, expected 50 to 100000")
        if not 0 <= self.overlap_sentences <= 10:
            raise ValueError(f"overlap_sentences is {self.overlap_sentences}, expected 0 to 10")


def cut(text: str, segment: Segment, parameters: PassageParameters) -> list[tuple[int, int]]:
    """Spans of a text's passages, in order; every character that is not white space lies in one of them.

    A passage holds whole sentences up to the target and begins with the last `overlap_sentences` of the one
    before it, unless these leave no room for anything new. A sentence beyond the target is cut at white space
    (where there is none, between characters), its parts overlapping; a table beyond it between its rows.
    """
    target = parameters.target_characters
    cost = _cumulative_cost(text)
    sentences = _covering(text, segment(text))
    is_long = any(cost[end] - cost[start] > target for start, end in sentences)
    breaks = [row for table in table_rows.tables(text) for row in table.rows] if is_long else []
    pieces = [
        part
        for sentence in sentences
        for span in (
            _rows_of(text, sentence, breaks) if cost[sentence[1]] - cost[sentence[0]] > target else [sentence]
        )
        for part in _parts(text, span, cost, target)
    ]
    ends = [end for _, end in pieces]
    end_costs = [float(cost[end]) for end in ends]
    spans: list[tuple[int, int]] = []
    first, fresh = 0, 0
    while fresh < len(pieces):
        start = pieces[first][0]
        last = bisect_right(end_costs, float(cost[start]) + parameters.target_characters) - 1
        if last < fresh:
            if first < fresh:
                first += 1
                continue
            last = fresh  # a single piece never exceeds the target, but for rounding
        spans.append((start, ends[last]))
        fresh = last + 1
        first = max(first + 1, fresh - parameters.overlap_sentences)
    return spans


def headers(text: str, spans: list[tuple[int, int]]) -> list[str]:
    """For each passage, the header of the table that it goes on with, to be repeated before it; mostly ""."""
    found = [table for table in table_rows.tables(text) if table.header] if len(spans) > 1 else []
    return [_header(text, found, start) for start, _ in spans]


def _header(text: str, found: list[Table], start: int) -> str:
    at = bisect_right(found, start, key=lambda table: table.rows[0]) - 1
    if at < 0 or start >= found[at].end or len(found[at].header) > LONGEST_HEADER:
        return ""
    table = found[at]
    row = table.rows[bisect_right(table.rows, start) - 1]
    # What begins inside a row has cells in other places than the header's.
    return "" if text[row:start].strip() else table.header


def from_contexts(
    outputs: pl.DataFrame, segment: Segment, parameters: PassageParameters, *, run_id: str
) -> pl.DataFrame:
    """Passages (PASSAGES frame) of every output's own contexts.

    A context passage belongs to one output: its id covers output, position of the context and span, so it
    is never shared between partitions. A text that many outputs were given is cut once.
    """
    contexts = (
        outputs.select("output_id", "produced_at", "contexts")
        .filter(pl.col("contexts").list.len() > 0)
        .with_columns(context=pl.int_ranges(pl.col("contexts").list.len()))
        .explode("contexts", "context")
        .unnest("contexts")
        .filter(pl.col("text").str.len_chars() > 0)
        .with_columns(
            document_uri=pl.when(pl.col("uri").str.len_chars() > 0)
            .then("uri")
            .otherwise(pl.format("context:{}", "context"))
        )
    )
    cut_texts = _cut_texts(contexts["text"].unique(maintain_order=True), segment, parameters)
    frame = contexts.rename({"text": "document"}).join(cut_texts, on="document", maintain_order="left")
    return conform(
        tables.PASSAGES,
        frame.with_columns(
            passage_id=ids.digest_rows(
                "passage", [frame[c] for c in ("output_id", "context", "start", "text")]
            ),
            corpus=pl.lit(CONTEXT),
            snapshot_first_seen=pl.lit(None, dtype=pl.String),
            snapshot_last_seen=pl.lit(None, dtype=pl.String),
            run_id=pl.lit(run_id),
        ).select(tables.PASSAGES.schema.names()),
    )


def from_documents(
    documents: pl.DataFrame,
    segment: Segment,
    parameters: PassageParameters,
    *,
    corpus: str,
    snapshot: str | None,
    run_id: str,
    produced_at: datetime,
) -> pl.DataFrame:
    """Passages (PASSAGES frame) of documents: a frame with `document_uri` and `text`.

    The id covers corpus, uri, span and text, so an unchanged passage keeps its id from snapshot to snapshot.
    """
    cut_texts = _cut_texts(documents["text"].unique(maintain_order=True), segment, parameters)
    frame = (
        documents.select("document_uri", document="text")
        .join(cut_texts, on="document", maintain_order="left")
        .with_columns(corpus=pl.lit(corpus))
    )
    return conform(
        tables.PASSAGES,
        frame.with_columns(
            passage_id=ids.digest_rows(
                "passage", [frame[c] for c in ("corpus", "document_uri", "start", "text")]
            ),
            output_id=pl.lit(None, dtype=pl.String),
            snapshot_first_seen=pl.lit(snapshot, dtype=pl.String),
            snapshot_last_seen=pl.lit(None, dtype=pl.String),
            produced_at=pl.lit(produced_at, dtype=tables.UTC),
            run_id=pl.lit(run_id),
        ).select(tables.PASSAGES.schema.names()),
    )


def snapshot_id(documents: pl.DataFrame, parameters: PassageParameters, *, corpus: str) -> str:
    """Id of a corpus state: over every (document_uri, content_sha256) and how the documents are cut.

    The order of the rows and the machine that the corpus lies on do not matter.
    """
    ordered = documents.select("document_uri", "content_sha256").unique().sort(pl.all())
    rows = ids.digest_rows("document", [ordered["document_uri"], ordered["content_sha256"]])
    return ids.digest(
        "snapshot", corpus, RULES, parameters.target_characters, parameters.overlap_sentences, *rows.to_list()
    )


def _cut_texts(texts: pl.Series, segment: Segment, parameters: PassageParameters) -> pl.DataFrame:
    """document, ordinal, start, end, text: one row per passage. The splitter takes one text at a time."""
    rows = []
    for text in texts.to_list():
        spans = cut(text, segment, parameters)
        for ordinal, ((start, end), header) in enumerate(zip(spans, headers(text, spans), strict=True)):
            own = text[start:end]
            rows.append((text, ordinal, start, end, f"{header}\n{own}" if header else own))
    return pl.DataFrame(
        rows,
        schema={
            "document": pl.String,
            "ordinal": pl.Int32,
            "start": pl.Int64,
            "end": pl.Int64,
            "text": pl.String,
        },
        orient="row",
    )


def _covering(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The splitter's spans, trimmed and in order, and whatever visible text they leave out between them."""
    covering: list[tuple[int, int]] = []
    position = 0
    for start, end in [*sorted(spans), (len(text), len(text))]:
        for low, high in ((position, min(start, len(text))), (max(start, position), min(end, len(text)))):
            trimmed = _trim(text, low, high)
            if trimmed:
                covering.append(trimmed)
        position = max(position, end)
    return covering


def _rows_of(text: str, span: tuple[int, int], breaks: list[int]) -> list[tuple[int, int]]:
    """A sentence cut where rows of a table begin."""
    start, end = span
    inside = breaks[bisect_right(breaks, start) : bisect_left(breaks, end)]
    edges = [start, *inside, end]
    return [part for low, high in pairwise(edges) if (part := _trim(text, low, high))]


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    stripped = piece.strip()
    return (start + left, start + left + len(stripped)) if stripped else None


def _parts(text: str, span: tuple[int, int], cost: np.ndarray, target: int) -> list[tuple[int, int]]:
    """A sentence whole, or cut into overlapping parts that each fit the target."""
    start, end = span
    if cost[end] - cost[start] <= target:
        return [span]
    parts = []
    while cost[end] - cost[start] > target:
        limit = max(start + 1, int(np.searchsorted(cost, cost[start] + target, side="right")) - 1)
        stop = _last_space(text, start, limit)
        trimmed = _trim(text, start, stop)
        if trimmed:
            parts.append(trimmed)
        back = int(np.searchsorted(cost, cost[stop] - target * _LONG_SENTENCE_OVERLAP))
        overlap = _first_word(text, back, stop)
        # Half the part is the least progress, else a hostile text could cost quadratic time.
        start = overlap if overlap > (start + stop) // 2 else stop
    trimmed = _trim(text, start, end)
    return [*parts, trimmed] if trimmed else parts


def _last_space(text: str, start: int, limit: int) -> int:
    """End of the last whole word of text[start:limit]; `limit` where that would lose more than half."""
    if limit >= len(text) or text[limit].isspace():
        return limit
    for place in range(limit - 1, (start + limit) // 2, -1):
        if text[place].isspace():
            return place
    return limit


def _first_word(text: str, low: int, high: int) -> int:
    """First beginning of a word in text[low:high]; `low` where there is no white space."""
    for place in range(low, high):
        if text[place].isspace():
            return place + 1
    return low


def _cumulative_cost(text: str) -> np.ndarray:
    """(len + 1,) float64: cost[j] - cost[i] is the length of text[i:j] counted in Latin letters."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    cost = np.where(points < 0x250, 1.0, _WIDE)
    ascii_points = np.minimum(points, 0x7F)
    is_digit = (ascii_points >= 0x30) & (ascii_points <= 0x39)
    is_letter = ((ascii_points | 0x20) >= 0x61) & ((ascii_points | 0x20) <= 0x7A)
    is_symbol = (ascii_points > 0x20) & (points < 0x7F) & ~is_digit & ~is_letter
    cost[is_digit] = _DIGIT
    cost[is_symbol] = _SYMBOL
    # Typographic quotes and dashes take the place of ASCII ones and are as frequent in prose.
    cost[(points >= 0x2010) & (points <= 0x203F)] = _SYMBOL
    return np.concatenate([[0.0], np.cumsum(cost)])
