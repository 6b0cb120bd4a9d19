"""The past decided again under another policy: under 60 s and 4 GiB for 10,000,000 stored claims.

    python -m benchmarks.policy_diff [--claims 10000000] [--days 30] [--lake FOLDER]

A lake of made-up nights is written (five claims an answer, two scored passages a claim; only the columns that
a comparison reads hold something, ids do not compress), then `policy diff` compares two policies over all of
it, in a process of its own. Prints seconds, the greatest resident memory of that process, both beside their
limits, and a JSON line. `--lake` keeps the lake, for a second measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tasks import tables
from tasks.decide import verdicts
from tasks.decide.policies import Policy

CLAIMS, SHOWN = 5, 2
"""Per output: claims, passages shown with each."""
LIMIT_S, LIMIT_BYTES = 60.0, 4 * 2**30
FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = Policy(), Policy(version="2", threshold_supported=0.7, threshold_contradicted=0.4)
VERIFIER = SNAPSHOT = "0" * 64


def _ids(rng: np.random.Generator, count: int) -> pl.Series:
    data = rng.bytes(32 * count)
    return pl.Series([data[i : i + 32] for i in range(0, 32 * count, 32)], dtype=pl.Binary).bin.encode("hex")


def _scores(rng: np.random.Generator, count: int) -> list[pl.Series]:
    return verdicts.rounded(rng.dirichlet((1, 1, 1), count))


def _declared(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    schema = tables.TABLES[name].schema
    return frame.select(
        (pl.col(c).cast(t) if c in frame.columns else pl.lit(None, t).alias(c)) for c, t in schema.items()
    )


def night(rng: np.random.Generator, day: datetime, outputs: int) -> dict[str, pl.DataFrame]:
    """One night's rows of the tables that a comparison reads."""
    output = pl.DataFrame({"output_id": _ids(rng, outputs)}).with_columns(
        produced_at=pl.lit(day, tables.UTC),
        agent=pl.lit("agent-") + pl.Series(rng.integers(0, 5, outputs)).cast(pl.String),
        use_case=pl.lit("support"),
    )
    count = outputs * CLAIMS
    judged = output.select(pl.all().repeat_by(CLAIMS).explode()).with_columns(
        claim_id=_ids(rng, count), verifier=pl.lit(VERIFIER), snapshot=pl.lit(SNAPSHOT)
    )
    evidence = judged.select(pl.all().repeat_by(SHOWN).explode()).with_columns(
        *_scores(rng, count * SHOWN), tokens_offered=pl.lit(90), tokens_seen=pl.lit(90)
    )
    judged = judged.with_columns(
        *_scores(rng, count),
        verdict_id=_ids(rng, count),
        verified_at=pl.lit(day + timedelta(hours=15), tables.UTC),
        verdict=pl.lit("supported"),
        policy=pl.lit("other@1"),
        reason=pl.lit("supported by handbook/returns.md (0.91)"),
    )
    acted = output.with_columns(
        action_id=_ids(rng, outputs),
        decided_at=pl.lit(day + timedelta(hours=15), tables.UTC),
        abstention_count=pl.lit(0),
        reason=pl.lit("all 5 claims are supported by the evidence"),
    )
    frames = {"outputs": output, "evidence": evidence, "verdicts": judged, "actions": acted}
    return {name: _declared(name, frame) for name, frame in frames.items()}


def make(lake: Path, claims: int, days: int) -> None:
    """Writes the nights, one file a table and night."""
    rng, outputs = np.random.default_rng(7), claims // days // CLAIMS
    for number in range(days):
        day = FIRST + timedelta(days=number)
        for table, frame in night(rng, day, outputs).items():
            folder = lake / "tables" / table / f"date={day:%Y-%m-%d}"
            folder.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(folder / "part-0.parquet", compression="zstd")


def compared(lake: Path) -> dict[str, float]:
    """One comparison in this process: seconds, claims, changes, peak memory."""
    import resource

    from tasks.lake.store import Lake
    from tasks.policies import past

    started, spent = time.perf_counter(), time.process_time()
    found = past.compare(Lake(lake), OLD, NEW)
    return {
        "s": round(time.perf_counter() - started, 1),
        "cpu_s": round(time.process_time() - spent, 1),
        "claims": found.claims,
        "changed_claims": found.changed_claims,
        "changed_outputs": found.changed_outputs,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--claims", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--lake", type=Path, help="a folder that is filled where it is empty, and kept")
    parser.add_argument("--compare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.compare:
        print(json.dumps(compared(options.compare)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        lake = options.lake or Path(temporary)
        if not (lake / "tables").exists():
            make(lake, options.claims, options.days)
        command = [sys.executable, "-m", "benchmarks.policy_diff", "--compare", str(lake)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    in_time, fits = found["s"] <= LIMIT_S, found["peak_bytes"] <= LIMIT_BYTES
    print(
        f"{found['claims']:,} claims decided twice in {found['s']} s, at most {LIMIT_S:.0f}: "
        f"{'yes' if in_time else 'NO'}; {found['peak_bytes'] / 2**30:.2f} GiB, at most 4: "
        f"{'yes' if fits else 'NO'}; {os.cpu_count()} cores"
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
