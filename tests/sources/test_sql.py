"""Rows of a real PostgreSQL, from a watermark on, once, also when the connection is cut; and of SQLite."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks.errors import SourceError
from tasks.lake.store import Lake
from tasks.settings import load
from tasks.sources import counting, sql
from tasks.sources.base import Batch
from tasks.sources.counting import Compared
from tasks.sources.minimise import MinimiseSettings
from tasks.sources.parameters import FieldMapping
from tasks.sources.pull import watermark
from tasks.sources.pulled import Pulled
from tasks.sources.sample import SampleSettings
from tasks.sources.sql import SqlSettings
from tasks.starter import write_starter
from tests.support.postgres import Wire, postgres
from tests.support.pulls import pull_into
from tests.support.scopes import NOW, scope

FIELDS = FieldMapping(id="id", produced_at="asked_at", prompt="question", response="answer", contexts="docs")
QUERY = "select id, asked_at, question, answer, docs, 'a:b'::text as tag from answers;"
ROWS = 3_000


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with postgres() as port:
        with psycopg.connect(address(port)) as connection:
            connection.execute(
                "create table answers (id uuid primary key default gen_random_uuid(), asked_at timestamptz, "
                "question text, answer text, docs jsonb, score numeric)"
            )
            connection.execute(
                "insert into answers (asked_at, question, answer, docs, score) "
                "select timestamptz '2026-11-19 00:00+00' + (n / 3) * interval '1 second', 'Question ' || n, "
                "'Answer ' || n || '.', jsonb_build_array(jsonb_build_object('text', 'Fact ' || n)), 0.5 "
                "from generate_series(1, %s) n",
                (ROWS,),
            )
        yield port


@pytest.fixture
def wire(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    yield wire
    wire.close()


def address(port: int) -> str:
    return f"postgresql://reader@127.0.0.1:{port}/postgres"


def source(port: int, **more: Any) -> SqlSettings:
    given = {"query": QUERY, "watermark": "asked_at", "fields": FIELDS, **more}
    return SqlSettings(name="answers", kind="sql", url=address(port), **given)


def pulled(settings: SqlSettings, marks: dict[str, Any] | None = None, **more: Any) -> list[Batch]:
    return list(sql.pull(settings, scope(marks=marks or {}, **more)))


def ids(batches: list[Batch]) -> list[str]:
    return [each for batch in batches for each in batch.outputs["source_id"].to_list()]


def test_rows_become_outputs_in_batches_and_only_new_ones_are_read_again(port):
    first = pulled(source(port))
    assert [batch.outputs.height for batch in first] == [2_000, 1_000]
    row = first[0].outputs.row(0, named=True)
    assert (row["prompt"], row["response"], row["contexts"]) == (
        "Question 1", "Answer 1.", [{"uri": None, "text": "Fact 1"}],
    )  # fmt: skip
    assert row["metadata"] == '{"tag":"a:b"}'
    assert len(set(ids(first))) == ROWS
    marks = first[-1].marks
    assert len(ids(pulled(source(port, overlap_minutes=0), marks))) == ROWS  # configured otherwise: all again
    again = pulled(source(port), marks)
    assert len(ids(again)) == ROWS  # the overlap of an hour is all of it
    narrow = source(port, overlap_minutes=1)
    marks = pulled(narrow)[-1].marks
    assert len(ids(pulled(narrow, marks))) == 60 * 3 + 1


def test_a_row_written_late_within_the_overlap_and_one_of_an_equal_time_are_not_lost(port, tmp_path):
    settings, lake = source(port, overlap_minutes=1), Lake.open(str(tmp_path / "lake"))
    publish(lake, whole(settings, lake, 1), 1)
    with psycopg.connect(address(port)) as connection:
        last = connection.execute("select max(asked_at) from answers").fetchone()
        assert last is not None
        late = last[0] - timedelta(seconds=30)
        connection.execute(
            "insert into answers (asked_at, question, answer) "
            "values (%s, 'late', 'Late.'), (%s, 'equal', 'E.')",
            (late, last[0]),
        )
    try:
        second = whole(settings, lake, 2)
        assert (second.outputs, second.duplicates) == (2, 0)
        assert second.already_there > 0
    finally:
        with psycopg.connect(address(port)) as connection:
            connection.execute("delete from answers where question in ('late', 'equal')")


def whole(settings: SqlSettings, lake: Lake, number: int, **more: Any) -> Pulled:
    given = {"unit_outputs": 5_000, "retries": 2, "pause": lambda _: None, **more}
    return pull_into(lake, (settings,), number, now=NOW, **given)


def publish(lake: Lake, pulled: Pulled, number: int) -> None:
    import polars as pl

    for unit in pulled.units:
        frame = pl.read_parquet(unit.path)
        lake.commit(f"{number:064x}", f"{unit.day}-{unit.shard:06d}", {"outputs": frame}, run_day=NOW.date())
    for name, marks in pulled.marks.items():
        lake.write_state(watermark(name), marks)


def test_ten_pulls_with_random_cuts_give_the_rows_of_an_undisturbed_one(port, wire, tmp_path):
    expected = set(ids(pulled(source(port))))
    chance = random.Random(11)  # noqa: S311
    settings, lake = source(wire.port), Lake.open(str(tmp_path / "lake"))
    for number in range(10):
        wire.cuts = [chance.randrange(500, 500_000)]
        publish(lake, whole(settings, lake, number, retries=number % 2), number)
    wire.cuts = []
    publish(lake, whole(settings, lake, 99), 99)
    published = lake.scan("outputs").select("source_id").collect()["source_id"].to_list()
    assert sorted(published) == sorted(expected)


def test_a_cut_in_the_middle_keeps_what_came_and_goes_on_from_there(port, wire, tmp_path):
    settings, lake = source(wire.port), Lake.open(str(tmp_path / "lake"))
    wire.cuts = [350_000]
    first = whole(settings, lake, 1, retries=0)
    assert 0 < first.outputs < ROWS
    assert first.problems[0].startswith("source 'answers': postgresql://reader@127.0.0.1")
    publish(lake, first, 1)
    assert whole(settings, lake, 2).outputs == ROWS - first.outputs


@pytest.fixture
def ten(port: int) -> Iterator[str]:
    """A table of ten answers of 18 November, and one whose answer is missing."""
    with psycopg.connect(address(port)) as connection:
        connection.execute(
            "create table ten as select n as id, timestamptz '2026-11-18 22:00+00' + n * interval '1 minute' "
            "as asked_at, 'Q' as question, case when n < 11 then 'Answer ' || n || '.' end as answer, "
            "null::jsonb as docs from generate_series(1, 11) n"
        )
    yield "select * from ten"
    with psycopg.connect(address(port)) as connection:
        connection.execute("drop table ten")


def compared(lake: Lake, settings: SqlSettings, number: int, **more: Any) -> Compared:
    """A night's pull, published as far as it is good, and compared."""
    pulled = whole(settings, lake, number, **more)
    publish(lake, pulled, number)
    pulled.publish_quarantine(lake, f"{number:064x}", NOW)
    assert pulled.receipt is not None
    done = counting.settle(pulled.receipt, lake, run_id=f"{number:064x}", now=NOW + timedelta(minutes=number))
    lake.commit(f"{number:064x}", "completeness", {"completeness": done.rows}, run_day=NOW.date())
    return done


