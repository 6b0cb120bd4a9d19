"""Secrets of sources: from the environment, named after the source, and nowhere else."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tasks.sources.minimise import Minimiser

if TYPE_CHECKING:
    from tasks.sources.parameters import SourceSettings

HASH_KEY = "HASH_KEY"


def variable(source: str, kind: str = "KEY") -> str:
    """Name of the variable that holds a source's secret: CLAIMLEDGER_SOURCE_NAME_KEY."""
    name = re.sub(r"[^A-Z0-9]+", "_", source.upper()).strip("_")
    return f"CLAIMLEDGER_SOURCE_{name}_{kind}"


def secret(source: str, kind: str = "KEY") -> str:
    """The secret, empty where there is none."""
    return os.environ.get(variable(source, kind), "")


def minimiser(source: SourceSettings) -> Minimiser:
    """What minimises a source's records, with the key of its hashes.

    Raises:
        SourceError: values are to be hashed and there is no key.
    """
    name = variable(source.name, HASH_KEY)
    return Minimiser(source.name, source.minimise, secret(source.name, HASH_KEY), name)
