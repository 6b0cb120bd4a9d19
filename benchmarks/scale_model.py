"""What days of ten million and of a billion outputs take, by scaling measured audits; checked on other sizes.

    python -m benchmarks.scale_model FILE.jsonl --price-per-core-hour P [--day 10000000 ...]

FILE has the runs of `benchmarks.scale`. For each verifier the two smallest sizes give a line, a fixed part
and a part per output; every other size that was run is predicted from it and printed beside what was
measured, and a size that was asked for (1,000, 10,000, 100,000) and was not run is said to be missing. With
one size everything counts per output, which is too much: an upper bound. The plan of a day scales the parts
per output. A core hour's price is an input: nobody's price list is in here.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

ASKED = (1_000, 10_000, 100_000)
HOURS = 8.0
"""Of a night in which a day is to be audited."""
CORES = 16
"""Of one machine."""
BUSY = 0.8
"""Share of the cores that is at work; the rest waits for disks, commits and the last unit."""
INDEX_BYTES = 440
"""A passage in the index by meaning, coded, with its id (`benchmarks.index_scale`)."""


@dataclass(frozen=True)
class Line:
    """A fixed part and a part per output."""

    fixed: float
    each: float

    def at(self, outputs: float) -> float:
        """What it gives for so many outputs."""
        return self.fixed + self.each * outputs


def quantities(run: dict[str, Any]) -> dict[str, float]:
    """The numbers of a run that grow with its outputs."""
    rows, places = run["rows"], run["place_bytes"]
    return {
        "processor_s": run["processor_s"],
        "publishing_s": run.get("publishing_s", math.nan),
        "peak_gib": run.get("peak_gib", math.nan),
        "claims": rows["claims"],
        "verdicts": rows["verdicts"],
        "pairs": rows["evidence"],
        "events": rows["events"],
        "table_bytes": sum(run["table_bytes"].values()),
        "ledger_bytes": places.get("ledger", 0),
        "cache_bytes": places.get("cache", 0),
        "report_bytes": places.get("reports", 0) + places.get("runs", 0),
    }


def fitted(small: dict[str, Any], large: dict[str, Any]) -> dict[str, Line]:
    """Each quantity's line through two runs."""
    step = large["outputs"] - small["outputs"]
    first, second = quantities(small), quantities(large)
    lines = {}
    for name, value in first.items():
        each = (second[name] - value) / step
        lines[name] = Line(value - each * small["outputs"], each)
    return lines


def proportional(run: dict[str, Any]) -> dict[str, Line]:
    """Lines through nothing and one run."""
    return {name: Line(0.0, value / run["outputs"]) for name, value in quantities(run).items()}


def check(lines: dict[str, Line], runs: list[dict[str, Any]]) -> pl.DataFrame:
    """Predicted and measured, of the runs that the lines were not made of."""
    rows = []
    for run in runs:
        for name, measured in quantities(run).items():
            predicted = lines[name].at(run["outputs"])
            rows.append((run["outputs"], name, predicted, float(measured), predicted / measured - 1))
    return pl.DataFrame(
        rows, schema=["outputs", "quantity", "predicted", "measured", "difference"], orient="row"
    )


def day(lines: dict[str, Line], outputs: int, price: float) -> dict[str, Any]:
    """What a day of so many outputs takes."""
    core_hours = lines["processor_s"].each * outputs / 3600
    claims = lines["verdicts"].each * outputs
    return {
        "outputs": outputs,
        "claims_verified": round(claims),
        "events": round(lines["events"].each * outputs),
        "core_hours": round(core_hours),
        f"machines_of_{CORES}_cores_for_{HOURS:g}_hours": math.ceil(core_hours / (CORES * HOURS * BUSY)),
        "hours_of_the_one_publisher": round(lines["publishing_s"].each * outputs / 3600, 1),
        "price_of_the_day": round(core_hours * price, 2),
        "price_per_million_claims": round(core_hours * price / claims * 1e6, 2),
        "tables_gb": round(lines["table_bytes"].each * outputs / 1e9, 1),
        "ledger_gb": round(lines["ledger_bytes"].each * outputs / 1e9, 1),
        "cache_gb": round(lines["cache_bytes"].each * outputs / 1e9, 1),
        "tables_and_ledger_tb_a_year": round(
            365 * (lines["table_bytes"].each + lines["ledger_bytes"].each) * outputs / 1e12, 1
        ),
    }


def units(lines: dict[str, Line]) -> dict[str, float]:
    """Unit costs."""
    seconds = lines["processor_s"].each
    ledger = lines["ledger_bytes"].each
    return {
        "processor_s_per_output": round(seconds, 4),
        "processor_ms_per_claim": round(1000 * seconds / lines["claims"].each, 2),
        "processor_ms_per_verdict": round(1000 * seconds / lines["verdicts"].each, 2),
        "processor_ms_per_pair": round(1000 * seconds / lines["pairs"].each, 2),
        "publishing_ms_per_output": round(1000 * lines["publishing_s"].each, 2),
        "processor_ms_per_event": round(1000 * seconds / lines["events"].each, 2),
        "ledger_bytes_per_event": round(ledger / lines["events"].each, 1),
        **{
            f"{name}_per_output": round(line.each, 3)
            for name, line in lines.items()
            if not name.endswith("_s")
        },
        "processor_s_fixed": round(lines["processor_s"].fixed, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--price-per-core-hour", type=float, required=True)
    parser.add_argument("--day", type=int, nargs="+", default=[10_000_000, 1_000_000_000])
    options = parser.parse_args()
    runs = [json.loads(line) for line in options.file.read_text("utf-8").splitlines()]
    pl.Config.set_tbl_rows(100).set_tbl_hide_dataframe_shape(True).set_tbl_formatting("ASCII_MARKDOWN")
    for verifier in sorted({run["verifier"] for run in runs}):
        own = sorted((run for run in runs if run["verifier"] == verifier), key=lambda run: run["outputs"])
        missing = sorted(set(ASKED) - {run["outputs"] for run in own})
        print(f"\n{verifier} verifier: runs of {', '.join(str(run['outputs']) for run in own)} outputs")
        print(f"not run: {', '.join(f'{count:,}' for count in missing) or 'none'}")
        if len(own) < 2:
            print("one size: no fixed part is told apart, so what follows is too much per output")
        lines = fitted(*own[:2]) if len(own) > 1 else proportional(own[0])
        print(json.dumps({"unit_costs": units(lines)}, indent=1))
        if own[2:]:
            print(check(lines, own[2:]))
        for outputs in options.day:
            print(json.dumps({"day": day(lines, outputs, options.price_per_core_hour)}, indent=1))


if __name__ == "__main__":
    main()
