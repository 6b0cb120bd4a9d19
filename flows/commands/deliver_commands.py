"""The command that sends events: `deliver`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from flows.commands.console import DEFAULTS, Common, fail, table
from flows.commands.launch import launch
from tasks.errors import BAD_ANSWER, DONE, ConfigError, InputError


def deliver(
    *,
    status: Annotated[
        bool, Parameter(negative="", help="Send nothing; show the state of each endpoint.")
    ] = False,
    replay: Annotated[
        str | None, Parameter(help="Send dead letters again: an endpoint's name, or an event's id or index.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Send what the endpoints of [[webhooks]] have not acknowledged: the ledger's events and checkpoints.

    Every run does this at its end. Each endpoint gets everything at least once and in order, and can prove
    from the checkpoints that nothing is missing. Exit status 1: an endpoint is behind, or refused something.

    Example: claimledger deliver --status
    """
    if status and replay:
        raise InputError("--status sends nothing and --replay does; give only one of them")
    if not status:
        outcome = launch("deliver", common, replay=replay)
        _tell(outcome.extra["deliveries"], common)
        for problem in outcome.problems:
            fail(problem)
        return BAD_ANSWER if outcome.problems else DONE
    from tasks.deliver.deliver import standings

    settings = common.settings()
    if not settings.webhooks:
        raise ConfigError("no endpoint is configured; add one under [[webhooks]]")
    found = [each.as_dict() for each in standings(common.open_lake(settings), settings.webhooks)]
    _tell(found, common)
    return DONE if all(each["ok"] for each in found) else BAD_ANSWER


def _tell(found: Sequence[Mapping[str, Any]], common: Common) -> None:
    headings = [
        "endpoint",
        "kind",
        "sent now",
        "acknowledged",
        "waiting",
        "refused",
        "failures",
        "oldest",
        "state",
    ]
    rows = [
        [
            each["endpoint"],
            each["kind"],
            each["sent"],
            each["acknowledged"],
            each["waiting"],
            each["dead"],
            each["failures"],
            f"{each['oldest_waiting_at']:%Y-%m-%d %H:%M}Z" if each["oldest_waiting_at"] else "-",
            "ok" if each["ok"] else each["error"] or "waiting",
        ]
        for each in found
    ]
    common.answer({"endpoints": list(found)}, table(headings, rows))
