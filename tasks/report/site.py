"""The static site over all runs: LAKE/reports/index.html, and what it shows as JSON and Parquet beside it.

It is made anew from the `runs` table and the small report.parquet of each run, so nothing has to be kept in
step, and a run whose page was never written is still listed.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import polars as pl

from tasks.files import durable, parquet
from tasks.lake.store import Lake
from tasks.report import charts, database, markup, nights
from tasks.tables import REPORT


def write(lake: Lake, *, now: datetime) -> Path:
    """Writes LAKE/reports/{runs.json,runs.parquet,index.html} and returns the page's path.

    Raises:
        LakeError: the folder cannot be written.
    """
    folder = lake.root / "reports"
    with durable.touching(folder):
        durable.make_folder(folder)
        rows = lines(lake, lake.scan("runs").collect(), _numbers(folder))
        listed = rows.with_columns(pl.col(pl.Datetime).dt.to_string("iso:strict")).to_dicts()
        text = ",\n".join(json.dumps(line, ensure_ascii=False) for line in listed)
        durable.replace(folder / "runs.json", f"[\n{text}\n]\n".encode())
        durable.replace(folder / "runs.parquet", parquet.encode(nights.LINES, rows))
        durable.replace(folder / "index.html", render(rows, now=now).encode())
    return folder / "index.html"


def lines(lake: Lake, runs: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """Rows of `nights.LINES`, from rows of the `runs` table and of `report.parquet` files."""
    frames = {"all_runs": runs, "all_numbers": numbers}
    texts = nights.queries("all_runs", "all_numbers")
    results = {name: database.over(lake, text, frames) for name, text in texts.items()}
    return nights.lines(results["runs"], results["numbers"])


def _numbers(folder: Path) -> pl.DataFrame:
    """What a line shows of every run's report.parquet; a damaged file is as one that is missing."""
    parts = [REPORT.empty()]
    for file in sorted(folder.glob("*/report.parquet")):
        try:
            parts.append(nights.shown(parquet.decode(REPORT, file.read_bytes())))
        except (ValueError, TypeError, OSError):
            continue
    return pl.concat(parts)


def render(rows: pl.DataFrame, *, now: datetime) -> str:
    """The page's HTML. `rows` is `nights.lines(...)`, the newest run first."""
    drawn = nights.drawn(rows)
    widths = (charts.SITE, charts.NARROW) if drawn.height > 1 else ()
    facts = {
        "now": now,
        "runs": rows.height,
        "months": nights.months(rows),
        "newest": next(iter(rows.filter("has_page").head(1).to_dicts()), None),
        "flows": rows["flow"].unique().sort().to_list(),
        "drawn": drawn.height,
        "plots": [charts.share_by_run(drawn, width) for width in widths],
        "queries": nights.queries(),
    }
    return markup.render("site.html.j2", facts, data={}, script="site.js")
