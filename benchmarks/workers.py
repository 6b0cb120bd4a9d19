"""Two workers of a backfill against one, on work that waits: a remote judge that takes its time to answer.

    python -m benchmarks.workers [--units 6] [--delay 2.0]

A judge on loopback answers each request after --delay seconds; each worker asks two at a time. Units of 20
made outputs with two claims each, so a worker needs 20 times the delay for a unit, and hardly any processor.
Prints for one and for two workers the seconds from the judge's first request to its last answer, and those of
the whole command with the start of the workers; the ratio asked for is at least 1.7 of the former.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.audit import ROOT

UNIT = 20
AT_LEAST = 1.7
DAY = "2026-11-01"

CONFIG = """
lake = "lake"

[[sources]]
name = "made"
kind = "files"
path = "outputs.jsonl"
agent = "made"
use_case = "made"

[sources.fields]
id = "id"
produced_at = "at"
prompt = "question"
response = "answer"
contexts = "documents"

[verifier]
backend = "endpoint"
model = "made"

[verifier.endpoint]
url = "{url}"
concurrency = 2

[runner]
unit_outputs = {unit}
together_outputs = 1
threads = 1
"""


class Judge:
    """Says *supported* to everything, after a while."""

    def __init__(self, delay: float) -> None:
        self.answers: list[tuple[float, float]] = []
        """When each request came, and when it was answered."""
        judge = self
        said = json.dumps({"supported": 0.9, "contradicted": 0.05, "insufficient": 0.05})
        reply = {
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20},
        }

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                came = time.monotonic()
                self.rfile.read(int(self.headers["content-length"]))
                time.sleep(delay)
                data = json.dumps(reply).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                judge.answers.append((came, time.monotonic()))

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


def team(folder: Path, units: int, url: str) -> None:
    """A configuration and its outputs."""
    (folder / "claimledger.toml").write_text(CONFIG.format(url=url, unit=UNIT), "utf-8")
    lines = []
    for number in range(units * UNIT):
        answer = f"Case {number} was settled in May. The fee of case {number} was {number} euros."
        record = {
            "id": str(number),
            "at": f"{DAY}T10:00:00Z",
            "question": f"What became of case {number}?",
            "answer": answer,
            "documents": [answer],
        }
        lines.append(json.dumps(record) + "\n")
    (folder / "outputs.jsonl").write_text("".join(lines), "utf-8")


def backfill(units: int, workers: int, delay: float) -> dict[str, Any]:
    """One backfill into a fresh lake."""
    judge = Judge(delay)
    with tempfile.TemporaryDirectory() as name:
        team(Path(name), units, judge.url)
        started = time.monotonic()
        config = f"{name}/claimledger.toml"
        days = ("--from", DAY, "--to", DAY, "--workers", str(workers))
        done = subprocess.run(
            [sys.executable, "-m", "flows.commands.cli", "backfill", *days, "--json", "--config", config],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=dict(os.environ, CLAIMLEDGER_JUDGE_KEY="none", OMP_NUM_THREADS="1"),
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        whole = time.monotonic() - started
    judge.http.shutdown()
    first, last = min(came for came, _ in judge.answers), max(gone for _, gone in judge.answers)
    return {
        "workers": workers,
        "outputs": json.loads(done.stdout)["records_out"],
        "requests": len(judge.answers),
        "judging_s": round(last - first, 1),
        "command_s": round(whole, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=6)
    parser.add_argument("--delay", type=float, default=2.0)
    options = parser.parse_args()
    runs = []
    for workers in (1, 2):
        runs.append(backfill(options.units, workers, options.delay))
        print(json.dumps(runs[-1]), flush=True)
    ratio = runs[0]["judging_s"] / runs[1]["judging_s"]
    verdict = "yes" if ratio >= AT_LEAST else "NO"
    print(f"two workers against one: {ratio:.2f} times, at least {AT_LEAST}: {verdict}")


if __name__ == "__main__":
    main()
