"""Drift's size: ten million verdicts in 200 slices, within 60 s on two cores and 4 GiB.

`python -m benchmarks.drift LAKE scale` writes a lake of 60 days (outputs, verdicts with two passages each,
actions; evidence of rank 0) into a temporary folder, then compares in a fresh process without any cache.
`CLAIMLEDGER_VERDICTS` sets another number of verdicts.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks.drift import measurement
from tasks.drift.parameters import DriftSettings
from tasks.files import parquet
from tasks.lake.store import Lake
from tasks.tables import TABLES

NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)
DAYS, CLAIMS_PER_OUTPUT, AGENTS, MODELS, USE_CASES = 60, 4, 14, 5, 6
LIMIT_S, LIMIT_GIB = 60.0, 4.0


def write_lake(folder: Path, verdicts: int) -> None:
    """Sixty days, each with the same claims but outputs of its own day: every day is read by itself."""
    claims = pl.select(n=pl.int_range(verdicts // DAYS)).with_columns(output=pl.col("n") // CLAIMS_PER_OUTPUT)
    claims = claims.with_columns(
        claim_id=_digest("c", "n"),
        verdict_id=_digest("v", "n"),
        output_id=_digest("o", "output"),
        agent=pl.format("agent {}", pl.col("output") % AGENTS),
        model=pl.format("model {}", pl.col("output").hash(5) % MODELS),
        use_case=pl.format("case {}", pl.col("output").hash(6) % USE_CASES),
        p_supported=(pl.col("n").hash(2) % 1000) / 1000,
        evidence_ids=pl.concat_list(_digest("p", "n"), _digest("q", "n")),
    ).with_columns(
        p_contradicted=(1 - pl.col("p_supported")) / 3,
        verdict=pl.when(pl.col("p_supported") > 0.1)
        .then(pl.lit("supported"))
        .otherwise(pl.lit("insufficient")),
    )
    outputs = claims.unique("output_id", keep="first", maintain_order=True)
    actions = outputs.with_columns(
        action=pl.lit("delivered"), verdict_ids=pl.col("verdict_id").reshape((-1, 1)).arr.to_list()
    )
    rows = {"verdicts": claims, "actions": actions, "evidence": claims}
    data = {name: parquet.encode(TABLES[name], _as(name, frame, NOW)) for name, frame in rows.items()}
    for day in range(DAYS):
        at = NOW - timedelta(days=DAYS - day)
        data["outputs"] = parquet.encode(TABLES["outputs"], _as("outputs", outputs, at))
        for name, content in data.items():
            place = folder / "tables" / name / f"date={at.date().isoformat()}"
            place.mkdir(parents=True)
            (place / "part-0000000000000000.parquet").write_bytes(content)


def _digest(tag: str, column: str) -> pl.Expr:
    halves = [pl.concat_str(pl.lit(tag), pl.col(column)).hash(seed).cast(pl.String) for seed in (1, 2, 3)]
    return pl.concat_str(halves).str.slice(0, 48).str.zfill(64)


def _as(name: str, frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
    constants = {
        pl.String(): "cd" * 32, pl.Int32(): 0, pl.Int64(): 1, pl.Float64(): 0.5, pl.Boolean(): False,
        pl.Datetime("us", "UTC"): at,
    }  # fmt: skip
    table = TABLES[name]
    missing = [
        pl.lit(constants.get(dtype, []), dtype=dtype).alias(column)
        for column, dtype in table.schema.items()
        if column not in frame.columns
    ]
    return frame.with_columns(missing).select(table.schema.names()).cast(table.schema)


def measure(folder: str) -> None:
    """One comparison of the lake, in a process of its own; prints its figures as JSON."""
    began, clock = time.process_time(), time.perf_counter()
    report = measurement.compare(Lake.open(folder), DriftSettings(), run_id="ab" * 32, today=NOW.date())
    first = {"processor_s": time.process_time() - began, "wall_s": time.perf_counter() - clock}
    began = time.process_time()
    measurement.compare(Lake.open(folder), DriftSettings(), run_id="ab" * 32, today=NOW.date())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    tested = report.rows.filter(metric="supported_share")
    print(
        json.dumps(
            {
                **first,
                "again_processor_s": time.process_time() - began,
                "peak_gib": peak,
                "slices": tested.height,
                "rows": report.rows.height,
                "load": os.getloadavg()[0],
            }
        )
    )


def scale() -> dict[str, object]:
    verdicts = int(os.environ.get("CLAIMLEDGER_VERDICTS", "10000000"))
    with tempfile.TemporaryDirectory() as folder:
        write_lake(Path(folder), verdicts)
        size = sum(f.stat().st_size for f in Path(folder).rglob("*.parquet")) / 2**30
        command = [sys.executable, "-m", "benchmarks.drift_scale", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    figures |= {"verdicts": verdicts, "lake_gib": size}
    print(f"{verdicts:,} verdicts, {figures['slices']} slices, {size:.1f} GiB, load {figures['load']:.0f}")
    print(
        f"  {figures['processor_s']:.1f} s of processor time, {figures['wall_s']:.1f} s on the clock: "
        f"{figures['processor_s'] / (2 * LIMIT_S):.2f} of two cores' {LIMIT_S:.0f} s"
    )
    print(f"  {figures['peak_gib']:.2f} GiB: {figures['peak_gib'] / LIMIT_GIB:.2f} of {LIMIT_GIB:.0f} GiB")
    print(f"  again, from the cache: {figures['again_processor_s']:.1f} s of processor time")
    return figures


if __name__ == "__main__":
    measure(sys.argv[1])
