"""Pulls what is new from every source, once each, staged by day for the stages that follow.

Several sources at once, the same record twice, a changed record, units of a day, and the sum that must come
out; how one source is read is in a module of its own.

Texts are held for one batch or one unit at a time; of every other record only its ids are kept (some 200
bytes each), because a record and the one it supersedes may be far apart.
"""

from __future__ import annotations

import errno
import gc
import io
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from tasks.errors import GateError, SourceError
from tasks.files import durable
from tasks.files.inputs import InputFile
from tasks.files.limits import LimitSettings
from tasks.sources import counting, kinds
from tasks.sources.base import LEFT_OUT, Batch, Marks, Scope
from tasks.sources.counting import READ, SET_ASIDE, Receipt
from tasks.sources.minimise import Taken
from tasks.sources.parameters import SourceSettings
from tasks.sources.sample import draw
from tasks.sources.units import Unit
from tasks.tables import OUTPUTS, QUARANTINE

UNIT_BYTES = 64 * 2**20
"""A unit is closed early at this size, so that 500 answers of 2 MB do not meet in memory."""
COLLECTED_AFTER = 100_000
"""New objects after which Python looks for circles among them; some 10 MB that may wait."""
RETRY_DELAYS_S = (2.0, 10.0)
"""A mount or a server that restarts is back within seconds; longer outages are for the next night."""
REFUSED_RECORDS = 3
"""Fewer refused records than this are accidents of rows, whatever their share of the source."""


KEYS = ("_sequence", "source", "source_id", "output_id", "delivered_at", "action_taken")
"""What is kept of every record."""


def watermark(source: str) -> str:
    """Name of the lake's state that holds a source's marks."""
    return f"watermark-{source}"


class Lake(Protocol):
    """What the pull needs of the store."""

    def work(self, run_id: str) -> Path:
        """The run's private scratch folder."""
        ...

    def scan(self, table: str, *, since: date | None = None, until: date | None = None) -> pl.LazyFrame:
        """Published rows."""
        ...

    def read_state(self, name: str) -> Marks:
        """A small JSON document, empty where there is none."""
        ...

    def write_state(self, name: str, value: Mapping[str, Any]) -> None:
        """Keeps a small JSON document."""
        ...

    def commit(self, run_id: str, unit: str, frames: Mapping[str, pl.DataFrame], *, run_day: date) -> object:
        """Publishes rows once."""
        ...


DELIVERED = {name: OUTPUTS.schema[name] for name in ("output_id", "delivered_at", "action_taken")}
"""When an output was delivered and what was done with it; one of both may be null."""


