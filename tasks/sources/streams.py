"""Files as bounded streams of bytes: which files a path means, what they are, what they unpack to.

Belongs here: discovery, format detection, decompression under a budget, digests. Does not belong here: what
the bytes say (`split.py`, `strict.py`, `readers.py`).
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, cast

from tasks.errors import SourceError
from tasks.sources.records import shown

BLOCK = 2**20
HEAD = 2**16
"""Bytes looked at to tell what a file is: holds the first record of any export we have met."""

Compression = Literal["none", "gzip", "zstd"]
Format = Literal["jsonl", "json", "csv", "parquet"]

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_UTF8_MARK = b"\xef\xbb\xbf"


class Unreadable(Exception):  # noqa: N818 - it becomes a sentence about one file, and the others go on
    """Why a file cannot be read from here on: the check's name and one sentence without the file's name."""

    def __init__(self, check: str, reason: str) -> None:
        super().__init__(reason)
        self.check = check
        self.reason = reason


class Readable(Protocol):
    """Anything with a bounded read."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        ...


@dataclass(frozen=True)
class Found:
    """One file of a source; `name` is what locators call it: its path below the source's folder."""

    path: Path
    name: str


def discover(pattern: str) -> list[Found]:
    """The files that a path, a folder or a glob means, by name.

    A folder means every file below it whose suffix is known; hidden files (`.` or `_` first) are still being
    written and left out.

    Raises:
        SourceError: nothing there, or no file that could be read.
    """
    path = Path(pattern)
    if path.is_dir():
        files = [p for p in _walk(path) if _suffixes(p)[0] is not None]
        if not files:
            raise SourceError(
                f"{shown(pattern)}: the folder holds no .jsonl, .json, .csv or .parquet file; "
                "correct the source's path"
            )
        return [Found(p, shown(p.relative_to(path).as_posix())) for p in files]
    if path.exists() or path.is_symlink():
        return [Found(path, shown(path.name))]
    if not glob.has_magic(pattern):
        raise SourceError(f"{shown(pattern)}: no such file or folder; correct the source's path")
    base = _fixed(path)
    matches = sorted(
        Path(m) for m in glob.iglob(pattern, recursive=True) if not Path(m).is_dir()
    )  # fmt: skip
    matches = [m for m in matches if not any(part[0] in "._" for part in m.relative_to(base).parts)]
    if not matches:
        raise SourceError(f"{shown(pattern)}: no file matches; correct the source's path")
    return [Found(m, shown(m.relative_to(base).as_posix())) for m in matches]


def _walk(folder: Path) -> list[Path]:
    files = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f[0] not in "._")
        files += [Path(root) / n for n in names if n[0] not in "._"]
    return sorted(files)


def _fixed(pattern: Path) -> Path:
    """The part of a glob before its first wildcard."""
    parts: list[str] = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts) if parts else Path()


def _suffixes(path: Path) -> tuple[Format | None, Compression]:
    name = path.name.lower()
    compression: Compression = "none"
    for suffix, kind in _COMPRESSIONS.items():
        if name.endswith(suffix):
            name, compression = name.removesuffix(suffix), kind
            break
    return _SUFFIXES.get(Path(name).suffix), compression


def regular(path: Path) -> os.stat_result:
    """The file's status.

    Raises:
        Unreadable: missing, forbidden, or not a regular file (a pipe would wait for ever).
    """
    try:
        status = path.stat()
    except OSError as error:
        raise Unreadable("missing", f"cannot be reached ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not_a_file", "is not a regular file")
    if status.st_size == 0:
        raise Unreadable("empty", "is empty")
    return status


def digest(path: Path, length: int | None = None) -> str:
    """SHA-256 of a file's first `length` bytes, or of all of it."""
    state = hashlib.sha256()
    left = length
    with path.open("rb") as stream:
        while left is None or left > 0:
            block = stream.read(BLOCK if left is None else min(BLOCK, left))
            if not block:
                break
            state.update(block)
            left = None if left is None else left - len(block)
    return state.hexdigest()


