"""Agent outputs in files: JSON Lines, JSON, CSV, Parquet; what is new since the last pull, in batches.

Which files are new, and records gathered into batches with their places; what the lake holds already is for
`pull.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from tasks.errors import InputError, SourceError
from tasks.files import delta, places, records, streams
from tasks.files.encodings import Encoding, may_be_windows_1252
from tasks.files.limits import LimitSettings
from tasks.files.places import Place
from tasks.files.portions import KEPT, Portion, Record
from tasks.files.refusal import Refusal, shown
from tasks.sources import joining, mapping, secrets
from tasks.sources.base import Batch, Scope
from tasks.sources.file_batches import WITHOUT_CONTENT, Collector, File
from tasks.sources.parameters import FilesSettings, RecordParameters, deciding
from tasks.sources.records import Mapper
from tasks.sources.where import RowFilter

SETTLED_NS = 2 * 10**9
"""A file changed less than this before it was read may change again without a new time (file systems count
time in steps of up to 2 s); it is compared by digest next time."""
SAMPLED_FILES, SAMPLED_PORTIONS = 5, 2
"""What is read to look at a mapping."""

_LATER = ("encoding", "time_format", "where", "join")
_CODE_PAGE = (
    '; if the export is in a code page, as plain CSV of Excel is, set encoding = "windows-1252" or its'
)


def discover(pattern: str, format: str = "auto") -> list[File]:
    """The files that a path, a folder, a glob or a URL means, by name.

    A folder means every file below it whose suffix is known; hidden files (`.` or `_` first) are still being
    written and left out. A Delta table, which a folder of this disk shows by its log and a URL by the
    source's `format`, means the files of its newest version.

    Raises:
        SourceError: nothing there, or no file that could be read.
    """
    try:
        if format == "delta" or delta.is_table(pattern):
            return _of_delta(pattern)
        if places.is_remote(pattern):
            return _remote(pattern)
        base, paths = streams.walk(pattern, hidden="._")
    except Refusal as refusal:
        raise SourceError(f"{shown(pattern)}: {refusal.reason}; correct the source's path") from None
    if Path(pattern).is_dir():
        paths = [path for path in paths if streams.suffixes(path)[0] is not None]
    if not paths:
        raise SourceError(
            f"{shown(pattern)}: the folder holds no .jsonl, .json, .csv or .parquet file; "
            "correct the source's path"
        )
    return [File(path, shown(path.relative_to(base).as_posix())) for path in paths]


def _of_delta(path: str) -> list[File]:
    """The files of a Delta table; one without rows has none."""
    parts = delta.parts(path)
    if not places.is_remote(path):
        return [File(Path(path) / part.name, shown(part.name), values=part.values) for part in parts]
    found = {place.name: place for place in places.listing(f"{path.rstrip('/')}/")}
    gone = next((part.name for part in parts if part.name not in found), None)
    if gone is not None:
        raise Refusal(
            "missing",
            f"names the file {shown(gone)}, which is missing; was the table vacuumed while it was read?",
        )
    return [File(Path(part.name), part.name, found[part.name], part.values) for part in parts]


def _remote(url: str) -> list[File]:
    found = [File(Path(place.name), place.name, place) for place in places.listing(url)]
    if len(found) == 1:
        return found
    return [file for file in found if streams.suffixes(file.path)[0] is not None]


def pull(source: FilesSettings, scope: Scope) -> Iterator[Batch]:
    """What is new at a source of files.

    A file whose mark is unchanged is skipped; JSON Lines that only grew are read on from where they ended.
    With a range of days every file is read, records outside it are passed over, and no marks are given: the
    rest of each file is still unread.

    Raises:
        SourceError: nothing at the source's path, or a constant of the source cannot be used.
    """
    files = discover(source.path, source.format)
    mapper, rows = _reader(source, scope)
    marks = {} if scope.is_range else scope.marks
    collector = Collector(mapper, rows, source.name, scope, secrets.minimiser(source))
    reader = _reader_digest(source, scope.limits)
    for file in files:
        kind = _Reading if file.place is None else _Fetched
        reading = kind(file, source, scope, reader=reader, rows=rows)
        is_read = True
        try:
            old = reading.unchanged(marks.get(file.name))
            if old is not None:
                if old.get("problem"):
                    collector.problems.append(old["problem"])
                if old != marks.get(file.name):
                    collector.marks[file.name] = old
                continue
            for portion in reading.portions(marks.get(file.name)):
                yield from collector.add(file, portion)
        except Refusal as failure:
            # A pipe must not be opened even to be shown, and what is missing has no content.
            head = b"" if failure.check in WITHOUT_CONTENT else reading.raw_head()
            yield from collector.add(file, Portion(failure=failure), head)
        except OSError as error:
            gone = Refusal("missing", f"cannot be read ({error.strerror})")
            yield from collector.add(file, Portion(failure=gone))
            is_read = False
        # Without a mark it is read again: what the disk refused tonight it may give tomorrow.
        mark = reading.mark() if is_read else None
        if mark is not None:
            collector.inputs[file.name] = mark["sha256"]
        mark = None if scope.is_range else mark
        yield from collector.finish(file, mark, is_whole=reading.is_whole)
    yield from collector.flush()


def reach(source: FilesSettings) -> str:
    """How many files there are to read.

    Raises:
        SourceError: none, or this user may not read one.
    """
    files = discover(source.path, source.format)
    closed = [file.path for file in files if file.place is None and not os.access(file.path, os.R_OK)]
    if closed:
        raise SourceError(f"{shown(str(closed[0]))}: not readable; give this user read permission")
    return f"{len(files)} files at {shown(source.path)}"


def doubts(source: FilesSettings, scope: Scope) -> tuple[list[str], list[str]]:
    """(problems, warnings) that the first records of the first files leave about the source's mapping.

    Raises:
        SourceError: nothing at the source's path, or a constant of the source cannot be used.
    """
    mapper, rows = _reader(source, scope)
    for file in discover(source.path, source.format)[:SAMPLED_FILES]:
        kind = _Reading if file.place is None else _Fetched
        reading = kind(file, source, scope, reader="", rows=rows)
        try:
            for portion in islice(reading.portions(None), SAMPLED_PORTIONS):
                mapper.map([record for record, _ in portion.records])
        except Refusal as failure:
            return [f"{file.address} {failure.reason}"], []
    return mapper.doubts()


def _reader(source: FilesSettings, scope: Scope) -> tuple[Mapper, RowFilter | None]:
    """What maps the source's records, and what leaves some out.

    Raises:
        SourceError: a constant of the source cannot be used.
    """
    try:
        mapper = Mapper(replace(source, fields=joining.fields_of(source)), scope)
    except Refusal as refusal:
        raise SourceError(f"source {source.name!r}: produced_at: {refusal.reason}") from None
    return mapper, RowFilter(source.where) if source.where else None


def _reader_digest(source: FilesSettings, limits: LimitSettings) -> str:
    """Digest of everything that decides what a file's bytes become: a corrected mapping reads all again."""
    decisive = deciding(source) | {"path": "", "limits": asdict(limits)}
    # Keys of a later release that are not set decide nothing: an upgrade reads no file again.
    decisive["fields"] = {k: v for k, v in decisive["fields"].items() if k != "time_zone" or v is not None}
    decisive = {k: v for k, v in decisive.items() if k not in _LATER or v not in (None, "auto")}
    decisive["parameters"] = {k: str(v) for k, v in asdict(RecordParameters()).items()}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _required(source: FilesSettings, rows: RowFilter | None) -> dict[str, str]:
    """Columns that a table of the source must have, and the setting that names each."""
    required = dict.fromkeys(rows.columns if rows else (), "where")
    if source.join is not None:
        required |= {source.join.by: "join.by", source.join.kind: "join.kind", source.join.text: "join.text"}
    return {**required, source.fields.response: "fields.response"}