@dataclass(frozen=True)
class Pulled:
    """What a pull brought.

    records_in == outputs + duplicates + already_there + quarantined + filtered + joined
    """

    units: list[Unit]
    records_in: int
    duplicates: int
    """The same record again within this pull."""
    already_there: int
    """Records that the lake has, byte for byte."""
    quarantined: int
    quarantine_paths: list[Path]
    """Staged Parquet files with rows of QUARANTINE."""
    marks: dict[str, Marks]
    """By source; to be written with `lake.write_state(watermark(source), marks)` once all is published."""
    problems: list[str]
    """Sources or files that could not be read: the answer is bad, exit status 1."""
    warnings: list[str]
    """Files some of whose records are in quarantine: where, why, how many."""
    by_source: dict[str, int]
    """Records in, by source."""
    unhealthy: dict[str, str]
    """The first problem of each source that has one."""
    filtered: int = 0
    """Records that a source's `where` left out."""
    joined: int = 0
    """Records that became part of another one by a source's `join`."""
    sampled_out: int = 0
    """Answers that a source's `sample` did not draw."""
    lacks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By source that could not tell everything of its answers, counts of what it lacked."""
    minimised: Mapping[str, Taken] = field(default_factory=dict)
    """By source that is minimised, how many values were dropped, hashed and masked, by path."""
    inputs: Sequence[InputFile] = ()
    """Files that were read."""
    receipt: Receipt | None = None
    """What was read, and what the sources count of its days."""
    delivered: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DELIVERED))
    """What records say of deliveries (DELIVERED), also of outputs that earlier runs published."""

    @property
    def outputs(self) -> int:
        """Outputs that are new."""
        return sum(unit.rows for unit in self.units)

    def publish_quarantine(self, lake: Lake, run_id: str, now: datetime) -> None:
        """Publishes the staged quarantine; rows that an earlier run refused already are not written again."""
        for path in self.quarantine_paths:
            lake.commit(
                run_id,
                f"pull-quarantine-{path.stem}",
                {QUARANTINE.name: pl.read_parquet(path)},
                run_day=now.date(),
            )


@dataclass
class _Staged:
    """What one source leaves behind."""

    source: str
    folder: Path
    first: int
    """Number of its first record: records are numbered through all sources."""
    marks: Marks
    inputs: dict[str, str] = field(default_factory=dict)
    keys: list[pl.DataFrame] = field(default_factory=list)
    days: dict[date, list[Path]] = field(default_factory=dict)
    quarantine_paths: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    quarantined: int = 0
    outputs: int = 0
    records_in: int = 0
    filtered: int = 0
    joined: int = 0
    sampled_out: int = 0
    first_refusal: str = ""
    lacks: Counter[str] = field(default_factory=Counter)
    minimised: Counter[str] = field(default_factory=Counter)
    aside: dict[str, str] = field(default_factory=dict)


def pull_sources(
    sources: Sequence[SourceSettings],
    limits: LimitSettings,
    lake: Lake,
    *,
    unit_outputs: int,
    retries: int,
    refused_share: float,
    run_id: str,
    now: datetime,
    since: date | None,
    until: date | None,
    pause: Callable[[float], None] = time.sleep,
) -> Pulled:
    """Pulls all sources: (1) stage every batch by day, (2) find by ids what is new and what it supersedes,
    (3) cut each day's new outputs into units.

    A source that fails in a way that may pass is read again from its start, `retries` times, after
    `pause` of RETRY_DELAYS_S seconds. A source that cannot be read becomes a problem, and the others go on;
    what it gave before it failed is kept. A source of which more than `refused_share` is refused is a problem
    too, and its marks stay where they were, so that a corrected mapping finds the records again. Nothing
    outside the run's scratch folder is written; watermarks are the caller's to write after publishing.

    Raises:
        GateError: the sum does not come out. LakeError: from the lake, or its disk.
    """
    folder = lake.work(run_id) / "pull"
    shutil.rmtree(folder, ignore_errors=True)
    staged: list[_Staged] = []
    for source in sources:
        marks = lake.read_state(watermark(source.name))
        own = folder / f"{len(staged):06d}"
        scope = Scope(
            limits=limits, marks=marks, run_id=run_id, now=now, since=since, until=until, work=own / "work"
        )
        batches = partial(_batches, source, scope)
        empty = _Staged(source.name, own, sum(part.outputs for part in staged), marks)
        with _collecting_seldom():
            staged.append(_read_patiently(batches, empty, retries, pause))
        _suspect(staged[-1], marks, refused_share)
    new, duplicates, already_there = _new([keys for part in staged for keys in part.keys], lake)
    with durable.touching(folder):
        units = list(_units(new, staged, folder, unit_outputs))
    for part in staged:
        for name in ("batches", "work"):
            shutil.rmtree(part.folder / name, ignore_errors=True)
    receipt = _counted(sources, staged, lake, folder, now=now, since=since, until=until)
    is_said = pl.any_horizontal(pl.col("delivered_at", "action_taken").is_not_null())
    keys = [part.filter(is_said).select(*DELIVERED) for each in staged for part in each.keys]
    delivered = pl.concat([pl.DataFrame(schema=DELIVERED), *keys]).unique("output_id", keep="last")
    pulled = _pulled(staged, units, duplicates, already_there)
    pulled = replace(pulled, receipt=receipt, delivered=delivered)
    known = duplicates + already_there
    left_out = pulled.filtered + pulled.joined + pulled.sampled_out
    accounted = pulled.outputs + known + pulled.quarantined + left_out
    if accounted != pulled.records_in:
        raise GateError(
            f"pull: {pulled.records_in} records came in and {accounted} are accounted for; "
            "nothing was published, report this"
        )
    return pulled


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Records are many small objects without circles: looking through them for circles after every 700 new
    ones, as Python does by default, costs a sixth of the pull.
    """
    before = gc.get_threshold()
    gc.set_threshold(COLLECTED_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _counted(
    sources: Sequence[SourceSettings],
    staged: Sequence[_Staged],
    lake: Lake,
    folder: Path,
    *,
    now: datetime,
    since: date | None,
    until: date | None,
) -> Receipt:
    """What was read, beside what each source counts of the same days."""
    names = READ.names()
    read = [keys.rename({"_day": "day"}).select(names) for part in staged for keys in part.keys]
    aside = [
        {"source": part.source, "id": identity, "fate": fate}
        for part in staged
        for identity, fate in part.aside.items()
    ]
    with durable.touching(folder):
        return counting.ask(
            sources, lake, folder / "counts", read=pl.concat([READ.to_frame(), *read]),
            aside=pl.DataFrame(aside, SET_ASIDE), now=now, since=since, until=until,
        )  # fmt: skip


def _pulled(staged: Sequence[_Staged], units: list[Unit], duplicates: int, already_there: int) -> Pulled:
    return Pulled(
        units=units,
        records_in=sum(part.records_in for part in staged),
        duplicates=duplicates,
        already_there=already_there,
        quarantined=sum(part.quarantined for part in staged),
        quarantine_paths=[path for part in staged for path in part.quarantine_paths],
        marks={part.source: part.marks for part in staged},
        problems=[problem for part in staged for problem in part.problems],
        warnings=[warning for part in staged for warning in part.warnings],
        by_source={part.source: part.records_in for part in staged},
        unhealthy={part.source: part.problems[0] for part in staged if part.problems},
        filtered=sum(part.filtered for part in staged),
        joined=sum(part.joined for part in staged),
        sampled_out=sum(part.sampled_out for part in staged),
        lacks={part.source: dict(part.lacks) for part in staged if part.lacks},
        minimised={part.source: dict(part.minimised) for part in staged if part.minimised},
        inputs=[
            InputFile(part.source, name, sha256) for part in staged for name, sha256 in part.inputs.items()
        ],
    )


def _suspect(staged: _Staged, marks: Marks, refused_share: float) -> None:
    """Most records of a source refused is no accident of rows: a problem, and nothing is marked as read."""
    refused, records = staged.quarantined, staged.records_in - staged.filtered - staged.joined
    if refused >= REFUSED_RECORDS and refused > refused_share * records:
        staged.problems.insert(
            0,
            f"source {staged.source!r}: {refused} of {records} records were refused and not audited, the "
            f"first at {staged.first_refusal}; correct [sources.fields] or the export, and run again",
        )
        staged.marks = dict(marks)


def _read_patiently(
    batches: Callable[[], Iterator[Batch]], empty: _Staged, retries: int, pause: Callable[[float], None]
) -> _Staged:
    """Stages a source, from its start again where it fails in a way that may pass."""
    for attempt in range(1 + retries):
        shutil.rmtree(empty.folder, ignore_errors=True)
        staged = _Staged(empty.source, empty.folder, empty.first, dict(empty.marks))
        failure = _read(batches(), staged)
        if failure is None:
            return staged
        if attempt == retries or not _may_pass(failure):
            break
        pause(RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S) - 1)])
    often = f" (tried {attempt + 1} times)" if attempt else ""
    staged.problems.append(f"source {staged.source!r}: {failure}{often}")
    return staged


