"""Automations on the Prefect server that notice a night, or a delivery, which did not end well: who is not
there cannot.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore

    from tasks.settings import Settings

FIRES_LOOKED_AT = 60
"""Of the schedule, for its longest pause: a year of months and a season of working days."""


WATCHED = {"nightly audit": "night", "deliver": "delivery"}
"""Flows with an automation, and what a run of each is called."""


def register(
    client: SyncPrefectClient, settings: Settings, deployment: str, deployment_id: str
) -> str | None:
    """Makes or replaces the automation of a deployment; a sentence on it, or None where it needs none.

    Args:
        deployment: FLOW/NAME.
    """
    flow = deployment.partition("/")[0]
    if flow not in WATCHED or (flow == "deliver" and not settings.schedule.deliver_cron):
        return None
    made = automation(settings, deployment, deployment_id)
    for old in client.read_automations_by_name(made.name):
        client.delete_automation(old.id)
    client.create_automation(made)
    does = "notifies" if settings.schedule.alarm_block else "shows it (schedule.alarm_block notifies)"
    hours = made.trigger.within.total_seconds() / 3600  # type: ignore[union-attr]
    return f"automation: if no {WATCHED[flow]} ends well within {hours:g} hours, the server {does}"


def automation(settings: Settings, deployment: str, deployment_id: str) -> AutomationCore:
    """Expects that a run of the deployment completes, from each that was planned or ended to the next."""
    from prefect.events.actions import DoNothing, SendNotification
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    block = settings.schedule.alarm_block
    flow = deployment.partition("/")[0]
    cron = settings.schedule.deliver_cron if flow == "deliver" else settings.schedule.cron
    subject = f"No {WATCHED[flow]} of {deployment}"
    action = (
        SendNotification(
            block_document_id=block,
            subject=subject,
            body=f"{subject} ended well within the time its schedule allows.",
        )
        if block
        else DoNothing()
    )
    return AutomationCore(
        name=f"{deployment}: a {WATCHED[flow]} is missing",
        description="Made by `claimledger deploy`, which replaces it.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Completed"},
            match_related={
                "prefect.resource.id": f"prefect.deployment.{deployment_id}",
                "prefect.resource.role": "deployment",
            },
            posture=Posture.Proactive,
            threshold=1,
            within=longest_pause(cron or "@daily", settings.schedule.timezone, datetime.now(UTC))
            + timedelta(hours=settings.schedule.alarm_after_hours),
        ),
        actions=[action],
    )


def longest_pause(cron: str, timezone: str, now: datetime) -> timedelta:
    """Between two instants of a schedule; a day where only Prefect knows it (@daily)."""
    if cron.startswith("@"):
        return timedelta(days=1)
    fires = CronSim(cron, now.astimezone(ZoneInfo(timezone)))
    moments = [next(fires).astimezone(UTC) for _ in range(FIRES_LOOKED_AT)]
    return max(after - before for before, after in itertools.pairwise(moments))
