"""A disk that fills at 80% of a backfill: with room again, the next ends as one that nothing disturbed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.tables import TABLES
from tests.end_to_end.conftest import LASTING, content, read
from tests.support.nursery import Ended, Nursery, has_namespaces
from tests.support.small_verifier import small_folder

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
    records = [
        {
            "id": str(day),
            "at": f"2026-11-{day:02}T10:00:00Z",
            "question": "What is there?",
            "answer": f"Plant {day} has {day + day % 2} reactors.",
            "docs": [f"Plant {day} has {day} reactors."],
        }
        for day in range(1, DAYS + 1)
    ]
    (folder / "answers.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    (folder / "claimledger.toml").write_text(
        f"""
        lake = "{lake}"
        [[sources]]
        name = "bot"
        kind = "files"
        path = "answers.jsonl"
        agent = "bot"
        use_case = "support"
        [sources.fields]
        id = "id"
        produced_at = "at"
        prompt = "question"
        response = "answer"
        contexts = "docs"
        [verifier]
        model = "{small_folder()}"
        [runner]
        together_outputs = 1
        """
    )


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


def assert_the_next_ends_as(other: Path, nursery: Nursery, folder: Path, lake: Path) -> None:
    """One more backfill: its tables are the other's, nothing is there twice or half, the ledger verifies."""
    again = nursery.run(*BACKFILL, cwd=folder)
    assert again.code == 0, again.err
    for table in LASTING:
        found = content(lake, table)
        assert_frame_equal(found, content(other, table))
        assert not found.select(TABLES[table].key).is_duplicated().any(), table
    runs = read(lake, "runs")
    assert set(runs["status"]) <= {"completed", "died", "failed"}
    assert runs.filter(pl.col("status") == "completed").height >= 1
    names = [file.name for file in (lake / "tables").rglob("*") if file.is_file()]
    assert [name for name in names if name.startswith((".", "_")) or not name.endswith(".parquet")] == []
    verified = nursery.run("ledger", "verify", "--json", cwd=folder)
    assert verified.code == 0, verified.err
    assert json.loads(verified.out)["findings"] == []


def test_no_write_succeeds_from_80_percent_of_a_backfill_on(
    tmp_path: Path, nursery: Nursery, undisturbed: tuple[Path, Ended]
) -> None:
    lake = tmp_path / "lake"
    export(tmp_path, lake)
    other, ended = undisturbed
    full = nursery.run(*BACKFILL, cwd=tmp_path, fault=(int(SHARE * ended.calls), "full"))
    assert_stopped_for_want_of_room(full, lake)
    assert_the_next_ends_as(other, nursery, tmp_path, lake)


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
        assert_the_next_ends_as(undisturbed[0], nursery, tmp_path, nursery.seen(lake))
