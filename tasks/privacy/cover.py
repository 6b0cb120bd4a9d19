"""What the lake holds in place of confidential data: its outline (`masked`), or a token of it (`hashed`).

Texts are covered at the door, before ids are made of them and before anything is written. So whatever comes
after (claims and their spans, verdicts, re-audits, pages, deliveries) reads what the lake holds, an auditor
who has only the lake reaches the same verdicts, and no digest is of a text that somebody could guess.

A token is the kind and sixteen letters of an HMAC-SHA-256: equal for equal values however they are written,
so that a wrong number beside the right one is still another one, and without the key nobody can try values
until one fits. It has letters alone, because digits would be read as a number, and stops as a sentence's end.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import polars as pl

from tasks import tables
from tasks.privacy import confidential, copied, listed
from tasks.privacy.outline import Detector, Finding

TOKEN_LETTERS = 16
"""64 bits: among a million values two share a token once in 37 million lakes."""
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_ESCAPES = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|.)", re.DOTALL)
"""Of JSON: `\\n415-555-2671` is not a word with digits."""
_CUT = 80
"""Characters at the end of a text that was cut, which may be half a value."""


class Mark(NamedTuple):
    """Something that was covered: which text, what it was, and where what covers it is."""

    row: int
    kind: str
    label: str
    finding: Finding
    origin: str | None = None
    value_hmac: str | None = None


@dataclass(frozen=True)
class Covered:
    """Texts (String, n; null stays null) with their confidential data covered, and what that was."""

    texts: pl.Series
    marks: list[Mark]


@dataclass(frozen=True, kw_only=True)
class Cover:
    """Covers what the detectors find, and the strings of a confidential list.

    Args:
        mode: `masked` or `hashed`.
        detectors: kinds that are looked for.
        key: of the tokens, and of the hashes in findings.
        strings: confidential strings, and what findings say they are from.
    """

    mode: str
    detectors: tuple[str, ...]
    key: bytes = field(default=b"", repr=False)
    strings: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """Names what stands in place of a value: another mode or key covers equal texts otherwise."""
        said = json.dumps([self.mode, *sorted(self.detectors), *sorted(self.strings)]).encode()
        return hmac.digest(self.key or b"no key", said, "sha256").hex()

    def covered(self, texts: pl.Series, own: pl.Series | None = None) -> Covered:
        """Texts without their confidential data; of strings that `own` (String, n) has there is no mark."""
        return self._applied(texts, self._found(texts, own))

    def plain(self, texts: pl.Series) -> pl.Series:
        """The texts alone."""
        return self.covered(texts).texts

    def text(self, text: str) -> str:
        """One text."""
        return str(self.plain(pl.Series([text], dtype=pl.String)).item())

    def documents(self, texts: pl.Series) -> pl.Series:
        """JSON texts with their names and values covered each by itself; what is no JSON as one text.

        A value is read after its name, because words before a number speak for it: `{"phone": 6123456789}`.
        """
        values = [_opened(text) for text in texts]
        leaves: list[tuple[str, str]] = []
        for value, text in zip(values, texts, strict=True):
            _walk(value, "", partial(_noted, leaves))
            if value is None and text is not None:
                leaves.append(("", text))
        covered = iter(self._leaves(leaves))
        return pl.Series(
            texts.name,
            [
                _closed(value, text, covered) if text is not None else None
                for value, text in zip(values, texts, strict=True)
            ],
            dtype=pl.String,
        )

    def cut(self, texts: pl.Series) -> pl.Series:
        """As `documents`, of texts that may end in the middle of a value (in `…`), whose end goes."""
        ends = pl.col("text").str.ends_with("…") & (pl.col("text").str.len_chars() > 2 * _CUT)
        short = pl.col("text").str.head(-_CUT) + "…"
        kept = (
            texts.alias("text").to_frame().select(pl.when(ends).then(short).otherwise("text").alias("text"))
        )
        return self.documents(kept["text"]).alias(texts.name)

    def refusals(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Refused rows (QUARANTINE) with reason and raw text covered; their ids are of what is shown."""
        covered = rows.with_columns(self.plain(rows["reason"]), self.cut(rows["raw"]))
        return tables.with_digests(covered).unique("row_sha256", maintain_order=True)

    @cached_property
    def _active(self) -> list[Detector]:
        return confidential.detectors_of(self.detectors)

    def _leaves(self, leaves: list[tuple[str, str]]) -> list[str]:
        """Texts after their names, covered: what is found in a name and a value is of the value."""
        heads = [f"{name.replace('_', ' ')}: " if name else "" for name, _ in leaves]
        whole = [head + leaf for head, (_, leaf) in zip(heads, leaves, strict=True)]
        bare = [
            _ESCAPES.sub(lambda one: " " * len(one.group()), one) if "\\" in one else one for one in whole
        ]
        found = [
            mark._replace(finding=replace(mark.finding, start=max(mark.finding.start, len(heads[mark.row]))))
            for mark in self._found(pl.Series(bare, dtype=pl.String), None)
            if mark.finding.end > len(heads[mark.row])
        ]
        covered = self._applied(pl.Series(whole, dtype=pl.String), found).texts
        return [text[len(head) :] for head, text in zip(heads, covered, strict=True)]

    def _found(self, texts: pl.Series, own: pl.Series | None) -> list[Mark]:
        """What is to be covered, by row and place, apart; a confidential string has its characters."""
        found = [
            Mark(row, detector.kind, detector.label, finding)
            for row, detector, finding in confidential.located(texts, self._active)
        ]
        if not self.strings:
            return found
        strings = self._strings(texts, own)
        taken: dict[int, list[Finding]] = {}
        for mark in strings:
            taken.setdefault(mark.row, []).append(mark.finding)
        free = [
            mark
            for mark in found
            if all(
                mark.finding.end <= one.start or one.end <= mark.finding.start
                for one in taken.get(mark.row, ())
            )
        ]
        return sorted(strings + free, key=lambda mark: (mark.row, mark.finding.start))

    def _strings(self, texts: pl.Series, own: pl.Series | None) -> list[Mark]:
        """Confidential strings; one that the text's `own` has too is covered, but no finding (no label)."""
        nothing = pl.Series([None] * texts.len(), dtype=pl.String)
        all_copies = listed.copies(texts, self.strings, own=nothing)
        reported = listed.copies(texts, self.strings, own=nothing if own is None else own)
        known = set(reported.select("row", "start", "end").rows())
        return [
            Mark(
                row,
                copied.KIND,
                copied.LABEL if (row, start, end) in known else "",
                Finding(start, end, copied.excerpt(texts[row][start:end]), confidence),
                f"{kind}: {origin}",
                copied.keyed(texts[row][start:end], self.key),
            )
            for row, kind, origin, start, end, confidence in all_copies.with_columns(
                ratio=pl.lit(copied.EXACT)
            ).iter_rows()
        ]

    def _applied(self, texts: pl.Series, found: list[Mark]) -> Covered:
        """The texts with each piece replaced, and marks of where what replaces it is."""
        by_row: dict[int, list[Mark]] = {}
        for mark in found:
            by_row.setdefault(mark.row, []).append(mark)
        marks: list[Mark] = []
        rows = [self._replaced(texts[row], of_row, marks) for row, of_row in by_row.items()]
        return Covered(texts.clone().scatter(list(by_row), rows) if rows else texts, marks)

    def _replaced(self, text: str, found: list[Mark], marks: list[Mark]) -> str:
        pieces: list[str] = []
        size = end = 0
        for mark in found:
            before = text[end : mark.finding.start]
            piece = self._replacement(mark, text[mark.finding.start : mark.finding.end])
            pieces += [before, piece]
            start, end = size + len(before), mark.finding.end
            size = start + len(piece)
            if mark.label:
                marks.append(mark._replace(finding=replace(mark.finding, start=start, end=size)))
        return "".join([*pieces, text[end:]])

    def _replacement(self, mark: Mark, piece: str) -> str:
        if self.mode == "masked":
            return mark.finding.masked
        return token("confidential" if mark.kind == copied.KIND else mark.kind, piece, self.key)


