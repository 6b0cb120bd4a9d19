"""What a check has to cope with in a sound lake, and that several processes find what one finds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks import ids
from tasks.lake import commits
from tasks.lake.store import Lake
from tasks.ledger import opening, recording, segments, verify, verify_processes, verify_segments
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.verify_salts import Salts
from tests.support import ledger_lake
from tests.support.ledger_attack import edit, findings, resegment
from tests.support.ledger_lake import ACTOR, NIGHT, POLICIES, night


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings]:
    folder = tmp_path_factory.mktemp("base")
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    for number in range(3):
        night(lake, wanted, number)
    return lake, wanted


@pytest.fixture
def wanted(base: tuple[Lake, LedgerSettings]) -> LedgerSettings:
    return base[1]


@pytest.fixture
def lake(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> Lake:
    shutil.copytree(base[0].root, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


def test_several_processes_find_what_one_finds_in_the_same_order(lake, wanted):
    edit(lake, "verdicts", "p_supported", 0.9, cover=True)
    edit(lake, "outputs", "response", "Another answer", cover=False)
    resegment(lake, 1, lambda frame: frame.with_columns(run_id=pl.lit("0" * 64)))
    alone = verify.verify(lake, wanted, workers=1)
    together = verify.verify(lake, wanted, workers=2)
    assert alone.findings
    assert together.as_dict() == alone.as_dict()


def test_a_process_that_dies_over_a_segment_is_a_finding_and_the_others_are_checked(lake, wanted, tmp_path):
    scope, works = _scope(lake, tmp_path)
    victim = works[1].segment.number
    done = list(verify_processes.check_all(scope, works, 2, initializer=_Dying(victim)))
    assert [each.segment.number for each in done] == [work.segment.number for work in works]
    [sentence] = done[1].findings.findings
    assert "the process that checked it died" in sentence
    assert all(each.hashes for each in done if each.segment.number != victim)


class _Dying:
    """Starts a process that aborts at one segment, as a reader of hostile bytes may."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, scope: verify_segments.Scope) -> None:
        verify_processes.start(scope)
        real = verify_segments.SegmentChecks.check

        def check(checks: verify_segments.SegmentChecks, work: verify_segments.Work):
            if work.segment.number == self.number:
                os.abort()
            return real(checks, work)

        verify_segments.SegmentChecks.check = check  # type: ignore[method-assign]


def _scope(lake: Lake, folder: Path) -> tuple[verify_segments.Scope, list[verify_segments.Work]]:
    opened = Log.open(lake.root / "ledger")
    vault = opening.vault_of(lake, LedgerSettings(), opened.origin)
    salts = Salts.write(folder / "salts", vault.salt_files())
    scope = verify_segments.Scope(lake.root, opened, salts, frozenset())
    return scope, [verify_segments.Work(segment) for segment in opened.segments]


def test_a_lost_segment_is_read_from_its_bundles_and_a_lost_bundle_from_its_tile(lake, wanted):
    last = segments.listed(lake.root / "ledger" / "segments")[-1]
    last.path.write_bytes(b"PAR1 nothing PAR1")
    found = findings(lake, wanted)
    assert any("not the bytes that were appended" in line for line in found)
    assert not any("rewritten" in line for line in found)
    shutil.rmtree(lake.root / "ledger" / "tile" / "entries")
    found = findings(lake, wanted)
    assert not any("rewritten" in line for line in found)
    shutil.rmtree(lake.root / "ledger" / "tile")
    sizes = Log.open(lake.root / "ledger").sizes()
    assert any(f"after checkpoint {sizes[-2]} are lost in part" in line for line in findings(lake, wanted))


