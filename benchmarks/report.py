"""The report's claims: a page of bounded size and time while the lake grows, and a site that opens at once.

`python -m benchmarks.report [VERDICTS ...]` (default 10000 1000000) builds a lake of that many verdicts in a
temporary folder, writes the page in a fresh process, and prints size, seconds, their ratios, and how long the
page takes to open. Limit: 3 MB and 2 s with 100,000.

`python -m benchmarks.report --site [RUNS ...]` (default 365 1000) writes a site over that many runs, each
with its own page's numbers, and opens it and the newest page in headless Chromium: seconds until it is
painted, processor seconds of the page's own process (which can be compared on a busy machine too), requests,
errors. Limit: 2 s.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks import ids, tables
from tasks.files import parquet
from tasks.lake.store import Lake
from tasks.report import report, site
from tasks.tables import REPORT, TABLES
from tests.support import report_lake

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
            values = {
                "insufficient_because": None,
                "kind": "factual",
                "origin": "context",
                "corpus": "context",
                "action": "delivered",
            }
            values["outcome"] = "supported"
            value = values.get(column.name, constants[dtype])
            columns.append(pl.lit(value, dtype=dtype).alias(column.name))
    if name == "actions":
        frame = frame.with_columns(action_id=pl.col("output_id"))
        columns = [pl.col("action_id"), *columns[1:]]
    return frame.select(columns)


def write_page(folder: Path) -> None:
    lake = Lake.open(str(folder))
    run = report_lake.run_row({}, run_id=RUN, started_at=NOW, finished_at=NOW)
    lake.commit(RUN, "run", {"runs": pl.DataFrame([run], schema=TABLES["runs"].schema)}, run_day=NOW.date())
    started, worked = time.perf_counter(), time.process_time()
    page = report.write(lake, report.gather(lake, RUN, checkpoint=None, now=NOW))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = time.process_time() - worked
    sizes = {file.name: file.stat().st_size for file in sorted(page.parent.iterdir())}
    print(
        json.dumps(
            {
                "bytes": page.stat().st_size,
                "seconds": round(seconds, 2),
                "cpu_s": round(cpu, 2),
                "peak_mib": round(peak),
                "files": sizes,
            }
        )
    )


LIMIT_S = 2.0
"""Until a page is loaded, with a year of runs."""
LIMIT_BYTES = 3_000_000
"""A page of a night with 100,000 claims."""


def write_site(folder: Path, runs: int) -> dict[str, object]:
    """A lake of one real page and `runs` runs whose numbers are that page's."""
    lake, page = report_lake.write(folder / "lake")
    rows = pl.DataFrame(
        [
            report_lake.run_row(
                {}, run_id=ids.digest("run", n), started_at=report_lake.NOW - timedelta(days=n)
            )
            for n in range(runs)
        ],
        schema=TABLES["runs"].schema,
    )
    lake.commit(RUN, "runs", {"runs": rows}, run_day=report_lake.NOW.date())
    numbers = pl.read_parquet(page.parent / "report.parquet")
    for run_id in rows["run_id"]:
        place = lake.report_folder(run_id)
        (place / "report.parquet").write_bytes(
            parquet.encode(REPORT, numbers.with_columns(run_id=pl.lit(run_id)))
        )
    started, worked = time.perf_counter(), time.process_time()
    index = site.write(lake, now=NOW)
    files = [index, index.with_name("runs.json"), index.with_name("runs.parquet")]
    return {
        "runs": runs,
        "write_s": round(time.perf_counter() - started, 2),
        "write_cpu_s": round(time.process_time() - worked, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "bytes": {file.name: file.stat().st_size for file in files},
        "opened": {"site": opened(index), "page": opened(page)},
    }


def opened(page: Path) -> dict[str, object]:
    """Three visits with an empty cache; the medians."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    visits, requests, errors = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(3):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.on("request", lambda request: requests.append(request.url))
            tab.on("console", lambda message: errors.append(message.text))
            tab.on("pageerror", lambda error: errors.append(str(error)))
            before = renderers(browser)
            tab.goto(page.as_uri(), wait_until="load")
            # Two frames later the page has been laid out and painted.
            loaded = tab.evaluate(
                "new Promise(done => requestAnimationFrame(() => requestAnimationFrame("
                "() => done(performance.now()))))"
            )
            work = max(cpu - before.get(process, 0.0) for process, cpu in renderers(browser).items())
            nodes = tab.evaluate("document.querySelectorAll('*').length")
            visits.append((loaded / 1000, work, nodes))
            tab.close()
        browser.close()
    seconds, work, nodes = (sorted(values)[1] for values in zip(*visits, strict=True))
    return {
        "painted_s": round(seconds, 2),
        "of_limit": round(seconds / LIMIT_S, 2),
        "renderer_cpu_s": round(work, 2),
        "nodes": int(nodes),
        "requests_besides_itself": len(requests) - len(visits),
        "console": errors,
    }


def renderers(browser: Any) -> dict[int, float]:
    """Processor seconds so far of each page's process."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return {each["id"]: each["cpuTime"] for each in found if each["type"] == "renderer"}


def main() -> int:
    if sys.argv[1:2] == ["--page"]:
        write_page(Path(sys.argv[2]))
        return 0
    if sys.argv[1:2] == ["--site"]:
        print(json.dumps({"load": os.getloadavg()}))
        for runs in [int(size) for size in sys.argv[2:]] or [365, 1000]:
            with tempfile.TemporaryDirectory() as folder:
                print(json.dumps(write_site(Path(folder), runs)))
        return 0
    sizes = [int(size) for size in sys.argv[1:]] or [10_000, 1_000_000]
    results = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_lake(Path(folder), size)
            done = subprocess.run(
                [sys.executable, __file__, "--page", folder], check=True, capture_output=True, text=True
            )
            page = Path(folder) / "reports" / RUN / "index.html"
            results.append({"verdicts": size, **json.loads(done.stdout), "opened": opened(page)})
        if results[-1]["bytes"] > LIMIT_BYTES:
            print(f"the page has {results[-1]['bytes']} bytes, more than {LIMIT_BYTES}", file=sys.stderr)
        print(json.dumps(results[-1]))
    first, last = results[0], results[-1]
    times = {name: last[name] / first[name] for name in ("verdicts", "bytes", "seconds")}
    print(", ".join(f"{name} × {ratio:.2f}" for name, ratio in times.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
