"""The one table of flows, which the console, `deploy` and `serve` read."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.outcome import Outcome


@dataclass(frozen=True)
class Entry:
    """A flow: the function `module.function` and whether `schedule.cron` starts it. Its signature is its
    parameters, which its docstring describes; the name that Prefect shows is in its decorator.
    """

    module: str
    function: str
    is_nightly: bool = False
    needs_corpus: bool = False

    def load(self) -> Callable[..., Outcome]:
        """The flow; Prefect's own where this process has imported Prefect."""
        flow: Callable[..., Outcome] = getattr(importlib.import_module(self.module), self.function)
        return flow


FLOWS = {
    "audit": Entry("flows.audit", "audit", is_nightly=True),
    "backfill": Entry("flows.backfill", "backfill"),
    "reaudit": Entry("flows.reaudit", "reaudit"),
    "drift": Entry("flows.drift", "drift"),
    "index": Entry("flows.index", "index", needs_corpus=True),
}
"""By the command that runs each."""
