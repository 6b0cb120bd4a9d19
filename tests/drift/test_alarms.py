"""Alarms: which rows raise one, for how many nights, and what the one message says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from tasks.drift import alarms
from tasks.drift.alarms import DEFAULT_RULES, AlarmRule, message, raised
from tasks.tables import DRIFT
from tests.support.drift_days import day_of

NIGHT = 29


def drifted(slice_name: str, *, night: int = NIGHT, **values: Any) -> dict[str, Any]:
    return {
        "slice": slice_name, "metric": "supported_share", "difference": -0.08, "harm": 12.0,
        "direction": "worse", "status": "drifted", "window_end": day_of(night),
        "changed_on": day_of(night - 1), "part_of": None,
        "reason": f"supported share of {slice_name} fell",
    } | values  # fmt: skip


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    schema = {name: DRIFT.schema[name] for name in drifted("all")}
    return pl.DataFrame(list(rows), schema=schema)


def test_by_default_only_falls_of_support_and_rises_of_contradiction_alarm() -> None:
    rows = table(
        drifted("all", harm=3.0),
        drifted("agent=A"),
        drifted("agent=B", direction="better", difference=0.08, harm=None),
        drifted("agent=C", metric="outputs_per_day", direction="neutral", harm=None),
        drifted("agent=D", metric="contradicted_share", difference=0.05, harm=1.0),
        drifted("agent=E", status="stable"),
    )
    found = raised(rows, table(), DEFAULT_RULES)
    assert found["slice"].to_list() == ["agent=A", "all", "agent=D"]
    assert found["is_new"].to_list() == [True] * 3


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        (AlarmRule(slice="agent=*"), True),
        (AlarmRule(slice="agent=A"), False),
        (AlarmRule(slice="*model=gpt-4*"), True),
        (AlarmRule(slice="agent=A[[]1]*"), False),
        (AlarmRule(slice="agent=A[1]*"), True),
        (AlarmRule(metric="*"), True),
        (AlarmRule(size=0.1), False),
        (AlarmRule(direction="down"), True),
        (AlarmRule(direction="up"), False),
        (AlarmRule(direction="any"), True),
    ],
)
def test_a_rule_asks_for_metric_slice_direction_and_size(rule: AlarmRule, hit: bool) -> None:
    rows = table(drifted("agent=A[1]&model=gpt-4o"))
    assert bool(raised(rows, table(), [rule]).height) is hit


def test_a_rule_may_ask_for_nights_in_a_row() -> None:
    rule = AlarmRule(nights=3)
    tonight = table(drifted("agent=A"))

    def after(*nights: int) -> pl.DataFrame:
        return raised(tonight, table(*(drifted("agent=A", night=n) for n in nights)), [rule])

    assert after().is_empty()
    assert after(28).is_empty()
    assert after(28, 26).is_empty(), "a night between has ended the run"
    assert after(28, 27)["nights"].to_list() == [3]
    assert after(28, 27)["is_new"].to_list() == [True]
    assert after(28, 27, 26)["is_new"].to_list() == [False]
    other_way = table(*(drifted("agent=A", night=n, difference=0.08) for n in (28, 27)))
    assert raised(tonight, other_way, [rule]).is_empty()


def test_what_goes_on_is_told_once() -> None:
    rows, before = table(drifted("agent=A")), table(drifted("agent=A", night=NIGHT - 1))
    found = raised(rows, before, DEFAULT_RULES)
    assert found.height == 1
    assert message(found, "x") is None
    later = raised(rows, table(drifted("agent=A", night=NIGHT - 3)), DEFAULT_RULES)
    assert message(later, "x") is not None, "it had ended, and is back"


def test_a_night_s_alarms_are_one_message_with_one_line_per_slice_and_the_link() -> None:
    rows = [drifted(f"agent={n}", harm=100.0 - n) for n in range(8)]
    rows.append(drifted("agent=0", metric="contradicted_share", harm=50.0, reason="second of agent 0"))
    said = message(raised(table(*rows), table(), DEFAULT_RULES), "https://audits.example/r.json")
    assert said is not None
    title, body = said
    assert title == "claimledger: 8 slices changed"
    assert body.splitlines()[0] == "- supported share of agent=0 fell"
    assert "second of agent 0" not in body
    assert "- and 3 more slices" in body
    assert body.endswith("Report: https://audits.example/r.json")


def test_parts_of_a_change_have_no_line_of_their_own() -> None:
    rows = table(
        drifted("agent=A&model=M", harm=90.0, part_of="agent=A"),
        drifted("agent=A", harm=30.0),
        drifted("agent=B", harm=20.0),
    )
    found = raised(rows, table(), DEFAULT_RULES)
    assert found["slice"].to_list() == ["agent=A", "agent=B", "agent=A&model=M"]
    said = message(found, "x")
    assert said is not None
    assert said[0] == "claimledger: 2 slices changed"
    assert "model=M" not in said[1]


def test_names_from_traces_cannot_act_in_a_message() -> None:
    rows = table(drifted("agent=x", reason="supported share of agent \x1b[31m\u202e fell"))
    said = message(raised(rows, table(), DEFAULT_RULES), "x")
    assert said is not None
    assert not {"\x1b", "\u202e"} & set(said[1])


def test_rules_that_could_never_alarm_are_refused() -> None:
    with pytest.raises(ValueError, match="is not a metric"):
        AlarmRule(metric="suported_share")
    with pytest.raises(ValueError, match="no direction that counts as worse"):
        AlarmRule(metric="outputs_per_day")
    with pytest.raises(ValueError, match="expected 1 or more"):
        AlarmRule(nights=0)
    assert alarms.needed_since([AlarmRule(nights=3)], day_of(29)) <= day_of(29) - timedelta(days=2)
