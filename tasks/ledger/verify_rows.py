"""Are the rows of the tables those that events bind?

Belongs here: which rows belong to a segment's events, and whether they say the same. Does not belong here:
the log itself (`ledger_verify.py`), reading files (`ledger_files.py`).

From the rows of a day the bytes that their events must have are built again, as far as they are known, and
compared with the bytes in the log; nothing is parsed. What differs is then parsed and named: table, file,
row, column where the event says it by value, else the group of columns that only the row's digest covers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from tasks.errors import IntegrityError
from tasks.lake.store import Lake
from tasks.ledger import canonical, events, recording
from tasks.ledger.log import Log
from tasks.ledger.rows import beside
from tasks.ledger.verify_files import Findings, Loaded, TableFiles
from tasks.ledger.verify_salts import Salts
from tasks.tables import OUTPUTS, PROBABILITIES

_SHOWN = 5
"""Rows of one table and segment that are named one by one; the rest is counted."""
_JUDGED = ("verification", "re-verification")
_BINDS_NOTHING = ",".join(
    f'"row_{t}":null' for t in ("actions", "claims", "evidence", "passages", "verdicts")
)
"""A claim that was judged again with the same result has an event and no row of its own."""


@dataclass
class RowsChecked:
    """Events that bind a row, by table; events whose rows were erased; per file, the rows with an event."""

    counts: dict[str, int] = field(default_factory=dict)
    erased: int = 0
    bound: dict[str, bytes] = field(default_factory=dict)


class RowChecks:
    """Checks rows segment by segment; keeps between segments what several of them need."""

    def __init__(self, files: TableFiles, salts: Salts, erased: frozenset[str]) -> None:
        self.files, self.salts, self.erased = files, salts, erased
        self.found = files.found
        self.checked = RowsChecked()
        self._bound: dict[str, np.ndarray] = {}

    def segment(self, frame: pl.DataFrame, known_schema: pl.Series) -> RowsChecked:
        """Checks the rows that a segment's events bind.

        Args:
            frame: rows of one segment.
            known_schema: whether this release knows the event's schema (Boolean, n).
        """
        self.found = self.files.found
        self.checked, self._bound = RowsChecked(), {}
        kinds = frame.filter(known_schema).select("sequence", "kind", "subject_id", "run_id", "event")
        days: set[date] = set()
        judged = kinds.filter(pl.col("kind").is_in(_JUDGED))
        judged = judged.filter(~judged["event"].bin.contains(_BINDS_NOTHING.encode()))
        days |= self._by_day(judged, self._verdicts)
        days |= self._by_day(kinds.filter(pl.col("kind") == "action"), self._actions)
        with self.found.catching():
            self._findings(kinds.filter(pl.col("kind") == "finding"), sorted(days))
        with self.found.catching():
            self._reviews(kinds.filter(pl.col("kind") == "review"))
        with self.found.catching():
            self._flips(kinds.filter(pl.col("kind") == "flip"))
        with self.found.catching():
            self._runs(kinds.filter(pl.col("kind") == "run"))
        with self.found.catching():
            self._health(kinds.filter(pl.col("kind") == "health"))
        self.checked.bound = {place: np.packbits(rows).tobytes() for place, rows in self._bound.items()}
        return self.checked

    # Which rows -----------------------------------------------------------------------------------------

    def _by_day(self, said: pl.DataFrame, check: Callable[[pl.DataFrame, date], None]) -> set[date]:
        """Rows stand in the partition of the day their output was given."""
        said = self._kept(said)
        days = pl.from_epoch(canonical.integer_field(said["event"], "produced_at_us"), "us").dt.date()
        found = days.drop_nulls().unique().sort().to_list()
        for day in found:
            with self.found.catching():
                check(said if len(found) == 1 and not days.null_count() else said.filter(days == day), day)
        return set(found)

    def _kept(self, said: pl.DataFrame) -> pl.DataFrame:
        """Events whose rows must be there, with `output_id`: the output was not erased and has its salt."""
        said = said.with_columns(output_id=canonical.text_field(said["event"], "output_id"))
        if said.is_empty():
            return said
        if self.erased:
            gone = said["output_id"].is_in(list(self.erased)).fill_null(value=False)
            self.checked.erased += int(gone.sum())
            said = said.filter(~gone)
        outputs = said["output_id"].unique(maintain_order=True)
        unsalted = outputs.filter(self.salts.of(outputs)["salt"].is_null())
        if unsalted.len():
            self.found.unknown(
                f"LAKE/vault/salts: the salts of {unsalted.len()} outputs are missing, so "
                f"their rows cannot be checked, first {str(unsalted[0])[:12]}; restore them"
            )
            said = said.filter(~said["output_id"].is_in(unsalted.implode()))
        return said

    def _verdicts(self, said: pl.DataFrame, day: date) -> None:
        """Verdict, claim, evidence, passages and action of each verification."""
        loaded = self.files.rows("verdicts", [day], "verdict_id", said["subject_id"])
        verdicts = self._mark(loaded, "verdict_id", said["subject_id"])
        frames = self._frames(verdicts, day)
        salts = self.salts.of(verdicts["output_id"].unique(maintain_order=True))
        digests = events.verification_rows(frames, salts)
        rows = beside(verdicts, digests, "verdict_id")
        known = _known(rows, "verified_at", subject="verdict_id", scaled=_SCALED)
        bad = self._differing("verification", said, known, _ROWS_OF_VERDICT)
        if bad.is_empty():
            return
        # An output may have several actions by now; the event names the one it binds.
        rows = rows.drop("action", "action_id", "row_actions").join(
            _named_actions(_decoded(bad, "verification"), frames["actions"], salts),
            on="verdict_id",
            how="inner",
            maintain_order="left",
        )
        known = _known(rows, "verified_at", subject="verdict_id", scaled=_SCALED)
        bad = self._differing("verification", bad, known, _ROWS_OF_VERDICT)
        if bad.is_empty():
            return
        spoken = _decoded(bad, "verification")
        with self._explaining(bad, "verdicts", loaded):
            for table in _ROWS_OF_VERDICT:
                self._compare(table, spoken, rows, "verdict_id", day=day, loaded=loaded)
            self._values(
                spoken.join(rows, left_on="subject_id", right_on="verdict_id", suffix="_row"), loaded
            )

    def _frames(self, verdicts: pl.DataFrame, day: date) -> dict[str, pl.DataFrame]:
        """Rows of the other tables that belong to verdicts of one day, and perhaps more."""
        claims = verdicts["claim_id"].unique(maintain_order=True)
        outputs = verdicts["output_id"].unique(maintain_order=True)
        evidence = self.files.rows("evidence", [day], "claim_id", claims).frame
        shown = evidence["passage_id"].unique(maintain_order=True)
        passages = self.files.rows("passages", [day], "passage_id", shown).frame
        if (evidence["origin"] == "corpus").any():
            elsewhere = self.files.corpus_passages(shown)
            passages = pl.concat([passages, elsewhere]).unique("passage_id", maintain_order=True)
        return {
            "verdicts": verdicts,
            "claims": self.files.rows("claims", [day], "claim_id", claims).frame,
            "evidence": evidence,
            "passages": passages,
            "actions": self.files.rows("actions", [day], "output_id", outputs).frame,
        }

    def _actions(self, said: pl.DataFrame, day: date) -> None:
        """Action and output of each action event."""
        loaded = self.files.rows("actions", [day], "action_id", said["subject_id"])
        actions = self._mark(loaded, "action_id", said["subject_id"])
        ids = actions["output_id"].unique(maintain_order=True)
        outputs = self.files.rows("outputs", [day], "output_id", ids)
        frames = {"actions": actions, "outputs": outputs.frame.unique("output_id", maintain_order=True)}
        digests = events.action_rows(frames, self.salts.of(ids))
        rows = beside(actions, digests, "action_id")
        bad = self._differing(
            "action", said, _known(rows, "decided_at", subject="action_id"), ("actions", "outputs")
        )
        if bad.height:
            spoken = _decoded(bad, "action")
            with self._explaining(bad, "actions", loaded):
                self._compare("actions", spoken, rows, "action_id", day=day, loaded=loaded)
                self._compare("outputs", spoken, rows, "action_id", day=day)

    def _findings(self, said: pl.DataFrame, days: Sequence[date]) -> None:
        """Findings stand on the day of their output, most often one that the segment's verdicts are of."""
        said = self._kept(said)
        if said.is_empty():
            return
        loaded = self.files.rows("findings", days, "finding_id", said["subject_id"])
        if not said["subject_id"].is_in(loaded.frame["finding_id"].implode()).all():
            loaded = self.files.rows("findings", None, "finding_id", said["subject_id"])
        rows = self._mark(loaded, "finding_id", said["subject_id"])
        salts = self.salts.of(rows["output_id"].unique(maintain_order=True))
        rows = rows.with_columns(row_findings=events.single_rows("findings", rows, salts))
        known = _known(
            rows.with_columns(finding="kind"), "found_at", subject="finding_id", scaled=("confidence",)
        )
        self._single("findings", "finding", said, rows, known, key="finding_id", loaded=loaded)

    def _reviews(self, said: pl.DataFrame) -> None:
        said = self._kept(said)
        if said.is_empty():
            return
        loaded = self.files.rows("reviews", None, "review_id", said["subject_id"])
        rows = self._mark(loaded, "review_id", said["subject_id"])
        if "output_id" not in rows.columns:
            rows = rows.join(
                said.select("output_id", review_id="subject_id"),
                on="review_id",
                how="left",
                maintain_order="left",
            )
        salts = self.salts.of(rows["output_id"].unique(maintain_order=True))
        rows = rows.with_columns(row_reviews=events.single_rows("reviews", rows, salts))
        # What the event says of the reviewer is a commitment.
        known = _known(rows.drop("reviewer"), "reviewed_at", subject="review_id")
        self._single("reviews", "review", said, rows, known, key="review_id", loaded=loaded)

    def _flips(self, said: pl.DataFrame) -> None:
        """Flips stand on the day of their output, as verdicts do."""
        said = self._kept(said)
        if said.is_empty():
            return
        given = canonical.integer_field(said["event"], "produced_at_us")
        days = pl.from_epoch(given, "us").dt.date().drop_nulls().unique().sort().to_list()
        loaded = self.files.rows("flips", days, "flip_id", said["subject_id"])
        rows = self._mark(loaded, "flip_id", said["subject_id"])
        salts = self.salts.of(rows["output_id"].unique(maintain_order=True))
        rows = rows.with_columns(row_flips=events.single_rows("flips", rows, salts))
        known = _known(rows, "found_at", subject="flip_id")
        self._single("flips", "flip", said, rows, known, key="flip_id", loaded=loaded)

    def _runs(self, said: pl.DataFrame) -> None:
        """The rows of runs, and the manifests of what they published."""
        said = said.filter(said["event"].bin.contains(b',"phase":"end",'))
        if said.is_empty():
            return
        loaded = self.files.all_rows("runs")
        rows = loaded.frame.filter(pl.col("run_id").is_in(said["run_id"].implode()))
        rows = rows.with_columns(
            subject=events.run_subjects(rows["run_id"], "end"),
            row_runs=events.single_rows("runs", rows, None),
            phase=pl.lit("end"),
        ).unique("subject", keep="first", maintain_order=True)
        known = _known(rows, "finished_at", subject="subject")
        self._single("runs", "run", said, rows, known, key="subject")
        spoken = canonical.text_field(said["event"], "commits_sha256")
        for run_id, expected in zip(said["run_id"], spoken, strict=True):
            with self.found.catching():
                if expected is not None and recording.commits_digest(self.files.root, run_id) != expected:
                    self.found.failed(
                        f"{self.files.root / 'runs' / run_id / 'commits'}: the manifests of this run name "
                        "other files than its event says"
                    )

    def _health(self, said: pl.DataFrame) -> None:
        """Rows of health alarms."""
        if said.is_empty():
            return
        rows = self.files.all_rows("health").frame.filter(~pl.col("ok"))
        rows = rows.with_columns(
            subject=events.health_subjects(rows),
            row_health=events.single_rows("health", rows, None),
            target_kind="kind",
        )
        known = _known(rows, "checked_at", subject="subject").unique("subject_id", maintain_order=True)
        self._single("health", "health", said, rows, known, key="subject")

    def _single(
        self,
        table: str,
        kind: str,
        said: pl.DataFrame,
        rows: pl.DataFrame,
        known: pl.DataFrame,
        *,
        key: str,
        loaded: Loaded | None = None,
    ) -> None:
        """Rows that an event binds by themselves."""
        bad = self._differing(kind, said, known, (table,))
        if bad.height:
            with self._explaining(bad, table, loaded):
                self._compare(table, _decoded(bad, kind), rows, key, loaded=loaded)

    def _mark(self, loaded: Loaded, key: str, wanted: pl.Series) -> pl.DataFrame:
        """The loaded rows that events are about, each once; which ones is kept, per file."""
        there = loaded.frame[key].is_in(wanted.implode())
        rows = loaded.frame if there.all() else loaded.frame.filter(there)
        for path, flags in loaded.split(there.to_numpy()):
            place = path.relative_to(self.files.root).as_posix()
            before = self._bound.get(place)
            self._bound[place] = flags if before is None else before | flags
        once = rows.unique(key, keep="first", maintain_order=True)
        if once.height != rows.height:
            twice = rows.filter(rows[key].is_duplicated())[key][0]
            self.found.failed(
                f"{loaded.table}: {rows.height - once.height} rows are there twice, first {twice[:12]} "
                f"({loaded.file_of(key, twice, self.files.root)})"
            )
        return once

    # Whether they say the same --------------------------------------------------------------------------

    def _differing(
        self, kind: str, said: pl.DataFrame, known: pl.DataFrame, tables: Sequence[str]
    ) -> pl.DataFrame:
        """Events that say something else than their rows; of the others, the rows they bind are counted."""
        fields = events.fields(kind)
        facts = beside(said.select("subject_id", "kind"), known.drop("kind", strict=False), "subject_id")
        schemas = {k: events.schema_id(k) for k in said["kind"].unique()}
        facts = facts.with_columns(_schema=pl.col("kind").replace_strict(schemas, return_dtype=pl.String))
        facts = facts.select(pl.col(n).cast(t) for n, t in fields.items() if n in facts.columns)
        good = canonical.says(said["event"], list(fields), facts)
        agreed = facts.filter(good)
        for table in tables:
            bound = agreed.height - agreed[f"row_{table}"].null_count()
            self.checked.counts[table] = self.checked.counts.get(table, 0) + bound
        return said.filter(~good)

    def _explaining(self, bad: pl.DataFrame, table: str, loaded: Loaded | None) -> _Explained:
        return _Explained(self.found, bad, table, loaded)

    def _values(self, joined: pl.DataFrame, loaded: Loaded) -> None:
        """Columns that the event says by value: named exactly where they differ."""
        if joined.is_empty():
            return
        scaled = joined.select(canonical.millionths(c) for c in _SCALED)
        pairs = [(name, joined[f"{name}_u6"], scaled[f"{name}_u6"]) for name in _SCALED]
        pairs += [(name, joined[name], joined[f"{name}_row"]) for name in _PLAIN]
        for column, said, row in pairs:
            for at in (~said.eq_missing(row)).arg_true().to_list()[:_SHOWN]:
                key = joined["subject_id"][at]
                self.found.failed(
                    f"verdicts: column {column} of row {key[:12]} is {row[at]}, event "
                    f"{joined['sequence'][at]} says {said[at]} "
                    f"({loaded.file_of('verdict_id', key, self.files.root)})"
                )

    def _compare(
        self,
        table: str,
        said: pl.DataFrame,
        rows: pl.DataFrame,
        key: str,
        *,
        day: date | None = None,
        loaded: Loaded | None = None,
    ) -> None:
        column = f"row_{table}"
        bound = said.filter(pl.col(column).is_not_null()).select("sequence", "subject_id", column)
        joined = bound.join(
            rows.select(pl.col(key).alias("subject_id"), pl.col(column).alias("there")).unique("subject_id"),
            on="subject_id",
            how="left",
            maintain_order="left",
        )
        self.checked.counts[table] = self.checked.counts.get(table, 0) + joined.height
        wrong = joined.filter(~pl.col(column).eq_missing(pl.col("there")))
        folder = self.files.root / "tables" / table
        place = str(folder if day is None else folder / f"date={day}")
        shown = wrong.select("sequence", "subject_id", "there").head(_SHOWN)
        for sequence, subject, there in shown.iter_rows():
            what = "a row is missing" if there is None else f"a row differs in {_group(table)}"
            own = loaded is not None and loaded.table == table
            where = loaded.file_of(key, subject, self.files.root) if own and loaded else place
            self.found.failed(f"{table}: {what}, bound by event {sequence} about {subject[:12]} ({where})")
        more = wrong.height - _SHOWN
        if more > 0:
            self.found.failed(f"{table}: {more} more rows differ or are missing ({place})")