class _Reading:
    """One file, from its mark to its mark."""

    def __init__(
        self,
        file: File,
        source: FilesSettings,
        scope: Scope,
        *,
        reader: str,
        rows: RowFilter | None,
    ) -> None:
        self._file, self._source, self._limits, self._reader = file, source, scope.limits, reader
        self._work = scope.work / "files"
        self._now_ns = int(scope.now.timestamp() * 1e9)
        self._status: os.stat_result | None = None
        self._resume: tuple[int, int] | None = None
        self.is_whole = True
        """Read from its start and not from where it had ended."""
        self._required = {
            column: key for column, key in _required(source, rows).items() if column not in file.values
        }
        self._rows = rows

    def unchanged(self, mark: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The file's mark as it should be now, or None where the file has to be read.

        Raises:
            Refusal: missing, empty or not a file.
        """
        self._status = status = streams.regular(self._file.path)
        if mark is None or mark.get("reader") != self._reader or mark.get("size") != status.st_size:
            return None
        if mark.get("mtime_ns") == status.st_mtime_ns and mark.get("settled"):
            return dict(mark)
        if mark.get("sha256") != streams.digest(self._file.path):
            return None
        return {**mark, "mtime_ns": status.st_mtime_ns, "settled": self._settled(status)}

    def _settled(self, status: os.stat_result) -> bool:
        return self._now_ns - status.st_mtime_ns > SETTLED_NS

    def portions(self, mark: Mapping[str, Any] | None) -> Iterator[Portion]:
        """The file's records: those that pass the source's filter, each out of all of its rows.

        Raises:
            Refusal: what no record can be read from.
        """
        if self._source.join is None:
            for portion in self._read(mark):
                yield self._passed(portion, is_counted=True)
            return
        readings = count()

        def passed() -> Iterator[Portion]:
            is_second = next(readings) == 1
            return (self._passed(portion, is_counted=is_second) for portion in self._read(None))

        # A trace goes on in the lines that a file grew by: it is read from its start.
        self._resume = None
        yield from joining.Joiner(self._source.join, self._source.fields).joined(passed)
        self._resume = None

    def _passed(self, portion: Portion, *, is_counted: bool) -> Portion:
        if self._rows is None:
            return portion
        passed = self._rows.applied(portion)
        if is_counted:
            self._rows.count(portion, passed)
        return passed

    def _read(self, mark: Mapping[str, Any] | None) -> Iterator[Portion]:
        try:
            for portion in self._decoded(mark):
                if self._file.values:
                    portion.records = [
                        ({**record, **self._file.values}, at) for record, at in portion.records
                    ]
                portion.refused = [(piece, self._advised(refusal)) for piece, refusal in portion.refused]
                yield portion
        except Refusal as refusal:
            raise self._advised(refusal) from None

    def _advised(self, refusal: Refusal) -> Refusal:
        """The refusal with what to set where the file may be in a code page."""
        is_told = self._source.encoding == "auto" and "not valid UTF-8" in refusal.reason
        return Refusal(refusal.check, refusal.reason + _CODE_PAGE) if is_told else refusal

    def _decoded(self, mark: Mapping[str, Any] | None) -> Iterator[Portion]:
        begin = self._grown(mark)
        self.is_whole = begin is None
        for portion in records.portions(
            self._file.path,
            self._limits,
            form="parquet" if self._source.format == "delta" else self._source.format,
            required=self._required,
            begin=begin,
            encoding=self._source.encoding,
        ):
            self._resume = portion.resume
            yield portion

    def _grown(self, mark: Mapping[str, Any] | None) -> tuple[int, int] | None:
        """Where to read on, where the file begins with all whole lines that were read last time."""
        if self._status is None or mark is None or mark.get("reader") != self._reader:
            return None
        offset, line = mark.get("resume") or (0, 1)
        if not 0 < offset <= self._status.st_size or mark.get("problem"):
            return None
        same = streams.digest(self._file.path, offset) == mark.get("prefix_sha256")
        return (offset, line) if same else None

    def raw_head(self) -> bytes:
        """The file's first bytes as they lie on disk, for quarantine."""
        try:
            with self._file.path.open("rb") as stream:
                return stream.read(KEPT)
        except OSError:
            return b""

    def mark(self) -> dict[str, Any] | None:
        """What to remember of the file; None where there is none, so that it is tried again."""
        if self._status is None:
            return None
        status = self._status
        mark: dict[str, Any] = {
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "reader": self._reader,
            "settled": self._settled(status),
        }
        try:
            mark["sha256"] = streams.digest(self._file.path, status.st_size)
            if self._resume is not None and 0 < self._resume[0] <= status.st_size:
                mark["resume"] = list(self._resume)
                mark["prefix_sha256"] = streams.digest(self._file.path, self._resume[0])
        except OSError:
            return None
        return mark


class _Fetched(_Reading):
    """A file of a store or a server: fetched to be read, and known by the version that it has there."""

    _sha256 = ""

    def unchanged(self, mark: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The mark, where the store's version of the file is the one that was read."""
        version = self._version()
        if mark is None or not version["version"]:
            return None
        return dict(mark) if all(mark.get(key) == value for key, value in version.items()) else None

    def portions(self, mark: Mapping[str, Any] | None) -> Iterator[Portion]:  # noqa: ARG002
        """The file's records; it is read whole, whatever was read of it before."""
        place = self._place()
        with places.fetched(place, self._work, self._limits.max_file_bytes) as path:
            self._file = replace(self._file, path=path)
            self._sha256 = streams.digest(path, path.stat().st_size)
            yield from super().portions(None)

    def raw_head(self) -> bytes:
        """Nothing: the file is gone again."""
        return b""

    def mark(self) -> dict[str, Any] | None:
        """Its version, and the digest of what was fetched; None where nothing was."""
        return {**self._version(), "sha256": self._sha256} if self._sha256 else None

    def _place(self) -> Place:
        assert self._file.place is not None  # noqa: S101 - what it is made for
        return self._file.place

    def _version(self) -> dict[str, Any]:
        place = self._place()
        return {"reader": self._reader, "size": place.size, "version": place.version}


def propose(path: str) -> mapping.Proposal:
    """Samples a path, folder or glob and proposes which fields mean what, with what a person has to look at.

    Raises:
        InputError: nothing there, or nothing that could be read as records.
    """
    sample: list[Record] = []
    sentences: list[str] = []
    encoding: Encoding = "auto"
    try:
        files = discover(path)[:SAMPLED_FILES]
    except SourceError as error:
        raise InputError(str(error)) from None
    for file in files:
        try:
            with _on_disk(file) as local:
                if encoding == "auto" and _is_in_a_code_page(local):
                    encoding = "windows-1252"
                    sentences.append(
                        f"{file.name} is not UTF-8; encoding is a guess, compare letters with accents"
                    )
                # Any column may turn out to hold the answer, so none is required.
                portions = records.portions(local, LimitSettings(), encoding=encoding)
                for portion in islice(portions, SAMPLED_PORTIONS):
                    sample += [record for record, _ in portion.records[: mapping.SAMPLE]]
                    refused = portion.refused[:3]
                    sentences += [f"{piece.locator(file.name)}: {r.reason}" for piece, r in refused]
        except Refusal as failure:
            sentences.append(f"{file.address} {failure.reason}")
    if not sample:
        raise InputError("; ".join(sentences[:3]) or f"{shown(path)}: no records found")
    proposal = mapping.propose(sample[: mapping.SAMPLE])
    return replace(proposal, sentences=(*proposal.sentences, *sentences), encoding=encoding)


@contextmanager
def _on_disk(file: File) -> Iterator[Path]:
    if file.place is None:
        yield file.path
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        places.fetched(file.place, Path(folder), LimitSettings().max_file_bytes) as path,
    ):
        yield path


def _is_in_a_code_page(path: Path) -> bool:
    if streams.suffixes(path) != ("csv", "none"):
        return False
    with path.open("rb") as stream:
        return may_be_windows_1252(stream.read(streams.HEAD).rpartition(b"\n")[0])
