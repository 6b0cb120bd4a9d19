"""A stage ends at its limit, wherever it is held up, and one that is quick enough never notices."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from flows.time_limit import time_limit
from tasks.errors import TimeLimitError


def busy() -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


def in_a_regular_expression() -> None:
    re.match("(a+)+$", "a" * 40 + "b")


def deaf() -> None:
    """Takes every error for one of its own, as many libraries do."""
    while True:
        with contextlib.suppress(Exception):
            time.sleep(60)


@pytest.mark.parametrize("stage", [busy, deaf, in_a_regular_expression, lambda: time.sleep(60)])
def test_a_stage_that_takes_too_long_is_stopped_with_a_sentence(stage: Callable[[], object]) -> None:
    start = time.monotonic()
    sentence = r"^stage judge took longer than .* 0.2 s, and was stopped; "
    with pytest.raises(TimeLimitError, match=sentence), time_limit(0.2, "judge"):
        stage()
    assert time.monotonic() - start < 30


def test_it_is_stopped_in_a_thread_that_is_not_the_main_one_too() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with time_limit(0.2, "judge"):
                busy()
        except TimeLimitError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert len(errors) == 1


def test_within_its_limit_a_stage_runs_undisturbed_and_alarms_go_where_they_went_before() -> None:
    alarms: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: alarms.append(number))
    try:
        with time_limit(60, "outer"), time_limit(60, "inner"):
            signal.raise_signal(signal.SIGALRM)
        assert alarms == [signal.SIGALRM]
        signal.raise_signal(signal.SIGALRM)
        assert len(alarms) == 2
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(("outer_s", "inner_s", "name"), [(0.2, 60, "outer"), (60, 0.2, "inner")])
def test_of_two_limits_the_one_that_is_broken_is_named(outer_s: float, inner_s: float, name: str) -> None:
    broken = pytest.raises(TimeLimitError, match=rf"^stage {name} took longer")
    with broken, time_limit(outer_s, "outer"), time_limit(inner_s, "inner"):
        time.sleep(60)


def test_an_alarm_that_somebody_else_had_set_rings_in_time_and_after_the_stage() -> None:
    alarms: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: alarms.append(time.monotonic()))
    timer = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        start = time.monotonic()
        with time_limit(60, "judge"):
            time.sleep(0.6)
        assert 0.2 < alarms[0] - start < 0.6
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with time_limit(60, "judge"):
            pass
        time.sleep(0.6)
        assert len(alarms) == 2
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


ENDLESS = """
import itertools, time
from flows.time_limit import time_limit

def takes_no_exception():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def keeps_the_interpreter():
    sum(itertools.repeat(1))

with time_limit(0.2, "judge", grace_s=0.2):
    {name}()
"""


@pytest.mark.parametrize(("name", "says"), [("takes_no_exception", 1), ("keeps_the_interpreter", 0)])
def test_what_no_exception_stops_ends_with_its_process_which_says_why_if_it_still_can(
    name: str, says: int
) -> None:
    program = ENDLESS.replace("{name}", name)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert time.monotonic() - start < 50
    assert len(done.stderr.splitlines()) == says
    assert done.stderr.startswith("claimledger: stage judge took longer than runner.stage_limit_s" * says)