def states(done: Compared) -> list[tuple[Any, ...]]:
    columns = ("day", "theirs", "ours", "quarantined", "state", "missing_ids")
    return [(str(day), *rest) for day, *rest in done.rows.sort("day").select(columns).rows()]


def test_a_row_that_vanishes_in_paging_is_found_by_the_count_of_the_database(
    port, ten, tmp_path, monkeypatch
):
    settings, lake = source(port, query=ten, overlap_minutes=1), Lake.open(str(tmp_path / "lake"))
    rows = sql._rows
    monkeypatch.setattr(sql, "_rows", lambda *given: (row for row in rows(*given) if row["id"] != 7))
    night = compared(lake, settings, 1)
    missing = ("2026-11-18", 11, 10, 1, "missing", ["7"])
    assert states(night) == [
        missing,
        *(("2026-11-19", 0, 0, 0, "complete", []), ("2026-11-20", 0, 0, 0, "complete", [])),
    ]
    assert night.problems == [
        "source 'answers': 1 of 11 records of 2026-11-18 are missing here (7); `claimledger audit "
        "--since 2026-11-18 --until 2026-11-18` reads these days whole"
    ]
    # The next night asks for the day again, and knows the refused row of the night before.
    monkeypatch.undo()
    assert states(compared(lake, settings, 2))[0] == missing
    day = datetime(2026, 11, 18, tzinfo=UTC).date()
    healed = compared(lake, settings, 3, since=day, until=day)
    assert states(healed) == [("2026-11-18", 11, 11, 1, "complete", [])]
    assert healed.problems == []


