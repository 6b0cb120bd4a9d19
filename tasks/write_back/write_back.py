"""Tells each source that asks for it (`write_back = true`) what was decided about its answers.

(1) A mark for each source names the last verdict that was told. (2) What came after it is sent in order, and
the mark moves with every request that was acknowledged. (3) Servers of Phoenix, Langfuse and MLflow are
called; for every other source OpenTelemetry events are written below LAKE/write_back. (4) What fails is a
warning of the run, and the next run goes on from the mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tasks.errors import ClaimledgerError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.sources.parameters import SourceSettings
from tasks.sources.trace_server import ServerSettings
from tasks.write_back import otlp_events, servers
from tasks.write_back.pending import pending


@dataclass
class Told:
    """What became of the verdicts on a source's answers."""

    source: str
    verdicts: int = 0
    gone: int = 0
    """Of those, verdicts on traces that the server no longer has."""
    failure: str = ""

    def __str__(self) -> str:
        lost = f"; {self.gone} of them on traces that are no longer there" if self.gone else ""
        if not self.failure:
            return f"{self.source}: sent {self.verdicts} verdicts{lost}"
        return (
            f"verdicts were not written back: {self.failure}; {self.verdicts} were{lost}; "
            "the next run resumes from there"
        )


def write_back(
    lake: Lake, sources: Sequence[SourceSettings], *, run_id: str, started_at: datetime
) -> list[Told]:
    """Tells every source that asks for it; the first time, what was decided since `started_at`."""
    return [_tell(lake, source, run_id, started_at) for source in sources if source.write_back]


def _tell(lake: Lake, source: SourceSettings, run_id: str, started_at: datetime) -> Told:
    state, told = f"write-back-{source.name}", Told(source.name)
    mark = lake.read_state(state)
    if not mark:
        mark = {"verified_at": started_at.isoformat(), "verdict_id": ""}
        lake.write_state(state, mark)
    since = datetime.fromisoformat(mark["verified_at"])
    open_ = pending(lake, source.name, since).filter(
        (pl.col("verified_at") > since) | (pl.col("verdict_id") > mark["verdict_id"])
    )
    rows = open_.to_dicts()
    if not rows:
        return told

    def keep(count: int) -> None:
        told.verdicts, last = count, rows[count - 1]
        at = {"verified_at": last["verified_at"].isoformat(), "verdict_id": last["verdict_id"]}
        lake.write_state(state, at)

    try:
        if isinstance(source, ServerSettings) and source.url and source.kind in servers.SENDERS:
            for count, told.gone in servers.send(source, rows):
                keep(count)
        else:
            target = otlp_events.path(lake.root, source.name, run_id)
            with durable.touching(target):
                otlp_events.write(target, rows)
            keep(len(rows))
    except ClaimledgerError as error:
        told.failure = str(error)
    return told
