"""All or nothing across files: the lake's write-ahead commit and its recovery.

Order of a commit, and what a crash after each step means:

1. stage: every file is written and synced under LAKE/_work/RUN_ID/commit-UNIT/. Crash: nothing is
   visible; recovery discards the folder.
2. read back: the staged bytes are hashed again. A difference is an error now, not data later.
3. prepare: LAKE/runs/RUN_ID/commits/UNIT.json names every file, its digest and its place. From here on
   the commit will happen. Crash: recovery rolls it forward.
4. publish: each file is renamed into its place, tables in the order in which they refer to each other, so
   that a reader never meets a reference to a row that is not there yet. Crash: recovery finds some files
   in place with equal bytes and goes on with the others.
5. done: the manifest says so, then the staging folder goes. Crash between the two: recovery removes it.

Recovery calls the same `publish` as success. Equal bytes at a place are a no-op; different bytes there
are an IntegrityError. The staging folder is removed last, so what recovery must look at is what stands
under LAKE/_work and not every manifest of the lake's life.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from tasks.errors import IntegrityError
from tasks.files import durable
from tasks.lake import swaps
from tasks.lake.swaps import Swap
from tasks.tables import TABLES

ORDER = (
    "outputs",
    "claims",
    "passages",
    "evidence",
    "verdicts",
    "actions",
    "actions_taken",
    "caught",
    "findings",
    "flips",
    "reaudits",
    "flip_shares",
    "reviews",
    "events",
    "deliveries",
    "health",
    "completeness",
    "inventory",
    "drift",
    "quarantine",
    "runs",
)
"""Tables in the order in which they refer to each other; what names other rows comes after them."""

_PART = re.compile(r"part-[0-9a-f]{16}\.parquet")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=-]{0,150}")
_STAGING = "commit-"


def checked_name(name: str) -> str:
    """The name, if it can be a folder's or file's name; ids and units come from code, never from traces.

    Raises:
        ValueError: it could leave its folder or is too long.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} cannot name a run or unit; expected letters, digits, _ . = -")
    return name


@dataclass(frozen=True)
class File:
    """One file of a commit: where it goes and what it holds."""

    table: str
    day: str
    name: str
    sha256: str
    rows: int
    bytes: int
    replaces: str | None = None
    """Digest of the file that stands there now and is replaced; None for a new file."""

    @property
    def place(self) -> Path:
        """Destination below the lake's root. The parts are checked, as a manifest is only a file."""
        if self.table not in TABLES or not _PART.fullmatch(self.name):
            raise IntegrityError(f"a commit manifest names {self.table[:40]}/{self.name[:60]}, no lake file")
        try:
            day = date.fromisoformat(self.day)
        except ValueError:
            raise IntegrityError(f"a commit manifest names the day {self.day[:40]!r}, no date") from None
        return Path(f"tables/{self.table}/date={day.isoformat()}/{self.name}")

    @property
    def staged(self) -> str:
        """Name in the staging folder."""
        return f"{self.table}-{self.day}-{self.name}"


class Manifest(TypedDict):
    """What a commit promises, as JSON; each file as `File` has it."""

    format: int
    run_id: str
    unit: str
    status: str
    files: list[dict[str, Any]]
    removes: NotRequired[list[dict[str, Any]]]
    """Files that were joined into those of `files`, and are gone."""


@dataclass(frozen=True)
class DayJoin:
    """Files of one table and day that take the place of others with the same rows."""

    added: Sequence[tuple[File, bytes]]
    removed: Sequence[File]


def describe(table: str, day: date, data: bytes, rows: int, replaces: tuple[str, str] | None = None) -> File:
    """The file of these bytes; `replaces` is (name, digest) of the visible file it takes the place of."""
    digest = sha256(data).hexdigest()
    name, old = replaces or (f"part-{digest[:16]}.parquet", None)
    return File(table, day.isoformat(), name, digest, rows, len(data), old)