class Budgeted:
    """A stream that ends with `Unreadable` when it unpacks to more than `limit` bytes."""

    def __init__(self, stream: Readable, limit: int, compression: Compression) -> None:
        self._stream, self._limit, self._compression = stream, limit, compression
        self._failure: Unreadable | None = None
        self.consumed = 0

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes.

        Raises:
            Unreadable: over the budget, or the compressed stream is torn or not what it says.
        """
        if self._failure is not None:
            raise self._failure
        try:
            block = self._stream.read(size)
        except EOFError:
            self._failure = Unreadable(
                "truncated", f"has a {self._compression} stream that breaks off after {self._unpacked()}"
            )
            raise self._failure from None
        except (gzip.BadGzipFile, zlib.error, OSError) as error:
            self._failure = Unreadable(
                "corrupt",
                f"has a {self._compression} stream that is damaged after {self._unpacked()} "
                f"({shown(str(error), 120)})",
            )
            raise self._failure from None
        self.consumed += len(block)
        if self.consumed > self._limit:
            raise Unreadable(
                "too_large",
                f"holds more than {self._limit} bytes unpacked, the limit of limits.max_file_bytes",
            )
        return block

    def _unpacked(self) -> str:
        return f"{self.consumed} unpacked bytes"


class _Gunzipped:
    """A gzip stream that gives what it has unpacked before it says that it is torn."""

    def __init__(self, raw: BinaryIO) -> None:
        self._stream = gzip.GzipFile(fileobj=raw)
        self._torn: Exception | None = None

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; `GzipFile.read` would lose those before the tear."""
        parts: list[bytes] = []
        left = size
        while left and self._torn is None:
            try:
                part = self._stream.read1(left)
            except (EOFError, OSError, zlib.error) as error:
                self._torn = error
                break
            if not part:
                break
            parts.append(part)
            left -= len(part)
        if self._torn is not None and not parts:
            raise self._torn
        return b"".join(parts)


@contextmanager
def unpacked(path: Path, compression: Compression, limit: int, start: int = 0) -> Iterator[Budgeted]:
    """The file's bytes, unpacked as they are read; `start` skips raw bytes of a file that is not packed.

    Raises:
        Unreadable: the file cannot be opened.
    """
    try:
        raw = cast(BinaryIO, path.open("rb"))
    except OSError as error:
        raise Unreadable("missing", f"cannot be opened ({error.strerror})") from None
    with raw:
        stream: Readable = raw
        if compression == "gzip":
            stream = _Gunzipped(raw)
        elif compression == "zstd":
            import pyarrow as pa  # type: ignore[import-untyped]

            stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
        else:
            raw.seek(start)
        yield Budgeted(stream, limit, compression)


class Rewound:
    """A stream whose first bytes were looked at and are given again."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""
        if self._head:
            block, self._head = self._head[:size], self._head[size:]
            return block
        return self._stream.read(size)


def compression_of(path: Path) -> Compression:
    """How a file is packed, by its first bytes: a suffix may lie."""
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise Unreadable("missing", f"cannot be opened ({error.strerror})") from None
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    if magic == b"\x28\xb5\x2f\xfd":
        return "zstd"
    named = _suffixes(path)[1]
    if named != "none":
        raise Unreadable("corrupt", f"is named {named} and does not begin like it; export it again")
    return "none"


def head_of(stream: Readable) -> bytes:
    """Up to HEAD unpacked bytes; a torn stream gives what it has and fails again when it is read on."""
    parts: list[bytes] = []
    size = 0
    while size < HEAD:
        try:
            block = stream.read(HEAD - size)
        except Unreadable:
            if not parts:
                raise
            break
        if not block:
            break
        parts.append(block)
        size += len(block)
    return b"".join(parts)


def format_of(path: Path, head: bytes, configured: str) -> Format:
    """A file's format: as configured, else by suffix, else by content.

    Raises:
        Unreadable: empty, UTF-16 or UTF-32, binary, or nothing that is known.
    """
    suffix = _suffixes(path)[0]
    known = cast(Format, configured) if configured != "auto" else suffix
    if head[:4] == b"PAR1" or known == "parquet":
        return "parquet"
    body = head.removeprefix(_UTF8_MARK).lstrip()
    if not head:
        raise Unreadable("empty", "is empty")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or (
        len(head) > 3 and (head[0] == 0) != (head[1] == 0) and (head[2] == 0) != (head[3] == 0)
    ):
        raise Unreadable("encoding", "is UTF-16 text; export it as UTF-8")
    # A damaged text file still begins like one; what neither begins nor reads like text is no text at all.
    if body[:1] not in (b"{", b"[") and _is_binary(head):
        raise Unreadable("binary", "is a binary file, expected JSON Lines, JSON, CSV or Parquet")
    if known == "json" and body[:1] == b"{" and _begins_with_a_record_a_line(body):
        return "jsonl"
    if known is not None:
        return known
    if body[:1] == b"[":
        return "json"
    if body[:1] == b"{":
        return "jsonl"
    raise Unreadable("format", "is of no known format; name it with the source's `format`")


def _is_binary(head: bytes) -> bool:
    controls = sum(head.count(bytes([c])) for c in (*range(9), *range(14, 27), *range(28, 32)))
    if controls * 50 > len(head):
        return True
    invalid = head.decode("utf-8", "replace").count("\ufffd")
    return invalid * 5 > len(head)


def _begins_with_a_record_a_line(body: bytes) -> bool:
    import orjson

    first, newline, rest = body.partition(b"\n")
    if newline and not rest.strip():
        return True
    try:
        return bool(newline) and isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False
