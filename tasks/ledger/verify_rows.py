"""Are the rows of the tables those that events bind?

From the rows of a day the fields of their events are built again, by the code that recording used
(`bindings.py`), encoded, and compared with the bytes in the log; nothing is parsed. An event that says
something else is then parsed, and the difference is named: table, file, row, and the column where the event
repeats its value, else the columns that only the row's digest covers.

Measured against parsing every event and an anti-join, see docs/decisions/0014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from tasks.errors import IntegrityError
from tasks.files import inputs
from tasks.lake.store import Lake
from tasks.ledger import bindings, canonical, events, events_table
from tasks.ledger.events import DAILY, JUDGED, KINDS
from tasks.ledger.log import Log
from tasks.ledger.rows import beside
from tasks.ledger.verify_files import Loaded, TableFiles
from tasks.ledger.verify_salts import Salts
from tasks.tables import TABLES

_SHOWN = 5
"""Rows of one table and segment that are named one by one; the rest is counted."""
_BINDS_NOTHING = ",".join(f'"row_{table}":null' for table in sorted(KINDS["verification"].binds))
"""A claim that was judged again with the same result has an event and no row of its own."""
_GROUPS = (
    JUDGED,
    *((kind,) for kind in ("action", "action_taken", "finding", "review", "flip", "run", "health")),
)
"""Kinds of events that are checked together."""


@dataclass
class RowsChecked:
    """Events that bind a row, by table; events whose rows were erased; per file, the rows with an event."""

    counts: dict[str, int] = field(default_factory=dict)
    erased: int = 0
    bound: dict[str, bytes] = field(default_factory=dict)


class RowChecks:
    """Checks rows segment by segment; keeps between segments what several of them need."""

    def __init__(self, files: TableFiles, salts: Salts, erased: frozenset[str]) -> None:
        self.files, self.erased = files, erased
        self._all_salts, self._salts = salts, salts.of(pl.Series([], dtype=pl.String))
        self.checked = RowsChecked()
        self._bound: dict[str, np.ndarray] = {}

    def segment(self, frame: pl.DataFrame, vintages: pl.Series) -> RowsChecked:
        """Checks the rows that a segment's events bind.

        Args:
            frame: rows of one segment.
            vintages: of the events (Int8, n); null where this release does not know their schema.
        """
        self.checked, self._bound = RowsChecked(), {}
        logged = self._binding(frame.with_columns(vintage=vintages).filter(vintages.is_not_null()))
        days: set[date] = set()
        for kinds in _GROUPS:
            group = logged.filter(pl.col("kind").is_in(kinds))
            for (vintage,), same in group.group_by("vintage", maintain_order=True):
                for part, where in self._partitions(kinds[0], same, sorted(days)):
                    days |= set(where or ())
                    with self.files.findings.catching():
                        self._check(kinds[0], part, where, vintage)
        self.checked.bound = {place: np.packbits(flags).tobytes() for place, flags in self._bound.items()}
        return self.checked

    def _binding(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Events whose rows must be there, with `output_id`: not erased, and salted where about an output."""
        logged = frame.select("sequence", "kind", "subject_id", "run_id", "event", "vintage").filter(
            pl.col("kind").is_in([kind for group in _GROUPS for kind in group])
            & ~pl.col("event").bin.contains(_BINDS_NOTHING.encode())
        )
        logged = logged.filter((pl.col("kind") != "run") | pl.col("event").bin.contains(b',"phase":"end",'))
        logged = logged.with_columns(output_id=canonical.text_field(logged["event"], "output_id"))
        is_erased = pl.col("output_id").is_in(list(self.erased)).fill_null(value=False)
        kept = logged.filter(~is_erased) if self.erased else logged
        self.checked.erased = logged.height - kept.height
        self._salts = self._all_salts.of(kept["output_id"].drop_nulls().unique(maintain_order=True))
        unsalted = self._salts.filter(pl.col("salt").is_null())["output_id"]
        if unsalted.is_empty():
            return kept
        self.files.findings.leave_open(
            f"LAKE/vault/salts: the salts of {unsalted.len()} outputs are missing, so their rows cannot be "
            f"checked, first {unsalted[0][:12]}; restore them"
        )
        return kept.filter(~pl.col("output_id").is_in(unsalted.implode()).fill_null(value=False))

    # Which rows ---------------------------------------------------------------------------------------------

    def _partitions(
        self, kind: str, logged: pl.DataFrame, days: Sequence[date]
    ) -> list[tuple[pl.DataFrame, Sequence[date] | None]]:
        """Events with the days on which their rows are stored; None where that may be any day.

        Args:
            days: those of the segment's other events.
        """
        if logged.is_empty():
            return []
        if kind == "finding":
            # The event does not say the day of its output; most often a verdict of the segment does.
            return [(logged, days)]
        if kind not in DAILY:
            return [(logged, None)]
        produced = canonical.integer_field(logged["event"], "produced_at_us")
        by_event = pl.from_epoch(produced, "us").dt.date()
        present = by_event.drop_nulls().unique().sort().to_list()
        if len(present) == 1 and not by_event.null_count():
            return [(logged, present)]
        return [(logged.filter(by_event == day), [day]) for day in present]

    def _rows(self, kind: str, logged: pl.DataFrame, days: Sequence[date] | None) -> Loaded:
        """The rows that events are about, and others of their files."""
        table, key = KINDS[kind].about, KINDS[kind].key
        if key is None:
            return self.files.rows(table, days, "run_id", logged["run_id"])
        loaded = self.files.rows(table, days, key, logged["subject_id"])
        if kind == "finding" and not logged["subject_id"].is_in(loaded.frame[key].implode()).all():
            return self.files.rows(table, None, key, logged["subject_id"])
        return loaded

    def _once(self, table: str, key: str, loaded: Loaded, subjects: pl.Series) -> pl.DataFrame:
        """The loaded rows that events are about, each once; which ones is kept, per file."""
        is_about = loaded.frame[key].is_in(subjects.implode())
        rows = loaded.frame if is_about.all() else loaded.frame.filter(is_about)
        for path, flags in loaded.split(is_about.to_numpy()):
            place = path.relative_to(self.files.root).as_posix()
            self._bound[place] = self._bound[place] | flags if place in self._bound else flags
        once = rows.unique(key, keep="first", maintain_order=True)
        if once.height != rows.height:
            twice = rows.filter(rows[key].is_duplicated())[key][0]
            self.files.findings.fail(
                f"{table}: {rows.height - once.height} rows are there twice, first {twice[:12]} "
                f"({loaded.file_of(key, twice)})"
            )
        return once

    def _frames(self, kind: str, about: pl.DataFrame, days: Sequence[date] | None) -> dict[str, pl.DataFrame]:
        """The rows that events are about, and those of other tables that they bind, and perhaps more."""
        frames = {KINDS[kind].about: about}
        if kind not in ("verification", "action"):
            return frames
        outputs = about["output_id"].unique(maintain_order=True)
        if kind == "action":
            rows = self.files.rows("outputs", days, "output_id", outputs).frame
            return frames | {"outputs": rows.unique("output_id", maintain_order=True)}
        claims = about["claim_id"].unique(maintain_order=True)
        evidence = self.files.rows("evidence", days, "claim_id", claims).frame
        shown = evidence["passage_id"].unique(maintain_order=True)
        passages = self.files.rows("passages", days, "passage_id", shown).frame
        if (evidence["origin"] == "corpus").any():
            elsewhere = self.files.corpus_passages(shown)
            passages = pl.concat([passages, elsewhere]).unique("passage_id", maintain_order=True)
        return frames | {
            "claims": self.files.rows("claims", days, "claim_id", claims).frame,
            "evidence": evidence,
            "passages": passages,
            "actions": self.files.rows("actions", days, "output_id", outputs).frame,
        }

    # Whether they say the same ------------------------------------------------------------------------------

    def _check(self, kind: str, logged: pl.DataFrame, days: Sequence[date] | None, vintage: int) -> None:
        """Compares what events of one kind say with the rows that they are about."""
        declared, named = KINDS[kind], None
        loaded = self._rows(kind, logged, days)
        about = loaded.frame
        if declared.key is not None:
            about = self._once(declared.about, declared.key, loaded, logged["subject_id"])
        if kind == "verification":
            # An output may have several actions by now: the event says which one it binds.
            named = logged.select(
                verdict_id="subject_id", action_id=canonical.text_field(logged["event"], "action_id")
            ).unique("verdict_id", keep="first", maintain_order=True)
        elif kind == "review":
            outputs = logged.select("output_id", review_id="subject_id").unique("review_id")
            about = about.join(outputs, on="review_id", how="left", maintain_order="left")
        elif kind == "health":
            about = about.filter(events.is_alarming())
        self._later_values(declared.about, about, vintage)
        facts = bindings.facts(kind, self._frames(kind, about, days), self._salts, named, vintage)
        if declared.key is None:
            facts = facts.unique("subject_id", keep="first", maintain_order=True)
        # What no event can say (NaN, beyond 2^53) becomes null, which no event says in its place.
        is_sayable = pl.col(pl.Int64).abs() <= canonical.MAX_INTEGER
        facts = facts.with_columns(pl.when(is_sayable).then(pl.col(pl.Int64)))
        differing = self._differing(kind, logged, facts, vintage)
        if differing.height:
            self._name(kind, differing, facts, loaded)
        if kind == "run":
            self._manifests(logged)

    def _later_values(self, table: str, about: pl.DataFrame, vintage: int) -> None:
        """A column that came after an event is in no digest of its row, so a value there was put there."""
        known = events.bound_columns(table, vintage)
        for column in (name for name in events.bound_columns(table) if name not in known):
            filled = about.filter(pl.col(column).is_not_null())
            if filled.height:
                self.files.findings.fail(
                    f"{table}: column {column} of {filled.height} rows has a value, though their events are "
                    f"of a release that did not know it, first {filled[TABLES[table].key[0]][0][:12]}"
                )

    def _differing(self, kind: str, logged: pl.DataFrame, facts: pl.DataFrame, vintage: int) -> pl.DataFrame:
        """Events that say something else than their rows; of the others, the rows they bind are counted."""
        fields = events.fields(kind, vintage)
        facts = beside(logged.select("subject_id", "kind"), facts, "subject_id")
        facts = events.with_schema(facts, vintage)
        facts = facts.select(name for name in fields if name in facts.columns)
        is_said = canonical.says(logged["event"], list(fields), facts)
        agreed = facts.filter(is_said)
        for table in KINDS[kind].binds:
            self._count(table, agreed.height - agreed[f"row_{table}"].null_count())
        return logged.filter(~is_said)

    def _count(self, table: str, rows: int) -> None:
        self.checked.counts[table] = self.checked.counts.get(table, 0) + rows

    def _name(self, kind: str, logged: pl.DataFrame, facts: pl.DataFrame, loaded: Loaded) -> None:
        """Names what differs; where no closer look finds a reason, the difference is the finding."""
        before, about = len(self.files.findings.findings), KINDS[kind].about
        joined = _decoded(logged, kind).join(
            facts, on="subject_id", how="left", suffix="_now", maintain_order="left"
        )
        for table in KINDS[kind].binds:
            self._name_rows(kind, table, joined, loaded)
        repeated = {name: c for name, c in _repeated(kind).items() if f"{name}_now" in joined.columns}
        for name, column in repeated.items():
            now = joined.filter(
                pl.col("run_id_now").is_not_null() & ~pl.col(name).eq_missing(pl.col(f"{name}_now"))
            )
            for row in now.head(_SHOWN).iter_rows(named=True):
                place = self._place(kind, row["subject_id"], loaded)
                self.files.findings.fail(
                    f"{about}: column {column} of row {row['subject_id'][:12]} is {row[f'{name}_now']}, "
                    f"event {row['sequence']} says {row[name]} ({place})"
                )
        if len(self.files.findings.findings) == before:
            self.files.findings.fail(
                f"{about}: {logged.height} events do not say what their rows say, first event "
                f"{logged['sequence'][0]} about {logged['subject_id'][0][:12]}"
            )

    def _name_rows(self, kind: str, table: str, joined: pl.DataFrame, loaded: Loaded) -> None:
        """Rows that are missing or whose digest is not the one that the event binds."""
        logged, now = f"row_{table}", f"row_{table}_now"
        bound = joined.filter(pl.col(logged).is_not_null())
        self._count(table, bound.height)
        wrong = bound.filter(~pl.col(logged).eq_missing(pl.col(now)))
        folder = self.files.root / "tables" / table
        if loaded.folder.name.startswith("date="):
            folder /= loaded.folder.name
        for row in wrong.head(_SHOWN).iter_rows(named=True):
            what = "a row is missing" if row[now] is None else f"a row differs in {_covered(kind, table)}"
            place = self._place(kind, row["subject_id"], loaded) if table == KINDS[kind].about else folder
            self.files.findings.fail(
                f"{table}: {what}, bound by event {row['sequence']} about {row['subject_id'][:12]} ({place})"
            )
        if wrong.height > _SHOWN:
            self.files.findings.fail(
                f"{table}: {wrong.height - _SHOWN} more rows differ or are missing ({folder})"
            )

    def _place(self, kind: str, subject: str, loaded: Loaded) -> object:
        key = KINDS[kind].key
        return loaded.folder if key is None else loaded.file_of(key, subject)

    def _manifests(self, logged: pl.DataFrame) -> None:
        """What a run published is what its event says."""
        digests = canonical.text_field(logged["event"], "commits_sha256")
        for run_id, expected in zip(logged["run_id"], digests, strict=True):
            with self.files.findings.catching():
                if expected is not None and events_table.commits_digest(self.files.root, run_id) != expected:
                    self.files.findings.fail(
                        f"{self.files.root / 'runs' / run_id / 'commits'}: the manifests of this run name "
                        "other files than its event says"
                    )
        self._inputs(logged)

    def _inputs(self, logged: pl.DataFrame) -> None:
        """The files that a run read are those that its event says."""
        digests = canonical.text_field(logged["event"], "inputs_sha256")
        for run_id, expected in zip(logged["run_id"], digests, strict=True):
            with self.files.findings.catching():
                kept = events_table.inputs(self.files.root, run_id) if expected is not None else None
                path = self.files.root / "runs" / run_id / inputs.FILE
                if expected is not None and kept is None:
                    self.files.findings.leave_open(
                        f"{path}: missing, so nothing says which files the run had read; restore it"
                    )
                elif kept is not None and bindings.inputs_digest(kept) != expected:
                    self.files.findings.fail(f"{path}: names other input files than the run's event says")