class _Explained:
    """What differs must be named: where no closer look finds a reason, the difference is the finding."""

    def __init__(self, found: Findings, bad: pl.DataFrame, table: str, loaded: Loaded | None) -> None:
        self.found, self.bad, self.table, self.loaded = found, bad, table, loaded

    def __enter__(self) -> None:
        self.before = len(self.found.failures)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and len(self.found.failures) == self.before:
            first = self.bad["sequence"][0]
            self.found.failed(
                f"{self.table}: {self.bad.height} events do not say what their rows say, first event {first} "
                f"about {self.bad['subject_id'][0][:12]}"
            )


_ROWS_OF_VERDICT = ("verdicts", "claims", "evidence", "passages", "actions")
_SCALED = (*PROBABILITIES, "threshold_supported", "threshold_contradicted")
_PLAIN = ("verdict", "policy", "verifier", "snapshot", "is_conflict", "output_id", "claim_id", "run_id")
_BY_VALUE = {"verdicts": {*_SCALED, *_PLAIN, "verdict_id"}}
"""Columns that an event says by value, so that a difference is named exactly."""


def _known(rows: pl.DataFrame, time: str, *, subject: str, scaled: Sequence[str] = ()) -> pl.DataFrame:
    """Fields of events as their rows say them, under the fields' names; `subject_id` is the key.

    A number that no event can say (NaN, beyond 2^53) becomes null, which no event says in its place.
    """
    facts = rows.with_columns(
        canonical.microseconds(time, "occurred_at_us"),
        *(canonical.millionths(c) for c in scaled),
        pl.col(subject).alias("subject_id"),
    )
    if "produced_at" in rows.columns:
        facts = facts.with_columns(canonical.microseconds("produced_at"))
    if "verdict_ids" in rows.columns:
        facts = facts.with_columns(events.verdicts_digest(rows["verdict_ids"]))
    sayable = pl.col(pl.Int64).abs() <= canonical.MAX_INTEGER
    return facts.with_columns(pl.when(sayable).then(pl.col(pl.Int64)))