def test_a_row_written_with_a_time_behind_the_watermark_is_found(port, ten, tmp_path):
    settings, lake = source(port, query=ten, overlap_minutes=1), Lake.open(str(tmp_path / "lake"))
    assert compared(lake, settings, 1).problems == []
    with psycopg.connect(address(port)) as connection:
        connection.execute("insert into ten values (12, '2026-11-18 01:00+00', 'Q', 'Late.', null)")
    late = compared(lake, settings, 2)
    assert states(late)[0] == ("2026-11-18", 12, 11, 1, "missing", ["12"])
    day = datetime(2026, 11, 18, tzinfo=UTC).date()
    again = compared(lake, settings, 3, since=day, until=day)
    assert again.problems == []
    assert lake.scan("outputs").collect().height == 11


def test_ids_that_are_hashed_at_the_door_are_compared_as_hashes(port, ten, tmp_path, monkeypatch):
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_ANSWERS_HASH_KEY", "a key of the team's own")
    lake, day = Lake.open(str(tmp_path / "lake")), datetime(2026, 11, 18, tzinfo=UTC).date()
    settings = source(port, query=ten, minimise=MinimiseSettings(hash=("id",)))
    rows = sql._rows
    monkeypatch.setattr(sql, "_rows", lambda *given: (row for row in rows(*given) if row["id"] != 7))
    found = states(compared(lake, settings, 1, since=day, until=day))[0]
    assert found[:5] == ("2026-11-18", 11, 10, 1, "missing")
    assert len(found[5][0]) == 64  # and no id of the source
    masked = source(port, query=ten, minimise=MinimiseSettings(mask=("id",)))
    with pytest.raises(SourceError, match="minimise removes the id"):
        list(sql.tally(masked, [day], lambda *_: True))


def test_what_a_sample_did_not_draw_is_left_out_and_not_missing(port, ten, tmp_path):
    settings = source(port, query=ten, overlap_minutes=1, sample=SampleSettings(share=0.5))
    lake = Lake.open(str(tmp_path / "lake"))
    for number in (1, 2):
        found = compared(lake, settings, number)
        row = found.rows.sort("day").row(0, named=True)
        assert (row["theirs"], row["ours"], row["state"]) == (11, 11, "complete")
        assert row["left_out"] == 10 - lake.scan("outputs").collect().height
    assert 0 < row["left_out"] < 10


def test_days_are_counted_in_columns_of_every_kind_of_time(port, ten):
    """With a zone, without one in a zone of its own, as a number, as a date, as text that says UTC."""
    day, before = datetime(2026, 11, 18, tzinfo=UTC).date(), datetime(2026, 11, 17, tzinfo=UTC).date()
    for column, more, expected in [
        ("asked_at", {}, 11),
        ("asked_at at time zone 'America/New_York'", {"time_zone": "America/New_York"}, 11),
        ("extract(epoch from asked_at) * 1000", {}, 11),
        ("asked_at::date", {"time_zone": "UTC"}, 11),
        ("""to_char(asked_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""", {}, 11),
    ]:
        settings = source(port, query=f"select id, {column} as asked_at, answer from ten", **more)  # noqa: S608
        found = list(sql.tally(settings, [before, day], lambda *_: True))
        assert [(tally.day, tally.count, len(tally.ids or ())) for tally in found] == [
            (before, 0, 0), (day, expected, expected),
        ]  # fmt: skip
    with pytest.raises(SourceError, match="holds times that the database cannot compare"):
        list(sql.tally(source(port, query="select 1 as id, 'noon' as asked_at"), [day], lambda *_: True))
    with pytest.raises(SourceError, match=r"fields\.id is not a column of the query"):
        list(sql.tally(source(port, fields=FieldMapping(id="a.b", produced_at="asked_at")), [day], bool))