def _decoded(logged: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Events as typed fields, with their sequence; fields that hold lists are left out."""
    fields = {name: dtype for name, dtype in events.fields(kind).items() if not dtype.is_nested()}
    try:
        bodies = logged["event"].cast(pl.String).str.json_decode(pl.Struct(fields)).struct.unnest()
    except pl.exceptions.PolarsError:
        first, last = logged["sequence"][0], logged["sequence"][-1]
        raise IntegrityError(f"events {first} to {last}: the bytes of a {kind} are not its JSON") from None
    return bodies.with_columns(sequence=logged["sequence"])


def _repeated(kind: str) -> dict[str, str]:
    """Fields of a kind that repeat a column of the row that it is about, and that column."""
    declared, columns = KINDS[kind], TABLES[KINDS[kind].about].schema
    repeated = {"occurred_at_us": declared.moment, "run_id": "run_id", **declared.renamed}
    for name in declared.fields.split():
        column, _, unit = name.rpartition("_")
        column = column if unit in ("u6", "us") else name
        if column in columns and name not in events.COMMITTED:
            repeated.setdefault(name, column)
    return repeated


def _covered(kind: str, table: str) -> str:
    """The columns of a table that only a row's digest covers."""
    by_value = {KINDS[kind].key, *_repeated(kind).values()} if table == KINDS[kind].about else set()
    others = [column for column in events.bound_columns(table) if column not in by_value]
    return f"one of {', '.join(others)}" + (" or a column named apart" if by_value else "")


def unrecorded(lake: Lake, log: Log, files: TableFiles, bound: dict[str, np.ndarray]) -> None:
    """Rows without an event: left by an interrupted run, or put there after a run had ended.

    Args:
        bound: per file, which of its rows some event was about; only the other rows are looked up.
    """
    for kind in DAILY:
        table, key = KINDS[kind].about, str(KINDS[kind].key)
        for path in lake.files(table):
            flags = bound.get(path.relative_to(lake.root).as_posix())
            if flags is not None and flags.all():
                continue
            frame = files.read(table, path)
            if frame is None:
                continue
            rows = frame.select(key, "run_id")
            if flags is not None and len(flags) >= rows.height:
                rows = rows.filter(~pl.Series(flags[: rows.height].astype(bool)))
            logged = log.find(rows[key])["subject_id"].unique()
            bare = rows.filter(~pl.col(key).is_in(logged.implode()))
            ended = log.find(events.run_subjects(bare["run_id"].unique(), "end"))["run_id"]
            planted = bare.filter(pl.col("run_id").is_in(ended.implode()))
            if planted.height:
                files.findings.fail(
                    f"{path}: {planted.height} rows of {table} have no event although their run's end is "
                    f"recorded, first {planted[key][0][:12]}; they were put there"
                )
            if bare.height > planted.height:
                files.findings.note(
                    f"{path}: {bare.height - planted.height} rows of {table} are of an interrupted run; "
                    "the next one records them"
                )
