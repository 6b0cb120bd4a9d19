"""What `policy check` finds in policies that load."""

from __future__ import annotations

from datetime import date

import polars as pl

from tasks.decide.policies import Policy
from tasks.decide.policy_faults import faults

TODAY = date(2026, 12, 15)
WHOLE = {
    "owner": "Support",
    "approver": "Risk",
    "approved_on": date(2026, 10, 30),
    "reason_of_change": "first",
    "rationale": "Measured on reviewed answers.",
}


def policy(version="1", since=None, until=None, **values):
    days = {"effective_from": since, "effective_until": until}
    return Policy(
        **{"name": "support", "version": version, "use_cases": ("support",), **WHOLE, **days, **values}
    )


def decided(*rows):
    schema = {"use_case": pl.String, "day": pl.Date, "policy": pl.String, "claims": pl.Int64}
    return pl.DataFrame([(*row, 1) for row in rows], schema=schema, orient="row")


def found(*policies, rows=(), known=("support",)):
    return faults(policies, decided(*rows), known, TODAY)


def test_a_whole_policy_has_no_fault():
    assert found(policy()) == []


def test_a_gap_between_two_versions_is_named_with_what_decides_then():
    first = policy("1", date(2026, 11, 1), date(2026, 11, 20))
    second = policy("2", date(2026, 11, 25))
    (fault,) = found(first, second)
    assert fault == (
        "use case 'support': no policy of its own from 2026-11-21 to 2026-11-24; default@1 decides then"
    )


def test_days_before_the_first_version_count_where_outputs_are_of_them():
    rows = [("support", date(2026, 11, 3), "default@1")]
    assert found(policy("1", date(2026, 11, 10))) == []
    (fault,) = found(policy("1", date(2026, 11, 10)), rows=rows)
    assert "from 2026-11-03 to 2026-11-09" in fault


def test_a_policy_that_has_ended_without_another_is_a_gap_up_to_today():
    (fault,) = found(policy("1", None, date(2026, 12, 10)))
    assert "from 2026-12-11 to 2026-12-15" in fault


def test_an_unknown_use_case_is_told_with_its_nearest():
    (fault,) = found(policy(use_cases=("suport",)))
    assert fault == "use case 'suport' is one of no source and no output; did you mean 'support'?"
    assert found(policy(use_cases=("suport",)), known=()) == []


def test_days_that_another_policy_decided_are_told():
    rows = [("support", date(2026, 11, 3), "support@1"), ("support", date(2026, 11, 4), "support@1")]
    first, second = policy("1", None, date(2026, 11, 3)), policy("2", date(2026, 11, 4))
    (fault,) = found(first, second, rows=rows)
    assert "support@1 decided outputs up to 2026-11-04, when support@2 was in force" in fault


def test_nobody_who_answers_and_values_that_cannot_be_meant_are_faults():
    (missing,) = found(policy(owner="", rationale=""))
    assert missing.startswith("support@1: owner, rationale not set")
    assert "is owner and approver" in found(policy(approver="Support"))[0]
    assert "before it was approved" in found(policy(since=date(2026, 10, 1)))[0]
    assert "threshold_supported is 0" in found(policy(threshold_supported=0.0))[0]
    assert "milder than when_insufficient" in found(policy(when_contradicted="delivered"))[0]
