"""A night that dies, is interrupted or meets a bad disk: run again, it ends as one that nothing disturbed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.end_to_end.conftest import assert_the_next_ends_as, read
from tests.support.nursery import Ended, Nursery
from tests.support.small_team import answer, configure, write_answers

POINTS = {
    "before the pull": ("flows.audit", "pull", False),
    "after the first unit": ("flows.units", "judge", True),
    "before the watermarks move": ("flows.run", "reconcile", False),
    "after the watermarks moved": ("flows.run:health", "check", False),
    "before the run is closed": ("tasks.lake.runs", "close_run", False),
    "between the run's row and its record": ("tasks.lake.runs", "close_run", True),
    "before the report": ("flows.run:report", "write", False),
    "before the run is forgotten": ("tasks.lake.runs", "forget", False),
}
MODES = ("before", "ENOSPC", "half", "EIO", "after", "EACCES")
QUICK, LONG = 12, 480
"""Calls at which the disk is disturbed, spread over a night."""
MOMENTS = 20
"""Kills at moments spread over a night's time, in the longer run: they meet native code too."""


@dataclass(frozen=True)
class Night:
    """The audit that nothing disturbed: its lake, and how it ended."""

    lake: Path
    ended: Ended
    seconds: float


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """One process for all nights of this file."""
    with Nursery() as process:
        yield process


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """An audit of `export`, whole."""
    folder = tmp_path_factory.mktemp("undisturbed")
    export(folder)
    began = time.monotonic()
    ended = nursery.run("audit", "--quiet", cwd=folder)
    assert ended.code == 0, ended.err
    assert ended.calls > 300, "the night's calls were not counted"
    return Night(folder / "lake", ended, time.monotonic() - began)


def export(folder: Path) -> None:
    """Two answers of one day, each with its evidence, and one record that is refused."""
    told = "The plant has 94 reactors. The tower is 310 metres high."
    answers = {"a": "The plant has 94 reactors.", "b": "The tower is 300 metres high.", "c": None}
    write_answers(
        folder / "answers.jsonl",
        [answer(key, "2026-11-02T10:00:00Z", text, told) for key, text in answers.items()],
    )
    configure(folder, more="[validation]\nmaximum_quarantine_ratio = 0.5")


def assert_the_next_night_ends_as(undisturbed: Night, nursery: Nursery, folder: Path) -> None:
    """One more audit."""
    command = ("audit", "--quiet")
    assert_the_next_ends_as(undisturbed.lake, nursery, *command, folder=folder, lake=folder / "lake")


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_audit_run_again_ends_as_an_undisturbed_one(
    tmp_path: Path, nursery: Nursery, undisturbed: Night, point: str
) -> None:
    export(tmp_path)
    assert nursery.run("audit", "--quiet", cwd=tmp_path, point=POINTS[point]).code == -signal.SIGKILL
    assert_the_next_night_ends_as(undisturbed, nursery, tmp_path)


@pytest.mark.parametrize(
    ("share", "mode"),
    [
        pytest.param(
            (place + 0.5) / count,
            MODES[place % len(MODES)],
            id=f"{place + 1} of {count} {MODES[place % len(MODES)]}",
            marks=[pytest.mark.slow] if count == LONG else [],  # 480 nights: two hours on two cores
        )
        for count in (QUICK, LONG)
        for place in range(count)
    ],
)
def test_a_disk_that_fails_or_a_kill_at_any_call_loses_nothing(
    tmp_path: Path, nursery: Nursery, undisturbed: Night, share: float, mode: str
) -> None:
    export(tmp_path)
    at = int(share * undisturbed.ended.calls)
    ended = nursery.run("audit", "--quiet", cwd=tmp_path, fault=(at, mode))
    if mode in ("before", "half", "after"):
        assert ended.code == -signal.SIGKILL, ended.err
    else:
        assert ended.code in (0, 1, 2), ended.err
        assert "Traceback" not in ended.err
        assert ended.code == 0 or ended.err.startswith("claimledger:"), ended.err
    assert_the_next_night_ends_as(undisturbed, nursery, tmp_path)


@pytest.mark.parametrize(
    "task",
    [
        ("flows.units", "judge"),
        ("flows.audit", "publish_refusals"),
        *(
            pytest.param(place, marks=pytest.mark.slow)
            for place in (
                ("flows.audit", "pull"),
                ("flows.audit", "index"),
                ("flows.audit", "compare_counts"),
                ("flows.audit", "nightly_drift"),
                ("flows.run", "record_events"),
                ("flows.run", "verify_ledger"),
                ("flows.run", "finish"),
            )
        ),
    ],
    ids=lambda place: place[1],
)
def test_a_task_that_is_done_twice_because_its_answer_was_lost_counts_once(
    tmp_path: Path, nursery: Nursery, undisturbed: Night, task: tuple[str, str]
) -> None:
    export(tmp_path)
    ended = nursery.run("audit", "--quiet", cwd=tmp_path, twice=task)
    assert ended.code == 0, ended.err
    counts = read(tmp_path / "lake", "runs").select("rows_in", "rows_out", "rows_quarantined", "counts")
    assert counts.equals(read(undisturbed.lake, "runs").select(counts.columns))
    assert_the_next_night_ends_as(undisturbed, nursery, tmp_path)


@pytest.mark.parametrize(
    ("place", "hours"),
    [
        (("flows.units", "judge"), -5.0),
        (("flows.run", "close"), 30.0),
        pytest.param(
            ("flows.units", "judge"), 30.0, marks=pytest.mark.slow
        ),  # as the first two, the other way
        pytest.param(("flows.run", "close"), -5.0, marks=pytest.mark.slow),
    ],
)
def test_a_clock_that_moves_in_the_middle_of_a_night_loses_nothing(
    tmp_path: Path, nursery: Nursery, undisturbed: Night, place: tuple[str, str], hours: float
) -> None:
    export(tmp_path)
    ended = nursery.run("audit", "--quiet", cwd=tmp_path, clock=(*place, hours))
    assert ended.code == 0, ended.err
    (run,) = read(tmp_path / "lake", "runs").to_dicts()
    assert run["finished_at"] - run["started_at"] > timedelta(hours=hours), "the clock did not move"
    assert abs(run["finished_at"] - run["started_at"]) > timedelta(hours=1), "the clock did not move"
    assert_the_next_night_ends_as(undisturbed, nursery, tmp_path)


@pytest.mark.slow  # twenty nights more
@pytest.mark.parametrize("place", range(MOMENTS))
def test_a_kill_at_any_moment_loses_nothing(
    tmp_path: Path, nursery: Nursery, undisturbed: Night, place: int
) -> None:
    export(tmp_path)
    moment = (place + 0.5) / MOMENTS * undisturbed.seconds
    ended = nursery.run("audit", "--quiet", cwd=tmp_path, kill_after_s=moment)
    assert ended.code in (0, -signal.SIGKILL)
    assert_the_next_night_ends_as(undisturbed, nursery, tmp_path)


def test_an_interrupted_audit_ends_with_130_and_no_traceback(team: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.commands.cli", "audit"], cwd=team, stderr=subprocess.PIPE, text=True
    )
    while not (team / "lake" / "state").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    assert err.startswith("claimledger: interrupted")
    assert "Traceback" not in err
