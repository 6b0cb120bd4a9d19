"""What a run may say of its ledger: only what it checked, and a changed cell is seen the same night."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.lake.store import Lake
from tasks.ledger import nightly
from tasks.ledger.parameters import LedgerSettings
from tests.support import ledger_lake
from tests.support.ledger_attack import edit
from tests.support.ledger_lake import night

NOW = datetime(2026, 11, 3, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings]:
    folder = tmp_path_factory.mktemp("nightly")
    lake, settings = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    for number in range(2):
        night(lake, settings, number)
    first = nightly.verification(lake, settings, now=NOW)
    assert (first.holds, first.is_whole, first.whole_at) == (True, True, NOW)
    return lake, settings


@pytest.fixture
def settings(base: tuple[Lake, LedgerSettings]) -> LedgerSettings:
    return base[1]


@pytest.fixture
def lake(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> Lake:
    shutil.copytree(base[0].root, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


def test_the_next_night_checks_what_is_new_and_says_when_everything_was_checked(lake, settings):
    night(lake, settings, 2)
    later = NOW + timedelta(days=1)
    checked = nightly.verification(lake, settings, now=later)
    assert (checked.holds, checked.is_whole, checked.whole_at) == (True, False, NOW)
    assert checked.events == 14
    assert "every table file" in checked.statement


def test_after_a_week_everything_is_checked_again(lake, settings):
    later = NOW + timedelta(days=7)
    checked = nightly.verification(lake, settings, now=later)
    assert (checked.holds, checked.is_whole, checked.whole_at) == (True, True, later)


@pytest.mark.parametrize("cover", [False, True], ids=["in place", "with its name and manifest changed too"])
@pytest.mark.parametrize("table", ["verdicts", "outputs"])
def test_a_cell_of_an_earlier_night_that_was_changed_is_seen_the_same_night(lake, settings, table, cover):
    column, value = {"verdicts": ("verdict", "contradicted"), "outputs": ("response", "Another")}[table]
    edit(lake, table, column, value, cover=cover)
    checked = nightly.verification(lake, settings, now=NOW + timedelta(days=1))
    assert not checked.holds
    assert checked.findings
    assert checked.problems[0].startswith("the ledger does not verify: ")
    again = nightly.verification(lake, settings, now=NOW + timedelta(days=2))
    assert again.findings  # it is not forgotten


def test_a_ledger_that_cannot_be_read_is_a_finding_and_none_at_all_is_not_verified(lake, settings, tmp_path):
    (lake.root / "ledger" / "checkpoint").write_bytes(b"torn")
    assert nightly.verification(lake, settings, now=NOW).findings
    empty = Lake.open(str(tmp_path / "empty"))
    checked = nightly.verification(empty, settings, now=NOW)
    assert (checked.holds, checked.findings) == (False, [])
