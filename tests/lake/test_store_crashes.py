"""A commit may be killed at any step: what follows is the old state or the new one, never a third.

Three ways to die, from fast and complete to slow and real: (1) every call that touches the disk stops the
process in its tracks, before it happens, after it, or halfway through a write; simulated by an exception
after which every further call stops too, so that no clean-up runs; (2) `os._exit` in a child process;
(3) SIGKILL by strace at the system call itself.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import tables
from tasks.errors import LakeError
from tasks.lake.store import Lake
from tests.support import lake_frames

Frames = Callable[..., dict[str, pl.DataFrame]]
Act = Callable[[Lake], object]
DAY = date(2026, 1, 5)


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it, and nothing works after it."""


class Disk:
    """Counts the calls that change the disk; kills at one of them, or lets one fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.at: int | None = None
        self.mode = "before"
        self.dead = False
        for owner, name in (
            (os, "write"),
            (os, "fsync"),
            (os, "ftruncate"),
            (os, "pwrite"),
            (Path, "replace"),
            (Path, "mkdir"),
            (shutil, "rmtree"),
        ):
            monkeypatch.setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.dead:
                raise Killed
            self.calls += 1
            if self.at is None or self.calls - 1 != self.at:
                return real(*arguments, **named)
            if self.mode.isdigit():
                raise OSError(int(self.mode), os.strerror(int(self.mode)))
            if self.mode == "after":
                real(*arguments, **named)
            elif self.mode == "half" and real.__name__ == "write":
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            self.dead = True
            raise Killed

        return call

    @contextmanager
    def killing(self, at: int | None, mode: str) -> Iterator[None]:
        self.calls, self.at, self.mode, self.dead = 0, at, mode, False
        try:
            yield
        finally:
            self.at, self.dead = None, False


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def contents(lake: Lake) -> dict[str, pl.DataFrame]:
    return {
        name: lake.scan(name, verify=True).collect().sort(tables.TABLES[name].key)
        for name in ("outputs", "claims", "quarantine")
    }


def assert_readable(lake: Lake) -> None:
    """What a reader sees at this very moment, before anybody has recovered anything."""
    outputs = lake.scan("outputs").collect()
    claims = lake.scan("claims").collect()
    assert outputs["output_id"].is_unique().all()
    assert claims["claim_id"].is_unique().all()
    assert claims.join(outputs, on="output_id", how="anti").is_empty()


def assert_same(lake: Lake, wanted: dict[str, pl.DataFrame]) -> None:
    found = contents(lake)
    for name, frame in wanted.items():
        assert found[name].equals(frame), name
    assert lake.verify_files() == []
    assert list((lake.root / "_work").glob("*/*")) == []
    assert not [file for file in (lake.root / "tables").rglob("*") if file.name.startswith((".", "_"))]


def scenario(name: str, frames: Frames) -> tuple[Act, Act]:
    """(what was there before, what is interrupted)"""

    def first(lake: Lake) -> None:
        lake.commit("run-1", "unit", frames(6), run_day=DAY)

    def second(lake: Lake) -> None:
        lake.commit("run-2", "unit", frames(8, first=4), run_day=DAY)

    def replacing(lake: Lake) -> None:
        changed = frames(6)["outputs"].with_columns(use_case=pl.lit("sales"))
        lake.replace_rows("outputs", changed, run_id="run-2", unit="changed")

    return first, {"commit": second, "replace": replacing}[name]


def undisturbed(folder: Path, first: Act, second: Act) -> dict[str, pl.DataFrame]:
    lake = Lake.open(str(folder))
    first(lake)
    second(lake)
    return contents(lake)


@pytest.mark.parametrize("mode", ["before", "after", pytest.param("half", marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", ["commit", "replace"])
def test_killed_at_every_step_and_run_again_the_lake_is_as_after_an_undisturbed_run(
    what: str, mode: str, tmp_path: Path, frames: Frames, disk: Disk
) -> None:
    first, second = scenario(what, frames)
    wanted = undisturbed(tmp_path / "undisturbed", first, second)
    first(Lake.open(str(tmp_path / "before")))
    at, old, new = 0, 0, 0
    while True:
        lake = Lake.open(str(tmp_path / f"lake-{at}"))
        shutil.copytree(tmp_path / "before", lake.root)
        killed = False
        with disk.killing(at, mode):
            try:
                second(lake)
            except Killed:
                killed = True
        if not killed:
            break
        assert_readable(lake)
        again = Lake.open(str(lake.root))
        again.recover()
        before = contents(again)
        second(again)
        assert_same(again, wanted)
        # After recovery alone it was the old state or the new one.
        is_new = all(before[name].equals(wanted[name]) for name in wanted)
        old, new = old + (not is_new), new + is_new
        if not is_new:
            known = contents(Lake.open(str(tmp_path / "before")))
            assert all(before[name].equals(known[name]) for name in known)
        shutil.rmtree(lake.root)
        at += 1
    assert old > 5
    assert new > 2


@pytest.mark.parametrize(
    "number",
    [
        errno.ENOSPC,
        pytest.param(errno.EIO, marks=pytest.mark.slow),
        pytest.param(errno.EROFS, marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_refuses_once_at_any_step_is_one_sentence_and_the_next_try_succeeds(
    number: int, tmp_path: Path, frames: Frames, disk: Disk
) -> None:
    first, second = scenario("commit", frames)
    wanted = undisturbed(tmp_path / "undisturbed", first, second)
    first(Lake.open(str(tmp_path / "before")))
    refused = at = 0
    while True:
        lake = Lake.open(str(tmp_path / f"lake-{at}"))
        shutil.copytree(tmp_path / "before", lake.root)
        with disk.killing(at, str(number)):
            sentence = _refusal(second, lake)
        if sentence:
            refused += 1
            assert os.strerror(number) in sentence
            assert (" free there); " in sentence) == (number == errno.ENOSPC)
            assert "\n" not in sentence
        if disk.calls <= at:
            break
        assert_readable(lake)
        second(lake)
        lake.recover()
        assert_same(lake, wanted)
        shutil.rmtree(lake.root)
        at += 1
    # What may fail without harm: the note in the lock file, and the removal of what is no longer needed.
    assert refused >= at - 4


def _refusal(act: Act, lake: Lake) -> str | None:
    try:
        act(lake)
    except LakeError as error:
        return str(error)
    return None


def test_killed_during_recovery_too_the_lake_still_gets_there(
    tmp_path: Path, frames: Frames, disk: Disk
) -> None:
    first, second = scenario("commit", frames)
    wanted = undisturbed(tmp_path / "undisturbed", first, second)
    lake = Lake.open(str(tmp_path / "lake"))
    first(lake)
    with disk.killing(None, "before"):
        prepared = _calls_until_the_first_rename_into_tables(lake, disk, second)
    deaths = 0
    for at in range(60):
        with disk.killing(at, "after"):
            try:
                Lake.open(str(lake.root)).recover()
            except Killed:
                deaths += 1
                continue
        break
    assert prepared > 0
    assert deaths > 3
    Lake.open(str(lake.root)).recover()
    assert_same(lake, wanted)


def _calls_until_the_first_rename_into_tables(lake: Lake, disk: Disk, second: Act) -> int:
    """Kills a commit right after its first file has become visible; how many calls that took."""
    visible = set((lake.root / "tables").rglob("*.parquet"))
    copy = Path(f"{lake.root}-copy")
    for at in range(200):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(lake.root, copy)
        with disk.killing(at, "after"), suppress(Killed):
            second(Lake.open(str(copy)))
        names = {file.name for file in (copy / "tables").rglob("*.parquet")}
        if len(names) > len(visible):
            shutil.rmtree(lake.root)
            copy.rename(lake.root)
            return at
    raise AssertionError("no file became visible")


# Real deaths --------------------------------------------------------------------------------------------

CHILD = """
import importlib.util, os, sys
from datetime import date
from pathlib import Path
root, shared_file, owner, name, at = sys.argv[1:]
spec = importlib.util.spec_from_file_location("shared", shared_file)
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
from tasks.lake.store import Lake
if name:
    target = {"os": os, "Path": Path}[owner]
    real, calls = getattr(target, name), []
    def dying(*arguments, **named):
        calls.append(1)
        if len(calls) > int(at):
            os._exit(137)
        return real(*arguments, **named)
    setattr(target, name, dying)
