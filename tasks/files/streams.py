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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, cast, get_args

import pyarrow as pa  # type: ignore[import-untyped]

from tasks.files import durable
from tasks.files.portions import BLOCK
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
    if length is None:
        return durable.sha256_file(path)
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while length > 0 and (block := stream.read(min(BLOCK, length))):
            state.update(block)
            length -= len(block)
    return state.hexdigest()


class Unpacked:
    """A file's bytes as they are unpacked, within a budget; what comes before a tear is given first."""

    def __init__(self, raw: BinaryIO, packed: Compression, limit: int) -> None:
        self._next: Callable[[int], bytes] = raw.read
        if packed == "gzip":
            # `read` would lose what was unpacked before a tear.
            self._next = gzip.GzipFile(fileobj=raw).read1
        elif packed == "zstd":
            self._next = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd").read
        self._packed, self._limit = packed, limit
        self._ahead = b""
        self._count = 0
        self._failure: Refusal | None = None

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes.

        Raises:
            Refusal: over the budget, or the compressed stream is torn or not what it says.
        """
        data, self._ahead = self._ahead or self._more(size), b""
        block, self._ahead = data[:size], data[size:]
        return block

    def head(self) -> bytes:
        """Up to HEAD bytes, which `read` gives again. Raises Refusal where there are none."""
        if not self._ahead:
            self._ahead = self._more(HEAD)
        return self._ahead

    def _more(self, size: int) -> bytes:
        parts: list[bytes] = []
        left = size
        while left and self._failure is None:
            try:
                part = self._next(left)
            except EOFError:
                self._fail("truncated", f"has a {self._packed} stream that breaks off after")
            except (zlib.error, OSError) as error:
                self._fail(
                    "corrupt", f"has a {self._packed} stream that is damaged ({shown(str(error), 120)}) after"
                )
            else:
                if not part:
                    break
                self._count += len(part)
                parts.append(part)
                left -= len(part)
        if self._count > self._limit:
            limit = f"{self._limit} bytes unpacked, the limit of limits.max_file_bytes"
            raise Refusal("too_large", f"holds more than {limit}")
        if self._failure is not None and not parts:
            raise self._failure
        return b"".join(parts)

    def _fail(self, check: str, reason: str) -> None:
        self._failure = Refusal(check, f"{reason} {self._count} unpacked bytes")


@contextmanager
def unpacked(path: Path, packed: Compression, limit: int, start: int = 0) -> Iterator[Unpacked]:
    """The file's bytes, unpacked as they are read; `start` skips raw bytes of a file that is not packed.

    Raises:
        Refusal: the file cannot be opened.
    """
    try:
        raw = cast(BinaryIO, path.open("rb"))
    except OSError as error:
        raise Refusal("missing", f"cannot be opened ({error.strerror})") from None
    with raw:
        raw.seek(start)
        yield Unpacked(raw, packed, limit)


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
        raise Refusal("corrupt", f"is named {named} but does not begin like one; export it again")
    return "none"
