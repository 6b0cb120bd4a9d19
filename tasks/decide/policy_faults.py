"""What is wrong with a set of policies that loads: gaps in time, unknown use cases, nobody who answers.

Belongs here: policies and what they decided in, sentences out. Does not belong here: what keeps a set from
being loaded at all, such as two in force at once (`policies.refuse_overlaps`).
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Sequence
from datetime import date, timedelta

import polars as pl

from tasks.decide.policies import ANY_USE_CASE, Policy, by_use_case, for_use_case
from tasks.tables import ACTIONS

_ANSWERS = ("owner", "approver", "approved_on", "reason_of_change", "rationale")


def faults(
    policies: Sequence[Policy], decided: pl.DataFrame, known: Collection[str], today: date
) -> list[str]:
    """One sentence for each fault, none where there is nothing to say.

    Args:
        policies: a set without overlaps.
        decided: use_case, day (Date), policy, claims: what was decided so far.
        known: use cases that sources name or outputs have; where there is none, names are not checked.
        today: UTC day.
    """
    found = []
    for policy in policies:
        found += _of_document(policy) + _of_values(policy)
    found += _gaps(policies, decided, today)
    found += _unknown(policies, known)
    return found + _decided_by_others(policies, decided)


def _of_document(policy: Policy) -> list[str]:
    missing = [key for key in _ANSWERS if not getattr(policy, key)]
    found = (
        [f"{policy.label}: {', '.join(missing)} not set; say who answers for it and why"] if missing else []
    )
    if policy.owner and policy.owner == policy.approver:
        found.append(f"{policy.label}: {policy.owner} is owner and approver; let somebody else approve it")
    if policy.approved_on and policy.effective_from and policy.approved_on > policy.effective_from:
        found.append(
            f"{policy.label}: in force from {policy.effective_from}, before it was approved on "
            f"{policy.approved_on}"
        )
    return found


def _of_values(policy: Policy) -> list[str]:
    found = [
        f"{policy.label}: {name} is 0, so that every claim reaches it"
        for name in ("threshold_supported", "threshold_contradicted")
        if getattr(policy, name) == 0
    ]
    rising = ("when_supported", "when_insufficient", "when_contradicted")
    for milder, graver in itertools.pairwise(rising):
        if ACTIONS.index(getattr(policy, graver)) < ACTIONS.index(getattr(policy, milder)):
            found.append(
                f"{policy.label}: {graver} is {getattr(policy, graver)}, milder than {milder}, which is "
                f"{getattr(policy, milder)}"
            )
    return found


def _gaps(policies: Sequence[Policy], decided: pl.DataFrame, today: date) -> list[str]:
    found = []
    for use_case, versions in by_use_case(policies).items():
        mine = decided if use_case == ANY_USE_CASE else decided.filter(pl.col("use_case") == use_case)
        first = mine["day"].min()
        begins = versions[0].effective_from
        holes = [(first, begins - timedelta(days=1))] if begins and isinstance(first, date) else []
        for before, after in itertools.pairwise(versions):
            if before.effective_until and after.effective_from:
                day = timedelta(days=1)
                holes.append((before.effective_until + day, after.effective_from - day))
        ends = versions[-1].effective_until
        if ends and ends < today:
            holes.append((ends + timedelta(days=1), today))
        for start, end in holes:
            if start <= end:
                instead = for_use_case(policies, use_case, start).label
                found.append(
                    f"use case {use_case!r}: no policy of its own from {start} to {end}; {instead} decides "
                    "then"
                )
    return found


def _unknown(policies: Sequence[Policy], known: Collection[str]) -> list[str]:
    found = []
    for use_case in by_use_case(policies):
        if known and use_case not in known and use_case != ANY_USE_CASE:
            near = difflib.get_close_matches(use_case, known, n=1, cutoff=0.6)
            found.append(
                f"use case {use_case!r} is one of no source and no output"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
    return found


def _decided_by_others(policies: Sequence[Policy], decided: pl.DataFrame) -> list[str]:
    """Days on which a dated policy is in force and another one decided, the newest day of each pair."""
    found = {}
    for use_case, day, label, _ in decided.select("use_case", "day", "policy", "claims").sort("day").rows():
        policy = for_use_case(policies, use_case, day)
        if policy.is_dated and policy.label != label:
            found[use_case, label, policy.label] = (
                f"use case {use_case!r}: {label} decided outputs up to {day}, when {policy.label} was in "
                f"force; let it begin on {day + timedelta(days=1)} or later, or decide those days again by "
                "`backfill`"
            )
    return list(found.values())
