"""What a pull in a test is about."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.files.limits import LimitSettings
from tasks.sources.base import Scope

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def scope(**values: Any) -> Scope:
    """A scope with the values that matter to the test."""
    work = values.get("work") or Path(tempfile.gettempdir()) / "claimledger-scope-without-files"
    return Scope(
        **{"limits": LimitSettings(), "marks": {}, "run_id": "0" * 64, "now": NOW, **values, "work": work}
    )
