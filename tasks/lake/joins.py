"""A day's many small files of a table become one: the same rows in the same order, under another name.

Rows are bound by events one by one, so no proof is about a file. The manifests of earlier runs, which their
events bind, stay; a manifest of this commit says which files it put there and which it took away.

Order, and what a crash after each step means:

1. stage: for each table and day a folder under LAKE/_work/RUN_ID/commit-UNIT/ with the joined file, read
   back, and further names (hard links) of the files that stay. Crash: recovery discards it.
2. prepare: the manifest names what comes and what goes. Crash: recovery goes on with step 3.
3. publish: each day's folder is exchanged with the prepared one (`swaps.py`). Crash: as 2; a folder that
   has its joined file is done.
4. done: after a grace for readers that list the old folder, the old files go with the staging folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from tasks.errors import LakeError
from tasks.files import durable, exchange, parquet
from tasks.lake import commits, verification
from tasks.lake.commits import File
from tasks.lake.parameters import CompactionSettings
from tasks.lake.store import Lake
from tasks.tables import TABLES

MOST_BYTES = 256 * 2**20
"""Of a joined file, compressed: what is read into memory at once. Larger files are left as they are."""
DAYS_A_COMMIT = 8


@dataclass(frozen=True)
class Joined:
    """What became of the files of a lake's tables."""

    before: int
    after: int
    days: int
    notice: str = ""
    """Why nothing could be joined."""

    @property
    def fewer(self) -> int:
        """Files that there are fewer."""
        return self.before - self.after


@dataclass(frozen=True)
class _Day:
    """Small files of a table's day, in groups that each become one."""

    table: str
    day: date
    groups: tuple[tuple[Path, ...], ...]


def join(lake: Lake, settings: CompactionSettings, *, run_id: str, today: date) -> Joined:
    """Joins the small files of days that are old enough. Needs the lake's lock.

    Raises:
        IntegrityError: a file is not what was committed; nothing of its days is touched.
        LakeError: the disk refuses; running again goes on.
    """
    found = list(_days(lake, settings, today))
    days = sorted({each.day for each in found})[: settings.days_at_once]
    if not days:
        return Joined(0, 0, 0)
    with durable.touching(lake.root):
        durable.make_folder(lake.work(run_id))
        if not exchange.is_possible(lake.root / "tables", lake.work(run_id)):
            return Joined(
                0,
                0,
                0,
                f"{lake.root}: this file system cannot swap two folders at once, so files stay as they are",
            )
    before = after = 0
    for at in range(0, len(days), DAYS_A_COMMIT):
        part = days[at : at + DAYS_A_COMMIT]
        chosen = [each for each in found if each.day in part]
        with lake.publishing(f"join-{part[0]}"):
            commits.commit_joins(
                lake.root, run_id, f"join-{part[0].isoformat()}", (_join(lake, each) for each in chosen)
            )
        before += sum(len(group) for each in chosen for group in each.groups)
        after += sum(len(each.groups) for each in chosen)
    return Joined(before, after, len(days))


def _days(lake: Lake, settings: CompactionSettings, today: date) -> Iterator[_Day]:
    last = today - timedelta(days=settings.after_days)
    for table in commits.ORDER:
        by_day: dict[date, list[Path]] = {}
        for path in lake.files(table, until=last):
            by_day.setdefault(date.fromisoformat(path.parent.name.removeprefix("date=")), []).append(path)
        for day, paths in by_day.items():
            groups = tuple(_groups(paths)) if len(paths) >= settings.files else ()
            if sum(map(len, groups)) >= settings.files:
                yield _Day(table, day, groups)


def _groups(paths: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Neighbours with rows that together are no larger than a file may be."""
    group: list[Path] = []
    size = 0
    for path in paths:
        bytes_here = path.stat().st_size
        if bytes_here > MOST_BYTES // 2 or not parquet.height(path):
            continue
        if size + bytes_here > MOST_BYTES:
            yield from [tuple(group)] if len(group) > 1 else []
            group, size = [], 0
        group.append(path)
        size += bytes_here
    if len(group) > 1:
        yield tuple(group)


def _join(lake: Lake, day: _Day) -> commits.DayJoin:
    table = TABLES[day.table]
    added: list[tuple[File, bytes]] = []
    removed: list[File] = []
    for group in day.groups:
        verification.check(lake.root, group)
        frames = [parquet.scan(table, [path]).collect() for path in group]
        frame = pl.concat(frames)
        data = parquet.encode(table, frame)
        if not parquet.decode(table, data).equals(frame):
            raise LakeError(f"{group[0].parent}: rows do not read back as they were; report this as a bug")
        added.append((commits.describe(day.table, day.day, data, frame.height), data))
        removed += [
            File(
                day.table,
                day.day.isoformat(),
                path.name,
                durable.sha256_file(path),
                rows.height,
                path.stat().st_size,
            )
            for path, rows in zip(group, frames, strict=True)
        ]
    return commits.DayJoin(added, removed)
