"""What the Prefect server is asked to watch, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from flows import missed_nights
from tasks.settings import Settings


def test_deliveries_have_an_automation_of_their_own_where_they_have_a_schedule() -> None:
    plain = Settings()
    schedule = replace(plain.schedule, deliver_cron="0 */6 * * *", alarm_after_hours=2.0)
    settings = plain.model_copy(update={"schedule": schedule})
    made = missed_nights.automation(settings, "deliver/lake", str(uuid4()))
    assert made.name == "deliver/lake: a delivery is missing"
    assert made.trigger.within == timedelta(hours=8)  # type: ignore[union-attr]
    assert missed_nights.register(None, plain, "deliver/lake", "id") is None  # type: ignore[arg-type]
    assert missed_nights.register(None, settings, "health/lake", "id") is None  # type: ignore[arg-type]
