"""A policy written as a file is the same policy when it is read."""

from __future__ import annotations

import tomllib
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from tasks.decide.policies import Policy
from tasks.decide.policy_text import toml


@given(st.text(), st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.floats(0, 1))
def test_a_policy_survives_its_file(rationale, approved_on, threshold):
    policy = Policy(rationale=rationale, approved_on=approved_on, threshold_supported=threshold)
    values = tomllib.loads(toml(policy, "Two lines\nof introduction."))
    assert Policy(**{**values, "use_cases": tuple(values["use_cases"])}) == policy
    assert Policy.of(policy.values()) == policy
