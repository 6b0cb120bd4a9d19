"""A sealed unit as files of the lake's scratch: what a worker on another machine hands over.

Through a cluster's scheduler go their names and digests alone.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from tasks.errors import GateError
from tasks.judge.job import Sealed
from tasks.tables import QUARANTINE

_QUARANTINE, _REPEATED, _WAITING = "-quarantine", "-repeated", "-waiting"
"""No table has a dash in front."""


@dataclass(frozen=True)
class Stored:
    """Names the files of a sealed unit."""

    folder: Path
    files: Mapping[str, str]
    """SHA-256 of each, by what it holds."""
    rest: Sealed
    """The unit without a row."""


def store(sealed: Sealed, folder: Path) -> Stored:
    """Writes the frames into a folder that is there; where it is gone, nobody waits for them any more."""
    others = {_QUARANTINE: sealed.quarantine, _REPEATED: sealed.repeated, _WAITING: sealed.waiting}
    frames = {**sealed.frames, **others}
    files = {name: _write(folder / f"{name}.arrow", frame) for name, frame in frames.items()}
    rest = replace(
        sealed,
        frames={},
        quarantine=QUARANTINE.empty(),
        repeated=sealed.repeated.clear(),
        waiting=sealed.waiting.clear(),
    )
    return Stored(folder, files, rest)


def fetch(stored: Stored) -> Sealed:
    """The unit as it was stored.

    Raises:
        GateError: a file is missing, or is not the one that was written.
    """
    frames = {name: _read(stored.folder / f"{name}.arrow", sha256) for name, sha256 in stored.files.items()}
    quarantine, repeated, waiting = (frames.pop(name) for name in (_QUARANTINE, _REPEATED, _WAITING))
    return replace(stored.rest, frames=frames, quarantine=quarantine, repeated=repeated, waiting=waiting)


def _write(path: Path, frame: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="lz4")
    path.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _read(path: Path, sha256: str) -> pl.DataFrame:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GateError(f"{path}: a worker's results cannot be read ({error.strerror})") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise GateError(f"{path}: not the file that the worker wrote; check the lake's shared storage")
    return pl.read_ipc(io.BytesIO(data))