def _batches(source: SourceSettings, scope: Scope) -> Iterator[Batch]:
    """The source's batches; a generator, so that a source that fails when it is opened fails in `next`."""
    for batch in kinds.SOURCES[source.kind].pull(source, scope):
        if source.sample is None:
            yield batch
        else:
            drawn = draw(batch.outputs, source.sample)
            others = batch.outputs.join(drawn, on="output_id", how="anti")
            yield replace(
                batch, outputs=drawn, sampled_out=others.height,
                aside={**batch.aside, **dict.fromkeys(others["source_id"], LEFT_OUT)},
            )  # fmt: skip


def _read(batches: Iterator[Batch], staged: _Staged) -> SourceError | OSError | None:
    """Stages a source's batches; gives what ended it early."""
    while True:
        try:
            batch = next(batches, None)
        except (SourceError, OSError) as failure:
            return failure
        if batch is None:
            return None
        # Outside the try: a lake that cannot be written is no fault of the source.
        with durable.touching(staged.folder):
            _stage(batch, staged)


def _may_pass(failure: Exception) -> bool:
    """Whether the world may be well again in seconds; a missing file or a wrong path will not be."""
    if isinstance(failure, ConnectionError | TimeoutError | InterruptedError):
        return True
    return isinstance(failure, OSError) and failure.errno in (errno.EIO, errno.ESTALE)