Lake.open(root).commit("run-2", "unit", shared.made(8, first=4), run_day=date(2026, 1, 5))
"""


def child(root: Path, owner: str = "", name: str = "", at: int = 0) -> list[str]:
    shared = str(lake_frames.__file__)
    return [sys.executable, "-c", CHILD, str(root), shared, owner, name, str(at)]


def assert_recovers(root: Path, wanted: dict[str, pl.DataFrame], second: Act) -> None:
    lake = Lake.open(str(root))
    assert_readable(lake)
    lake.recover()
    second(lake)
    assert_same(lake, wanted)


@pytest.mark.parametrize(
    ("owner", "name", "at"), [("os", "fsync", 3), ("Path", "replace", 2), ("os", "write", 4)]
)
def test_a_process_that_ends_on_the_spot_leaves_a_lake_that_recovers(
    owner: str, name: str, at: int, tmp_path: Path, frames: Frames
) -> None:
    first, second = scenario("commit", frames)
    wanted = undisturbed(tmp_path / "undisturbed", first, second)
    first(Lake.open(str(tmp_path / "lake")))
    assert subprocess.run(child(tmp_path / "lake", owner, name, at), check=False).returncode == 137
    assert_recovers(tmp_path / "lake", wanted, second)


def _killed_by_strace(command: list[str], call: str, when: int) -> int:
    if shutil.which("strace") is None:
        pytest.skip("strace, which kills at a system call, is not installed; the simulated deaths ran")
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"]
    return subprocess.run(
        ["strace", "-f", "-o", os.devnull, *inject, *command], check=False, capture_output=True
    ).returncode


@pytest.mark.parametrize(("call", "when"), [("fsync", 2), ("fsync", 12), ("rename", 2)])
def test_a_process_killed_at_a_system_call_leaves_a_lake_that_recovers(
    call: str, when: int, tmp_path: Path, frames: Frames
) -> None:
    first, second = scenario("commit", frames)
    wanted = undisturbed(tmp_path / "undisturbed", first, second)
    first(Lake.open(str(tmp_path / "lake")))
    code = _killed_by_strace(child(tmp_path / "lake"), call, when)
    if code == 1:
        pytest.skip("this container does not allow strace to trace; the simulated deaths ran")
    assert code in (-9, 137)
    assert_recovers(tmp_path / "lake", wanted, second)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir", "rmdir", "ftruncate", "pwrite64"])
def test_a_process_killed_at_every_such_system_call_leaves_a_lake_that_recovers(
    call: str, tmp_path: Path, frames: Frames
) -> None:
    first, second = scenario("commit", frames)
    wanted = undisturbed(tmp_path / "undisturbed", first, second)
    first(Lake.open(str(tmp_path / "before")))
    kill_at_every(call, child, tmp_path, wanted, second)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("call", ["unlinkat", "rmdir"])
def test_a_recovery_killed_at_every_such_system_call_is_done_by_the_next_one(
    call: str, tmp_path: Path, frames: Frames
) -> None:
    """It removes files only where a commit was never prepared: a commit moves all that it staged."""
    first, second = scenario("commit", frames)
    wanted = undisturbed(tmp_path / "undisturbed", first, second)
    first(Lake.open(str(tmp_path / "before")))
    unprepared = subprocess.run(child(tmp_path / "before", "Path", "replace", 0), check=False)
    assert unprepared.returncode == 137
    assert list((tmp_path / "before" / "_work").rglob("*.parquet"))

    def recovery(root: Path) -> list[str]:
        code = "import sys; from tasks.lake.store import Lake; Lake.open(sys.argv[1]).recover()"
        return [sys.executable, "-c", code, str(root)]

    kill_at_every(call, recovery, tmp_path, wanted, second)


def kill_at_every(
    call: str,
    command: Callable[[Path], list[str]],
    tmp_path: Path,
    wanted: dict[str, pl.DataFrame],
    second: Act,
) -> None:
    """Kills a command at each of its calls in turn, on a copy of `before`; it has to make one at least."""
    deaths = 0
    for when in range(1, 200):
        root = tmp_path / f"lake-{when}"
        shutil.copytree(tmp_path / "before", root)
        code = _killed_by_strace(command(root), call, when)
        if code == 1 and not deaths:
            pytest.skip("this container does not allow strace to trace; the simulated deaths ran")
        if code == 0:
            break
        deaths += 1
        assert_recovers(root, wanted, second)
        shutil.rmtree(root)
    assert deaths
