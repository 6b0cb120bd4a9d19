"""Real servers of other people, each in an environment of its own, made once and kept.

Their pins do not fit into ours, so `requirements-NAME.txt` beside this file names them; the environment is
made by uv (seconds each) below CLAIMLEDGER_TEST_SERVERS or the user's cache, and a test that cannot make it
is skipped with the reason. CLAIMLEDGER_TEST_SERVERS=required makes that a failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STARTS_WITHIN_S = 300


def environment(name: str) -> Path:
    """The folder of commands of the environment of that name."""
    file = HERE / f"requirements-{name}.txt"
    given = os.environ.get("CLAIMLEDGER_TEST_SERVERS", "")
    base = (
        Path(given) if given not in ("", "required") else Path.home() / ".cache" / "claimledger-test-servers"
    )
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    digest = hashlib.sha256(file.read_bytes() + python.encode()).hexdigest()[:12]
    folder = base / f"{name}-{digest}"
    base.mkdir(parents=True, exist_ok=True)
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, file)
            (folder / "made").touch()
    return folder / "bin"


def _make(folder: Path, file: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    steps: Sequence[Sequence[str | Path]] = (
        [uv, "venv", "-q", "--python", sys.executable, folder],
        [uv, "pip", "install", "-q", "--python", folder / "bin" / "python", "-r", file],
    )
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=300, check=False)
            reason = done.stderr.strip().splitlines()[-1:] if done.returncode else None
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = [str(error)]
        if reason is not None:
            said = f"{file.name} could not be installed: {' '.join(reason)}"
            if os.environ.get("CLAIMLEDGER_TEST_SERVERS") == "required":
                pytest.fail(said)
            pytest.skip(said)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], url: str, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A server from when it answers at `url` until the end of the block."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        ) as process,
    ):
        try:
            _wait(process, url, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")
