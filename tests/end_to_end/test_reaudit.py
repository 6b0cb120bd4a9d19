"""A re-audit as a user meets it: what flipped, why, how many, and what to do next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from tests.end_to_end.conftest import Answer, read

Command = Callable[..., Answer]


def test_a_re_audit_says_what_flipped_and_why_and_the_ledger_verifies(
    team: Path, command: Command, succeed: Command
) -> None:
    succeed("audit", "--quiet")
    first = read(team / "lake", "verdicts")
    supported = first.filter(pl.col("verdict") == "supported").height

    unchanged = command("reaudit", "--seed", "a")
    assert unchanged.code == 0, unchanged.err
    assert "nothing has changed: the same verifier, policies and corpus snapshot" in unchanged.out
    assert "0.0% of the supported claims no longer hold (all of them judged again)" in unchanged.out

    policy = team / "policies" / "default.toml"
    text = policy.read_text().replace('version = "1"', 'version = "2"')
    policy.write_text(text.replace("threshold_supported = 0.5", "threshold_supported = 0.9999"))
    done = command("reaudit", "--seed", "a", "--json")
    assert done.code == 0, done.err
    extra = done.document["extra"]
    assert extra["changed"] == ["the policy"]
    assert extra["causes"] == {"policy": supported}
    assert extra["population"] == first.height
    assert extra["headline"].endswith("100.0 points because of the new policy")
    flips = read(team / "lake", "flips")
    assert flips.height == supported
    assert extra["delivered_flips"] == flips["is_delivered"].sum() > 0
    assert (team / "lake" / "reports" / done.document["run_id"] / "index.html").exists()

    verified = command("ledger", "verify", "--json")
    assert verified.code == 0, verified.err
    assert read(team / "lake", "events").filter(pl.col("kind") == "flip").height == supported


def test_what_cannot_be_judged_again_is_one_sentence_and_status_2(team: Path, command: Command) -> None:
    for arguments, said in (
        ((), "no claim was judged from the start to today, so there is nothing to judge again"),
        (("--from", "2026-11-03", "--to", "2026-11-01"), "give the earlier day first"),
        (("--sample", "0"), "--sample: size is 0, expected 1 or more"),
    ):
        done = command("reaudit", *arguments)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert done.err.startswith("claimledger: ")
        assert done.err.count("\n") == 1
    assert not (team / "lake" / "runs").exists()
