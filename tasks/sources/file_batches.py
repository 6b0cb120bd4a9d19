"""Records of many files gathered into batches, with what became of each file: counts, marks, sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from tasks.files.portions import Piece, Portion, Record
from tasks.files.refusal import Refusal, shown
from tasks.sources import fidelity
from tasks.sources.base import Batch, Scope
from tasks.sources.batches import BATCH_RECORDS
from tasks.sources.minimise import WITHHELD, Minimiser
from tasks.sources.records import Mapper
from tasks.sources.where import RowFilter
from tasks.tables import OUTPUTS, quarantine_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.files.places import Place

BATCH_BYTES = 64 * 2**20
"""Bytes of records held at once, for unusual ones."""
SYSTEMATIC = 10
"""A file of at least so many records, all refused, is a problem of the source and not of its rows."""

WITHOUT_CONTENT = ("missing", "not_a_file", "empty")
"""Checks of what has nothing that could be shown."""


@dataclass(frozen=True)
class File:
    """One file of a source; `name` is what locators call it: its path below the source's folder."""

    path: Path
    name: str
    place: Place | None = None
    """Where it lies, where that is not this disk."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What every record of it has beside its own: columns of a Delta table's partition."""

    @property
    def address(self) -> str:
        """What people call it."""
        return shown(self.place.address if self.place else str(self.path))


@dataclass
class _Tally:
    """What became of one file so far."""

    records: int = 0
    refused: int = 0
    first: tuple[str, str] | None = None
    """(place, reason) of the first refused record."""
    blank: int = 0
    empty: bool = True
    """Nothing came of it so far, neither record nor refusal."""
    pending: bool = False
    """Some of its records wait for the next batch."""
    problem: str | None = None


