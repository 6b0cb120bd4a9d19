"""The team's own documents: which files there are, and the text of each document in them.

Belongs here: walking and limits. Does not belong here: the formats (`tasks/evidence/documents.py`), how
text becomes passages (`tasks/evidence/passages.py`) and what of it is new (`tasks/evidence/index.py`).

Documents are other people's bytes. A link that leaves the folder, a file beyond the limits, half a PDF, text
that is not UTF-8: each goes to quarantine with a reason, and the other documents go on.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks import tables
from tasks.errors import ConfigError
from tasks.evidence import documents
from tasks.evidence.documents import RAW_CHARACTERS, READERS, RefusedError
from tasks.evidence.parameters import CorpusSettings
from tasks.sources.parameters import LimitSettings

BATCH_CHARACTERS = 32 * 2**20
"""Text that is in memory at once while reading: a batch ends when it has this much."""

DOCUMENTS = pl.Schema(
    {"file": pl.String, "document_uri": pl.String, "text": pl.String, "content_sha256": pl.String}
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


def quarantine(refused: list[dict[str, str]], *, corpus: str, run_id: str, now: datetime) -> pl.DataFrame:
    """Refused files and records as a QUARANTINE frame."""
    return tables.quarantine_rows(refused, table="passages", source=corpus, run_id=run_id, quarantined_at=now)


def list_files(settings: CorpusSettings, limits: LimitSettings) -> Listing:
    """The corpus's files, by name relative to its folder; hidden ones are left out.

    Raises:
        ConfigError: the path leads nowhere, or to one file of an unknown format.
    """
    path = str(settings.path)
    root, paths = _walk(path)
    if Path(path).is_file() and paths[0].suffix.lower() not in READERS:
        known = ", ".join(sorted(READERS))
        raise ConfigError(f"{path}: the corpus is a file of no known format; expected one of {known}")
    rows, refused, ignored = [], [], 0
    for found in paths:
        name = found.relative_to(root).as_posix()
        if found.suffix.lower() not in READERS:
            ignored += 1
            continue
        try:
            if name != _shown(name):
                raise RefusedError("name", "the file's name is not UTF-8; rename it")
            if found != Path(path) and not found.resolve().is_relative_to(root.resolve()):
                raise RefusedError("link", "the link leads out of the corpus folder")
            if not found.is_file():
                raise RefusedError("file", "not a regular file, or a link that leads nowhere")
            stat = found.stat()
            if stat.st_size > limits.max_file_bytes:
                raise RefusedError(
                    "size",
                    f"{stat.st_size} bytes, more than limits.max_file_bytes allows ({limits.max_file_bytes})",
                )
            rows.append((name, os.fspath(found), stat.st_size, stat.st_mtime_ns))
        except RefusedError as error:
            refused.append(_row(name, error))
        except OSError as error:
            refused.append(_row(name, RefusedError("unreadable", f"cannot be read: {error.strerror}")))
    return Listing(pl.DataFrame(rows, schema=FILES, orient="row").sort("file"), refused, ignored)


def _walk(path: str) -> tuple[Path, list[Path]]:
    """The folder that names are relative to, and every visible file."""
    whole = Path(path)
    if whole.is_file():
        return whole.parent, [whole]
    if whole.is_dir():
        found = [
            Path(folder) / name
            for folder, _, names in os.walk(whole, onerror=_unreadable)
            if not any(part.startswith(".") for part in Path(folder).relative_to(whole).parts)
            for name in names
        ]
        root = whole
    elif glob.has_magic(path):
        parts = whole.parts
        fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
        root = Path(*parts[:fixed]) if fixed else Path()
        found = [Path(p) for p in glob.glob(path, recursive=True) if not Path(p).is_dir()]
        if not found:
            raise ConfigError(f"{path}: the corpus pattern matches no file; correct corpus.path")
    else:
        raise ConfigError(f"{path}: no such corpus; correct corpus.path or create the folder")
    return root, sorted(p for p in found if not p.name.startswith("."))


def _unreadable(error: OSError) -> None:
    # Going on without a folder would take its documents for removed.
    raise ConfigError(
        f"{error.filename}: the corpus folder cannot be read ({error.strerror}); "
        "give this user the right to it"
    ) from None


def read(files: pl.DataFrame, settings: CorpusSettings, limits: LimitSettings) -> Iterator[Documents]:
    """Documents of the files (FILES frame) in batches of bounded size; every batch has whole documents."""
    batch: list[tuple[str, str, str, str]] = []
    refused: list[dict[str, str]] = []
    characters = 0
    for name, path, _, _ in files.iter_rows():
        for record in documents.records(Path(path), name, settings, limits):
            try:
                if isinstance(record, RefusedError):
                    raise record
                uri, text = record
                digest = _checked_sha256(uri, text, limits)
            except RefusedError as error:
                if not isinstance(record, RefusedError) and record[0] != name:
                    error.reason = f"{record[0]}: {error.reason}"
                refused.append(_row(name, error))
                continue
            batch.append((name, uri, text, digest))
            characters += len(text)
            if characters >= BATCH_CHARACTERS:
                yield Documents(pl.DataFrame(batch, schema=DOCUMENTS, orient="row"), refused)
                batch, refused, characters = [], [], 0
    yield Documents(pl.DataFrame(batch, schema=DOCUMENTS, orient="row"), refused)


def _checked_sha256(uri: str, text: Any, limits: LimitSettings) -> str:
    if not isinstance(text, str):
        raise RefusedError("text", "the text is missing or no text", repr(text))
    if not text.strip():
        raise RefusedError("empty", "there is no text in it")
    try:
        data = text.encode()
        uri.encode()
    except UnicodeEncodeError:
        raise RefusedError("text", "half a character (a lone surrogate)", text) from None
    if len(data) > limits.max_record_bytes:
        raise RefusedError(
            "size",
            f"{len(data)} bytes of text, more than limits.max_record_bytes allows "
            f"({limits.max_record_bytes})",
        )
    return hashlib.sha256(data).hexdigest()


def _row(name: str, error: RefusedError) -> dict[str, str]:
    raw = error.raw[:RAW_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    return {
        "locator": _shown(name),
        "check": f"corpus_{error.check}",
        "reason": _shown(error.reason),
        "raw": raw,
    }


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
