"""Door to Prefect: `flow` and `task` are its own decorators in a process that has imported it.

A worker has, and so have `deploy`, `serve` and a command that reaches the server of PREFECT_API_URL. In every
other process a flow is the function itself and so is a task, with the same retries of the same failures: a
run then needs no server, no database and no port, and starts at once.
"""

from __future__ import annotations

import functools
import html
import inspect
import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from flows import bugs, progress
from flows.commands.console import one_line, plain
from flows.time_limit import time_limit
from tasks.errors import ClaimledgerError, SourceError
from tasks.sources.pull import RETRY_DELAYS_S

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State


class Staged(Protocol):
    """What every stage takes first: the run, as far as its stages' decorators know it."""

    @property
    def retries(self) -> int:
        """Attempts after the first one where the world is touched."""
        ...

    @property
    def stage_limit_s(self) -> float:
        """Seconds that a stage may take."""
        ...

    def stage(self, title: str) -> AbstractContextManager[None]:
        """Keeps which stage the run is in."""
        ...


P = ParamSpec("P")
R = TypeVar("R")
Run = TypeVar("Run", bound=Staged)

PATIENT = frozenset({"backfill"})
"""Flows, by the name that Prefect shows, that wait for the lake without asking who holds it to give way."""
SHOWN_CHARACTERS = 300
"""Enough for a path and a sentence."""
KEY_CHARACTERS = 12
"""Of a run's id, as in every message on it."""
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


def tell(sentence: str) -> None:
    """What the present stage came to: in the log, and in what is shown of the run."""
    log().info("%s", sentence)
    progress.note(sentence)


def shown(text: object) -> str:
    """Text from outside made harmless within a Markdown code span, bounded to 300 characters."""
    bounded = plain(str(text)).replace("`", "'")
    if len(bounded) > SHOWN_CHARACTERS:
        bounded = bounded[: SHOWN_CHARACTERS - 1] + "…"
    # A code span alone would do in CommonMark; not every renderer that shows artifacts is one.
    return html.escape(bounded, quote=False)


def flow(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a flow; its runs are named after it, the days and the sources.

    One that fails shows its sentence first on Prefect's page, and not the name of an exception.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if not has_prefect():
            return function
        from prefect import flow as prefect_flow
        from prefect.states import Failed

        from flows import on_server

        taken = inspect.signature(function, eval_str=True)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            given = taken.bind(*args, **kwargs).arguments
            on_server.take_secrets(given.get("config"), given.get("lake"))
            try:
                with progress.shown_on(on_server.Bar()):
                    return function(*args, **kwargs)
            except Exception as raised:  # noqa: BLE001 - Prefect would show the words of any error to all
                error = bugs.told(raised)
                # Who calls the flow is given the error; Prefect's types know only its functions' own.
                return cast("R", Failed(message=one_line(str(error)), data=error))

        # Prefect would look the types of parameters up where the wrapper is written, not where the flow is.
        vars(run)["__signature__"] = taken
        decorated: Callable[P, R] = prefect_flow(name=name, flow_run_name=_run_name, persist_result=False)(
            run
        )
        return decorated

    return decorate


def task(
    name: str, title: Callable[..., str] | None = None, *, is_retried: bool = False
) -> Callable[[Callable[Concatenate[Run, P], R]], Callable[Concatenate[Run, P], R]]:
    """Marks a stage of a flow: its run is named by what it does, and it ends at the time limit.

    Args:
        title: of a run of the stage, from its arguments; the stage's name by default.
        is_retried: it touches the world and is tried again after a failure that may pass. What such a stage
            writes is named by content, so that a second attempt changes nothing.
    """

    def decorate(
        function: Callable[Concatenate[Run, P], R],
    ) -> Callable[Concatenate[Run, P], R]:
        def titled(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> str:
            return name if title is None else title(run, *args, **kwargs)

        @functools.wraps(function)
        def limited(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> R:
            here = titled(run, *args, **kwargs)
            try:
                with run.stage(here), time_limit(run.stage_limit_s, here):
                    return function(run, *args, **kwargs)
            except Exception as error:
                if has_prefect() and not isinstance(error, _TRANSIENT) and bugs.told(error) is not error:
                    raise bugs.told(error) from None
                raise

        @functools.wraps(function)
        def call(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> R:
            again = range(run.retries if is_retried else 0)
            delays = [RETRY_DELAYS_S[min(number, len(RETRY_DELAYS_S) - 1)] for number in again]
            # Outside a flow run Prefect's tasks would log into nothing, and fail where warnings are errors.
            if in_flow_run():
                here = titled(run, *args, **kwargs)
                return _prefect_task(name, here, limited, delays)(run, *args, **kwargs)
            for delay in delays:
                try:
                    return limited(run, *args, **kwargs)
                except _TRANSIENT as error:
                    log().warning("%s: %s; retrying", name, error)
                    time.sleep(delay)
            return limited(run, *args, **kwargs)

        return call

    return decorate


def _prefect_task(name: str, title: str, function: Callable[P, R], delays_s: list[float]) -> Callable[P, R]:
    from prefect import task as prefect_task
    from prefect.cache_policies import NO_CACHE

    return prefect_task(
        name=name,
        task_run_name=lambda: shown(title),
        retries=len(delays_s),
        retry_delay_seconds=delays_s or None,
        retry_condition_fn=_is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(function)


def _is_transient(_task: object, _run: object, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), _TRANSIENT)


def show_markdown(text: str, *, key: str, run_id: str, description: str) -> None:
    """Puts a text on Prefect's page, in a Prefect flow run; found there by the first characters of run_id."""
    if in_flow_run():
        from prefect.artifacts import create_markdown_artifact

        create_markdown_artifact(text, key=_key(key, run_id), description=f"{description}; run {run_id}")


def show_table(rows: list[dict[str, Any]], *, key: str, run_id: str, description: str) -> None:
    """The same for a table, each row by its columns."""
    if in_flow_run():
        from prefect.artifacts import create_table_artifact

        create_table_artifact(rows, key=_key(key, run_id), description=f"{description}; run {run_id}")


def _key(key: str, run_id: str) -> str:
    """Prefect takes small letters, digits and dashes."""
    return f"{key.replace(' ', '-')}-{run_id[:KEY_CHARACTERS]}"


def _run_name() -> str:
    """The flow, its days and its sources; without sources where the flow itself will say what is wrong."""
    from prefect.runtime import flow_run

    name, parameters = str(flow_run.flow_name), dict(flow_run.parameters)
    return shown(f"{name} {_days(parameters)} {_sources(parameters)}")


def _days(parameters: Mapping[str, Any]) -> str:
    from datetime import UTC, datetime

    first = parameters.get("since")
    last = parameters.get("until")
    return f"{first or 'start'}..{last or 'now'}" if first or last else f"{datetime.now(UTC):%Y-%m-%d}"


def _sources(parameters: Mapping[str, Any]) -> str:
    from tasks.settings import load

    try:
        settings = load(parameters.get("config"), lake=parameters.get("lake"))
    except ClaimledgerError:
        return "no-configuration"
    return "+".join(source.name for source in settings.sources) or "no-source"
