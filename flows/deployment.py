"""The flows on a Prefect server: registered for workers (`deploy`) or served from this process (`serve`).

Several teams share a server, so a deployment is named after its lake, and one that belongs to another lake is
never replaced.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from flows import missed_nights
from flows.orchestrator import PATIENT
from flows.schedule import FLOWS
from tasks.errors import ConfigError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.deployments.runner import RunnerDeployment

    from tasks.settings import Settings

WORK_POOL = "claimledger"
"""A process pool of this name is made where the configuration names none."""
QUIET = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED")
"""Set by `tasks` at its import; what Prefect's own telemetry looks at."""
TAG = "claimledger"
PATIENT_QUEUE = "patient"
"""Of the pool: runs that may wait for others. Its workers take from the pool's first queue before it."""
EARLIER_NAME = "claimledger"
"""Of every lake's deployments in earlier releases."""
_AT_ONCE = 200
"""Deployments that a server lists in one answer."""


class Registration(TypedDict):
    """One deployment, as `deploy` answers."""

    deployment: str
    id: str
    work_pool: str
    schedules: list[str]


@dataclass(frozen=True)
class Registered:
    """What `deploy` registered, and what there is to say besides."""

    deployments: list[Registration]
    notes: list[str] = field(default_factory=list)


def deploy(settings: Settings, config: str | None) -> Registered:
    """Registers the flows with the configured Prefect server; a worker of the pool runs them.

    Deployments of this lake under another name, or of a flow that it can no longer run, are removed: they
    would run beside the new ones.

    Raises:
        ConfigError: a schedule that Prefect does not accept, or a name that is another lake's on this server.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    pool = settings.schedule.work_pool or WORK_POOL
    made, notes = deployments(settings, config)
    registered: list[Registration] = []
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        refuse_foreign(client, made)
        for deployment in made:
            deployment.work_pool_name = pool
            if deployment.flow_name in PATIENT:
                deployment.work_queue_name = PATIENT_QUEUE
            # A worker's process has imported Prefect before anything of ours could switch telemetry off.
            deployment.job_variables = {"env": {name: os.environ[name] for name in QUIET}}
            registered.append(
                {
                    "deployment": f"{deployment.flow_name}/{deployment.name}",
                    "id": str(deployment.apply()),
                    "work_pool": pool,
                    "schedules": [getattr(each.schedule, "cron", "") for each in deployment.schedules or []],
                }
            )
        for each in registered:
            note = missed_nights.register(client, settings, each["deployment"], each["id"])
            notes += [note] if note else []
        kept = {each["id"] for each in registered}
        notes += [
            f"removed: {name}, an earlier name of this lake" for name in _remove_stale(client, made, kept)
        ]
        notes += share_limit(client, made, {each["deployment"]: each["id"] for each in registered})
    return Registered(registered, notes)


def serve(settings: Settings, config: str | None, ready: Callable[[list[str], list[str]], None]) -> None:
    """Serves the flows from this process until it is interrupted.

    Args:
        ready: called with the deployments' names and notes once the server knows them.

    Raises:
        ConfigError: as `deploy`.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import TerminationSignal
    from prefect.runner import Runner

    made, notes = deployments(settings, config)
    with get_client(sync_client=True) as client:
        refuse_foreign(client, made)
        runner = Runner(pause_on_shutdown=True)
        for deployment in made:
            # Only what is set is sent: unsaid, a pool of an earlier `deploy` would keep the runs for itself.
            deployment.work_pool_name = None
        ids = {f"{each.flow_name}/{each.name}": str(runner.add_deployment(each)) for each in made}
        stale = _remove_stale(client, made, ids.values())
        notes += [f"removed: {name}, an earlier name of this lake" for name in stale]
        notes += share_limit(client, made, ids)
    ready([f"{deployment.flow_name}/{deployment.name}" for deployment in made], notes)
    try:
        asyncio.run(runner.start())
    except (KeyboardInterrupt, TerminationSignal):
        return