def test_a_day_in_many_files_and_a_segment_of_many_days(tmp_path):
    """Rows come in units of some outputs, several days in one recording, and later ones are judged again."""
    lake, wanted = Lake.open(str(tmp_path / "lake")), ledger_lake.settings(tmp_path)
    run_id = ids.digest("backfill")
    for unit in range(6):
        # A start of 86,400 is a day later.
        rows = ledger_lake.frames(run_id, start=unit // 2 * 86_400 + unit * 10)
        lake.commit(run_id, f"unit-{unit}", rows, run_day=NIGHT.date())
    recording.record(lake, wanted, POLICIES, run_id=run_id, now=NIGHT, actor=ACTOR)
    other = pl.lit(ids.digest("another verifier"))
    again = ledger_lake.frames(ids.digest("again"))
    changed = {
        "verdicts": again["verdicts"].with_columns(
            verifier=other, verdict_id=pl.col("verdict_id").str.reverse()
        ),
        "evidence": again["evidence"].with_columns(verifier=other),
    }
    lake.commit(ids.digest("again"), "unit", changed, run_day=NIGHT.date())
    recording.record(lake, wanted, POLICIES, run_id=ids.digest("again"), now=NIGHT, actor=ACTOR)
    found = verify.verify(lake, wanted)
    assert (found.findings, found.unverifiable) == ([], [])
    assert found.references["verdicts"] == 6 * 6 + 6
    assert found.references["outputs"] == 18
    path = edit(lake, "claims", "text", "Another claim.", cover=True)
    lines = findings(lake, wanted)
    assert any(line.startswith("claims: a row differs") and path.parent.name in line for line in lines)


def test_a_passage_of_a_corpus_stands_on_another_day(tmp_path):
    lake, wanted = Lake.open(str(tmp_path / "lake")), ledger_lake.settings(tmp_path)
    run_id = ids.digest("corpus")
    rows = ledger_lake.frames(run_id)
    rows["passages"] = rows["passages"].with_columns(
        corpus=pl.lit("handbook"),
        output_id=pl.lit(None, pl.String),
        produced_at=pl.col("produced_at").dt.offset_by("-40d"),
    )
    rows["evidence"] = rows["evidence"].with_columns(origin=pl.lit("corpus"))
    lake.commit(run_id, "unit", rows, run_day=NIGHT.date())
    recording.record(lake, wanted, POLICIES, run_id=run_id, now=NIGHT, actor=ACTOR)
    assert findings(lake, wanted) == []
    edit(lake, "passages", "text", "Another passage", cover=True)
    assert any(line.startswith("passages: a row differs") for line in findings(lake, wanted))


def test_a_row_that_is_there_twice_is_named(lake, wanted):
    path = lake.files("verdicts")[0]
    frame = pl.read_parquet(path).head(1)
    other = frame.with_columns(produced_at=pl.col("produced_at") + pl.duration(seconds=1))
    from tasks import tables
    from tasks.files import parquet

    data = parquet.encode(tables.VERDICTS_TABLE, other)
    described = commits.describe("verdicts", ledger_lake.DAY, data, 1)
    commits.commit(lake.root, ids.digest("planted"), "u", [(described, data)])
    assert any("verdicts: 1 rows are there twice" in line for line in findings(lake, wanted))


def test_an_older_action_of_the_same_answer_does_not_replace_the_one_an_event_binds(lake, wanted):
    """A clock that was set back must not make another action look like the first."""
    rows = ledger_lake.frames(ids.digest("late"))
    late = rows["actions"].with_columns(
        action_id=pl.col("action_id").str.reverse(),
        action=pl.lit("escalated"),
        decided_at=pl.col("decided_at").dt.offset_by("-2h"),
    )
    lake.commit(ids.digest("late"), "unit", {"actions": late}, run_day=NIGHT.date())
    recording.record(lake, wanted, POLICIES, run_id=ids.digest("late"), now=NIGHT, actor=ACTOR)
    assert findings(lake, wanted) == []


def test_a_probability_that_became_no_number_is_a_difference_and_no_crash(lake, wanted):
    edit(lake, "verdicts", "p_supported", float("nan"), cover=True)
    assert any("column p_supported" in line for line in findings(lake, wanted))


def test_salts_are_found_by_id_and_never_by_its_prefix(tmp_path):
    same = ["ab" * 8 + f"{n:048x}" for n in range(3)]
    others = [ids.digest("output", n) for n in range(50)]
    salts = {name: bytes([n]) * 32 for n, name in enumerate(same + others)}
    frames = [
        pl.DataFrame({"output_id": list(part), "salt": [salts[p] for p in part]})
        for part in (others[:20], same, others[20:])
    ]
    written = Salts.write(tmp_path / "salts", frames)
    wanted = pl.Series([*others[:5], same[2], "ab" * 8 + "f" * 48, same[0], "short", None, ids.digest("x")])
    found = written.of(wanted)
    assert found["output_id"].to_list() == wanted.to_list()
    assert found["salt"].to_list() == [salts.get(str(w)) for w in wanted.to_list()]
    assert Salts.write(tmp_path / "none", []).of(wanted)["salt"].null_count() == wanted.len()


def test_prefixes_of_ids_are_their_first_eight_bytes():
    texts = [ids.digest("a", n) for n in range(9)]
    expected = np.array([int(text[:16], 16) for text in texts], dtype="<u8")
    assert (ids.prefixes(pl.Series(texts)) == expected).all()
    assert len(ids.prefixes(pl.Series([*texts, "no id"]))) == 10
