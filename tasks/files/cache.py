"""Door to caches: folders that remember what could be computed again.

FOLDER/NAME/ is an entry: its files, and `digest.json` with the SHA-256 of each. An entry appears whole, by
one rename, and never changes. A file is hashed before it is parsed. Whatever is wrong with an entry (torn,
flipped, foreign), it is named in the log and removed, and its owner computes it again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from tasks.files import durable

DIGESTS = "digest.json"
Parsed = TypeVar("Parsed")

log = logging.getLogger("claimledger.cache")


@dataclass(frozen=True)
class Entry:
    """One entry's files, each checked when it is asked for; ValueError where it is damaged."""

    folder: Path
    digests: dict[str, str]

    def data(self, name: str) -> bytes:
        """The file's bytes."""
        data = (self.folder / name).read_bytes()
        self._check(name, hashlib.sha256(data).hexdigest())
        return data

    def path(self, name: str) -> Path:
        """The file, for a library that reads it itself."""
        self._check(name, durable.sha256_file(self.folder / name))
        return self.folder / name

    def checked_folder(self) -> Path:
        """The folder, all of whose files were checked."""
        for path in self.folder.iterdir():
            if path.name != DIGESTS:
                self.path(path.name)
        return self.folder

    def _check(self, name: str, digest: str) -> None:
        if self.digests.get(Path(name).stem) != digest:
            raise ValueError(f"{name} is damaged")


@dataclass(frozen=True)
class Cache:
    """A folder of entries; `remedy` says what becomes of what a damaged entry held."""

    folder: Path
    remedy: str

    def names(self) -> list[str]:
        """Entries, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.name[0] not in "._")

    def read(self, name: str, parse: Callable[[Entry], Parsed]) -> Parsed | None:
        """What `parse` makes of an entry; None where there is none, or it was damaged and is removed."""
        place = self.folder / name
        if not place.is_dir():
            return None
        try:
            digests = json.loads((place / DIGESTS).read_bytes())
            if not isinstance(digests, dict):
                raise ValueError(f"{DIGESTS} holds no digests")
            return parse(Entry(place, digests))
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            log.warning("%s: damaged cache entry (%s); removed, %s", place, error, self.remedy)
            self.remove(name)
            return None

    def write(self, fill: Callable[[Path], None], name: str | None = None) -> str:
        """Makes an entry of the files that `fill` writes into the folder it is given.

        Returns its name: the one given, or the digest of its content. An entry of that name stays, since
        equal names are equal content.

        Raises:
            LakeError: the disk refuses.
        """
        with durable.touching(self.folder):
            durable.make_folder(self.folder)
            temporary = self.folder / f"_writing-{os.uname().nodename}-{os.getpid()}"
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            fill(temporary)
            paths = sorted(temporary.iterdir())
            digests = {path.stem: durable.sha256_file(path) for path in paths}
            durable.write_new(temporary / DIGESTS, json.dumps(digests, sort_keys=True).encode())
            for path in paths:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            durable.sync_folder(temporary)
            name = name or hashlib.sha256("".join(digests.values()).encode()).hexdigest()[:32]
            if (self.folder / name).exists():  # written by an earlier attempt
                shutil.rmtree(temporary)
            else:
                temporary.rename(self.folder / name)
                durable.sync_folder(self.folder)
        return name

    def remove(self, name: str) -> None:
        """Forgets an entry, or a file that an older release kept here."""
        place = self.folder / name
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
