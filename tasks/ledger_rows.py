"""Are the rows of the tables those that events bind?

Belongs here: recomputing the digests of rows and naming the table, file, row and columns that differ. Does
not belong here: the log itself (`ledger_verify.py`).

A differing row is named by key and file. Which columns differ is known for those that the event says by
value; for the others the finding names them as a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tasks import ledger, parquet, verification
from tasks.log import Log
from tasks.pure import canonical, events
from tasks.pure.errors import ClaimledgerError, IntegrityError
from tasks.pure.notes import NoteError
from tasks.pure.tables import TABLES
from tasks.store import Lake

_SHOWN = 5
"""Rows of one table and segment that are named one by one; the rest is counted."""


@dataclass
class Findings:
    """Sentences: what failed, what could not be judged, what is worth knowing."""

    failures: list[str]
    unknowns: list[str]
    notices: list[str]

    def failed(self, sentence: str) -> None:
        """A check that did not hold."""
        if sentence not in self.failures:
            self.failures.append(sentence)

    def unknown(self, sentence: str) -> None:
        """Something that could not be judged for want of a key, a schema or a file."""
        self.unknowns.append(sentence)

    def noticed(self, sentence: str) -> None:
        """Nothing wrong, and worth knowing."""
        self.notices.append(sentence)

    @contextmanager
    def catching(self, *, silently: bool = False) -> Iterator[None]:
        """A check that cannot go on is itself a finding, and the next check follows."""
        try:
            yield
        except (ClaimledgerError, NoteError) as error:
            if not silently:
                self.failed(str(error))
        except OSError as error:
            if not silently:
                self.failed(f"{error.filename}: cannot be read ({error.strerror})")


def check_rows(
    lake: Lake, frame: pl.DataFrame, salts: pl.DataFrame, erased: set[str], found: Findings
) -> tuple[dict[str, int], int]:
    """Checks the rows that a segment's events bind.

    Args:
        frame: rows of one segment.
        salts: output_id and salt of all outputs.
        erased: outputs that an erasure event names; their rows may be gone.

    Returns:
        Rows checked by table, and events whose rows were erased.
    """
    checker = _Checker(lake, salts, erased, found)
    judged = frame.filter(pl.col("kind").is_in(["verification", "re-verification"]))
    checker.by_day(_decoded(judged, "verification"), checker.verdicts)
    checker.by_day(_decoded(frame.filter(pl.col("kind") == "action"), "action"), checker.actions)
    found_events = _decoded(frame.filter(pl.col("kind") == "finding"), "finding")
    checker.simple("findings", found_events, "finding_id", "row_findings")
    checker.simple(
        "reviews", _decoded(frame.filter(pl.col("kind") == "review"), "review"), "review_id", "row_reviews"
    )
    checker.simple("flips", _decoded(frame.filter(pl.col("kind") == "flip"), "flip"), "flip_id", "row_flips")
    runs = _decoded(frame.filter(pl.col("kind") == "run"), "run")
    checker.runs(runs.filter(pl.col("phase") == "end"))
    checker.health(_decoded(frame.filter(pl.col("kind") == "health"), "health"))
    return checker.counts, checker.erased_events


def _decoded(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Events as typed fields, with their sequence."""
    fields = {
        name: dtype for name, dtype in events.fields(kind).items() if name not in ("evidence", "policies")
    }
    if frame.is_empty():
        return pl.DataFrame(schema={"sequence": pl.Int64, **fields})
    try:
        body = frame["event"].cast(pl.String).str.json_decode(pl.Struct(fields)).struct.unnest()
    except pl.exceptions.PolarsError:
        first, last = frame["sequence"][0], frame["sequence"][-1]
        raise IntegrityError(f"events {first} to {last}: the bytes of a {kind} are not its JSON") from None
    return body.with_columns(sequence=frame["sequence"])


