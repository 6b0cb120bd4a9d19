"""Cache of a day's drift cells, so that a night sums the new day and not the last sixty again.

LAKE/cache/drift/DATE-DIGEST/ is an entry (`tasks/files/cache.py`) of Arrow files. DIGEST is over the day's
files (path, size, time), the weight's key and the version of the sums. It holds sums and names, no text.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path

import polars as pl

from tasks.drift.cells import CELL, PROFILE, SEEN, VERSION, Cells
from tasks.files.cache import Cache, Entry

_FRAMES = {"sums": CELL, "profiles": PROFILE, "seen": SEEN}


def name(lake_root: Path, day: date, files: Sequence[Path], weight: str | None) -> str:
    """The entry of the cells of that day's files."""
    inputs = [VERSION, weight]
    for file in files:
        status = file.stat()
        inputs += [str(file.relative_to(lake_root)), str(status.st_size), str(status.st_mtime_ns)]
    digest = sha256(json.dumps(inputs).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{day.isoformat()}-{digest}"


def read(lake_root: Path, entry_name: str) -> Cells | None:
    """The cells, or None where there are none or they are damaged."""
    return _cache(lake_root).read(entry_name, _cells)


def write(lake_root: Path, entry_name: str, cells: Cells) -> None:
    """Keeps the cells and removes those of the same day's earlier files.

    Raises:
        LakeError: the cache cannot be written.
    """

    def fill(folder: Path) -> None:
        for frame in _FRAMES:
            data = io.BytesIO()  # written by itself, Polars calls a full disk a ComputeError
            getattr(cells, frame).write_ipc(data, compression="zstd")
            (folder / f"{frame}.arrow").write_bytes(data.getbuffer())
        (folder / "filled.json").write_text(json.dumps(sorted(cells.filled)), "utf-8")

    cache = _cache(lake_root)
    for other in cache.names():
        if other[:10] == entry_name[:10]:
            cache.remove(other)
    cache.write(fill, entry_name)


def _cache(lake_root: Path) -> Cache:
    return Cache(lake_root / "cache" / "drift", "the day is summed again")


def _cells(entry: Entry) -> Cells:
    frames = {}
    for frame, schema in _FRAMES.items():
        frames[frame] = pl.read_ipc(io.BytesIO(entry.data(f"{frame}.arrow")))
        if frames[frame].schema != schema:
            raise ValueError(f"{frame} has another schema")
    return Cells(**frames, filled=frozenset(json.loads(entry.data("filled.json"))))
