"""An append may be killed or refused at any write: what follows is the old log or the new one, never a third.

`test_recording.py` stops it by an exception at every durable write. Here the whole process dies, by
strace at the system call itself, and the disk is full at every write in turn.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks import ids
from tasks.errors import LakeError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import recording, verify
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tests.support import ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, POLICIES, night

NEW = 3
"""Events that the interrupted append is about."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings, int]:
    """A recorded night, published rows that wait to be recorded, and the log's size."""
    folder = tmp_path_factory.mktemp("base")
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    night(lake, wanted, 0, outputs=1, claims=1)
    rows = ledger_lake.frames(ids.digest("second"), outputs=1, claims=1, start=7)
    lake.commit(ids.digest("second"), "unit", rows, run_day=NIGHT.date())
    return lake, wanted, Log.open(lake.root / "ledger").head.size


def record(lake: Lake, wanted: LedgerSettings) -> recording.Recorded:
    return recording.record(lake, wanted, POLICIES, run_id=ids.digest("later"), now=NIGHT, actor=ACTOR)


def assert_old_or_new_and_then_new(lake: Lake, wanted: LedgerSettings, old: int) -> None:
    found = verify.verify(lake, wanted)
    assert (found.findings, found.unverifiable) == ([], [])
    assert found.size in (old, old + NEW)
    record(lake, wanted)
    found = verify.verify(lake, wanted)
    assert (found.findings, found.unverifiable, found.size) == ([], [], old + NEW)
    subjects = lake.scan("events").collect()["subject_id"]
    assert subjects.n_unique() == subjects.len() == old + NEW


def _full_from(patch: pytest.MonkeyPatch, at: int, *, torn: bool) -> list[str]:
    """From the nth write on the disk is full; a torn write leaves half of its bytes behind."""
    writes: list[str] = []

    def full(path: Path) -> OSError:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def limited(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(path: Path, data: bytes) -> Any:
            writes.append(path.name)
            if len(writes) <= at:
                return real(path, data)
            if torn and len(writes) == at + 1:
                real(path, data[: len(data) // 2])
            raise full(path)

        return write

    patch.setattr(durable, "write_new", limited(durable.write_new))
    patch.setattr(Path, "write_bytes", limited(Path.write_bytes))
    return writes


def _sentence(lake: Lake, wanted: LedgerSettings) -> str:
    try:
        record(lake, wanted)
    except LakeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("torn", [False, True], ids=["nothing written", "half written"])
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_disk_that_is_full_from_any_write_on_is_one_sentence_and_nothing_is_lost(
    base, tmp_path, torn, stride
):
    first, wanted, old = base
    refused = 0
    for at in range(0, 100, stride):
        lake = Lake.open(str(tmp_path / f"at-{at}"))
        shutil.copytree(first.root, lake.root)
        with pytest.MonkeyPatch.context() as patch:
            writes = _full_from(patch, at, torn=torn)
            said = _sentence(lake, wanted)
        assert "No space left on device" in said or not said
        assert "free some space and run again" in said or not said
        if len(writes) <= at:
            break
        refused += 1
        assert_old_or_new_and_then_new(lake, wanted, old)
        shutil.rmtree(lake.root)
    assert refused >= 10 // stride


_RECORD = """
import sys
from pathlib import Path
from tasks.ledger import recording
from tasks.lake.store import Lake
from tests.support import ledger_lake
from tests.ledger.test_ledger_crashes import record
record(Lake.open(sys.argv[1]), ledger_lake.settings(Path(sys.argv[2]).parent))
"""


def _killed(lake: Lake, wanted: LedgerSettings, call: str, when: int) -> int:
    """Exit status of an append that SIGKILL ends at the nth such system call."""
    if shutil.which("strace") is None:
        pytest.skip("strace, which kills at a system call, is not installed; the simulated deaths ran")
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"]
    command = [sys.executable, "-c", _RECORD, str(lake.root), str(wanted.key_folder)]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        ["strace", "-f", "-o", os.devnull, *inject, *command],
        check=False,
        capture_output=True,
        cwd=root,
        env=environment,
    ).returncode


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_an_append_killed_at_a_system_call_goes_on_where_it_stood(base, tmp_path, call):
    first, wanted, old = base
    lake = Lake.open(str(tmp_path / "lake"))
    shutil.copytree(first.root, lake.root)
    code = _killed(lake, wanted, call, 6)
    if code == 1:
        pytest.skip("this container does not allow strace to trace; the simulated deaths ran")
    assert code in (-9, 137)
    assert_old_or_new_and_then_new(lake, wanted, old)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir", "unlink", "pwrite64", "fdatasync"])
def test_an_append_killed_at_every_such_system_call_goes_on_where_it_stood(base, tmp_path, call):
    first, wanted, old = base
    deaths = 0
    for when in range(1, 200):
        lake = Lake.open(str(tmp_path / f"lake-{when}"))
        shutil.copytree(first.root, lake.root)
        code = _killed(lake, wanted, call, when)
        if code == 1 and not deaths:
            pytest.skip("this container does not allow strace to trace; the simulated deaths ran")
        if code == 0:
            break
        deaths += 1
        assert_old_or_new_and_then_new(lake, wanted, old)
        shutil.rmtree(lake.root)
    assert deaths or call in {"unlink", "fdatasync", "mkdir"}
