"""What a section of the configuration is: a frozen parameter class whose fields are described where they are.

`claimledger init` renders its configuration from these classes: a field's default, the string below it and,
where the default says nothing, its example.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from dataclasses import dataclass
from typing import ClassVar


class Section:
    """Base of every parameter class that people write into the configuration."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}


@dataclass(frozen=True)
class Example:
    """Metadata of a field that has no default to show: what somebody might write."""

    value: object


def descriptions(section: type) -> dict[str, str]:
    """The string below each field of a class and of its bases, as one paragraph, by the field's name."""
    texts: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if base not in (Section, object) and base.__module__.startswith("tasks."):
            texts |= _own_descriptions(base)
    return texts


def _own_descriptions(section: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - for the type checker
    body = definition.body
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
