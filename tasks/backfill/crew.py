"""What a cluster is to a run: workers that are asked to call a function, and may go away at any time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class WorkerLostError(Exception):
    """The worker went away before it answered."""


class Crew(Protocol):
    """The workers of a cluster; each calls one function at a time."""

    @property
    def where(self) -> str:
        """The cluster, in words."""
        ...

    def workers(self) -> dict[str, int]:
        """Those that are there now, and the threads of each.

        Raises:
            GateError: the cluster does not answer any more.
        """
        ...

    def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Begins a call, which this names."""
        ...

    def done(self, calls: Sequence[Any], wait_s: float) -> list[Any]:
        """Those calls that are over, waited for so long at most."""
        ...

    def result(self, call: Any) -> Any:
        """What a call that is over returned; raises what it raised, WorkerLostError where nobody answers."""
        ...

    def dismiss(self, worker: str) -> None:
        """Ends what a worker is doing, as far as the cluster lets that be done."""
        ...

    def close(self) -> None:
        """Leaves the cluster."""
        ...
