"""The `events` table as a rendering of the log, and what run folders say of rendered and published files."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import datetime
from pathlib import Path

import polars as pl

from tasks.errors import IntegrityError
from tasks.files import inputs as input_files
from tasks.files.inputs import InputFile
from tasks.lake import commits
from tasks.lake.store import Lake
from tasks.ledger import canonical
from tasks.ledger.log import Log
from tasks.ledger.segments import Segment
from tasks.schema import conform
from tasks.tables import EVENTS

STATE = "ledger"
"""Name of the lake's state about its ledger."""
_UNIT = "events-"


def rendered(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of the `events` table out of rows of segments."""
    body = canonical.text(frame["event"])
    # An actor holds neither quotes nor backslashes, and those within other texts are escaped.
    actor = body.str.extract(',"actor":"([^"\\\\]*)"')
    return conform(EVENTS, frame.with_columns(body=body, actor=actor).select(EVENTS.schema.names()))


def render(lake: Lake, log: Log) -> None:
    """Brings the `events` table up to the log's size; going over the same events changes nothing."""
    state = lake.read_state(STATE)
    done = int(state.get("rendered", 0))
    if done >= log.head.size:
        return
    for segment in log.segments:
        if segment.end <= done:
            continue
        frame = rendered(segment.read())
        last = frame["occurred_at"].max()
        assert isinstance(last, datetime)  # noqa: S101 - a segment is never empty
        lake.commit(segment.run_id, _unit(segment.number), {"events": frame}, run_day=last.date())
    lake.write_state(STATE, {**state, "origin": log.origin, "rendered": log.head.size})


def _unit(number: int) -> str:
    return f"{_UNIT}{number:06d}"


def rendered_places(lake: Lake, segment: Segment) -> list[Path]:
    """Files of the `events` table that the commits of a segment name, below the lake's root.

    Only a hint where to look: a manifest that is damaged or gone names none.
    """
    places = []
    for part in segment.parts_written:
        folder = lake.root / "runs" / part.run_id / "commits"
        for path in sorted(folder.glob(f"{_unit(part.number)}*.json")):
            with contextlib.suppress(IntegrityError, ValueError, OSError):
                places += [file.place for file in commits.record_files(commits.load(path))]
    return [place for place in places if place.parts[1] == "events"]


def inputs(root: Path, run_id: str) -> list[InputFile] | None:
    """The files that a run read; None where its folder does not say."""
    return input_files.kept(root / "runs" / run_id)


def commits_digest(root: Path, run_id: str) -> str:
    """Digest over what a run's commit manifests name: `sha256  path` of every file, sorted, events apart.

    Files that were joined and are gone are lines of their own, `removed sha256  path`.
    """
    lines = []
    for path in sorted((root / "runs" / run_id / "commits").glob("*.json")):
        if path.name.startswith((".", "_", _UNIT)):
            continue
        record = commits.load(path)
        lines += [f"{file.sha256}  {file.place.as_posix()}" for file in commits.record_files(record)]
        lines += [f"removed {file.sha256}  {file.place.as_posix()}" for file in commits.removed_files(record)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