def _decoded(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Events as typed fields, with their sequence."""
    fields: dict[str, Any] = {
        name: dtype for name, dtype in events.fields(kind).items() if not dtype.is_nested()
    }
    if frame.is_empty():
        return pl.DataFrame(schema={"sequence": pl.Int64, **fields})
    try:
        body = frame["event"].cast(pl.String).str.json_decode(pl.Struct(fields)).struct.unnest()
    except pl.exceptions.PolarsError:
        first, last = frame["sequence"][0], frame["sequence"][-1]
        raise IntegrityError(f"events {first} to {last}: the bytes of a {kind} are not its JSON") from None
    return body.with_columns(sequence=frame["sequence"])


def _named_actions(spoken: pl.DataFrame, actions: pl.DataFrame, salts: pl.DataFrame) -> pl.DataFrame:
    """verdict_id, action_id, action and row_actions: the row of the action that each event names."""
    digests = events.action_rows({"actions": actions, "outputs": OUTPUTS.empty()}, salts)
    there = actions.select("action_id", "action").join(
        digests.select("action_id", "row_actions"), on="action_id", how="left"
    )
    named = spoken.select("action_id", verdict_id="subject_id").unique("verdict_id", maintain_order=True)
    return named.join(there.unique("action_id"), on="action_id", how="left", maintain_order="left")


def _group(table: str) -> str:
    by_value = _BY_VALUE.get(table, set())
    others = [c for c in events.bound_columns(table) if c not in by_value]
    return f"one of {', '.join(others)}" + (" or a column named apart" if by_value else "")


RECORDED = {
    "verdicts": "verdict_id",
    "actions": "action_id",
    "findings": "finding_id",
    "flips": "flip_id",
}
"""Tables each of whose rows has an event about it, and the column that event is about."""


def unrecorded(lake: Lake, opened: Log, files: TableFiles, bound: dict[str, np.ndarray]) -> None:
    """Rows without an event: left by an interrupted run, or put there after a run had ended.

    Args:
        bound: per file, which of its rows some event was about; only the other rows are looked up.
    """
    found = files.found
    for table, key in RECORDED.items():
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
            logged = opened.find(rows[key])["subject_id"].unique()
            bare = rows.filter(~pl.col(key).is_in(logged.implode()))
            if bare.is_empty():
                continue
            ended = opened.find(events.run_subjects(bare["run_id"].unique(), "end"))["run_id"]
            planted = bare.filter(pl.col("run_id").is_in(ended.implode()))
            if planted.height:
                found.failed(
                    f"{path}: {planted.height} rows of {table} have no event although their run's end is "
                    f"recorded, first {planted[key][0][:12]}; they were put there"
                )
            if bare.height > planted.height:
                found.noticed(
                    f"{path}: {bare.height - planted.height} rows of {table} are of an interrupted run; "
                    "the next one records them"
                )
