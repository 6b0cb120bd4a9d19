"""What keeps a lake small, as a user types it: small files joined, old content gone by rule, holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tasks.lake.store import Lake
from tests.end_to_end.conftest import Answer, read
from tests.support import ledger_lake

Command = Callable[..., Answer]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three nights of one day, recorded, in a team's folder."""
    monkeypatch.chdir(tmp_path)
    wanted, lake = ledger_lake.settings(tmp_path), Lake.open(str(tmp_path / "lake"))
    for number in range(3):
        ledger_lake.night(lake, wanted, number, outputs=1, claims=1)
    (tmp_path / "claimledger.toml").write_text(
        f"""
        [ledger]
        origin = "{wanted.origin}"
        key_folder = "{wanted.key_folder}"
        [[retention.rules]]
        name = "old-answers"
        days = 7
        """
    )
    return lake.root


def test_compact_joins_the_files_of_a_day_and_the_rows_and_the_ledger_stay(
    lake: Path, command: Command
) -> None:
    before = read(lake, "verdicts").sort("verdict_id")
    files = len(list((lake / "tables" / "verdicts").rglob("*.parquet")))
    done = command("compact", "--json")
    assert done.code == 0, done.err
    assert done.document["files"] > 0
    assert len(list((lake / "tables" / "verdicts").rglob("*.parquet"))) < files
    assert read(lake, "verdicts").sort("verdict_id").equals(before)
    assert command("ledger", "verify").code == 0


def test_what_is_held_stays_until_it_is_released_and_a_plan_writes_nothing(
    lake: Path, command: Command
) -> None:
    held = command("retention", "hold", "--use-case", "support", "--reason", "case 114", "--json")
    assert held.code == 0, held.err
    assert "case 114" in command("retention", "holds").out
    assert command("retention", "apply", "--json").document[0]["output_ids"] == []
    released = command("retention", "release", held.document["hold_id"][:12], "--reason", "case 114 closed")
    assert released.code == 0, released.err
    assert "no hold in force" in command("retention", "holds").out
    planned = command("retention", "apply", "--plan", "--json")
    assert len(planned.document[0]["output_ids"]) == 3
    assert answers(lake) == 3
    applied = command("retention", "apply")
    assert applied.code == 0, applied.err
    assert "old-answers" in applied.out
    assert answers(lake) == 0
    verified = command("ledger", "verify")
    assert verified.code == 0, verified.err
    assert "old-answers" in verified.out


def answers(lake: Path) -> int:
    """Outputs whose text is there."""
    return read(lake, "outputs").filter(pl.col("response").str.contains("Claim")).height
