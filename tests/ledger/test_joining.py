"""Small segments are joined: the same root, the same proofs, and whoever is killed leaves one log, whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import ids
from tasks.errors import IntegrityError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import compaction, joining, opening, prove, recording, segments, verify
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tests.support import ledger_attack, ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, night

SMALL = 7
"""Segments of the lake below: two nights of two recordings each, and three single events."""


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings]:
    folder = tmp_path_factory.mktemp("joining")
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    for number in range(2):
        night(lake, wanted, number, outputs=2, claims=1)
    for number in range(3):
        remark(lake, wanted, number)
    assert len(log(lake).segments) == SMALL
    return lake, wanted


def remark(lake: Lake, wanted: LedgerSettings, number: int) -> None:
    """One more append of a single event, as a decision on the review page makes it."""
    run_id = ids.digest("remark", number)
    pack: dict[str, object] = {"manifest_sha256": run_id, "period_end_us": 1, "period_start_us": 0}
    recording.append_one(
        lake, wanted, "pack", run_id=run_id, now=NIGHT, actor=ACTOR, subject_id=run_id, **pack
    )


@pytest.fixture
def lake(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> Lake:
    shutil.copytree(base[0].root, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def wanted(base: tuple[Lake, LedgerSettings]) -> LedgerSettings:
    return base[1]


def log(lake: Lake) -> Log:
    return Log.open(lake.root / "ledger")


def facts(lake: Lake, wanted: LedgerSettings) -> tuple[object, ...]:
    """What a full check says of a lake, apart from notices of what a crash left."""
    found = verify.verify(lake, wanted)
    return found.findings, found.unverifiable, found.size, found.root, found.checkpoints, found.rows


def test_joined_segments_have_the_root_the_events_and_the_check_that_they_had_before(lake, wanted):
    before, events = facts(lake, wanted), pl.concat([s.read() for s in log(lake).segments])
    assert compaction.join_segments(lake, wanted) == SMALL - 1
    [joined] = log(lake).segments
    assert joined.read().equals(events)
    assert facts(lake, wanted) == before
    assert before[:2] == ([], [])
    assert sorted(path.name for path in joined.folder.iterdir()) == [
        joined.path.stem + ".json",
        joined.path.name,
    ]


def test_proofs_made_before_and_after_say_the_same(lake, wanted):
    event_ids = [segment.read()["event_id"][-1] for segment in log(lake).segments]
    before = [prove.prove(lake, wanted, event_id) for event_id in event_ids]
    compaction.join_segments(lake, wanted)
    assert [prove.prove(lake, wanted, event_id) for event_id in event_ids] == before


def test_appends_go_on_after_a_join_and_their_segments_are_joined_with_it(lake, wanted):
    compaction.join_segments(lake, wanted)
    remark(lake, wanted, 9)
    assert [s.rows for s in log(lake).segments][1:] == [1]
    compaction.join_segments(lake, wanted)
    [joined] = log(lake).segments
    assert len(joined.joined) == SMALL + 1
    assert facts(lake, wanted)[:3] == ([], [], joined.rows)


def test_a_checkpoint_that_an_append_signed_is_still_missed_after_its_segment_was_joined(lake, wanted):
    end = log(lake).segments[2].end
    compaction.join_segments(lake, wanted)
    (lake.root / "ledger/checkpoints" / str(end)).unlink()
    assert any(
        f"checkpoints/{end}: the checkpoint that an append signed is missing" in line
        for line in ledger_attack.findings(lake, wanted)
    )


def test_from_joined_segments_alone_the_log_has_the_same_root(lake, wanted):
    root = log(lake).head.root
    compaction.join_segments(lake, wanted)
    shutil.rmtree(lake.root / "ledger/tile")
    shutil.rmtree(lake.root / "ledger/index")
    assert log(lake).rebuild_tiles().root() == root
    assert facts(lake, wanted)[:2] == ([], [])


def test_a_reader_with_the_list_of_before_finds_the_same_rows_after(lake, wanted):
    old = log(lake)
    rows = [s.read() for s in old.segments]
    found = old.find(rows[1]["event_id"], "event_id")
    subjects = [s.subjects("verification") for s in old.segments]
    compaction.join_segments(lake, wanted)
    assert not old.segments[1].path.exists()
    assert [s.read().equals(r) for s, r in zip(old.segments, rows, strict=True)] == [True] * SMALL
    assert pl.concat(old.segments[1].parts(["sequence"], 2)).equals(rows[1].select("sequence"))
    assert old.find(rows[1]["event_id"], "event_id").equals(found)
    assert all(s.subjects("verification").equals(r) for s, r in zip(old.segments, subjects, strict=True))
    assert len(list((lake.root / "ledger/index").iterdir())) == 1


def test_a_segment_that_is_gone_without_being_joined_is_missed(lake, wanted):
    victim = log(lake).segments[1]
    victim.path.unlink()
    with pytest.raises(IntegrityError, match="the segment is missing"):
        victim.read()
    assert any("the segment is missing" in line for line in ledger_attack.findings(lake, wanted))


def test_the_check_that_goes_on_begins_at_what_was_checked_and_nothing_beyond_it_is_joined(lake, wanted):
    verify.verify(lake, wanted)
    size = log(lake).head.size
    remark(lake, wanted, 10)
    remark(lake, wanted, 11)
    compaction.join_segments(lake, wanted)
    assert [s.first for s in log(lake).segments] == [0, size, size + 1]
    found = verify.verify(lake, wanted, incremental=True)
    assert (found.findings, found.incremental_from, found.events) == ([], size, 2)


def test_a_check_that_goes_on_inside_a_joined_segment_checks_that_one_again(lake, wanted):
    middle = log(lake).segments[3]
    compaction.join_segments(lake, wanted)
    opened = log(lake)
    state = {"size": middle.first, "root": opened.checkpoint(middle.first).root.hex(), "whole_at": None}
    lake.write_state(verify.STATE, state)
    found = verify.verify(lake, wanted, incremental=True)
    assert (found.findings, found.unverifiable, found.events) == ([], [], opened.head.size)


def test_few_small_segments_are_left_alone(lake, wanted):
    assert compaction.join_segments(lake, wanted, least=SMALL + 1) == 0
    assert len(log(lake).segments) == SMALL


def test_no_joined_segment_is_larger_than_a_segment_may_be(lake):
    every = log(lake).segments
    groups = joining.groups(every, 9, every[-1].end)
    assert all(sum(s.rows for s in group) <= 9 and len(group) > 1 for group in groups)
    assert joining.groups(every, 1, every[-1].end) == []


def _stops(patch: pytest.MonkeyPatch, at: int) -> list[str]:
    """The process dies before its nth change of the disk."""
    steps: list[str] = []

    def dying(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **kwargs: Any) -> Any:
            steps.append(name)
            if len(steps) > at:
                raise Killed
            return real(*args, **kwargs)

        return act

    patch.setattr(durable, "write_new", dying("write", durable.write_new))
    patch.setattr(Path, "write_bytes", dying("index", Path.write_bytes))
    patch.setattr(Path, "replace", dying("rename", Path.replace))
    patch.setattr(Path, "unlink", dying("unlink", Path.unlink))
    return steps


def test_killed_before_every_change_of_the_disk_the_log_is_whole_and_the_next_run_finishes(
    lake, wanted, tmp_path
):
    before, events = facts(lake, wanted), pl.concat([s.read() for s in log(lake).segments])
    deaths = 0
    for at in range(200):
        other = Lake.open(str(tmp_path / f"at-{at}"))
        shutil.copytree(lake.root, other.root)
        with pytest.MonkeyPatch.context() as patch:
            steps = _stops(patch, at)
            try:
                compaction.join_segments(other, wanted)
            except Killed:
                deaths += 1
        if len(steps) <= at:
            break
        # A reader sees all rows once, whatever was left.
        assert pl.concat([s.read() for s in log(other).segments]).equals(events)
        assert facts(other, wanted) == before
        opening.open_ledger(other, wanted)
        assert segments.retired(other.root / "ledger/segments") == []
        compaction.join_segments(other, wanted)
        [joined] = log(other).segments
        assert joined.read().equals(events)
        assert facts(other, wanted) == before
        names = sorted(path.name for path in joined.folder.iterdir())
        assert names == [joined.path.stem + ".json", joined.path.name]
        shutil.rmtree(other.root)
    assert deaths > 3 * SMALL


def test_a_joined_segment_that_does_not_read_back_removes_nothing(lake, wanted):
    def damaged(path: Path, data: bytes) -> None:
        real(path, data[:-1] + b"?" if path.name.endswith(".parquet") else data)

    real = durable.replace
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "replace", damaged)
        with pytest.raises(IntegrityError):
            compaction.join_segments(lake, wanted)
    assert len(segments.described(lake.root / "ledger/segments")) == SMALL + 1


def test_an_edited_joined_segment_is_found(lake, wanted):
    compaction.join_segments(lake, wanted)
    [joined] = log(lake).segments
    data = bytearray(joined.path.read_bytes())
    data[len(data) // 2] ^= 1
    joined.path.write_bytes(data)
    description = joined.path.with_suffix(".json")
    record = json.loads(description.read_text()) | {"sha256": hashlib.sha256(data).hexdigest()}
    description.write_text(json.dumps(record))
    assert ledger_attack.findings(lake, wanted)