def commit(root: Path, run_id: str, unit: str, files: Sequence[tuple[File, bytes]]) -> None:
    """Makes all the files visible or, at a crash before the manifest, none. Needs the lake's lock.

    Raises:
        LakeError: the disk refuses; before the manifest nothing has happened, after it `recover` goes on.
        IntegrityError: what was read back is not what was written, or another file stands in a place.
    """
    ordered = sorted(files, key=lambda pair: (ORDER.index(pair[0].table), pair[0].day, pair[0].name))
    manifest = _free_manifest(root, checked_name(run_id), checked_name(unit))
    staging = root / "_work" / run_id / (_STAGING + manifest.stem)
    with durable.touching(staging):
        try:
            _stage(staging, ordered)
            durable.make_folder(manifest.parent)
            durable.replace_json(
                manifest,
                {
                    "format": 1,
                    "run_id": run_id,
                    "unit": unit,
                    "status": "prepared",
                    "files": [asdict(file) for file, _ in ordered],
                },
            )
        except BaseException:
            # Interrupted before the promise: give the space back at once. After it, staging is the data.
            if not manifest.exists():
                shutil.rmtree(staging, ignore_errors=True)
            raise
        _finish(root, manifest, staging)


def commit_joins(root: Path, run_id: str, unit: str, joins: Iterable[DayJoin]) -> None:
    """Puts joined files in the place of those they were joined from. Needs the lake's lock.

    Raises:
        LakeError, IntegrityError: as `commit`.
    """
    manifest = _free_manifest(root, checked_name(run_id), checked_name(unit))
    staging = root / "_work" / run_id / (_STAGING + manifest.stem)
    record: Manifest = {"format": 2, "run_id": run_id, "unit": unit, "status": "prepared", "files": []}
    record["removes"] = []
    with durable.touching(staging):
        try:
            shutil.rmtree(staging, ignore_errors=True)
            for join in joins:
                files = [file for file, _ in join.added]
                [swap] = _swaps(root, files, join.removed, staging)
                swaps.prepare(swap, [(file.name, data) for file, data in join.added])
                record["files"] += [asdict(file) for file in files]
                record["removes"] += [asdict(file) for file in join.removed]
            durable.sync_folder(staging)
            durable.make_folder(manifest.parent)
            durable.replace_json(manifest, record)
        except BaseException:
            if not manifest.exists():
                shutil.rmtree(staging, ignore_errors=True)
            raise
        _finish(root, manifest, staging)


def _swaps(root: Path, files: Iterable[File], removed: Iterable[File], staging: Path) -> list[Swap]:
    """The folders that a commit of joined files exchanges."""
    folders: dict[Path, tuple[dict[str, str], dict[str, str]]] = {}
    for number, each in enumerate((files, removed)):
        for file in each:
            folders.setdefault(file.place.parent, ({}, {}))[number][file.name] = file.sha256
    return [
        Swap(root / place, staging / f"{place.parts[1]}-{place.name.removeprefix('date=')}", added, gone)
        for place, (added, gone) in folders.items()
    ]


def _free_manifest(root: Path, run_id: str, unit: str) -> Path:
    folder = root / "runs" / run_id / "commits"
    path = folder / f"{unit}.json"
    # A unit that is committed again, with rows it did not have before, keeps the first commit's manifest.
    number = 2
    while path.exists():
        path = folder / f"{unit}.{number}.json"
        number += 1
    return path


def _stage(staging: Path, files: Sequence[tuple[File, bytes]]) -> None:
    if staging.exists():
        shutil.rmtree(staging)
    durable.make_folder(staging)
    for file, data in files:
        durable.write_new(staging / file.staged, data)
    durable.sync_folder(staging)
    for file, _ in files:
        found = durable.sha256_file(staging / file.staged)
        if found != file.sha256:
            raise IntegrityError(
                f"{staging / file.staged}: read back as {found[:16]}, written as {file.sha256[:16]}; "
                "check the disk, nothing was published"
            )


def _finish(root: Path, manifest: Path, staging: Path) -> None:
    record = load(manifest)
    if "removes" in record:
        swaps.publish(_swaps(root, record_files(record), removed_files(record), staging))
    else:
        publish(root, record_files(record), staging)
    if record["status"] != "done":
        durable.replace_json(manifest, {**record, "status": "done"})
    shutil.rmtree(staging, ignore_errors=True)


