"""Whether the lake's files are still the bytes that were committed.

A digest is compared before a file is parsed, so damaged bytes are never read as data. A file's name begins
with its digest, and its commit manifest holds all of it; a file that replaced another keeps the old name,
so only its manifest knows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
            expected = standing(root)[0] if expected is None else expected
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


def standing(root: Path) -> tuple[dict[Path, set[str]], list[str]]:
    """Digests that may stand at each place now, and sentences about manifests that cannot be read.

    Every commit puts one digest at a place and takes away the one it replaces, so what is left over of
    the sum is what stands there, in whatever order the manifests are read.
    """
    first: dict[Path, set[str]] = {}
    changes: dict[Path, Counter[str]] = {}
    sentences = []
    for path, record in commits.manifests(root):
        if isinstance(record, IntegrityError):
            sentences.append(str(record))
            continue
        try:
            files = commits.record_files(record)
            for file in commits.removed_files(record):
                first.setdefault(file.place, set())
                changes.setdefault(file.place, Counter())[file.sha256] -= 1
            for file in files:
                first.setdefault(file.place, set())
                if file.replaces is None:
                    first[file.place].add(file.sha256)
                else:
                    change = changes.setdefault(file.place, Counter())
                    change[file.sha256] += 1
                    change[file.replaces] -= 1
        except (IntegrityError, ValueError) as error:
            sentences.append(f"{path}: {error}")
    standing = {}
    for place, digests in first.items():
        count = changes.get(place, Counter())
        standing[place] = {d for d in digests | set(count) if (d in digests) + count[d] > 0}
        if not standing[place]:
            del standing[place]  # joined into another file
    return standing, sentences


def row_counts(root: Path) -> dict[str, int]:
    """Rows by table, as the manifests of the files that stand there say; nothing is parsed but manifests."""
    rows: dict[tuple[Path, str], tuple[str, int]] = {}
    for _, record in commits.manifests(root):
        with suppress(IntegrityError, ValueError):
            if not isinstance(record, IntegrityError):
                files = commits.record_files(record)
                rows |= {(file.place, file.sha256): (file.table, file.rows) for file in files}
    counts: Counter[str] = Counter()
    for place, digests in standing(root)[0].items():
        for table, count in [rows[place, digest] for digest in sorted(digests) if (place, digest) in rows][
            :1
        ]:
            counts[table] += count
    return dict(counts)


def verify(root: Path, read: Mapping[str, str] | None = None) -> list[str]:
    """One sentence for every damaged, missing or unaccounted file and manifest of the lake.

    Args:
        read: SHA-256 by place of files that the caller has just hashed; the others are hashed here.
    """
    read = read or {}
    expected, sentences = standing(root)
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
