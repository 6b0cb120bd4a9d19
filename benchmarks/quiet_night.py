"""A night with nothing new on a lake of a year of days: seconds by stage, against a limit.

    python -m benchmarks.quiet_night [--lake DIR] [--nights 365] [--verdicts 1000000] [--repeat 2] [--verify]

The lake is made of nights with five verdicts for each output (`made_lake.py`) and is kept where --lake says.
A first audit reads five answers of a file; the nights measured after it find nothing new. Each is a process
of its own (`claimledger audit`), so that its start is in its time, as under a scheduler. `bare` reads and
hashes every file of the lake, which each night's verification cannot leave out. `cpu` is what a night takes
of processors, which other work on the machine does not change much.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import made_lake
from tasks import starter
from tasks.lake.store import Lake
from tasks.ledger import verify
from tasks.ledger.parameters import LedgerSettings

KEY_FOLDER = "keys"


def made(folder: Path, nights: int, verdicts: int) -> Lake:
    """The lake in a folder; made if it is not there yet."""
    lake = Lake.open(str(folder / "lake"))
    wanted = LedgerSettings(origin="example.com/benchmark", key_folder=str(folder / KEY_FOLDER))
    done = len(lake.days("runs"))
    setattr(os, "fsync", int)  # noqa: B010 - a made lake need not survive a power cut
    maker = made_lake.Maker(seed=done + 1)
    for number in range(done, nights):
        made_lake.night(lake, wanted, maker, number, verdicts // nights // made_lake.CLAIMS)
        print(f"\rnight {number + 1} of {nights}", end="", file=sys.stderr, flush=True)
    return lake


def configured(folder: Path) -> Path:
    """A configuration with five answers to read, the lake and its ledger."""
    if not (folder / "claimledger.toml").exists():
        starter.write_starter(folder, from_source=None, path=None)
    path = folder / "claimledger.toml"
    text = path.read_text("utf-8")
    if "example.com/benchmark" not in text:
        ledger = f'[ledger]\norigin = "example.com/benchmark"\nkey_folder = "{folder / KEY_FOLDER}"\n'
        text = re.sub(r"(?m)^(# *)?\[ledger\]\n", ledger, text, count=1)
        path.write_text(text, "utf-8")
    return path


def bare(lake: Lake) -> tuple[int, float]:
    """Bytes of tables, ledger and manifests, and the seconds that reading and hashing them takes."""
    begun, size = time.perf_counter(), 0
    for name in ("tables", "ledger", "runs"):
        for path in (lake.root / name).rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    hashlib.file_digest(file, "sha256")
                size += path.stat().st_size
    return size, time.perf_counter() - begun


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def night(config: Path) -> tuple[float, float, str]:
    """Seconds of one audit, by the clock and of processors, and what it said."""
    begun, cpu = time.perf_counter(), _cpu()
    done = subprocess.run(
        [sys.executable, "-m", "flows.commands.cli", "audit", "--config", str(config), "--verbose"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return time.perf_counter() - begun, _cpu() - cpu, done.stdout + done.stderr


def checks(lake: Lake, folder: Path) -> dict[str, float]:
    """Seconds of the incremental and of the whole verification."""
    wanted = LedgerSettings(origin="example.com/benchmark", key_folder=str(folder / KEY_FOLDER))
    seconds = {}
    for name, incremental in (("whole", False), ("incremental", True)):
        begun = time.perf_counter()
        verify.verify(lake, wanted, incremental=incremental).require()
        seconds[name] = time.perf_counter() - begun
    return seconds


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, help="folder to keep the lake in")
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--verdicts", type=int, default=1_000_000)
    parser.add_argument("--limit", type=float, default=20.0)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only-make", action="store_true")
    parser.add_argument("--verify", action="store_true", help="also time the whole verification")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.lake or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        lake = made(folder, options.nights, options.verdicts)
        if options.only_make:
            return
        config = configured(folder)
        first, _, text = night(config)
        nights = [night(config) for _ in range(options.repeat)]
        size, hashed = bare(lake)
        result: dict[str, object] = {
            "bytes": size,
            "bare_s": round(hashed, 2),
            "first_s": round(first, 2),
            "quiet_s": [round(seconds, 2) for seconds, _, _ in nights],
            "quiet_cpu_s": [round(cpu, 2) for _, cpu, _ in nights],
            "limit_s": options.limit,
            "within": min(seconds for seconds, _, _ in nights) < options.limit,
        }
        if options.verify:
            seconds = checks(lake, folder)
            result |= {f"{each}_s": round(took, 2) for each, took in seconds.items()}
            result |= {f"{each}_to_bare": round(took / hashed, 2) for each, took in seconds.items()}
        print(text, *(said for _, _, said in nights), sep="\n", file=sys.stderr)
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
