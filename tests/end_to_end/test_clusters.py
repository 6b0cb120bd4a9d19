"""A backfill on real clusters of two workers, one of them killed in the middle of a unit."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.commands.cli import main
from tasks import starter
from tests.end_to_end.conftest import Answer, in_a_new_process, read
from tests.end_to_end.test_backfill import DAYS, same
from tests.support import clusters
from tests.support.clusters import REPOSITORY
from tests.support.small_verifier import small_verifier


def set_up(patch: pytest.MonkeyPatch) -> None:
    """A unit a day, and what costs no time."""
    patch.setenv("PYTHONPATH", str(REPOSITORY))
    patch.setenv("CLAIMLEDGER__VERIFIER__MODEL", small_verifier().model)
    patch.setenv("CLAIMLEDGER__RUNNER__TOGETHER_OUTPUTS", "1")
    patch.setenv("CLAIMLEDGER__VALIDATION__DATA_DOCS", "false")


@pytest.fixture(autouse=True)
def a_unit_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of a backfill in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    starter.write_starter(folder, from_source=None, path=None)
    with pytest.MonkeyPatch.context() as patch:
        set_up(patch)
        assert main(["backfill", *DAYS, "--config", f"{folder}/claimledger.toml", "--quiet"]) == 0
    return folder / "lake"


def on_cluster(team: Path, kind: str, address: str, kill_one: Callable[[], bool]) -> Answer:
    """A backfill as a process, beside which `kill_one` is asked until it has killed."""
    config = team / "claimledger.toml"
    written = config.read_text()
    assert written.count('kind = "local"\n') == 1
    runner = f'kind = "{kind}"\naddress = "{address}"\n'
    config.write_text(written.replace('kind = "local"\n', runner))
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.commands.cli", "backfill", *DAYS, "--json"],
        cwd=team,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not kill_one():
        time.sleep(0.01)
    out, err = process.communicate(timeout=600)
    return Answer(process.returncode, out, err)


def units_under_way(lake: Path) -> int:
    return len(list(lake.glob("_work/*/sealed/*")))


def holds(done: Answer, team: Path, undisturbed: Path) -> None:
    """The tables are those of one process, nothing is in them twice, and the ledger verifies."""
    assert done.code == 0, done.err
    assert "went away; it may have run out of memory" in done.err
    assert "it is retried after the others" in done.err
    assert done.document["extra"]["units"] == {"done": 5, "set_aside": 0, "left": 0}
    same(team / "lake", undisturbed)
    verdicts = read(team / "lake", "verdicts")
    assert verdicts["verdict_id"].n_unique() == verdicts.height
    assert units_under_way(team / "lake") == 0
    verified = in_a_new_process("ledger", "verify", cwd=team)
    assert verified.code == 0, verified.err


def test_dask_gives_the_tables_of_one_process_also_where_a_worker_is_killed_and_one_has_other_code(
    team: Path, undisturbed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(REPOSITORY / "tasks", other / "tasks", symlinks=True)
    with (other / "tasks" / "judge" / "judge.py").open("a") as code:
        code.write("# another version\n")
    with clusters.dask(tmp_path_factory.mktemp("dask"), workers=2) as cluster:
        cluster.dask_worker(code=other)

        def kill_one() -> bool:
            busy = units_under_way(team / "lake") >= 2
            if busy:
                clusters.kill(cluster.processes[1].pid)
            return busy

        done = on_cluster(team, "dask", cluster.address, kill_one)
    holds(done, team, undisturbed)
    (warning,) = [each for each in done.document["warnings"] if "was given no unit" in each]
    assert "its code differs" in warning


def test_ray_gives_the_tables_of_one_process_also_where_an_actor_is_killed(
    team: Path, undisturbed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with clusters.ray(tmp_path_factory.mktemp("r"), workers=2) as cluster:

        def kill_one() -> bool:
            busy = clusters.judging_actors(cluster) if units_under_way(team / "lake") >= 2 else []
            if len(busy) == 2:
                clusters.kill(busy[0].pid)
            return len(busy) == 2

        done = on_cluster(team, "ray", cluster.address, kill_one)
    holds(done, team, undisturbed)
