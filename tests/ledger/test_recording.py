"""Recording: once, whole, in order, whatever interrupts it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import ids
from tasks.errors import ConfigError, IntegrityError, LakeError
from tasks.files import durable, inputs
from tasks.files.inputs import InputFile
from tasks.lake import locks
from tasks.lake.store import Lake
from tasks.ledger import bindings, keys, merkle, opening, recording, segments, verify
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tests.support import ledger_attack, ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, POLICIES, night


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def wanted(tmp_path: Path) -> LedgerSettings:
    return ledger_lake.settings(tmp_path)


def record(lake: Lake, wanted: LedgerSettings) -> recording.Recorded:
    return recording.record(lake, wanted, POLICIES, run_id=ids.digest("later"), now=NIGHT, actor=ACTOR)


def events_of(lake: Lake, kind: str) -> list[dict[str, Any]]:
    bodies = lake.scan("events").filter(pl.col("kind") == kind).sort("sequence").collect()["body"]
    return [json.loads(body) for body in bodies]


def sound(lake: Lake, wanted: LedgerSettings) -> verify.Verified:
    """The whole invariant, walked: every check holds."""
    found = verify.verify(lake, wanted)
    assert (found.findings, found.unverifiable) == ([], [])
    return found


def test_a_night_becomes_events_of_every_kind_and_verifies(lake, wanted):
    night(lake, wanted, 0)
    kinds = dict(lake.scan("events").collect()["kind"].value_counts().iter_rows())
    assert kinds == {"verification": 6, "action": 3, "finding": 3, "run": 2, "configuration": 2}
    found = sound(lake, wanted)
    assert found.references == {
        "verdicts": 6,
        "claims": 6,
        "evidence": 6,
        "passages": 6,
        "actions": 9,
        "outputs": 3,
        "findings": 3,
        "runs": 1,
    }
    assert "self-consistent only" in found.statement


def test_recording_again_appends_nothing_and_changes_no_byte(lake, wanted):
    night(lake, wanted, 0)
    before = {p: p.read_bytes() for p in (lake.root / "ledger").rglob("*") if p.is_file()}
    assert record(lake, wanted).appended == 0
    assert before == {p: p.read_bytes() for p in (lake.root / "ledger").rglob("*") if p.is_file()}


def test_an_empty_night_and_a_failed_run_show(lake, wanted):
    run_id = ids.digest("empty")
    recording.record_start(lake, wanted, POLICIES, ledger_lake.run_row(run_id, status="running"), actor=ACTOR)
    row = ledger_lake.run_row(run_id, status="failed", rows_in=0, rows_out=0)
    from tasks.tables import RUNS

    lake.commit(run_id, "run", {"runs": pl.DataFrame([row], schema=RUNS.schema)}, run_day=NIGHT.date())
    record(lake, wanted)
    bodies = lake.scan("events").filter(pl.col("kind") == "run").sort("sequence").collect()["body"]
    assert ['"phase":"start"' in bodies[0], '"status":"failed"' in bodies[1]] == [True, True]
    sound(lake, wanted)


def test_a_claim_judged_again_becomes_a_re_verification_that_names_the_earlier_index(lake, wanted):
    night(lake, wanted, 0)
    rows = ledger_lake.frames(ids.digest("again"))
    other = pl.lit(ids.digest("another verifier"))
    again = {
        "verdicts": rows["verdicts"].with_columns(
            verifier=other, verdict_id=pl.col("verdict_id").str.reverse()
        ),
        "evidence": rows["evidence"].with_columns(verifier=other),
    }
    lake.commit(ids.digest("again"), "unit", again, run_day=NIGHT.date())
    record(lake, wanted)
    events = lake.scan("events").filter(pl.col("kind") == "re-verification").collect()
    first = lake.scan("events").filter(pl.col("kind") == "verification").collect()
    said = events["body"].str.json_path_match("$.earlier_index").cast(pl.Int64)
    assert sorted(said) == sorted(first["sequence"])
    sound(lake, wanted)


def test_a_verdict_reached_again_is_a_re_verification_without_a_row_of_its_own(lake, wanted):
    night(lake, wanted, 0)
    run_id = ids.digest("reverify")
    again = ledger_lake.frames(run_id)["verdicts"].with_columns(p_supported=pl.lit(0.7004))

    def repeat() -> int:
        return recording.record_again(lake, wanted, POLICIES, again, run_id=run_id).appended

    assert (repeat(), repeat()) == (6, 0)
    bodies = lake.scan("events").filter(pl.col("kind") == "re-verification").collect()["body"]
    assert all('"p_supported_u6":700400' in body and '"row_verdicts":null' in body for body in bodies)
    # What was shown again is committed to again, passage by passage.
    assert all(body.count('"commitment":"') == 2 and '"evidence_count":2' in body for body in bodies)
    sound(lake, wanted)


def test_a_review_names_the_event_it_is_about_and_hides_the_reviewer(lake, wanted):
    night(lake, wanted, 0)
    from tasks.tables import REVIEWS

    verdict = ids.digest("verdict", 0, 0)
    review = {
        "review_id": ids.digest("review"),
        "verdict_id": verdict,
        "claim_id": ids.digest("claim", 0, 0),
        "reviewer": "Jane Doe",
        "outcome": "overturned",
        "corrected_verdict": "contradicted",
        "comment": "The passage says otherwise.",
        "reviewed_at": NIGHT,
        "produced_at": ledger_lake.NOON,
        "run_id": ids.digest("review run"),
    }
    frame = pl.DataFrame([review], schema=REVIEWS.schema)
    lake.commit(ids.digest("review run"), "reviews", {"reviews": frame}, run_day=NIGHT.date())
    record(lake, wanted)
    body = lake.scan("events").filter(pl.col("kind") == "review").collect()["body"][0]
    assert "Jane" not in body
    earlier = lake.scan("events").filter(pl.col("subject_id") == verdict).collect()["sequence"][0]
    assert f'"earlier_index":{earlier},' in body
    assert sound(lake, wanted).rows["reviews"] == 1


def test_a_health_alarm_is_an_event_and_health_that_is_well_is_not(lake, wanted):
    from tasks.tables import HEALTH

    row = {"kind": "source", "checked_at": NIGHT, "run_id": ids.digest("h"), "latency_ms": 1.5}
    rows = [
        {**row, "target": "a", "ok": True, "alarms": []},
        {**row, "target": "b", "ok": False, "error": "gone", "alarms": ["down: gone"]},
        {
            **row,
            "target": "c",
            "ok": True,
            "alarms": ["model: m-7 is new", "late: a day", "model: m-8 is new"],
        },
        {**row, "target": "d", "ok": True},
    ]
    frame = pl.DataFrame(rows, schema=HEALTH.schema)
    lake.commit(ids.digest("h"), "health", {"health": frame}, run_day=NIGHT.date())
    assert record(lake, wanted).appended == 2
    assert sound(lake, wanted).references == {"health": 2}
    said = [json.loads(body) for body in lake.scan("events").filter(kind="health").collect()["body"]]
    told = {each["target"]: (each["is_ok"], each["alarm_kinds"], each["target_kind"]) for each in said}
    assert told == {"b": (False, "down", "source"), "c": (True, "late model", "source")}
    assert not any("m-7" in json.dumps(each) for each in said)


def test_an_alarm_that_is_taken_out_of_the_table_is_found(lake, wanted):
    from tasks.tables import HEALTH

    row = {"kind": "source", "checked_at": NIGHT, "run_id": ids.digest("h"), "target": "c", "ok": True}
    frame = pl.DataFrame([row | {"alarms": ["late: a day"]}], schema=HEALTH.schema)
    lake.commit(ids.digest("h"), "health", {"health": frame}, run_day=NIGHT.date())
    record(lake, wanted)
    empty = pl.lit([], pl.List(pl.String))
    ledger_attack.edit(lake, "health", "alarms", empty, cover=True, at_least=1)
    assert verify.verify(lake, wanted).findings


def test_a_changed_policy_is_a_configuration_event_with_its_thresholds(lake, wanted):
    from tasks.decide.policies import Policy

    night(lake, wanted, 0)
    stricter = (Policy(version="2", threshold_supported=0.9),)
    row = ledger_lake.run_row(ids.digest("stricter"), status="running")
    recording.record_start(lake, wanted, stricter, row, actor=ACTOR)
    recording.record_start(lake, wanted, stricter, row, actor=ACTOR)
    bodies = lake.scan("events").filter(pl.col("kind") == "configuration").collect()["body"].to_list()
    assert ["default@2" in body for body in bodies].count(True) == 1
    assert any('"threshold_supported_u6":900000' in body for body in bodies)


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the product catches it."""