def _stage(batch: Batch, staged: _Staged) -> None:
    """Writes a batch, and counts it only once it is written."""
    start = staged.first + staged.outputs
    outputs = batch.outputs.with_columns(_sequence=pl.int_range(pl.len(), dtype=pl.Int64) + start)
    day = pl.col("produced_at").dt.date()
    written: dict[date, Path] = {}
    for (of_day,), rows in outputs.group_by(day, maintain_order=True):
        if not isinstance(of_day, date):
            raise TypeError("produced_at has no day")
        path = staged.folder / "batches" / of_day.isoformat() / f"{start:012d}.parquet"
        written[of_day] = _write(rows, path)
    if batch.quarantine.height:
        first = batch.quarantine.row(0, named=True)
        staged.first_refusal = staged.first_refusal or f"{first['locator']}: {first['reason']}"
        # The stem names the commit, so it is another for every source.
        name = f"{staged.folder.name}-{len(staged.quarantine_paths):06d}.parquet"
        rows = batch.quarantine.select(QUARANTINE.schema.names())
        staged.quarantine_paths.append(_write(rows, staged.folder / "quarantine" / name))
    for of_day, path in written.items():
        staged.days.setdefault(of_day, []).append(path)
    staged.keys.append(outputs.select(*KEYS, day.alias("_day")))
    staged.outputs += outputs.height
    staged.quarantined += batch.quarantine.height
    staged.records_in += batch.records_in
    staged.filtered += batch.filtered
    staged.joined += batch.joined
    staged.sampled_out += batch.sampled_out
    staged.lacks.update(batch.lacks)
    staged.minimised.update(batch.minimised)
    staged.aside |= batch.aside
    staged.marks.update(batch.marks)
    staged.inputs.update(batch.inputs)
    staged.problems += batch.problems
    staged.warnings += batch.warnings


def _write(frame: pl.DataFrame, path: Path) -> Path:
    # Through memory, which holds the frame: writing by itself, Polars calls a full disk a ComputeError.
    data = io.BytesIO()
    frame.write_parquet(data, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.getbuffer())
    return path


