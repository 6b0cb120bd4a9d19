"""What interrupted work left in a lake. None of it is read as data; each is named with what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.files import durable, exchange
from tasks.lake import commits
from tasks.lake.store import Lake

NEXT_RUN = "the next run removes it"
NOBODY = "nobody reads it; remove it while no run is at work"
REPLACED = "the next writing of that file replaces it"


@dataclass(frozen=True)
class Leftover:
    """A file or folder below the lake's root that no table, report or proof needs."""

    path: Path
    what: str
    fate: str
    bytes: int

    def __str__(self) -> str:
        return f"{self.path} ({self.bytes / 1e6:.1f} MB): {self.what}; {self.fate}"


def leftovers(lake: Lake) -> list[Leftover]:
    """Everything that is left over; empty while somebody writes, when it could be at work.

    Raises:
        LakeError: the lake cannot be read.
    """
    if lake.holder() is not None:
        return []
    with durable.touching(lake.root):
        return [
            Leftover(path.relative_to(lake.root), what, fate, _size(path))
            for path, what, fate in _candidates(lake)
        ]


def _candidates(lake: Lake) -> Iterator[tuple[Path, str, str]]:
    work = lake.root / "_work"
    for folder in sorted(work.iterdir()) if work.is_dir() else []:
        if any(folder.iterdir()) and not lake.gives_way(folder.name):
            yield folder, _of_work(lake.root, folder), NEXT_RUN
    for folder in sorted((lake.root / "tables").glob(f"{exchange.PROBE}*")):
        yield folder, "an empty folder of a run that died while it tried to swap folders", NOBODY
    for place in ("cache", "index"):
        for folder in sorted((lake.root / place).rglob("_writing-*")):
            yield folder, "an entry of a cache whose writer died", NOBODY
    for path in sorted(lake.root.rglob(".*")):
        if path.suffix == ".tmp" and path.is_file():
            yield path, "a file that was being replaced", REPLACED
        elif path.suffix == ".partial" and path.is_dir():
            yield path, "a folder that was being made", REPLACED
    for path in sorted((lake.root / "tables").glob("*/date=*/*.parquet")):
        if path.name.startswith(("_", ".")):
            yield path, "a file that never became visible", NOBODY


def _of_work(root: Path, folder: Path) -> str:
    """What a run's scratch holds: commits that will happen, or will not, or nothing that matters."""
    staged = [path for path in commits.pending(root) if path.parent == folder]
    prepared = sum(
        (root / "runs" / folder.name / "commits" / f"{path.name.removeprefix('commit-')}.json").exists()
        for path in staged
    )
    if prepared:
        return f"scratch of a run that died, with {prepared} prepared commits, which are completed first"
    if staged:
        return f"scratch of a run that died, with {len(staged)} commits that were never prepared"
    return "scratch of a run that died"


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
