"""Events to the endpoints, by itself; every run does it at its end."""

from __future__ import annotations

from datetime import UTC, datetime

from flows.orchestrator import flow
from flows.outcome import EndedWithProblemsError, Outcome
from tasks import ids
from tasks.deliver import deliver as sending
from tasks.errors import ConfigError
from tasks.lake.store import Lake
from tasks.settings import load


@flow("deliver")
def deliver(config: str | None = None, lake: str | None = None, replay: str | None = None) -> Outcome:
    """Sends what the endpoints of `[[webhooks]]` have not acknowledged. Needs no lock, and makes no event.

    Args:
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.
        replay: Dead letters to send again: an endpoint's name, or the id or index of an event.

    Raises:
        ConfigError: no endpoint is configured.
        EndedWithProblemsError: done, but an endpoint has not everything.
    """
    settings, start = load(config, lake=lake), datetime.now(UTC)
    if not settings.webhooks:
        raise ConfigError("no endpoint is configured; add one under [[webhooks]]")
    opened = Lake.open(settings.lake)
    run_id = ids.digest("deliver", start.isoformat(), str(opened.root))
    if replay is None:
        done = sending.deliver(opened, settings.webhooks, run_id=run_id)
    else:
        done = sending.replay(opened, settings.webhooks, replay, run_id=run_id)
    outcome = Outcome.of_deliveries(done, run_id=run_id, lake=str(opened.root), start=start)
    if outcome.problems:
        raise EndedWithProblemsError(outcome)
    return outcome
