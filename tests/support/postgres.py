"""A PostgreSQL server of a test's own, on loopback, as an unprivileged user; and a wire that can be cut."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.servers import free_port

_PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt/postgresql")


def _commands() -> Path:
    found = [path for place in _PLACES for path in sorted(Path(place).glob("**/bin/initdb"))]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path))
    if not found:
        pytest.skip("PostgreSQL's initdb is not installed; `apt-get install postgresql` brings it")
    return found[0].parent


@contextmanager
def postgres() -> Iterator[int]:
    """The port of a running server; user `reader` and database `postgres`, no password on loopback."""
    commands, port = _commands(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="claimledger-postgres-", dir="/tmp"))
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        account = next((name for name in ("postgres", "nobody") if _exists(name)), None)
        if account is None:
            pytest.skip("running as root, and there is no unprivileged user to start PostgreSQL as")
        user = {"user": account}
        shutil.chown(folder, account)
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    data = folder / "data"
    try:
        subprocess.run(
            [commands / "initdb", "-D", data, "-U", "reader", "-A", "trust", "-E", "UTF8", "-N"],
            env=env, cwd=folder, check=True, capture_output=True, **user,
        )  # type: ignore[call-overload]  # fmt: skip
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        control = [commands / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
        subprocess.run([*control, "-o", options, "start"], env=env, cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, **user)  # type: ignore[call-overload]  # fmt: skip
        try:
            yield port
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], env=env, cwd=folder, check=False,
                           stdout=subprocess.DEVNULL, **user)  # type: ignore[call-overload]  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


class Wire:
    """Passes a connection on to a port, and cuts it after so many bytes of answers."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cuts: list[int] = []
        """Bytes after which each of the next connections is cut; those behind are whole."""
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for end in self._ends:
            _shut(end)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            left = self.cuts.pop(0) if self.cuts else None
            self._ends += [near, far]
            for args in ((near, far, None), (far, near, left)):
                thread = threading.Thread(target=self._pass, args=args)
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket, left: int | None) -> None:
        try:
            while block := source.recv(4096):
                if left is not None:
                    left -= len(block)
                    if left < 0:
                        break
                target.sendall(block)
        except OSError:
            pass
        for end in (source, target):
            _shut(end)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
