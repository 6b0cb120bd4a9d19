"""A stage of a flow: a plain function that becomes a Prefect task where a Prefect flow is running.

So one and the same code runs from cron without any server, starting in the time Python takes, and under a
Prefect server with retries, states and logs. Does not belong here: what a stage does (`tasks/`).
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from tasks.errors import SourceError
from tasks.lake.runs import Run

P = ParamSpec("P")
R = TypeVar("R")

RETRY_DELAYS_S = (2.0, 10.0)
"""A mount or a server that restarts is back within seconds; longer outages are for the next night."""

_TRANSIENT = (SourceError, ConnectionError, TimeoutError, InterruptedError)


def in_prefect() -> bool:
    """Whether this code runs inside a Prefect flow run; answers without importing Prefect."""
    context = sys.modules.get("prefect.context")
    return context is not None and context.FlowRunContext.get() is not None


def log() -> logging.Logger | logging.LoggerAdapter[Any]:
    """Prefect's run logger inside a flow run, else the product's own; rows never go to either."""
    if in_prefect():
        from prefect.logging import get_run_logger

        return get_run_logger()
    return logging.getLogger("claimledger")


def stage(
    name: str, *, touches_the_world: bool = False
) -> Callable[[Callable[Concatenate[Run, P], R]], Callable[Concatenate[Run, P], R]]:
    """Marks a stage of a run; one that touches the world is tried again `runner.retries` times.

    Only transient failures are. A stage may run twice: what it writes is named by content, so that the second
    time changes nothing.
    """

    def decorate(function: Callable[Concatenate[Run, P], R]) -> Callable[Concatenate[Run, P], R]:
        @functools.wraps(function)
        def call(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> R:
            retries = run.retries if touches_the_world else 0
            if in_prefect():
                return _as_task(function, name, retries)(run, *args, **kwargs)
            for attempt in range(retries):
                try:
                    return function(run, *args, **kwargs)
                except _TRANSIENT as error:
                    log().warning("%s: %s; trying again", name, error)
                    time.sleep(_delays(retries)[attempt])
            return function(run, *args, **kwargs)

        return call

    return decorate


def _delays(retries: int) -> list[float]:
    """Seconds before each further attempt; the last one repeats."""
    return [RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S) - 1)] for attempt in range(retries)]


def _as_task(
    function: Callable[Concatenate[Run, P], R], name: str, retries: int
) -> Callable[Concatenate[Run, P], R]:
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    return task(
        name=name,
        retries=retries,
        retry_delay_seconds=_delays(retries),
        retry_condition_fn=_is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(function)


def _is_transient(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), _TRANSIENT)
