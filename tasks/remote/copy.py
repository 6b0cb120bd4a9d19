"""Door to a working copy: a folder of this disk that holds what a bucket holds, and the record that says so.

    COPIES/NAME/lake/          what rooms work in, as in any lake on a disk
    COPIES/NAME/record.json    the published state it was made equal to, and each file's digest, size and time
    COPIES/NAME/base.json.gz   the list of files that the state is based on

COPIES is CLAIMLEDGER_WORKING_COPIES, else `claimledger/lakes` in the user's cache; NAME is a digest of the
URL. Losing a working copy costs the time to fetch it again, and what a run had not published.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.errors import IntegrityError
from tasks.files import durable
from tasks.remote.plan import Entries, Entry, is_pointer, is_published

PLACE = "CLAIMLEDGER_WORKING_COPIES"
Facts = tuple[int, int, int]
"""Size, time and inode of a file: while they stay, so does what it holds."""


def folder_of(url: str) -> Path:
    """Where the working copy of a lake is."""
    given = os.environ.get(PLACE)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    copies = Path(given) if given else Path(cache) / "claimledger" / "lakes"
    return (copies.expanduser() / hashlib.sha256(url.encode()).hexdigest()[:16]).resolve()


@dataclass
class Record:
    """What is known of a working copy."""

    copy: str = field(default_factory=lambda: secrets.token_hex(8))
    """Names it, for the lease."""
    tag: str = ""
    """The head's, whose state the files were made equal to; empty while they are not."""
    generation: int = 0
    """The newest that was ever seen."""
    files: dict[str, tuple[Entry, Facts]] = field(default_factory=dict)


@dataclass
class WorkingCopy:
    """A folder and its record."""

    folder: Path
    record: Record
    _seen: Mapping[str, tuple[Entry, Facts]] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> WorkingCopy:
        """The working copy in a folder that need not be there yet; a damaged record is made anew."""
        try:
            values = durable.read_json(folder / "record.json") or {}
            kept = values.pop("files", {})
            files = {path: (Entry(*entry), _facts(facts)) for path, (entry, facts) in kept.items()}
            return cls(folder, Record(files=files, **values))
        except (IntegrityError, TypeError, ValueError):
            return cls(folder, Record())

    @property
    def root(self) -> Path:
        """The lake."""
        return self.folder / "lake"

    def save(self) -> None:
        """Keeps the record."""
        record = self.record
        files = {
            path: [[entry.sha256, entry.size], facts] for path, (entry, facts) in sorted(record.files.items())
        }
        values = {"copy": record.copy, "tag": record.tag, "generation": record.generation, "files": files}
        with durable.touching(self.folder):
            durable.make_folder(self.folder)
            durable.replace(self.folder / "record.json", json.dumps(values).encode())

    def look(self) -> dict[str, Entry]:
        """Every file of the lake in this copy; what has changed by its facts is hashed, nothing else."""
        with durable.touching(self.root):
            seen = {path: self._known(path, facts) for path, facts in _walk(self.root)}
        self._seen = seen
        return {path: entry for path, (entry, _) in seen.items()}

    def _known(self, path: str, facts: Facts) -> tuple[Entry, Facts]:
        known = self.record.files.get(path)
        if known is not None and known[1] == facts:
            return known
        return Entry(durable.sha256_file(self.root / path), facts[0]), facts

    def keep(self, tag: str, generation: int, entries: Entries) -> None:
        """Records that the copy is equal to a published state, as it was last looked at."""
        files = {path: each for path, each in self._seen.items() if entries.get(path) == each[0]}
        self.record = Record(self.record.copy, tag, generation, files)
        self.save()

    def prepare(self, path: str, data: bytes) -> None:
        """Writes a file beside its place, where nobody sees it."""
        with durable.touching(self.root / path):
            self._beside(path).parent.mkdir(parents=True, exist_ok=True)
            self._beside(path).write_bytes(data)

    def exchange(self, removed: Iterable[str], prepared: Iterable[str]) -> None:
        """Removes files and puts prepared ones in their place, folder by folder, each in a moment."""
        os.sync()
        gone, coming = _by_folder(removed), _by_folder(prepared)
        for folder in sorted(gone.keys() | coming.keys(), key=lambda each: (is_pointer(each), each)):
            for path in gone.get(folder, ()):
                self._remove(path)
            for path in coming.get(folder, ()):
                with durable.touching(self.root / path):
                    self._beside(path).replace(self.root / path)
        os.sync()

    def _beside(self, path: str) -> Path:
        place = self.root / path
        return place.with_name(f".{place.name}.tmp")

    def _remove(self, path: str) -> None:
        """Removes a file, and the folders that held nothing else."""
        place = self.root / path
        with durable.touching(place):
            place.unlink(missing_ok=True)
            for folder in place.parents:
                if folder == self.root or any(folder.iterdir()):
                    break
                folder.rmdir()

    def read(self, path: str) -> bytes:
        """A file's bytes."""
        with durable.touching(self.root / path):
            return (self.root / path).read_bytes()

    def base(self, digest: str) -> bytes | None:
        """The list of files of that digest, where it is kept here."""
        try:
            data = (self.folder / "base.json.gz").read_bytes()
        except FileNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def keep_base(self, data: bytes) -> None:
        """Keeps the list of files, which is fetched once."""
        with durable.touching(self.folder):
            durable.make_folder(self.folder)
            durable.replace(self.folder / "base.json.gz", data)


def _by_folder(paths: Iterable[str]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    return folders


def _facts(values: Any) -> Facts:
    size, time, inode = values
    return int(size), int(time), int(inode)


def _walk(root: Path, inside: str = "") -> Iterator[tuple[str, Facts]]:
    try:
        found = sorted(os.scandir(root / inside), key=lambda each: each.name)
    except FileNotFoundError:
        return
    for each in found:
        path = f"{inside}/{each.name}" if inside else each.name
        if not is_published(path):
            continue
        if each.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
        elif each.is_file(follow_symlinks=False):
            try:
                facts = each.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed meanwhile
                continue
            yield path, (facts.st_size, facts.st_mtime_ns, facts.st_ino)
