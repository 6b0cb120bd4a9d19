"""Where a flow runs: under the Prefect server of PREFECT_API_URL, else plainly in this process.

A plain run needs no server, no database and no port, and starts at once; the stages are the same.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from tasks.errors import ConfigError

if TYPE_CHECKING:
    from flows.commands.console import Common

REACH_TIMEOUT_S = 3.0
"""A server on the same network answers in milliseconds; a night must not wait for one that is gone."""

TERMINATED = 128 + signal.SIGTERM
"""What a shell reports of a program that SIGTERM ended."""


def launch(flow: str, common: Common, **parameters: Any) -> dict[str, Any]:
    """Runs a flow by name (audit, backfill, drift, reaudit, index); its outcome as plain data."""
    settings = common.settings()
    server = os.environ.get("PREFECT_API_URL")
    if server and _reachable(server):
        from flows import deployments

        flows: dict[str, Any] = {
            "audit": deployments.nightly_audit,
            "backfill": deployments.backfill,
            "reaudit": deployments.reaudit,
            "drift": deployments.drift,
            "index": deployments.index,
        }
        try:
            outcome: dict[str, Any] = flows[flow](config=common.config, lake=common.lake, **parameters)
        except deployments.EndedWithProblemsError as ended:
            return ended.outcome
        except deployments.Terminated as terminated:
            raise SystemExit(TERMINATED) from terminated
        return outcome
    if server:
        sys.stderr.write(
            f"claimledger: no Prefect server answers at {server}; this run goes on without one\n"
        )
    if flow in ("index", "drift"):
        from flows.drift import drift
        from flows.index import index

        return index(settings) if flow == "index" else drift(settings, **parameters)
    from flows.audit import audit
    from flows.backfill import backfill
    from flows.reaudit import reaudit

    progress = common.progress()
    if flow == "audit":
        return audit(settings, progress=progress, **parameters).as_dict()
    if flow == "reaudit":
        return reaudit(settings, progress=progress, **parameters).as_dict()
    return backfill(settings, progress=progress, **parameters).as_dict()


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
