"""Door to durable files: what is written is on the disk, whole, before anybody can see its name.

The sad path that remains: a disk that acknowledges fsync and loses the data. The digest in a file's
manifest finds it; nothing here prevents it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.errors import IntegrityError, LakeError

_ADVICE = {
    errno.ENOSPC: "free some space and run again",
    errno.EDQUOT: "raise the quota or free some space, and run again",
    errno.EFBIG: "raise the limit on file sizes and run again",
    errno.EROFS: "mount it writable or choose another lake",
    errno.EACCES: "give this user permission, or choose another place",
    errno.EPERM: "give this user permission, or choose another place",
    errno.EMFILE: "raise the limit on open files (ulimit -n) and run again",
    errno.ENFILE: "raise the limit on open files and run again",
    errno.ENOTDIR: "move the file that is where a folder belongs",
    errno.EIO: "the disk reports an error; check it before running again",
}

_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def explain(error: OSError, path: Path) -> LakeError:
    """One sentence: the path, what the system said, where room matters how much is free, what to do."""
    place = error.filename if isinstance(error.filename, str) else path
    reason = error.strerror or type(error).__name__
    advice = _ADVICE.get(error.errno or 0, "what was committed before is intact; fix this and run again")
    free = f" ({_free(path)} free there)" if error.errno in _ROOM else ""
    return LakeError(f"{place}: {reason}{free}; {advice}")


def require_room(path: Path, least_bytes: int) -> None:
    """Raises LakeError where less is free: what is mapped into memory would end in a signal, not an error."""
    folder = next(folder for folder in (path, *path.parents) if folder.exists())
    if shutil.disk_usage(folder).free < least_bytes:
        needed = f"{least_bytes / 2**20:.0f} MiB"
        raise LakeError(
            f"{path}: only {_free(path)} free there, but a run needs at least {needed}; free some "
            "space and run again"
        )


def _free(path: Path) -> str:
    for folder in (path, *path.parents):
        try:
            count = float(shutil.disk_usage(folder).free)
        except OSError:
            continue
        for unit in ("bytes", "kB", "MB", "GB"):
            if count < 1000:
                return f"{count:.0f} {unit}"
            count /= 1000
        return f"{count:.0f} TB"
    return "unknown space"


@contextmanager
def touching(path: Path) -> Iterator[None]:
    """Turns every OSError inside into the LakeError of `explain`."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def sync_folder(folder: Path) -> None:
    """Makes the names inside durable: a rename survives a power cut only once its folder is synced."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Creates the folder and its parents, each one's name durable in its own parent."""
    missing: list[Path] = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder:
            break
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder to fill, which takes the place of `folder` at the end; nothing is left of one that
    fails.

    `folder` is missing or empty.
    """
    scratch = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    with touching(folder):
        scratch.mkdir(parents=True)
        try:
            yield scratch
            if folder.exists():
                folder.rmdir()
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def write_new(path: Path, data: bytes) -> None:
    """Writes and syncs one file; its name is durable only after `sync_folder`."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(path: Path, data: bytes) -> None:
    """Atomically and durably: a reader sees the old bytes or the new ones, also after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    write_new(temporary, data)
    temporary.replace(path)
    sync_folder(path.parent)


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """`replace` with readable JSON, keys sorted, so that equal values are equal bytes."""
    replace(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file that `replace_json` wrote; None where there is no such file.

    Raises:
        IntegrityError: the file is not what was written: torn, empty or edited into something else.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise IntegrityError(
            f"{path}: damaged, expected one JSON object in {len(data)} bytes; restore it from a copy"
        )
    return value


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
