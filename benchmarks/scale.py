"""Unit costs of a night: real audits of made outputs in several sizes: processor seconds, memory, bytes.

    python -m benchmarks.scale -o FILE.jsonl [--outputs 100 200] [--verifier default|small]
    python -m benchmarks.scale -o FILE.jsonl --lake LAKE --processor-s SECONDS

The outputs are the bundled sample's, copied with a case number in every sentence so that no copy is answered
from a cache, all of one UTC day. Each size is one `claimledger audit` into a fresh lake, in a process of its
own, with one thread; publishing, which one process must do for all workers, is told apart. `small` is the
verifier of the tests: the same code with a network of a few thousand weights, which tells what everything but
the verifier costs. Adds a line a run to FILE, for `scale_model`. The second form takes rows and bytes of a
lake that one audit made, and the processor seconds that somebody measured of it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.audit import ROOT, copies, only_avx2

DAY = "2026-11-01"

AUDIT = """
import json, resource, sys, time
started, begun = time.perf_counter(), time.process_time()
from flows.commands import cli
from tasks.judge import judge
publish, publishing = judge.publish, []
def timed(*arguments):
    begun = time.process_time()
    try:
        return publish(*arguments)
    finally:
        publishing.append(time.process_time() - begun)
judge.publish = timed
code = cli.main(sys.argv[1:])
measured = {"code": code, "clock_s": round(time.perf_counter() - started, 1),
            "processor_s": round(time.process_time() - begun, 2),
            "publishing_s": round(sum(publishing), 2),
            "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)}
print(json.dumps(measured), file=sys.stderr)
"""


def of_one_day(folder: Path, count: int) -> Path:
    """A configuration over `count` made outputs that were all produced on one day."""
    config = copies(folder, count)
    path = folder / "outputs.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as out:
        for record in records:
            record["timestamp"] = DAY + record["timestamp"][len(DAY) :]
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
    return config


def environment(verifier: str) -> dict[str, str]:
    """Of the audit's process: one thread, and the verifier."""
    chosen = dict(os.environ, OMP_NUM_THREADS="1", POLARS_MAX_THREADS="1", CLAIMLEDGER__RUNNER__THREADS="1")
    if verifier == "small":
        from tests.support.small_verifier import small_verifier

        chosen["CLAIMLEDGER__VERIFIER__MODEL"] = small_verifier().model
    return chosen


def audited(count: int, verifier: str) -> dict[str, Any]:
    """One audit: what it took, and what it left in the lake."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, lake = of_one_day(folder, count), folder / "lake"
        arguments = ("audit", "--quiet", "--config", str(config), "--lake", str(lake))
        done = subprocess.run(
            [sys.executable, "-c", AUDIT, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=environment(verifier),
        )
        measured = json.loads(done.stderr.strip().splitlines()[-1])
        if measured["code"] not in (0, 1):  # 1: done, and the answer is bad
            raise SystemExit(done.stderr)
        return {"outputs": count, "verifier": verifier, **measured, **left(lake)}


def left(lake: Path) -> dict[str, Any]:
    """Rows and bytes of the lake, by table and place."""
    tables = {place.name: place for place in sorted((lake / "tables").iterdir())}
    rows = {
        table: pl.scan_parquet(place / "**/*.parquet").select(pl.len()).collect().item()
        for table, place in tables.items()
        if any(place.rglob("*.parquet"))
    }
    places = [place for place in sorted(lake.iterdir()) if place.is_dir() and place.name != "tables"]
    return {
        "rows": rows,
        "table_bytes": {table: size(place) for table, place in tables.items()},
        "place_bytes": {place.name: size(place) for place in places},
    }


def size(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def record(out: Path, run: dict[str, Any]) -> None:
    """Adds a line to the file and shows it."""
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")
    print(json.dumps(run), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--outputs", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--verifier", choices=["default", "small"], default="default")
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--processor-s", type=float)
    options = parser.parse_args()
    if options.lake:
        found = left(options.lake)
        run = {"outputs": found["rows"]["outputs"], "verifier": options.verifier, **found}
        record(options.out, {**run, "processor_s": options.processor_s})
        return
    for count in options.outputs:
        run = {
            "processor": "AVX2 only" if only_avx2() else "newer than AVX2",
            **audited(count, options.verifier),
        }
        record(options.out, run)


if __name__ == "__main__":
    main()
