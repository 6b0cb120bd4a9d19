"""The pull against a real lake: once each, in its own day, the changed after the old, the sum exact."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import settings as configuration
from tasks.errors import GateError, LakeError, SourceError
from tasks.lake.store import Lake
from tasks.schema import mismatches
from tasks.settings import RunnerSettings, Settings
from tasks.sources import files, staging, units
from tasks.sources import pull as pulling
from tasks.sources.base import Batch
from tasks.sources.files import propose
from tasks.sources.parameters import FieldMapping, FilesSettings
from tasks.sources.pull import watermark
from tasks.sources.pulled import Pulled
from tasks.tables import OUTPUTS, QUARANTINE
from tests.support.pulls import pull_into
from tests.support.scopes import scope

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIELDS = FieldMapping(id="id", produced_at="at", response="out")
SAMPLES = Path(configuration.__file__).parents[1] / "data" / "samples"


def record(identity: Any, day: int = 1, out: str = "Paris.", **more: Any) -> dict[str, Any]:
    return {"id": identity, "at": f"2026-11-{day:02d}T10:00:00Z", "out": out, **more}


def write(path: Path, *records: dict[str, Any] | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records)
    )
    return path


def configured(*paths: Path, unit_outputs: int = 500) -> Settings:
    sources = tuple(
        FilesSettings(name=f"source-{i}", path=str(path), fields=FIELDS) for i, path in enumerate(paths)
    )
    return Settings(sources=sources, runner=RunnerSettings(unit_outputs=unit_outputs))


def run(lake: Lake, wanted: Settings, number: int = 1, **more: Any) -> Pulled:
    now, runner = NOW + timedelta(minutes=number), wanted.runner
    given = {"unit_outputs": runner.unit_outputs, "retries": runner.retries, **more}
    return pull_into(lake, wanted.sources, number, now=now, **given)


def publish(lake: Lake, pulled: Pulled, number: int = 1) -> None:
    run_id, today = f"{number:064x}", NOW.date()
    for unit in pulled.units:
        frame = pl.read_parquet(unit.path)
        lake.commit(run_id, f"{unit.day}-{unit.shard:06d}", {"outputs": frame}, run_day=today)
    pulled.publish_quarantine(lake, run_id, NOW)
    for source, marks in pulled.marks.items():
        lake.write_state(watermark(source), marks)


def staged(pulled: Pulled) -> pl.DataFrame:
    return pl.concat([OUTPUTS.empty(), *(pl.read_parquet(unit.path) for unit in pulled.units)])


def balanced(pulled: Pulled) -> bool:
    parts = (staged(pulled).height, pulled.duplicates, pulled.already_there, pulled.quarantined)
    return pulled.records_in == sum(parts)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


def test_late_and_out_of_order_records_land_in_their_own_day(tmp_path, lake):
    path = write(tmp_path / "a.jsonl", record(1, 9), record(2, 3), record(3, 9), record(4, 1))
    pulled = run(lake, configured(path))
    assert [(u.day, u.shard, u.rows) for u in pulled.units] == [
        (date(2026, 11, 1), 0, 1), (date(2026, 11, 3), 0, 1), (date(2026, 11, 9), 0, 2),
    ]  # fmt: skip
    assert mismatches(OUTPUTS, staged(pulled).schema) == []


def test_the_files_that_were_read_are_named_with_their_digests_whatever_is_asked_for(tmp_path, lake):
    path = write(tmp_path / "a.jsonl", record(1, 9))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    pulled = run(lake, configured(path))
    assert [(f.name, f.sha256) for f in pulled.inputs] == [("a.jsonl", digest)]
    publish(lake, pulled)
    assert list(run(lake, configured(path), 2).inputs) == [], "an unchanged file is not read"
    again = run(lake, configured(path), 3, since=date(2026, 11, 9), until=date(2026, 11, 9))
    assert [f.sha256 for f in again.inputs] == [digest]


def test_a_unit_never_has_more_rows_than_the_runner_allows(tmp_path, lake):
    path = write(tmp_path / "a.jsonl", *(record(i) for i in range(25)))
    pulled = run(lake, configured(path, unit_outputs=10))
    assert [(u.shard, u.rows) for u in pulled.units] == [(0, 10), (1, 10), (2, 5)]
    assert staged(pulled)["source_id"].to_list() == [str(i) for i in range(25)]


def test_a_unit_is_closed_early_when_its_answers_are_large(tmp_path, lake, monkeypatch):
    monkeypatch.setattr(units, "UNIT_BYTES", 1)
    path = write(tmp_path / "a.jsonl", *(record(i, out="x" * 100) for i in range(3)))
    assert sum(u.rows for u in run(lake, configured(path)).units) == 3


def test_the_same_record_twice_is_one_output_also_across_files(tmp_path, lake):
    write(tmp_path / "in" / "a.jsonl", record(1), record(1), record(2))
    write(tmp_path / "in" / "b.jsonl", record(2), record(3))
    pulled = run(lake, configured(tmp_path / "in"))
    assert (pulled.records_in, pulled.outputs, pulled.duplicates) == (5, 3, 2)


def test_a_second_pull_finds_nothing_new(tmp_path, lake):
    wanted = configured(write(tmp_path / "a.jsonl", record(1), b"bad"))
    publish(lake, run(lake, wanted))
    again = run(lake, wanted, 2)
    assert (again.records_in, again.units, again.quarantine_paths) == (0, [], [])


def test_without_watermarks_everything_is_already_there(tmp_path, lake):
    wanted = configured(write(tmp_path / "a.jsonl", record(1), record(2, 5), b"bad"))
    publish(lake, run(lake, wanted))
    lake.write_state(watermark("source-0"), {})
    again = run(lake, wanted, 2)
    assert (again.records_in, again.outputs, again.already_there, again.quarantined) == (3, 0, 2, 1)
    publish(lake, again, 2)
    assert lake.scan("quarantine").collect().height == 1


def test_watermarks_are_not_written_by_the_pull(tmp_path, lake):
    wanted = configured(write(tmp_path / "a.jsonl", record(1)))
    pulled = run(lake, wanted)
    assert lake.read_state(watermark("source-0")) == {}
    assert list(pulled.marks["source-0"]) == ["a.jsonl"]
    assert run(lake, wanted, 2).outputs == 1


def test_a_changed_record_supersedes_the_one_that_was_ingested_last(tmp_path, lake):
    path = tmp_path / "a.jsonl"
    seen = []
    for number, out in enumerate(("one", "two", "three"), 1):
        # The time changes as well: the earlier version stands in another day.
        write(path, record(7, day=number, out=out), record(8))
        pulled = run(lake, configured(path), number)
        rows = staged(pulled).filter(pl.col("source_id") == "7")
        assert rows["supersedes"].to_list() == seen[-1:] or (
            number == 1 and rows["supersedes"].to_list() == [None]
        )
        seen.append(rows["output_id"][0])
        publish(lake, pulled, number)
    assert lake.scan("outputs").collect().height == 4


def test_versions_within_one_pull_supersede_one_another_in_order(tmp_path, lake):
    path = write(tmp_path / "a.jsonl", record(7, 3, "one"), record(7, 1, "two"), record(7, 2, "three"))
    pulled = run(lake, configured(path))
    rows = {r["response"]: r for r in staged(pulled).to_dicts()}
    assert rows["one"]["supersedes"] is None
    assert rows["two"]["supersedes"] == rows["one"]["output_id"]
    assert rows["three"]["supersedes"] == rows["two"]["output_id"]
    publish(lake, pulled)
    write(path, record(7, 4, "four"))
    assert staged(run(lake, configured(path), 2))["supersedes"].to_list() == [rows["three"]["output_id"]]


def test_equal_ids_of_two_sources_are_two_outputs(tmp_path, lake):
    paths = [write(tmp_path / name, record(1)) for name in ("a.jsonl", "b.jsonl")]
    pulled = run(lake, configured(*paths))
    assert (pulled.outputs, pulled.by_source) == (2, {"source-0": 1, "source-1": 1})
    assert staged(pulled)["supersedes"].to_list() == [None, None]


def test_a_missing_source_is_a_problem_and_the_others_go_on(tmp_path, lake):
    path = write(tmp_path / "b.jsonl", record(1))
    pulled = run(lake, configured(tmp_path / "none.jsonl", path))
    assert pulled.outputs == 1
    assert len(pulled.problems) == 1
    assert pulled.problems[0].startswith("source 'source-0': ")
    assert "no such file or folder" in pulled.problems[0]


def test_a_range_pulls_both_ends_and_leaves_the_watermarks(tmp_path, lake):
    wanted = configured(write(tmp_path / "a.jsonl", *(record(i, i) for i in range(1, 6))))
    pulled = run(lake, wanted, since=date(2026, 11, 2), until=date(2026, 11, 4))
    assert [u.day.day for u in pulled.units] == [2, 3, 4]
    assert pulled.records_in == 3
    publish(lake, pulled)
    rest = run(lake, wanted, 2)
    assert (rest.outputs, rest.already_there) == (2, 3)


def test_quarantine_is_staged_and_published_with_its_places(tmp_path, lake):
    pulled = run(lake, configured(write(tmp_path / "a.jsonl", record(1), b"{", record(2, out=""))))
    publish(lake, pulled)
    rows = lake.scan("quarantine").collect()
    assert mismatches(QUARANTINE, rows.schema) == []
    assert sorted(rows["locator"]) == ["a.jsonl:2 (byte 57)", "a.jsonl:3 (byte 59)"]
    assert pulled.warnings[0].endswith("2 of 3 records of this file are in quarantine")


def test_many_records_are_held_a_batch_at_a_time(tmp_path, lake, monkeypatch):
    sizes = []
    stage = pulling.stage
    monkeypatch.setattr(
        pulling, "stage", lambda b, *rest: (sizes.append(b.outputs.height), stage(b, *rest))[1]
    )
    path = write(tmp_path / "a.jsonl", *(record(i, i % 3 + 1) for i in range(4_500)))
    pulled = run(lake, configured(path))
    assert sizes == [2_000, 2_000, 500]
    assert (pulled.outputs, len(pulled.units)) == (4_500, 9)
    assert not list(lake.work(f"{1:064x}").rglob("batches"))


def test_records_that_a_filter_leaves_out_are_in_the_sum_and_not_in_the_share_of_refused_ones(tmp_path, lake):
    kept = [record(number, kind="answer") for number in range(2)]
    left_out = [record(number, kind="step") for number in range(2, 12)]
    path = write(tmp_path / "a.jsonl", *kept, *left_out, *[record(n, out="", kind="answer") for n in "abc"])
    sources = [FilesSettings(name="bot", path=str(path), fields=FIELDS, where="kind = 'answer'")]
    pulled = pull_into(lake, sources)
    assert (pulled.records_in, pulled.outputs, pulled.quarantined, pulled.filtered) == (15, 2, 3, 10)
    assert pulled.problems[0].startswith("source 'bot': 3 of 5 records were refused and not audited")


def test_a_sum_that_does_not_come_out_stops_the_run(tmp_path, lake, monkeypatch):
    with pytest.raises(GateError, match="2 records became 0 outputs, 0 quarantined, 0 filtered"):
        Batch(OUTPUTS.empty(), QUARANTINE.empty(), 2)
    monkeypatch.setattr(units, "cut", lambda *_: iter(()))
    with pytest.raises(GateError, match="1 records came in and 0 are accounted for"):
        run(lake, configured(write(tmp_path / "a.jsonl", record(1))))


# Erased, killed, full, interrupted ---------------------------------------------------------------------


def test_an_erased_output_does_not_come_back_when_its_file_is_read_again(tmp_path, lake):
    wanted = configured(write(tmp_path / "a.jsonl", record(1, out="Secret."), record(2)))
    publish(lake, run(lake, wanted))
    (path,) = lake.files("outputs")
    erased = pl.col("response") == "Secret."
    blanked = pl.read_parquet(path).with_columns(
        pl.when(erased).then(pl.lit("[erased]")).otherwise(pl.col(name)).alias(name)
        for name in ("source_id", "response")
    )
    blanked.write_parquet(path)
    lake.write_state(watermark("source-0"), {})
    again = run(lake, wanted, 2)
    assert (again.outputs, again.already_there) == (0, 2)


def links(rows: pl.DataFrame) -> dict[str, str | None]:
    """What each response supersedes, as responses."""
    said = dict(zip(rows["output_id"], rows["response"], strict=True))
    return {r["response"]: r["supersedes"] and said[r["supersedes"]] for r in rows.to_dicts()}


@pytest.mark.parametrize("earlier", [(), ("zero",)])
@pytest.mark.parametrize("published", range(16))
def test_what_supersedes_what_does_not_depend_on_where_a_run_was_killed(tmp_path, earlier, published):
    # Days out of order, so that any set of the versions may be published before the others.
    versions = [record(7, day, out) for day, out in ((3, "one"), (1, "two"), (4, "three"), (2, "four"))]
    lake, path = Lake.open(str(tmp_path / "lake")), tmp_path / "a.jsonl"
    if earlier:
        publish(lake, run(lake, configured(write(path, *(record(7, 9, out) for out in earlier)))))
    killed = run(lake, configured(write(path, *versions)), 2)
    for position, unit in enumerate(killed.units):
        if published >> position & 1:
            frame = pl.read_parquet(unit.path)
            lake.commit(f"{2:064x}", f"{unit.day}", {"outputs": frame}, run_day=NOW.date())
    again = run(lake, configured(path), 3)
    assert again.already_there == published.bit_count()
    publish(lake, again, 3)
    order = [*earlier, "one", "two", "three", "four"]
    assert links(lake.scan("outputs").collect()) == dict(zip(order, [None, *order], strict=False))


def test_an_old_version_that_is_read_again_does_not_get_a_second_successor(tmp_path, lake):
    path = tmp_path / "a.jsonl"
    for number, out in enumerate(("one", "two"), 1):
        publish(lake, run(lake, configured(write(path, record(7, out=out))), number))
    publish(lake, run(lake, configured(write(path, record(7, out="one"), record(7, out="three"))), 3), 3)
    assert links(lake.scan("outputs").collect()) == {"one": None, "two": "one", "three": "two"}


def test_a_full_disk_under_the_lake_is_not_blamed_on_the_source(tmp_path, lake, monkeypatch):
    write_frame = staging.write
    monkeypatch.setattr(staging, "write", lambda frame, _: write_frame(frame, Path("/dev/full")))
    with pytest.raises(
        LakeError, match=r"lake/_work/.*No space left on device .*free some space and run again"
    ):
        run(lake, configured(write(tmp_path / "a.jsonl", record(1))), pause=never)


def test_a_batch_that_could_not_be_written_is_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    staged = staging.Staged("s", tmp_path, 0, {})
    wanted = configured(write(tmp_path / "a.jsonl", record(1), b"bad"))
    batches = pulling._batches(wanted.sources[0], scope(now=NOW))
    with pytest.raises(LakeError, match="broken"):
        pulling._read(batches, staged)
    assert staged == staging.Staged("s", tmp_path, 0, {})


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s for what does not pass")


def failing(monkeypatch: pytest.MonkeyPatch, failures: list[Exception | None]) -> None:
    """Each reading of a source gives its first batch and then fails as the list says."""
    pull: Callable[..., Iterator[Batch]] = files.pull

    def unsteady(*asked: Any) -> Iterator[Batch]:
        batches = pull(*asked)
        yield next(batches)
        failure = failures.pop(0)
        if failure is not None:
            raise failure
        yield from batches

    monkeypatch.setattr(files, "pull", unsteady)


def test_a_source_that_fails_for_a_moment_is_read_again_from_its_start(tmp_path, lake, monkeypatch):
    waited: list[float] = []
    failing(monkeypatch, [OSError(errno.ESTALE, "Stale file handle"), ConnectionResetError(), None])
    path = write(tmp_path / "a.jsonl", *(record(i) for i in range(2_100)), b"bad")
    pulled = run(lake, configured(path), pause=waited.append)
    assert waited == [2.0, 10.0]
    assert pulled.problems == []
    assert (pulled.records_in, pulled.outputs, pulled.duplicates, pulled.quarantined) == (2_101, 2_100, 0, 1)
    assert len(pulled.quarantine_paths) == 1


def test_a_source_that_keeps_failing_is_a_problem_and_the_others_go_on(tmp_path, lake, monkeypatch):
    waited: list[float] = []
    failing(monkeypatch, [*(OSError(errno.EIO, "Input/output error") for _ in range(3)), None])
    write(tmp_path / "a.jsonl", *(record(i) for i in range(2_100)))
    other = write(tmp_path / "b.jsonl", record(1))
    pulled = run(lake, configured(tmp_path / "a.jsonl", other), pause=waited.append)
    assert waited == [2.0, 10.0]
    assert pulled.problems == ["source 'source-0': [Errno 5] Input/output error (tried 3 times)"]
    # What came before the failure is good, and without a mark the file is read again next time.
    assert pulled.by_source == {"source-0": 2_000, "source-1": 1}
    assert pulled.marks["source-0"] == {}
    assert balanced(pulled)


@pytest.mark.parametrize(
    "failure",
    [FileNotFoundError(errno.ENOENT, "gone"), PermissionError(errno.EACCES, "no"), SourceError("x")],
)
def test_what_does_not_pass_is_not_tried_again(tmp_path, lake, monkeypatch, failure):
    failing(monkeypatch, [failure])
    pulled = run(lake, configured(write(tmp_path / "a.jsonl", record(1))), pause=never)
    assert pulled.problems == [f"source 'source-0': {failure}"]


def test_quarantine_of_two_sources_is_published_whole(tmp_path, lake):
    paths = [write(tmp_path / name, b"bad") for name in ("a.jsonl", "b.jsonl")]
    pulled = run(lake, configured(*paths))
    assert len({path.stem for path in pulled.quarantine_paths}) == 2  # each names a commit
    publish(lake, pulled)
    assert sorted(lake.scan("quarantine").collect()["source"]) == ["source-0", "source-1"]


LINES = st.one_of(
    st.builds(record, st.integers(0, 3), st.integers(1, 3), st.sampled_from(["a", "b"])),
    st.sampled_from([b"bad", b"{}", b"", b"\xff"]),
)


SHARED_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=25, deadline=None, suppress_health_check=SHARED_FOLDER)
@given(st.lists(st.lists(LINES, max_size=8), min_size=1, max_size=3))
def test_however_records_come_in_portions_the_lake_ends_up_with_each_once(tmp_path_factory, portions):
    folder = tmp_path_factory.mktemp("pull")
    lake = Lake.open(str(folder / "lake"))
    wanted = configured(folder / "in")
    (folder / "in").mkdir()
    for number, portion in enumerate(portions, 1):
        write(folder / "in" / f"{number}.jsonl", record("always"), *portion)
        pulled = run(lake, wanted, number)
        assert balanced(pulled)
        publish(lake, pulled, number)
    table = lake.scan("outputs").collect()
    said = {json.dumps(r) for portion in portions for r in portion if isinstance(r, dict)}
    assert table.height == len(said) + 1
    assert table["output_id"].is_unique().all()
    # Every version but the first names one that exists, and no two name the same.
    chain = table["supersedes"].drop_nulls()
    assert chain.is_in(table["output_id"].implode()).all()
    assert chain.is_unique().all()
    assert table.height - chain.len() == table["source_id"].n_unique()


# The bundled sample -----------------------------------------------------------------------------------


def test_the_bundled_sample_is_pulled_whole(lake):
    pulled = run(lake, configuration.load(SAMPLES / "claimledger.toml"))
    assert (pulled.records_in, pulled.outputs, pulled.quarantined) == (351, 351, 0)
    assert pulled.problems == pulled.warnings == []
    rows = staged(pulled)
    assert len(pulled.units) == 30
    assert rows["agent"].n_unique() == 6
    assert set(rows["use_case"]) == {"customer help", "staff policy", "health questions", "expert questions"}
    assert (rows["contexts"].list.len() > 0).sum() == 216


def test_a_mapping_is_proposed_for_the_sample():
    proposal = propose(str(SAMPLES / "outputs"))
    expected = configuration.load(SAMPLES / "claimledger.toml").sources[0].fields
    assert proposal.fields == expected
    assert proposal.sentences == ()
    assert len(proposal.sample) == 5


def test_a_source_most_of_whose_records_are_refused_is_a_problem_and_is_read_again(tmp_path, lake):
    path = write(tmp_path / "a.jsonl", *({"id": str(i), "at": "2026-11-01T10:00:00Z"} for i in range(5)))
    for number in (1, 2):
        pulled = run(lake, configured(path), number)
        assert pulled.problems == [pulled.unhealthy["source-0"]]
        assert "5 of 5 records were refused and not audited, the first at a.jsonl:1" in pulled.problems[0]
        assert pulled.marks == {"source-0": {}}
        publish(lake, pulled, number)


def test_two_refused_records_are_an_accident_of_rows(tmp_path, lake):
    path = write(tmp_path / "a.jsonl", {"id": "1"}, {"id": "2"})
    pulled = run(lake, configured(path))
    assert (pulled.problems, pulled.quarantined) == ([], 2)
    assert pulled.marks["source-0"] != {}
