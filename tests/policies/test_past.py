"""Policies as documents, from files to the record: one audited team whose policy gets a second version."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.audit import audit
from flows.commands.cli import main
from tasks.decide.policies import Policy
from tasks.decide.policy_text import toml
from tasks.errors import ConfigError
from tasks.lake.store import Lake
from tasks.policies import past
from tests.support.reaudit_lake import NOON, made

DOCUMENT = {
    "name": "support",
    "use_cases": ("support",),
    "owner": "Support",
    "approver": "Risk",
    "approved_on": date(2026, 10, 20),
    "reason_of_change": "first version",
    "rationale": "Measured on reviewed answers.",
    "on_conflict": "supported",
}
FIRST = Policy(version="1", **DOCUMENT)
SECOND = Policy(version="2", effective_from=NOON.date() + timedelta(days=40), **DOCUMENT | {
    "threshold_supported": 0.999, "reason_of_change": "stricter"})  # fmt: skip


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """Eight facts told by two agents, audited under a policy that is a document."""
    team = made(tmp_path_factory.mktemp("team"))
    write(team, FIRST)
    lines = (team.folder / "outputs.jsonl").read_text().splitlines()
    (team.folder / "outputs.jsonl").write_text("\n".join(lines[:9]) + "\n")
    audit(configured(team))
    return team


def write(team, *policies):
    folder = team.folder / "policies"
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.toml"):
        file.unlink()
    for policy in policies:
        (folder / f"{policy.name}-{policy.version}.toml").write_text(toml(policy))


def configured(team):
    text = Path(team.config).read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("policies ", "policies_path "))]
    path = team.folder / "claimledger.toml"
    path.write_text('policies_path = "policies"\n' + "\n".join(lines) + "\n")
    return str(path)


def answer(capsys, *words):
    capsys.readouterr()
    status = main([*words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_verdicts_name_the_version_in_force_and_its_document_is_whole(team, capsys):
    assert set(team.table("verdicts")["policy"]) == {"support@1"}
    write(team, FIRST)
    status, found = answer(capsys, "policy", "check", "--config", configured(team))
    assert (status, found["faults"]) == (0, [])
    status, shown = answer(capsys, "policy", "show", "--on", "2026-11-01", "--config", configured(team))
    assert {each["use_case"]: each["policy"] for each in shown["in_force"]} == {
        "support": "support@1",
        "*": "default@1",
    }
    assert shown["in_force"][1]["values"]["approver"] == "Risk"


def test_a_policy_diff_says_what_would_have_changed_and_what_was_recorded_is_explained(team, capsys):
    file = team.folder / "stricter.toml"
    file.write_text(toml(SECOND))
    words = ("policy", "diff", "support@1", str(file), "--from", "2026-11-01", "--to", "2026-11-02")
    status, found = answer(capsys, *words, "--lake", str(team.folder / "lake"))
    verdicts = team.table("verdicts")
    assert status == 0
    assert found["claims"] == verdicts.height
    assert found["unexplained"] == 0
    assert found["values"]["threshold_supported"] == [0.5, 0.999]
    expected = verdicts.filter((pl.col("verdict") == "supported") & (pl.col("p_supported") < 0.999)).height
    assert found["changed_claims"] == expected > 0
    moved = [row for row in found["verdicts"] if row["before"] != row["after"]]
    assert {(row["before"], row["after"]) for row in moved} == {("supported", "insufficient")}
    assert sum(row["count"] for row in moved) == expected
    assert {row["after"] for row in found["actions"] if row["before"] == "delivered"} == {"rephrased"}
    assert all(example["claim"] for example in found["examples"])
    assert main([*words[:4], "--lake", str(team.folder / "lake")]) == 0
    assert "nobody has reviewed a verdict that would change" in capsys.readouterr().out


def test_days_that_are_cut_into_parts_add_up_to_the_same(team, monkeypatch):
    lake = Lake(team.folder / "lake")
    whole = past.compare(lake, FIRST, SECOND)
    monkeypatch.setattr(past, "PART_ROWS", 2)
    cut = past.compare(lake, FIRST, SECOND)
    assert cut.as_dict() == whole.as_dict()


def test_a_policy_that_nobody_knows_is_refused_by_name(team, capsys):
    assert main(["policy", "diff", "support@1", "support@9", "--lake", str(team.folder / "lake")]) == 2
    assert "no policy 'support@9'; expected a .toml file or one of " in capsys.readouterr().err


def test_a_version_that_is_effective_on_days_already_decided_is_refused(team):
    second = Policy(version="2", effective_from=date(2026, 11, 2), **DOCUMENT)
    write(team, Policy(version="1", effective_until=date(2026, 11, 1), **DOCUMENT), second)
    with pytest.raises(ConfigError, match="support@1 has decided outputs of 'support' up to 2026-11-02"):
        audit(configured(team))


def test_a_new_version_is_an_event_with_the_old_and_the_new_value(team):
    write(
        team,
        Policy(version="1", effective_until=SECOND.effective_from - timedelta(days=1), **DOCUMENT),
        SECOND,
    )
    audit(configured(team))
    events = team.table("events").filter(pl.col("kind") == "configuration")
    bodies = [json.loads(body) for body in events["body"]]
    changes = {b["change"]: (b["before"], b["after"]) for b in bodies if b["change"].startswith("policy.")}
    assert changes["policy.support.threshold_supported"] == ("0.5", "0.999")
    assert changes["policy.support.version"] == ("1", "2")
    assert changes["policy.support.effective_from"] == (None, SECOND.effective_from.isoformat())
    assert changes["policy.support.reason_of_change"][1] != "stricter", "prose stays out of the log"
    assert all(body["actor"] for body in bodies)
    assert set(team.table("verdicts")["policy"]) == {"support@1"}, "the version of the output's day decides"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = 'p'\nname = 'q'\n", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
        ("threshold_supported = 1.5\nversion = '1'", "threshold_supported is 1.5"),
        ("owner = 'Support'", "has no version"),
        ("version = '1'\neffective_frm = 2026-11-01", "did you mean effective_from"),
        ("version = '1'\n" + "# \n" * 400_000, "larger than 1 MiB"),
    ],
)
def test_a_document_that_means_no_policy_is_refused_with_its_file(team, text, says, capsys):
    write(team)
    (team.folder / "policies" / "bad.toml").write_text(text)
    assert main(["policy", "check", "--config", configured(team)]) == 2
    said = capsys.readouterr().err
    assert "bad.toml: " in said
    assert says in said
