"""Backfills as a user runs them: side by side, disturbed, limited, and with a night that comes in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

import flows.units
from flows.commands.cli import main
from tasks import starter
from tasks.backfill.workers import Workers
from tasks.errors import GateError
from tasks.lake import locks
from tests.end_to_end.conftest import LASTING, Answer, content, read
from tests.support.small_verifier import small_verifier
from tests.verify.test_endpoint import Server

Command = Callable[..., Answer]
DAYS = ("--from", "2026-11-01", "--to", "2026-11-05")


@pytest.fixture(autouse=True)
def a_unit_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMLEDGER__VERIFIER__MODEL", small_verifier().model)
    monkeypatch.setenv("CLAIMLEDGER__RUNNER__TOGETHER_OUTPUTS", "1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of a backfill in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    starter.write_starter(folder, from_source=None, path=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLAIMLEDGER__VERIFIER__MODEL", small_verifier().model)
        patch.setenv("CLAIMLEDGER__RUNNER__TOGETHER_OUTPUTS", "1")
        assert main(["backfill", *DAYS, "--config", f"{folder}/claimledger.toml", "--quiet"]) == 0
    return folder / "lake"


def same(lake: Path, other: Path) -> None:
    for table in LASTING:
        assert_frame_equal(content(lake, table), content(other, table))


def test_workers_give_the_tables_of_one_process_also_where_one_of_them_is_killed(
    team: Path, undisturbed: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    hire, victims = Workers._hire, []

    def hire_and_kill_the_first(self: Workers) -> Any:
        worker = hire(self)
        if not victims:
            victims.append(worker)
            worker.process.kill()
            worker.process.join()  # dead before it is given a unit: that breaks the pipe to it
        return worker

    monkeypatch.setattr(Workers, "_hire", hire_and_kill_the_first)
    done = command("backfill", *DAYS, "--workers", "2", "--json")
    assert done.code == 0, done.err
    assert "it is retried after the others" in done.err
    assert done.document["extra"]["units"] == {"done": 5, "set_aside": 0, "left": 0}
    same(team / "lake", undisturbed)
    assert command("ledger", "verify").code == 0


def test_a_unit_that_fails_for_ever_is_set_aside_with_its_reason_and_the_rest_goes_on(
    team: Path, undisturbed: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, attempts = flows.units.judge, []

    def fails_on_the_third(run: Any, unit: Any, *arguments: Any, **options: Any) -> None:
        if unit.title == "2026-11-03":
            attempts.append(unit)
            raise GateError("the tables of this day do not hold")
        judge(run, unit, *arguments, **options)

    monkeypatch.setattr(flows.units, "judge", fails_on_the_third)
    done = command("backfill", *DAYS, "--json")
    assert (done.code, len(attempts)) == (1, 2)
    assert (
        "2026-11-03: a unit of 1 output was set aside and the rest continued: the tables of this day"
        in done.err
    )
    document = done.document
    counts = (document["records_in"], document["records_out"], document["records_quarantined"])
    assert counts == (5, 4, 1)
    (refused,) = read(team / "lake", "quarantine").to_dicts()
    assert (refused["table"], refused["check"]) == ("outputs", "unit_set_aside")
    assert refused["reason"] == "its unit was set aside: the tables of this day do not hold"
    days = command("backfill", *DAYS, "--status", "--json").document
    assert [day["state"] for day in days] == ["complete", "complete", "set aside", "complete", "complete"]
    monkeypatch.setattr(flows.units, "judge", judge)
    again = command("backfill", *DAYS, "--json")
    assert (again.code, again.document["records_out"]) == (0, 1)
    assert_frame_equal(content(team / "lake", "verdicts"), content(undisturbed, "verdicts"))


def test_a_night_that_starts_during_a_backfill_goes_first_once_the_unit_under_way_is_done(
    team: Path, undisturbed: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, nights = flows.units.judge, []

    def calls_the_night(run: Any, *arguments: Any, **options: Any) -> None:
        if not nights:
            night = threading.Thread(target=main, args=(["audit", "--quiet"],))
            nights.append(night)
            night.start()
            while not locks.is_wanted(run.lake.root):
                time.sleep(0.01)
        judge(run, *arguments, **options)

    monkeypatch.setattr(flows.units, "judge", calls_the_night)
    done = command("backfill", *DAYS, "--json")
    nights[0].join()
    assert done.code == 0, done.err
    night, backfill = read(team / "lake", "runs").sort("finished_at").to_dicts()
    assert (night["flow"], night["status"]) == ("nightly audit", "completed")
    assert (backfill["flow"], backfill["status"]) == ("backfill", "completed")
    assert (backfill["rows_in"], backfill["rows_out"], backfill["rows_already_there"]) == (5, 1, 4)
    same(team / "lake", undisturbed)
    assert command("ledger", "verify").code == 0


@pytest.fixture
def paid_judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An endpoint whose answers cost 0.0001 each."""
    server = Server()
    monkeypatch.setenv("CLAIMLEDGER__VERIFIER__MODEL", "judge-1")
    monkeypatch.setenv("CLAIMLEDGER__VERIFIER__BACKEND", "endpoint")
    monkeypatch.setenv("CLAIMLEDGER__VERIFIER__ENDPOINT__URL", server.url)
    monkeypatch.setenv("CLAIMLEDGER__VERIFIER__ENDPOINT__PRICE_PER_MILLION_INPUT", "0.5")
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.mark.usefixtures("paid_judge")
def test_a_paid_judge_is_foreseen_from_what_it_cost_and_stopped_at_what_it_may(
    team: Path, command: Command
) -> None:
    first = command("backfill", "--from", "2026-11-01", "--to", "2026-11-01", "--json").document
    usage = first["extra"]["judge_usage"]
    assert usage["cost"] == pytest.approx(usage["requests"] * 200 * 0.5 / 1e6)
    assert usage["cost_per_claim"] == pytest.approx(usage["cost"] / usage["claims"])
    limited = command("backfill", *DAYS, "--max-cost", str(1.2 * usage["cost"]))
    assert limited.code == 1
    assert "4 outputs to judge in 5 units: about" in limited.err
    assert "stopped at --max-cost" in limited.err
    assert "run it again to resume from there" in limited.err
    runs = read(team / "lake", "runs").sort("started_at")
    assert 0 < runs["rows_out"][1] < 4
    assert runs["rows_out"].sum() == read(team / "lake", "outputs").height
