"""Door to Prefect: `flow` and `task` are its own decorators in a process that has imported it.

A worker has, and so have `deploy`, `serve` and a command that reaches the server of PREFECT_API_URL. In every
other process a flow is the function itself and so is a task, with the same retries of the same failures: a
run then needs no server, no database and no port, and starts at once.
"""

from __future__ import annotations

import functools
import html
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from flows.commands.console import plain
from tasks.errors import ClaimledgerError, SourceError
from tasks.sources.pull import RETRY_DELAYS_S

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State


class Retrying(Protocol):
    """What a task that is tried again takes first."""

    @property
    def retries(self) -> int:
        """Attempts after the first one."""
        ...


P = ParamSpec("P")
R = TypeVar("R")
Run = TypeVar("Run", bound=Retrying)

SHOWN_CHARACTERS = 300
"""Enough for a path and a sentence."""
_TRANSIENT = (SourceError, ConnectionError, TimeoutError, InterruptedError)


def has_prefect() -> bool:
    """Whether this process has imported Prefect."""
    return "prefect" in sys.modules


def in_flow_run() -> bool:
    """Whether this code runs inside a Prefect flow run."""
    context = sys.modules.get("prefect.context")
    return context is not None and context.FlowRunContext.get() is not None


def log() -> logging.Logger | logging.LoggerAdapter[Any]:
    """Prefect's run logger inside a flow run, else the product's own; rows never go to either."""
    if in_flow_run():
        from prefect.logging import get_run_logger

        return get_run_logger()
    return logging.getLogger("claimledger")


def shown(text: object) -> str:
    """Text from outside made harmless within a Markdown code span, bounded to 300 characters."""
    bounded = plain(str(text)).replace("`", "'")
    if len(bounded) > SHOWN_CHARACTERS:
        bounded = bounded[: SHOWN_CHARACTERS - 1] + "…"
    # A code span alone would do in CommonMark; not every renderer that shows artifacts is one.
    return html.escape(bounded, quote=False)


def flow(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a flow; its runs are named after it, the days and the sources."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if not has_prefect():
            return function
        from prefect import flow as prefect_flow

        decorated: Callable[P, R] = prefect_flow(name=name, flow_run_name=_run_name, persist_result=False)(
            function
        )
        return decorated

    return decorate


def task(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a stage of a flow."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return _prefect_task(name, function) if has_prefect() else function

    return decorate


def retried_task(
    name: str,
) -> Callable[[Callable[Concatenate[Run, P], R]], Callable[Concatenate[Run, P], R]]:
    """Marks a stage that touches the world: after a failure that may pass it is tried again.

    What such a stage writes is named by content, so that a second attempt changes nothing.
    """

    def decorate(function: Callable[Concatenate[Run, P], R]) -> Callable[Concatenate[Run, P], R]:
        @functools.wraps(function)
        def call(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> R:
            delays = [RETRY_DELAYS_S[min(n, len(RETRY_DELAYS_S) - 1)] for n in range(run.retries)]
            if has_prefect():
                return _prefect_task(name, function, delays)(run, *args, **kwargs)
            for delay in delays:
                try:
                    return function(run, *args, **kwargs)
                except _TRANSIENT as error:
                    log().warning("%s: %s; trying again", name, error)
                    time.sleep(delay)
            return function(run, *args, **kwargs)

        return call

    return decorate


def _prefect_task(name: str, function: Callable[P, R], delays_s: list[float] | None = None) -> Callable[P, R]:
    from prefect import task as prefect_task
    from prefect.cache_policies import NO_CACHE

    return prefect_task(
        name=name,
        retries=len(delays_s or ()),
        retry_delay_seconds=delays_s or None,
        retry_condition_fn=_is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(function)


def _is_transient(_task: object, _run: object, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), _TRANSIENT)


def _run_name() -> str:
    """The flow, its days and its sources; without sources where the flow itself will say what is wrong."""
    from prefect.runtime import flow_run

    name, parameters = str(flow_run.flow_name), dict(flow_run.parameters)
    return shown(f"{name} {_days(parameters)} {_sources(parameters)}")


def _days(parameters: Mapping[str, Any]) -> str:
    from datetime import UTC, datetime

    first = parameters.get("from_day") or parameters.get("since")
    last = parameters.get("to_day") or parameters.get("until")
    return f"{first or 'start'}..{last or 'now'}" if first or last else f"{datetime.now(UTC):%Y-%m-%d}"


def _sources(parameters: Mapping[str, Any]) -> str:
    from tasks.settings import load

    try:
        settings = load(parameters.get("config"), lake=parameters.get("lake"))
    except ClaimledgerError:
        return "no-configuration"
    return "+".join(source.name for source in settings.sources) or "no-source"
