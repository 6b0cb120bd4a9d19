"""Whether one more unit fits into what a backfill may take."""

from __future__ import annotations

import pytest

from tasks.backfill.caps import Limits, Spent, is_measured, reason_to_stop
from tasks.errors import InputError


def stop(limits: Limits, spent: Spent, **values: float) -> str | None:
    given = {"elapsed_s": 0.0, "under_way": 0, "outputs": 100, "price_before": None, **values}
    return reason_to_stop(limits, spent, **given)  # type: ignore[arg-type]


def test_without_limits_every_unit_fits() -> None:
    assert stop(Limits(), Spent(10**6, 1e9, 1e9), elapsed_s=1e9) is None


def test_a_unit_that_would_end_too_late_is_not_begun() -> None:
    spent = Spent(outputs=100, seconds=600.0)
    assert stop(Limits(max_hours=1), spent, elapsed_s=2_900.0) is None
    assert stop(Limits(max_hours=1), spent, elapsed_s=3_100.0) == "--max-hours 1"
    assert stop(Limits(max_hours=1), Spent(), elapsed_s=3_599.0) is None


def test_a_unit_that_would_cost_too_much_with_those_under_way_is_not_begun() -> None:
    spent = Spent(outputs=100, price=1.0)
    assert stop(Limits(max_cost=3), spent, under_way=100) is None
    assert stop(Limits(max_cost=2.9), spent, under_way=100) == "--max-cost 2.9"
    assert stop(Limits(max_cost=2.9), Spent(), price_before=0.03) == "--max-cost 2.9"


def test_where_a_price_matters_and_nothing_is_measured_one_unit_is_measured_first() -> None:
    assert not is_measured(Limits(max_cost=1), Spent(), None)
    assert is_measured(Limits(max_cost=1), Spent(outputs=1), None)
    assert is_measured(Limits(max_cost=1), Spent(), 0.1)
    assert is_measured(Limits(max_hours=1), Spent(), None)


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_more_than_nothing(value: float) -> None:
    with pytest.raises(InputError, match=r"--max-cost is .*, expected more than 0"):
        Limits(max_cost=value)
