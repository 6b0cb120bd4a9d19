"""Policies: written thresholds and actions, named and versioned, one in force per use case and day.

A policy turns calibrated probabilities into a verdict per claim and an action per output. It is data, goes by
value into every verification event, and can be compared with another without judging anything again
(`decide/again.py`). `Policy` declares its fields; columns, settings and events follow from it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from hashlib import sha256
from math import inf
from typing import Annotated, Any, Literal

import polars as pl

from tasks.knobs import Example, Section

Action = Literal["delivered", "rephrased", "escalated"]
ANY_USE_CASE = "*"
_TARGETS = ("target_supported_ratio", "maximum_contradicted_ratio")
"""Keys that reports hold results against; they decide nothing."""
_DATES = ("approved_on", "effective_from", "effective_until")
_REVIEW = ("review_supported_ratio", "review_people", "review_due_hours")
_DOCUMENT = ("owner", "approver", "reason_of_change", "rationale", *_REVIEW, *_DATES)
"""Keys that say who answers for a policy, when it is in force and why; no verdict depends on them."""
_LATER = (
    "when_abstained",
    "when_answer_addresses_judge",
    "when_evidence_addresses_judge",
    *_TARGETS,
    *_DOCUMENT,
)
"""Keys that came after policies had decided in lakes."""
_SHOWN = 10
"""Faults that one message names."""


@dataclass(frozen=True)
class Policy(Section):
    """Thresholds are probabilities in [0, 1]; a verdict needs a probability at or above its threshold."""

    name: str = "default"
    """With the version, what verdicts call the policy."""

    version: str = "1"
    """Raise it whenever you change a value: it shows an auditor which rule decided."""

    use_cases: tuple[str, ...] = (ANY_USE_CASE,)
    """Use cases it decides; `*` is every use case that no other policy names."""

    owner: Annotated[str, Example("Head of Customer Support")] = ""
    """Who answers for it: better a role than a person, as it stays in the record."""

    approver: Annotated[str, Example("Risk Committee")] = ""
    """Who approved this version: somebody else than its owner."""

    approved_on: Annotated[date | None, Example(date(2026, 11, 20))] = None
    """UTC day of the approval."""

    effective_from: Annotated[date | None, Example(date(2026, 12, 1))] = None
    """First UTC day whose outputs it decides; not set: every day up to `effective_until`."""

    effective_until: Annotated[date | None, Example(date(2027, 11, 30))] = None
    """Last such day; set it when the next version has its `effective_from`. It is the only key that may
    change after the version has decided."""

    reason_of_change: Annotated[str, Example("first version")] = ""
    """What this version changes of the one before, and why."""

    threshold_supported: float = 0.5
    """p_supported at or above this is *supported*: the calibrated break-even of a right and a wrong yes."""

    threshold_contradicted: float = 0.5
    """p_contradicted at or above this is *contradicted*."""

    minimum_evidence: int = 1
    """Fewer scored passages than this is *insufficient*, whatever the scores say."""

    on_conflict: Literal["contradicted", "insufficient", "supported"] = "insufficient"
    """Verdict where one passage supports and another contradicts, unless all of them together clearly
    contradict; the cautious default settles nothing."""

    when_supported: Action = "delivered"
    """Action for an output all of whose factual claims are supported, or that makes none."""

    when_abstained: Action = "delivered"
    """Action for an output that makes no factual claim and says that it does not know."""

    when_insufficient: Action = "rephrased"
    """Action for an output with an unsettled claim and no contradicted one."""

    when_contradicted: Action = "escalated"
    """Action for an output with a contradicted claim."""

    tolerated_insufficient_ratio: float = 0.0
    """Share of an output's factual claims that may be unsettled before `when_insufficient` applies."""

    when_answer_addresses_judge: Action = "escalated"
    """At least this for an output that tells its verifier what to decide: nobody writes so by accident.
    *delivered* asks for nothing."""

    when_evidence_addresses_judge: Action = "escalated"
    """At least this for an output whose evidence does: the agent may have read it, and may have obeyed."""

    target_supported_ratio: Annotated[float | None, Example(0.9)] = None
    """Share of the claims that could be checked which should be supported; reports say by how much it is
    missed. It decides nothing."""

    maximum_contradicted_ratio: Annotated[float | None, Example(0.01)] = None
    """Share of the claims that could be checked which may be contradicted before reports call it too many."""

    review_supported_ratio: float = 0.02
    """Share of its *supported* verdicts that a person should see, drawn at random: so misses are measured."""

    review_people: int = 1
    """How many people decide each verdict that waits for review, apart from each other; where they differ, a
    further one does."""

    review_due_hours: Annotated[float | None, Example(72.0)] = None
    """Hours from a verdict within which people should have decided it; `claimledger review status` says what
    is late."""

    rationale: Annotated[str, Example("Why these values are right for this use case.")] = ""
    """Why these values, in prose."""

    def __post_init__(self) -> None:
        """Raises ValueError for values no policy can mean; NaN, which compares with nothing, is one."""
        ratios = (
            "threshold_supported",
            "threshold_contradicted",
            "tolerated_insufficient_ratio",
            "review_supported_ratio",
            *_TARGETS,
        )
        for name in ratios:
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}, expected a number from 0 to 1")
        if not 1 <= self.review_people <= 9:
            raise ValueError(f"review_people is {self.review_people}, expected 1 to 9")
        if self.review_due_hours is not None and not 0 < self.review_due_hours < inf:
            raise ValueError(f"review_due_hours is {self.review_due_hours}, expected a number above 0")
        if self.minimum_evidence < 0:
            raise ValueError(f"minimum_evidence is {self.minimum_evidence}, expected 0 or more")
        if not self.name or not self.version or "@" in self.name + self.version:
            raise ValueError("name and version must not be empty or contain '@'")
        if not self.use_cases:
            raise ValueError(f"use_cases is empty, expected names or ['{ANY_USE_CASE}']")
        if self.effective_from and self.effective_until and self.effective_until < self.effective_from:
            raise ValueError(
                f"effective_until is {self.effective_until}, before effective_from, {self.effective_from}"
            )

    @property
    def label(self) -> str:
        """What tables call it: name@version."""
        return f"{self.name}@{self.version}"

    @property
    def is_dated(self) -> bool:
        """It is in force on some days only."""
        return self.effective_from is not None or self.effective_until is not None

    def covers(self, day: date | None) -> bool:
        """It is in force on a UTC day; on None it is where it is in force always."""
        if day is None:
            return not self.is_dated
        return (self.effective_from or date.min) <= day <= (self.effective_until or date.max)

    @property
    def sha256(self) -> str:
        """Digest over every value but the day it ends: policies of one label and other values differ in it.

        A value of `_LATER` counts where it is not the default, so that a policy that was written before the
        key existed keeps its digest.
        """
        later = {f.name: f.default for f in fields(self) if f.name in _LATER}
        values = {
            n: v
            for n, v in self.values().items()
            if n != "effective_until" and (n not in later or v != later[n])
        }
        return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def values(self) -> dict[str, Any]:
        """Every value, fit for JSON."""
        return {n: v.isoformat() if isinstance(v, date) else v for n, v in asdict(self).items()}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Policy:
        """The policy of `values`; ValueError where they mean none."""
        days = {n: date.fromisoformat(values[n]) for n in _DATES if values.get(n)}
        return cls(**{**values, **days, "use_cases": tuple(values["use_cases"])})


