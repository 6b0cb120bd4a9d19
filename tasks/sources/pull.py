"""Pulls what is new from every source, once each, staged by day for the stages that follow.

Several sources at once, the same record twice, a changed record, units of a day, and the sum that must come
out; how one source is read is in a module of its own.

Texts are held for one batch or one unit at a time. Of every other record its ids are kept, because a record
and the one it supersedes may be far apart; where there are many, they are on the disk too (`shelves.py`).
"""

from __future__ import annotations

import errno
import gc
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from functools import partial

import polars as pl

from tasks.errors import GateError, SourceError
from tasks.files import durable
from tasks.files.beside import beside
from tasks.files.inputs import InputFile
from tasks.files.limits import LimitSettings
from tasks.privacy.cover import Cover
from tasks.sources import counting, kinds, news, units
from tasks.sources.base import COLLECTED_AFTER, LEFT_OUT, Batch, Marks, Scope
from tasks.sources.news import News
from tasks.sources.parameters import SourceSettings
from tasks.sources.pulled import Lake, Pulled
from tasks.sources.receipts import DELIVERED, Receipt
from tasks.sources.sample import draw
from tasks.sources.staging import Staged, stage
from tasks.sources.units import Unit
from tasks.tables import OUTPUTS

NUMBERS = 2**40
"""Of the records of one source: each source counts from its own, whichever is read first."""
RETRY_DELAYS_S = (2.0, 10.0)
"""A mount or a server that restarts is back within seconds; longer outages are for the next night."""
REFUSED_RECORDS = 3
"""Fewer refused records than this are accidents of rows, whatever their share of the source."""


def watermark(source: str) -> str:
    """Name of the lake's state that holds a source's marks."""
    return f"watermark-{source}"


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
    cover: Cover | None = None,
    sources_at_once: int = 1,
    processes: int = 1,
    pause: Callable[[float], None] = time.sleep,
) -> Pulled:
    """Pulls all sources: (1) stage every batch by day, (2) find by ids what is new and what it supersedes,
    (3) cut each day's new outputs into units.

    `sources_at_once` are read beside one another, each on a thread of its own; what comes out is the same.
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
    scope = Scope(
        limits=limits, marks={}, run_id=run_id, now=now, since=since, until=until, work=folder,
        processes=processes, cover=cover,
    )  # fmt: skip
    all_marks = [lake.read_state(watermark(source.name)) for source in sources]

    def read(number: int) -> Staged:
        source, marks, own = sources[number], all_marks[number], folder / f"{number:06d}"
        batches = partial(_batches, source, replace(scope, marks=marks, work=own / "work"))
        read = _read_patiently(batches, Staged(source.name, own, number * NUMBERS, marks), retries, pause)
        _suspect(read, marks, refused_share)
        return read

    with _collecting_seldom():
        staged = list(beside(read, range(len(sources)), sources_at_once))
    receipt = Receipt(folder / "counts")
    shelves, links = [part.keys for part in staged], news.links(folder / "links")
    new = news.of(shelves, lake.scan(OUTPUTS.name), links, receipt)
    with durable.touching(folder):
        cut = list(units.cut(new, staged, folder, unit_outputs))
    for part in staged:
        for name in ("batches", "work", "keys"):
            shutil.rmtree(part.folder / name, ignore_errors=True)
    shutil.rmtree(folder / "links", ignore_errors=True)
    with durable.touching(folder):
        for path in (path for part in staged for path in part.aside):
            receipt.add_aside(pl.read_parquet(path))
        counting.ask(sources, lake, receipt, now=now, since=since, until=until)
    delivered = pl.concat([pl.DataFrame(schema=DELIVERED), *new.delivered]).unique("output_id", keep="last")
    pulled = _pulled(staged, cut, new)
    pulled = replace(pulled, receipt=receipt, delivered=delivered)
    known = pulled.duplicates + pulled.already_there
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
    gc.set_threshold(*COLLECTED_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _pulled(staged: Sequence[Staged], cut: list[Unit], new: News) -> Pulled:
    return Pulled(
        units=cut,
        records_in=sum(part.records_in for part in staged),
        duplicates=new.duplicates,
        already_there=new.already_there,
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


def _suspect(staged: Staged, marks: Marks, refused_share: float) -> None:
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
    batches: Callable[[], Iterator[Batch]], empty: Staged, retries: int, pause: Callable[[float], None]
) -> Staged:
    """Stages a source, from its start again where it fails in a way that may pass."""
    for attempt in range(1 + retries):
        shutil.rmtree(empty.folder, ignore_errors=True)
        staged = Staged(empty.source, empty.folder, empty.first, dict(empty.marks))
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


def _read(batches: Iterator[Batch], staged: Staged) -> SourceError | OSError | None:
    """Stages a source's batches; gives what ended it early."""
    while True:
        try:
            batch = next(batches, None)
        except (SourceError, OSError) as failure:
            return failure
        if batch is None:
            return None
        # Outside the try: a lake that cannot be written is not a fault of the source.
        with durable.touching(staged.folder):
            stage(batch, staged)


def _may_pass(failure: Exception) -> bool:
    """Whether the world may be well again in seconds; a missing file or a wrong path will not be."""
    if isinstance(failure, ConnectionError | TimeoutError | InterruptedError):
        return True
    return isinstance(failure, OSError) and failure.errno in (errno.EIO, errno.ESTALE)
