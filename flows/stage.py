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
from typing import Any, ParamSpec, TypeVar

from tasks.pure.errors import SourceError

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 2
"""Attempts after the first where the world is touched: one for a hiccup, one for a restart."""
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


def stage(name: str, *, touches_the_world: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a stage. One that touches the world is tried again on transient failures, in either mode.

    A stage may run twice: everything it writes is named by content, so the second time changes nothing.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if in_prefect():
                return _as_task(function, name, touches_the_world)(*args, **kwargs)
            attempts = 1 + (RETRIES if touches_the_world else 0)
            for attempt in range(attempts):
                try:
                    return function(*args, **kwargs)
                except _TRANSIENT as error:
                    if attempt + 1 == attempts:
                        raise
                    log().warning("%s: %s; trying again", name, error)
                    time.sleep(RETRY_DELAYS_S[attempt])
            raise AssertionError("unreachable")

        return call

    return decorate


def _as_task(function: Callable[P, R], name: str, retry: bool) -> Callable[P, R]:
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    return task(
        name=name,
        retries=RETRIES if retry else 0,
        retry_delay_seconds=list(RETRY_DELAYS_S),
        retry_condition_fn=_is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(function)


def _is_transient(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), _TRANSIENT)
