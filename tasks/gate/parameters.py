"""The gate before anything is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from tasks.knobs import Example, Section


@dataclass(frozen=True, kw_only=True)
class ValidationSettings(Section):
    """The gate before anything is published."""

    data_docs: bool = True
    """Keep Great Expectations' own pages beside the report."""
    maximum_quarantine_ratio: Annotated[float, Ge(0.0), Le(1.0)] = 0.5
    """A table of which more than this share is refused fails the run: something systematic is wrong."""
    suites: Annotated[str, Example("expectations/mine")] = ""
    """Folder of your own suites for Great Expectations: one JSON file a table, and Python files with your own
    expectation classes."""
