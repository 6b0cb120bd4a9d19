"""What a lake is called by others, such as a Prefect server that several lakes share: for ever the same."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import PurePath

from tasks import ids
from tasks.lake.store import Lake

STATE = "identity"
_GENERIC = ("lake", "data", "claimledger")
"""Names of folders that say nothing; the folder above says more."""


@dataclass(frozen=True)
class Identity:
    """A random id, and a name for people that is taken from the lake's folder once."""

    id: str
    label: str

    @property
    def name(self) -> str:
        """Name that no other lake has: `audits-3f9a1c`."""
        return f"{self.label}-{self.id[:6]}"


def identity(lake: Lake) -> Identity:
    """The lake's identity, made at the first call; a lake that is moved keeps it, and so does a copy."""
    state = lake.read_state(STATE)
    if not state:
        folder = PurePath(lake.place)
        name = folder.parent.name if folder.name.lower() in _GENERIC else folder.name
        label = ids.readable(name) or "lake"
        state = {"id": secrets.token_hex(8), "label": label}
        lake.write_state(STATE, state)
    return Identity(str(state["id"]), str(state["label"]))
