"""Pulls that are cut ten times at random give the rows of an undisturbed one: files, of every kind of file.

Servers are cut in their own tests (`test_sql.py`, `test_phoenix.py`, `test_mlflow.py`, `test_langfuse.py`,
`test_langsmith.py`).
"""

from __future__ import annotations

import errno
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.files import streams
from tasks.sources import file_batches
from tasks.sources.atif import AtifSettings
from tasks.sources.otlp import OtlpSettings
from tasks.sources.parameters import FieldMapping, FilesSettings, SourceSettings
from tests.sources.test_atif import TRAJECTORY
from tests.support.otlp_files import lines, span
from tests.support.pulls import check_cuts

COUNT = 300
KIND = "openinference.span.kind"


def answers(folder: Path) -> SourceSettings:
    """Twelve files of 25 answers."""
    for number in range(COUNT):
        day = f"2026-11-{number % 9 + 1:02d}"
        record = {"id": str(number), "at": f"{day}T12:00:00Z", "out": f"Answer {number}."}
        with (folder / f"{number // 25:02d}.jsonl").open("a") as stream:
            stream.write(json.dumps(record) + "\n")
    fields = FieldMapping(id="id", produced_at="at", response="out")
    return FilesSettings(name="bot", path=str(folder), fields=fields)


def traces(folder: Path) -> SourceSettings:
    """Traces of a call and its root, each in two files."""
    calls, roots = [], []
    for trace in range(1, COUNT // 3):
        own: dict[str, Any] = {"trace": trace, "at": float(-trace * 60)}
        said = {"output.value": f"The board {trace}."}
        calls.append(span(trace * 10 + 1, {KIND: "LLM", **said}, parent=trace * 10, seconds=0.2, **own))
        roots.append(span(trace * 10, {KIND: "AGENT", "input.value": "Who?", **said}, **own))
    for first in range(0, len(calls), 10):
        lines(folder / f"a{first:02d}.jsonl", *([each] for each in calls[first : first + 10]))
        lines(folder / f"b{first:02d}.jsonl", *([each] for each in roots[first : first + 10]))
    return OtlpSettings(name="bot", kind="otlp", path=str(folder))


def trajectories(folder: Path) -> SourceSettings:
    """Twenty files of five trajectories."""
    for number in range(COUNT // 3):
        own = {**TRAJECTORY, "trajectory_id": f"t{number}", "session_id": f"s{number}"}
        with (folder / f"{number // 5:02d}.jsonl").open("a") as stream:
            stream.write(json.dumps(own) + "\n")
    return AtifSettings(name="bot", kind="atif", path=str(folder))


@pytest.mark.parametrize("make", [answers, traces, trajectories])
def test_a_disk_that_fails_in_the_middle_of_ten_nights(
    make: Callable[[Path], SourceSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    source = make(tmp_path / "in")
    monkeypatch.setattr(file_batches, "BATCH_RECORDS", 20)
    left = [10**9]

    def read(self: Any, size: int) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, "Input/output error")
        return own(self, size)

    own = streams.Unpacked.read
    monkeypatch.setattr(streams.Unpacked, "read", read)

    def cut(chance: random.Random | None) -> None:
        left[0] = 10**9 if chance is None else chance.randrange(12)

    check_cuts(source, tmp_path, cut)


@pytest.mark.parametrize("make", [answers, traces, trajectories])
def test_files_that_are_still_being_written_in_ten_nights(
    make: Callable[[Path], SourceSettings], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "original").mkdir()
    source = make(tmp_path / "in")
    for path in (tmp_path / "in").iterdir():
        path.rename(tmp_path / "original" / path.name)

    def cut(chance: random.Random | None) -> None:
        for path in (tmp_path / "original").iterdir():
            data, target = path.read_bytes(), tmp_path / "in" / path.name
            have = target.stat().st_size if target.exists() else 1
            size = len(data) if chance is None else chance.randrange(have, len(data) + 1)
            target.write_bytes(data[:size])

    check_cuts(source, tmp_path, cut)
