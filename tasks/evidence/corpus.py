"""The team's own documents: which files there are, and the text of each document in them.

Documents are other people's bytes. A link that leaves the folder, a file beyond the limits, half a PDF, text
that is not UTF-8: each goes to quarantine with a reason, and the other documents go on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks import tables
from tasks.errors import ConfigError, SourceError
from tasks.evidence import documents
from tasks.evidence.documents import RAW_CHARACTERS, READERS, Record
from tasks.evidence.parameters import CorpusSettings
from tasks.files import places, streams
from tasks.files.limits import LimitSettings
from tasks.files.refusal import Refusal
from tasks.privacy.cover import Cover

BATCH_CHARACTERS = 32 * 2**20
"""Text that is in memory at once while reading: a batch ends when it has this much."""

DOCUMENTS = pl.Schema(
    {
        "file": pl.String,
        "document_uri": pl.String,
        "text": pl.String,
        "content_sha256": pl.String,
        "hidden_characters": pl.Int64,
        "surrounding_characters": pl.Int64,
    }
)
FILES = pl.Schema({"file": pl.String, "path": pl.String, "size": pl.Int64, "mtime_ns": pl.Int64})


@dataclass(frozen=True)
class Listing:
    """What stands in the corpus folder: FILES frame, refused files, and files of no known format."""

    files: pl.DataFrame
    refused: list[dict[str, str]]
    ignored: int


@dataclass(frozen=True)
class Documents:
    """Some documents (DOCUMENTS frame) and what was refused among them (locator, check, reason, raw)."""

    documents: pl.DataFrame
    refused: list[dict[str, str]]


def quarantine(
    refused: list[dict[str, str]], *, corpus: str, run_id: str, now: datetime, cover: Cover | None = None
) -> pl.DataFrame:
    """Refused files and records as a QUARANTINE frame."""
    rows = tables.quarantine_rows(refused, table="passages", source=corpus, run_id=run_id, quarantined_at=now)
    return rows if cover is None else cover.refusals(rows)


def reach(settings: CorpusSettings) -> str:
    """How many documents there are.

    Raises:
        SourceError: none, or this user may not read one.
    """
    path = str(settings.path)
    try:
        if places.is_remote(path):
            return f"{len(places.listing(path))} documents at {path}"
        paths = streams.walk(path)[1]
    except Refusal as refusal:
        raise SourceError(f"{path}: {refusal.reason}") from None
    closed = [file for file in paths if not os.access(file, os.R_OK)]
    if closed:
        raise SourceError(f"{closed[0]}: not readable; give this user read permission")
    return f"{len(paths)} documents at {path}"


def list_files(settings: CorpusSettings, limits: LimitSettings, *, mirror: Path | None = None) -> Listing:
    """The corpus's files, by name relative to its folder; hidden ones are left out.

    Those of a URL are brought into the folder `mirror` first, where they stay.

    Raises:
        ConfigError: the path leads nowhere, or to one file of an unknown format.
    """
    path = str(settings.path)
    try:
        if mirror is not None and places.is_remote(path):
            places.mirror(path, mirror, limits.max_file_bytes)
            path = str(mirror)
        root, paths = streams.walk(path)
    except Refusal as refusal:
        raise ConfigError(f"{path}: {refusal.reason}; correct corpus.path") from None
    if Path(path).is_file() and paths[0].suffix.lower() not in READERS:
        known = ", ".join(sorted(READERS))
        raise ConfigError(f"{path}: the corpus is a file of an unknown format; expected one of {known}")
    rows, refused, ignored = [], [], 0
    for file in paths:
        name = file.relative_to(root).as_posix()
        if file.suffix.lower() not in READERS:
            ignored += 1
            continue
        try:
            if name != _shown(name):
                raise Refusal("name", "the file's name is not UTF-8; rename it")
            if file != Path(path) and not file.resolve().is_relative_to(root.resolve()):
                raise Refusal("link", "the link leads outside the corpus folder")
            if not file.is_file():
                raise Refusal("file", "not a regular file, or a link that leads nowhere")
            stat = file.stat()
            if stat.st_size > limits.max_file_bytes:
                raise Refusal(
                    "size",
                    f"{stat.st_size} bytes, more than limits.max_file_bytes allows ({limits.max_file_bytes})",
                )
            rows.append((name, os.fspath(file), stat.st_size, stat.st_mtime_ns))
        except Refusal as error:
            refused.append(_row(name, error))
        except OSError as error:
            refused.append(_row(name, Refusal("unreadable", f"cannot be read: {error.strerror}")))
    return Listing(pl.DataFrame(rows, schema=FILES, orient="row").sort("file"), refused, ignored)


def read(
    files: pl.DataFrame, settings: CorpusSettings, limits: LimitSettings, cover: Cover | None = None
) -> Iterator[Documents]:
    """Documents of the files (FILES frame) in batches of bounded size; every batch has whole documents."""
    batch: list[tuple[str, str, str, str, int, int]] = []
    refused: list[dict[str, str]] = []
    characters = 0
    for name, record in _records(files, settings, limits):
        try:
            if isinstance(record, Refusal):
                raise record
            uri, text = record.uri, record.content.text
            digest = _checked_sha256(uri, text, limits)
        except Refusal as error:
            if not isinstance(record, Refusal) and record.uri != name:
                error.reason = f"{record.uri}: {error.reason}"
            refused.append(_row(name, error))
            continue
        batch.append((name, uri, text, digest, record.content.hidden, record.content.surroundings))
        characters += len(text)
        if characters >= BATCH_CHARACTERS:
            yield Documents(_frame(batch, cover), refused)
            batch, refused, characters = [], [], 0
    yield Documents(_frame(batch, cover), refused)


def _frame(batch: list[tuple[str, str, str, str, int, int]], cover: Cover | None) -> pl.DataFrame:
    """DOCUMENTS; with a cover, texts as the lake holds them, and digests of these."""
    frame = pl.DataFrame(batch, schema=DOCUMENTS, orient="row")
    if cover is None:
        return frame
    texts = cover.plain(frame["text"])
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    return frame.with_columns(texts, pl.Series("content_sha256", digests, dtype=pl.String))


def _records(
    files: pl.DataFrame, settings: CorpusSettings, limits: LimitSettings
) -> Iterator[tuple[str, Record]]:
    """Every record of the files with its file's name; one process reads all that need a parser."""
    with documents.reader(settings, limits) as reader:
        for name, path in files.select("file", "path").iter_rows():
            for record in documents.read(Path(path), name, settings, limits, reader):
                yield name, record


def _checked_sha256(uri: str, text: Any, limits: LimitSettings) -> str:
    if not isinstance(text, str):
        raise Refusal("text", "the text is missing or not a string", repr(text))
    if not text.strip():
        raise Refusal("empty", "the document has no text")
    try:
        data = text.encode()
        uri.encode()
    except UnicodeEncodeError:
        raise Refusal("text", "half a character (a lone surrogate)", text) from None
    if len(data) > limits.max_record_bytes:
        raise Refusal(
            "size",
            f"{len(data)} bytes of text, more than limits.max_record_bytes allows "
            f"({limits.max_record_bytes})",
        )
    return hashlib.sha256(data).hexdigest()


def _row(name: str, error: Refusal) -> dict[str, str]:
    raw = error.raw[:RAW_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    return {
        "locator": _shown(name),
        "check": f"corpus_{error.check}",
        "reason": _shown(error.reason),
        "raw": raw,
    }


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
