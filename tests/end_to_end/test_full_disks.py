"""A disk that fills at 80% of a backfill: with room again, the next ends as one that nothing disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import assert_the_next_ends_as, read
from tests.support.nursery import Ended, Nursery, has_namespaces
from tests.support.small_team import answer, configure, write_answers

DAYS = 5
BACKFILL = ("backfill", "--from", "2026-11-01", "--to", f"2026-11-{DAYS:02}", "--quiet")
SHARE = 0.8
DISK_MIB = 64


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """One process for the backfills of this file."""
    with Nursery() as process:
        yield process


def export(folder: Path, lake: Path) -> None:
    """One answer of each of some days, each a unit."""
    write_answers(
        folder / "answers.jsonl",
        [
            answer(
                str(day),
                f"2026-11-{day:02}T10:00:00Z",
                f"Plant {day} has {day + day % 2} reactors.",
                f"Plant {day} has {day} reactors.",
            )
            for day in range(1, DAYS + 1)
        ],
    )
    configure(folder, lake=str(lake), more="[runner]\ntogether_outputs = 1")


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """The lake of a backfill that has room, and how that ended."""
    folder = tmp_path_factory.mktemp("undisturbed")
    export(folder, folder / "lake")
    ended = nursery.run(*BACKFILL, cwd=folder)
    assert ended.code == 0, ended.err
    assert ended.calls > 300, "its calls were not counted"
    return folder / "lake", ended


def assert_stopped_for_want_of_room(ended: Ended, lake: Path) -> None:
    """One sentence that says so; what was published before is there."""
    assert ended.code == 2, ended.err
    assert ended.err.startswith("claimledger:")
    assert "No space left" in ended.err
    assert "Traceback" not in ended.err
    assert read(lake, "outputs").height >= SHARE * DAYS


def test_no_write_succeeds_from_80_percent_of_a_backfill_on(
    tmp_path: Path, nursery: Nursery, undisturbed: tuple[Path, Ended]
) -> None:
    lake = tmp_path / "lake"
    export(tmp_path, lake)
    other, ended = undisturbed
    full = nursery.run(*BACKFILL, cwd=tmp_path, fault=(int(SHARE * ended.calls), "full"))
    assert_stopped_for_want_of_room(full, lake)
    assert_the_next_ends_as(other, nursery, *BACKFILL, folder=tmp_path, lake=lake)


@pytest.mark.skipif(not has_namespaces(), reason="a user may not mount a disk on this machine")
@pytest.mark.slow  # a process of its own for the disk
def test_a_small_disk_is_full_at_80_percent_of_a_backfill(
    tmp_path: Path, undisturbed: tuple[Path, Ended]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    lake, filler = disk / "lake", disk / "filler"
    export(tmp_path, lake)
    with Nursery((disk, DISK_MIB)) as nursery:
        fills = ("flows.units", "judge", int(SHARE * DAYS) + 1, str(filler))
        full = nursery.run(*BACKFILL, cwd=tmp_path, fills=fills)
        assert_stopped_for_want_of_room(full, nursery.seen(lake))
        assert read(nursery.seen(lake), "outputs").height == int(SHARE * DAYS)
        nursery.seen(filler).unlink()
        seen = nursery.seen(lake)
        assert_the_next_ends_as(undisturbed[0], nursery, *BACKFILL, folder=tmp_path, lake=seen)
