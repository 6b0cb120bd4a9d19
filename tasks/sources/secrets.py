"""Secrets of sources: from the environment, named after the source, and nowhere else."""

from __future__ import annotations

import os
import re


def variable(source: str, kind: str = "KEY") -> str:
    """Name of the variable that holds a source's secret: CLAIMLEDGER_SOURCE_NAME_KEY."""
    name = re.sub(r"[^A-Z0-9]+", "_", source.upper()).strip("_")
    return f"CLAIMLEDGER_SOURCE_{name}_{kind}"


def secret(source: str, kind: str = "KEY") -> str:
    """The secret, empty where there is none."""
    return os.environ.get(variable(source, kind), "")
