"""Door to Ray: an actor for each place that a cluster has, each a process with its models."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from typing import Any

from tasks.backfill.crew import WorkerLostError
from tasks.backfill.remote import Seat
from tasks.errors import ConfigError, GateError

CONNECT_S = 20.0
GATHER_S = 60.0
STILLBORN = 5
"""Actors that ended before they answered anything; more would end as well."""


class RayCrew:
    """Actors are never started anew by Ray itself: which unit ended one must be known."""

    def __init__(self, address: str, *, cores: int, most: int | None) -> None:
        """`cores` are of each actor; `most` actors, or as many as the cluster has cores for."""
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise ConfigError(
                'runner.kind = "ray" needs Ray here and on the workers: pip install "claimledger[ray]"'
            ) from None
        self._ray = ray
        # Ray tells a worker's death on standard output, which belongs to the answer of a command.
        self._aside = redirect_stdout(sys.stderr)
        self._aside.__enter__()
        try:
            place = address.removeprefix("tcp://")
            host, _, port = place.removeprefix("ray://").rpartition(":")
            # Ray by itself waits for minutes where nobody answers.
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
            ray.init(place, namespace="claimledger", log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # noqa: BLE001 - whatever the library raises, it is the cluster's
            self._aside.__exit__(None, None, None)
            raise ConfigError(
                f"runner.address {address}: no Ray cluster answers there ({type(error).__name__}); start one "
                "with `ray start --head`, and run this on one of its machines"
            ) from None
        self.where = f"the Ray cluster at {address}"
        self._cores, self._most = cores, most
        self._actors: dict[str, Any] = {}
        self._calls: dict[Any, str] = {}
        self._answered: set[str] = set()
        self._made = self._stillborn = 0

    def workers(self) -> dict[str, int]:
        """Actors, as many as there is room for now."""
        try:
            room = int(self._ray.cluster_resources().get("CPU", 0)) // self._cores
        except Exception as error:  # noqa: BLE001 - whatever the library raises, it is the cluster's
            raise GateError(
                f"{self.where} went away ({type(error).__name__}); what is published stays; run it again to "
                "resume from there"
            ) from None
        room = room if self._most is None else min(room, self._most)
        while len(self._actors) < room and self._stillborn < STILLBORN:
            self._made += 1
            options = {"num_cpus": self._cores, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
            self._actors[f"actor {self._made}"] = self._ray.remote(Seat).options(**options).remote()
        return dict.fromkeys(self._actors, self._cores)

    def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Begins a call of an actor."""
        reference = self._actors[worker].call.remote(function, *arguments)
        self._calls[reference] = worker
        return reference

    def done(self, calls: Sequence[Any], wait_s: float) -> list[Any]:
        """Those that are over, or whose actor has ended."""
        over, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        if not over:
            over, _ = self._ray.wait(list(calls), num_returns=1, timeout=wait_s)
        return list(over)

    def result(self, call: Any) -> Any:
        """What it returned."""
        from ray.exceptions import GetTimeoutError, RayActorError, RaySystemError, RayTaskError

        worker = self._calls.pop(call)
        try:
            result = self._ray.get(call, timeout=GATHER_S)
        except (RayActorError, RaySystemError, GetTimeoutError):
            self._stillborn += worker not in self._answered
            self._actors.pop(worker, None)
            raise WorkerLostError from None
        except RayTaskError as error:
            raise error.as_instanceof_cause() from None
        self._answered.add(worker)
        return result

    def dismiss(self, worker: str) -> None:
        """Ends an actor's process."""
        actor = self._actors.pop(worker, None)
        if actor is not None:
            with suppress(Exception):
                self._ray.kill(actor)

    def close(self) -> None:
        """Ends the actors and this connection."""
        for worker in list(self._actors):
            self.dismiss(worker)
        with suppress(Exception):
            self._ray.shutdown()
        self._aside.__exit__(None, None, None)
