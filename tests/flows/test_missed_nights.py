"""What the Prefect server is asked to watch, without a server."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import REPOSITORY

WATCHED = """
from dataclasses import replace
from datetime import timedelta

from flows import missed_nights
from tasks.settings import Settings

plain = Settings()
schedule = replace(plain.schedule, deliver_cron="0 */6 * * *", alarm_after_hours=2.0)
settings = plain.model_copy(update={"schedule": schedule})
made = missed_nights.automation(settings, "deliver/lake", "5a7cd3a4-8a52-4be2-b0f0-0d4ee9a5c1d7")
assert made.name == "deliver/lake: a delivery is missing", made.name
assert made.trigger.within == timedelta(hours=8), made.trigger
assert missed_nights.register(None, plain, "deliver/lake", "id") is None
assert missed_nights.register(None, settings, "health/lake", "id") is None
print("watched")
"""


def test_deliveries_have_an_automation_of_their_own_where_they_have_a_schedule() -> None:
    """In a process of its own: once Prefect is imported, flows are Prefect's in all tests that follow."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "watched\n"), done.stderr