class Collector:
    """Gathers records of many files until a batch is full."""

    def __init__(
        self, mapper: Mapper, rows: RowFilter | None, source: str, scope: Scope, minimiser: Minimiser
    ) -> None:
        self._mapper, self._row_filter, self._source = mapper, rows, source
        self._minimiser = minimiser
        self._run_id, self._now, self._cover = scope.run_id, scope.now, scope.cover
        self._filtered = self._joined = 0
        self._lacks: Counter[str] = Counter()
        self._records: list[tuple[Record, Piece, File]] = []
        self._rows: list[dict[str, str]] = []
        self._bytes = 0
        self._tallies: dict[str, _Tally] = {}
        self._finished: list[tuple[File, dict[str, Any] | None, bool]] = []
        self.marks: dict[str, Any] = {}
        self.inputs: dict[str, str] = {}
        self.problems: list[str] = []

    def add(self, file: File, portion: Portion, head: bytes = b"") -> Iterator[Batch]:
        """Takes a portion of a file; gives the batches that became full."""
        tally = self._tallies.setdefault(file.name, _Tally())
        tally.blank += portion.blank
        tally.empty &= not (portion.records or portion.refused or portion.failure or portion.filtered)
        self._filtered += portion.filtered
        self._joined += portion.joined
        for piece, refusal in portion.refused:
            self._refuse_unread(file, piece, refusal)
            if len(self._rows) >= BATCH_RECORDS:
                yield self._batch()
        for record, piece in self._minimiser.portion(portion).records:
            self._records.append((record, piece, file))
            self._bytes += len(piece.raw) or 1_000
            tally.pending = True
            if len(self._records) >= BATCH_RECORDS or self._bytes >= BATCH_BYTES:
                yield self._batch()
        if portion.failure is not None:
            failure = portion.failure
            tally.problem = f"{file.address} {failure.reason}"
            if failure.check not in WITHOUT_CONTENT:
                # The part that could not be read counts as one row, so that it is seen in the tables, too.
                place = f"{file.name}: the rest" if tally.records or tally.pending else file.name
                raw = WITHHELD.encode() if self._minimiser else head
                self._quarantine(tally, place, failure.check, f"the file {failure.reason}", raw)

    def finish(self, file: File, mark: dict[str, Any] | None, *, is_whole: bool) -> Iterator[Batch]:
        """Notes that a file is read to its end, from its start or from where it had ended."""
        self._finished.append((file, mark, is_whole))
        if len(self._finished) >= BATCH_RECORDS:
            yield self._batch()

    def flush(self) -> Iterator[Batch]:
        """The last batch, and what is to be said of the mapping when all records have passed."""
        if self._records or self._rows or self._finished or self.problems or self.marks or self._filtered:
            yield self._batch()
        problems, warnings = self._mapper.doubts()
        warnings += [*fidelity.sentences(self._source, self._lacks), *self._minimiser.doubts()]
        if self._row_filter is not None:
            of_rows = self._row_filter.doubts(self._source)
            # A filter that is wrong explains what the mapping lacks.
            problems, warnings = of_rows[0] + problems, of_rows[1] + warnings
        if problems or warnings:
            self.problems += problems
            yield replace(self._batch(), warnings=tuple(warnings))

    def _refuse_unread(self, file: File, piece: Piece, refusal: Refusal) -> None:
        """What is not a record, so that nothing can be taken out of it."""
        if self._minimiser:
            reason = self._minimiser.reason(refusal.reason)
            self._refuse(file, piece, Refusal(refusal.check, reason), WITHHELD)
        else:
            self._refuse(file, piece, refusal, piece.raw)

    def _refuse(self, file: File, piece: Piece, refusal: Refusal, raw: bytes | str) -> None:
        place = piece.locator(file.name)
        self._quarantine(self._tallies[file.name], place, refusal.check, refusal.reason, raw)

    def _quarantine(self, tally: _Tally, place: str, check: str, reason: str, raw: bytes | str) -> None:
        tally.records += 1
        tally.refused += 1
        tally.first = tally.first or (place, reason)
        self._rows.append({"locator": place, "check": check, "reason": reason, "raw": shown(raw)})

    def _batch(self) -> Batch:
        mapped = self._mapper.map([record for record, _, _ in self._records])
        for position, (record, piece, file) in enumerate(self._records):
            refusal = mapped.refused.get(position)
            if refusal is None:
                self._tallies[file.name].records += 1
            else:
                bare = piece._replace(raw=b"") if self._minimiser else piece
                self._refuse(file, piece, refusal, bare.text(record))
        records_in = len(self._records) - mapped.skipped + len(self._rows)
        frame = quarantine_rows(
            self._rows,
            table=OUTPUTS.name,
            source=self._source,
            run_id=self._run_id,
            quarantined_at=self._now,
        )
        if self._cover is not None:
            frame = self._cover.refusals(frame)
        records_in -= len(mapped.refused)  # they are among the rows by now
        warnings = self._settle()
        self._lacks.update(mapped.lacks)
        batch = Batch(
            outputs=mapped.outputs,
            quarantine=frame,
            records_in=records_in + self._filtered + self._joined,
            marks=dict(self.marks),
            inputs=self.inputs,
            problems=self._sentences(self.problems),
            warnings=self._sentences(warnings),
            filtered=self._filtered,
            joined=self._joined,
            lacks=mapped.lacks,
            minimised=self._minimiser.taken(),
        )
        self._records, self._rows, self._bytes, self._filtered, self._joined = [], [], 0, 0, 0
        self.marks, self.inputs, self.problems = {}, {}, []
        return batch

    def _sentences(self, sentences: list[str]) -> tuple[str, ...]:
        """What runs say of files; a reason may quote a value."""
        if self._cover is None or not sentences:
            return tuple(sentences)
        return tuple(self._cover.plain(pl.Series(sentences, dtype=pl.String)))

    def _settle(self) -> list[str]:
        """Marks, problems and warnings of the files whose last record is in this batch."""
        warnings = []
        for file, mark, is_whole in self._finished:
            tally = self._tallies.pop(file.name, _Tally())
            if tally.problem is None and tally.first is not None:
                place, reason = tally.first
                sentence = (
                    f"{file.address.rpartition('/')[0]}/{place.split('/')[-1]}: {reason}; "
                    f"{tally.refused} of {tally.records} records of this file are in quarantine"
                )
                if tally.refused == tally.records >= SYSTEMATIC:
                    tally.problem = f"{sentence}, which is all of them: the source may have changed its form"
                else:
                    warnings.append(sentence)
            elif tally.problem is None and tally.empty and is_whole:
                what = f"only {tally.blank} blank lines" if tally.blank else "at most names of columns"
                warnings.append(f"{file.address} holds no record, {what}")
            if tally.problem is not None:
                self.problems.append(tally.problem)
            if mark is not None:
                self.marks[file.name] = {**mark, "problem": tally.problem} if tally.problem else mark
        self._finished = []
        return warnings
