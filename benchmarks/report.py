"""The report's claim: the page's size and time stay bounded while the lake grows.

`python benchmarks/report.py [VERDICTS ...]` (default 10000 1000000) builds a lake of that many verdicts in a
temporary folder, writes the page in a fresh process, and prints size, seconds, and their ratios.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks import report
from tasks.pure import tables
from tasks.pure.tables import TABLES
from tasks.store import Lake

NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)
RUN = "ab" * 32
AGENTS, USE_CASES, DAYS, CLAIMS_PER_OUTPUT = 200, 50, 60, 5
TEXT = "The retention period for audit records is 24 months and starts with the delivery of the answer. "


def write_lake(folder: Path, verdicts: int) -> None:
    lake = Lake.open(str(folder))
    lake.ensure_tables(NOW.date())
    per_day = verdicts // DAYS
    for day in range(DAYS):
        frame = pl.select(n=pl.int_range(day * per_day, (day + 1) * per_day)).with_columns(
            output=pl.col("n") // CLAIMS_PER_OUTPUT
        )
        identity = {
            name: pl.concat_str(pl.lit(name), pl.col("n")).hash(1).cast(pl.String).str.zfill(64)
            for name in ("claim_id", "verdict_id", "passage_id")
        }
        frame = frame.with_columns(
            **identity,
            output_id=pl.concat_str(pl.lit("o"), pl.col("output")).hash(1).cast(pl.String).str.zfill(64),
            agent=pl.concat_str(pl.lit("agent "), pl.col("output") % AGENTS),
            use_case=pl.concat_str(pl.lit("case "), pl.col("output") % USE_CASES),
            p_supported=(pl.col("n").hash(2) % 1000) / 1000,
            text=pl.concat_str(pl.lit(TEXT), pl.col("n").cast(pl.String)),
        ).with_columns(p_contradicted=(1 - pl.col("p_supported")) * (pl.col("n").hash(3) % 100) / 100)
        frame = frame.with_columns(
            p_insufficient=1 - pl.col("p_supported") - pl.col("p_contradicted"),
            verdict=pl.when(pl.col("p_supported") >= 0.5)
            .then(pl.lit("supported"))
            .when(pl.col("p_contradicted") >= 0.5)
            .then(pl.lit("contradicted"))
            .otherwise(pl.lit("insufficient")),
        )
        lake.commit(
            RUN,
            f"day-{day}",
            {name: _as(name, frame, NOW - timedelta(days=day + 1)) for name in FILLED},
            run_day=NOW.date(),
        )


FILLED = ("outputs", "claims", "passages", "evidence", "verdicts", "actions")


def _as(name: str, frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The columns a table shares with the made rows; all others get one plausible constant."""
    table = TABLES[name]
    if name in ("outputs", "actions"):
        frame = frame.unique("output_id", keep="first", maintain_order=True)
    constants = {
        pl.String(): "cd" * 32,
        pl.Int32(): 0,
        pl.Int64(): 1,
        pl.Float64(): 0.5,
        pl.Boolean(): False,
        tables.UTC: at,
    }
    columns = []
    for column in table.columns:
        dtype = column.dtype() if isinstance(column.dtype, type) else column.dtype
        if column.name in frame.columns:
            columns.append(pl.col(column.name).cast(dtype))
        elif isinstance(dtype, pl.List):
            columns.append(pl.lit([], dtype=dtype).alias(column.name))
        else:
            values = {"kind": "factual", "origin": "context", "corpus": "context", "action": "delivered"}
            value = values.get(column.name, constants[dtype])
            columns.append(pl.lit(value, dtype=dtype).alias(column.name))
    if name == "actions":
        frame = frame.with_columns(action_id=pl.col("output_id"))
        columns = [pl.col("action_id"), *columns[1:]]
    return frame.select(columns)


def write_page(folder: Path) -> None:
    lake = Lake.open(str(folder))
    run = {
        "run_id": RUN,
        "flow": "benchmark",
        "started_at": NOW,
        "finished_at": NOW,
        "status": "completed",
        "parameters": "{}",
        "code_version": "0",
        "rows_in": 0,
        "rows_out": 0,
        "rows_quarantined": 0,
        "counts": "{}",
    }
    started = time.perf_counter()
    page = report.write(
        lake, RUN, run=run, validation=[], health=TABLES["health"].empty(), checkpoint=None, now=NOW
    )
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"bytes": page.stat().st_size, "seconds": round(seconds, 2), "peak_mib": round(peak)}))


def main() -> int:
    if sys.argv[1:2] == ["--page"]:
        write_page(Path(sys.argv[2]))
        return 0
    sizes = [int(size) for size in sys.argv[1:]] or [10_000, 1_000_000]
    results = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_lake(Path(folder), size)
            done = subprocess.run(
                [sys.executable, __file__, "--page", folder], check=True, capture_output=True, text=True
            )
        results.append({"verdicts": size, **json.loads(done.stdout)})
        print(json.dumps(results[-1]))
    first, last = results[0], results[-1]
    times = {name: last[name] / first[name] for name in ("verdicts", "bytes", "seconds")}
    print(", ".join(f"{name} × {ratio:.2f}" for name, ratio in times.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
