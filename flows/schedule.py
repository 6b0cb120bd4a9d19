"""The one table of flows, which the console, `deploy` and `serve` read."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from flows.outcome import Outcome


@dataclass(frozen=True)
class Entry:
    """A flow: the function `module.function` and which key of `schedule` says when it starts. Its signature
    is its parameters, which its docstring describes; the name that Prefect shows is in its decorator.
    """

    module: str
    function: str
    cron: Literal["cron", "deliver_cron"] | None = None
    needs_corpus: bool = False
    needs_webhooks: bool = False

    def load(self) -> Callable[..., Outcome]:
        """The flow; Prefect's own where this process has imported Prefect."""
        flow: Callable[..., Outcome] = getattr(importlib.import_module(self.module), self.function)
        return flow


FLOWS = {
    "audit": Entry("flows.audit", "audit", cron="cron"),
    "backfill": Entry("flows.backfill", "backfill"),
    "reaudit": Entry("flows.reaudit", "reaudit"),
    "drift": Entry("flows.drift", "drift"),
    "health": Entry("flows.health", "health"),
    "index": Entry("flows.index", "index", needs_corpus=True),
    "compact": Entry("flows.compaction", "compact"),
    "deliver": Entry("flows.deliver", "deliver", cron="deliver_cron", needs_webhooks=True),
}
"""By the command that runs each."""
