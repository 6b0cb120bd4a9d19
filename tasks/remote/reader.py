"""Fetching: a working copy is made equal to what a bucket's head says, each file checked by its digest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tasks.errors import ConfigError, IntegrityError, LakeError
from tasks.files.objects import Objects, exceptions
from tasks.remote import plan
from tasks.remote.copy import WorkingCopy, folder_of
from tasks.remote.plan import HEAD, Entry, Head

log = logging.getLogger("claimledger.lake")
_AT_ONCE = 16
_COMPUTED = ("state/ledger-verified.json",)
"""What whoever verifies keeps, also without writing anything that others need."""
_LOOKS = 3
"""At a head that another writer swaps while its files are fetched."""


@dataclass
class Reader:
    """A lake in a bucket and its working copy."""

    url: str
    order: Sequence[str]
    """Tables in the order in which they refer to each other."""
    copy: WorkingCopy
    head: Head | None = None
    """The published state that the working copy was made from; None before the first."""
    tag: str = ""
    published: dict[str, Entry] | None = None

    @classmethod
    def open(cls, url: str, order: Sequence[str]) -> Self:
        """The lake at a URL; nothing is read yet."""
        url = url.rstrip("/")
        return cls(url, order, WorkingCopy.open(folder_of(url)))

    @property
    def root(self) -> Path:
        """The working copy."""
        return self.copy.root

    @property
    def objects(self) -> Objects:
        """The bucket."""
        return Objects(self.url, LakeError, "to list, to read, to write and to delete")

    # Fetching -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Makes the working copy equal to the published state; hold its lock.

        What was written here and not published stays where nobody else has published meanwhile: the next
        publication takes it along. Else it goes, and is said.

        Raises:
            LakeError: the bucket cannot be read. IntegrityError: it does not hold what its head says.
        """
        for look in range(_LOOKS):
            there = self._look()
            if there is None:
                return
            head, tag = there
            try:
                self._fetch(head, tag)
            except _MovedError as moved:
                if look + 1 == _LOOKS:
                    raise IntegrityError(str(moved)) from None
                continue
            return

    def _look(self) -> tuple[Head, str] | None:
        """The head, if it is another than the working copy was made from."""
        record = self.copy.record
        known = record.tag if self.head is not None else None
        try:
            there = self.objects.get(HEAD, unless=known)
        except exceptions().NotModifiedError:
            return None
        if there is None:
            if record.generation:
                raise IntegrityError(
                    f"{self.url}: {HEAD} is gone, though {record.generation} states were published; restore "
                    "its version before, a new lake is never begun in its place"
                )
            self._require_empty()
            self.head, self.tag, self.published = Head(), "", {}
            return None
        head = Head.decode(there.data, f"{self.url}/{HEAD}")
        if head.generation < record.generation:
            raise IntegrityError(
                f"{self.url}: its head is of state {head.generation}, and state {record.generation} was seen "
                "here before; the bucket was put back, restore the newest version of it"
            )
        return head, there.tag

    def _require_empty(self) -> None:
        if next(self.objects.names("tables"), None) is not None:
            raise ConfigError(
                f"{self.url}: holds tables, but no lake that claimledger published ({HEAD} is missing); give "
                "another prefix"
            )

    def _fetch(self, head: Head, tag: str) -> None:
        copy, record = self.copy, self.copy.record
        entries = head.entries(self._base(head))
        there = copy.look()
        if record.tag != tag:
            steps = plan.to_fetch(entries, there)
            mine = {path for path, entry in there.items() if _published(record.files, path) != entry}
            lost = sorted(mine.difference(_COMPUTED) & {*steps.get, *steps.remove})
            if lost and record.tag:
                log.warning(
                    "%s: another machine published meanwhile, so %d files that a run here had not published "
                    "were discarded; that run's work is repeated",
                    self.url, len(lost),
                )  # fmt: skip
            if steps.get or steps.remove:
                self.copy.record = replace(record, tag="")
                copy.save()
                self._get(head, entries, steps.get)
                copy.exchange(steps.remove, steps.get)
                copy.look()
            copy.keep(tag, head.generation, entries)
        self.head, self.tag, self.published = head, tag, entries

    def _get(self, head: Head, entries: dict[str, Entry], paths: Sequence[str]) -> None:
        def get(path: str) -> None:
            for key in (head.staged.get(path), path):
                stored = self.objects.get(key) if key else None
                if stored is not None and plan.entry_of(stored.data) == entries[path]:
                    self.copy.prepare(path, stored.data)
                    return
            raise _MovedError(
                f"{self.url}/{path}: not the bytes that were published; restore its version with SHA-256 "
                f"{entries[path].sha256[:16]}…"
            )

        all_at_once(get, paths)

    def _base(self, head: Head) -> dict[str, Entry]:
        if not head.base:
            return {}
        data = self.copy.base(head.base)
        if data is None:
            stored = self.objects.get(head.base_key)
            if stored is None:
                raise _MovedError(f"{self.url}/{head.base_key}: the list of files is missing; restore it")
            data = stored.data
        entries = plan.decode_base(data, head.base, f"{self.url}/{head.base_key}")
        self.copy.keep_base(data)
        return entries


class _MovedError(Exception):
    """What the head named is not there: it may have been swapped meanwhile."""


def _published(files: dict[str, tuple[Entry, tuple[int, int, int]]], path: str) -> Entry | None:
    known = files.get(path)
    return known[0] if known else None


def _table(path: str) -> str:
    return "/".join(path.split("/")[:2]) + "/" if path.startswith("tables/") else ""


def all_at_once(work: Callable[[str], object], paths: Iterable[str]) -> None:
    """Several at once: a store answers each after tens of milliseconds."""
    paths = list(paths)
    if not paths:
        return
    with ThreadPoolExecutor(min(_AT_ONCE, len(paths)), "bucket") as pool:
        for _ in pool.map(work, paths):
            pass
