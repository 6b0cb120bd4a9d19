"""The one list of deployments: flow, cron, time zone, parameters."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows import deployments as flows
from tasks.errors import ConfigError
from tasks.lake.store import Lake
from tasks.settings import DEFAULT_FILE, Settings

WORK_POOL = "claimledger"
"""A process pool of this name is made where the configuration names none."""
QUIET = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED")
"""Set by `tasks` at its import; what Prefect's own telemetry looks at."""


def deployments(settings: Settings, config: str | None) -> list[RunnerDeployment]:
    """Every flow of the product; the nightly audit alone has a schedule.

    What runs them stands in another folder, so the flows go by module and every path is absolute.
    """
    file = Path(config or DEFAULT_FILE)
    parameters = {
        "config": str(file.resolve()) if config or file.exists() else None,
        "lake": str(Lake.open(settings.lake).root),
    }
    try:
        nightly = Cron(settings.schedule.cron, timezone=settings.schedule.timezone)
    except ValueError as error:
        raise ConfigError(f"schedule.cron: {error}") from None
    listed: list[tuple[Any, list[Any]]] = [
        (flows.nightly_audit, [nightly]),
        (flows.backfill, []),
        (flows.reaudit, []),
        (flows.drift, []),
        (flows.index, []),
    ]
    return [
        flow.to_deployment(
            name="claimledger",
            schedules=schedules,
            parameters=parameters,
            tags=["claimledger"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for flow, schedules in listed
    ]


def deploy(settings: Settings, config: str | None) -> list[dict[str, Any]]:
    """Registers the flows with the configured Prefect server; a worker of the pool runs them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    pool = settings.schedule.work_pool or WORK_POOL
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    registered = []
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