def test_a_range_of_days_leaves_the_watermark(port):
    day = datetime(2026, 11, 19, tzinfo=UTC).date()
    batches = pulled(source(port), since=day, until=day)
    assert len(ids(batches)) == ROWS
    assert all(batch.marks == {} for batch in batches)
    assert ids(pulled(source(port), since=day + timedelta(days=1))) == []


def test_nothing_can_be_written(port):
    query = "select nextval('counter') as id, now() as asked_at, 'A' as answer"
    with pytest.raises(SourceError, match="read-only transaction"):
        pulled(source(port, query=query, watermark=None))


@pytest.fixture(autouse=True, scope="module")
def counter(port: int) -> None:
    with psycopg.connect(address(port)) as connection:
        connection.execute("create sequence counter")


def test_what_the_database_refuses_is_one_sentence(port, monkeypatch):
    with pytest.raises(SourceError, match=r"^source 'answers': the database refuses the query: .*nowhere"):
        pulled(source(port, query="select * from nowhere"))
    with pytest.raises(SourceError, match=r"the database refuses the query: .*asked"):
        pulled(source(port, query="select 1 as answer", watermark="asked"))
    with pytest.raises(ConnectionError, match=r"refused|closed"):
        pulled(source(1))
    with pytest.raises(SourceError, match="Connection refused"):
        sql.reach(source(1))
    assert sql.reach(source(port)) == f"postgresql at {address(port)}"


def test_passwords_come_from_the_environment_alone(monkeypatch):
    with pytest.raises(ValueError, match="set CLAIMLEDGER_SOURCE_MY_BOT_KEY"):
        SqlSettings(name="my bot", kind="sql", url="postgresql://a:b@c/d", query="select 1")
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_MY_BOT_KEY", "p@ss")
    settings = SqlSettings(name="my bot", kind="sql", url="postgresql://a@c/d", query="select 1")
    assert sql._engine(settings).url.password == "p@ss"  # noqa: S105
    with pytest.raises(SourceError, match="is not a database URL"):
        sql._engine(SqlSettings(name="a", kind="sql", url="c", query="select 1"))
    with pytest.raises(SourceError, match=r"the driver MySQLdb is missing; run `pip install"):
        sql._engine(SqlSettings(name="a", kind="sql", url="mysql://a@c/d", query="select 1"))


def test_sqlite_is_read_the_same_way(tmp_path):
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table answers (id integer, asked_at text, answer text)")
        connection.executemany(
            "insert into answers values (?, ?, ?)",
            [(n, f"2026-11-01T10:00:{n:02d}Z", f"Answer {n}.") for n in range(5)],
        )
    connection.close()
    settings = SqlSettings(
        name="answers", kind="sql", url=f"sqlite:///{path}", query="select * from answers", watermark="id",
        fields=FieldMapping(id="id", produced_at="asked_at", response="answer"),
    )  # fmt: skip
    (batch,) = pulled(settings)
    assert ids([batch]) == ["0", "1", "2", "3", "4"]
    assert ids(pulled(settings, batch.marks)) == ["4"]  # equal marks are read again, and known by their ids
    assert Path(path).exists()


def test_init_proposes_the_mapping_of_a_table(port: int, tmp_path: Path) -> None:
    query = "select id, asked_at, question, answer, docs from answers"
    written = write_starter(tmp_path, from_source="sql", path=None, url=address(port), query=query)
    (source,) = load(tmp_path / "claimledger.toml").sources
    assert isinstance(source, SqlSettings)
    assert source.fields == FIELDS
    assert source.watermark == "asked_at"
    assert sum(note.startswith("as read: asked 'Question") for note in written["notes"]) == 5
