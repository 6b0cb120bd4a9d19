"""The documents of one file, by its format.

A reader of a file that is one document returns its text; a reader of many documents yields them, and a
refusal in the place of each that is none, so that one bad line costs one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks import ids
from tasks.evidence import reading
from tasks.evidence.document_text import DocumentText, decode
from tasks.evidence.parameters import CorpusSettings
from tasks.evidence.reading import Reader, ReadingLimits
from tasks.files import records
from tasks.files.limits import LimitSettings
from tasks.files.refusal import Refusal, shown

RAW_CHARACTERS = 500
"""Of a refused record, so much is kept to show."""

RULES = 2
"""Version of what is read of a document and what is left out; new rules read every document anew."""


@dataclass(frozen=True)
class Document:
    """One document of a file."""

    uri: str
    content: DocumentText


Record = Document | Refusal
"""A document, or why there is none."""


def reader(settings: CorpusSettings, limits: LimitSettings) -> Reader:
    """What reads the formats that need a parser; a context manager, shared by the files of a corpus."""
    return Reader(
        ReadingLimits(
            max_text_bytes=limits.max_record_bytes,
            max_html_depth=limits.max_html_depth,
            max_seconds=limits.max_document_seconds,
            max_memory_bytes=limits.max_document_memory_bytes,
            main_text_only=settings.main_text_only,
        )
    )


def rules(settings: CorpusSettings, limits: LimitSettings) -> str:
    """Names how documents are read: read otherwise, a file that has not changed may have another text.

    Time and memory count as well, because a document that broke its budget is worth another attempt.
    """
    fields = (settings.text_field, settings.uri_field, str(settings.main_text_only))
    budgets = (limits.max_record_bytes, limits.max_columns, limits.max_depth, limits.max_html_depth)
    cost = (str(limits.max_document_seconds), limits.max_document_memory_bytes)
    return ids.digest("reading", RULES, *fields, *budgets, *cost, *reading.office_libraries())


def read(
    path: Path, name: str, settings: CorpusSettings, limits: LimitSettings, reader: Reader
) -> Iterator[Record]:
    """Every document of a file; `name` is its uri, or the beginning of its records' uris."""
    suffix = path.suffix.lower()
    try:
        if suffix in _MANY:
            yield from _many(path, name, settings, limits)
        elif suffix in _PLAIN:
            yield Document(name, DocumentText(decode(_bytes(path, limits)).replace("\r\n", "\n")))
        else:
            yield Document(name, reader.read(suffix, _bytes(path, limits)))
    except Refusal as error:
        yield error
    except (OSError, MemoryError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "too large or nested too deep"
        yield Refusal("unreadable", f"cannot be read ({why})")


def _bytes(path: Path, limits: LimitSettings) -> bytes:
    """A whole file that is one document."""
    size = path.stat().st_size
    if size > limits.max_record_bytes * 4:
        # Four: markup and a PDF's pictures are larger than their text; the text itself is checked after.
        raise Refusal("size", f"{size} bytes for one document, more than four times limits.max_record_bytes")
    return path.read_bytes()


def _many(path: Path, name: str, settings: CorpusSettings, limits: LimitSettings) -> Iterator[Record]:
    """One document a record."""
    form = "parquet" if path.suffix.lower() == ".parquet" else "jsonl"
    required, columns = {settings.text_field: "corpus.text_field"}, (settings.text_field, settings.uri_field)
    for portion in records.portions(path, limits, form=form, required=required, columns=columns):
        for piece, refusal in portion.refused:
            where = f"row {piece.line}" if form == "parquet" else f"line {piece.line}"
            yield Refusal(refusal.check, f"{where}: {refusal.reason}", shown(piece.raw, RAW_CHARACTERS))
        for record, piece in portion.records:
            text, uri = record.get(settings.text_field), record.get(settings.uri_field)
            if isinstance(text, str):
                address = str(uri) if uri not in (None, "") else f"{name}#{piece.line}"
                yield Document(address, DocumentText(text))
            else:
                where = f"row {piece.line}" if form == "parquet" else f"line {piece.line}"
                reason = f"{where} has no text under {settings.text_field!r} (corpus.text_field)"
                yield Refusal("text", reason, shown(piece.raw, RAW_CHARACTERS))
        if portion.failure is not None:
            yield portion.failure


_PLAIN = frozenset({".txt", ".text", ".md", ".markdown", ".rst"})
_MANY = frozenset({".jsonl", ".ndjson", ".parquet"})
READERS = _PLAIN | _MANY | reading.WHOLE_SUFFIXES
"""Known file name endings."""
