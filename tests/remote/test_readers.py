"""Who reads the bucket without us: Polars, pandas and DuckDB find each row once, whatever is written."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime

import duckdb
import obstore
import pandas
import polars as pl
import pytest
from obstore.fsspec import FsspecStore

from claimledger import views
from tasks.ledger import nightly
from tasks.review.erase import erase
from tasks.tables import TABLES
from tests.support.ledger_lake import ACTOR, NIGHT, frames, night, settings

DAY = NIGHT.date()


def read(url, table):
    """The way of the documentation."""
    return pl.read_parquet(f"{url}/tables/{table}/**/*.parquet", hive_partitioning=True)


@pytest.fixture
def lake(machine, tmp_path):
    lake = machine("one")
    with lake.lock("night"):
        lake.ensure_tables(DAY)
        night(lake, settings(tmp_path), 1)
        from tasks.lake import views as written

        written.write(lake)
    return lake


class Store(FsspecStore):
    """obstore's file system, whose `glob` takes no protocol."""

    def glob(self, path, *more, **options):
        return super().glob(path.removeprefix("s3://"), *more, **options)


def duck():
    """DuckDB with obstore's file system in place of httpfs, which is not to be had without network."""
    connection = duckdb.connect()
    connection.register_filesystem(Store("s3", client_options={"allow_http": True}))
    return connection


def test_polars_pandas_duckdb_and_our_views_read_the_same(lake, url, store, bucket, monkeypatch):
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    mine = lake.scan("verdicts").sort("verdict_id").collect()
    assert read(url, "verdicts").sort("verdict_id").select(mine.columns).equals(mine)
    filesystem = FsspecStore("s3", client_options={"allow_http": True})
    panda = pandas.read_parquet(f"{url.removeprefix('s3://')}/tables/verdicts", filesystem=filesystem)
    assert sorted(panda["verdict_id"]) == mine["verdict_id"].to_list()
    script = bytes(obstore.get(bucket, "audits/views.sql").bytes()).decode()
    assert url in script
    connection = duck()
    connection.execute(script)
    found = connection.execute("SELECT verdict_id, date FROM current_verdicts ORDER BY verdict_id").fetchall()
    assert found == [(i, date(2026, 11, 1)) for i in mine["verdict_id"]]
    polars = views.current_verdicts(url).sort("verdict_id").collect()
    assert polars["verdict_id"].to_list() == mine["verdict_id"].to_list()


def test_while_nights_and_an_erasure_are_published_no_reader_finds_a_row_twice_or_one_torn(
    lake, url, tmp_path, monkeypatch
):
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    wanted, wrong, counts, ended = settings(tmp_path), [], [], threading.Event()

    def watch():
        while not ended.is_set():
            found = read(url, "claims")
            claims, texts = found.select(pl.col("claim_id").n_unique(), pl.col("text").null_count()).row(0)
            counts.append(found.height)
            if claims != found.height or texts:
                wrong.append(found)

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for number in (2, 3):
            with lake.lock("night"):
                night(lake, wanted, number, outputs=1)
        gone = lake.scan("outputs").collect()["output_id"][0]
        now = datetime.now(UTC)
        erase(lake, wanted, gone, reason="ticket 7", run_id="erase", now=now, actor=ACTOR)
    finally:
        ended.set()
        reader.join()
    assert wrong == []
    assert counts == sorted(counts)
    assert read(url, "claims").filter(pl.col("text").str.starts_with("Claim")).height == 8
    assert nightly.verification(lake, wanted, now=NIGHT).problems == []


def test_what_is_erased_is_in_no_object_of_the_bucket(lake, machine, bucket, keys, tmp_path):
    gone, text = lake.scan("outputs").sort("source_id").select("output_id", "response").collect().row(0)

    def holders():
        found = []
        for key in keys():
            data = bytes(obstore.get(bucket, key).bytes())
            rows = pl.read_parquet(data) if key.endswith(".parquet") else None
            texts = (
                [] if rows is None else rows.select(pl.selectors.string()).to_dict(as_series=False).values()
            )
            if text.encode() in data or any(text in column for column in texts):
                found.append(key)
        return found

    assert holders()
    now = datetime.now(UTC)
    erase(lake, settings(tmp_path), gone, reason="ticket 7", run_id="erase", now=now, actor=ACTOR)
    assert holders() == []
    other = machine("two")
    assert text not in other.scan("outputs").collect()["response"].to_list()
    assert other.verify_files() == []


def test_files_that_were_joined_are_one_object_and_other_machines_have_it(lake, machine, url, monkeypatch):
    from tasks.lake import joins
    from tasks.lake.parameters import CompactionSettings

    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    for number in range(3):
        rows = {"claims": frames("more", start=500 + number, outputs=1)["claims"]}
        lake.commit("more", f"unit-{number}", rows, run_day=DAY)
    before = read(url, "claims").sort("claim_id")
    with lake.lock("joining"):
        done = joins.join(lake, CompactionSettings(files=3), run_id="join", today=date(2027, 6, 1))
    assert done.fewer or done.notice
    assert read(url, "claims").sort("claim_id").equals(before)
    other = machine("two")
    assert other.scan("claims").collect().height == before.height
    assert other.verify_files() == []
    assert set(TABLES["claims"].schema) <= set(before.columns)
