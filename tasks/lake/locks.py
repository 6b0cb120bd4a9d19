"""One writer per lake.

The lock is the kernel's (`flock` on LAKE/.lock), so it ends with the process, also by SIGKILL or a
reboot; what stands in the file only names the holder for people. A holder's name that is left behind is
therefore harmless: whoever gets the kernel's lock may overwrite it, whatever process has that number now.

Inside one process the lock is held by a thread: a second lake on the same folder in another thread waits
like another process would, while commits from the holder's worker threads pass (`held`).

Who waits and is urgent holds LAKE/.waiting shared, so that a holder with long work can see it and give way
between two pieces of it (`give_way`). Meanwhile its run is marked as alive by a lock of its own.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tasks.errors import LakeError
from tasks.files import durable

log = logging.getLogger("claimledger.lock")
NAME = ".lock"
WAITING = ".waiting"
_POLL_S = (0.05, 1.0)
"""First and longest pause between two looks at a lock that somebody holds."""
_LOOK_S = 0.001
"""Who looks whether a sign is held holds it himself for so long at most."""


@dataclass
class _Hold:
    handle: int
    process: int
    thread: int
    depth: int = 1
    is_lost: bool = False
    """Given away, and somebody else has it still."""


_holds: dict[Path, _Hold] = {}
_registry = threading.Lock()


def _forget_in_child() -> None:
    """A forked worker that outlives its parent must not keep the parent's lock alive."""
    global _registry  # noqa: PLW0603 - the parent may have forked while another thread was inside it
    _registry = threading.Lock()
    for hold in _holds.values():
        os.close(hold.handle)
    _holds.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def held(root: Path) -> bool:
    """Whether this process holds the lake's lock; a forked child does not inherit it."""
    with _registry:
        hold = _holds.get(root)
        return hold is not None and hold.process == os.getpid()


@contextmanager
def lock(
    root: Path,
    purpose: str,
    *,
    wait_s: float = 0.0,
    tell: Callable[[str], object] = log.warning,
    is_urgent: bool = True,
) -> Iterator[str | None]:
    """Holds the lake's lock; yields a sentence about the dead holder it replaced, or None.

    Where another writer holds it, `tell` is given one sentence (who, since when, how long this one waits),
    and the first to ask once it is free gets it. A holder that can give way does so for the urgent.

    Raises:
        LakeError: another writer holds it after `wait_s` seconds (named), or the lake cannot be written.
    """
    if _enter_again(root):
        try:
            yield None
        finally:
            _leave(root)
        return
    with durable.touching(root / NAME):
        durable.make_folder(root)
        handle = os.open(root / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    hold = _Hold(handle, os.getpid(), threading.get_ident())
    try:
        _acquire(handle, root, wait_s, tell, is_urgent=is_urgent)
        stale = _read(handle)
        sentence = None
        if stale:
            sentence = f"{root / NAME}: recovered from {_who(stale)}, which ended without releasing it"
            tell(sentence)
        with durable.touching(root / NAME):
            _write(handle, json.dumps(_myself(purpose)).encode())
        with _registry:
            _holds[root] = hold
        try:
            yield sentence
        finally:
            if not hold.is_lost:
                _leave(root)
                # Only a holder that died leaves its name behind; where the disk fails, the kernel's
                # release is enough.
                with suppress(OSError):
                    _write(handle, b"")
    finally:
        os.close(handle)


def _enter_again(root: Path) -> bool:
    with _registry:
        hold = _holds.get(root)
        if hold is None or (hold.process, hold.thread) != (os.getpid(), threading.get_ident()):
            return False
        hold.depth += 1
        return True


def _leave(root: Path) -> None:
    with _registry:
        hold = _holds[root]
        hold.depth -= 1
        if hold.depth == 0:
            del _holds[root]


def _acquire(
    handle: int, root: Path, wait_s: float, tell: Callable[[str], object], *, is_urgent: bool
) -> None:
    start, pause = time.monotonic(), _POLL_S[0]
    with ExitStack() as stack:
        while not _locked(handle, root, fcntl.LOCK_EX):
            waited = time.monotonic() - start
            if waited >= wait_s:
                after = f" after a wait of {_duration(wait_s)}" if wait_s else ""
                raise LakeError(
                    f"{root}: locked by {_who(_read(handle))}{after}; wait until it ends, or stop it, and "
                    "run again"
                )
            if pause == _POLL_S[0]:
                if is_urgent:
                    stack.enter_context(marked(root / WAITING, fcntl.LOCK_SH))
                tell(
                    f"{root}: locked by {_who(_read(handle))}; waiting up to {_duration(wait_s)} for it to "
                    "end"
                )
            time.sleep(min(pause, wait_s - waited))
            pause = min(2 * pause, _POLL_S[1])


@contextmanager
def marked(file: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Holds the kernel's lock on a file as a sign of life, which ends with the process."""
    with durable.touching(file):
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _locked(handle, file.parent, kind):
            time.sleep(_LOOK_S)
        yield
    finally:
        os.close(handle)


def is_marked(file: Path) -> bool:
    """Whether somebody who is alive holds the sign."""
    try:
        handle = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _locked(handle, file.parent, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def is_wanted(root: Path) -> bool:
    """Whether somebody urgent waits for the lake."""
    return is_marked(root / WAITING)


def give_way(root: Path, *, wait_s: float, tell: Callable[[str], object] = log.warning) -> None:
    """Lets everybody urgent have the lake first, and holds it again after them.

    Raises:
        LakeError: somebody still holds it after `wait_s` seconds.
    """
    with _registry:
        hold = _holds.pop(root)
    note = os.pread(hold.handle, 4096, 0)
    _write(hold.handle, b"")
    fcntl.flock(hold.handle, fcntl.LOCK_UN)
    hold.is_lost = True
    pause, start = _POLL_S[0], time.monotonic()
    while is_wanted(root) and time.monotonic() - start < wait_s:
        time.sleep(pause)
        pause = min(2 * pause, _POLL_S[1])
    _acquire(hold.handle, root, wait_s, tell, is_urgent=False)
    _write(hold.handle, note)
    hold.is_lost = False
    with _registry:
        _holds[root] = hold


def _locked(handle: int, root: Path, kind: int) -> bool:
    """Takes the kernel's lock if nobody holds it."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise LakeError(
                f"{root / NAME}: this file system cannot lock files ({error.strerror}); "
                "put the lake on one that can"
            ) from error
        return False
    return True


def holder(root: Path) -> str | None:
    """Who writes to the lake at this moment, in words; None for nobody.

    Raises:
        LakeError: the lake's file system cannot lock files.
    """
    try:
        handle = os.open(root / NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        return None if _locked(handle, root, fcntl.LOCK_SH) else _who(_read(handle))
    finally:
        os.close(handle)


def _myself(purpose: str) -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot_id": _boot_id(),
        "purpose": purpose,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:  # macOS has none; the lock does not depend on it
        return ""


def _read(handle: int) -> dict[str, object]:
    data = os.pread(handle, 4096, 0)
    try:
        value = json.loads(data) if data else {}
    except ValueError:
        return {"purpose": "a writer whose note is damaged"}
    return value if isinstance(value, dict) else {}


def _write(handle: int, data: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, data, 0)


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _who(note: dict[str, object]) -> str:
    if not note:
        return "another process"
    return (
        f"{note.get('purpose')!s:.80} (process {note.get('pid')!s:.20} on {note.get('host')!s:.80} "
        f"since {note.get('since')!s:.40})"
    )