def _interrupt(patch: pytest.MonkeyPatch, at: int, *, persisted: bool) -> None:
    """Kills at the nth touch of the disk, before it happens or just after."""
    touches: list[str] = []

    def wrapped(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            touches.append(f"{name} {Path(args[0]).name if args else ''}")
            mine = len(touches) - 1
            if mine == at and not persisted:
                raise Killed
            result = original(*args, **kwargs)
            if mine == at and persisted:
                raise Killed
            return result

        return call

    for name in ("replace", "replace_json", "write_new"):
        patch.setattr(durable, name, wrapped(name, getattr(durable, name)))
    patch.setattr(Path, "write_bytes", wrapped("write_bytes", Path.write_bytes))


@pytest.mark.parametrize("stride", [8, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted but reported failed"])
def test_killed_at_every_write_of_an_append_the_next_run_ends_as_an_undisturbed_one(
    tmp_path, wanted, persisted, stride
):
    base = Lake.open(str(tmp_path / "base"))
    night(base, wanted, 0, outputs=1, claims=1)
    rows = ledger_lake.frames(ids.digest("second"), outputs=1, claims=1, start=7)
    base.commit(ids.digest("second"), "unit", rows, run_day=NIGHT.date())
    old = Log.open(base.root / "ledger").head.size
    at = 0
    while True:
        lake = Lake.open(str(tmp_path / f"at-{persisted}-{at}"))
        shutil.copytree(base.root, lake.root)
        with pytest.MonkeyPatch.context() as patch:
            _interrupt(patch, at, persisted=persisted)
            try:
                record(lake, wanted)
            except Killed:
                interrupted = True
            else:
                interrupted = False
        if interrupted:
            assert sound(lake, wanted).size in (old, old + 3)
        record(lake, wanted)
        assert sound(lake, wanted).size == old + 3
        assert record(lake, wanted).appended == 0
        subjects = lake.scan("events").collect()["subject_id"]
        assert subjects.n_unique() == subjects.len() == old + 3
        shutil.rmtree(lake.root)
        at += stride
        if not interrupted:
            break
    assert at > 10


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_what_a_killed_append_left_does_not_contradict_a_later_one_of_other_events(tmp_path, wanted, stride):
    base = Lake.open(str(tmp_path / "base"))
    night(base, wanted, 0, outputs=1, claims=1)
    later = [ledger_lake.frames(ids.digest("more", n), outputs=1, claims=1, start=n) for n in (7, 9)]
    base.commit("second", "unit", later[0], run_day=NIGHT.date())
    old = Log.open(base.root / "ledger").head.size
    at, interrupted = 0, True
    while interrupted:
        lake = Lake.open(str(tmp_path / f"at-{at}"))
        shutil.copytree(base.root, lake.root)
        with pytest.MonkeyPatch.context() as patch:
            _interrupt(patch, at, persisted=True)
            try:
                record(lake, wanted)
            except Killed:
                at += stride
            else:
                interrupted = False
        lake.commit("third", "unit", later[1], run_day=NIGHT.date())
        # Another run, at another time: the events that were lost are appended with other bytes, among more.
        recording.record(
            lake, wanted, POLICIES, run_id=ids.digest("another"), now=NIGHT + timedelta(days=1), actor=ACTOR
        )
        assert sound(lake, wanted).size == old + 6
        shutil.rmtree(lake.root)
    assert at > 10


def test_a_full_disk_in_the_middle_of_an_append_is_one_sentence_and_the_old_state(lake, wanted, monkeypatch):
    night(lake, wanted, 0)
    size = Log.open(lake.root / "ledger").head.size
    lake.commit("r", "u", ledger_lake.frames(ids.digest("next"), start=50), run_day=NIGHT.date())

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(segments.durable, "replace", full)
        with pytest.raises(LakeError, match=r"No space left on device .* free some space and run again"):
            record(lake, wanted)
    assert sound(lake, wanted).size == size
    assert record(lake, wanted).appended == 12


def test_of_two_writers_at_once_one_waits_or_is_told_who_holds_the_lake(lake, wanted):
    night(lake, wanted, 0)
    lake.commit("r", "u", ledger_lake.frames(ids.digest("next"), start=50), run_day=NIGHT.date())
    outcomes: list[object] = []

    def write() -> None:
        try:
            outcomes.append(record(Lake.open(str(lake.root), wait_s=20.0), wanted).appended)
        except LakeError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["0", "12"]
    sound(lake, wanted)
    with locks.lock(lake.root, "another audit"):
        held = subprocess.run(
            [sys.executable, "-c", _RECORD, str(lake.root), str(wanted.key_folder)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    assert "locked by another audit" in held.stdout


_RECORD = """
import sys
from pathlib import Path
from tasks.ledger import recording
from tasks.errors import LakeError
from tasks.lake.store import Lake
from tests.support import ledger_lake
wanted = ledger_lake.settings(Path(sys.argv[2]).parent)
try:
    recording.record(Lake.open(sys.argv[1]), wanted, (), run_id="r", now=ledger_lake.NIGHT, actor="x")
except LakeError as error:
    print(error)
"""


def test_events_of_runs_configuration_and_erasures_name_their_actor(lake, wanted):
    night(lake, wanted, 0)
    erase = {"subject_id": ids.digest("output", 0), "output_id": ids.digest("output", 0), "rows_erased": 0}
    recording.append_one(
        lake, wanted, "erasure", run_id="e", now=NIGHT, actor="data protection", reason="request", **erase
    )
    rows = lake.scan("events").collect()
    by_kind = {kind: {*part["actor"]} for (kind,), part in rows.group_by("kind")}
    assert by_kind["run"] == by_kind["configuration"] == {ACTOR}
    assert by_kind["erasure"] == {"data protection"}
    assert by_kind["verification"] == {None}
    bodies = [json.loads(body) for body in rows.filter(pl.col("kind") == "run")["body"]]
    assert [body["actor"] for body in bodies] == [ACTOR, ACTOR]


def test_a_runs_event_holds_the_digests_of_the_files_that_it_read(lake, wanted):
    run_id = ids.digest("run", 0)
    files = [InputFile("bot", f"day-{n}.jsonl", ids.digest("file", n)) for n in range(200)]
    inputs.keep(lake.run_folder(run_id), files)
    night(lake, wanted, 0)
    ends = [event for event in events_of(lake, "run") if event["phase"] == "end"]
    [event] = ends
    assert event["inputs_count"] == 200
    assert len(event["inputs"]) == bindings.MAX_INPUTS
    assert event["inputs"][0] == {"sha256": min(file.sha256 for file in files), "source": "bot"}
    assert event["inputs_sha256"] == bindings.inputs_digest(files)
    assert "day-" not in json.dumps(event), "a file's name may be a person's"
    sound(lake, wanted)
    inputs.keep(lake.run_folder(run_id), files[1:])
    assert "names other input files than the run's event says" in str(verify.verify(lake, wanted).findings)
    (lake.run_folder(run_id) / inputs.FILE).unlink()
    assert "nothing says which files the run had read" in str(verify.verify(lake, wanted).unverifiable)


def test_a_clock_set_back_leaves_the_order_of_the_log_alone(lake, wanted):
    night(lake, wanted, 0)
    rows = ledger_lake.frames(ids.digest("back"), start=60)
    earlier = {"verdicts": "verified_at", "actions": "decided_at", "findings": "found_at"}
    rows |= {t: rows[t].with_columns(pl.col(c) - timedelta(hours=1)) for t, c in earlier.items()}
    lake.commit("back", "u", rows, run_day=NIGHT.date())
    record(lake, wanted)
    events = lake.scan("events").sort("sequence").collect()
    assert events["occurred_at"].is_sorted() is False
    assert events["sequence"].to_list() == list(range(events.height))
    sound(lake, wanted)


def test_restored_from_segments_alone_the_log_has_the_same_root(lake, wanted):
    for number in range(3):
        night(lake, wanted, number, outputs=30)
    opened = Log.open(lake.root / "ledger")
    shutil.rmtree(lake.root / "ledger" / "tile")
    shutil.rmtree(lake.root / "ledger" / "index")
    assert opened.rebuild_tiles().root() == opened.head.root
    record(lake, wanted)
    sound(lake, wanted)


def test_damaged_tiles_are_rebuilt_before_anything_is_appended_to_them(lake, wanted):
    night(lake, wanted, 0)
    opened = Log.open(lake.root / "ledger")
    for path in (lake.root / "ledger" / "tile").rglob("*"):
        if path.is_file():
            path.write_bytes(b"\0" * path.stat().st_size)
    night(lake, wanted, 1)
    head = Log.open(lake.root / "ledger")
    proof = merkle.consistency_proof(opened.head.size, head.head.size, head.node())
    merkle.check_consistency(opened.head.size, head.head.size, opened.head.root, head.head.root, proof)


def test_a_lost_folder_is_an_error_and_never_a_fresh_history(lake, wanted):
    night(lake, wanted, 0)
    shutil.rmtree(lake.root / "ledger")
    with pytest.raises(IntegrityError, match="the ledger is lost"):
        record(lake, wanted)
    (lake.root / "state" / "ledger.json").unlink()
    with pytest.raises(IntegrityError, match="rows in the events table"):
        opening.initialise(lake, wanted)


def test_the_key_is_private_and_outside_the_lake(lake, wanted, tmp_path):
    night(lake, wanted, 0)
    [path] = (tmp_path / "keys").glob("*.key")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.is_relative_to(lake.root)
    secret = keys.read_key(path).private
    assert not [p for p in lake.root.rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert secret.hex() not in repr(keys.read_key(path))
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        record(lake, wanted)


def test_a_missing_or_foreign_key_appends_nothing(lake, wanted, tmp_path):
    night(lake, wanted, 0)
    [path] = (tmp_path / "keys").glob("*.key")
    path.unlink()
    with pytest.raises(ConfigError, match="no such key file"):
        record(lake, wanted)
    keys.write_key(path, keys.new_signer("example.com/test"))
    with pytest.raises(ConfigError, match="did not sign the ledger"):
        record(lake, wanted)