class _Checker:
    def __init__(self, lake: Lake, salts: pl.DataFrame, erased: set[str], found: Findings) -> None:
        self.lake, self.salts, self.erased, self.found = lake, salts, erased, found
        self.counts: dict[str, int] = {}
        self.erased_events = 0

    def by_day(self, said: pl.DataFrame, check: Any) -> None:
        """Rows stand in the partition of the day their output was given."""
        said = self._kept(said)
        days = pl.from_epoch(said["produced_at_us"], "us").dt.date()
        for day in days.drop_nulls().unique().sort().to_list():
            with self.found.catching():
                check(said.filter(days == day), day)

    def _kept(self, said: pl.DataFrame) -> pl.DataFrame:
        """Events whose rows must be there: the output was not erased."""
        gone = said["output_id"].is_in(list(self.erased))
        self.erased_events += int(gone.sum())
        said = said.filter(~gone)
        unsalted = said.join(self.salts, on="output_id", how="anti")
        if unsalted.height:
            self.found.unknown(
                f"LAKE/vault/salts: the salts of {unsalted['output_id'].n_unique()} outputs are missing, so "
                f"their rows cannot be checked, first {unsalted['output_id'][0][:12]}; restore them"
            )
        return said.join(self.salts, on="output_id", how="semi", maintain_order="left")

    def verdicts(self, said: pl.DataFrame, day: date) -> None:
        """Verdict, claim, evidence, passages and action of each verification."""

        def rows(table: str) -> pl.LazyFrame:
            return self._scan(table, day, day)

        wanted = said.lazy().select(verdict_id="subject_id").unique()
        verdicts = rows("verdicts").join(wanted, on="verdict_id", how="semi").collect()
        frames = ledger.verdict_frames(self.lake, rows, verdicts)
        found = events.verification_rows(frames, self.salts)
        for table in ("verdicts", "claims", "evidence", "passages", "actions"):
            self._compare(table, said, found, "verdict_id", day)
        # Judged again with the same result, a claim has an event and no row of its own.
        own = said.filter(pl.col("row_verdicts").is_not_null())
        joined = own.join(verdicts, left_on="subject_id", right_on="verdict_id", suffix="_row")
        self._values(joined, day)

    def _values(self, joined: pl.DataFrame, day: date) -> None:
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
                    f"{joined['sequence'][at]} says {said[at]} ({self._file('verdicts', key, day)})"
                )

    def actions(self, said: pl.DataFrame, day: date) -> None:
        """Action and output of each action event."""
        wanted = said.lazy().select(action_id="subject_id").unique()
        found = self._scan("actions", day, day).join(wanted, on="action_id", how="semi").collect()
        outputs = self._scan("outputs", day, day).join(
            found.lazy().select("output_id").unique(), on="output_id", how="semi"
        )
        digests = events.action_rows({"actions": found, "outputs": outputs.collect()}, self.salts)
        self._compare("actions", said, digests, "action_id", day)
        self._compare("outputs", said, digests, "action_id", day)

    def simple(self, table: str, said: pl.DataFrame, key: str, column: str) -> None:
        """Rows that an event binds by themselves."""
        if said.is_empty():
            return
        said = self._kept(said)
        wanted = said.lazy().select(pl.col("subject_id").alias(key), "output_id").unique()
        rows = self._scan(table).join(wanted.select(key), on=key, how="semi").collect()
        if "output_id" not in rows.columns:
            rows = rows.join(wanted.collect(), on=key, how="left", maintain_order="left")
        digests = events.single_rows(table, rows, self.salts)
        self._compare(table, said, rows.select(key).with_columns(digests.alias(column)), key, None)

    def runs(self, said: pl.DataFrame) -> None:
        """The rows of runs, and the manifests of what they published."""
        if said.is_empty():
            return
        rows = self._scan("runs").filter(pl.col("run_id").is_in(said["run_id"].implode())).collect()
        subjects = events.run_subjects(rows["run_id"], "end")
        digests = events.single_rows("runs", rows, None)
        self._compare("runs", said, pl.DataFrame({"run": subjects, "row_runs": digests}), "run", None)
        for run_id, expected in said.select("run_id", "commits_sha256").iter_rows():
            with self.found.catching():
                if expected is not None and ledger.commits_digest(self.lake.root, run_id) != expected:
                    self.found.failed(
                        f"{self.lake.root / 'runs' / run_id / 'commits'}: the manifests of this run name "
                        "other files than its event says"
                    )

    def health(self, said: pl.DataFrame) -> None:
        """Rows of health alarms."""
        if said.is_empty():
            return
        rows = self._scan("health").filter(~pl.col("ok")).collect()
        subjects = events.health_subjects(rows)
        digests = events.single_rows("health", rows, None)
        self._compare("health", said, pl.DataFrame({"alarm": subjects, "row_health": digests}), "alarm", None)

    def _scan(self, table: str, since: date | None = None, until: date | None = None) -> pl.LazyFrame:
        return _readable(self.lake, table, self.lake.files(table, since=since, until=until), self.found)

    def _compare(
        self, table: str, said: pl.DataFrame, rows: pl.DataFrame, key: str, day: date | None
    ) -> None:
        column = f"row_{table}"
        bound = said.filter(pl.col(column).is_not_null()).select("sequence", "subject_id", column)
        joined = bound.join(
            rows.select(pl.col(key).alias("subject_id"), pl.col(column).alias("there")).unique("subject_id"),
            on="subject_id",
            how="left",
            maintain_order="left",
        )
        self.counts[table] = self.counts.get(table, 0) + joined.height
        wrong = joined.filter(~pl.col(column).eq_missing(pl.col("there")))
        shown = wrong.select("sequence", "subject_id", "there").head(_SHOWN)
        for sequence, subject, there in shown.iter_rows():
            what = "a row is missing" if there is None else f"a row differs in {self._group(table)}"
            place = self._file(table, subject, day) if table in _OWN_KEY else self._folder(table, day)
            self.found.failed(f"{table}: {what}, bound by event {sequence} about {subject[:12]} ({place})")
        more = wrong.height - _SHOWN
        if more > 0:
            self.found.failed(f"{table}: {more} more rows differ or are missing ({self._folder(table, day)})")

    @staticmethod
    def _group(table: str) -> str:
        by_value = _BY_VALUE.get(table, set())
        others = [c for c in events.bound_columns(table) if c not in by_value]
        return f"one of {', '.join(others)}" + (" or a column named apart" if by_value else "")

    def _folder(self, table: str, day: date | None) -> str:
        folder = self.lake.root / "tables" / table
        return str(folder if day is None else folder / f"date={day}")

    def _file(self, table: str, key: str, day: date | None) -> str:
        column = _OWN_KEY[table]
        for path in self.lake.files(table, since=day, until=day):
            rows = _readable(self.lake, table, [path], self.found)
            there = rows.filter(pl.col(column) == key).select(column).collect()
            if there.height:
                return str(path)
        return self._folder(table, day)


