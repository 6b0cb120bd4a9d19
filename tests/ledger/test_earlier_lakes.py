"""Lakes that earlier releases signed still verify, are still watched, and go on under this one.

`tests/data/earlier_lakes` holds two nights of `ledger_lake` each, written and signed by the code of then; the
keys in them are the tests' own.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import polars as pl
import pytest

from tasks.lake.store import Lake
from tasks.ledger import events, verify
from tasks.ledger.parameters import LedgerSettings
from tests.support import ledger_lake
from tests.support.ledger_attack import edit
from tests.support.ledger_lake import night

FOLDER = Path(__file__).parent.parent / "data" / "earlier_lakes"
SIGNED = {
    "verification": ("fbe3ea30", "c4fafa60", "4b7a0d79", "2fe975b9"),
    "re-verification": ("1172e239", "714421c2", "ac1ee15f", "6b4aac64"),
    "action": ("766cf1c3", "766cf1c3", "280112ed", "492d7f16"),
    "flip": ("1962e0db",) * 4,
    "run": ("57da2d96",) * 4,
}
"""Beginnings of `_schema` that earlier releases signed, the oldest first."""


@pytest.fixture(params=["before-outcomes", "before-causes"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Lake, LedgerSettings]:
    with tarfile.open(FOLDER / f"{request.param}.tar.gz") as file:
        file.extractall(tmp_path, filter="data")
    for key in (tmp_path / "keys").iterdir():
        key.chmod(0o600)
    return Lake.open(str(tmp_path / "lake")), ledger_lake.settings(tmp_path)


@pytest.mark.parametrize(("kind", "vintage"), [(kind, vintage) for kind in SIGNED for vintage in range(4)])
def test_the_schemas_that_earlier_releases_signed_are_those_of_their_vintage(kind: str, vintage: int) -> None:
    assert events.schema_id(kind, vintage).startswith(SIGNED[kind][vintage])


def test_a_lake_of_an_earlier_release_verifies_and_goes_on_under_this_one(
    earlier: tuple[Lake, LedgerSettings],
) -> None:
    lake, settings = earlier
    assert "insufficient_because" not in pl.read_parquet(lake.files("verdicts")[-1]).columns
    before = verify.verify(lake, settings)
    assert (before.findings, before.unverifiable) == ([], [])
    assert before.rows["verdicts"] == 12
    night(lake, settings, 7)
    after = verify.verify(lake, settings)
    assert (after.findings, after.unverifiable) == ([], [])
    assert after.rows["verdicts"] == 18
    assert lake.scan("verdicts").collect()["insufficient_because"].null_count() == 18


def test_a_changed_cell_of_an_earlier_release_is_named(earlier: tuple[Lake, LedgerSettings]) -> None:
    lake, settings = earlier
    edit(lake, "verdicts", "p_supported", 0.9, cover=True)
    assert any("verdicts: column p_supported" in each for each in verify.verify(lake, settings).findings)


def test_a_value_in_a_column_that_the_event_does_not_know_was_put_there(
    earlier: tuple[Lake, LedgerSettings],
) -> None:
    lake, settings = earlier
    edit(lake, "verdicts", "insufficient_because", "no_evidence", cover=True)
    found = verify.verify(lake, settings).findings
    assert any("verdicts: column insufficient_because of 1 rows has a value" in each for each in found)
