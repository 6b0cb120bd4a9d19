"""Files as bounded streams of bytes: which files a path means, what they are, what they unpack to.

What the bytes say is for `records.py`.
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
from pathlib import Path
from typing import BinaryIO, Literal, cast, get_args

import pyarrow as pa  # type: ignore[import-untyped]

from tasks.files.portions import BLOCK, Readable
from tasks.files.refusal import Refusal, shown

HEAD = 2**16
"""Bytes looked at to tell what a file is: holds the first record of any export we have met."""

Compression = Literal["none", "gzip", "zstd"]
Format = Literal["jsonl", "json", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

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


def walk(pattern: str, hidden: str = ".") -> tuple[Path, list[Path]]:
    """The folder that a path, a folder or a glob begins at, and the files that it means, by name.

    What begins with one of the characters `hidden`, or lies in a folder that does, is left out; only a path
    may name it.

    Raises:
        Refusal: there is no such file or folder, or a folder cannot be read.
    """
    path = Path(pattern)
    if path.is_dir():
        return path, _below(path, hidden)
    if path.exists() or path.is_symlink():
        return path.parent, [path]
    if not glob.has_magic(pattern):
        raise Refusal("missing", "no such file or folder")
    fixed = next(n for n, part in enumerate(path.parts) if glob.has_magic(part))
    base = Path(*path.parts[:fixed])
    matches = sorted(Path(m) for m in glob.iglob(pattern, recursive=True) if not Path(m).is_dir())
    files = [m for m in matches if not any(part[0] in hidden for part in m.relative_to(base).parts)]
    if not files:
        raise Refusal("missing", "no file matches")
    return base, files


def _below(folder: Path, hidden: str) -> list[Path]:
    files = []
    for root, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if name[0] not in hidden]
        files += [Path(root) / name for name in names if name[0] not in hidden]
    return sorted(files)


def _unreadable(error: OSError) -> None:
    # Going on without a folder would take its files for removed.
    place = shown(str(error.filename))
    reason = f"the folder {place} cannot be read ({error.strerror}); give this user the right to it"
    raise Refusal("missing", reason) from None


def suffixes(path: Path) -> tuple[Format | None, Compression]:
    """The format and the packing that a file's name claims."""
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
        Refusal: missing, forbidden, or not a regular file (a pipe would wait for ever).
    """
    try:
        status = path.stat()
    except OSError as error:
        raise Refusal("missing", f"cannot be reached ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        raise Refusal("not_a_file", "is not a regular file")
    if status.st_size == 0:
        raise Refusal("empty", "is empty")
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
    """A stream that ends with `Refusal` when it unpacks to more than `limit` bytes."""

    def __init__(self, stream: Readable, limit: int, compression: Compression) -> None:
        self._stream, self._limit, self._compression = stream, limit, compression
        self._failure: Refusal | None = None
        self.consumed = 0

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes.

        Raises:
            Refusal: over the budget, or the compressed stream is torn or not what it says.
        """
        if self._failure is not None:
            raise self._failure
        try:
            block = self._stream.read(size)
        except EOFError:
            self._failure = Refusal(
                "truncated", f"has a {self._compression} stream that breaks off after {self._unpacked()}"
            )
            raise self._failure from None
        except (gzip.BadGzipFile, zlib.error, OSError) as error:
            self._failure = Refusal(
                "corrupt",
                f"has a {self._compression} stream that is damaged after {self._unpacked()} "
                f"({shown(str(error), 120)})",
            )
            raise self._failure from None
        self.consumed += len(block)
        if self.consumed > self._limit:
            raise Refusal(
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
        Refusal: the file cannot be opened.
    """
    try:
        raw = cast(BinaryIO, path.open("rb"))
    except OSError as error:
        raise Refusal("missing", f"cannot be opened ({error.strerror})") from None
    with raw:
        stream: Readable = raw
        if compression == "gzip":
            stream = _Gunzipped(raw)
        elif compression == "zstd":
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
        raise Refusal("missing", f"cannot be opened ({error.strerror})") from None
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    if magic == b"\x28\xb5\x2f\xfd":
        return "zstd"
    named = suffixes(path)[1]
    if named != "none":
        raise Refusal("corrupt", f"is named {named} and does not begin like it; export it again")
    return "none"


def head_of(stream: Readable) -> bytes:
    """Up to HEAD unpacked bytes; a torn stream gives what it has and fails again when it is read on."""
    parts: list[bytes] = []
    size = 0
    while size < HEAD:
        try:
            block = stream.read(HEAD - size)
        except Refusal:
            if not parts:
                raise
            break
        if not block:
            break
        parts.append(block)
        size += len(block)
    return b"".join(parts)
