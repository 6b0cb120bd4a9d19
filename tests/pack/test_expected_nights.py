"""Nights by the schedule against nights that ran."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks.lake.store import Lake
from tasks.pack import nights, schedule
from tasks.tables import UTC as INSTANT

NOW = datetime(2026, 11, 6, 12, tzinfo=UTC)


def runs(*rows: tuple[str, datetime, str]) -> pl.DataFrame:
    schema = {"run_id": pl.String, "started_at": INSTANT, "status": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(flow=pl.lit(nights.FLOW))


def at(day: int, hour: int = 3, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def states(*rows: tuple[str, datetime, str]) -> list[str]:
    expected, following = schedule.instants("0 3 * * *", "UTC", date(2026, 11, 2), date(2026, 11, 7))
    return nights.nights(expected, following, runs(*rows), now=NOW)["state"].to_list()


def test_each_night_is_ran_failed_missed_not_due_or_before_the_first_run() -> None:
    found = states(("a", at(3), "completed"), ("b", at(4, 3, 1), "failed"), ("c", at(6, 2, 58), "completed"))
    assert found == ["before_first_run", "ran", "failed", "missed", "ran", "not_due"]


def test_a_night_that_failed_and_was_run_again_before_the_next_was_due_ran() -> None:
    assert states(("a", at(2), "failed"), ("b", at(2, 14), "completed"))[0] == "ran"


def test_a_run_after_the_period_is_no_night_of_it() -> None:
    late = datetime(2027, 1, 1, 3, tzinfo=UTC)
    assert "ran" not in states(("a", late, "completed"))


def test_a_lake_that_never_ran_has_no_night_to_expect() -> None:
    assert set(states()) == {"before_first_run", "not_due"}


def test_instants_follow_the_zone_through_a_change_of_the_clock() -> None:
    found, following = schedule.instants(
        "30 3 * * *", "Europe/Berlin", date(2026, 10, 24), date(2026, 10, 26)
    )
    assert [each.hour for each in found] == [1, 2, 2]
    assert following == found[-1] + timedelta(days=1)


def test_named_schedules_have_instants_too() -> None:
    assert len(schedule.instants("@daily", "UTC", date(2026, 11, 1), date(2026, 11, 30))[0]) == 30


def test_a_night_is_expected_by_the_schedule_that_held_on_its_day(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))

    def kept(run_id: str, cron: str) -> None:
        section = json.dumps({"cron": cron, "timezone": "UTC"})
        (lake.run_folder(run_id) / "settings.json").write_text(json.dumps({"schedule": section}))

    names = [f"{number:064x}" for number in range(5)]
    for name, cron in zip(names, ("0 3 * * *", "0 3 * * *", "0 5 * * *", "0 5 * * *"), strict=False):
        kept(name, cron)
    began = [at(1), at(2), at(3, 5), at(4, 5), at(5, 5)]
    ran = runs(*((name, moment, "completed") for name, moment in zip(names, began, strict=True)))
    since, until = date(2026, 11, 2), date(2026, 11, 5)
    today = schedule.Schedule("0 9 * * *", "UTC")
    held = schedule.history(lake, ran, today, since, until)
    assert [each.words for each in held] == ["0 3 * * * UTC", "0 5 * * * UTC from 2026-11-03 04:50Z"]
    expected, following = schedule.expected(held, since, until)
    assert expected == [at(2), at(3, 5), at(4, 5), at(5, 5)]
    assert following == at(6, 5)
    assert schedule.history(lake, ran.clear(), today, since, until) == [today]
    states_ = nights.nights(expected, following, ran, now=NOW)["state"].to_list()
    assert states_ == ["ran"] * 4
    late = runs(
        (names[0], at(1), "completed"), (names[1], at(2), "completed"), (names[2], at(5, 5), "completed")
    )
    held = schedule.history(lake, late, today, since, until)
    assert schedule.expected(held, since, until)[0] == [at(2), at(3), at(4), at(5, 5)]
