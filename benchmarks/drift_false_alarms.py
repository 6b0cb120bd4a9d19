"""How often drift speaks of a change where there is none, metric by metric, and how often where there is one.

`python -m benchmarks.drift_false_alarms [--months N] [--changed N] [--seed N] [--workers N]` makes 500 months
in which nothing changes (`tests/support/drift_months.py`: realistic day effects, claims of one answer alike),
compares the last two days of each with the 28 before, over all slices and pairs, and prints per metric, with
95% intervals (Clopper and Pearson, Biometrika 26, 1934):

* the share of months in which the P value of all answers is at most 0.05: promised 0.05;
* the share in which some slice is established (`p_adjusted` at most 0.1, interval without zero), before the
  practical threshold is asked: promised 0.1, for all metrics together;
* the share with a drifted row, and with one for the worse, at which alarms look: promised 0.1 and 0.05, for
  all metrics together.

Then, per metric, how often a planted change of all answers is found: drifted in `all`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from scipy import stats

from tasks.drift.metrics import METRICS
from tasks.drift.parameters import DriftParameters, windows
from tasks.drift.table import drift_rows
from tests.support.drift_months import FIRST, SHIFTS, MonthParameters, Shift, cells

WORLDS = {
    "ordinary": MonthParameters(),
    "small": MonthParameters(outputs_a_day=60.0, reviews=30),
    "calm": MonthParameters(day=0.0, agent_day=0.0, correlation=0.02),
    "rare": MonthParameters(supported=0.995, covered=0.999, conflicts=0.001, findings=0.003, abstained=0.005),
}
"""Months that are made: as most teams have them; of few answers; without day effects; of rare events."""
READ = {metric: (metric,) for metric in SHIFTS} | {
    "supported_share": ("supported_share", "insufficient_share", "delivered_share"),
    "contradicted_share": ("contradicted_share", "escalated_share"),
    "overturn_share": ("overturn_share", "overconfidence"),
}
"""What is planted, and the metrics that must show it."""
PROMISE = {"p_at_most_0.05": 0.05, "established": 0.1, "drifted": 0.1, "worse": 0.05}


def compared(seed: int, world: str, planted: str | None = None) -> pl.DataFrame:
    """Per metric of one month: whether it was tested, and what drift says of it."""
    p = WORLDS[world]
    shift = Shift(p.days - 2, planted, SHIFTS[planted]) if planted else None
    parameters = DriftParameters()
    made = cells(seed, p, shift)
    rows = drift_rows(made, windows(parameters, FIRST + timedelta(p.days - 1)), parameters)
    whole = pl.col("slice") == "all"
    sure = (pl.col("ci_low") > 0) | (pl.col("ci_high") < 0)
    drifted = pl.col("status") == "drifted"
    return rows.group_by("metric").agg(
        pl.col("p_value").filter(whole).first(),
        pl.col("difference").filter(whole).first(),
        width=(pl.col("ci_high") - pl.col("ci_low")).min(),
        rows=pl.col("p_value").count(),
        rows_below=(pl.col("p_value") <= 0.05).sum(),
        established=((pl.col("p_adjusted") <= parameters.false_discovery_rate) & sure).any(),
        drifted=drifted.any(),
        worse=(drifted & (pl.col("direction") == "worse")).any(),
        found=(drifted & whole).any(),
    )


def run(seeds: Iterable[int], world: str, workers: int, planted: str | None = None) -> pl.DataFrame:
    """`compared` of every seed, one after another."""
    job = partial(compared, world=world, planted=planted)
    if workers == 1:
        return pl.concat([job(seed) for seed in seeds])
    with ProcessPoolExecutor(workers) as pool:
        return pl.concat(pool.map(job, seeds, chunksize=5))


def interval(hits: int, of: int) -> tuple[float, float]:
    exact = stats.binomtest(hits, of).proportion_ci(0.95)
    return float(exact.low), float(exact.high)


def summary(months: pl.DataFrame, number: int) -> dict[str, dict[str, Any]]:
    """Per metric, and for `any` of them in a month, hits of each promise with intervals."""
    out: dict[str, dict[str, Any]] = {}
    for metric in METRICS:
        part = months.filter(metric=metric)
        tested = part.filter(pl.col("p_value").is_not_null())
        out[metric] = {
            "months_tested": tested.height,
            "p_at_most_0.05": _share(int((tested["p_value"] <= 0.05).sum()), tested.height),
            "rows_at_most_0.05": round(part["rows_below"].sum() / max(part["rows"].sum(), 1), 4),
            **{name: _share(int(part[name].sum()), number) for name in ("established", "drifted", "worse")},
            "narrowest_interval": part["width"].min(),
        }
    return out


def _share(hits: int, of: int) -> dict[str, float | None]:
    if of == 0:
        return {"share": None}
    low, high = interval(hits, of)
    return {"share": round(hits / of, 4), "low": round(low, 4), "high": round(high, 4)}


def together(seeds: Sequence[int], months: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """Of months, in how many any metric is established, drifted, or drifted for the worse."""
    numbered = months.with_columns(month=pl.int_range(pl.len()) // len(METRICS))
    whole = numbered.group_by("month").agg(pl.col("established", "drifted", "worse").any())
    return {name: _share(int(whole[name].sum()), len(seeds)) for name in ("established", "drifted", "worse")}


def told(
    world: str, figures: dict[str, dict[str, Any]], all_together: dict[str, dict[str, float | None]]
) -> None:
    print(f"\n{world}: {'months':>28} {'P <= 0.05':>22} {'established':>13} {'drifted':>9} {'worse':>9}")
    for metric, row in figures.items():
        p = row["p_at_most_0.05"]
        if p["share"] is None:
            print(f"  {metric:22} too few to test")
            continue
        flag = " !" if p["low"] > PROMISE["p_at_most_0.05"] else ""
        print(
            f"  {metric:22} {row['months_tested']:>10}"
            f" {p['share']:>10.3f} [{p['low']:.3f} {p['high']:.3f}]"
            + "".join(f" {row[n]['share']:>10.3f}" for n in ("established", "drifted", "worse"))
            + flag
        )
    for name, row in all_together.items():
        print(
            f"  any metric {name}: {row['share']:.3f} [{row['low']:.3f} {row['high']:.3f}],"
            f" promised {PROMISE[name]}"
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--months", type=int, default=500)
    options.add_argument("--changed", type=int, default=40, help="months with each planted change")
    options.add_argument("--worlds", nargs="*", default=list(WORLDS), choices=list(WORLDS))
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results/drift-false-alarms.json"
    )
    chosen = options.parse_args()
    began = time.process_time()
    results: dict[str, object] = {"months": chosen.months, "seed": chosen.seed}
    for world in chosen.worlds:
        # The ordinary months are as many as asked for; the others show that the promise holds at the edges.
        number = chosen.months if world == "ordinary" else chosen.months // 5
        seeds = range(chosen.seed * 10_000, chosen.seed * 10_000 + number)
        months = run(seeds, world, chosen.workers)
        figures, whole = summary(months, number), together(seeds, months)
        told(f"{world} ({number} months without change)", figures, whole)
        results[world] = {"any_metric": whole, **figures}
    if chosen.changed:
        results["found"] = found(chosen.changed, chosen.seed, chosen.workers)
    print(f"({time.process_time() - began:.0f} s of processor time in this process)")
    chosen.out.write_text(json.dumps(results, indent=1) + "\n")


def found(number: int, seed: int, workers: int) -> dict[str, dict[str, Any]]:
    """How often a planted change is drifted in `all`, by what is planted and what shows it."""
    print(f"\nplanted in the last two of 30 days, {number} months each: found")
    out: dict[str, dict[str, Any]] = {}
    seeds = range(seed * 10_000 + 5_000, seed * 10_000 + 5_000 + number)
    for planted, metrics in READ.items():
        months = run(seeds, "ordinary", workers, planted)
        for metric in metrics:
            part = months.filter(metric=metric)
            out[metric] = {
                **_share(int(part["found"].sum()), number),
                "difference": part["difference"].mean(),
            }
            print(
                f"  {metric:22} {out[metric]['share']:.3f} (mean difference {out[metric]['difference']:.4f})"
            )
    return out


if __name__ == "__main__":
    main()
