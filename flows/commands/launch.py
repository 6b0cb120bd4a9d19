"""Where a flow runs: under the Prefect server of PREFECT_API_URL, else plainly in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flows.commands.console import Common
from flows.progress import shown
from flows.schedule import FLOWS
from tasks.errors import TERMINATED, ConfigError

if TYPE_CHECKING:
    from flows.outcome import Outcome

REACH_TIMEOUT_S = 3.0
"""A server on the same network answers in milliseconds; a night must not wait for one that is gone."""


def launch(name: str, common: Common, **parameters: object) -> Outcome:
    """Runs a flow of the table, to its end whether with or without problems."""
    common.settings()  # before Prefect is imported: a mistake in the configuration is told at once
    server = os.environ.get("PREFECT_API_URL")
    is_served = server is not None and _reachable(server)
    if is_served:
        import prefect  # noqa: F401 - before the flow, whose decorators then are Prefect's
    elif server:
        sys.stderr.write(f"claimledger: no Prefect server answers at {server}; running without one\n")
    try:
        with shown(common.shows_progress and not is_served):
            return _run(name, common, parameters)
    except BaseException as error:
        # Prefect's own, which it raises within a flow instead of letting SIGTERM through.
        if type(error).__name__ == "TerminationSignal":
            raise SystemExit(TERMINATED) from error
        raise


def _run(name: str, common: Common, parameters: Mapping[str, object]) -> Outcome:
    """The flow, which takes seconds to import."""
    flow = FLOWS[name].load()
    from flows.outcome import EndedWithProblemsError

    try:
        return flow(config=common.config, lake=common.lake, **parameters)
    except EndedWithProblemsError as ended:
        return ended.outcome


def require_server() -> None:
    """Raises ConfigError unless PREFECT_API_URL names a server that answers."""
    server = os.environ.get("PREFECT_API_URL")
    if not server:
        raise ConfigError(
            "PREFECT_API_URL is not set; start `prefect server start` and set it to http://127.0.0.1:4200/api"
        )
    if not _reachable(server):
        raise ConfigError(f"no Prefect server answers at {server}; start it or correct PREFECT_API_URL")


def _reachable(server: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{server.rstrip('/')}/health", timeout=REACH_TIMEOUT_S).is_success
    except httpx.HTTPError:
        return False
