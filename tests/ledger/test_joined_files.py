"""The ledger binds rows and no files: of a lake whose small files were joined it says what it said before."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from tasks import ids, tables
from tasks.lake import commits, joins, swaps
from tasks.lake.parameters import CompactionSettings
from tasks.lake.store import Lake
from tasks.ledger import compaction, prove, recording, verify
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tests.support import ledger_attack, ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, POLICIES, run_row

SETTINGS = CompactionSettings(files=2, after_days=0)


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swaps, "GRACE_S", 0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings]:
    folder = tmp_path_factory.mktemp("joined-files")
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    for number in range(3):
        ledger_lake.night(lake, wanted, number, outputs=2, claims=1)
    return lake, wanted


@pytest.fixture
def lake(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> Lake:
    shutil.copytree(base[0].root, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def wanted(base: tuple[Lake, LedgerSettings]) -> LedgerSettings:
    return base[1]


def compacted(lake: Lake, wanted: LedgerSettings, number: int = 50) -> joins.Joined:
    """A run that joins files and segments, from its start to its end."""
    run_id = ids.digest("run", number)
    row = run_row(run_id, flow="compact", verifier=None, rows_in=0, rows_out=0)
    recording.record_start(lake, wanted, POLICIES, {**row, "status": "running"}, actor=ACTOR)
    compaction.join_segments(lake, wanted)
    with lake.lock("compact"):
        done = joins.join(lake, SETTINGS, run_id=run_id, today=NIGHT.date())
    lake.clear_work(run_id)
    lake.commit(run_id, "run", {"runs": pl.DataFrame([row], schema=tables.RUNS.schema)}, run_day=NIGHT.date())
    recording.record(lake, wanted, POLICIES, run_id=run_id, now=NIGHT, actor=ACTOR)
    return done


def findings(lake: Lake, wanted: LedgerSettings, **options: bool) -> list[str]:
    found = verify.verify(lake, wanted, **options)
    return found.findings + found.unverifiable


def test_the_ledger_verifies_before_and_after_whole_and_going_on_and_proofs_are_the_same(lake, wanted):
    log = Log.open(lake.root / "ledger")
    event_ids = [segment.read()["event_id"][-1] for segment in log.segments]
    assert findings(lake, wanted) == []
    before = verify.verify(lake, wanted)
    proven = [prove.prove(lake, wanted, each)[1] for each in event_ids]
    assert compacted(lake, wanted).fewer > 10
    assert findings(lake, wanted, incremental=True) == []
    after = verify.verify(lake, wanted)
    assert (after.findings, after.unverifiable) == ([], [])
    assert {t: n for t, n in after.rows.items() if t != "runs"} == {
        t: n for t, n in before.rows.items() if t != "runs"
    }
    assert [prove.prove(lake, wanted, each)[1] for each in event_ids] == proven
    assert len(lake.files("events", until=NIGHT.date())) < 4


def test_a_second_compaction_joins_what_came_after_the_first(lake, wanted):
    compacted(lake, wanted)
    ledger_lake.night(lake, wanted, 3, outputs=2, claims=1)
    assert compacted(lake, wanted, 51).before > 3
    assert findings(lake, wanted) == []


@pytest.mark.parametrize(("table", "column"), [("verdicts", "reason"), ("claims", "text")])
def test_an_edited_cell_of_a_joined_file_is_found(lake, wanted, table, column):
    compacted(lake, wanted)
    ledger_attack.edit(lake, table, column, "Another.", cover=True)
    assert any(line.startswith(f"{table}: ") for line in ledger_attack.findings(lake, wanted))


def test_a_file_taken_away_under_a_manifest_of_no_run_is_found_at_once(lake, wanted):
    verify.verify(lake, wanted)
    victim = ledger_attack.first_file(lake, "verdicts")
    [removed] = [
        file
        for _, record in commits.manifests(lake.root)
        for file in commits.record_files(record)
        if lake.root / file.place == victim
    ]
    victim.unlink()
    folder = lake.root / "runs" / ids.digest("nobody") / "commits"
    folder.mkdir(parents=True)
    manifest = {"format": 2, "run_id": "x", "unit": "join", "status": "done", "files": []}
    (folder / "join.json").write_text(json.dumps(manifest | {"removes": [asdict(removed)]}))
    lines = findings(lake, wanted, incremental=True)
    assert any("join.json: takes files away, and the log knows no such run" in line for line in lines)


def test_a_manifest_of_a_compaction_that_names_another_file_than_its_event_is_found(lake, wanted):
    compacted(lake, wanted)
    verify.verify(lake, wanted)
    [path] = (lake.root / "runs" / ids.digest("run", 50) / "commits").glob("join-*.json")
    record = json.loads(path.read_text())
    record["removes"] = record["removes"][1:]
    path.write_text(json.dumps(record))
    assert any(
        "the manifests of this run name other" in line for line in findings(lake, wanted, incremental=True)
    )


def test_a_compaction_that_died_before_its_swap_is_a_notice_until_the_next_run_finishes_it(
    lake, wanted, monkeypatch
):
    run_id = ids.digest("run", 60)
    row = run_row(run_id, flow="compact", status="running")
    recording.record_start(lake, wanted, POLICIES, row, actor=ACTOR)
    with monkeypatch.context() as patch:
        patch.setattr(swaps, "publish", _die)
        with pytest.raises(KeyboardInterrupt):
            joins.join(lake, SETTINGS, run_id=run_id, today=NIGHT.date())
    found = verify.verify(lake, wanted)
    assert found.findings == []
    assert any("it is prepared, and the next run publishes it" in notice for notice in found.notices)
    assert "completed a commit that was interrupted" in lake.recover()[0]
    found = verify.verify(lake, wanted)
    assert (found.findings, found.notices) == ([], [])


def _die(*_: object) -> bool:
    raise KeyboardInterrupt
