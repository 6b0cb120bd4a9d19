"""Copies into findings: spans in characters, an excerpt of stars, a keyed hash of the words."""

from __future__ import annotations

import hmac
import re
from datetime import datetime

import polars as pl

from tasks.privacy import confidential, shadow
from tasks.privacy.grams import words
from tasks.privacy.listed import COPIES
from tasks.privacy.outline import Finding

KIND = "leak"
LABEL = f"{KIND}@1"
_SHOWN = 60
"""Characters of an excerpt."""
EXACT, _NEAR = 0.95, 0.6
"""Confidence (ratio) of a copy word for word, and of one of which nothing would be covered."""


def located(copies: pl.DataFrame, texts: pl.Series) -> pl.DataFrame:
    """COPIES from `row`, `first` and `last` word, `kind`, `origin`, `ratio`."""
    rows = copies["row"].unique(maintain_order=True)
    listed = words(texts.gather(rows))
    spans = {
        row: _spans(text, list(some))
        for row, text, some in zip(rows, texts.gather(rows), listed, strict=True)
    }
    values = [
        (row, kind, origin, spans[row][first][0], spans[row][last][1], ratio)
        for row, kind, origin, first, last, ratio in copies.select(
            "row", "kind", "origin", "first", "last", "ratio"
        ).iter_rows()
    ]
    return pl.DataFrame(values, schema=COPIES, orient="row")


def _spans(text: str, listed: list[str]) -> list[tuple[int, int]]:
    """Start and end in the text of each word of its shadow."""
    folded, places = shadow.fold(text)
    at, spans = 0, []
    for word in listed:
        at = folded.index(word, at)
        spans.append((places[at], places[at + len(word) - 1] + 1))
        at += len(word)
    return spans


def findings(
    copies: pl.DataFrame, numbered: pl.DataFrame, *, key: bytes, run_id: str, now: datetime
) -> pl.DataFrame:
    """FINDINGS of copies (COPIES), with `origin` and `value_hmac`; of `numbered`: `row` and OUTPUTS' columns.

    Where two overlap, a confidential string has the characters, then the longer copy.
    """
    responses = numbered["response"]
    kept: dict[int, list[tuple[int, int]]] = {}
    rows, origins, hashes = [], [], []
    ordered = copies.with_columns(size=pl.col("start") - pl.col("end")).sort(
        "row", pl.col("kind") != "confidential", "size", "start", maintain_order=True
    )
    for row, kind, origin, start, end, ratio in ordered.select(list(COPIES)).iter_rows():
        spans = kept.setdefault(row, [])
        if any(start < b and a < end for a, b in spans):
            continue
        spans.append((start, end))
        piece = responses[row][start:end]
        rows.append((row, KIND, LABEL, Finding(start, end, excerpt(piece), _confidence(ratio))))
        origins.append(f"{kind}: {origin}")
        hashes.append(keyed(piece, key))
    found = confidential.as_findings(rows, numbered, run_id=run_id, now=now)
    return found.with_columns(
        origin=pl.Series(origins, dtype=pl.String), value_hmac=pl.Series(hashes, dtype=pl.String)
    )


def excerpt(piece: str) -> str:
    """The first characters, every letter and digit starred, so that only lengths of words are seen."""
    starred = re.sub(r"[^\W_]", "*", " ".join(piece[: _SHOWN + 1].split()))
    return starred[:_SHOWN] + ("\u2026" if len(piece) > _SHOWN else "")


def keyed(piece: str, key: bytes) -> str | None:
    """HMAC-SHA-256 of the words, without regard to case, hex; None without a key."""
    if not key:
        return None
    said = " ".join(words(pl.Series([piece])).explode(empty_as_null=False).str.to_lowercase().to_list())
    return hmac.digest(key, said.encode("utf-8", "surrogatepass"), "sha256").hex()


def _confidence(ratio: float) -> float:
    return EXACT if ratio >= 1 else round(_NEAR + (EXACT - 0.05 - _NEAR) * ratio, 3)
