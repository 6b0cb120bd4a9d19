"""The life of a run: it waits for its turn, is stopped at a stage's limit, and is found when it died."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.orchestrator import task
from flows.run import Run, finish, opened
from flows.stages import keep_inventory
from tasks import doctor
from tasks.errors import LakeError, TimeLimitError
from tasks.inventory.parameters import InventorySettings
from tasks.lake.store import Lake
from tasks.settings import Settings
from tests.support import lake_frames


def settings(lake: Path, **runner: Any) -> Settings:
    made = Settings(lake=str(lake))
    return made.model_copy(update={"runner": replace(made.runner, **runner)})


def the_runs(lake: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(f"{lake}/tables/runs/**/*.parquet").sort("started_at").to_dicts()


@task("publish", lambda _, day: f"publish {day}")
def publish(run: Run, day: str) -> None:
    frames = lake_frames.made(1)
    run.lake.commit(run.run_id, f"unit-{day}", frames, run_day=run.day)


@task("hang")
def hang(_run: Run) -> None:
    time.sleep(60)


def test_a_stage_over_its_limit_ends_the_run_as_failed_and_keeps_what_was_published(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    broken = pytest.raises(TimeLimitError)
    with broken, opened("audit", settings(lake, stage_limit_s=1.0), {}) as run:
        publish(run, "2026-11-02")
        hang(run)
        finish(run, marks={"exports": {"seen": True}})
    (row,) = the_runs(lake)
    assert (row["status"], row["stage"]) == ("failed", "hang")
    assert row["reason"].startswith("stage hang took longer than runner.stage_limit_s, 1 s, and was stopped")
    assert Lake.open(str(lake)).scan("outputs").collect().height == 1
    assert Lake.open(str(lake)).read_state("watermark-exports") == {}
    assert Lake.open(str(lake)).read_state("open_runs") == {}


def test_a_night_keeps_the_inventory_and_says_what_is_new_in_it_once(tmp_path: Path) -> None:
    folder = tmp_path / "inventory"
    folder.mkdir()
    declared = settings(tmp_path / "lake").model_copy(
        update={"inventory": InventorySettings(path=str(folder))}
    )
    with opened("nightly audit", declared, {}) as run:
        publish(run, "2026-11-02")
        keep_inventory(run)
        first, rows = run.record.warnings, run.lake.scan("inventory").collect()
    assert {row["kind"] for row in rows.to_dicts()} >= {"agent", "source"}
    assert any(said.startswith("the inventory: agent ") and "not declared" in said for said in first)
    with opened("nightly audit", declared, {}) as run:
        keep_inventory(run)
        assert not [said for said in run.record.warnings if said.startswith("the inventory")]
        assert run.lake.scan("inventory").collect().height == 2 * rows.height
        (folder / "bad.toml").write_text("[[agent]]")
        keep_inventory(run)
        assert "the inventory was not compared: " in run.record.warnings[-1]


def test_a_run_waits_for_the_one_before_it_and_says_whom_it_waits_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = tmp_path / "lake"
    first = Lake.open(str(lake))
    begun, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with first.lock("nightly audit"):
            begun.set()
            time.sleep(1)
            ended.set()

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    with caplog.at_level("WARNING", logger="claimledger"), opened("backfill", settings(lake), {}):
        assert ended.is_set()
    thread.join()
    assert "locked by nightly audit (process " in caplog.text
    assert "waiting up to 6 h for it to end" in caplog.text


def test_a_run_that_waits_in_vain_fails_with_the_same_words(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with Lake.open(str(lake)).lock("nightly audit"):
        errors: list[Exception] = []

        def late() -> None:
            try:
                with opened("backfill", settings(lake, lock_wait_s=0.1), {}):
                    raise AssertionError("two runs at once")
            except LakeError as error:
                errors.append(error)

        thread = threading.Thread(target=late)
        thread.start()
        thread.join()
    assert "locked by nightly audit" in str(errors[0])
    assert "after a wait of 0.1 s" in str(errors[0])


DYING = """
import sys
from pathlib import Path
from tests.flows.test_run import Run, opened, publish, settings, task

@task("judge", lambda _, day: f"judge {day}, 14 outputs")
def judge(_run, day):
    print("judging", flush=True)
    sys.stdin.read()

with opened("nightly audit", settings(Path(sys.argv[1])), {"since": None}) as run:
    publish(run, "2026-11-01")
    judge(run, "2026-11-02")
"""


def test_a_run_that_was_killed_is_found_by_doctor_and_by_the_next_run_of_another_flow(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with subprocess.Popen(
        [sys.executable, "-c", DYING, str(lake)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "judging\n"
        (at_work,) = doctor.runs(Lake.open(str(lake)))
        assert at_work.ok
        assert f"nightly audit (process {process.pid} on " in at_work.detail
        process.send_signal(signal.SIGKILL)
    stage = "died in stage judge 2026-11-02, 14 outputs, which began at 20"
    (died,) = doctor.runs(Lake.open(str(lake)))
    assert not died.ok
    assert stage in died.detail
    assert "run `claimledger audit`" in died.advice

    with opened("drift", settings(lake), {}) as run:
        finish(run)
    assert any(
        stage in warning and "resumes from what it published" in warning for warning in run.record.warnings
    )
    row, after = the_runs(lake)
    assert (row["flow"], row["status"], row["stage"]) == (
        "nightly audit",
        "died",
        "judge 2026-11-02, 14 outputs",
    )
    assert row["rows_out"] == 1
    assert row["started_at"] < row["finished_at"] < after["started_at"]
    assert (after["status"], after["stage"], after["reason"]) == ("completed", None, None)
    events = Lake.open(str(lake)).scan("events").filter(pl.col("kind") == "run").collect()
    bodies = events.filter(pl.col("body").str.contains('"status":"died"'))["body"].to_list()
    assert len(bodies) == 1
    assert [check.ok for check in doctor.runs(Lake.open(str(lake)))] == [True]
