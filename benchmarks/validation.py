"""What the gate costs in processor time.

Great Expectations per day partition, per whole table, and the same rules in Polars alone.

    python -m benchmarks.validation [--days 30] [--outputs 67] [--json FILE]

Rows are made, as only their number matters here; the default has the shape of the bundled sample.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from tasks.gate import suites
from tasks.gate.validate import Validator
from tasks.schema import Table
from tasks.tables import TABLES

ROWS_PER_OUTPUT = {
    "outputs": 1,
    "claims": 12,
    "passages": 30,
    "evidence": 40,
    "verdicts": 9,
    "actions": 1,
    "findings": 0.05,
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def made(table: Table, rows: int, days: int) -> pl.DataFrame:
    """Rows that satisfy every rule."""
    position = pl.int_range(rows, eager=True)
    frame = pl.DataFrame({"position": position})
    values = {}
    for column in table.columns:
        rules = {type(rule).__name__: rule for rule in column.rules}
        if column.name == table.partition_by:
            values[column.name] = pl.lit(NOW) + pl.duration(days=pl.col("position") % days)
        elif "Matches" in rules:
            values[column.name] = pl.format("{}{}", pl.lit("0" * 52), pl.col("position") + 100_000_000_000)
        elif "OneOf" in rules:
            values[column.name] = pl.lit(rules["OneOf"].values[0])
        elif column.dtype == pl.String:
            values[column.name] = pl.lit("text")
        elif column.dtype.is_numeric():
            values[column.name] = pl.lit(1)
        elif column.dtype == pl.Boolean:
            values[column.name] = pl.lit(value=False)
        elif column.dtype == pl.List:
            values[column.name] = pl.lit([], dtype=column.dtype)
        else:
            values[column.name] = pl.lit(NOW)
    return frame.select(**{n: v.cast(table.schema[n]) for n, v in values.items()})


def units_of(table: Table, frame: pl.DataFrame) -> list[pl.DataFrame]:
    """The frame by UTC day: what a night validates at a time."""
    days = frame.with_columns(day=pl.col(table.partition_by or "").dt.date())
    return days.partition_by("day", include_key=False)


def timed(work) -> float:  # type: ignore[no-untyped-def]
    """Seconds of processor time, which a busy machine distorts less than the clock on the wall."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--outputs", type=int, default=67, help="outputs per day")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    frames = {}
    for name, ratio in ROWS_PER_OUTPUT.items():
        count = max(arguments.days, round(arguments.outputs * arguments.days * ratio))
        frames[name] = made(TABLES[name], count, arguments.days)
    units = {name: units_of(TABLES[name], frame) for name, frame in frames.items()}

    def polars_only() -> None:
        for name, frame in frames.items():
            checks = suites.checks(TABLES[name])
            violations = frame.select(**{check.name: check.violated for check in checks}).sum()
            assert sum(violations.row(0)) == 0, (name, violations)

    def validate(frames_by_table: dict[str, list[pl.DataFrame]], data_docs: bool = False) -> None:
        with tempfile.TemporaryDirectory() as folder:
            validator = Validator(Path(folder), data_docs=data_docs, run_id="0" * 64, now=NOW)
            for name, parts in frames_by_table.items():
                for part in parts:
                    assert validator.check(name, part).good.height == part.height
            validator.finish()

    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "rows": sum(frame.height for frame in frames.values()),
        "partitions": sum(len(parts) for parts in units.values()),
        "start_s": timed(lambda: validate({"actions": [frames["actions"].head(1)]})),
        "polars_s": timed(polars_only),
        "per_table_s": timed(lambda: validate({name: [frame] for name, frame in frames.items()})),
        "per_day_s": timed(lambda: validate(units)),
        "per_day_with_pages_s": timed(lambda: validate(units, data_docs=True)),
    }
    for key, value in result.items():
        print(f"{key:12} {value:.3f}" if isinstance(value, float) else f"{key:12} {value}")
    print(f"per partition {1000 * result['per_day_s'] / result['partitions']:.1f} ms")
    print(f"per day / per table  {result['per_day_s'] / result['per_table_s']:.1f}")
    print(f"per day / Polars     {result['per_day_s'] / result['polars_s']:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
