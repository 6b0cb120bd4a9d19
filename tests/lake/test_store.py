"""What a lake promises: exact tables, rows once, one writer, damage found by digest."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pandas
import polars as pl
import pyarrow.parquet as pq
import pytest

from tasks import tables
from tasks.errors import IntegrityError, LakeError
from tasks.files import durable, parquet
from tasks.lake import locks
from tasks.lake.store import Counts, Lake
from tests.support import lake_frames

Frames = Callable[..., dict[str, pl.DataFrame]]
DAY = date(2026, 1, 5)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


def rows(lake: Lake, table: str) -> pl.DataFrame:
    return lake.scan(table, verify=True).collect().sort(tables.TABLES[table].key)


# Reading and writing ------------------------------------------------------------------------------------


def test_what_was_committed_is_read_back_exactly(lake: Lake, frames: Frames) -> None:
    wanted = frames(10)
    counts = lake.commit("run", "unit", wanted, run_day=DAY)
    assert counts["outputs"] == Counts(10, 10, 0)
    assert counts["claims"] == Counts(20, 20, 0)
    for name, frame in wanted.items():
        assert rows(lake, name).equals(frame.sort(tables.TABLES[name].key))
        assert lake.scan(name).collect_schema() == tables.TABLES[name].schema
    assert lake.days("outputs") == [date(2026, 1, 2), date(2026, 1, 3)]
    assert lake.days("quarantine") == [DAY]


def test_a_lake_that_does_not_exist_yet_has_empty_tables_and_is_not_created_by_reading(lake: Lake) -> None:
    assert lake.scan("verdicts").collect().equals(tables.TABLES["verdicts"].empty())
    assert lake.days("verdicts") == []
    assert lake.recover() == []
    assert lake.read_state("watermarks") == {}
    assert not lake.root.exists()


def test_the_same_commit_again_publishes_nothing_and_says_that_all_is_there(
    lake: Lake, frames: Frames
) -> None:
    lake.commit("run", "unit", frames(10), run_day=DAY)
    before = sorted((lake.root / "tables").rglob("*.parquet"))
    again = lake.commit("run-2", "unit", frames(10), run_day=date(2026, 1, 9))
    assert {name: (c.published, c.already_there) for name, c in again.items()} == {
        "outputs": (0, 10),
        "claims": (0, 20),
        "quarantine": (0, 1),
    }
    assert sorted((lake.root / "tables").rglob("*.parquet")) == before


def test_only_the_new_rows_of_an_overlapping_commit_are_published(lake: Lake, frames: Frames) -> None:
    lake.commit("run", "unit", frames(6), run_day=DAY)
    counts = lake.commit("run", "unit", frames(6, first=3), run_day=DAY)
    assert counts["outputs"] == Counts(6, 3, 3)
    assert rows(lake, "outputs")["output_id"].is_unique().all()
    assert rows(lake, "outputs").height == 9


def test_a_key_that_comes_twice_in_one_commit_is_written_once(lake: Lake, frames: Frames) -> None:
    outputs = frames(4)["outputs"]
    counts = lake.commit("run", "unit", {"outputs": pl.concat([outputs, outputs])}, run_day=DAY)
    assert counts["outputs"] == Counts(8, 4, 4)


def test_a_visible_row_stays_as_it_is_when_its_key_comes_with_other_values(
    lake: Lake, frames: Frames
) -> None:
    outputs = frames(2)["outputs"]
    lake.commit("run", "unit", {"outputs": outputs}, run_day=DAY)
    other = outputs.with_columns(agent=pl.lit("another"))
    assert lake.commit("run", "unit", {"outputs": other}, run_day=DAY)["outputs"].published == 0
    assert rows(lake, "outputs")["agent"].unique().to_list() == ["agent"]


def test_a_corpus_passage_is_once_in_the_lake_although_it_is_indexed_on_another_day(
    lake: Lake, frames: Frames
) -> None:
    first = _passages(frames, "handbook")
    lake.commit("run", "corpus", {"passages": first}, run_day=DAY)
    later = first.with_columns(pl.col("produced_at").dt.offset_by("40d"))
    assert lake.commit("run", "corpus", {"passages": later}, run_day=DAY)["passages"].already_there == 3


def test_equal_frames_give_equal_bytes_however_they_were_put_together(frames: Frames) -> None:
    whole = frames(10)["outputs"]
    pieces = pl.concat([whole.head(3), whole.tail(7)], rechunk=False)
    assert parquet.encode(tables.OUTPUTS, whole) == parquet.encode(tables.OUTPUTS, pieces)
    assert parquet.decode(tables.OUTPUTS, parquet.encode(tables.OUTPUTS, whole)).equals(whole)


def test_files_are_zstandard_with_statistics_and_named_by_their_digest(lake: Lake, frames: Frames) -> None:
    lake.commit("run", "unit", frames(4), run_day=DAY)
    for file in (lake.root / "tables").rglob("*.parquet"):
        assert file.stem == f"part-{durable.sha256_file(file)[:16]}"
        column = pq.ParquetFile(file).metadata.row_group(0).column(0)
        assert column.compression == "ZSTD"
        assert column.statistics is not None
        assert "date" not in pq.read_schema(file).names


def test_a_frame_of_another_schema_is_refused_and_nothing_is_written(lake: Lake, frames: Frames) -> None:
    with pytest.raises(TypeError, match="column model is missing"):
        lake.commit("run", "unit", {"outputs": frames(2)["outputs"].drop("model")}, run_day=DAY)
    assert not (lake.root / "tables").exists()


def test_a_row_without_a_partition_day_is_refused(lake: Lake, frames: Frames) -> None:
    frame = frames(2)["outputs"].with_columns(produced_at=pl.lit(None, dtype=tables.UTC))
    with pytest.raises(TypeError, match="2 rows have no produced_at"):
        lake.commit("run", "unit", {"outputs": frame}, run_day=DAY)


def test_a_range_of_days_reads_only_those_days(lake: Lake, frames: Frames) -> None:
    lake.commit("run", "unit", frames(20, days=5), run_day=DAY)
    found = lake.scan("outputs", since=date(2026, 1, 3), until=date(2026, 1, 4)).collect()
    assert set(found["produced_at"].dt.date()) == {date(2026, 1, 3), date(2026, 1, 4)}
    assert found.height == 8


def test_a_look_at_one_day_or_at_the_newest_looks_into_no_other_folder(
    lake: Lake, frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.commit("run", "unit", frames(10), run_day=DAY)
    looks: list[Path] = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: looks.append(Path(path)) or listdir(path))
    first, last = date(2026, 1, 2), date(2026, 1, 3)
    assert len(lake.files("outputs", since=first, until=first)) == 1
    assert [folder.name for folder in looks] == ["outputs", f"date={first}"]
    looks.clear()
    assert next(lake.newest_days("outputs")) == last
    assert [folder.name for folder in looks] == ["outputs", f"date={last}"]
    (lake.files("outputs", since=last)[0]).rename(lake.root / "away")
    assert list(lake.newest_days("outputs")) == [first]


def test_names_that_are_not_visible_yet_and_folders_that_are_no_days_are_not_read(
    lake: Lake, frames: Frames
) -> None:
    lake.commit("run", "unit", frames(2, days=1), run_day=DAY)
    folder = lake.root / "tables/outputs/date=2026-01-02"
    for name in (".hidden.parquet", "_staged.parquet"):
        (folder / name).write_bytes(b"not a file of this lake")
    (folder.parent / "date=soon").mkdir()
    (folder.parent / "date=soon" / "part-0123456789abcdef.parquet").write_bytes(b"nor this")
    assert lake.scan("outputs").collect().height == 2


def test_a_file_of_an_older_release_reads_with_nulls_and_one_of_a_newer_without_its_new_column(
    lake: Lake, frames: Frames
) -> None:
    outputs = frames(4, days=1)["outputs"]
    folder = lake.root / "tables/outputs/date=2026-01-02"
    folder.mkdir(parents=True)
    outputs.head(2).drop("session_id", "language").write_parquet(folder / "part-older.parquet")
    outputs.tail(2).with_columns(mood=pl.lit("good")).write_parquet(folder / "part-newer.parquet")
    read = lake.scan("outputs").collect().sort("source_id")
    assert read.drop("language").equals(outputs.drop("language"))
    assert read["language"].to_list() == [None, None, "en", "en"]


def test_a_lake_whose_path_looks_like_a_pattern_is_read(tmp_path: Path, frames: Frames) -> None:
    lake = Lake.open(str(tmp_path / "lake [old] *"))
    lake.commit("run", "unit", frames(2), run_day=DAY)
    assert lake.scan("outputs").collect().height == 2


def test_every_table_can_be_read_by_everybody_from_the_first_run_on(lake: Lake) -> None:
    assert set(lake.ensure_tables(DAY)) == set(tables.TABLES)
    assert lake.ensure_tables(DAY) == []
    for name, table in tables.TABLES.items():
        pattern = f"{lake.root}/tables/{name}/**/*.parquet"
        assert pl.read_parquet(pattern).schema == table.schema
        relation = duckdb.sql(f"select * exclude (date) from read_parquet('{pattern}')")  # noqa: S608
        assert relation.columns == table.schema.names()
        assert len(pandas.read_parquet(lake.root / "tables" / name)) == 0
    assert lake.verify_files() == []


def test_other_url_schemes_and_plain_files_are_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"hdfs:// are not supported"):
        Lake.open("hdfs://bucket/lake")
    (tmp_path / "file").write_text("x")
    with pytest.raises(LakeError, match="not a folder"):
        Lake.open(str(tmp_path / "file"))
    assert Lake.open((tmp_path / "a b").as_uri()).root == tmp_path / "a b"


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 200, "a\0b"])
def test_a_run_or_unit_that_could_leave_its_folder_is_refused(lake: Lake, frames: Frames, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a run or unit"):
        lake.commit("run", name, frames(1), run_day=DAY)
    with pytest.raises(ValueError, match="cannot name a run or unit"):
        lake.work(name)


# Rows that change ---------------------------------------------------------------------------------------


def _passages(frames: Frames, corpus: str) -> pl.DataFrame:
    claims = frames(3, days=1)["claims"].filter(pl.col("ordinal") == 0)
    return claims.select(
        passage_id="claim_id",
        corpus=pl.lit(corpus),
        output_id=pl.lit(None, dtype=pl.String),
        document_uri=pl.lit("a.md"),
        ordinal="ordinal",
        start="start",
        end="end",
        text="text",
        snapshot_first_seen=pl.lit("a" * 64),
        snapshot_last_seen=pl.lit(None, dtype=pl.String),
        produced_at="produced_at",
        run_id="run_id",
    )


def test_replaced_rows_have_their_new_values_once_and_the_others_stay(lake: Lake, frames: Frames) -> None:
    passages = _passages(frames, "handbook")
    lake.commit("run", "corpus", {"passages": passages}, run_day=DAY)
    gone = passages.head(1).with_columns(snapshot_last_seen=pl.lit("b" * 64))
    assert lake.replace_rows("passages", gone, run_id="run-2", unit="gone") == 1
    assert rows(lake, "passages").equals(pl.concat([gone, passages.tail(2)]).sort("passage_id"))
    assert lake.replace_rows("passages", gone, run_id="run-3", unit="gone") == 0
    assert lake.verify_files() == []


def test_a_row_that_is_replaced_and_replaced_back_leaves_a_lake_that_verifies(
    lake: Lake, frames: Frames
) -> None:
    passages = _passages(frames, "handbook")
    lake.commit("run", "corpus", {"passages": passages}, run_day=DAY)
    for run, value in (("run-9", "b" * 64), ("run-2", None), ("run-5", "b" * 64), ("run-1", None)):
        changed = passages.with_columns(snapshot_last_seen=pl.lit(value, dtype=pl.String))
        assert lake.replace_rows("passages", changed, run_id=run, unit="seen") == 3
        assert lake.verify_files() == []
    assert rows(lake, "passages").equals(passages.sort("passage_id"))


# References ---------------------------------------------------------------------------------------------


def test_claims_of_outputs_in_the_frames_or_in_the_lake_are_sound(lake: Lake, frames: Frames) -> None:
    assert lake.check_references(frames(4)) == {}
    lake.commit("run", "unit", {"outputs": frames(4)["outputs"]}, run_day=DAY)
    assert lake.check_references({"claims": frames(4)["claims"]}) == {}


def test_rows_that_refer_to_nothing_are_named_and_so_are_those_that_refer_to_them(
    lake: Lake, frames: Frames
) -> None:
    made = frames(3)
    verdicts = tables.TABLES["verdicts"].empty()
    verdicts = pl.concat(
        [
            verdicts,
            made["claims"].select("claim_id", "output_id", "produced_at", verdict_id="claim_id"),
        ],
        how="diagonal",
    )
    found = lake.check_references({**made, "outputs": made["outputs"].head(2), "verdicts": verdicts})
    lost = made["outputs"]["output_id"][2]
    assert found["claims"]["output_id"].to_list() == [lost, lost]
    assert found["claims"]["reference"].unique().to_list() == ["output_id is in no row of outputs"]
    assert found["verdicts"]["output_id"].to_list() == [lost, lost]
    assert set(found) == {"claims", "verdicts"}


# Damage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-100],
        lambda data: bytes(len(data)),
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        lambda data: b"",
    ],
    ids=["truncated", "zeros", "one bit flipped", "empty"],
)
def test_a_damaged_file_is_named_before_it_is_parsed(
    lake: Lake, frames: Frames, damage: Callable[[bytes], bytes]
) -> None:
    lake.commit("run", "unit", frames(4), run_day=DAY)
    file = lake.files("outputs")[0]
    file.write_bytes(damage(file.read_bytes()))
    sentences = lake.verify_files()
    assert len(sentences) == 1
    assert file.name in sentences[0]
    assert "damaged" in sentences[0]
    with pytest.raises(IntegrityError, match=file.name):
        lake.scan("outputs", verify=True)
    with pytest.raises(IntegrityError, match=file.name):
        lake.commit("run", "unit", frames(6), run_day=DAY)


def test_missing_foreign_and_renamed_files_are_named(lake: Lake, frames: Frames) -> None:
    lake.commit("run", "unit", frames(4, days=1), run_day=DAY)
    outputs, claims = lake.files("outputs")[0], lake.files("claims")[0]
    outputs.rename(outputs.with_name("part-0000000000000000.parquet"))
    foreign = claims.with_name("part-1111111111111111.parquet")
    foreign.write_bytes(claims.read_bytes())
    sentences = "\n".join(lake.verify_files())
    assert f"{outputs.name}: missing" in sentences
    assert "part-0000000000000000.parquet: not the bytes of its name" in sentences
    assert "part-1111111111111111.parquet: not the bytes of its name" in sentences


def test_a_damaged_manifest_is_named(lake: Lake, frames: Frames) -> None:
    lake.commit("run", "unit", frames(1), run_day=DAY)
    manifest = lake.root / "runs/run/commits/unit.json"
    manifest.write_bytes(manifest.read_bytes()[:50])
    assert any("unit.json: damaged" in sentence for sentence in lake.verify_files())


# State --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["marks", "watermark-../../etc", "watermark-Ünïcode ☃", "x" * 300, "A\0B"])
def test_state_of_any_name_is_kept_inside_the_lake(lake: Lake, name: str) -> None:
    lake.write_state(name, {"a.jsonl": {"size": 1}})
    lake.write_state(name, {"a.jsonl": {"size": 2}})
    assert lake.read_state(name) == {"a.jsonl": {"size": 2}}
    assert len(list((lake.root / "state").iterdir())) == 1


def test_names_that_differ_only_in_case_have_their_own_state_on_every_file_system(lake: Lake) -> None:
    lake.write_state("Bot", {"n": 1})
    lake.write_state("bot", {"n": 2})
    names = [file.name.lower() for file in (lake.root / "state").iterdir()]
    assert len(set(names)) == 2
    assert lake.read_state("Bot") == {"n": 1}


def test_damaged_state_is_an_integrity_error_and_not_an_empty_one(lake: Lake) -> None:
    lake.write_state("marks", {"a": 1})
    (lake.root / "state/marks.json").write_bytes(b'{"a"')
    with pytest.raises(IntegrityError, match=r"marks\.json: damaged"):
        lake.read_state("marks")


def test_scratch_of_this_process_survives_recovery_and_that_of_a_dead_one_does_not(lake: Lake) -> None:
    (lake.work("alive") / "x").write_text("x")
    (lake.root / "_work/dead").mkdir()
    lake.recover()
    assert [folder.name for folder in (lake.root / "_work").iterdir()] == ["alive"]
    lake.clear_work("alive")
    assert list((lake.root / "_work").iterdir()) == []


# One writer ---------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from tasks.lake.store import Lake
with Lake.open(sys.argv[1]).lock("nightly audit"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(lake: Lake) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lake.root)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_told_who_holds_the_lock(
    lake: Lake, frames: Frames, holder: subprocess.Popen[str]
) -> None:
    wanted = rf"locked by nightly audit \(process {holder.pid} on .* since "
    with pytest.raises(LakeError, match=wanted), lake.lock("backfill"):
        pass
    with pytest.raises(LakeError, match=wanted):
        lake.commit("run", "unit", frames(1), run_day=DAY)
    assert lake.scan("outputs").collect().height == 0


def test_the_lock_of_a_killed_process_is_free_at_once_and_its_name_is_told(
    lake: Lake, holder: subprocess.Popen[str], caplog: pytest.LogCaptureFixture
) -> None:
    holder.kill()
    holder.wait()
    with caplog.at_level("WARNING"), lake.lock("backfill") as recovered:
        assert recovered is not None
        assert f"process {holder.pid}" in recovered
    assert "ended without releasing it" in caplog.text
    with lake.lock("again") as recovered:
        assert recovered is None


def test_a_name_in_the_lock_file_with_the_number_of_a_living_process_holds_nothing(lake: Lake) -> None:
    lake.root.mkdir()
    stale = {"pid": os.getpid(), "host": "here", "boot_id": "another", "purpose": "audit", "since": "then"}
    (lake.root / locks.NAME).write_text(json.dumps(stale))
    with lake.lock("audit") as recovered:
        assert recovered is not None


@pytest.mark.parametrize("content", ["", "{", "[1]", "\0" * 500, '{"pid": {"a": 1}}'])
def test_a_lock_file_with_any_content_can_be_taken(lake: Lake, content: str) -> None:
    lake.root.mkdir()
    (lake.root / locks.NAME).write_text(content)
    with lake.lock("audit"):
        pass


def test_a_writer_waits_as_long_as_it_is_told_to(lake: Lake) -> None:
    told: list[str] = []
    with lake.lock("first"):
        entered = threading.Event()

        def second() -> None:
            with Lake.open(str(lake.root)).lock("second", wait_s=30, tell=told.append):
                entered.set()

        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        assert not entered.is_set()
    thread.join(30)
    assert entered.is_set()
    (sentence,) = told
    assert re.search(r"locked by first \(process \d+ on .* since 20.*\); waiting up to 30 s for it", sentence)


def test_a_writer_that_waited_in_vain_says_whom_it_waited_for_and_how_long(
    lake: Lake, holder: subprocess.Popen[str]
) -> None:
    wanted = rf"locked by nightly audit \(process {holder.pid} .*\) after a wait of 0.2 s; wait until it ends"
    with pytest.raises(LakeError, match=wanted), lake.lock("backfill", wait_s=0.2):
        pass


def test_who_holds_a_lake_can_be_asked_without_holding_it(
    lake: Lake, holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert f"nightly audit (process {holder.pid} on " in str(lake.holder())
    holder.kill()
    holder.wait()
    assert lake.holder() is None
    assert Lake.open(str(tmp_path / "no lake")).holder() is None


def test_worker_threads_commit_under_their_flows_lock_one_after_the_other(lake: Lake, frames: Frames) -> None:
    errors: list[Exception] = []

    def commit(number: int) -> None:
        try:
            other = Lake.open(str(lake.root))
            other.commit("run", f"unit-{number}", frames(4, first=2 * number), run_day=DAY)
        except Exception as error:  # noqa: BLE001 - the assertion below shows it
            errors.append(error)

    with lake.lock("audit"):
        threads = [threading.Thread(target=commit, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert rows(lake, "outputs").height == 14
    assert rows(lake, "outputs")["output_id"].is_unique().all()


# Readers meanwhile --------------------------------------------------------------------------------------

WRITER = """
import sys
from datetime import date
import importlib.util
spec = importlib.util.spec_from_file_location("shared", sys.argv[2])
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
from tasks.lake.store import Lake
lake = Lake.open(sys.argv[1])
for number in range(25):
    lake.commit("run", f"unit-{number}", shared.made(20, first=20 * number), run_day=date(2026, 1, 5))
