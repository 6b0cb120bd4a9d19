"""Door to Dask: the workers of a cluster by its scheduler's address."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tasks.backfill.crew import WorkerLostError
from tasks.errors import ConfigError, GateError

if TYPE_CHECKING:
    from distributed import Future

CONNECT_S = 20.0
GATHER_S = 60.0
"""For an answer that is there to come over."""
_GLANCE_S = 0.02


class DaskCrew:
    """Each call names its worker: the scheduler would give a lost one's unit to another without a word."""

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise ConfigError(
                'runner.kind = "dask" needs Dask here and on the workers: pip install "claimledger[dask]"'
            ) from None
        for name in ("distributed", "distributed.client", "distributed.core"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = Client(address, timeout=CONNECT_S, set_as_default=False, name="claimledger")
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"runner.address {address}: no Dask scheduler answers there ({type(error).__name__}); start "
                "one with `dask scheduler`"
            ) from None
        self.where = f"the Dask cluster at {address}"

    def workers(self) -> dict[str, int]:
        """By address, as the scheduler knows them at this moment."""
        try:
            return dict(self._client.nthreads())
        except Exception as error:  # noqa: BLE001 - whatever the library raises, it is the cluster's
            raise GateError(
                f"{self.where} went away ({type(error).__name__}); what is published stays; run it again to "
                "resume from there"
            ) from None

    def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Begins a call on that worker and on no other."""
        future: Future[Any] = self._client.submit(
            function, *arguments, workers=[worker], allow_other_workers=False, pure=False, retries=0
        )
        return future

    def done(self, calls: Sequence[Future[Any]], wait_s: float) -> list[Future[Any]]:
        """Those that are over, or that the scheduler knows nothing of any more."""
        end = time.monotonic() + wait_s
        while not (over := [call for call in calls if call.done()]) and time.monotonic() < end:
            time.sleep(_GLANCE_S)
        return over

    def result(self, call: Future[Any]) -> Any:
        """What it returned; the worker keeps it no longer."""
        from distributed import CancelledError
        from distributed.client import FutureCancelledError
        from distributed.comm import CommClosedError
        from distributed.scheduler import KilledWorker

        try:
            return call.result(timeout=GATHER_S)
        except (CancelledError, FutureCancelledError, CommClosedError, KilledWorker, TimeoutError):
            raise WorkerLostError from None
        finally:
            with suppress(Exception):
                call.release()

    def dismiss(self, worker: str) -> None:
        """Starts its process anew, where a nanny watches over it; else it goes on in vain."""
        with suppress(Exception):
            self._client.restart_workers([worker], timeout=GATHER_S, raise_for_error=False)

    def close(self) -> None:
        """Ends this connection; the workers stay for others."""
        with suppress(Exception):
            self._client.close(timeout=5)
