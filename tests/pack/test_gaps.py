"""What is expected and not there: days of agents, numbers of records."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from tasks.pack import exceptions, gaps

SINCE, UNTIL = date(2026, 11, 1), date(2026, 11, 28)


def outputs(agent: str, *days: int, month: int = 11) -> pl.DataFrame:
    at = [datetime(2026, month, day, 9, tzinfo=UTC) for day in days]
    return pl.DataFrame({"agent": agent, "source": "desk", "produced_at": at})


def states(period: pl.DataFrame, earlier: pl.DataFrame, *declared: str) -> dict[str, tuple[Any, ...]]:
    names = pl.DataFrame({"name": declared}, schema={"name": pl.String})
    rows = gaps.agents(period.lazy(), earlier.lazy(), names, since=SINCE, until=UNTIL)
    return {row["agent"]: (row["state"], row["gap_days"], row["gap_from"]) for row in rows.to_dicts()}


def test_days_without_an_answer_are_a_gap_where_the_agents_own_days_make_them_improbable() -> None:
    working = [day for day in range(1, 29) if datetime(2026, 11, day, tzinfo=UTC).weekday() < 5]
    daily = [day for day in range(1, 29) if not 10 <= day <= 12]
    ended = list(range(1, 22))
    rare = [3, 9, 14, 20, 25]
    period = pl.concat(
        [
            outputs("weekdays", *working),
            outputs("daily", *daily),
            outputs("ended", *ended),
            outputs("rare", *rare),
        ]
    )
    found = states(period, period.clear())
    assert found["weekdays"][0] == found["rare"][0] == "seen"
    assert found["daily"] == ("gap", 3, date(2026, 11, 10))
    assert found["ended"] == ("gap", 7, date(2026, 11, 22))


def test_an_agent_that_is_new_in_the_period_lacks_nothing_before_it_began() -> None:
    late = outputs("new", *range(15, 29))
    assert states(late, late.clear())["new"][0] == "seen"
    assert states(late, outputs("new", 20, month=10))["new"] == ("gap", 14, date(2026, 11, 1))


def test_a_use_case_that_fell_silent_is_named_though_its_agent_answers_for_others() -> None:
    def of(use_case: str, *days: int, month: int = 11) -> pl.DataFrame:
        return outputs("one", *days, month=month).with_columns(use_case=pl.lit(use_case))

    period = pl.concat([of("support", *range(1, 29)), of("billing", *range(1, 22))])
    earlier = pl.concat([of("billing", 20, month=10), of("claims", 20, month=10)])
    rows = gaps.use_cases(period.lazy(), earlier.lazy(), since=SINCE, until=UNTIL)
    assert rows.columns == gaps.USE_CASES
    assert rows.select("use_case", "state", "gap_days", "gap_from").rows() == [
        ("billing", "gap", 7, date(2026, 11, 22)),
        ("claims", "silent", None, None),
        ("support", "seen", 0, None),
    ]
    lines = exceptions._silent_use_cases({"use_cases": rows.with_columns(pl.all().cast(pl.String)).lazy()})
    assert lines.collect().sort("what")["what"].to_list() == [
        "use case billing had no answer for 7 days from 2026-11-22",
        "use case claims had answers in the period before and none in this one",
    ]


def test_an_agent_of_the_period_before_or_of_the_declarations_is_expected() -> None:
    period = outputs("here", *range(1, 29))
    found = states(period, outputs("gone", 20, month=10), "here", "planned")
    assert {name: state for name, (state, *_) in found.items()} == {
        "gone": "silent",
        "here": "seen",
        "planned": "unseen",
    }


def numbered(*ids: str) -> pl.LazyFrame:
    return pl.LazyFrame(
        {"source": "desk", "source_id": ids}, schema={"source": pl.String, "source_id": pl.String}
    )


def test_numbers_that_no_record_has_are_counted_and_the_first_are_named() -> None:
    present = [f"T-{number:05}" for number in range(100, 140) if number not in (105, 110, 111, 112)]
    everything = [*present, "T-00111", "T-00900"]
    (row,) = gaps.numbers(numbered(*present), numbered(*everything)).to_dicts()
    assert row == {
        "source": "desk",
        "beginning": "T-",
        "lowest": 100,
        "highest": 139,
        "present": 37,
        "missing": 3,
        "gaps": "105 110 112",
    }


def test_ids_that_are_no_numbering_are_not_taken_for_one() -> None:
    digests = [f"{number * 7919:x}f{number}" for number in range(50)]
    sparse = [str(number * 1000) for number in range(50)]
    few = [str(number) for number in range(5)]
    for ids in (digests, sparse, few, ["a", "b"]):
        assert gaps.numbers(numbered(*ids), numbered(*ids)).is_empty()


def test_each_gap_is_an_exception_and_numbers_that_a_rule_left_out_are_explained() -> None:
    agents = pl.LazyFrame(
        {
            "agent": ["daily", "gone", "planned", "here"],
            "source": ["desk", "desk", None, "desk"],
            "state": ["gap", "silent", "unseen", "seen"],
            "gap_days": ["3", None, None, "0"],
            "gap_from": ["2026-11-10", None, None, None],
        }
    )
    numbers = pl.LazyFrame(
        {"source": ["desk", "mail"], "beginning": ["T-", None], "lowest": ["1", "1"], "highest": ["99", "9"]}
        | {"missing": ["3", "50"], "gaps": ["5 7-8", "2-51"]}
    )
    runs = pl.LazyFrame(
        {"rows_filtered": ["2"], "rows_joined": ["0"], "rows_sampled_out": [None], "rows_quarantined": ["1"]},
        schema_overrides={"rows_sampled_out": pl.String},
    )
    silent = exceptions._silent({"agents": agents}).collect().sort("key")
    assert silent["what"].to_list() == [
        "agent daily of source desk gave no answer for 3 days from 2026-11-10",
        "agent gone of source desk answered in the period before and not in this one",
        "agent planned is declared and gave no answer",
    ]
    assert silent["at"].to_list() == ["2026-11-10", None, None]
    missing = exceptions._numbers({"numbers": numbers, "runs": runs}).collect().sort("key")
    assert missing["what"].to_list() == [
        "source desk: 3 numbers between T-1 and 99 have no record: 5 7-8",
        "source mail: 50 numbers between 1 and 9 have no record: 2-51",
    ]
    assert missing["done"].to_list() == [
        "the runs of the period left out 3 records by filter, join, sample or refusal",
        None,
    ]