_OWN_KEY = {
    "verdicts": "verdict_id",
    "actions": "action_id",
    "findings": "finding_id",
    "reviews": "review_id",
    "flips": "flip_id",
}
"""Tables whose row is the subject of the event that binds it, so that its file can be named."""
_SCALED = ("p_supported", "p_contradicted", "p_insufficient", "threshold_supported", "threshold_contradicted")
_PLAIN = ("verdict", "policy", "verifier", "snapshot", "is_conflict", "output_id", "claim_id", "run_id")
_BY_VALUE = {"verdicts": {*_SCALED, *_PLAIN, "verdict_id"}}
"""Columns that an event says by value, so that a difference is named exactly."""


def _readable(lake: Lake, table: str, files: Sequence[Path], found: Findings) -> pl.LazyFrame:
    """Rows of files. Bytes that no commit wrote never reach Polars, which may abort on them.

    What PyArrow and its page checksums still make of such a file is looked at, so that an edited row can be
    named; what they cannot read is a finding.
    """
    good, others = [], []
    for path in files:
        try:
            verification.check(lake.root, [path])
            good.append(path)
        except IntegrityError:
            try:
                others.append(parquet.decode(TABLES[table], path.read_bytes()).lazy())
            except Exception as error:  # noqa: BLE001 - a reader of hostile bytes may raise anything
                first = str(error).splitlines()[0] if str(error) else type(error).__name__
                found.failed(f"{path}: cannot be read as {table} ({first[:120]})")
    return pl.concat([parquet.scan(TABLES[table], good), *others])


def unrecorded(lake: Lake, opened: Log, found: Findings) -> None:
    """Rows without an event: left by an interrupted run, or put there after a run had ended."""
    for table in ("verdicts", "actions", "findings", "flips"):
        key = _OWN_KEY[table]
        for path in lake.files(table):
            rows = _readable(lake, table, [path], found).select(key, "run_id").collect()
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