"""


def test_polars_duckdb_and_pandas_never_see_a_torn_file_or_a_row_twice_while_commits_go_on(
    lake: Lake, frames: Frames
) -> None:
    lake.ensure_tables(date(2026, 1, 1))
    shared = str(lake_frames.__file__)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(lake.root), shared])
    outputs, claims = (f"{lake.root}/tables/{name}/**/*.parquet" for name in ("outputs", "claims"))
    seen = []
    while writer.poll() is None:
        claimed = pl.read_parquet(claims, columns=["claim_id", "output_id"])
        given = duckdb.sql(f"select output_id from read_parquet('{outputs}')").pl()  # noqa: S608
        frame = pandas.read_parquet(lake.root / "tables/outputs", columns=["output_id"])
        assert claimed["claim_id"].is_unique().all()
        assert given["output_id"].is_unique().all()
        assert frame["output_id"].is_unique
        # Claims were read before outputs, and outputs become visible first: nothing refers to nothing.
        assert claimed.join(given, on="output_id", how="anti").is_empty()
        seen.append(given.height)
    assert writer.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 2, "the readers must have read between commits"
    assert rows(lake, "outputs").height == 500


# A disk that refuses ------------------------------------------------------------------------------------


def test_a_full_disk_is_one_sentence_with_path_and_space_and_the_old_state_stands(
    tmp_path: Path, frames: Frames
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    _mount(disk, "size=200k")
    try:
        lake = Lake.open(str(disk / "lake"))
        lake.commit("run", "first", frames(4), run_day=DAY)
        with pytest.raises(LakeError) as failure:
            _fill(lake, frames)
        assert re.search(r"No space left on device \(.* free there\); free some space", str(failure.value))
        assert str(disk) in str(failure.value)
        assert "\n" not in str(failure.value)
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        lake.recover()
        assert lake.verify_files() == []
        assert rows(lake, "outputs")["output_id"].is_unique().all()
        assert rows(lake, "claims").height == 2 * rows(lake, "outputs").height
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_read_only_lake_can_be_read_and_says_why_it_cannot_be_written(
    tmp_path: Path, frames: Frames
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    _mount(disk, "size=2m")
    try:
        lake = Lake.open(str(disk / "lake"))
        lake.commit("run", "unit", frames(4), run_day=DAY)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert rows(lake, "outputs").height == 4
        assert lake.verify_files() == []
        with pytest.raises(LakeError, match="Read-only file system"):
            lake.commit("run", "more", frames(8), run_day=DAY)
        with pytest.raises(LakeError, match="Read-only file system"):
            lake.write_state("marks", {})
    finally:
        subprocess.run(["umount", disk], check=True)


def _fill(lake: Lake, frames: Frames) -> None:
    for number in range(1, 50):
        lake.commit("run", f"unit-{number}", frames(100, first=100 * number), run_day=DAY)


def _mount(folder: Path, options: str) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs Linux and root; the crash tests inject the same errors")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"this container may not mount ({done.stderr.strip()}); the crash tests inject the same")


LIMITED = """
import resource, sys
from datetime import date
import importlib.util
spec = importlib.util.spec_from_file_location("shared", sys.argv[2])
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
from tasks.errors import LakeError
from tasks.lake.store import Lake
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    Lake.open(sys.argv[1]).commit("run", "unit", shared.made(50), run_day=date(2026, 1, 5))
except LakeError as error:
    print(error)
