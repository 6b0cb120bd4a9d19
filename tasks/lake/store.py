"""Door to the lake: tables, state and the single writer's lock.

Belongs here: what callers may do with a lake. How a commit survives a crash stands in `commits.py`, how a
frame becomes a file in `parquet.py`, what a disk does in `durable.py`.

Layout of a lake:

    tables/TABLE/date=YYYY-MM-DD/part-DIGEST.parquet   immutable once visible; DIGEST begins its SHA-256
    runs/RUN_ID/commits/UNIT.json                      write-ahead manifests: every file with its SHA-256
    state/NAME.json                                    watermarks and the like
    reports/RUN_ID/                                    what people read
    _work/RUN_ID/                                      private scratch, removed at the end
    .lock                                              the one writer
    .waiting                                           held by who waits for it and is urgent
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import polars as pl

from tasks import ids
from tasks.errors import GateError, LakeError
from tasks.files import durable, parquet
from tasks.gate import references
from tasks.gate.reconcile import Counts
from tasks.lake import commits, locks, verification
from tasks.remote.remote import Remote, is_remote
from tasks.schema import Table, conform
from tasks.tables import TABLES

__all__ = ["Counts", "Lake"]

_PLAIN = re.compile("[a-z0-9_-]{1,80}")
_FETCH_WAIT_S = 60.0
"""For another process of this machine that fetches the same."""
_ALIVE = ".alive"
"""Held in the scratch of a run that has given way to another one."""
_mutexes: dict[Path, threading.RLock] = {}
_remotes: dict[Path, Remote] = {}
"""By working copy: lakes in buckets that this process has opened."""
_scratch: dict[Path, set[str]] = {}
"""Per lake: runs of this process whose scratch is in use, so that recovery leaves it alone."""


@dataclass(frozen=True)
class Lake:
    """A folder of tables. Opening one touches nothing; the first write creates it."""

    root: Path
    wait_s: float = 0.0
    """How long a writer waits for another one before it gives up, in seconds."""
    remote: Remote | None = field(default=None, compare=False)
    """The bucket that `root` is a working copy of."""

    @classmethod
    def open(cls, url: str, *, wait_s: float = 0.0) -> Lake:
        """The lake at a local path, file: URL or URL of an object store, whose working copy is brought up to
        date unless somebody writes to it at this moment.

        Raises:
            LakeError: another URL scheme, or something other than a folder stands there, or the bucket
                cannot be read. IntegrityError: the bucket does not hold what was published.
        """
        if is_remote(url):
            return cls._in_bucket(url, wait_s)
        parts = urlsplit(url)
        if "://" in url and parts.scheme != "file":
            raise LakeError(f"{url}: lakes on {parts.scheme}:// are not supported; give a local folder")
        path = Path(url2pathname(parts.path) if "://" in url else url).expanduser().resolve()
        if path.exists() and not path.is_dir():
            raise LakeError(f"{path}: not a folder; give the lake's folder or a path that does not exist yet")
        return cls(path, wait_s)

    @classmethod
    def _in_bucket(cls, url: str, wait_s: float) -> Lake:
        remote = Remote.open(url, commits.ORDER)
        remote = _remotes.setdefault(remote.root, remote)
        if not locks.held(remote.root) and locks.holder(remote.root) is None:
            with locks.lock(remote.root, "fetching", wait_s=_FETCH_WAIT_S, is_urgent=False):
                remote.refresh()
        return cls(remote.root, wait_s, remote)

    @property
    def place(self) -> str:
        """Where it is, as configurations name it."""
        return str(self.root) if self.remote is None else self.remote.url

    def publish(self) -> None:
        """A lake in a bucket shows everybody what was committed here so far; only while it is locked.

        Raises:
            LakeError: the bucket refuses, or another machine took over.
        """
        if self.remote is not None and locks.held(self.root):
            with _mutexes.setdefault(self.root, threading.RLock()):
                self.remote.publish()

    # Folders ------------------------------------------------------------------------------------------

    def work(self, run_id: str) -> Path:
        """LAKE/_work/RUN_ID, private scratch of this process; `clear_work` removes it."""
        _scratch.setdefault(self.root, set()).add(commits.checked_name(run_id))
        return self._folder("_work", run_id)

    def clear_work(self, run_id: str) -> None:
        """Removes a run's scratch, unless a prepared commit still has to be rolled forward from it."""
        folder = self.root / "_work" / commits.checked_name(run_id)
        _scratch.get(self.root, set()).discard(run_id)
        if not any(staging.parent == folder for staging in commits.pending(self.root)):
            shutil.rmtree(folder, ignore_errors=True)

    def run_folder(self, run_id: str) -> Path:
        """LAKE/runs/RUN_ID, created if need be."""
        return self._folder("runs", commits.checked_name(run_id))

    def report_folder(self, run_id: str) -> Path:
        """LAKE/reports/RUN_ID, created if need be."""
        return self._folder("reports", commits.checked_name(run_id))

    def _folder(self, *parts: str) -> Path:
        folder = self.root.joinpath(*parts)
        with durable.touching(folder):
            durable.make_folder(folder)
        return folder

    # Reading ------------------------------------------------------------------------------------------

    def days(self, table: str) -> list[date]:
        """Days that have at least one visible file, ascending."""
        return sorted({day for day, _ in self._files(table)})

    def newest_days(self, table: str) -> Iterator[date]:
        """Days that have at least one visible file, the newest first; each is looked at in its turn."""
        return (day for day, folder in reversed(self._day_folders(table)) if _visible(folder))

    def files(self, table: str, *, since: date | None = None, until: date | None = None) -> list[Path]:
        """Visible files of the days from `since` to `until`, both included, in a fixed order."""
        return [file for _, file in self._files(table, since, until)]

    def scan(
        self, table: str, *, since: date | None = None, until: date | None = None, verify: bool = False
    ) -> pl.LazyFrame:
        """Rows of a table with exactly the declared schema, pruned by day; empty where there are none.

        Files are immutable, so the rows are those of one moment whatever is committed meanwhile.

        Raises:
            IntegrityError: with `verify`, a file whose bytes are not those that were committed, by name.
        """
        files = self.files(table, since=since, until=until)
        if verify:
            verification.check(self.root, files)
        return parquet.scan(TABLES[table], files)

    def _files(
        self, table: str, since: date | None = None, until: date | None = None
    ) -> list[tuple[date, Path]]:
        """Visible files with their day; folders of other days are not looked into."""
        with durable.touching(self.root / "tables" / TABLES[table].name):
            return [
                (day, file)
                for day, folder in self._day_folders(table, since, until)
                for file in _visible(folder)
            ]

    def _day_folders(
        self, table: str, since: date | None = None, until: date | None = None
    ) -> list[tuple[date, Path]]:
        """Folders of days, ascending; one that is not a day was not made by a commit."""
        folder = self.root / "tables" / TABLES[table].name
        with durable.touching(folder):
            names = _listed(folder)
        days = ((_day(name), name) for name in names)
        return [
            (day, folder / name)
            for day, name in days
            if day is not None and (since is None or day >= since) and (until is None or day <= until)
        ]

    # Writing ------------------------------------------------------------------------------------------

    def lock(
        self,
        purpose: str,
        *,
        wait_s: float | None = None,
        tell: Callable[[str], object] | None = None,
        is_urgent: bool = True,
    ) -> AbstractContextManager[str | None]:
        """Holds the lake for one writer; gives the sentence about a dead holder it replaced, or None.

        Another writer is waited for; `tell` is given the sentences on that, which else go to the log. One
        with long work gives way to the urgent.

        Raises:
            LakeError: somebody else still holds it, named; or the lake cannot be written.
        """
        wait_s = self.wait_s if wait_s is None else wait_s
        tell = tell or locks.log.warning
        held = locks.lock(self.root, purpose, wait_s=wait_s, tell=tell, is_urgent=is_urgent)
        return held if self.remote is None else self._leased(held, self.remote, purpose, wait_s, tell)

    @contextmanager
    def _leased(
        self,
        held: AbstractContextManager[str | None],
        remote: Remote,
        purpose: str,
        wait_s: float,
        tell: Callable[[str], object],
    ) -> Iterator[str | None]:
        """Holds the bucket as well, once this machine's other writers are gone."""
        with held as sentence:
            is_mine = remote.lease is not None
            with nullcontext() if is_mine else remote.held(purpose, wait_s=wait_s, tell=tell):
                yield sentence

    def is_wanted(self) -> bool:
        """Whether somebody urgent waits for the lake that this process holds."""
        return locks.is_wanted(self.root)

    def give_way(self, run_id: str, *, tell: Callable[[str], object]) -> None:
        """Lets everybody urgent write first; meanwhile the run counts as alive, and its scratch stays.

        Raises:
            LakeError: somebody still writes after `wait_s` seconds.
        """
        with locks.marked(self.work(run_id) / _ALIVE):
            if self.remote is not None:
                self.remote.end()
            locks.give_way(self.root, wait_s=self.wait_s, tell=tell)
            if self.remote is not None:
                self.remote.begin("a run that gave way", wait_s=self.wait_s, tell=tell)

    def gives_way(self, run_id: str) -> bool:
        """Whether a run has given way and is alive."""
        return locks.is_marked(self.root / "_work" / commits.checked_name(run_id) / _ALIVE)

    def holder(self) -> str | None:
        """Who writes to the lake at this moment, in words; None for nobody."""
        return locks.holder(self.root)

    @contextmanager
    def _writing(self, purpose: str) -> Iterator[None]:
        """The holder's threads write one after the other; without a holder, this write takes the lock."""
        mutex = _mutexes.setdefault(self.root, threading.RLock())
        with nullcontext() if locks.held(self.root) else self.lock(purpose), mutex:
            yield

    @contextmanager
    def publishing(self, unit: str) -> Iterator[None]:
        """`_writing` a commit, once what an earlier one left is finished: a disk may have been full then."""
        with self._writing(f"commit of {unit}"), durable.touching(self.root):
            commits.recover(self.root, commits.pending(self.root))
            yield
            self.publish()

    def recover(self) -> list[str]:
        """Finishes what a crash left: one sentence for each commit completed or discarded.

        Scratch of runs that are no longer there is removed. Run it first in every writing command.
        """
        if not (self.root / "_work").is_dir():
            return []
        with self._writing("recovery"):
            sentences = commits.recover(self.root, commits.pending(self.root))
            mine = _scratch.get(self.root, set())
            for folder in sorted((self.root / "_work").iterdir()):
                if folder.name not in mine and not locks.is_marked(folder / _ALIVE):
                    shutil.rmtree(folder, ignore_errors=True)
            return sentences

    def commit(
        self, run_id: str, unit: str, frames: Mapping[str, pl.DataFrame], *, run_day: date
    ) -> dict[str, Counts]:
        """Publishes the frames' rows that are not there yet, all of them or none.

        Args:
            frames: by table name, each of exactly the declared schema. A row goes to the UTC day of the
                table's `partition_by` column, else to `run_day`. A key that is visible already, or comes
                twice, is counted as already there and not written: keys are digests of content.

        Raises:
            TypeError: a frame is not of the declared schema.
            LakeError: the lake is locked, full or cannot be written; run again after mending it.
            IntegrityError: a file of the lake is not what was committed.
        """
        with self.publishing(unit):
            counts, files = {}, []
            for name in sorted(frames, key=commits.ORDER.index):
                table = TABLES[name]
                fresh = self._fresh(table, conform(table, frames[name]))
                counts[name] = Counts(
                    rows_in=frames[name].height,
                    published=fresh.height,
                    already_there=frames[name].height - fresh.height,
                )
                for day, part in _by_day(table, fresh, run_day):
                    data = parquet.encode(table, part)
                    files.append((commits.describe(name, day, data, part.height), data))
            if files:
                commits.commit(self.root, run_id, unit, files)
            return counts

    def _fresh(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame's rows whose key is not visible, first of each key, in the frame's order."""
        frame = frame.unique(table.key, keep="first", maintain_order=True)
        if frame.is_empty():
            return frame
        for visible in self._where_keys_may_be(table, frame):
            there = visible.select(table.key).join(
                frame.lazy().select(table.key), on=list(table.key), how="semi", nulls_equal=True
            )
            frame = frame.join(
                there.unique().collect(),
                on=list(table.key),
                how="anti",
                nulls_equal=True,
                maintain_order="left",
            )
        return frame

    def _where_keys_may_be(self, table: Table, frame: pl.DataFrame) -> list[pl.LazyFrame]:
        """The partitions in which a row with the same key could stand."""
        if table.partition_by is None:
            # The same refusal on another day is the same row.
            return [self.scan(table.name, verify=True)]
        days = set(frame[table.partition_by].dt.date().to_list())
        files = [file for day, file in self._files(table.name) if day in days]
        verification.check(self.root, files)
        places = [parquet.scan(table, files)]
        if table.name == "passages" and (frame["corpus"] != "context").any():
            # A corpus passage stands in the day of its first indexing, which the frame need not know.
            places.append(self.scan(table.name).filter(pl.col("corpus") != "context"))
        return places

    def replace_rows(self, table: str, frame: pl.DataFrame, *, run_id: str, unit: str) -> int:
        """Gives visible rows other values, for the few columns that may change; the number of rows.

        The files that hold the keys are written again and renamed over the old ones, so that a reader
        sees each row once, old or new. Such a file keeps its name; its manifest knows its digest. Rows
        whose key is not visible are left out.

        Raises:
            TypeError, LakeError, IntegrityError: as `commit`.
        """
        declared = TABLES[table]
        frame = conform(declared, frame).unique(declared.key, keep="last", maintain_order=True)
        keys = frame.select(declared.key)
        replaced, files = 0, []
        with self.publishing(unit):
            for day, path in self._files(table):
                old = self._affected(declared, path, keys)
                if old is None:
                    continue
                new = old.update(frame, on=list(declared.key), how="left", include_nulls=True)
                if new.equals(old):
                    continue
                data = parquet.encode(declared, new)
                was = (path.name, durable.sha256_file(path))
                files.append((commits.describe(table, day, data, new.height, was), data))
                replaced += new.join(keys, on=list(declared.key), how="semi").height
            if files:
                commits.commit(self.root, run_id, unit, files)
        return replaced

    def _affected(self, table: Table, path: Path, keys: pl.DataFrame) -> pl.DataFrame | None:
        """The file's rows if it holds any of the keys."""
        verification.check(self.root, [path])
        rows = parquet.scan(table, [path])
        on = list(table.key)
        if rows.select(on).join(keys.lazy(), on=on, how="semi").head(1).collect().is_empty():
            return None
        return rows.collect()

    def ensure_tables(self, run_day: date) -> list[str]:
        """Gives every table a file of zero rows with the columns of this release, so that every reader's glob
        matches and finds them, also where all other files are of an earlier release.

        Returns the names of the tables that had none.
        """
        with self.publishing("empty tables"):
            data = {name: parquet.encode(TABLES[name], TABLES[name].empty()) for name in commits.ORDER}
            files = {name: commits.describe(name, run_day, data[name], 0) for name in commits.ORDER}
            kept = {name: {file.name for _, file in self._files(name)} for name in commits.ORDER}
            bare = [name for name in commits.ORDER if files[name].name not in kept[name]]
            if bare:
                unit = ids.digest("empty tables", *(files[name].name for name in bare))[:8]
                commits.commit(
                    self.root,
                    "_lake",
                    f"empty-{run_day.isoformat()}-{unit}",
                    [(files[name], data[name]) for name in bare],
                )
            return bare

    # Checking -----------------------------------------------------------------------------------------

    def check_references(self, frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        """Per table, the rows that refer to a row which is neither visible nor sound in the frames.

        A row that refers to an offending row offends as well. Tables without offenders are left out;
        `reference` says what is dangling, the other columns are the table's.
        """

        def visible(table: Table, column: str, days: set[date] | None) -> pl.LazyFrame:
            files = [file for day, file in self._files(table.name) if days is None or day in days]
            return parquet.scan(table, files).select(column)

        return references.dangling(frames, commits.ORDER, visible)

    def require_references(self, frames: Mapping[str, pl.DataFrame], advice: str) -> None:
        """Raises GateError where a row of the frames would refer to one that is not there."""
        for table, rows in self.check_references(frames).items():
            raise GateError(
                f"{rows.height} rows of {table} refer to rows that are not there ({rows['reference'][0]}); "
                f"{advice}"
            )

    def verify_files(self) -> list[str]:
        """One sentence for every file that is damaged, missing, or in no commit; empty when all is well."""
        return verification.verify(self.root)

    # State --------------------------------------------------------------------------------------------

    def read_state(self, name: str) -> dict[str, Any]:
        """The state of that name; empty where none was written.

        Raises:
            IntegrityError: the file is damaged.
        """
        path = self._state(name)
        with durable.touching(path):
            return durable.read_json(path) or {}

    def write_state(self, name: str, value: Mapping[str, Any]) -> None:
        """Replaces the state of that name, atomically and durably."""
        path = self._state(name)
        with self._writing(f"state {name}"), durable.touching(path):
            durable.make_folder(path.parent)
            durable.replace_json(path, value)

    def _state(self, name: str) -> Path:
        # Names of sources are anybody's words: never a path, and `A` and `a` differ on every file system.
        plain = _PLAIN.fullmatch(name) is not None
        tail = "" if plain else "-" + sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        readable = name if plain else re.sub("[^a-z0-9_-]+", "_", name.lower())[:60]
        return self.root / "state" / f"{readable}{tail}.json"


def _visible(folder: Path) -> list[Path]:
    """Parquet files of a day in a fixed order; hidden names are not visible yet."""
    return [folder / name for name in _listed(folder) if name.endswith(".parquet") and name[0] not in "_."]


def _listed(folder: Path) -> list[str]:
    """Names in a folder, ascending; none where there is no such folder."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - a year of days is looked at many times a night
    except (FileNotFoundError, NotADirectoryError):
        return []


def _day(folder: str) -> date | None:
    if not folder.startswith("date="):
        return None
    try:
        return date.fromisoformat(folder.removeprefix("date="))
    except ValueError:
        return None


def _by_day(table: Table, frame: pl.DataFrame, run_day: date) -> list[tuple[date, pl.DataFrame]]:
    if frame.is_empty():
        return []
    if table.partition_by is None:
        return [(run_day, frame)]
    days = frame[table.partition_by].dt.date().alias("date")
    if days.null_count():
        raise TypeError(
            f"{table.name}: {days.null_count()} rows have no {table.partition_by}, so no partition"
        )
    return [(day, frame.filter(days == day)) for day in days.unique().sort().to_list()]
