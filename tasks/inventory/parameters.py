"""Where declarations are, and what one says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated

from tasks.knobs import Example, Section

KINDS = ("agent", "model", "tool", "source", "integration")
"""Of what is declared; each is an array of tables of that name, such as `[[model]]`."""


@dataclass(frozen=True, kw_only=True)
class InventorySettings(Section):
    """Declarations of what is in use."""

    path: Annotated[str, Example("inventory")] = ""
    """Folder of TOML files that declare agents, models, tools, sources and integrations."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One thing that may be used: who answers for it, what it may see, under which agreement."""

    kind: str
    name: str
    owner: str
    version: str = ""
    purpose: str = ""
    region: str = ""
    provider: str = ""
    """Whoever runs it outside; with one, an agreement on data processing is due."""
    agreement: str = ""
    agreement_until: date | None = None
    may_train: bool | None = None
    """Whether the provider may train on our data; None is not said."""
    data_classes: tuple[str, ...] | None = field(default=None)
    """Kinds of confidential data that it may see; None is not said, the empty list is none."""
