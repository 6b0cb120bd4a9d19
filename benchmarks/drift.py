"""Drift's claims: quiet on ordinary nights, quick on real changes, right about where and when, and fast.

`python benchmarks/drift.py LAKE [PART ...]` with the parts `quiet`, `falls`, `scenarios` (default: these
three) and `scale`. LAKE is an audited lake whose claims the simulated nights are made of, for example the
sample's: `claimledger audit --lake LAKE`. Options: `--nights N` of `quiet`, `--runs N` of `falls`, `--seed`,
`--supported SHARE` and `--correlation RHO` of the slice that falls.

Beside our alarms stand the default tests of two well-known tools on the same nights. They are re-implemented
from the tools' documentation (see `benchmarks/drift_peers.py`), not the tools themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.drift_peers import PEERS, Counts
from benchmarks.drift_world import FIRST_DAY, Change, Pool, World, WorldParameters
from tasks.pure import alarms, drift_cells, drift_report
from tasks.pure.alarms import DEFAULT_RULES
from tasks.pure.drift import DriftParameters, windows
from tasks.pure.drift_cells import Cells
from tasks.store import Lake

PARAMETERS = DriftParameters()
NEEDED = PARAMETERS.baseline_days + PARAMETERS.window_days
SLICE, FALL = "agent=agent-0", -0.05
"""What falls: the agent with 400 claims a night, by five points."""


def compared(days: list[Cells], last: int) -> pl.DataFrame:
    """The drift rows of a night: the newest NEEDED days of the list end with day number `last`."""
    found = Cells.concat(days[-NEEDED:])
    return drift_report.compare(found, windows(PARAMETERS, FIRST_DAY + timedelta(days=last)), PARAMETERS)


def alarmed(rows: pl.DataFrame) -> pl.DataFrame:
    return alarms.raised(rows, rows.clear(), DEFAULT_RULES)


def quiet(pool: Pool, nights: int, seed: int) -> dict[str, object]:
    """Ordinary nights, with smaller weekends: how many have any alarm."""
    world = World(pool, seed, WorldParameters(weekend_volume=0.6))
    days: list[Cells] = []
    ours: list[bool] = []
    peers: dict[str, list[bool]] = {name: [] for name in PEERS}
    slices = 0
    for number in range(nights + NEEDED - 1):
        days.append(drift_cells.cells(world.day(number)))
        if len(days) < NEEDED:
            continue
        rows = compared(days, number)
        tested = rows.filter(metric="supported_share").filter(pl.col("p_value").is_not_null())
        slices = max(slices, tested.height)
        ours.append(alarmed(rows).height > 0)
        counts = Counts.of(Cells.concat(days[-NEEDED:]), tested["slice"].to_list())
        for name, peer in PEERS.items():
            peers[name].append(bool(peer(counts)))
    out: dict[str, object] = {"nights": nights, "slices": slices, "claimledger": float(np.mean(ours))}
    out |= {name: float(np.mean(found)) for name, found in peers.items()}
    print(
        f"ordinary nights: {nights}, slices: {slices}; share of nights with any alarm (target at most 0.05)"
    )
    for name in ("claimledger", *PEERS):
        print(f"  {name:45} {out[name]:.3f}")
    return out


def falls(
    pool: Pool, runs: int, seed: int, *, supported: float = 0.95, correlation: float = 0.04
) -> dict[str, object]:
    """A fall of five points in a slice of 400 claims a night: reported within two nights, where, when."""
    found: list[bool] = []
    first, dated = [], []
    peers: dict[str, list[bool]] = {name: [] for name in PEERS}
    for run in range(runs):
        start = NEEDED - 1 + run % 7
        parameters = WorldParameters(
            supported=(supported, *WorldParameters().supported[1:]), output_correlation=correlation
        )
        world = World(pool, seed + run, parameters, (Change(start, agent=0, share=FALL),))
        days = [drift_cells.cells(world.day(n)) for n in range(start + 2 - NEEDED, start + 2)]
        days = [drift_cells.cells(world.day(start + 1 - NEEDED)), *days]
        hit, peer_hit = False, dict.fromkeys(PEERS, False)
        for night in (start, start + 1):
            so_far = days[: len(days) - (start + 1 - night)]
            raised = alarmed(compared(so_far, night))
            ours = raised.filter(pl.col("slice").str.contains(SLICE, literal=True))
            if ours.height and not hit:
                hit = True
                first.append(raised["slice"][0])
                day = ours.sort("harm", descending=True)["changed_on"][0]
                dated.append(abs((day - FIRST_DAY).days - start) <= 1)
            counts = Counts.of(Cells.concat(so_far[-NEEDED:]), [SLICE])
            for name, peer in PEERS.items():
                peer_hit[name] |= bool(peer(counts))
        found.append(hit)
        for name, was in peer_hit.items():
            peers[name].append(was)
    out: dict[str, object] = {
        "runs": runs, "supported_share": supported, "output_correlation": correlation,
        "claimledger": float(np.mean(found)),
        "right_slice_first": float(np.mean([s == SLICE for s in first])),
        "change_within_a_day": float(np.mean(dated)),
    }  # fmt: skip
    out |= {name: float(np.mean(hits)) for name, hits in peers.items()}
    print(
        f"fall of 5 points from {supported} in {SLICE}, 400 claims a night, claims of an answer correlated "
        f"{correlation}: {runs} runs"
    )
    print(f"  reported within two nights (target 0.95)      {out['claimledger']:.3f}")
    print(f"  right slice named first (target 0.90)         {out['right_slice_first']:.3f}  {Counter(first)}")
    print(f"  change point within one day (target 0.80)     {out['change_within_a_day']:.3f}")
    for name in PEERS:
        print(f"  {name:45} {out[name]:.3f}")
    return out


SCENARIOS: dict[str, tuple[tuple[Change, ...], WorldParameters, int, str]] = {
    "sudden": ((Change(40, share=-0.06),), WorldParameters(), 41, "all"),
    "slow": ((Change(32, agent=2, share=-0.09, days=20),), WorldParameters(), 51, "agent=agent-2"),
    "one slice only": ((Change(40, agent=4, use_case=1, share=-0.12),), WorldParameters(), 41,
                       "agent=agent-4&use_case=legal"),
    "weekday pattern": ((), WorldParameters(weekend_volume=0.5, weekend_share=-0.03), 45, ""),
    "volume jump": ((Change(40, agent=1, volume=3.0),), WorldParameters(), 41, ""),
    "new model": ((Change(40, agent=3, share=-0.08, new_model="m9"),), WorldParameters(), 41,
                  "agent=agent-3"),
    "corpus edit": ((Change(40, share=-0.06, snapshot="snapshot-2"),), WorldParameters(), 41, "all"),
    "verifier swap": ((Change(40, share=-0.06, verifier="verifier-2"),), WorldParameters(), 41, ""),
}  # fmt: skip
"""Changes, world, the night looked at, and the slice that the alarm must name first; empty is no alarm."""


def scenarios(pool: Pool, seed: int) -> dict[str, object]:
    """One night of each planted change, in words."""
    out: dict[str, object] = {}
    for name, (changes, parameters, night, wanted) in SCENARIOS.items():
        world = World(pool, seed, parameters, changes)
        days = [drift_cells.cells(world.day(n)) for n in range(night + 1 - 2 * NEEDED, night + 1) if n >= 0]
        found = Cells.concat(days)
        rows = drift_report.compare(found, windows(PARAMETERS, FIRST_DAY + timedelta(night)), PARAMETERS)
        raised = alarmed(rows)
        said = raised["slice"][0] if raised.height else ""
        whole = rows.filter(metric="supported_share", slice="all")
        volume = rows.filter(metric="outputs_per_day", status="drifted").sort("p_value")
        print(f"{name}: {'as expected' if said == wanted else f'EXPECTED {wanted!r}, GOT {said!r}'}")
        print(f"  {raised['reason'][0] if raised.height else whole['reason'][0]}")
        if volume.height:
            print(f"  {volume['reason'][0]}")
        out[name] = {"alarm": said, "expected": wanted}
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("lake")
    options.add_argument("parts", nargs="*", default=["quiet", "falls", "scenarios"])
    options.add_argument("--nights", type=int, default=240)
    options.add_argument("--runs", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--supported", type=float, default=0.95)
    options.add_argument("--correlation", type=float, default=0.04)
    chosen = options.parse_args()
    pool = Pool.of(Lake.open(chosen.lake))
    results: dict[str, object] = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "seed": chosen.seed}
    for part in chosen.parts:
        began = time.process_time()
        if part == "quiet":
            results[part] = quiet(pool, chosen.nights, chosen.seed)
        elif part == "falls":
            results[part] = falls(
                pool, chosen.runs, chosen.seed, supported=chosen.supported, correlation=chosen.correlation
            )
        elif part == "scenarios":
            results[part] = scenarios(pool, chosen.seed)
        elif part == "scale":
            from benchmarks.drift_scale import scale

            results[part] = scale()
        print(f"({part}: {time.process_time() - began:.0f} s of processor time)\n", flush=True)
    place = Path(__file__).parent / "results" / f"drift-{'-'.join(chosen.parts)}.json"
    place.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
