"""Cache of a day's drift cells, so that a night sums the new day and not the last sixty again.

LAKE/cache/drift/DATE-DIGEST.arrow holds the SHA-256 of what follows, a header line, and Arrow frames. DIGEST
is over the day's files (path, size, time), the weight's key and the version of the sums. Whatever is wrong
with a file, the day is summed again; the cache can always be deleted. It holds sums and names, no text.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path

import polars as pl

from tasks.drift.cells import CELL, PROFILE, SEEN, VERSION, Cells
from tasks.files import durable

log = logging.getLogger("claimledger.drift")
_FRAMES = {"sums": CELL, "profiles": PROFILE, "seen": SEEN}


def place(lake_root: Path, day: date, files: Sequence[Path], weight: str | None) -> Path:
    """Where the cells of that day's files are kept."""
    known = [VERSION, weight]
    for file in files:
        found = file.stat()
        known += [str(file.relative_to(lake_root)), str(found.st_size), str(found.st_mtime_ns)]
    name = sha256(json.dumps(known).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return lake_root / "cache" / "drift" / f"{day.isoformat()}-{name}.arrow"


def read(path: Path) -> Cells | None:
    """The cells, or None where there are none or they are damaged."""
    try:
        data = path.read_bytes()
        digest, _, body = data.partition(b"\n")
        if sha256(body).hexdigest().encode() != digest:
            raise ValueError("not what was written")
        header, _, rest = body.partition(b"\n")
        parts = json.loads(header)
        frames, offset = {}, 0
        for name, length in parts["frames"]:
            frame = pl.read_ipc(io.BytesIO(rest[offset : offset + length]))
            if frame.schema != _FRAMES[name]:
                raise ValueError(f"{name} has another schema")
            frames[name] = frame
            offset += length
        return Cells(**frames, filled=frozenset(parts["filled"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        log.warning("%s: damaged cache of a day's sums (%s); the day is summed again", path, error)
        return None


def write(path: Path, cells: Cells) -> None:
    """Keeps the cells and removes those of the same day's earlier files.

    Raises:
        LakeError: the cache cannot be written.
    """
    encoded = []
    for name in _FRAMES:
        buffer = io.BytesIO()
        getattr(cells, name).write_ipc(buffer, compression="zstd")
        encoded.append((name, buffer.getvalue()))
    header = {"frames": [[name, len(data)] for name, data in encoded], "filled": sorted(cells.filled)}
    body = json.dumps(header).encode() + b"\n" + b"".join(data for _, data in encoded)
    with durable.touching(path):
        durable.make_folder(path.parent)
        durable.replace(path, sha256(body).hexdigest().encode() + b"\n" + body)
        for other in path.parent.glob(f"{path.name[:10]}-*.arrow"):
            if other != path:
                other.unlink(missing_ok=True)
