"""Rows in = rows out."""

from __future__ import annotations

import pytest

from tasks.errors import GateError
from tasks.gate.reconcile import Counts, add, reconcile


def test_rows_that_are_published_there_already_or_quarantined_reconcile() -> None:
    reconcile({"outputs": Counts(10, 6, 3, 1), "claims": Counts()})


@pytest.mark.parametrize("published", [5, 7])
def test_a_row_that_vanished_or_came_from_nowhere_fails_the_run_and_names_table_and_numbers(
    published: int,
) -> None:
    wrong = Counts(rows_in=10, published=published, already_there=3, quarantined=1)
    total = published + 4
    with pytest.raises(GateError, match=rf"claims: 10 in, but {published} published .* = {total}\)"):
        reconcile({"outputs": Counts(1, 1), "claims": wrong})


def test_all_tables_that_do_not_add_up_are_named_at_once() -> None:
    with pytest.raises(GateError) as failure:
        reconcile({"outputs": Counts(1), "claims": Counts(2)})
    assert "claims: 2 in" in str(failure.value)
    assert "outputs: 1 in" in str(failure.value)


def test_counts_of_units_add_up_per_table() -> None:
    first = {"outputs": Counts(5, 3, 1, 1), "claims": Counts(4, 4)}
    second = {"outputs": Counts(2, 1, 1, 0), "findings": Counts(1, 0, 0, 1)}
    assert add(first, second) == {
        "outputs": Counts(7, 4, 2, 1),
        "claims": Counts(4, 4),
        "findings": Counts(1, 0, 0, 1),
    }


def test_the_runs_table_gets_the_contracts_names() -> None:
    assert Counts(4, 2, 1, 1).as_dict() == {"in": 4, "published": 2, "already_there": 1, "quarantined": 1}
