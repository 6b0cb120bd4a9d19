"""What earlier runs took, and what follows for the next backfill."""

from __future__ import annotations

import polars as pl

from tasks.backfill.estimate import KEPT_RUNS, Cost, estimate, judge_of, kept, measured, to_judge


def cost(judge: str = "j", **values: float) -> Cost:
    made = {"outputs": 100, "claims": 300, "seconds": 50.0, "workers": 1, "bytes": 200_000, "price": 2.0}
    return Cost(judge=judge, identity="v", **{**made, **values})  # type: ignore[arg-type]


def test_an_estimate_is_what_earlier_outputs_took() -> None:
    costs = [cost(), cost(outputs=300, seconds=150.0, bytes=600_000, price=6.0)]
    made = estimate(costs, outputs=1_000, units=4, workers=1, free_bytes=10**9, is_paid=True)
    assert (made.seconds, made.bytes, made.price) == (500.0, 2_000_000, 20.0)
    assert str(made) == (
        "1,000 outputs to judge in 4 units: about 8.3 min, 2.0 MB of 1.0 GB free, cost 20.00 (by 2 measured "
        "runs)"
    )
    assert made.warnings == []


def test_workers_divide_the_time_of_a_judge_that_is_waited_for_and_of_no_other() -> None:
    known = {"outputs": 1_000, "units": 4, "free_bytes": 10**9}
    assert estimate([cost()], workers=4, is_paid=True, **known).seconds == 125.0
    assert estimate([cost(workers=2)], workers=4, is_paid=True, **known).seconds == 250.0
    assert estimate([cost(workers=2)], workers=4, is_paid=False, **known).seconds == 500.0


def test_without_a_measured_run_nothing_is_made_up() -> None:
    made = estimate([], outputs=10, units=1, workers=1, free_bytes=1, is_paid=True)
    assert (made.seconds, made.bytes, made.price, made.warnings) == (None, None, None, [])
    assert "time, disk and cost are unknown" in str(made)


def test_a_disk_that_will_not_do_is_said_beforehand() -> None:
    (sentence,) = estimate(
        [cost()], outputs=1_000, units=1, workers=1, free_bytes=10**6, is_paid=False
    ).warnings
    assert sentence.startswith("the lake's disk has 1.0 MB free and this takes about 2.0 MB; free some space")


def test_runs_of_the_same_judge_count_and_the_oldest_are_forgotten() -> None:
    state: dict[str, object] = {}
    for number in range(KEPT_RUNS + 2):
        state = kept(state, cost("a" if number % 2 else "b", outputs=number))
    assert [each.outputs for each in measured(state, "a")] == list(range(3, KEPT_RUNS + 2, 2))


def test_a_judge_is_another_where_what_its_cost_depends_on_is() -> None:
    sections = {"verifier": "1", "retrieve": "1", "drift": "1"}
    assert judge_of(sections) == judge_of({**sections, "drift": "2"})
    assert judge_of(sections) != judge_of({**sections, "verifier": "2"})


def test_outputs_to_judge_are_those_without_a_verdict_that_need_one() -> None:
    published = pl.LazyFrame({"output_id": ["judged", "silent", "new", "acted on before"]})
    verdicts = pl.LazyFrame({"output_id": ["judged", "judged"]})
    actions = pl.LazyFrame(
        {"output_id": ["silent", "acted on before"], "outcome": ["no_claims", "supported"]}
    )
    assert to_judge(published, verdicts, actions) == 2