def token(kind: str, piece: str, key: bytes) -> str:
    """The kind and letters of a keyed hash, equal for equal values: of numbers their signs count, of others
    their characters without case; secrets as they are.
    """
    said = piece
    if kind != "secret":
        kept = str.isalnum if kind != "email" else lambda one: not one.isspace()
        said = "".join(filter(kept, piece.casefold()))
    digest = hmac.digest(key, f"{kind}\0{said}".encode("utf-8", "surrogatepass"), "sha256").hex()
    return f"{kind}-{digest[:TOKEN_LETTERS].translate(_LETTERS)}"


def _opened(text: str | None) -> Any:
    """A record or list that a text spells in JSON; None for any other."""
    if text is None or text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _closed(value: Any, text: str, leaves: Iterator[str]) -> str:
    """A text with its covered leaves, spelled as it was where nothing of it is covered."""
    if value is None:
        return next(leaves)
    covered = _walk(value, "", lambda _, __: next(leaves))
    if covered == value:
        return text
    return json.dumps(covered, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _noted(leaves: list[tuple[str, str]], name: str, leaf: str) -> str:
    leaves.append((name, leaf))
    return leaf


def _walk(value: Any, name: str, take: Callable[[str, str], str]) -> Any:
    """The value with each name and each scalar given to `take`, with the name that it stands under."""
    if isinstance(value, dict):
        return {take("", key): _walk(inner, key, take) for key, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner, name, take) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    said = str(value)
    covered = take(name, said)
    return value if covered == said else covered