"""


def test_a_quota_on_file_sizes_is_one_sentence_and_leaves_nothing_behind(lake: Lake) -> None:
    shared = str(lake_frames.__file__)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(lake.root), shared], capture_output=True, text=True, check=True
    )
    assert "File too large" in done.stdout
    assert "raise the limit on file sizes" in done.stdout
    assert not (lake.root / "tables").exists()
    assert lake.recover() == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO, errno.EDQUOT])
def test_every_refusal_of_the_system_is_explained_with_what_to_do(number: int, tmp_path: Path) -> None:
    error = durable.explain(OSError(number, os.strerror(number), str(tmp_path / "x")), tmp_path)
    assert isinstance(error, LakeError)
    free = r" \([\d.]+ \w+ free there\)" if number == errno.EDQUOT else ""
    assert re.match(re.escape(f"{tmp_path / 'x'}: {os.strerror(number)}") + free + "; [a-z]", str(error))


def test_a_run_with_hardly_any_room_is_refused_before_it_begins(tmp_path: Path) -> None:
    durable.require_room(tmp_path / "lake", 1)
    with pytest.raises(
        LakeError, match=r"only .* free there, but a run needs at least [\d ]+ MiB; free some space"
    ):
        durable.require_room(tmp_path / "lake", 2**60)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_child_does_not_believe_that_it_holds_its_parents_lock(lake: Lake) -> None:
    with lake.lock("audit"):
        child = os.fork()
        if child == 0:
            os._exit(1 if locks.held(lake.root) else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert locks.held(lake.root)
