"""Whole runs of a lake in a bucket: reported and verified elsewhere, and gone on with when a machine dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import polars as pl

from flows.commands.cli import main
from flows.run import finish, opened
from tasks.lake import store as lakes
from tasks.remote import lease
from tasks.settings import Settings
from tests.support import lake_frames


def audit(url):
    """A night without a source: its life is that of any run."""
    with opened("audit", Settings(lake=url), {}) as run:
        run.lake.commit(run.run_id, "unit", lake_frames.made(2), run_day=run.day)
        finish(run)
    return run.run_id


def requests(store):
    """How many since the last time, by what they are for."""
    made, store.requests = store.requests, []
    return {kind: sum(each.startswith(f"{kind} ") for each in made) for kind in ("GET", "PUT", "POST")}


def elsewhere(monkeypatch, folder):
    monkeypatch.setenv("CLAIMLEDGER_WORKING_COPIES", str(folder))
    monkeypatch.setattr(lakes, "_remotes", {})


def test_a_night_is_published_with_its_page_and_verifies_on_another_machine(
    url, store, keys, tmp_path, monkeypatch, capsys
):
    elsewhere(monkeypatch, tmp_path / "one")
    run_id = audit(url)
    assert f"audits/reports/{run_id}/index.html" in keys()
    key = (next((tmp_path / "one").glob("*/lake/ledger/vkey"))).read_text().strip()
    elsewhere(monkeypatch, tmp_path / "two")
    (tmp_path / "auditor").mkdir()
    monkeypatch.chdir(tmp_path / "auditor")
    capsys.readouterr()
    assert main(["ledger", "verify", "--lake", url, "--key", key, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] > 0
    requests(store)
    elsewhere(monkeypatch, tmp_path / "one")
    audit(url)
    second = requests(store)
    assert second["PUT"] < 150, second
    assert second["GET"] + second["POST"] < 120, second


KILLED = """
import os, signal, sys
from tasks.remote.remote import Remote
from tests.remote.test_runs import audit
place, when, seen = getattr(Remote, sys.argv[2]), int(sys.argv[3]), []
def dies(*arguments, **options):
    seen.append(1)
    if len(seen) == when:
        os.kill(os.getpid(), signal.SIGKILL)
    return place(*arguments, **options)
setattr(Remote, sys.argv[2], dies)
audit(sys.argv[1])
"""


def test_a_machine_that_is_killed_is_gone_on_with_by_another(url, store, keys, tmp_path, monkeypatch):
    """Before a head is swapped, and after one whose files are not in their places yet."""
    elsewhere(monkeypatch, tmp_path / "one")
    for number, (step, when) in enumerate((("_swap", 3), ("_settle", 4)), 1):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), url, step, str(when)]
        done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        elsewhere(monkeypatch, tmp_path / f"other-{number}")
        monkeypatch.setattr(lease, "LEASE_S", -1.0)
        audit(url)
        monkeypatch.setattr(lease, "LEASE_S", 120.0)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        claims = pl.read_parquet(f"{url}/tables/claims/**/*.parquet")
        assert claims.height == claims["claim_id"].n_unique() == 4
        runs = pl.read_parquet(f"{url}/tables/runs/**/*.parquet").sort("started_at")
        assert runs["run_id"].n_unique() == runs.height
        assert runs["status"].to_list().count("completed") == number
        assert main(["ledger", "verify", "--lake", url, "--quiet"]) == 0
    assert not [key for key in keys() if "/staged/" in key]
