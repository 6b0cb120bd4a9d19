"""A real small lake, re-audited after one thing or several had changed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from flows.outcome import EndedWithProblemsError, Outcome
from tasks.decide.policies import Policy
from tasks.errors import InputError
from tasks.lake import runs
from tasks.lake.store import Lake
from tasks.ledger import verify
from tasks.reaudit.parameters import ReauditSettings
from tasks.review import erase
from tasks.tables import FLIP_SHARES, FLIPS, REAUDITS
from tests.support import reaudit_lake
from tests.support.ledger_lake import ACTOR
from tests.support.reaudit_lake import NOON, Team
from tests.support.small_verifier import at_temperature, that_supports_nothing


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Team:
    team = reaudit_lake.made(tmp_path_factory.mktemp("team") / "team")
    team.audit()
    return team


@pytest.fixture(scope="module")
def edited(audited: Team, tmp_path_factory: pytest.TempPathFactory) -> tuple[Team, Outcome]:
    """Two documents were edited since, and everything was re-audited; only to be looked at."""
    team = audited.copy(tmp_path_factory.mktemp("edited") / "team")
    team.document("plant", 94)
    team.document("leave", 28)
    return team, team.reaudit()


@pytest.fixture
def team(audited: Team, tmp_path: Path) -> Team:
    return audited.copy(tmp_path / "team")


def sound(team: Team) -> None:
    found = verify.verify(Lake.open(str(team.folder / "lake")), team.settings.ledger)
    assert (found.findings, found.unverifiable) == ([], [])


def test_where_nothing_changed_nothing_flips_and_a_census_has_no_sampling_interval(team):
    verdicts = team.table("verdicts")
    done = team.reaudit()
    assert done.extra["changed"] == []
    assert (done.extra["judged"], done.extra["flips"]) == (verdicts.height, 0)
    whole = team.table("flip_shares").row(
        by_predicate=(pl.col("slice") == "all")
        & (pl.col("verdict_before") == "any")
        & (pl.col("cause") == "any"),
        named=True,
    )
    assert (whole["judged"], whole["population"]) == (verdicts.height, verdicts.height)
    assert (whole["share"], whole["ci_low"], whole["ci_high"]) == (0.0, None, None)
    assert team.table("verdicts").equals(verdicts)
    assert set(team.table("reaudits")["outcome"]) == {"held"}
    again = team.table("events").filter(pl.col("kind") == "re-verification")
    assert again.height == verdicts.height
    sound(team)


def test_an_edited_document_is_the_cause_of_what_it_flips_and_of_nothing_else(edited):
    team, done = edited
    found = team.flips(done)
    about = found["text"].str.extract("(reactors|annual leave)").value_counts()
    assert dict(about.iter_rows()) == {"reactors": 3, "annual leave": 3}
    assert set(found["cause"]) == {"evidence"}
    assert set(found["evidence_change"]) == {"documents"}
    assert set(found["attribution"]) == {"one_at_a_time"}
    assert set(found["verdict_before"]) == {"supported"}
    assert done.extra["changed"] == ["the corpus snapshot"]
    assert "points because the documentation changed" in done.extra["headline"]
    assert all("supported before, " in reason for reason in found["reason"])
    assert all("the documentation changed" in reason for reason in found["reason"])


def test_a_flip_knows_whether_its_output_was_delivered(edited):
    team, done = edited
    first = team.table("actions").sort("decided_at").unique("output_id", keep="first")
    delivered = set(first.filter(pl.col("action") == "delivered")["output_id"])
    found = team.flips(done)
    assert delivered
    assert [row in delivered for row in found["output_id"]] == found["is_delivered"].to_list()
    assert done.extra["delivered_flips"] == found["is_delivered"].sum()


def test_flips_are_events_that_bind_their_rows_and_the_run_reconciles(edited, tmp_path):
    team, done = edited
    found = team.flips(done)
    events = team.table("events")
    bodies = [json.loads(body) for body in events.filter(pl.col("kind") == "flip")["body"]]
    assert sorted(b["subject_id"] for b in bodies) == sorted(found["flip_id"])
    first = events.filter(pl.col("kind") == "verification").select("subject_id", "sequence")
    index = dict(first.iter_rows())
    assert all(b["earlier_index"] == index[b["verdict_id_before"]] for b in bodies)
    run = team.table("runs").filter(pl.col("run_id") == done.run_id).row(0, named=True)
    counts = json.loads(run["counts"])
    assert counts["flips"] == {"in": 6, "published": 6, "already_there": 0, "quarantined": 0}
    assert json.loads(run["parameters"])["seed"] == "seed"
    sound(team)
    forged = team.copy(tmp_path / "forged")
    path = next((forged.folder / "lake" / "tables" / "flips").glob("date=2026-11-01/*.parquet"))
    pl.read_parquet(path).with_columns(cause=pl.lit("policy")).write_parquet(path)
    lake = Lake.open(str(forged.folder / "lake"))
    said = verify.verify(lake, forged.settings.ledger).findings
    assert any("flips: a row differs" in sentence for sentence in said)


def test_the_tables_have_exactly_the_declared_columns(edited):
    team, _ = edited
    for table in (FLIPS, REAUDITS, FLIP_SHARES):
        assert team.table(table.name).columns == table.schema.names()


def test_a_stricter_policy_is_the_cause_of_what_it_flips(team):
    policy = Policy(version="2", on_conflict="supported", threshold_supported=0.995)
    stricter = team.with_(policy=policy)
    done = stricter.reaudit()
    found = stricter.flips(done)
    assert found.height > 0
    assert set(found["cause"]) == {"policy"}
    assert set(found["evidence_change"]) == {"none"}
    assert done.extra["changed"] == ["the policy"]
    assert all("policy default@2 decides otherwise than default@1" in r for r in found["reason"])


def test_another_verifier_is_the_cause_of_what_it_flips(team):
    stricter = team.with_(verifier=that_supports_nothing(team.folder))
    done = stricter.reaudit()
    found = stricter.flips(done)
    assert found.height > 0
    assert set(found["cause"]) == {"verifier"}
    assert set(found["attribution"]) == {"one_at_a_time"}
    assert done.extra["changed"] == ["the verifier"]


def test_a_lost_old_verifier_leaves_one_order_and_naming_it_brings_the_others_back(tmp_path):
    """Judged by a verifier that is gone since; then a document and the verifier change together."""
    lost = at_temperature(tmp_path, 1.2)
    before = reaudit_lake.made(tmp_path / "team").with_(verifier=lost)
    before.audit()
    kept = Path(lost.model).rename(tmp_path / "moved")
    before.document("plant", 94)
    after = before.with_(verifier=Team(tmp_path).verifier)
    done = after.reaudit()
    found = after.flips(done)
    assert found.height == 3
    assert set(found["cause"]) == {"evidence"}
    assert set(found["attribution"]) == {"verifier_first"}
    assert any("could not be loaded; name it in reaudit.earlier_verifiers" in w for w in done.warnings)
    told = ReauditSettings(earlier_verifiers=(replace(lost, model=str(kept)),))
    named = after.with_(reaudits=told)
    found = named.flips(named.reaudit())
    assert set(found["cause"]) == {"evidence"}
    assert set(found["attribution"]) == {"one_at_a_time"}


def test_a_lake_that_was_judged_by_the_withdrawn_features_verifier_still_opens_and_says_so(team):
    """As an earlier release left it: the verifier that the lake remembers is one that this release lacks."""
    lake = Lake.open(team.settings.lake)
    remembered = lake.read_state(runs.VERIFIERS)
    for verifier in remembered.values():
        verifier["settings"]["model"] = "features"
    lake.write_state(runs.VERIFIERS, remembered)
    sound(team)
    team.document("plant", 94)
    done = team.with_(verifier=at_temperature(team.folder, 1.2)).reaudit()
    assert done.extra["flips"] == 3
    assert any("this release no longer has the features verifier" in warning for warning in done.warnings)
    sound(team)


def test_passages_that_vanished_leave_a_flip_unexplained_and_counted(team):
    """The verifier changed, and the old passages that it would have to read are gone from the lake."""
    for path in (team.folder / "lake" / "tables" / "passages").rglob("*.parquet"):
        path.unlink()
    team.document("plant", 94)
    changed = team.with_(verifier=at_temperature(team.folder, 1.2))
    with pytest.raises(EndedWithProblemsError, match="missing, though a commit published it") as ended:
        changed.reaudit()  # the run is published, and says that the lake is not what was signed
    done = ended.value.outcome
    found = changed.flips(done)
    assert found.height == 3
    assert set(found["cause"]) == {"unexplained"}
    assert all("its old passages are gone" in reason for reason in found["reason"])
    assert done.extra["causes"] == {"unexplained": 3}


def test_a_draw_can_be_repeated_and_an_action_waits_for_every_claim_of_its_output(team):
    team.document("plant", 94)
    before = team.table("actions").height
    first = team.reaudit(sample=7)
    # One of the two claims of an answer says nothing yet of the answer.
    current = team.table("verdicts").filter(pl.col("run_id") == first.run_id)
    factual = team.table("claims").filter(pl.col("kind") == "factual").group_by("output_id").len("claims")
    judged = current.group_by("output_id").len("judged").join(factual, on="output_id")
    complete = judged.filter(pl.col("judged") == pl.col("claims")).height
    assert team.table("actions").height == before + complete
    second = team.reaudit(sample=7)
    drawn = team.table("reaudits").sort("claim_id")
    one, two = (drawn.filter(pl.col("run_id") == r.run_id).drop("run_id") for r in (first, second))
    assert one.height == current.height == 7
    assert one.equals(two)
    assert first.extra["shares"] == second.extra["shares"]
    # The shares follow from the drawn claims and their weights.
    supported = one.filter(pl.col("verdict_before") == "supported")
    evidence = supported.filter(pl.col("cause") == "evidence")["weight"].sum()
    said = [
        r for r in first.extra["shares"] if (r["verdict_before"], r["cause"]) == ("supported", "evidence")
    ]
    assert said[0]["share"] == pytest.approx(evidence / supported["weight"].sum())
    assert said[0]["population"] == pytest.approx(supported["weight"].sum())
    sound(team)


def test_erased_outputs_are_left_out_and_counted_and_their_flips_lose_their_words(edited, tmp_path):
    team = edited[0].copy(tmp_path / "team")
    flipped = team.table("flips").row(0, named=True)
    lake = Lake.open(str(team.folder / "lake"))
    erase.erase(
        lake,
        team.settings.ledger,
        flipped["output_id"],
        reason="asked for",
        run_id="ab" * 32,
        now=NOON,
        actor=ACTOR,
    )
    kept = team.table("flips").filter(pl.col("output_id") == flipped["output_id"])
    assert set(kept["reason"]) == {"[erased]"}
    done = team.reaudit()
    claims = team.table("claims").filter(pl.col("output_id") == flipped["output_id"]).height
    assert done.extra["erased"] == claims
    assert any("of erased outputs cannot be judged again" in w for w in done.warnings)
    sound(team)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"since": date(2026, 1, 1), "until": date(2026, 1, 2)}, "no claim was judged from 2026-01-01"),
        ({"since": date(2026, 2, 1), "until": date(2026, 1, 2)}, "give the earlier day first"),
        ({"sample": 0}, "--sample: size is 0"),
        ({"sample": 1}, "--sample: 1 items cannot cover"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence_and_no_run(audited, values, said):
    runs = audited.table("runs").height
    with pytest.raises(InputError, match=said):
        audited.reaudit(**values)
    assert audited.table("runs").height == runs


def test_a_lake_that_does_not_exist_yet_says_what_to_run_first(tmp_path):
    with pytest.raises(InputError, match="run `claimledger audit`"):
        reaudit_lake.made(tmp_path / "team").reaudit()