_TYPES = {str: pl.String, int: pl.Int64, float: pl.Float64}
COLUMNS: dict[str, type[pl.DataType]] = {"policy": pl.String} | {
    field.name: _TYPES[type(field.default)]
    for field in fields(Policy)
    if field.name not in ("name", "version", "use_cases", *_TARGETS, *_DOCUMENT)
}
"""A policy as columns of a frame: its label, and every value that decides something."""


def row_of(policy: Policy) -> dict[str, str | float]:
    """The policy's values for COLUMNS."""
    return {"policy": policy.label} | {name: getattr(policy, name) for name in list(COLUMNS)[1:]}


def refuse_overlaps(policies: Sequence[Policy]) -> None:
    """Raises ValueError where two policies share a label, or a use case on some day."""
    faults = _duplicates(policies) + _overlaps(policies)
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ValueError("; ".join(faults[:_SHOWN]) + more)


def _duplicates(policies: Sequence[Policy]) -> list[str]:
    labels = [policy.label for policy in policies]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    return [f"policy {label} is defined twice; give one of them another version" for label in twice]


def _overlaps(policies: Sequence[Policy]) -> list[str]:
    faults = []
    for use_case, versions in by_use_case(policies).items():
        for before, after in itertools.pairwise(versions):
            begins, ends = after.effective_from or date.min, before.effective_until or date.max
            if before.label == after.label or ends < begins:
                continue
            faults.append(
                f"use case {use_case!r} has two policies, {before.label} and {after.label}; keep one"
                if begins == date.min
                else f"use case {use_case!r} has two policies from {begins} on, {before.label} and "
                f"{after.label}; set effective_until = {begins - timedelta(days=1)} in {before.label}"
            )
    return faults


def by_use_case(policies: Sequence[Policy]) -> dict[str, list[Policy]]:
    """The policies that name each use case, in the order of their days."""
    named: dict[str, list[Policy]] = {}
    for policy in sorted(policies, key=lambda p: p.effective_from or date.min):
        for use_case in policy.use_cases:
            named.setdefault(use_case, []).append(policy)
    return named


def for_use_case(policies: Sequence[Policy], use_case: str | None, day: date | None = None) -> Policy:
    """The policy in force on a UTC day: the one that names the use case, else the one for `*`, else the
    built-in default.
    """
    for name in (use_case, ANY_USE_CASE):
        for policy in policies:
            if name in policy.use_cases and policy.covers(day):
                return policy
    return Policy()


def in_force(policies: Sequence[Policy], day: date) -> list[Policy]:
    """Those that decide outputs of a UTC day, in the given order."""
    return [policy for policy in policies if policy.covers(day)]
