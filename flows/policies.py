"""The jobs behind `claimledger policy`: which policies are meant, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tasks.decide.policies import ANY_USE_CASE, Policy, by_use_case, for_use_case
from tasks.decide.policy_faults import faults
from tasks.errors import InputError
from tasks.lake import runs
from tasks.lake.store import Lake
from tasks.settings import Settings, policy_document


def check(settings: Settings, lake: Lake, today: date) -> dict[str, Any]:
    """What is wrong with the configured policies: `policies` (their number), `faults`, `notices`."""
    decided = runs.decided(lake)
    constants = {use_case for each in settings.sources if (use_case := getattr(each, "use_case", None))}
    outputs = lake.scan("outputs").select(pl.col("use_case").unique()).collect()["use_case"].drop_nulls()
    notices = []
    if decided.is_empty():
        notices.append("this lake has no decisions yet, so only gaps between versions were checked")
    known = {*constants, *outputs, *decided["use_case"].drop_nulls()}
    if not known:
        notices.append("neither a source nor an output names a use case, so names were not checked")
    return {
        "policies": len(settings.policies),
        "faults": faults(settings.policies, decided, known, today),
        "notices": notices,
    }


def in_force_on(settings: Settings, day: date) -> list[dict[str, Any]]:
    """For each use case that a policy names, the policy in force on a day: `use_case`, `policy`, `values`."""
    names = sorted({*by_use_case(settings.policies), ANY_USE_CASE})
    policies = {name: for_use_case(settings.policies, name, day) for name in names}
    return [{"use_case": n, "policy": p.label, "values": p.values()} for n, p in policies.items()]


def named(word: str, settings: Settings, lake: Lake) -> Policy:
    """The policy that somebody names: a TOML file, or name@version of the configuration or of the lake.

    Raises:
        InputError: there is none of that name.
        ConfigError: the file means no policy.
    """
    if word.endswith(".toml"):
        return policy_document(Path(word))[0]
    known = {policy.label: policy for policy in (*runs.known_policies(lake), *settings.policies)}
    if word not in known:
        raise InputError(f"no policy {word!r}; expected a .toml file or one of {_listed(sorted(known))}")
    return known[word]


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:10]) + (f" and {len(labels) - 10} more" if len(labels) > 10 else "")