def _new(parts: Sequence[pl.DataFrame], lake: Lake) -> tuple[pl.DataFrame, int, int]:
    """Keys of new outputs with what they supersede; how many were the same twice, or known already."""
    if not parts:
        return pl.DataFrame(schema={"_sequence": pl.Int64, "_day": pl.Date, "supersedes": pl.String}), 0, 0
    keys = pl.concat(parts)
    once = keys.unique("output_id", keep="first", maintain_order=True)
    table = lake.scan(OUTPUTS.name)
    # By output_id alone: an erased output has lost its source_id, and must not come back with its text.
    published = (
        table.select("output_id")
        .join(once.lazy().select("output_id"), on="output_id", how="semi")
        .collect(engine="streaming")
    )
    new = once.join(published, on="output_id", how="anti", maintain_order="left")
    # One pass over the id columns of the whole lake: an earlier version may be of any day.
    earlier = (
        table.select("source", "source_id", "output_id", "supersedes", "ingested_at")
        .join(new.lazy().select("source", "source_id").unique(), on=["source", "source_id"], how="semi")
        .collect(engine="streaming")
    )
    linked = _supersede(new, earlier).select("_sequence", "_day", "supersedes")
    return linked, keys.height - once.height, once.height - new.height


def _supersede(new: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """`new` with `supersedes`: the version before it, among the new ones or in the lake.

    A run that was killed may have published a version and not the one it supersedes, which is new again.
    Such versions come after the new one they name and not before it, so that the chain is the same as if
    the run had not been killed.
    """
    key = ["source", "source_id"]
    hanging = earlier.join(new.select(supersedes="output_id"), on="supersedes", how="semi")
    chain = [hanging.select("output_id", after="supersedes")]
    while chain[-1].height:
        above = chain[-1].rename({"output_id": "supersedes"})
        chain.append(earlier.join(above, on="supersedes").select("output_id", "after"))
    # Of versions that one run brought together, the last is the one that no other supersedes.
    last = (
        earlier.join(earlier.select(output_id="supersedes").drop_nulls().unique(), on="output_id", how="anti")
        .join(pl.concat(chain), on="output_id", how="left")
        .sort("ingested_at", "output_id")
    )
    before = last.filter(pl.col("after").is_null()).group_by(key).agg(_before=pl.col("output_id").last())
    behind = last.drop_nulls("after").group_by(_previous="after").agg(_behind=pl.col("output_id").last())
    return (
        new.with_columns(_previous=pl.col("output_id").shift(1).over(key))
        .join(before, on=key, how="left", maintain_order="left")
        .join(behind, on="_previous", how="left", maintain_order="left")
        .with_columns(supersedes=pl.coalesce("_behind", "_previous", "_before"))
    )


def _units(new: pl.DataFrame, staged: Sequence[_Staged], folder: Path, most: int) -> Iterator[Unit]:
    """Each day's new outputs, in the order they were pulled, in files of at most `most` rows."""
    for day in sorted({day for part in staged for day in part.days}):
        of_day = new.filter(pl.col("_day") == day).select("_sequence", "supersedes")
        if of_day.is_empty():
            continue
        held: list[pl.DataFrame] = []
        rows = size = shard = 0
        for path in (path for part in staged for path in part.days.get(day, [])):
            left = (
                pl.read_parquet(path)
                .drop("supersedes")
                .join(of_day, on="_sequence", how="inner", maintain_order="left")
                .select(OUTPUTS.schema.names())
            )
            while left.height:
                taken = left.head(most - rows)
                left = left.slice(taken.height)
                held.append(taken)
                rows += taken.height
                size += int(taken.estimated_size())
                if rows == most or size >= UNIT_BYTES:
                    yield _unit(held, day, shard, folder)
                    held, rows, size, shard = [], 0, 0, shard + 1
        if rows:
            yield _unit(held, day, shard, folder)


def _unit(parts: list[pl.DataFrame], day: date, shard: int, folder: Path) -> Unit:
    frame = pl.concat(parts)
    path = _write(frame, folder / "units" / day.isoformat() / f"{shard:06d}.parquet")
    return Unit(day, shard, path, frame.height)
