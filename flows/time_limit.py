"""How long a stage may take: (1) at its limit it is stopped by an exception, which closes the run as failed;
(2) where that does not stop it, because the code takes no exception, the process ends a minute later with the
same sentence; (3) where not even that gets its turn, because the code never lets go of the interpreter, it
ends after another minute without a word. The next run then finds it dead, like one that was killed.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from flows.commands.console import one_line
from tasks.errors import BAD_ANSWER, TimeLimitError

GRACE_S = 60.0
"""From the exception to the end of the process: a commit that is being finished takes seconds."""
_silence = os.open(os.devnull, os.O_WRONLY)
_watches: list[_Watch] = []


class _Watch:
    """Interrupts the thread of a stage; the main one by an alarm, which regular expressions heed as well."""

    def __init__(self, seconds: float, sentence: str, grace_s: float) -> None:
        # No Exception, so that libraries which swallow those let it through; a class of its own, because
        # limits may be nested and another thread can only be given a class.
        self.expired: type[BaseException] = type("Expired", (BaseException,), {})
        self.has_struck = False
        self._sentence, self._grace_s = sentence, grace_s
        self._start = time.monotonic()
        self._deadline = self._start + seconds
        self._thread = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._over, self._turn = threading.Event(), threading.Lock()
        self._others: float | None = None
        """When an alarm is due that somebody else had set."""
        if self._is_main:
            left, _ = signal.getitimer(signal.ITIMER_REAL)
            self._others = self._start + left if left else None
            self._before = signal.signal(signal.SIGALRM, self._handle)
            self._arm()
        _watches.append(self)
        _arm_last_resort()
        threading.Thread(target=self._wait, name="time limit", daemon=True).start()

    @property
    def last_resort(self) -> float:
        """When the process ends whatever it does."""
        return self._deadline + 2 * self._grace_s

    def end(self) -> None:
        """The stage has ended; nothing strikes from now on."""
        try:
            with self._turn:
                self._over.set()
        finally:  # also where it strikes at this very moment
            self._over.set()
            _watches.remove(self)
            _arm_last_resort()
            if self._is_main:
                signal.setitimer(signal.ITIMER_REAL, _until(self._others) if self._others else 0)
                signal.signal(signal.SIGALRM, self._before)
            elif self.has_struck:
                self._interrupt_thread(None)

    def _arm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, _until(min(self._deadline, self._others or self._deadline)))

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Raises where the alarm is this watch's own; any other goes to whoever waited for one before."""
        now = time.monotonic()
        if now >= self._deadline:
            if not self._over.is_set():
                self.has_struck = True
                raise self.expired
        else:
            if self._others and now >= self._others:
                self._others = None
            self._arm()
            if callable(self._before):
                self._before(number, frame)

    def _wait(self) -> None:
        if self._over.wait(_until(self._deadline)):
            return
        with self._turn:
            if not self._is_main and not self._over.is_set():
                self.has_struck = True
                self._interrupt_thread(ctypes.py_object(self.expired))
        if not self._over.wait(self._grace_s):
            sys.stderr.write(f"claimledger: {one_line(self._sentence)}\n")
            sys.stderr.flush()
            os._exit(BAD_ANSWER)

    def _interrupt_thread(self, error: ctypes.py_object[type[BaseException]] | None) -> None:
        """Raises an exception in the stage's thread at its next step, or takes back one that waits."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), error)


def _until(moment: float) -> float:
    return max(moment - time.monotonic(), 0.001)


def _arm_last_resort() -> None:
    """The one timer that needs no turn of the interpreter; exit status 1."""
    faulthandler.cancel_dump_traceback_later()
    if _watches:
        soonest = min(watch.last_resort for watch in _watches)
        faulthandler.dump_traceback_later(_until(soonest), exit=True, file=_silence)


@contextmanager
def time_limit(seconds: float, stage: str, *, grace_s: float = GRACE_S) -> Iterator[None]:
    """Lets the block run for so many seconds.

    Raises:
        TimeLimitError: it took longer.
    """
    sentence = (
        f"stage {stage} took longer than runner.stage_limit_s, {seconds:g} s, and was stopped; what is "
        "published stays and watermarks do not move. Find the cause or raise the limit, then run again"
    )
    watch = _Watch(seconds, sentence, grace_s)
    try:
        try:
            yield
        finally:
            watch.end()
    except watch.expired as expired:
        raise TimeLimitError(sentence) from expired
    if watch.has_struck:  # the exception got lost, in a callback of C code for example
        raise TimeLimitError(sentence)
