"""Events that say what was changed in the configuration: policies, sections of the settings, the verifier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tasks import ids
from tasks.decide.policies import Policy
from tasks.ledger import bindings, events


def change(
    name: str,
    before: str | None,
    after: str | None,
    *,
    subject_id: str,
    run_id: str,
    now: datetime,
    actor: str,
    policies: Sequence[Policy] = (),
) -> pl.DataFrame:
    """One event: what changed, from which value to which."""
    return events.one(
        "configuration",
        occurred_at=now,
        subject_id=subject_id,
        run_id=run_id,
        actor=actor,
        change=name,
        before=before,
        after=after,
        policies=bindings.policies_field(policies),
    )


def policies_digest(policies: Sequence[Policy]) -> str:
    """What policies are compared by."""
    return ids.digest("policies", *(p.sha256 for p in policies))


def policies(
    before: str | None, policies: Sequence[Policy], *, run_id: str, now: datetime, actor: str
) -> list[pl.DataFrame]:
    """One event with the policies by value, if their digest is another than before."""
    after = policies_digest(policies)
    if after == before:
        return []
    by = {"subject_id": after, "run_id": run_id, "actor": actor}
    return [change("policies", before, after, **by, now=now, policies=policies)]


_PROSE = ("owner", "approver", "reason_of_change", "rationale")
"""Keys of a policy whose words stay out of the log, which says them by their SHA-256."""


def policy_values(
    before: Mapping[str, Mapping[str, Any]] | None,
    policies: Sequence[Policy],
    *,
    run_id: str,
    now: datetime,
    actor: str,
) -> list[pl.DataFrame]:
    """One event for each value of a policy that is another than before, with the old and the new one.

    A new version is compared with the newest of its name. Prose is told by its digest. Nothing is told of
    what a lake began with, which the event of all policies has by digest.

    Args:
        before: values by label, in the order in which they came; None where none were kept.
    """
    if before is None:
        return []
    changed = []
    for policy in policies:
        versions = [values for values in before.values() if values["name"] == policy.name]
        old = before.get(policy.label) or (versions[-1] if versions else {})
        subject_id = ids.digest("policy", policy.label)
        for key, value in policy.values().items():
            was, is_now = _told(key, old.get(key)), _told(key, value)
            if key != "name" and was != is_now:
                name = f"policy.{policy.name}.{key}"
                event = change(name, was, is_now, subject_id=subject_id, run_id=run_id, now=now, actor=actor)
                changed.append(event)
    return changed


def _told(key: str, value: object) -> str | None:
    """A policy's value as an event says it."""
    if value is None or value == "":
        return None
    if key in _PROSE:
        return hashlib.sha256(str(value).encode()).hexdigest()
    return value if isinstance(value, str) else json.dumps(value)


def section_digests(sections: Mapping[str, str]) -> dict[str, str]:
    """What sections of the settings are compared by."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sections.items()}


def sections(
    before: Mapping[str, str] | None, after: Mapping[str, str], *, run_id: str, now: datetime, actor: str
) -> list[pl.DataFrame]:
    """One event per section whose digest is another than before; one for all of them at first."""
    values: dict[str, tuple[str | None, str | None]]
    if before is None:
        whole = ids.digest("settings", *(f"{name} {digest}" for name, digest in sorted(after.items())))
        values = {"settings": (None, whole)}
    else:
        names = sorted({*before, *after})
        values = {f"settings.{name}": (before.get(name), after.get(name)) for name in names}
    return [
        change(
            name,
            old,
            new,
            subject_id=ids.digest("configuration", name, new),
            run_id=run_id,
            now=now,
            actor=actor,
        )
        for name, (old, new) in values.items()
        if old != new
    ]


def verifiers(
    before: str | None, verdicts: pl.DataFrame, *, run_id: str, now: datetime, actor: str
) -> tuple[list[pl.DataFrame], str | None]:
    """Events about verifiers that took over, in the order of the verdicts, and the last of them."""
    changes = []
    for verifier in verdicts.sort("verified_at")["verifier"].unique(maintain_order=True):
        if verifier != before:
            by = {"subject_id": verifier, "run_id": run_id, "actor": actor}
            changes.append(change("verifier", before, verifier, **by, now=now))
        before = verifier
    return changes, before