def deployments(settings: Settings, config: str | None) -> tuple[list[RunnerDeployment], list[str]]:
    """Every flow that this lake can run as a deployment, and why one is missing.

    The nightly audit has a schedule, and so has `deliver` where `deliver_cron` is set. What runs them works
    in another folder, so the flows go by module and every path is absolute.

    Raises:
        ConfigError: a schedule that Prefect does not accept.
    """
    from prefect import Flow
    from prefect.types.entrypoint import EntrypointType

    from tasks.lake.identity import identity
    from tasks.lake.store import Lake
    from tasks.settings import DEFAULT_FILE

    lake = Lake.open(settings.lake)
    named = identity(lake)
    schedules = _schedules(settings)
    parameters = {"config": str(Path(config or DEFAULT_FILE).resolve()), "lake": lake.place}
    made: list[RunnerDeployment] = []
    notes: list[str] = []
    for command, entry in FLOWS.items():
        if entry.needs_corpus and not settings.corpus.path:
            notes.append(f"{command}: not deployed, because no corpus is configured (corpus.path)")
            continue
        if entry.needs_webhooks and not settings.webhooks:
            continue
        flow = entry.load()
        assert isinstance(flow, Flow)  # noqa: S101 - Prefect is imported above, before any flow
        deployment = flow.to_deployment(
            name=settings.schedule.name or named.name,
            schedules=schedules[entry.cron] if entry.cron else [],
            parameters=parameters,
            tags=[TAG, f"lake-{named.id}"],
            # Nights that were missed wait for each other instead of meeting at the lock of the lake.
            concurrency_limit=1,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        made.append(cast("RunnerDeployment", deployment))
    return made, notes


def limit_name(lake: str) -> str:
    """Of a lake's limit on the server, by the name of its deployments."""
    return f"claimledger-{lake}"


def share_limit(
    client: SyncPrefectClient, made: Sequence[RunnerDeployment], ids: Mapping[str, str]
) -> list[str]:
    """One limit for all flows of the lake, so that the server starts one at a time, whatever runs them.

    Not for a backfill, which has one of its own and gives way: the night would wait for its end.

    Returns:
        A sentence where the server cannot; each deployment keeps its own limit there.
    """
    from prefect.exceptions import PrefectHTTPStatusError

    name = limit_name(made[0].name)
    client.upsert_global_concurrency_limit_by_name(name, 1)
    limit = client.read_global_concurrency_limit_by_name(name)
    for deployment in made:
        if deployment.flow_name in PATIENT:
            continue
        shared = {"global_concurrency_limit_id": str(limit.id)}
        place = {"id": ids[f"{deployment.flow_name}/{deployment.name}"]}
        try:
            client.request("PATCH", "/deployments/{id}", path_params=place, json=shared)
        except PrefectHTTPStatusError as error:
            return [f"this server has no limits shared by deployments ({error.response.status_code})"]
    return []


def _schedules(settings: Settings) -> dict[str, list[Any]]:
    """Prefect's schedules by the key that says when."""
    from prefect.schedules import Cron

    made = {}
    for key in ("cron", "deliver_cron"):
        cron = getattr(settings.schedule, key)
        try:
            made[key] = [Cron(cron, timezone=settings.schedule.timezone)] if cron else []
        except ValueError as error:
            raise ConfigError(f"schedule.{key}: {error}") from None
    return made


def refuse_foreign(client: SyncPrefectClient, made: Sequence[RunnerDeployment]) -> None:
    """Raises ConfigError where a deployment of one of these names is another lake's."""
    from prefect.exceptions import ObjectNotFound

    for deployment in made:
        name = f"{deployment.flow_name}/{deployment.name}"
        with suppress(ObjectNotFound):
            there = client.read_deployment_by_name(name)
            if not is_of_the_same_lake(there, deployment):
                raise ConfigError(
                    f"{name}: this server has a deployment of that name for the lake "
                    f"{there.parameters.get('lake')}, which would no longer be audited; give this one "
                    "another schedule.name, or delete that deployment if its lake was moved here"
                )


def is_of_the_same_lake(there: DeploymentResponse, mine: RunnerDeployment) -> bool:
    """By the lake's path, and by its identity where the deployment has one; a copy has another path."""
    identities = {tag for tag in there.tags if tag.startswith("lake-")}
    same_path = there.parameters.get("lake") == (mine.parameters or {}).get("lake")
    return same_path and (not identities or bool(identities & set(mine.tags)))


def _remove_stale(
    client: SyncPrefectClient, made: Sequence[RunnerDeployment], kept: Iterable[str]
) -> list[str]:
    """Removes this lake's deployments that are not among those kept; their names."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    removed: list[str] = []
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    listed: list[DeploymentResponse] = []
    while not listed or len(listed) % _AT_ONCE == 0:
        page = client.read_deployments(deployment_filter=ours, limit=_AT_ONCE, offset=len(listed))
        listed += page
        if not page:
            break
    identity_tag = next(tag for tag in made[0].tags if tag.startswith("lake-"))
    for there in listed:
        is_mine = identity_tag in there.tags or (
            there.name == EARLIER_NAME and there.parameters == made[0].parameters
        )
        if is_mine and str(there.id) not in kept and is_of_the_same_lake(there, made[0]):
            client.delete_deployment(there.id)
            removed.append(there.name)
    return removed
