"""The trail of a team's nights: runs that found nothing, failed, or ran under other settings all show."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.health import health
from tasks.lake.store import Lake
from tests.end_to_end.conftest import Answer, read
from tests.support.ledger_attack import edit

Command = Callable[..., Answer]
EMPTY = ("audit", "--until", "2000-01-01", "--quiet")
"""A night in which nothing was new: no model is loaded."""


def bodies(team: Path, kind: str) -> list[dict[str, Any]]:
    found = read(team / "lake", "events").sort("sequence")
    return [json.loads(body) for body in found.filter(found["kind"] == kind)["body"]]


def test_a_night_that_found_nothing_failed_or_ran_otherwise_is_in_the_log(
    team: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(*EMPTY).code == 0

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is on fire")

    with monkeypatch.context() as patch:
        patch.setattr(health, "check", fails)
        assert command(*EMPTY).code != 0
    config = team / "claimledger.toml"
    config.write_text(config.read_text().replace("[validation]\n", "[validation]\nquarantine_note = 1\n"))
    assert command(*EMPTY).code == 2
    config.write_text(config.read_text().replace("quarantine_note = 1\n", ""))
    monkeypatch.setenv("CLAIMLEDGER__VALIDATION__MAXIMUM_QUARANTINE_RATIO", "0.25")
    assert command(*EMPTY).code == 0
    runs = [(body["phase"], body["status"]) for body in bodies(team, "run")]
    assert runs == [
        ("start", "running"),
        ("end", "completed"),
        ("start", "running"),
        ("end", "failed"),
        ("start", "running"),
        ("end", "completed"),
    ]
    changes = bodies(team, "configuration")
    assert [body["change"] for body in changes] == ["policies", "settings", "settings.validation"]
    last = changes[-1]
    kept = json.loads((team / "lake" / "runs" / last["run_id"] / "settings.json").read_text())
    assert last["after"] == hashlib.sha256(kept["validation"].encode()).hexdigest()
    assert '"maximum_quarantine_ratio":0.25' in kept["validation"]
    assert command("ledger", "verify", "--quiet").code == 0


def test_a_cell_that_was_changed_is_a_problem_of_the_next_night_and_no_green_tick(
    team: Path, command: Command
) -> None:
    assert command(*EMPTY).code == 0
    page = sorted((team / "lake" / "reports").glob("*/index.html"))[0].read_text()
    assert re.search(r"✓ all \d+ events verified", page)
    lake = Lake.open(str(team / "lake"))
    edit(lake, "health", "lag_s", 1.0, cover=True, at_least=1)
    night = command("audit", "--until", "2000-01-01")
    assert night.code == 3
    assert "claimledger: the ledger does not verify: " in night.err
    assert "the manifests of this run name other files than its event says" in night.err
    run_id = command("audit", "--until", "2000-01-01", "--json").document["run_id"]
    page = (team / "lake" / "reports" / run_id / "index.html").read_text()
    assert "✕ does not verify" in page
    assert "events verified" not in page


def test_the_documented_way_of_an_auditor_ends_where_it_says(team: Path, command: Command) -> None:
    """init, rotate, witness places, verify, and the words for what is unknown and for what is bad."""
    assert command("ledger", "init", "--json").document["origin"]
    assert command("ledger", "init").code == 2
    first = (team / "lake" / "ledger" / "vkey").read_text().strip()
    assert command(*EMPTY).code == 0
    rotated = command("ledger", "rotate", "--json")
    assert rotated.code == 0, rotated.err
    assert command(*EMPTY).code == 0
    event = read(team / "lake", "events").sort("sequence")["event_id"][0]
    assert command("ledger", "prove", event, "-o", "one.tlog-proof").code == 0
    new = rotated.document["public_key"]
    assert command("ledger", "check", "one.tlog-proof", "--key", new).code == 0
    unknown = command("ledger", "check", "one.tlog-proof", "--key", first)
    assert unknown.code == 2
    assert "signed by none of the keys given" in unknown.err
    damaged = (team / "one.tlog-proof").read_text().replace("index 0", "index 1")
    (team / "bad.tlog-proof").write_text(damaged)
    assert command("ledger", "check", "bad.tlog-proof", "--key", new).code == 3
    for key in (first, new):
        assert command("ledger", "verify", "--quiet", "--key", key).code == 0
    waiting = command("review", "list", "--json")
    assert waiting.code == 0
    assert waiting.document["waiting"] == 0
    assert command("review", "list", "--because", "boredom").code == 2


def test_a_witness_that_runs_as_a_command_cosigns_the_nights_and_names_a_roll_back(
    team: Path, command: Command
) -> None:
    assert command("ledger", "init").code == 0
    log = (team / "lake" / "ledger" / "vkey").read_text().strip()
    run = [
        sys.executable,
        "-m",
        "flows.commands.cli",
        "ledger",
        "witness",
        "--folder",
        "w",
        "--name",
        "w.example/1",
    ]
    with subprocess.Popen(
        [*run, "--log", log, "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=team, env=_environment()
    ) as process:
        try:
            assert process.stdout
            key = process.stdout.readline().removeprefix("witness key: ").strip()
            url = process.stdout.readline().removeprefix("listening on ").strip()
            assert (team / "w" / "witness.key").stat().st_mode & 0o777 == 0o600
            with (team / "claimledger.toml").open("a") as config:
                place = f'name = "w"\nkind = "http"\nurl = "{url}"\nkey = "{key}"\n'
                config.write(f"\n[[ledger.witnesses]]\n{place}")
            assert command(*EMPTY).code == 0
            shutil.copytree(team / "lake", team / "older")
            assert command(*EMPTY).code == 0
            event = read(team / "lake", "events").sort("sequence")["event_id"][0]
            assert command("ledger", "prove", event, "-o", "one.tlog-proof", "--quiet").code == 0
            checked = command("ledger", "check", "one.tlog-proof", "--key", log, "--key", key, "--json")
            assert [c["witness"] for c in checked.document["cosigned"]] == ["w.example/1"]
            _put_back(team)
            again = command(*EMPTY)
            assert again.code == 1
            assert "the log was rolled back" in again.err or "the log was forked" in again.err
        finally:
            process.terminate()


def _put_back(team: Path) -> None:
    """The lake as it was two nights ago."""
    shutil.rmtree(team / "lake")
    (team / "older").rename(team / "lake")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
