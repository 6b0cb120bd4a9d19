"""A process that has imported the product and forks a child for each command, which so need not import it.

The child is a process of its own, which may be killed, may find the disk full or a write torn, at the nth
call that changes a file below a folder:

    before    SIGKILL before the call
    after     SIGKILL after it (of calls that are made in Python: write, fsync)
    half      a write of half the bytes, then SIGKILL
    ENOSPC …  the call fails with that error, once
    full      the disk is full: what makes or lengthens a file fails with ENOSPC from there on

Its clock may be moved in the middle of what it does, by hours, as one that is set right is.

The parent runs nothing itself: a thread pool would not survive the fork. What native code writes (Parquet,
before it is renamed) is not counted; `test_store_crashes.py` kills there by strace.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

IMPORTS = (
    "flows.commands.cli",
    "flows.audit",
    "flows.run",
    "flows.backfill",
    "flows.units",
    "tasks.gate.great_expectations",
    "tasks.verify.network",
    "sentence_transformers",
    "faiss",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
GROWS = ("open", "os.mkdir", "os.link", "write")
"""Of these, what takes room."""
NAMESPACE = ("unshare", "--map-root-user", "--mount")
MOUNT = 'mount -t tmpfs -o size={}m tmpfs "$0" && exec "$@"'


def has_namespaces() -> bool:
    """Whether this machine lets a user mount a disk that only the user's processes see."""
    try:
        return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit status (-9 where it was killed), its words, calls that changed a file."""

    code: int
    out: str
    err: str
    calls: int
    cpu_s: float
    peak_mib: float


class Nursery:
    """The process that forks; a context manager.

    Args:
        disk: a folder that is a disk of its own for it and its children, of so many MiB; others find it by
            `seen`. Needs the right to namespaces (`has_namespaces`).
    """

    def __init__(self, disk: tuple[Path, int] | None = None) -> None:
        self._prefix = [] if disk is None else [*NAMESPACE, "sh", "-c", MOUNT.format(disk[1]), str(disk[0])]

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [*self._prefix, sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def seen(self, path: Path) -> Path:
        """A path of the process as others reach it."""
        return Path(f"/proc/{self._process.pid}/root{path}")

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(
        self,
        *arguments: str,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        fault: tuple[int, str] | None = None,
        point: tuple[str, str, bool] | None = None,
        kill_after_s: float | None = None,
        clock: tuple[str, str, float] | None = None,
        fills: tuple[str, str, int, str] | None = None,
        twice: tuple[str, str] | None = None,
    ) -> Ended:
        """The console command, in a child.

        Args:
            fault: the number of a call that changes a file below `cwd`, and what happens there.
            point: module, function, and whether the child dies after it instead of before.
            kill_after_s: SIGKILL at that time after the fork, in seconds.
            clock: module and function, and the hours by which the clock moves when that is first called.
            fills: module and function, and a file that takes all room left when that is called the nth time.
            twice: module and function that is called again with the same arguments at each of its calls, as a
                task is whose answer was lost; the first answer is thrown away.
        """
        request = {
            "arguments": arguments,
            "cwd": str(cwd),
            "environment": dict(environment or {}),
            "fault": fault,
            "point": point,
            "kill_after_s": kill_after_s,
            "clock": clock,
            "fills": fills,
            "twice": twice,
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


class Faults:
    """Counts the calls of this process that change a file below a folder, and disturbs one of them."""

    def __init__(self, folder: Path, at: int | None, mode: str, tally: Path) -> None:
        self._below, self._at, self._mode = str(folder), at, mode
        self._tally = os.open(tally, os.O_WRONLY | os.O_CREAT)
        self._real_write = os.write
        self.calls = 0

    def install(self) -> None:
        """From here on; it cannot be taken off again."""
        os.write = self._watched(os.write)
        os.fsync = self._watched(os.fsync)
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_change = event in CHANGES or (event == "open" and bool((arguments[2] or 0) & WRITING))
        if is_change and self._is_below(arguments[0]) and self._is_reached(event):
            self._disturb()

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(handle: int, *arguments: Any) -> Any:
            if not self._is_below(f"/proc/self/fd/{handle}") or not self._is_reached(real.__name__):
                return real(handle, *arguments)
            if self._mode == "half" and arguments:
                real(handle, bytes(arguments[0])[: len(arguments[0]) // 2])
            elif self._mode == "after":
                real(handle, *arguments)
            self._disturb()
            return real(handle, *arguments)

        return call

    def _is_below(self, path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        text = os.fsdecode(path)
        if text.startswith("/proc/self/fd/"):
            text = os.readlink(text)  # noqa: PTH115 - an audit hook keeps to the plain calls
        return os.path.abspath(text).startswith(self._below)  # noqa: PTH100

    def _is_reached(self, what: str) -> bool:
        self.calls += 1
        os.pwrite(self._tally, str(self.calls).encode(), 0)
        if self._mode == "full":
            return self._at is not None and self.calls > self._at and what in GROWS
        return self.calls - 1 == self._at

    def _disturb(self) -> None:
        number = errno.ENOSPC if self._mode == "full" else getattr(errno, self._mode, None)
        if number is None:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise OSError(number, os.strerror(number))


def serve() -> None:
    """Answers each line of standard input, a request of `Nursery.run`, with a line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in IMPORTS:
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    folder = Path(request["cwd"])
    files = {name: folder / f".child-{name}" for name in ("out", "err", "calls")}
    for file in files.values():
        file.write_bytes(b"")
    child = os.fork()
    if child == 0:
        try:
            os._exit(_live(request, folder, files))
        finally:
            os._exit(99)
    status, usage = _wait(child, request["kill_after_s"])
    texts = {name: file.read_text("utf-8", "replace") for name, file in files.items()}
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": texts["out"],
        "err": texts["err"],
        "calls": int(texts["calls"] or 0),
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def _wait(child: int, kill_after_s: float | None) -> tuple[int, Any]:
    if kill_after_s is not None:
        until = time.monotonic() + kill_after_s
        while time.monotonic() < until:
            ended, status, usage = os.wait4(child, os.WNOHANG)
            if ended:
                return status, usage
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return status, usage


