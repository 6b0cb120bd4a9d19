"""A policy as the TOML of its file, and in the words that people compare."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date

from tasks.decide.policies import Policy


def toml(policy: Policy, introduction: str = "") -> str:
    """The file of a policy: every value that is set, in the order of declaration."""
    lines = [f"# {line}" for line in introduction.splitlines()] + ([""] if introduction else [])
    for each in fields(Policy):
        value = getattr(policy, each.name)
        if value is not None and value != "":
            lines.append(f"{each.name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """JSON's strings, numbers and lists are TOML's, which also forbids DEL; its days stand bare."""
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
