"""Whatever died in a lake is named, with what becomes of it."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from tasks import doctor
from tasks.lake import joins, locks, store, swaps
from tasks.lake.leftovers import leftovers
from tasks.lake.parameters import CompactionSettings
from tasks.lake.store import Lake
from tasks.ledger import compaction, segments
from tests.lake.test_store_crashes import child
from tests.support import lake_frames, ledger_lake


def test_every_leftover_is_found_and_explained_and_those_of_runs_go_with_the_next(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    lake.commit("run-1", "unit", lake_frames.made(6), run_day=date(2026, 1, 5))
    assert leftovers(lake) == []
    assert subprocess.run(child(lake.root, "Path", "replace", 0), check=False).returncode == 137
    (lake.root / "cache" / "embeddings" / "_writing-77").mkdir(parents=True)
    (lake.root / "cache" / "embeddings" / "_writing-77" / "keys.npy").write_bytes(b"1" * 1000)
    (lake.root / "state" / ".runs.json.tmp").parent.mkdir(exist_ok=True)
    (lake.root / "state" / ".runs.json.tmp").write_bytes(b"{")
    (lake.root / "reports" / ".r.partial").mkdir(parents=True)
    named = {str(each.path): (each.what, each.fate) for each in leftovers(lake)}
    assert named["_work/run-2"] == (
        "scratch of a run that died, with 1 commits that were never prepared",
        "the next run removes it",
    )
    assert named["cache/embeddings/_writing-77"][0] == "an entry of a cache whose writer died"
    assert named["state/.runs.json.tmp"][0] == "a file that was being replaced"
    assert named["reports/.r.partial"][0] == "a folder that was being made"
    # The file that was to become the manifest of the commit is one of them.
    assert len(named) == 5
    (check,) = doctor.left_behind(lake)
    assert check.ok
    assert check.detail.startswith("5 leftovers, ")
    lake.recover()
    assert "_work/run-2" not in {str(each.path) for each in leftovers(lake)}


def test_what_belongs_to_a_writer_or_to_a_run_that_gave_way_is_no_leftover(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    scratch = lake.root / "_work" / "run-1"
    scratch.mkdir(parents=True)
    (scratch / "unit.parquet").write_bytes(b"1")
    assert len(leftovers(lake)) == 1
    with locks.marked(scratch / ".alive"):
        assert leftovers(lake) == []
    with lake.lock("nightly audit"):
        assert leftovers(lake) == []


EVERYTHING = CompactionSettings(files=2, after_days=0)


def test_what_a_join_left_at_each_of_its_steps_is_named_with_what_becomes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, wanted = Lake.open(str(tmp_path / "lake")), ledger_lake.settings(tmp_path)
    for number in range(2):
        ledger_lake.night(lake, wanted, number, outputs=1, claims=1)
    for step in ("prepare", "publish"):
        with monkeypatch.context() as patch:
            patch.setattr(swaps, step, _die)
            with pytest.raises(KeyboardInterrupt):
                joins.join(lake, EVERYTHING, run_id=step, today=date(2026, 12, 1))
    with monkeypatch.context() as patch:
        patch.setattr(segments, "remove", _die)
        with pytest.raises(KeyboardInterrupt):
            compaction.join_segments(lake, wanted)
    (lake.root / "ledger/segments/000099.parquet").write_bytes(b"half")
    (lake.root / "tables/_probe-x").mkdir()
    lake.write_state("retention", {"output_ids": ["1", "2"], "reason": "r", "keeps_reviews": True})
    store._scratch.clear()
    (check,) = doctor.left_behind(lake)
    for sentence in (
        "scratch of a run that died, with 1 prepared commits, which are completed first; the next run",
        "a segment that was joined into a bigger one; the next run removes it",
        "the file of a segment that was never finished; the next run removes it",
        "tables/_probe-x",
        "an erasure of 2 outputs under a rule that was interrupted; run `claimledger retention apply`",
    ):
        assert sentence in check.detail


def _die(*_: object) -> None:
    raise KeyboardInterrupt
