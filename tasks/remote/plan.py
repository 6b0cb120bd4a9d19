"""What a bucket holds and what a working copy holds, and what has to be done to make them equal.

The bucket's head is one small object that is only ever swapped. It names every file of the lake with its
digest: a list that is written seldom (the base), and what changed since. So nobody has to trust a listing,
and a commit costs one small object however large the lake is.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tasks.errors import IntegrityError

HIDDEN = "_claimledger"
"""What claimledger itself needs in a bucket; readers of tables never look there."""
HEAD = f"{HIDDEN}/head.json"
FORMAT = 1
CHANGES = 1000
"""Files that a head names itself, beside its base; some 150 kB."""
_LOCAL = ("_work", "cache", "review", "index/mirrors", "ledger/index")
"""Scratch, what is computed again, and the review page's own notes: theirs who work on this machine."""
_MAX_PATH = 1000
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """A file of the lake: what it holds."""

    sha256: str
    size: int


Entries = Mapping[str, Entry]
"""By path below the lake's root."""


@dataclass(frozen=True)
class Head:
    """What the newest published state of a lake is."""

    generation: int = 0
    """How many states there were before."""
    writer: str = ""
    """The working copy that published it."""
    nonce: str = ""
    """No two heads are equal bytes, so that whoever reads his own knows that he wrote it."""
    base: str = ""
    """SHA-256 of the list of files that `changes` are changes of; none where it is empty."""
    changes: Mapping[str, Entry | None] = field(default_factory=dict)
    """None for a file that is gone."""
    staged: Mapping[str, str] = field(default_factory=dict)
    """Files whose bytes may still have to be copied to their place, and the keys where they are."""
    gone: Sequence[str] = ()
    """Files that may still have to be removed."""

    @property
    def base_key(self) -> str:
        """Where the list is."""
        return f"{HIDDEN}/base/{self.base}.json.gz"

    def encode(self) -> bytes:
        """As the bucket has it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes, where: str) -> Head:
        """A head as it was written.

        Raises:
            IntegrityError: it is none, or of another release's format.
        """
        try:
            values = json.loads(data)
            if values.pop("format") != FORMAT:
                raise ValueError("another format; use the release that wrote it")
            changes = {path: _entry(each) for path, each in values.pop("changes").items()}
            head = cls(changes=changes, **values)
            require_paths([*changes, *head.staged, *head.gone], where)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise IntegrityError(
                f"{where}: not a head that claimledger wrote ({error}); restore its version before"
            ) from None
        return head

    def entries(self, base: Entries) -> dict[str, Entry]:
        """Every file of the lake, given the list that this head is based on."""
        every = {**base, **self.changes}
        return {path: entry for path, entry in every.items() if entry is not None}

    def after(self, base: Entries, wanted: Entries, steps: Steps, *, writer: str, nonce: str) -> Head:
        """The head of the next state, with the same base."""
        now = self.entries(base)
        changes: dict[str, Entry | None] = dict(self.changes)
        changes |= {path: entry for path, entry in wanted.items() if now.get(path) != entry}
        changes |= dict.fromkeys(now.keys() - wanted.keys())
        generation = self.generation + 1
        staged = {path: staged_key(generation, wanted[path].sha256) for path in steps.staged}
        return replace(
            self,
            generation=generation,
            writer=writer,
            nonce=nonce,
            changes={path: each for path, each in sorted(changes.items()) if each != base.get(path)},
            staged=staged,
            gone=tuple(steps.gone),
        )

    def settled(self, nonce: str) -> Head:
        """The same state, once everything is in its place."""
        return replace(self, staged={}, gone=(), nonce=nonce)

    def is_crowded(self, base: Entries) -> bool:
        """Whether it is time for a new base."""
        return len(self.changes) > max(CHANGES, len(base) // 10)


def entry_of(data: bytes) -> Entry:
    """What a file of these bytes is."""
    return Entry(hashlib.sha256(data).hexdigest(), len(data))


def staged_key(generation: int, sha256: str) -> str:
    """Where bytes wait until the state that they belong to is published."""
    return f"{HIDDEN}/staged/{generation}/{sha256}"


def encode_base(entries: Entries) -> tuple[str, bytes]:
    """A list of files and its digest; equal lists are equal bytes."""
    plain = {path: [entry.sha256, entry.size] for path, entry in sorted(entries.items())}
    data = gzip.compress(json.dumps(plain, separators=(",", ":")).encode(), 6, mtime=0)
    return hashlib.sha256(data).hexdigest(), data


def decode_base(data: bytes, digest: str, where: str) -> dict[str, Entry]:
    """A list of files as `encode_base` wrote it.

    Raises:
        IntegrityError: it is not the list that the head names.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise IntegrityError(f"{where}: not the list of files that the head names; restore it from a version")
    plain = json.loads(gzip.decompress(data))
    entries = {path: Entry(sha256, size) for path, (sha256, size) in plain.items()}
    require_paths(entries, where)
    return entries


