"""What is seen of a run while it goes on: a line per stage in a log, a live line on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from flows import progress
from tasks.sources.units import Unit

UNITS = [Unit(date(2026, 11, day), 0, Path("unit"), rows) for day, rows in ((1, 30), (2, 10))]


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [re.sub(r"^\S+Z |\([\d.]+ s\)$", "", line) for line in capsys.readouterr().err.splitlines()]


def test_a_log_gets_a_line_for_each_outer_stage_with_what_it_came_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress.shown(True):
        with progress.stage("pull exports"):
            progress.note("3 records, 2 to judge")
        with progress.stage("finish"), progress.stage("record"):
            pass
    assert lines(capsys) == ["pull exports: 3 records, 2 to judge ", "finish "]


def test_a_log_keeps_to_one_line_whatever_a_title_holds(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown(True), progress.stage("pull \x1b[31mred\nblue"):
        pass
    assert lines(capsys) == ["pull \\u001b[31mred blue "]


def test_a_stage_that_fails_leaves_the_word_to_the_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="no room"), progress.shown(True), progress.stage("index handbook"):
        raise OSError("no room")
    assert lines(capsys) == []


@pytest.mark.parametrize("is_shown", [True, False])
def test_nothing_is_shown_unless_it_is_asked_for(capsys: pytest.CaptureFixture[str], is_shown: bool) -> None:
    with progress.shown(is_shown), progress.stage("pull"):
        pass
    with progress.stage("drift"):
        pass
    assert len(lines(capsys)) == is_shown


def test_units_come_in_order_and_parts_of_them_count() -> None:
    counts: list[float] = []

    class Counting(progress.Display):
        @contextmanager
        def count(self, what: str, total: int, noun: str) -> Iterator[Callable[[float], None]]:
            assert (what, total, noun) == ("judging", 40, "output")
            yield counts.append

    with progress.shown_on(Counting()):
        for _, done in progress.in_turn(UNITS, "judging"):
            done(0.5)
    assert counts == [15, 30, 35, 40]


LIVE = """
import sys, time
sys.path.insert(0, ".")
from tests.flows.test_progress import UNITS
from flows import progress

with progress.shown(True):
    with progress.stage("pull exports"):
        time.sleep(0.3)
    for unit, done in progress.in_turn(UNITS, "judging"):
        with progress.stage(f"judge {unit.day}"):
            done(0.5)
            time.sleep(0.4)
print("the answer")
"""


def test_a_terminal_shows_stage_count_and_time_left_and_is_clean_at_the_end() -> None:
    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", LIVE], stderr=follower, stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(follower)
    seen = b""
    while chunk := _read(leader):
        seen += chunk
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", seen.decode())
    assert done.stdout == "the answer\n"
    for part in ("starting", "pull exports", "judge 2026-11-01", "15 of 40 outputs", "35 of 40 outputs"):
        assert part in text
    assert re.search(r"35 of 40 outputs 0:00:\d\d 0:00:\d\d", text)
    assert seen.rstrip(b"\r\n").endswith(b"\x1b[2K")


def _read(leader: int) -> bytes:
    """What a terminal was sent; nothing once its program is gone."""
    try:
        return os.read(leader, 65536)
    except OSError:
        return b""
