"""An evidence pack over a quarter: seconds and memory, and its own check by Python's standard library.

    python -m benchmarks.pack --nights 90 --outputs 2222

90 nights of 2,222 answers with 5 claims each are 999,900 verdicts and 1.2 million events. Pack and check run
in processes of their own, whose peak of resident memory is the figure.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import ledger, made_lake
from tasks.lake.store import Lake
from tasks.ledger.parameters import LedgerSettings


def measured(command: list[str]) -> dict[str, object]:
    """Wall seconds and peak MiB of a command, and its last line."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    seconds = round(time.perf_counter() - started, 1)
    last = (done.stdout + done.stderr).strip().splitlines()[-1]
    # A peak below that of an earlier child is not seen: the larger one runs last.
    return {
        "seconds": seconds,
        "peak_mib": max(peak, before) // 1024,
        "status": done.returncode,
        "last": last,
    }


def pack(folder: Path, nights: int) -> None:
    """Makes the pack; in a process of its own."""
    from flows.pack import pack as make
    from tasks.settings import Settings

    first = made_lake.FIRST.date()
    wanted = LedgerSettings(origin="example.com/benchmark", key_folder=str(folder / "keys"))
    settings = Settings().model_copy(update={"ledger": wanted})
    until = first + timedelta(days=nights)
    now = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=2)
    lake = Lake.open(str(folder / "lake"))
    done = make(lake, settings, folder / "pack", first, until, nonce="bench", run_id="0" * 64, now=now)
    print(done.states, done.exceptions)


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nights", type=int, default=90)
    parser.add_argument("--outputs", type=int, default=2222)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/work/pack"))
    parser.add_argument("--only-pack", action="store_true")
    options = parser.parse_args()
    if options.only_pack:
        pack(options.folder, options.nights)
        return
    started = time.perf_counter()
    ledger.made(options.folder, options.nights, options.outputs)
    made_s = time.perf_counter() - started
    given = ["--folder", str(options.folder), "--nights", str(options.nights), "--only-pack"]
    figures = {"made_s": round(made_s), "pack": measured([sys.executable, "-m", "benchmarks.pack", *given])}
    folder = options.folder / "pack"
    figures["check"] = measured([sys.executable, "-I", "-S", str(folder / "check.py")])
    figures["mib"] = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) >> 20
    measures = json.loads((folder / "measures.json").read_bytes())["measures"]
    figures["verdicts"] = next(each["value"] for each in measures if each["name"] == "verdicts.all")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
