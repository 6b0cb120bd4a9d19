"""Policies are data with names, versions and limits."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.decide.policies import Policy, for_use_case, refuse_overlaps
from tasks.decide.verdicts import with_policy


@pytest.mark.parametrize(
    "name", ["threshold_supported", "threshold_contradicted", "tolerated_insufficient_ratio"]
)
@pytest.mark.parametrize("value", [-0.1, 1.2, math.nan, math.inf])
def test_a_threshold_outside_zero_to_one_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Policy(**{name: value})


def test_two_policies_for_one_use_case_are_refused() -> None:
    with pytest.raises(ValueError, match="'support' has two policies"):
        refuse_overlaps([Policy(name="a", use_cases=("support",)), Policy(name="b", use_cases=("support",))])


def test_two_policies_of_one_label_are_refused() -> None:
    with pytest.raises(ValueError, match="default@1 is defined twice"):
        refuse_overlaps([Policy(use_cases=("a",)), Policy(use_cases=("b",))])


def test_a_use_case_gets_its_own_policy_then_the_general_then_the_default() -> None:
    own, general = Policy(name="own", use_cases=("support",)), Policy(name="general")
    assert for_use_case([general, own], "support") is own
    assert for_use_case([general, own], "sales") is general
    assert for_use_case([own], "sales") == Policy()


def test_a_policy_that_says_nothing_of_a_later_key_keeps_the_digest_it_had():
    """Lakes refuse a label that they know with another digest; this one is of release 0.1."""
    assert Policy().sha256 == "099565edfdcbc4df5884cb526b8ef25f0801f287701279164656c1944e70cc87"
    assert Policy(when_answer_addresses_judge="delivered").sha256 != Policy().sha256
    assert Policy(when_evidence_addresses_judge="rephrased").sha256 != Policy().sha256


@given(st.floats(0, 1), st.floats(0, 1))
def test_policies_differ_in_digest_exactly_when_they_differ_in_value(one: float, other: float) -> None:
    first, second = Policy(threshold_supported=one), Policy(threshold_supported=other)
    assert (first.sha256 == second.sha256) == (first == second)


def test_the_version_in_force_on_an_outputs_day_decides_it():
    first = Policy(name="p", version="1", effective_until=date(2026, 11, 9))
    second = Policy(name="p", version="2", effective_from=date(2026, 11, 10), threshold_supported=0.9)
    refuse_overlaps([second, first])
    assert for_use_case([second, first], "support", date(2026, 11, 9)) is first
    assert for_use_case([second, first], "support", date(2026, 11, 10)) is second
    moments = [datetime(2026, 11, 9, 23, 59, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC)]
    frame = pl.DataFrame({"use_case": ["support", None], "produced_at": moments})
    decided = with_policy(frame, [first, second])
    assert decided["policy"].to_list() == ["p@1", "p@2"]
    assert decided["threshold_supported"].to_list() == [0.5, 0.9]


def test_two_policies_in_force_at_once_are_refused_with_the_day_that_mends_it():
    first = Policy(name="p", version="1")
    second = Policy(name="p", version="2", effective_from=date(2026, 11, 10))
    with pytest.raises(ValueError, match="from 2026-11-10 on, p@1 and p@2; set effective_until = 2026-11-09"):
        refuse_overlaps([first, second])


def test_a_policy_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match="effective_until is 2026-11-09, before effective_from"):
        Policy(effective_from=date(2026, 11, 10), effective_until=date(2026, 11, 9))


def test_only_the_day_it_ends_may_change_after_it_has_decided():
    assert Policy(effective_until=date(2026, 11, 9)).sha256 == Policy().sha256
    assert Policy(rationale="Other words.").sha256 != Policy().sha256
    assert Policy(effective_from=date(2026, 11, 9)).sha256 != Policy().sha256