def _live(request: dict[str, Any], folder: Path, files: Mapping[str, Path]) -> int:
    """In the child: the command, disturbed as asked; its exit status."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(files[name], os.O_WRONLY), number)
    os.environ.update(request["environment"])
    os.chdir(folder)
    if request["point"]:
        _die_at(*request["point"])
    if request["clock"]:
        _move_clock_at(*request["clock"])
    if request["fills"]:
        _fill_at(*request["fills"])
    if request["twice"]:
        _call_twice(*request["twice"])
    at, mode = request["fault"] or (None, "")
    Faults(folder / "lake", at, mode, files["calls"]).install()
    main = importlib.import_module("flows.commands.cli").main
    try:
        return int(main(list(request["arguments"])))
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _die_at(module: str, name: str, after: bool) -> None:
    """The process ends on the spot before or after a function, of a module or of a `module:attribute`."""
    place, function = _found(module, name)

    def call(*arguments: Any, **options: Any) -> None:
        if after:
            function(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, call)


def _found(module: str, name: str) -> tuple[Any, Callable[..., Any]]:
    path, _, attribute = module.partition(":")
    place = importlib.import_module(path)
    place = getattr(place, attribute) if attribute else place
    return place, getattr(place, name)


def _fill_at(module: str, name: str, number: int, file: str) -> None:
    """A file takes what room is left on its disk when a function is called for the nth time."""
    place, function = _found(module, name)
    calls = []

    def call(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        if len(calls) == number:
            size = 2**20
            with Path(file).open("wb", buffering=0) as filler:
                while size:
                    try:
                        filler.write(bytes(size))
                    except OSError:
                        size //= 2
        return function(*arguments, **options)

    setattr(place, name, call)


def _call_twice(module: str, name: str) -> None:
    """A function is called once more at each of its calls; what it answered first is thrown away."""
    place, function = _found(module, name)

    def call(*arguments: Any, **options: Any) -> Any:
        function(*arguments, **options)
        return function(*arguments, **options)

    setattr(place, name, call)


class _AnyMoment(type):
    """Moments made before the clock was replaced are moments."""

    def __instancecheck__(cls, other: object) -> bool:
        return isinstance(other, datetime)


class Moving(datetime, metaclass=_AnyMoment):
    """In the product's modules, in place of `datetime`: its clock may be moved."""

    by = timedelta()

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        return datetime(*arguments, **options)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + cls.by


def _move_clock_at(module: str, name: str, hours: float) -> None:
    """The clock of this process, as the product's modules and `time.time` read it, moves at a call."""
    place, function = _found(module, name)
    seconds = time.time

    def call(*arguments: Any, **options: Any) -> Any:
        Moving.by = timedelta(hours=hours)
        return function(*arguments, **options)

    setattr(place, name, call)
    time.time = lambda: seconds() + Moving.by.total_seconds()
    for each in list(sys.modules.values()):
        if each.__name__.startswith(("flows.", "tasks.")) and vars(each).get("datetime") is datetime:
            vars(each)["datetime"] = Moving


if __name__ == "__main__":
    serve()
