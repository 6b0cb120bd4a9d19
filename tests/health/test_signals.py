"""What is unusual about a source, and that what is usual raises nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from tasks import tables
from tasks.health import health, signals
from tasks.health.parameters import HealthSettings
from tasks.health.signals import DAYS, NULLABLE
from tasks.lake.store import Lake
from tests.support.lake_frames import outputs_of

TODAY = date(2026, 11, 20)
YESTERDAY = TODAY - timedelta(days=1)
SETTINGS = HealthSettings()


def days(answers: dict[date, float], **changed: Any) -> pl.DataFrame:
    """Daily sums; `changed` holds columns of the last day."""
    rows = [
        {"day": day, "answers": float(count), "variance": float(count), "rows": int(count), "models": ["m-1"]}
        | {f"no_{name}": 0 for name in NULLABLE}
        for day, count in sorted(answers.items())
    ]
    rows[-1] |= changed
    return pl.DataFrame(rows, schema=DAYS)


def steady(
    count: int = 100, weekend: int = 10, length: int = 63, last: float | None = None
) -> dict[date, float]:
    every = [YESTERDAY - timedelta(days=ago) for ago in range(length)]
    counts: dict[date, float] = {day: weekend if day.weekday() >= 5 else count for day in every}
    return counts if last is None else counts | {YESTERDAY: last}


def of_volume(counts: dict[date, float], day: date = YESTERDAY) -> list[str]:
    return signals.of_volume(signals.volume(days(counts), day, SETTINGS), day)


def test_a_day_with_few_answers_is_told_with_what_its_weekday_usually_has():
    assert of_volume(steady(last=60)) == [
        "volume: 60 answers on Thursday, 2026-11-19; usual for a Thursday are 100 (70 to 130, over 8 weeks)"
    ]
    assert of_volume(steady(last=75)) == of_volume(steady()) == []
    assert of_volume(steady(last=131))[0].startswith("volume: 131 answers")


def test_quiet_weekends_are_usual_and_so_is_one_bad_week_before():
    sunday = date(2026, 11, 15)
    assert of_volume(steady(), sunday) == []
    assert of_volume(steady() | {YESTERDAY - timedelta(weeks=2): 0}) == []


def test_a_day_without_any_answer_is_found_and_a_source_that_ended_long_ago_is_not_told_daily():
    without = {day: count for day, count in steady().items() if day != YESTERDAY}
    assert of_volume(without)[0].startswith("volume: 0 answers on Thursday")
    ended = {day - timedelta(days=30): count for day, count in steady().items()}
    assert of_volume(ended) == []


def test_few_weeks_and_few_answers_say_nothing():
    assert of_volume(steady(length=20, last=0)) == []
    assert of_volume(steady(count=5, weekend=5, last=0)) == []


def test_chance_alone_raises_fewer_than_one_alarm_in_two_hundred_days():
    chance = np.random.default_rng(3)
    alarms = 0
    for _ in range(1_000):
        counts = {day: float(chance.poisson(count)) for day, count in steady().items()}
        alarms += len(of_volume(counts))
    assert alarms <= 5


def sampled(counts: dict[date, float], share: float, chance: np.random.Generator) -> pl.DataFrame:
    """Days of which a share of the answers was drawn and stands for all."""
    drawn = {day: chance.binomial(int(count), share) for day, count in counts.items()}
    frame = days({day: float(rows) for day, rows in drawn.items()})
    return frame.with_columns(answers=pl.col("answers") / share, variance=pl.col("variance") / share**2)


def test_a_sample_alone_raises_few_alarms_and_a_day_that_is_gone_still_raises_one():
    chance, alarms = np.random.default_rng(5), 0
    for _ in range(1_000):
        counts = {day: float(chance.poisson(count)) for day, count in steady(2_000, 200).items()}
        found = signals.volume(sampled(counts, 0.01, chance), YESTERDAY, SETTINGS)
        alarms += len(signals.of_volume(found, YESTERDAY))
    # Twenty audited answers a day say little; judged by the root of their weighted sum they raised 49 alarms.
    assert alarms <= 10
    gone = sampled(steady(2_000, 200, last=0), 0.01, chance)
    assert signals.of_volume(signals.volume(gone, YESTERDAY, SETTINGS), YESTERDAY)


def test_the_sum_of_squared_weights_is_the_variance_of_a_sampled_day(tmp_path):
    lake = Lake.open(str(tmp_path))
    drawn = pl.Series([0.5, 0.5, None, 1.0])
    rows = outputs_of(["A.", "B.", "C.", "D."]).with_columns(sampling_probability=drawn)
    lake.commit("0" * 64, "u", {"outputs": rows}, run_day=TODAY)
    (row,) = health._by_day(lake, rows["source"][0], date(2020, 1, 1)).to_dicts()
    assert (row["answers"], row["variance"], row["rows"]) == (6.0, 10.0, 4)


def test_a_field_that_vanished_and_a_share_of_empty_ones_that_jumped_are_told():
    found = days(steady(), no_prompt=100, no_tools=30)
    assert signals.of_form(found, TODAY, SETTINGS) == [
        "field: prompt vanished on 2026-11-19; before, 100% of the answers had it",
        "field: tools is empty in 30% of the answers of 2026-11-19, usually in 0%",
    ]
    assert signals.of_form(days(steady(), no_tools=9), TODAY, SETTINGS) == []
    assert signals.of_form(days(steady(last=5), no_tools=5), TODAY, SETTINGS) == []


def test_a_new_model_is_told_by_a_name_that_can_be_read():
    found = signals.of_form(days(steady(), models=["m-1", "m-2\u202e"]), TODAY, SETTINGS)
    assert found == ["model: m-2⟨U+202E⟩ first answered on 2026-11-19"]
    assert signals.of_form(days({YESTERDAY: 100}), TODAY, SETTINGS) == []


def test_late_is_longer_than_any_pause_before_and_slow_many_times_the_usual():
    held = days(dict.fromkeys(list(steady())[4:], 10))
    assert signals.of_pace(held, TODAY, 10.0, [], 5.0) == [
        "late: nothing since 2026-11-15; the longest pause before was 1 day"
    ]
    assert signals.of_pace(days(steady()), TODAY, 6_000.0, [400.0] * 5, 5.0) == [
        "slow: more than 5 times its usual 400 ms to answer"
    ]
    assert signals.of_pace(days(steady()), TODAY, 900.0, [1.0] * 5, 5.0) == []


def test_an_alarm_is_new_once_and_a_source_is_down_once_until_it_is_back(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"))

    def night(number: int, *, ok: bool, alarms: list[str]) -> list[str]:
        row = {"target": "bot", "kind": "source", "ok": ok, "latency_ms": 1.0, "alarms": alarms}
        row |= {"checked_at": datetime(2026, 11, number, tzinfo=UTC), "run_id": "f" * 64}
        rows = pl.DataFrame([{**row, "error": None if ok else "no answer"}], schema=tables.HEALTH.schema)
        found = health.new_alarms(rows, lake)
        lake.commit("f" * 64, f"night-{number}", {"health": rows}, run_day=date(2026, 11, number))
        return found

    assert night(1, ok=True, alarms=["volume: 0"]) == ["bot: volume: 0"]
    assert night(2, ok=False, alarms=["volume: 0"]) == ["bot: down: no answer"]
    assert night(3, ok=False, alarms=[]) == []
    assert night(4, ok=True, alarms=[]) == []
    assert night(5, ok=False, alarms=[]) == ["bot: down: no answer"]
