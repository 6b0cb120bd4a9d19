"""Whether the lake's files are still the bytes that were committed.

A digest is compared before a file is parsed, so damaged bytes are never read as data. A file's name begins
with its digest, and its commit manifest holds all of it; a file that replaced another keeps the old name,
so only its manifest knows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import IntegrityError
from tasks.files import durable
from tasks.lake import commits

_sound: set[tuple[Path, int, int, int]] = set()
"""Files found sound by this process: path, inode, size and time. Whatever replaces one has another inode."""


def check(root: Path, files: Sequence[Path]) -> None:
    """Raises IntegrityError naming the first files whose bytes are not those that were committed.

    A file is read once per process, then only looked at.
    """
    damaged: list[str] = []
    expected: dict[Path, set[str]] | None = None
    for file in files:
        facts = file.stat()
        mark = (file, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if mark in _sound:
            continue
        digest = durable.sha256_file(file)
        if not named(file, digest):
            expected = published(root).standing if expected is None else expected
            if digest not in expected.get(file.relative_to(root), set()):
                damaged.append(str(file))
                continue
        _sound.add(mark)
    if damaged:
        raise IntegrityError(
            f"{len(damaged)} of {len(files)} files are not what was committed, first {damaged[0]}; "
            "restore them from a copy, or remove them and audit those days again"
        )


def named(file: Path, digest: str) -> bool:
    """Whether a file's name says that it has this SHA-256."""
    return file.name == f"part-{digest[:16]}.parquet"


@dataclass(frozen=True)
class Published:
    """What the commits of a lake published, from one reading of their manifests."""

    standing: dict[Path, set[str]]
    """Digests that may stand at each place now."""
    rows: dict[str, int]
    """Rows by table of the files that stand there; nothing is parsed but manifests."""
    removals: dict[str, Path]
    """By run, its last manifest that takes files away."""
    damaged: list[str]
    """Sentences about manifests that cannot be read."""


def published(root: Path) -> Published:
    """Reads every manifest of a lake.

    Every commit puts one digest at a place and takes away the one it replaces, so what is left over of
    the sum is what stands there, in whatever order the manifests are read.
    """
    first: dict[Path, set[str]] = {}
    changes: dict[Path, Counter[str]] = {}
    rows: dict[tuple[Path, str], tuple[str, int]] = {}
    removals: dict[str, Path] = {}
    damaged = []
    for path, record in commits.manifests(root):
        if isinstance(record, IntegrityError):
            damaged.append(str(record))
            continue
        if "removes" in record:
            removals[path.parent.parent.name] = path
        try:
            files, removed = commits.record_files(record), commits.removed_files(record)
            for file in removed:
                place = file.place
                first.setdefault(place, set())
                changes.setdefault(place, Counter())[file.sha256] -= 1
            for file in files:
                place = file.place
                rows[place, file.sha256] = (file.table, file.rows)
                first.setdefault(place, set())
                if file.replaces is None:
                    first[place].add(file.sha256)
                else:
                    change = changes.setdefault(place, Counter())
                    change[file.sha256] += 1
                    change[file.replaces] -= 1
        except (IntegrityError, ValueError) as error:
            damaged.append(f"{path}: {error}")
    standing = {place: _left(digests, changes.get(place)) for place, digests in first.items()}
    # What is joined into another file stands nowhere.
    standing = {place: digests for place, digests in standing.items() if digests}
    return Published(standing, _counts(standing, rows), removals, damaged)


def _left(digests: set[str], changes: Counter[str] | None) -> set[str]:
    if changes is None:
        return digests
    return {d for d in digests | set(changes) if (d in digests) + changes[d] > 0}


def _counts(
    standing: Mapping[Path, set[str]], rows: Mapping[tuple[Path, str], tuple[str, int]]
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for place, digests in standing.items():
        known = [rows[place, digest] for digest in sorted(digests) if (place, digest) in rows]
        for table, count in known[:1]:
            counts[table] += count
    return dict(counts)


def verify(
    root: Path, read: Mapping[str, str] | None = None, commits_read: Published | None = None
) -> list[str]:
    """One sentence for every damaged, missing or unaccounted file and manifest of the lake.

    Args:
        read: SHA-256 by place of files that the caller has just hashed; the others are hashed here.
        commits_read: what the manifests say, where the caller has just read them.
    """
    read = read or {}
    known = commits_read or published(root)
    expected, sentences = known.standing, list(known.damaged)
    found = {
        file.relative_to(root)
        for file in (root / "tables").glob("*/date=*/*.parquet")
        if not file.name.startswith(("_", "."))
    }
    for place in sorted(found):
        digest = read.get(place.as_posix()) or durable.sha256_file(root / place)
        if place not in expected:
            fault = "in no commit manifest" if named(root / place, digest) else "not the bytes of its name"
            sentences.append(f"{place}: {fault} (SHA-256 {digest[:16]}…)")
        elif digest not in expected[place]:
            wanted = " or ".join(sorted(d[:16] for d in expected[place]))
            sentences.append(f"{place}: damaged, expected SHA-256 {wanted}…, got {digest[:16]}…")
    sentences += [
        f"{place}: missing, though a commit published it" for place in sorted(set(expected) - found)
    ]
    return sentences
