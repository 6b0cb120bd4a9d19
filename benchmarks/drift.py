"""Drift's claims: quiet on ordinary nights, quick on real changes, right about where and when, and fast.

`python -m benchmarks.drift LAKE [PART ...]` with the parts `nights`, `scenarios` (the default) and `scale`.
LAKE is an audited lake whose claims the simulated nights are made of, for example the sample's:
`claimledger audit --lake LAKE`. Options: `--nights N`, `--seed N`, `--supported SHARE` of what falls, and
`--correlation RHO` of the claims of one answer.

Beside our alarms are the default tests of two well-known tools on the same nights. They are re-implemented
from the tools' documentation (see `benchmarks/drift_peers.py`), not the tools themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.drift_peers import PEERS, Counts
from benchmarks.drift_world import FIRST_DAY, Change, Pool, World, WorldParameters
from tasks.drift import alarms
from tasks.drift.alarms import DEFAULT_RULES
from tasks.drift.cells import Cells, cells_of
from tasks.drift.parameters import DriftParameters, windows
from tasks.drift.table import drift_rows
from tasks.lake.store import Lake

PARAMETERS = DriftParameters()
NEEDED = PARAMETERS.baseline_days + PARAMETERS.window_days
SLICE, FALL = "agent=agent-0", -0.05
"""What falls: the agent with 400 claims a night, by five points."""
PEER_EVERY = 4
"""Nights between two on which the other tools' tests run too: they cost more than ours."""


def compared(days: list[Cells], last: int) -> pl.DataFrame:
    """The drift rows of a night: the newest NEEDED days of the list end with day number `last`."""
    cells = Cells.concat(days[-NEEDED:])
    return drift_rows(cells, windows(PARAMETERS, FIRST_DAY + timedelta(days=last)), PARAMETERS)


def alarmed(rows: pl.DataFrame) -> pl.DataFrame:
    return alarms.raised(rows, rows.clear(), DEFAULT_RULES)


def nights(
    pool: Pool, count: int, seed: int, *, supported: float = 0.95, correlation: float = 0.04, every: int = 2
) -> dict[str, object]:
    """Ordinary nights, and in between, two nights on which one slice falls.

    Every ordinary night is compared as it is. On each `every`th night (0 is never), the same baseline is
    followed by a first and a second night on which SLICE is five points lower: reported by then, named first,
    and dated right?
    """
    parameters = WorldParameters(
        supported=(supported, *WorldParameters().supported[1:]), output_correlation=correlation
    )
    world = World(pool, seed, parameters)
    days: list[Cells] = []
    ordinary: dict[str, list[bool]] = {name: [] for name in ("claimledger", *PEERS)}
    hits: dict[str, list[bool]] = {name: [] for name in ("claimledger", *PEERS)}
    first: list[str] = []
    dated: list[bool] = []
    slices_seen = 0
    for number in range(count + NEEDED - 1):
        days = [*days[1 - NEEDED :], cells_of(world.day(number))]
        if len(days) < NEEDED:
            continue
        rows = compared(days, number)
        tested = rows.filter(metric="supported_share").filter(pl.col("p_value").is_not_null())
        slices_seen = max(slices_seen, tested.height)
        ordinary["claimledger"].append(alarmed(rows).height > 0)
        if every and number % PEER_EVERY == 0:
            counts = Counts.of(Cells.concat(days), tested["slice"].to_list())
            for name, peer in PEERS.items():
                ordinary[name].append(bool(peer(counts)))
        if every and number % every == 0:
            _fall(world, days, number, hits=hits, first=first, dated=dated)
        if len(ordinary["claimledger"]) % 10 == 0:
            _say(ordinary, hits, first, dated)
    _say(ordinary, hits, first, dated)
    if not hits["claimledger"]:
        return {
            "nights": count,
            "slices": slices_seen,
            "alarm_nights": float(np.mean(ordinary["claimledger"])),
        }
    return {
        "nights": count, "slices": slices_seen, "supported_share": supported,
        "output_correlation": correlation, "runs": len(hits["claimledger"]),
        "alarm_nights": {name: float(np.mean(was)) for name, was in ordinary.items()},
        "detected": {name: float(np.mean(was)) for name, was in hits.items()},
        "right_slice_first": float(np.mean([name == SLICE for name in first])),
        "change_within_a_day": float(np.mean(dated)),
    }  # fmt: skip


