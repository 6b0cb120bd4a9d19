"""A night's pings: that it begins, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flows.orchestrator import log
from tasks.deliver import heartbeat
from tasks.deliver.heartbeat import Moment
from tasks.deliver.parameters import HeartbeatSettings


@contextmanager
def beating(settings: HeartbeatSettings) -> Iterator[None]:
    """Pings before and after what runs within; one that fails, or is interrupted, is a failure.

    A ping that does not arrive is a warning: no night fails for it.
    """
    _ping(settings, "start", "nightly audit begins")
    try:
        yield
    except BaseException as error:
        _ping(settings, "fail", f"nightly audit ended with {type(error).__name__}")
        raise
    _ping(settings, "success", "nightly audit ended well")


def _ping(settings: HeartbeatSettings, moment: Moment, text: str) -> None:
    if settings.url is None:
        return
    try:
        wrong = heartbeat.ping(settings, moment, text)
    except Exception as error:  # noqa: BLE001 - whatever it is, the night is what counts
        wrong = f"heartbeat.url was not pinged ({type(error).__name__})"
    if wrong:
        log().warning("%s", wrong)
