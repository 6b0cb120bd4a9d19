"""Policies: written thresholds and actions, named and versioned, one per use case.

A policy turns calibrated probabilities into a verdict per claim and an action per output. It is data, goes by
value into every verification event, and can be compared with another without judging anything again. `Policy`
declares its fields; columns, settings and events follow from it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Annotated, Literal

import polars as pl

from tasks.knobs import Example, Section

Action = Literal["delivered", "rephrased", "escalated"]
ANY_USE_CASE = "*"
_TARGETS = ("target_supported_ratio", "maximum_contradicted_ratio")
"""Keys that reports hold results against; they decide nothing."""
_LATER = ("when_abstained", "when_answer_addresses_judge", "when_evidence_addresses_judge", *_TARGETS)
"""Keys that came after policies had decided in lakes."""


@dataclass(frozen=True)
class Policy(Section):
    """Thresholds are probabilities in [0, 1]; a verdict needs a probability at or above its threshold."""

    name: str = "default"
    """With the version, what verdicts call the policy."""

    version: str = "1"
    """Raise it whenever you change a value: an auditor tells by it which rule decided."""

    use_cases: tuple[str, ...] = (ANY_USE_CASE,)
    """Use cases it decides; `*` is every use case that no other policy names."""

    threshold_supported: float = 0.5
    """p_supported at or above this is *supported*: the calibrated break-even of a right and a wrong yes."""

    threshold_contradicted: float = 0.5
    """p_contradicted at or above this is *contradicted*."""

    minimum_evidence: int = 1
    """Fewer scored passages than this is *insufficient*, whatever the scores say."""

    on_conflict: Literal["contradicted", "insufficient", "supported"] = "insufficient"
    """Verdict where one passage supports and another contradicts; the cautious default settles nothing."""

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

    def __post_init__(self) -> None:
        """Raises ValueError for values no policy can mean; NaN, which compares with nothing, is one."""
        ratios = ("threshold_supported", "threshold_contradicted", "tolerated_insufficient_ratio", *_TARGETS)
        for name in ratios:
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}, expected a number from 0 to 1")
        if self.minimum_evidence < 0:
            raise ValueError(f"minimum_evidence is {self.minimum_evidence}, expected 0 or more")
        if not self.name or not self.version or "@" in self.name + self.version:
            raise ValueError("name and version must not be empty or contain '@'")
        if not self.use_cases:
            raise ValueError(f"use_cases is empty, expected names or ['{ANY_USE_CASE}']")

    @property
    def label(self) -> str:
        """What tables call it: name@version."""
        return f"{self.name}@{self.version}"

    @property
    def sha256(self) -> str:
        """Digest over every value: two policies of one label and different values differ in it.

        A value of `_LATER` counts where it is not the default, so that a policy that was written before the
        key existed keeps its digest.
        """
        later = {f.name: f.default for f in fields(self) if f.name in _LATER}
        values = {n: v for n, v in asdict(self).items() if n not in later or v != later[n]}
        return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


_TYPES = {str: pl.String, int: pl.Int64, float: pl.Float64}
COLUMNS: dict[str, type[pl.DataType]] = {"policy": pl.String} | {
    field.name: _TYPES[type(field.default)]
    for field in fields(Policy)
    if field.name not in ("name", "version", "use_cases", *_TARGETS)
}
"""A policy as columns of a frame: its label, and every value that decides something."""


def row_of(policy: Policy) -> dict[str, str | float]:
    """The policy's values for COLUMNS."""
    return {"policy": policy.label} | {name: getattr(policy, name) for name in list(COLUMNS)[1:]}


def refuse_overlaps(policies: Sequence[Policy]) -> None:
    """Raises ValueError where two policies claim the same use case or share a label."""
    seen: dict[str, str] = {}
    labels: set[str] = set()
    for policy in policies:
        if policy.label in labels:
            raise ValueError(f"policy {policy.label} is defined twice; give one of them another version")
        labels.add(policy.label)
        for use_case in policy.use_cases:
            if use_case in seen:
                raise ValueError(
                    f"use case {use_case!r} has two policies, {seen[use_case]} and {policy.label}; keep one"
                )
            seen[use_case] = policy.label


def for_use_case(policies: Sequence[Policy], use_case: str) -> Policy:
    """The policy that names the use case, else the one for `*`, else the built-in default."""
    by_use_case = {name: policy for policy in policies for name in policy.use_cases}
    return by_use_case.get(use_case) or by_use_case.get(ANY_USE_CASE) or Policy()