def _entry(value: Any) -> Entry | None:
    if value is None:
        return None
    entry = Entry(**value)
    if not _DIGEST.fullmatch(entry.sha256) or entry.size < 0:
        raise ValueError("a digest that is none")
    return entry


def require_paths(paths: Iterable[str], where: str) -> None:
    """Raises IntegrityError for a path that leads out of the working copy: who can write to a bucket is not
    thereby allowed to write to this disk.
    """
    for path in paths:
        parts = path.split("/")
        if not is_published(path) or len(path) > _MAX_PATH or "\\" in path or "\x00" in path:
            raise IntegrityError(f"{where}: names {path[:80]!r}, which is not a file of a lake")
        if any(part in ("", ".", "..") for part in parts):
            raise IntegrityError(f"{where}: names {path[:80]!r}, which leads out of the lake")


def is_pointer(path: str) -> bool:
    """Whether a file or folder is of those that point at others: what they point at comes before."""
    return path in ("ledger", "state", "", "ledger/checkpoint", "views.sql") or path.startswith("state/")


def is_published(path: str) -> bool:
    """Whether a file or folder of a working copy belongs to the lake, and not to this machine alone."""
    name = path.rpartition("/")[2]
    is_local = any(path == each or path.startswith(f"{each}/") for each in (*_LOCAL, HIDDEN))
    return not is_local and not name.startswith(".") and not name.startswith("_writing-")


@dataclass(frozen=True)
class Fetch:
    """What a working copy lacks, and what it has too much."""

    get: Sequence[str]
    remove: Sequence[str]


def to_fetch(wanted: Entries, there: Entries) -> Fetch:
    """What makes a working copy equal to the published state."""
    get = sorted(path for path, entry in wanted.items() if there.get(path) != entry)
    return Fetch(get, sorted(there.keys() - wanted.keys()))


@dataclass(frozen=True)
class Steps:
    """What publishes a working copy.

    `direct` goes to its place before the head is swapped: nobody reads these but through the head, so one
    that is left over by a dead writer harms nobody. `staged` is uploaded before, and copied to its place
    after: a reader of tables, who only looks into folders, must never see what was not published, and
    what replaces another file must not be there before its time. `gone` is removed after.
    """

    direct: Sequence[str]
    staged: Sequence[str]
    gone: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.direct or self.staged or self.gone)


def settling(head: Head, order: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """What is to be removed and then to be copied to its place, one batch after another.

    A folder in which files make room for others is a batch of its own, so that the moment between is short.
    """
    places = {f"tables/{table}": number for number, table in enumerate(order)}
    folders = {_folder(path) for path in head.gone} & {_folder(path) for path in head.staged}
    for folder in sorted(folders):
        yield (
            [path for path in head.gone if _folder(path) == folder],
            [path for path in head.staged if _folder(path) == folder],
        )
    yield [path for path in head.gone if _folder(path) not in folders], []
    batches: dict[int, list[str]] = {}
    for path in head.staged:
        if _folder(path) not in folders:
            batches.setdefault(places.get("/".join(path.split("/")[:2]), len(places)), []).append(path)
    yield from (([], batches[number]) for number in sorted(batches))


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def to_publish(published: Entries, there: Entries, order: Sequence[str]) -> Steps:
    """What makes the bucket equal to a working copy.

    Args:
        order: tables in the order in which they refer to each other; small files that point at others come
            after everything.
    """
    places = {f"tables/{table}": number for number, table in enumerate(order)}

    def rank(path: str) -> tuple[int, str]:
        table = "/".join(path.split("/")[:2])
        return (places.get(table, len(places)) + (len(places) if is_pointer(path) else 0), path)

    changed = sorted((path for path, each in there.items() if published.get(path) != each), key=rank)
    fresh = [path for path in changed if path not in published and not path.startswith("tables/")]
    behind = set(fresh)
    return Steps(
        direct=fresh,
        staged=[path for path in changed if path not in behind],
        gone=sorted(published.keys() - there.keys()),
    )
