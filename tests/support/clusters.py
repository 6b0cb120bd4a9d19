"""Real clusters of Dask and Ray on loopback, each in processes of its own that a test may kill."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
START_S = 60.0


@dataclass
class Cluster:
    """Where it answers, and its processes."""

    address: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, *command: str, code: Path = REPOSITORY) -> subprocess.Popen[bytes]:
        """A process whose claimledger is the one of a folder, in a group of its own."""
        environment = os.environ | {"PYTHONPATH": str(code), "RAY_USAGE_STATS_ENABLED": "0"}
        log = (self.folder / f"process-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self.processes.append(process)
        return process

    def dask_worker(self, code: Path = REPOSITORY) -> subprocess.Popen[bytes]:
        """One more worker, in one process."""
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        return self.begin("-m", "distributed.cli.dask_worker", self.address, *options, code=code)

    def end(self) -> None:
        """Ends every process, and what it started."""
        for process in reversed(self.processes):
            try:
                family = psutil.Process(process.pid).children(recursive=True)
            except psutil.NoSuchProcess:
                family = []
            for each in family:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            process.kill()
            process.wait()


@contextmanager
def dask(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """A scheduler and workers."""
    port = _free_port()
    cluster = Cluster(f"tcp://127.0.0.1:{port}", folder)
    try:
        options = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        cluster.begin("-m", "distributed.cli.dask_scheduler", *options)
        _reached(port)
        for _ in range(workers):
            cluster.dask_worker()
        yield cluster
    finally:
        cluster.end()


@contextmanager
def ray(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """A head with room for so many actors."""
    port = _free_port()
    cluster = Cluster(f"tcp://127.0.0.1:{port}", folder)
    start = "import sys; from ray.scripts.scripts import main; sys.exit(main())"
    options = ("--head", "--block", "--port", str(port), "--node-ip-address", "127.0.0.1")
    limits = ("--num-cpus", str(workers), "--object-store-memory", "80000000")
    # Ray's sockets have room for a path of 107 bytes, which pytest's folders may use up.
    scratch = tempfile.mkdtemp(prefix="ray")
    quiet = ("--include-dashboard=false", "--disable-usage-stats", "--temp-dir", scratch)
    try:
        head = cluster.begin("-c", start, "start", *options, *limits, *quiet)
        log = folder / "process-0.log"
        _until(lambda: b"Ray runtime started" in log.read_bytes() or head.poll() is not None)
        assert head.poll() is None, log.read_text()
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(scratch, ignore_errors=True)


def judging_actors(cluster: Cluster) -> list[psutil.Process]:
    """Ray's processes that are in a call at this moment."""
    family = psutil.Process(cluster.processes[0].pid).children(recursive=True)
    busy = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            if process.cmdline()[:1] == ["ray::Seat.call"]:
                busy.append(process)
    return busy


def kill(process_id: int) -> None:
    """As a machine that goes away does."""
    os.kill(process_id, signal.SIGKILL)


def _reached(port: int) -> None:
    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    _until(answers)


def _until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < end, "the cluster did not start"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
