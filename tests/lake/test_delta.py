"""The lake's tables as Delta tables: each row once, added to, and nothing kept of what was erased."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import polars as pl
import pytest
from deltalake import DeltaTable

from tasks.errors import InputError
from tasks.lake import delta
from tasks.lake.store import Lake
from tasks.review.erase import erase
from tasks.tables import TABLES
from tests.support.ledger_lake import ACTOR, NIGHT, frames, night, settings

DAY = NIGHT.date()


@pytest.fixture
def lake(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"))
    night(lake, settings(tmp_path), 1)
    return lake


def exported(target, table):
    """As Polars reads it, without what only the export has."""
    return pl.read_delta(str(target / table)).select(*TABLES[table].schema)


def rows(lake, table):
    return lake.scan(table).collect()


def is_the_same(target, lake):
    for name in ("outputs", "claims", "passages", "evidence", "verdicts", "actions", "events", "runs"):
        key = list(TABLES[name].key)
        assert exported(target, name).sort(key).equals(rows(lake, name).sort(key)), name


def test_every_table_is_there_once_and_a_second_export_adds_only_what_is_new(lake, tmp_path):
    target = tmp_path / "delta"
    first = {each.table: each for each in delta.export(lake, str(target))}
    assert set(first) == set(TABLES)
    is_the_same(target, lake)
    versions = {name: DeltaTable(str(target / name)).version() for name in TABLES}
    again = delta.export(lake, str(target))
    assert {each.table: each.version for each in again} == versions
    before = set(DeltaTable(str(target / "outputs")).file_uris())
    lake.commit("more", "unit", frames("more", start=500), run_day=DAY)
    done = {each.table: each for each in delta.export(lake, str(target))}
    assert (done["outputs"].added, done["outputs"].days, done["runs"].added) == (3, [], 0)
    assert before < set(DeltaTable(str(target / "outputs")).file_uris())
    is_the_same(target, lake)


def test_deltas_own_library_reads_the_same_rows_and_the_days(lake, tmp_path):
    delta.export(lake, str(tmp_path / "delta"))
    table = DeltaTable(str(tmp_path / "delta" / "verdicts"))
    assert table.metadata().partition_columns == ["date"]
    arrow = pl.DataFrame(table.to_pyarrow_table(columns=["verdict_id", "date"]))
    assert set(arrow["verdict_id"]) == set(rows(lake, "verdicts")["verdict_id"])
    assert arrow["date"].unique().to_list() == [NIGHT.date().replace(day=1)]


def test_what_is_erased_is_in_no_file_of_the_export(lake, tmp_path):
    target = tmp_path / "delta"
    delta.export(lake, str(target))
    output = rows(lake, "outputs")
    gone, text = output["output_id"][0], output["response"][0]
    assert holds(target, text)
    now = datetime.now(UTC)
    erase(lake, settings(tmp_path), gone, reason="ticket 7", run_id="erase", now=now, actor=ACTOR)
    done = {each.table: each for each in delta.export(lake, str(target))}
    assert done["outputs"].days
    is_the_same(target, lake)
    assert not holds(target, text)


def holds(target, text):
    """Whether a text is in any Parquet file or line of a log, of whatever version."""
    if any(text in path.read_text() for path in target.rglob("*.json")):
        return True
    columns = {"outputs": "response", "claims": "text"}
    return any(
        text in pl.read_parquet(path, hive_partitioning=False)[column].to_list()
        for table, column in columns.items()
        for path in (target / table).glob("date=*/*.parquet")
    )


def test_an_export_that_was_interrupted_goes_on_and_no_row_is_twice(lake, tmp_path, monkeypatch):
    target = tmp_path / "delta"
    true, seen = delta.delta.append, []

    def append(place, frame):
        seen.append(place)
        if len(seen) == 3:
            raise InputError("the disk is full")
        true(place, frame)

    monkeypatch.setattr(delta.delta, "append", append)
    with pytest.raises(InputError, match="full"):
        delta.export(lake, str(target))
    delta.export(lake, str(target))
    is_the_same(target, lake)


def test_what_is_no_delta_table_is_refused(lake, tmp_path):
    target = tmp_path / "delta"
    (target / "outputs" / "_delta_log").mkdir(parents=True)
    (target / "outputs" / "_delta_log" / f"{0:020}.json").write_text("no log")
    with pytest.raises(InputError, match="the Delta table cannot be used"):
        delta.export(lake, str(target))
    shutil.rmtree(target)
