"""Deliveries to an endpoint on this machine that fails 10% of the time, by a sender that is killed twice.

    python -m benchmarks.deliver [--events N] [--batch N]

Says events a second (waits after failures included), the share of events that came twice, the sender's peak
memory, and what the reference receiver (`docs/siem/receiver.py`) says of all that was accepted.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.ledger import event_columns
from tasks import ids
from tasks.deliver.outbox import Outbox
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.sending import Sender
from tasks.ledger import canonical, events, keys
from tasks.ledger.log import Log
from tasks.tables import UTC

FAILS = 0.1
APPENDED = 50_000
"""Events of one append, each of which has a checkpoint."""


def made(folder: Path, count: int) -> None:
    """A log of so many verification events."""
    signer = keys.new_signer("example.com/benchmark")
    log = Log.create(folder, "example.com/benchmark", [signer])
    for at in range(0, count, APPENDED):
        columns = event_columns(min(APPENDED, count - at))
        frame = pl.DataFrame(
            {
                "kind": columns["kind"],
                "occurred_at": pl.repeat(1_790_000_000_000_000 + at, columns.height, eager=True).cast(UTC),
                "subject_id": columns["subject_id"],
                "run_id": columns["run_id"],
                "claim_id": columns["claim_id"],
                "event": canonical.encode(columns),
            }
        )
        log.append(frame.cast(events.FRAME), [signer], ids.digest("run", at))  # type: ignore[arg-type]


def send(log: Path, box: Path, url: str, batch: int) -> None:
    """What the child process does: one delivery, to its end or until it is killed."""
    settings = WebhookSettings(
        name="siem",
        kind="cloudevents",
        url=url,
        allow_private=True,
        batch_events=batch,
        attempts=100,
        timeout_s=30,
    )
    cursor = Sender(settings, Log.open(log), Outbox(box)).run()
    print(f"{cursor.next} {cursor.error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        log, box, url = asked.child
        send(Path(log), Path(box), url, asked.batch)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made(folder / "log", asked.events)
        (folder / "box").mkdir()
        for name, value in measured(folder, asked.events, asked.batch).items():
            print(f"{name:32} {value}")


def measured(folder: Path, count: int, batch: int) -> dict[str, Any]:
    """Runs the sender until all is delivered; kills it at a third and at two thirds."""
    draw, accepted, failures = random.Random(1), [0], [0]  # noqa: S311 - no secret
    with (folder / "accepted.jsonl").open("wb") as kept:

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:  # its sender was killed in the middle
                    self.close_connection = True
                    return
                fails = draw.random() < FAILS
                failures[0] += fails
                if not fails:
                    kept.write(body + b"\n")
                    accepted[0] += body.count(b'"specversion"')
                self.send_response(503 if fails else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        start, kills, peak = time.perf_counter(), [count // 3, 2 * count // 3], 0
        while True:
            child = started(folder, url, batch)
            while child.poll() is None:
                peak = max(peak, resident(child.pid))
                if kills and accepted[0] >= kills[0]:
                    kills.pop(0)
                    child.send_signal(signal.SIGKILL)
                time.sleep(0.05)
            if child.returncode == 0:
                break
        seconds = time.perf_counter() - start
        server.shutdown()
    said, size, repeats = witnessed(folder)
    return {
        "events": count,
        "batch": batch,
        "seconds": round(seconds, 1),
        "events a second": round(count / seconds),
        "requests that failed": failures[0],
        "killed": 2 - len(kills),
        "events that came twice": f"{repeats} ({repeats / count:.2%})",
        "peak memory of the sender, MiB": peak >> 20,
        "events without a gap": size,
        "findings of the receiver": said or "none",
        "cores": os.cpu_count(),
    }


def started(folder: Path, url: str, batch: int) -> subprocess.Popen[bytes]:
    """A sender in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.deliver", "--batch", str(batch), "--child"]
    return subprocess.Popen([*command, str(folder / "log"), str(folder / "box"), url])


def resident(process: int) -> int:
    """Bytes in memory; 0 for a process that has ended."""
    try:
        text = Path(f"/proc/{process}/statm").read_text()
    except OSError:
        return 0
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") if text else 0


def witnessed(folder: Path) -> tuple[list[str], int, int]:
    """What the reference receiver finds, how far it is without a gap, and what came twice."""
    file = Path(__file__).resolve().parents[1] / "docs" / "siem" / "receiver.py"
    spec = importlib.util.spec_from_file_location("receiver", file)
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    witness = reference.Witness(":memory:")
    said: list[str] = []
    for line in (folder / "accepted.jsonl").open("rb"):
        for event in json.loads(line):
            said += witness.take(event["data"])
    return said[:10], witness.size, witness.repeats


if __name__ == "__main__":
    main()
