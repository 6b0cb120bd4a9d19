"""Claim: refusing what parsers disagree on costs little beside parsing, and memory does not grow with a file.

    python -m benchmarks.pull [RECORDS]

Prints records per second of processor time (the machine may be busy) of (1) `polars.read_ndjson`, which keeps
one of duplicate keys and stops at the first bad line, (2) `orjson.loads` a line, (3) the strict reader,
(4) the whole source with mapping and ids, (5) the same with three fields minimised (dropped, hashed,
masked), (6) the pull with staging, and ratios between them; peak memory of (6) at one and two times the size.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

WORDS = ["the", "answer", "given", "by", "agent", "was", "that", "evidence", "of", "every", "42", "Ångström"]
FIELDS = {
    "id": "trace.id",
    "produced_at": "timestamp",
    "prompt": "input.question",
    "response": "output.text",
    "model": "model",
    "contexts": "retrieval.documents",
    "context_text": "content",
    "context_uri": "source",
}
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def generate(path: Path, count: int) -> None:
    """Records of some 2.5 kB with three contexts: the mean of the bundled sample is 5 kB."""
    source = random.Random(7)  # noqa: S311 - made text, no secret
    with path.open("w", encoding="utf-8") as stream:
        for i in range(count):
            text = " ".join(source.choices(WORDS, k=80))
            record = {
                "trace": {"id": f"{i:032x}"},
                "timestamp": (NOW - timedelta(minutes=i % 40_000 + 1)).isoformat(),
                "model": "m",
                "input": {"question": text[:80]},
                "output": {"text": f"{i} {text}"},
                "retrieval": {"documents": [{"content": text, "source": f"https://x/{i}"}] * 3},
                "usage": {"tokens": i, "cost": i / 7},
            }
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def main(count: int) -> None:
    """Measures each reader on the same file."""
    import orjson
    import polars as pl

    from tasks.files.json_records import line_portions
    from tasks.files.limits import LimitSettings
    from tasks.sources import files
    from tasks.sources.base import Scope
    from tasks.sources.minimise import MinimiseSettings
    from tasks.sources.parameters import FieldMapping, FilesSettings

    os.environ["CLAIMLEDGER_SOURCE_S_HASH_KEY"] = "a key of the benchmark"
    minimised = MinimiseSettings(drop=("usage.cost",), hash=("model",), mask=("input.question",))
    fields = FieldMapping(**FIELDS)
    limits = LimitSettings()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        generate(path, count)

        def plain() -> None:
            with path.open("rb") as stream:
                for line in stream:
                    orjson.loads(line)

        def strict() -> None:
            with path.open("rb") as stream:
                assert sum(len(p.records) for p in line_portions(stream, limits)) == count

        def source(**more: Any) -> None:
            wanted = FilesSettings(name="s", path=str(path), **{"fields": fields, **more})
            scope = Scope(limits=limits, marks={}, run_id="0" * 64, now=NOW, work=Path(folder) / "work")
            pulled = files.pull(wanted, scope)
            assert sum(batch.outputs.height for batch in pulled) == count

        steps: dict[str, Callable[[], object]] = {
            "polars.read_ndjson": lambda: pl.read_ndjson(path),
            "orjson.loads": plain,
            "strict reader": strict,
            "source (mapping, ids)": source,
            "source, minimised": lambda: source(minimise=minimised),
        }
        seconds = {}
        for name, step in steps.items():
            times = []
            for _ in range(3):
                begin = time.process_time()
                step()
                times.append(time.process_time() - begin)
            seconds[name] = min(times)
        size = path.stat().st_size
        print(f"{count} records, {size / 2**20:.0f} MiB, best of 3, processor time")
        for name, value in seconds.items():
            ratios = (value / seconds["polars.read_ndjson"], value / seconds["orjson.loads"])
            print(
                f"{name:24s} {count / value:8.0f} records/s {size / value / 2**20:6.0f} MiB/s "
                f"{ratios[0]:6.2f} x the time of read_ndjson, {ratios[1]:6.2f} x of orjson"
            )
    for times_size in (1, 2):
        done = subprocess.run(
            [sys.executable, __file__, "--pull", str(count * times_size)],
            capture_output=True,
            text=True,
            check=True,
        )
        print(done.stdout, end="")


def peak_mib() -> float:
    """Highest resident memory of this process; `ru_maxrss` would inherit the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def pull(count: int) -> None:
    """The pull with staging, in a process of its own for its peak memory."""
    from tasks.lake.store import Lake
    from tasks.settings import Settings
    from tasks.sources.parameters import FieldMapping, FilesSettings
    from tasks.sources.pull import pull_sources

    fields = FieldMapping(**FIELDS)
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder) / "a.jsonl", count)
        settings = Settings(sources=(FilesSettings(name="s", path=f"{folder}/a.jsonl", fields=fields),))
        lake = Lake.open(f"{folder}/lake")
        before = peak_mib()
        begin = time.process_time()
        pulled = pull_sources(
            settings.sources,
            settings.limits,
            lake,
            unit_outputs=settings.runner.unit_outputs,
            retries=0,
            refused_share=0.5,
            run_id="0" * 64,
            now=NOW,
            since=None,
            until=None,
        )
        took = time.process_time() - begin
        peak = peak_mib()
        print(
            f"pull with staging: {pulled.outputs} outputs, {pulled.outputs / took:.0f} records/s, "
            f"peak {peak:.0f} MiB ({peak - before:.0f} above the start)"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pull"]:
        pull(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
