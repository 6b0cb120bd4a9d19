"""A day's folder changes places with one that was prepared: its old files become the new ones in one step.

A reader that lists a folder has opened it, and meets the names of before or those of after, never both and
never none. What it can meet is a name of before that is gone when it opens the file: an error, and no wrong
row. No order of steps on a plain file system avoids that: the names of before would have to be found by
whoever knows them and not be seen by whoever lists.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import IntegrityError
from tasks.files import durable, exchange

GRACE_S = 1.0
"""Between the swap and the end of the old files: a reader that has opened the old folder still lists it."""


@dataclass(frozen=True)
class Swap:
    """A day's folder, the one prepared for it, and what the files of both are."""

    place: Path
    prepared: Path
    added: Mapping[str, str]
    """Digest by name."""
    removed: Mapping[str, str]

    @property
    def is_done(self) -> bool:
        """Whether the place has the new files."""
        return all((self.place / name).exists() for name in self.added)


def prepare(swap: Swap, files: Iterable[tuple[str, bytes]]) -> None:
    """Fills the prepared folder with new files, which are read back, and with what stays of the old one.

    Raises:
        IntegrityError: a file does not read back as it was written.
    """
    durable.make_folder(swap.prepared)
    for name, data in files:
        durable.write_new(swap.prepared / name, data)
        if durable.sha256_file(swap.prepared / name) != swap.added[name]:
            raise IntegrityError(
                f"{swap.prepared / name}: does not read back as it was written; check the disk, nothing was "
                "published"
            )
    _keep_others(swap)
    durable.sync_folder(swap.prepared)


def _keep_others(swap: Swap) -> None:
    """Files that stay have a name in both folders."""
    for path in swap.place.iterdir():
        kept = swap.prepared / path.name
        if path.name not in swap.removed and not kept.exists():
            os.link(path, kept)


def publish(swaps: Iterable[Swap]) -> bool:
    """Swaps every folder that is not swapped yet; whether there was one. Running it again goes on.

    Raises:
        IntegrityError: a file is not the one that was to be replaced, or the prepared one is damaged.
    """
    waiting = [swap for swap in swaps if not swap.is_done]
    for swap in waiting:
        for folder, files in ((swap.place, swap.removed), (swap.prepared, swap.added)):
            for name, digest in files.items():
                path = folder / name
                if not path.exists() or durable.sha256_file(path) != digest:
                    raise IntegrityError(
                        f"{path}: not the file that is to be joined or was; restore it from a copy"
                    )
        _keep_others(swap)
        durable.sync_folder(swap.prepared)
        exchange.exchange(swap.prepared, swap.place)
        durable.sync_folder(swap.place.parent)
        durable.sync_folder(swap.prepared.parent)
    if waiting:
        time.sleep(GRACE_S)
    return bool(waiting)