def publish(root: Path, files: Sequence[File], staging: Path) -> None:
    """Step 4: renames each staged file into its place, unless its bytes already stand there."""
    folders: list[Path] = []
    for file in files:
        place, staged = root / file.place, staging / file.staged
        # Folder names become durable per table, before the next table may refer to these rows.
        if folders and folders[-1] != place.parent:
            durable.sync_folder(folders[-1])
        durable.make_folder(place.parent)
        there = durable.sha256_file(place) if place.exists() else None
        if there != file.sha256:
            if there != file.replaces:
                raise IntegrityError(
                    f"{place}: holds {there or 'nothing'}, the commit expected {file.replaces or 'nothing'}; "
                    "the file was changed from outside, restore it from a copy"
                )
            if not staged.exists() or durable.sha256_file(staged) != file.sha256:
                raise IntegrityError(f"{staged}: the prepared file is missing or damaged; restore it")
            staged.replace(place)
        folders.append(place.parent)
    if folders:
        durable.sync_folder(folders[-1])


def load(manifest: Path) -> Manifest:
    """A commit manifest.

    Raises:
        IntegrityError: it is missing or damaged.
    """
    record = durable.read_json(manifest)
    if record is None or record.get("status") not in ("prepared", "done"):
        raise IntegrityError(f"{manifest}: not a commit manifest; restore it from a copy")
    return cast("Manifest", record)


def record_files(record: Manifest) -> list[File]:
    """The files a manifest names.

    Raises:
        IntegrityError: the manifest lacks a field or has one more.
    """
    try:
        return [File(**entry) for entry in record["files"]]
    except (KeyError, TypeError) as error:
        raise IntegrityError(
            f"a commit manifest of run {record.get('run_id')} is damaged ({error})"
        ) from None


def removed_files(record: Manifest) -> list[File]:
    """The files that a commit of joined files took away; of other commits none.

    Raises:
        IntegrityError: as `record_files`.
    """
    return record_files({**record, "files": record.get("removes", [])})


def pending(root: Path) -> list[Path]:
    """Staging folders that a crash or a failing disk left behind."""
    return sorted((root / "_work").glob(f"*/{_STAGING}*"))


def prepared(root: Path) -> list[Path]:
    """Places below the lake's root that the next recovery puts files at or takes them from."""
    places: list[Path] = []
    for staging in pending(root):
        manifest = _manifest_of(root, staging)
        if manifest.exists():
            record = load(manifest)
            places += [file.place for file in record_files(record) + removed_files(record)]
    return places


def _manifest_of(root: Path, staging: Path) -> Path:
    unit = staging.name.removeprefix(_STAGING)
    return root / "runs" / staging.parent.name / "commits" / f"{unit}.json"


def recover(root: Path, staging_folders: Iterable[Path]) -> list[str]:
    """Rolls prepared commits forward, discards unprepared ones; one sentence for each. Needs the lock."""
    sentences = []
    for staging in staging_folders:
        run_id, unit = staging.parent.name, staging.name.removeprefix(_STAGING)
        manifest = _manifest_of(root, staging)
        with durable.touching(staging):
            if not manifest.exists():
                shutil.rmtree(staging)
                sentences.append(f"run {run_id}, unit {unit}: discarded a commit that was never prepared")
                continue
            was_done = load(manifest)["status"] == "done"
            _finish(root, manifest, staging)
            if not was_done:
                sentences.append(f"run {run_id}, unit {unit}: completed a commit that was interrupted")
    return sentences


def manifests(root: Path) -> Iterator[tuple[Path, Manifest | IntegrityError]]:
    """Every commit manifest of the lake, or the error that says how it is damaged."""
    for path in sorted((root / "runs").glob("*/commits/*.json")):
        if path.name.startswith((".", "_")):
            continue
        try:
            yield path, load(path)
        except IntegrityError as error:
            yield path, error
