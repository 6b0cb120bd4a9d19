"""A day's small files become one: the same rows for every reader at every moment, and after every death."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import tables
from tasks.errors import IntegrityError, LakeError
from tasks.files import durable, exchange, parquet
from tasks.lake import commits, joins, store, swaps
from tasks.lake.parameters import CompactionSettings
from tasks.lake.store import Lake
from tests.support import lake_frames

DAY = date(2026, 1, 5)
TODAY = date(2026, 2, 1)
SETTINGS = CompactionSettings(files=3)
NAMES = ("outputs", "claims", "quarantine")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody lists the old folder here."""
    monkeypatch.setattr(swaps, "GRACE_S", 0)


def many_files(folder: Path, commits_made: int = 6) -> Lake:
    """A lake of which every commit left a file for each of two days."""
    lake = Lake.open(str(folder))
    lake.ensure_tables(date(2026, 1, 2))
    for number in range(commits_made):
        lake.commit(f"run-{number}", "unit", lake_frames.made(4, first=4 * number), run_day=DAY)
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return many_files(tmp_path / "lake")


def contents(lake: Lake) -> dict[str, pl.DataFrame]:
    return {name: lake.scan(name, verify=True).collect() for name in NAMES}


def ordered(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {name: frame.sort(tables.TABLES[name].key) for name, frame in frames.items()}


def same(lake: Lake, wanted: dict[str, pl.DataFrame]) -> bool:
    found = ordered(contents(lake))
    return all(found[name].equals(frame) for name, frame in ordered(wanted).items())


def join(lake: Lake, settings: CompactionSettings = SETTINGS, run_id: str = "join") -> joins.Joined:
    done = joins.join(lake, settings, run_id=run_id, today=TODAY)
    lake.clear_work(run_id)
    return done


def test_the_rows_their_order_and_the_files_digests_are_as_before_and_the_files_are_few(lake: Lake) -> None:
    before = contents(lake)
    # The file of no rows that every table begins with stays beside the joined one.
    assert len(lake.files("outputs", since=date(2026, 1, 2), until=date(2026, 1, 2))) == 7
    done = join(lake)
    assert (done.before, done.after, done.fewer) == (30, 5, 25)
    assert [len(lake.files(name)) for name in NAMES] == [3, 3, 2]
    after = contents(lake)
    assert all(after[name].equals(before[name]) for name in NAMES)
    assert lake.verify_files() == []
    assert list((lake.root / "_work").glob("*/*")) == []


def test_joining_again_changes_nothing_and_later_commits_are_joined_with_it(lake: Lake) -> None:
    join(lake)
    assert join(lake, run_id="again").before == 0
    for number in range(10, 13):
        lake.commit(f"run-{number}", "unit", lake_frames.made(4, first=4 * number), run_day=DAY)
    before = contents(lake)
    assert join(lake, run_id="later").after == 5
    assert same(lake, before)
    assert lake.verify_files() == []


def test_what_is_committed_again_after_a_join_is_there_already(lake: Lake) -> None:
    join(lake)
    counts = lake.commit("run-9", "unit", lake_frames.made(4), run_day=DAY)
    assert {name: (c.published, c.already_there) for name, c in counts.items()} == {
        "outputs": (0, 4),
        "claims": (0, 8),
        "quarantine": (0, counts["quarantine"].rows_in),
    }


def test_rows_of_joined_files_can_be_given_other_values(lake: Lake) -> None:
    join(lake)
    changed = contents(lake)["outputs"].with_columns(use_case=pl.lit("sales"))
    assert lake.replace_rows("outputs", changed, run_id="run-9", unit="changed") == 24
    assert same(lake, contents(lake) | {"outputs": changed})
    assert lake.verify_files() == []


def test_few_files_recent_days_and_more_days_than_a_night_joins_are_left(lake: Lake) -> None:
    assert join(lake, CompactionSettings(files=8)).before == 0
    assert joins.join(lake, SETTINGS, run_id="join", today=date(2026, 1, 4)).before == 0
    assert joins.join(lake, SETTINGS, run_id="join", today=date(2026, 1, 6)).days == 2
    other = many_files(lake.root.parent / "other")
    done = joins.join(other, CompactionSettings(files=3, days_at_once=1), run_id="join", today=TODAY)
    assert done.days == 1
    assert len(other.files("outputs", until=date(2026, 1, 2))) == 2


def test_a_joined_file_is_no_larger_than_it_may_be(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(lake)
    size = max(path.stat().st_size for path in lake.files("outputs"))
    monkeypatch.setattr(joins, "MOST_BYTES", int(2.5 * size))
    join(lake)
    day = lake.files("outputs", since=date(2026, 1, 2), until=date(2026, 1, 2))
    assert 2 < len(day) < 7
    assert same(lake, before)


def test_a_damaged_file_is_named_and_nothing_is_joined(lake: Lake) -> None:
    victim = next(path for path in lake.files("claims") if parquet.height(path))
    data = bytearray(victim.read_bytes())
    data[60] ^= 1
    victim.write_bytes(data)
    with pytest.raises(IntegrityError, match=victim.name):
        join(lake)
    assert len(lake.files("outputs")) == 13


def test_where_folders_cannot_be_swapped_the_files_stay_and_the_reason_is_said(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(first: Path, _second: Path) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(first))

    monkeypatch.setattr(exchange, "exchange", refused)
    before = contents(lake)
    done = join(lake)
    assert "this file system cannot swap two folders at once, so files stay as they are" in done.notice
    assert len(lake.files("outputs")) == 13
    assert same(lake, before)


def test_a_file_committed_between_a_crash_and_the_recovery_is_kept(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(swaps, "publish", _die)
        with pytest.raises(Killed):
            joins.join(lake, SETTINGS, run_id="join", today=TODAY)
    extra = lake_frames.made(4, first=400)["outputs"]
    day = extra["produced_at"].dt.date().min()
    data = parquet.encode(tables.OUTPUTS, extra.filter(pl.col("produced_at").dt.date() == day))
    file = commits.describe("outputs", day, data, 2)
    (lake.root / file.place).write_bytes(data)
    before = lake.scan("outputs").collect().height
    lake.recover()
    assert lake.scan("outputs").collect().height == before
    assert (lake.root / file.place).exists()


def _die(*_: object) -> bool:
    raise Killed


# Deaths --------------------------------------------------------------------------------------------------


def _stops(patch: pytest.MonkeyPatch, at: int, *, after: bool) -> list[str]:
    """The process dies at its nth change of the disk, before it or after it, and does nothing more."""
    steps: list[str] = []

    def dying(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **kwargs: Any) -> Any:
            steps.append(name)
            if len(steps) > at + 1 or (len(steps) == at + 1 and not after):
                raise Killed
            result = real(*args, **kwargs)
            if len(steps) == at + 1:
                raise Killed
            return result

        return act

    for owner, name in (
        (os, "write"),
        (os, "fsync"),
        (os, "link"),
        (Path, "replace"),
        (Path, "mkdir"),
        (shutil, "rmtree"),
        (exchange, "exchange"),
    ):
        patch.setattr(owner, name, dying(name, getattr(owner, name)))
    return steps


EVERY_STEP = pytest.param(1, marks=pytest.mark.slow)
"""A kill at each of some seventy steps takes a minute."""


@pytest.mark.parametrize("after", [False, True], ids=["before the step", "after the step"])
@pytest.mark.parametrize("stride", [6, EVERY_STEP])
def test_killed_at_every_step_the_rows_are_there_once_and_the_next_run_ends_as_an_undisturbed_one(
    tmp_path: Path, after: bool, stride: int
) -> None:
    lake = many_files(tmp_path / "lake", commits_made=3)
    before = contents(lake)
    old = len(lake.files("outputs"))
    deaths, states = 0, set()
    for at in range(3, 400, stride):
        other = Lake.open(str(tmp_path / f"at-{at}"))
        shutil.copytree(lake.root, other.root)
        with pytest.MonkeyPatch.context() as patch:
            steps = _stops(patch, at, after=after)
            try:
                joins.join(other, SETTINGS, run_id="join", today=TODAY)
            except Killed:
                deaths += 1
        if len(steps) <= at:
            break
        assert same(other, before)  # what a reader sees before anybody has recovered anything
        again = Lake.open(str(other.root))
        store._scratch.clear()  # another process does not know the dead one's
        again.recover()
        states.add(len(again.files("outputs")))
        join(again, run_id="again")
        assert same(again, before)
        assert again.verify_files() == []
        assert [len(again.files(name)) for name in NAMES] == [3, 3, 2]
        assert list((again.root / "_work").glob("*/*")) == []
        shutil.rmtree(other.root)
    assert deaths > 50 // stride
    assert states == {old, 3}


def _full(patch: pytest.MonkeyPatch, number: int, after: int) -> None:
    """Every write of a file after so many fails."""
    real, writes = durable.write_new, 0

    def write(path: Path, data: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes > after:
            raise OSError(number, os.strerror(number), str(path))
        real(path, data)

    patch.setattr(durable, "write_new", write)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("after", [0, 2, 5])
def test_a_disk_that_refuses_is_one_sentence_and_the_next_try_goes_on(
    lake: Lake, number: int, after: int
) -> None:
    before = contents(lake)
    with pytest.MonkeyPatch.context() as patch:
        _full(patch, number, after)
        with pytest.raises(LakeError, match=os.strerror(number)):
            join(lake)
    assert same(lake, before)
    join(lake, run_id="again")
    assert same(lake, before)
    assert lake.verify_files() == []


# Readers -------------------------------------------------------------------------------------------------

_READER = """
import sys, time
import duckdb, polars as pl
lake, kind, until, rows = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
glob = f"{lake}/tables/outputs/**/*.parquet"
good = gone = 0
while time.time() < until or good < 3:
    try:
        if kind == "duckdb":
            query = f"select count(*), count(distinct output_id) from read_parquet('{glob}')"
            seen = duckdb.connect().execute(query).fetchone()
        else:
            ids = pl.read_parquet(glob, columns=["output_id"])["output_id"]
            seen = (ids.len(), ids.n_unique())
    except (OSError, duckdb.IOException, pl.exceptions.ComputeError) as error:
        assert "No such file" in str(error), error
        gone += 1
        continue
    assert seen == (rows, rows), f"{kind} saw {seen} of {rows} rows"
    good += 1
print(good, gone)
"""


LONG = pytest.param(60, 400, marks=pytest.mark.slow)
"""A minute shows what a reader meets in hundreds of swaps."""


@pytest.mark.parametrize("kind", ["duckdb", "polars"])
@pytest.mark.parametrize(("seconds", "least"), [(3, 15), LONG])
def test_readers_in_a_loop_meet_each_row_once_while_days_are_joined_and_split_again(
    tmp_path: Path, kind: str, seconds: int, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn exchanges a day's folder: with the joined file, and with the small ones again."""
    lake = many_files(tmp_path / "lake", commits_made=8)
    place = lake.root / "tables/outputs/date=2026-01-02"
    rows = lake.scan("outputs").collect().height
    small = tmp_path / "lake" / "_small"
    shutil.copytree(place, small)
    join(lake)
    joined = tmp_path / "lake" / "_joined"
    shutil.copytree(place, joined)
    monkeypatch.setattr(swaps, "GRACE_S", 0.01)
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(lake.root), kind, str(time.time() + seconds), str(rows)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    turns, work = 0, tmp_path / "lake" / "_work" / "turn"
    while reader.poll() is None:
        source = (small, joined)[turns % 2]
        digests = {path.name: durable.sha256_file(path) for path in source.iterdir()}
        gone = {path.name: durable.sha256_file(path) for path in place.iterdir() if path.name not in digests}
        swap = swaps.Swap(place, work, digests, gone)
        swaps.prepare(swap, [(path.name, path.read_bytes()) for path in source.iterdir()])
        swaps.publish([swap])
        shutil.rmtree(work)
        turns += 1
    out, err = reader.communicate()
    assert reader.returncode == 0, err[-2000:]
    answered, vanished = map(int, out.split())
    assert answered >= 3, f"{vanished} of {answered + vanished} queries met a file that was gone"
    assert turns >= least