def _fall(
    world: World,
    days: list[Cells],
    number: int,
    *,
    hits: dict[str, list[bool]],
    first: list[str],
    dated: list[bool],
) -> None:
    """The nights `number` and the one after it with the fall; `days` end with the ordinary night `number`."""
    fallen = replace(world, changes=(Change(number, agent=0, share=FALL),))
    series = days[:-1]
    was = dict.fromkeys(hits, False)
    for night in (number, number + 1):
        series = [*series, cells_of(fallen.day(night))]
        raised = alarmed(compared(series, night))
        ours = raised.filter(pl.col("slice").str.contains(SLICE, literal=True))
        if ours.height and not was["claimledger"]:
            was["claimledger"] = True
            first.append(raised["slice"][0])
            dated.append(abs((ours["changed_on"][0] - FIRST_DAY).days - number) <= 1)
        here = Cells.concat(series[-NEEDED:])
        agent = pl.col("agent") == SLICE.removeprefix("agent=")
        own = replace(here, sums=here.sums.filter(agent), profiles=here.profiles.filter(agent))
        counts = Counts.of(own, ["all"])
        for name, peer in PEERS.items():
            was[name] |= bool(peer(counts))
    for name, hit in was.items():
        hits[name].append(hit)


def _say(
    ordinary: dict[str, list[bool]], hits: dict[str, list[bool]], first: list[str], dated: list[bool]
) -> None:
    print(
        f"after {len(ordinary['claimledger'])} ordinary nights and {len(hits['claimledger'])} falls of 5 "
        f"points in {SLICE} (400 claims a night):"
    )
    print(f"  {'':47} {'any alarm on an':>17} {'fall reported':>17}")
    print(f"  {'':47} {'ordinary night':>17} {'within 2 nights':>17}")
    for name, was in ordinary.items():
        hit = f"{np.mean(hits[name]):.3f}" if hits[name] else "-"
        alarm = f"{np.mean(was):.3f}" if was else "-"
        print(f"  {name:47} {alarm:>17} {hit:>17}")
    if first:
        print(f"  right slice named first {np.mean([n == SLICE for n in first]):.3f} (target 0.90), ", end="")
        print(f"change within a day {np.mean(dated):.3f} (target 0.80); {Counter(first).most_common(4)}")
    sys.stdout.flush()


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
"""Changes, world, the night looked at, and the slice that the alarm must name first; empty for none."""


def scenarios(pool: Pool, seed: int) -> dict[str, object]:
    """One night of each planted change, in words."""
    out: dict[str, object] = {}
    for name, (changes, parameters, night, expected) in SCENARIOS.items():
        world = World(pool, seed, parameters, changes)
        days = [cells_of(world.day(n)) for n in range(night + 1 - 2 * NEEDED, night + 1) if n >= 0]
        rows = drift_rows(Cells.concat(days), windows(PARAMETERS, FIRST_DAY + timedelta(night)), PARAMETERS)
        raised = alarmed(rows)
        alarm = raised["slice"][0] if raised.height else ""
        whole = rows.filter(metric="supported_share", slice="all")
        volume = rows.filter(metric="outputs_per_day", status="drifted").sort("p_value")
        print(f"{name}: {'as expected' if alarm == expected else f'EXPECTED {expected!r}, GOT {alarm!r}'}")
        print(f"  {raised['reason'][0] if raised.height else whole['reason'][0]}")
        if volume.height:
            print(f"  {volume['reason'][0]}")
        out[name] = {"alarm": alarm, "expected": expected}
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("lake")
    options.add_argument("parts", nargs="*", default=["nights", "scenarios"])
    options.add_argument("--nights", type=int, default=240)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--supported", type=float, default=0.95)
    options.add_argument("--correlation", type=float, default=0.04)
    options.add_argument("--every", type=int, default=2, help="nights from one fall to the next; 0 for none")
    chosen = options.parse_args()
    pool = Pool.of(Lake.open(chosen.lake))
    results: dict[str, object] = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "seed": chosen.seed}
    for part in chosen.parts:
        began = time.process_time()
        if part == "nights":
            results[part] = nights(
                pool,
                chosen.nights,
                chosen.seed,
                supported=chosen.supported,
                correlation=chosen.correlation,
                every=chosen.every,
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
