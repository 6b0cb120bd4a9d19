"""What is older than its rule goes, what is held stays, the ledger verifies and says which rule erased."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks import ids, tables
from tasks.errors import ConfigError, InputError
from tasks.lake.store import Lake
from tasks.ledger import erasures, recording, verify
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tasks.retention import holds, retention
from tasks.retention.parameters import RetentionRule, RetentionSettings
from tasks.retention.retention import Applied, Due
from tasks.review import erase
from tests.support import ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, NOON, POLICIES

OUTPUTS = [ids.digest("output", number) for number in range(4)]
"""Produced a second apart: two of the use case support, one of sales, one of no use case."""
LATER = NIGHT + timedelta(days=100)
SUPPORT = RetentionRule(name="support", use_case="support", days=90)
OTHERS = RetentionRule(name="all-others", days=60)
REFUSED = RetentionRule(name="refused", table="quarantine", days=30)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings]:
    folder = tmp_path_factory.mktemp("retention")
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    run_id = ids.digest("run", 0)
    rows = ledger_lake.frames(run_id, outputs=4, claims=1)
    for table in ("outputs", "verdicts"):
        rows[table] = rows[table].with_columns(
            use_case=pl.Series(["support", "support", "sales", None], dtype=pl.String),
            agent=pl.Series(["a", "b", "a", "b"], dtype=pl.String),
        )
    refused = [{"locator": "line 3", "check": "json", "reason": "not JSON", "raw": "{secret"}]
    rows["quarantine"] = tables.quarantine_rows(
        refused, table="outputs", source="bot", run_id=run_id, quarantined_at=NIGHT
    )
    verdict_id, claim_id = ids.digest("verdict", 0, 0), ids.digest("claim", 0, 0)
    review = {
        "review_id": ids.digest("review"),
        "verdict_id": verdict_id,
        "claim_id": claim_id,
        "reviewer": "ann",
        "outcome": "confirmed",
        "comment": "Read twice.",
        "reviewed_at": NIGHT,
        "produced_at": NOON,
        "run_id": run_id,
    }
    schema = tables.REVIEWS.schema
    rows["reviews"] = pl.DataFrame([{name: review.get(name) for name in schema}], schema=schema)
    lake.commit(run_id, "unit", rows, run_day=NIGHT.date())
    recording.record(lake, wanted, POLICIES, run_id=run_id, now=NIGHT, actor=ACTOR)
    return lake, wanted


@pytest.fixture
def lake(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> Lake:
    shutil.copytree(base[0].root, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def wanted(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> LedgerSettings:
    shutil.copytree(str(base[1].key_folder), tmp_path / "keys")
    return ledger_lake.settings(tmp_path)


def plan(lake: Lake, *rules: RetentionRule, now: datetime = LATER, most: int = 100) -> list[Due]:
    return retention.plan(lake, RetentionSettings(rules=rules, most_outputs=most), now=now)


def apply(lake: Lake, wanted: LedgerSettings, *rules: RetentionRule, number: int = 1) -> Applied:
    settings = RetentionSettings(rules=rules)
    return retention.apply(
        lake, settings, wanted, run_id=ids.digest("retention", number), now=LATER, actor=ACTOR
    )


def hold(lake: Lake, wanted: LedgerSettings, number: int = 1, **about: object) -> holds.Hold:
    run_id = ids.digest("hold", number)
    return holds.place(lake, wanted, reason="case 114", run_id=run_id, now=NIGHT, actor=ACTOR, **about)


def erased(lake: Lake) -> list[str]:
    gone = lake.scan("outputs").filter(pl.col("response") == tables.ERASED).collect()["output_id"]
    return [each for each in OUTPUTS if each in set(gone)]


def verified(lake: Lake, wanted: LedgerSettings) -> verify.Verified:
    found = verify.verify(lake, wanted)
    assert (found.findings, found.unverifiable) == ([], [])
    return found


def test_a_use_case_has_its_rule_and_all_others_have_the_general_one(lake):
    by_rule = {due.rule: due.output_ids for due in plan(lake, SUPPORT, OTHERS)}
    assert by_rule == {"support": OUTPUTS[:2], "all-others": OUTPUTS[2:]}
    early = plan(lake, SUPPORT, OTHERS, now=NOON + timedelta(days=60, seconds=2.5))
    assert [due.output_ids for due in early] == [[], [OUTPUTS[2]]]


def test_a_plan_writes_nothing_and_says_what_would_go(lake, wanted):
    before = sorted(path for path in lake.root.rglob("*") if path.is_file())
    sentences = [due.sentence for due in plan(lake, SUPPORT, REFUSED)]
    assert sentences[0].startswith("support: 2 outputs of use case support from before 2026-11-")
    assert sentences[1].startswith("refused: 1 refused records from before ")
    assert sorted(path for path in lake.root.rglob("*") if path.is_file()) == before
    assert erased(lake) == []


def test_what_went_keeps_its_ids_and_verdicts_and_the_ledger_verifies_and_says_under_which_rule(lake, wanted):
    kept = lake.scan("verdicts").select("verdict_id", "verdict", "p_supported").collect().sort("verdict_id")
    apply(lake, wanted, SUPPORT, OTHERS)
    assert erased(lake) == OUTPUTS
    assert lake.scan("verdicts").select(kept.columns).collect().sort("verdict_id").equals(kept)
    assert "Claim" not in str(lake.scan("claims").collect()["text"].to_list())
    found = verified(lake, wanted)
    assert len(found.erasures) == 4
    assert all(each.rows > 3 for each in found.erasures)
    lines = erasures.sentences(found.erasures)
    assert [line.rsplit("; ", 1)[1] for line in lines] == [
        "retention rule support: outputs after 90 days",
        "retention rule all-others: outputs after 60 days",
    ]
    assert lines[0].startswith("2 outputs with 2 verdicts, ")
    assert [due.output_ids for due in plan(lake, SUPPORT, OTHERS)] == [[], []]


def test_reviews_stay_unless_the_rule_says_otherwise(lake, wanted):
    apply(lake, wanted, SUPPORT)
    assert lake.scan("reviews").collect()["comment"].to_list() == ["Read twice."]
    verified(lake, wanted)
    again = RetentionRule(name="with-reviews", use_case="sales", days=90, reviews=True)
    assert plan(lake, again)[0].erases_reviews


def test_a_rule_that_says_so_takes_the_words_of_reviews(lake, wanted):
    apply(lake, wanted, RetentionRule(name="support", use_case="support", days=90, reviews=True))
    reviews = lake.scan("reviews").collect()
    assert reviews.select("comment", "reviewer", "outcome").rows() == [(None, tables.ERASED, "confirmed")]
    verified(lake, wanted)


def test_refused_records_lose_what_they_said_and_keep_why(lake, wanted):
    apply(lake, wanted, REFUSED)
    assert lake.scan("quarantine").select("raw", "reason").collect().rows() == [(tables.ERASED, "not JSON")]
    assert erased(lake) == []
    assert lake.verify_files() == []
    verified(lake, wanted)
    assert plan(lake, REFUSED)[0].rows == 0


@pytest.mark.parametrize(
    ("about", "free"),
    [
        ({"use_case": "support"}, OUTPUTS[2:]),
        ({"agent": "a"}, [OUTPUTS[1], OUTPUTS[3]]),
        ({"use_case": "support", "agent": "b"}, [OUTPUTS[0], *OUTPUTS[2:]]),
        ({"output_ids": OUTPUTS[1:3]}, [OUTPUTS[0], OUTPUTS[3]]),
    ],
    ids=["use case", "agent", "both", "outputs"],
)
def test_what_is_held_stays_whatever_the_rules_say(lake, wanted, about, free):
    placed = hold(lake, wanted, **about)
    due = plan(lake, SUPPORT, OTHERS)
    assert sum(sum(each.held.values()) for each in due) == 4 - len(free)
    assert placed.hold_id[:12] in " ".join(each.sentence for each in due)
    apply(lake, wanted, SUPPORT, OTHERS)
    assert erased(lake) == free
    verified(lake, wanted)


def test_a_hold_is_an_event_with_who_and_why_and_no_deleted_file_lifts_it(lake, wanted):
    placed = hold(lake, wanted, use_case="support", until=LATER + timedelta(days=1))
    event = lake.scan("events").filter(pl.col("kind") == "hold").collect().row(0, named=True)
    assert (event["subject_id"], event["actor"]) == (placed.hold_id, ACTOR)
    assert '"reason":"case 114"' in event["body"]
    shutil.rmtree(lake.root / "state")
    assert holds.holds(lake, NIGHT) == [placed]
    assert "until 2027-02-11; placed 2026-11-02 by os:tester@bench; reason: case 114" in placed.sentence


def test_a_hold_ends_when_it_is_over_or_released(lake, wanted):
    first = hold(lake, wanted, 1, use_case="support", until=LATER)
    second = hold(lake, wanted, 2, output_ids=OUTPUTS[:2])
    assert holds.holds(lake, LATER - timedelta(days=1)) == [first, second]
    assert holds.holds(lake, LATER) == [second]
    by = {"run_id": ids.digest("release"), "now": LATER, "actor": ACTOR}
    with pytest.raises(InputError, match="no holds in force begin so"):
        holds.release(lake, wanted, first.hold_id, reason="closed", **by)
    assert holds.release(lake, wanted, second.hold_id[:10], reason="closed", **by) == second
    assert holds.holds(lake, LATER) == []
    verified(lake, wanted)


def test_a_hold_on_a_use_case_keeps_refused_records_which_do_not_say_theirs(lake, wanted):
    hold(lake, wanted, use_case="support")
    [due] = plan(lake, REFUSED)
    assert (due.rows, due.notice) == (0, retention.QUARANTINE_HELD)


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({}, "a hold is about a use case, an agent or outputs"),
        ({"output_ids": ["f" * 64]}, "no output with this id"),
        ({"use_case": "support", "until": NOON}, "is over; give a later day"),
    ],
)
def test_a_hold_about_nothing_is_refused(lake, wanted, about, sentence):
    with pytest.raises(InputError, match=sentence):
        hold(lake, wanted, **about)


def test_a_reason_with_an_address_never_enters_the_ledger(lake, wanted):
    with pytest.raises(ConfigError, match="e-mail address"):
        holds.place(
            lake,
            wanted,
            reason="ask ann@example.com",
            run_id=ids.digest("hold"),
            now=NIGHT,
            actor=ACTOR,
            use_case="support",
        )


@pytest.mark.parametrize("step", ["_run_folders", "_elsewhere", "_pages", "_commit"])
def test_an_interrupted_erasure_is_finished_by_the_next(lake, wanted, step, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erase, step, stop)
        with pytest.raises(KeyboardInterrupt):
            apply(lake, wanted, SUPPORT)
    verified(lake, wanted)
    apply(lake, wanted, SUPPORT, number=2)
    assert erased(lake) == OUTPUTS[:2]
    assert len(verified(lake, wanted).erasures) == 2
    assert lake.read_state(retention.STATE) == {}


def test_no_more_go_at_once_than_the_settings_say_the_oldest_first(lake):
    due = plan(lake, SUPPORT, OTHERS, most=3)
    assert [each.output_ids for each in due] == [OUTPUTS[:2], OUTPUTS[2:3]]


def test_erased_outputs_have_no_key_and_those_that_stay_have_theirs(lake, wanted):
    apply(lake, wanted, SUPPORT)
    salts = pl.concat([pl.read_parquet(path) for path in lake.root.glob("vault/salts/*.parquet")])
    assert sorted(salts["output_id"]) == sorted(OUTPUTS[2:])


@pytest.mark.parametrize(
    "values",
    [
        {"name": "Support answers", "days": 3},
        {"name": "q", "table": "quarantine", "use_case": "support", "days": 3},
    ],
)
def test_a_rule_that_could_not_be_told_or_kept_is_refused(values):
    with pytest.raises(ValueError, match=r"expected small letters|takes neither use_case nor reviews"):
        RetentionRule(**values)


def test_two_rules_of_one_name_or_about_the_same_are_refused():
    for second in (
        RetentionRule(name="support", days=1),
        RetentionRule(name="b", use_case="support", days=1),
    ):
        with pytest.raises(ValueError, match=r"two have the same name|two are about one table and use case"):
            RetentionSettings(rules=(SUPPORT, second))


def test_the_log_of_a_lake_without_a_ledger_holds_nothing(tmp_path):
    assert holds.holds(Lake.open(str(tmp_path / "none")), NIGHT) == []


def test_many_erasures_are_one_append(lake, wanted):
    before = len(Log.open(lake.root / "ledger").segments)
    apply(lake, wanted, SUPPORT)
    assert len(Log.open(lake.root / "ledger").segments) == before + 1
