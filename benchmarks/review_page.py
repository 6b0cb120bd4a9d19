"""How long a reviewer waits: `python -m benchmarks.review_page [--waiting N] [--pages N] [-o FILE]`.

A lake whose verdicts all wait (N, 100,000 by default; five claims an answer, three passages each), the page
served from a thread as `claimledger review serve` does it, and one reviewer who reads, decides and undoes.
Times are those of whole requests over HTTP on this machine, the following redirect included.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import made_lake
from tasks import ids
from tasks.decide.policies import Policy
from tasks.lake.store import Lake
from tasks.ledger.parameters import LedgerSettings
from tasks.settings import Settings
from tests.support import review_pages
from tests.support.review_pages import Visitor

PER_DAY = 4_000
"""Answers of one day."""


def build(folder: Path, waiting: int) -> Settings:
    lake = Lake.open(str(folder / "lake"))
    lake.ensure_tables(made_lake.FIRST.date())
    maker = made_lake.Maker()
    outputs = -(-waiting // made_lake.CLAIMS)
    for number, first in enumerate(range(0, outputs, PER_DAY)):
        run_id, day = ids.digest("run", number), made_lake.FIRST + timedelta(days=number)
        frames = maker.frames(min(PER_DAY, outputs - first), day, run_id)
        frames["verdicts"] = frames["verdicts"].with_columns(
            is_conflict=pl.lit(value=True)
        )  # so that each waits
        lake.commit(run_id, "unit", frames, run_day=day.date())
    return Settings(
        lake=str(lake.root),
        ledger=LedgerSettings(origin="example.com/bench", key_folder=str(folder / "keys")),
        policies=(Policy(review_supported_ratio=1.0),),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        settings = build(Path(name), arguments.waiting)
        began = time.perf_counter()
        with review_pages.served(settings, "a") as page:
            anna = Visitor(page.urls["a"])
            found["start_s"] = round(time.perf_counter() - began, 2)
            found["waiting"] = page.desk.waiting_count("a")
            kinds: dict[str, list[float]] = {"next": [], "queue": [], "decide": [], "undo": []}
            for number in range(arguments.pages):
                for kind, path in (("next", "/"), *((("queue", "/queue"),) if number % 10 == 0 else ())):
                    began = time.perf_counter()
                    assert anna.get(path).status_code == 200
                    kinds[kind].append(time.perf_counter() - began)
                if number % 10 == 0:
                    anna.get("/")
                began = time.perf_counter()
                assert "Recorded" in anna.decide("supported").text
                kinds["decide"].append(time.perf_counter() - began)
                if number % 50 == 49:
                    began = time.perf_counter()
                    anna.send("/undo", anna.form("/undo"))
                    kinds["undo"].append(time.perf_counter() - began)
            for kind, times in kinds.items():
                milliseconds = np.array(times or [np.nan]) * 1000
                found[kind] = {f"p{p}_ms": round(float(np.percentile(milliseconds, p))) for p in (50, 95, 99)}
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
