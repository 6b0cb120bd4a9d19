"""A night that dies or is interrupted at any point: run again, it ends as one that nothing disturbed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from tasks import starter
from tests.end_to_end.conftest import LASTING, Answer, content, in_a_new_process, read

Command = Callable[..., Answer]

DYING = """
import os, sys
import flows.audit, flows.run, flows.units, tasks.lake.runs
from flows.commands.cli import main
from tasks.lake.store import Lake

def dies(place, name, after):
    function = getattr(place, name)
    def call(*arguments, **options):
        if not after:
            os._exit(9)
        function(*arguments, **options)
        os._exit(9)
    setattr(place, name, call)

place, name, after = {points}[sys.argv[1]]
dies(place, name, after)
main(["audit", "--quiet"])
"""
POINTS = {
    "before the pull": "(flows.audit, 'pull', False)",
    "after the first unit": "(flows.units, 'judge', True)",
    "before the watermarks move": "(flows.run, 'reconcile', False)",
    "after the watermarks moved": "(flows.run.health, 'check', False)",
    "before the run is closed": "(tasks.lake.runs, 'close_run', False)",
    "between the run's row and its record": "(tasks.lake.runs, 'close_run', True)",
    "before the report": "(flows.run.report, 'write', False)",
    "before the run is forgotten": "(tasks.lake.runs, 'forget', False)",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of an audit that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    starter.write_starter(folder, from_source=None, path=None)
    assert in_a_new_process("audit", "--config", f"{folder}/claimledger.toml", cwd=folder).code == 0
    return folder / "lake"


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_audit_run_again_ends_as_an_undisturbed_one(
    team: Path, undisturbed: Path, command: Command, point: str
) -> None:
    script = DYING.replace("{points}", "{" + ", ".join(f"{k!r}: {v}" for k, v in POINTS.items()) + "}")
    died = subprocess.run([sys.executable, "-c", script, point], cwd=team, capture_output=True, check=False)
    assert died.returncode == 9, died.stderr
    again = command("audit", "--quiet")
    assert again.code == 0, again.err
    for table in LASTING:
        assert_frame_equal(content(team / "lake", table), content(undisturbed, table))
    assert set(read(team / "lake", "runs")["status"]) <= {"completed", "died"}
    verified = command("ledger", "verify", "--json")
    assert verified.code == 0, verified.err


def test_an_interrupted_audit_ends_with_130_and_no_traceback(team: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.commands.cli", "audit"], cwd=team, stderr=subprocess.PIPE, text=True
    )
    while not (team / "lake" / "state").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130
    assert err.startswith("claimledger: interrupted")
    assert "Traceback" not in err
