"""What the ledger costs, each figure beside the bare work it cannot avoid, measured in one run.

    python -m benchmarks.ledger [append] [verify] [proof] [--events N] [--nights N] [--outputs N] [--lake DIR]

append:  canonical bytes, leaf hashes and tree on one core, against bare SHA-256 over the same bytes
verify:  the whole lake with its rows, in this process and in one per core, against the bare work on the same
         files: read, SHA-256 and parse (`bare`); and with SHA-256 once over every event and every row, which
         no check can leave out (`bare_with_contents`)
proof:   one event of --proof-size out of tiles on disk, in milliseconds and bytes

Times are CPU seconds (user and system, with child processes) and wall seconds. Each measure runs in a process
of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import made_lake
from tasks import ids
from tasks.lake.store import Lake
from tasks.ledger import canonical, events, keys, merkle, notes, prove, rows, tiles, verify
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, Note
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.tiles import Tile, Tree

SHORT = {"action": "delivered", "kind": "verification", "policy": "default@1", "verdict": "supported"}
AT_ONCE = 8192
"""Events that are encoded and hashed together, as an append does."""


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """CPU seconds, child processes included; wall seconds; result."""
    cpu, wall = _cpu(), time.perf_counter()
    result = work()
    return _cpu() - cpu, time.perf_counter() - wall, result


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def event_columns(count: int) -> pl.DataFrame:
    """Verification events of realistic size with two passages each, not yet encoded."""
    base = [ids.digest("benchmark", i) for i in range(1000)]
    rng = np.random.default_rng(1)
    fields = events.fields("verification")
    columns: dict[str, Any] = {}
    passage = pl.DataFrame(
        {
            "commitment": pl.Series(base).gather(rng.integers(0, 1000, 2 * count)),
            "p_contradicted_u6": rng.integers(0, 10**6, 2 * count),
            "p_insufficient_u6": rng.integers(0, 10**6, 2 * count),
            "p_supported_u6": rng.integers(0, 10**6, 2 * count),
            "rank": np.tile([0, 1], count),
        }
    ).to_struct("passage")
    pairs = pl.DataFrame({"at": np.repeat(np.arange(count), 2), "p": passage})
    columns["evidence"] = pairs.group_by("at", maintain_order=True).agg("p")["p"]
    for name, dtype in fields.items():
        if name == "evidence":
            continue
        if name in SHORT:
            columns[name] = pl.repeat(SHORT[name], count, eager=True)
        elif dtype == pl.String:
            columns[name] = pl.Series(base).gather(rng.integers(0, 1000, count))
        elif dtype == pl.Boolean:
            columns[name] = rng.integers(0, 2, count).astype(bool)
        else:
            columns[name] = rng.integers(0, 10**15, count)
    return pl.DataFrame({name: columns[name] for name in fields})


def append(count: int) -> dict[str, float]:
    """Canonical bytes, leaf hashes and tree of `count` events on one core."""
    frame = event_columns(count)
    tree = Tree()

    def work() -> list[bytes]:
        entries: list[bytes] = []
        for part in frame.iter_slices(AT_ONCE):
            entries = canonical.encode(part).to_list()
            tree.extend(merkle.leaf_hashes(entries))
        return entries

    def bare() -> None:
        for part in parts:
            for entry in part:
                hashlib.sha256(entry).digest()

    work()
    tree = Tree()
    total_s, _, _ = timed(work)
    encode_s, _, _ = timed(lambda: [canonical.encode(part) for part in frame.iter_slices(AT_ONCE)])
    parts = [canonical.encode(part).to_list() for part in frame.iter_slices(AT_ONCE)]
    bare_s, _, _ = timed(bare)
    return {
        "events": count,
        "bytes_per_event": sum(len(entry) for part in parts for entry in part) / count,
        "cpu_s": total_s,
        "of_which_encode_cpu_s": encode_s,
        "events_per_cpu_s": count / total_s,
        "bare_sha256_cpu_s": bare_s,
        "times_bare_sha256": total_s / bare_s,
        "threads": pl.thread_pool_size(),
    }


def made(folder: Path, nights: int, outputs: int) -> tuple[Lake, LedgerSettings]:
    """The lake in a folder, made there if it is not there yet."""
    lake = Lake.open(f"{folder}/lake")
    wanted = LedgerSettings(origin="example.com/benchmark", key_folder=str(folder / "keys"))
    if not (lake.root / "ledger").exists():
        maker = made_lake.Maker()
        for number in range(nights):
            cpu, _, appended = timed(lambda: made_lake.night(lake, wanted, maker, number, outputs))  # noqa: B023
            print(f"night {number}: {appended} events, {cpu:.1f} CPU s with their tables", file=sys.stderr)
    return lake, wanted


def bare(lake: Lake) -> dict[str, float]:
    """Read, hash and parse every Parquet file of the lake; then the same with its contents hashed."""
    files = sorted(lake.root.rglob("*.parquet"))

    def read() -> None:
        for path in files:
            data = path.read_bytes()
            hashlib.sha256(data).digest()
            pl.read_parquet(data)

    def contents() -> None:
        sha256 = hashlib.sha256
        for path in files:
            data = path.read_bytes()
            sha256(data).digest()
            frame = pl.read_parquet(data)
            if "event" in frame.columns:
                for part in frame.select("event").iter_slices(AT_ONCE):
                    for event in part["event"].to_list():
                        sha256(event).digest()
            elif path.parent.parent.name in BOUND:
                bound = events.bound_columns(path.parent.parent.name)
                rows.digests(frame, bound)

    cpu, wall, _ = timed(read)
    full_cpu, full_wall, _ = timed(contents)
    return {
        "bare_cpu_s": cpu,
        "bare_wall_s": wall,
        "bare_with_contents_cpu_s": full_cpu,
        "bare_with_contents_wall_s": full_wall,
    }


BOUND = ("verdicts", "claims", "evidence", "passages", "actions", "outputs", "findings", "reviews", "runs")


def verification(lake: Lake, wanted: LedgerSettings, workers: int) -> dict[str, float]:
    """A full check, with its peak memory: of this process, and of the largest of the others."""
    cpu, wall, found = timed(lambda: verify.verify(lake, wanted, workers=workers))
    if found.findings:
        raise SystemExit(f"the lake does not verify: {found.findings[:3]}")
    return {
        "events": found.size,
        "bound_rows": sum(found.references.values()),
        "workers": workers,
        "cpu_s": cpu,
        "wall_s": wall,
        "events_per_wall_s": found.size / wall,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "peak_memory_of_a_worker_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def proof(size: int) -> dict[str, float]:
    """One event of a log of `size`, out of tiles on disk."""
    signer = keys.new_signer("example.com/benchmark")
    event = canonical.encode(event_columns(1).with_columns(_schema=pl.lit(events.schema_id("verification"))))[
        0
    ]
    index = size // 3
    with tempfile.TemporaryDirectory() as name:
        folder, tree = Path(name), Tree()

        def write(tile: Tile, data: bytes) -> None:
            path = folder / tile.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

        first = index // 256 * 256
        bundle = [event if i == index else str(i).encode() for i in range(first, first + 256)]
        write(Tile(tiles.ENTRIES, index // 256), tiles.bundle(bundle))
        for start in range(0, size, 2**18):
            stop = min(start + 2**18, size)
            entries = [event if i == index else str(i).encode() for i in range(start, stop)]
            for tile, data in tree.extend(merkle.leaf_hashes(entries)):
                write(tile, data)
        for tile, data in tree.partial():
            write(tile, data)
        text = notes.checkpoint_text("example.com/benchmark", size, tree.root())
        note = Note(text, (notes.sign(text, signer.public, signer.sign),))
        log = Log(folder, "example.com/benchmark", Checkpoint.parse(note))
        prove.prove_index(log, index)
        _, wall, made = timed(lambda: [prove.prove_index(log, index) for _ in range(20)])
        whole = notes.Proof.parse(made[0])
        bare = str(notes.Proof(whole.index, whole.path, whole.checkpoint))
        return {
            "size": size,
            "proof_ms": wall / 20 * 1000,
            "proof_bytes": len(bare.encode()),
            "file_bytes_with_event": len(made[0].encode()),
            "event_bytes": len(event),
        }


def alone(measure: str, options: argparse.Namespace, **environment: str) -> dict[str, float]:
    """A measure in a process of its own."""
    command = [sys.executable, __file__, "--only", measure, "--lake", str(options.lake)]
    for name in ("events", "nights", "outputs", "proof_size"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def one(measure: str, options: argparse.Namespace) -> dict[str, float]:
    """What `alone` runs."""
    if measure == "append":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        return append(options.events)
    if measure == "proof":
        return proof(options.proof_size)
    lake, wanted = made(options.lake, options.nights, options.outputs)
    if measure == "bare":
        return bare(lake)
    return verification(lake, wanted, int(measure.removeprefix("verify-")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", help="append, verify, proof; all of them by default")
    parser.add_argument("--events", type=int, default=200_000, help="of append")
    parser.add_argument("--nights", type=int, default=6, help="of verify: 48 of 3,500 are 1,000,000 events")
    parser.add_argument("--outputs", type=int, default=3_500, help="of verify, a night: six events each")
    parser.add_argument("--lake", type=Path, help="folder to keep the made lake in, and to find it again")
    parser.add_argument("--proof-size", type=int, default=10_000_000)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(one(options.only, options)))
        return
    what = options.what or ["append", "verify", "proof"]
    found: dict[str, dict[str, Any]] = {
        "machine": {
            "python": platform.python_version(),
            "cpu": platform.processor() or platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "load": os.getloadavg()[0],
        }
    }
    with tempfile.TemporaryDirectory() as scratch:
        options.lake = options.lake or Path(scratch)
        if "append" in what:
            found["append"] = alone("append", options, POLARS_MAX_THREADS="1")
        if "verify" in what:
            made(options.lake, options.nights, options.outputs)
            cores = len(os.sched_getaffinity(0))
            before = alone("bare", options)
            found["verify, one process"] = alone("verify-1", options)
            found[f"verify, {cores} processes"] = alone(f"verify-{cores}", options)
            after = alone("bare", options)
            found["bare"] = {name: (before[name] + after[name]) / 2 for name in before}
            for name in ("verify, one process", f"verify, {cores} processes"):
                for clock in ("cpu", "wall"):
                    for base in ("bare", "bare_with_contents"):
                        ratio = found[name][f"{clock}_s"] / found["bare"][f"{base}_{clock}_s"]
                        found[name][f"times_{base}_{clock}"] = ratio
        if "proof" in what:
            found["proof"] = alone("proof", options)
    for name, figures in found.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:34} {value if isinstance(value, str) else f'{value:,.3f}'}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
