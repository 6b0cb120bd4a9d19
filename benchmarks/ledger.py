"""What the ledger costs, each figure beside the bare work it cannot avoid, measured in one run.

    python benchmarks/ledger.py [--events 200000] [--rows 20000] [--proof-size 10000000]

append:  canonical bytes, leaf hashes and tree, against bare SHA-256 over the same bytes
verify:  the whole lake with its rows, against reading its Parquet and hashing the files
proof:   one event of --proof-size out of tiles on disk, in milliseconds and bytes
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks import keys, ledger_proofs, ledger_verify
from tasks.log import Log
from tasks.pure import canonical, events, ids, merkle, notes, tiles
from tasks.pure.notes import Checkpoint, Note
from tasks.pure.tiles import Tile, Tree
from tasks.store import Lake

SHORT = {"action": "delivered", "kind": "verification", "policy": "default@1", "verdict": "supported"}


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """CPU seconds, wall seconds, result."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return time.process_time() - cpu, time.perf_counter() - wall, result


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
    encode_s, _, encoded = timed(lambda: canonical.encode(frame).to_list())
    bare_s, _, _ = timed(lambda: [hashlib.sha256(entry).digest() for entry in encoded])
    leaves_s, _, leaves = timed(lambda: merkle.leaf_hashes(encoded))
    tree_s, _, _ = timed(lambda: Tree().extend(leaves))
    total = encode_s + leaves_s + tree_s
    return {
        "events": count,
        "bytes_per_event": sum(map(len, encoded)) / count,
        "encode_cpu_s": encode_s,
        "leaf_hash_cpu_s": leaves_s,
        "tree_cpu_s": tree_s,
        "events_per_cpu_s": count / total,
        "bare_sha256_cpu_s": bare_s,
        "times_bare_sha256": total / bare_s,
    }


def verify(outputs: int) -> dict[str, float]:
    """A lake of `outputs` answers with five claims of two passages each, recorded and verified."""
    from tests import ledger_lake

    with tempfile.TemporaryDirectory() as folder:
        lake, wanted = Lake.open(f"{folder}/lake"), ledger_lake.settings(Path(folder))
        record_cpu, record_wall, _ = timed(
            lambda: ledger_lake.night(lake, wanted, 0, outputs=outputs, claims=5)
        )
        files = list(lake.root.rglob("*.parquet"))

        def bare() -> None:
            for path in files:
                hashlib.sha256(path.read_bytes()).digest()
                pl.read_parquet(path)

        bare_cpu, bare_wall, _ = timed(bare)
        cpu, wall, found = timed(lambda: ledger_verify.verify(lake, wanted))
        assert found.findings == [], found.findings[:3]
        return {
            "events": found.size,
            "rows": sum(found.rows.values()),
            "night_with_tables_wall_s": record_wall,
            "night_with_tables_cpu_s": record_cpu,
            "verify_cpu_s": cpu,
            "verify_wall_s": wall,
            "events_per_wall_s": found.size / wall,
            "read_and_hash_cpu_s": bare_cpu,
            "read_and_hash_wall_s": bare_wall,
            "times_read_and_hash_wall": wall / bare_wall,
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
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
        ledger_proofs.prove_index(log, index)
        _, wall, made = timed(lambda: [ledger_proofs.prove_index(log, index) for _ in range(20)])
        whole = notes.Proof.parse(made[0])
        bare = str(notes.Proof(whole.index, whole.path, whole.checkpoint))
        return {
            "size": size,
            "proof_ms": wall / 20 * 1000,
            "proof_bytes": len(bare.encode()),
            "file_bytes_with_event": len(made[0].encode()),
            "event_bytes": len(event),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--outputs", type=int, default=4_000)
    parser.add_argument("--proof-size", type=int, default=10_000_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {
        "machine": {"python": platform.python_version(), "cpu": platform.processor() or platform.machine()},
        "append": append(options.events),
        "verify": verify(options.outputs),
        "proof": proof(options.proof_size),
    }
    for name, figures in found.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:28} {value if isinstance(value, str) else f'{value:,.3f}'}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
