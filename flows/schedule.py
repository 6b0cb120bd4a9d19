"""The one table of flows, which the console, `deploy` and `serve` read."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast
from zoneinfo import ZoneInfo

from tasks.errors import ConfigError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

    from flows.outcome import Outcome
    from tasks.settings import Settings

WORK_POOL = "claimledger"
"""A process pool of this name is made where the configuration names none."""
QUIET = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED")
"""Set by `tasks` at its import; what Prefect's own telemetry looks at."""


@dataclass(frozen=True)
class Entry:
    """A flow: the function `module.function` and whether `schedule.cron` starts it. Its signature is its
    parameters; the name that Prefect shows is in its decorator.
    """

    module: str
    function: str
    is_nightly: bool = False

    def load(self) -> Callable[..., Outcome]:
        """The flow; Prefect's own where this process has imported Prefect."""
        flow: Callable[..., Outcome] = getattr(importlib.import_module(self.module), self.function)
        return flow


FLOWS = {
    "audit": Entry("flows.audit", "audit", is_nightly=True),
    "backfill": Entry("flows.backfill", "backfill"),
    "reaudit": Entry("flows.reaudit", "reaudit"),
    "drift": Entry("flows.drift", "drift"),
    "index": Entry("flows.index", "index"),
}
"""By the command that runs each."""


class Registration(TypedDict):
    """One deployment, as `deploy` answers."""

    deployment: str
    id: str
    work_pool: str
    schedules: list[str]


def deployments(settings: Settings, config: str | None) -> list[RunnerDeployment]:
    """Every flow as a deployment; the nightly audit alone has a schedule.

    What runs them works in another folder, so the flows go by module and every path is absolute.

    Raises:
        ConfigError: a schedule that Prefect does not accept.
    """
    from prefect import Flow
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from tasks.lake.store import Lake
    from tasks.settings import DEFAULT_FILE

    parameters = {
        "config": str(Path(config or DEFAULT_FILE).resolve()),
        "lake": str(Lake.open(settings.lake).root),
    }
    try:
        nightly = Cron(settings.schedule.cron, timezone=settings.schedule.timezone)
    except ValueError as error:
        raise ConfigError(f"schedule.cron: {error}") from None
    try:
        ZoneInfo(settings.schedule.timezone)
    except (KeyError, ValueError):
        raise ConfigError(
            f"schedule.timezone is {settings.schedule.timezone!r}, expected a name such as Europe/Berlin"
        ) from None
    made: list[RunnerDeployment] = []
    for entry in FLOWS.values():
        flow = entry.load()
        assert isinstance(flow, Flow)  # noqa: S101 - Prefect is imported above, before any flow
        deployment = flow.to_deployment(
            name="claimledger",
            schedules=[nightly] if entry.is_nightly else [],
            parameters=parameters,
            tags=["claimledger"],
            # Nights that were missed wait for each other instead of meeting at the lock of the lake.
            concurrency_limit=1,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        made.append(cast("RunnerDeployment", deployment))
    return made


def deploy(settings: Settings, config: str | None) -> list[Registration]:
    """Registers the flows with the configured Prefect server; a worker of the pool runs them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    pool = settings.schedule.work_pool or WORK_POOL
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    registered: list[Registration] = []
    for deployment in deployments(settings, config):
        deployment.work_pool_name = pool
        # A worker's process has imported Prefect before anything of ours could switch telemetry off.
        deployment.job_variables = {"env": {name: os.environ[name] for name in QUIET}}
        identity = deployment.apply()
        registered.append(
            {
                "deployment": f"{deployment.flow_name}/{deployment.name}",
                "id": str(identity),
                "work_pool": pool,
                "schedules": [settings.schedule.cron] if deployment.schedules else [],
            }
        )
    return registered


def serve(settings: Settings, config: str | None) -> None:
    """Serves the flows from this process until it is interrupted."""
    from prefect import serve as serve_deployments

    served = deployments(settings, config)
    for deployment in served:
        # Only what is set is sent: unsaid, a pool from an earlier `deploy` would keep the runs for itself.
        deployment.work_pool_name = None
    serve_deployments(*served, print_starting_message=False)
