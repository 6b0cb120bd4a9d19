"""The static site over all runs: LAKE/reports/index.html, and what it shows as JSON and Parquet beside it.

It is made anew from the `runs` table and the small report.parquet of each run, so nothing has to be kept in
step, and a run whose page was never written is still listed.

Belongs here: reading, rendering, writing. Does not belong here: which numbers a run's line shows
(`tasks/report/nights.py`).
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.files import durable, parquet
from tasks.lake.store import Lake
from tasks.report import nights, page
from tasks.tables import REPORT

_WIDE, _NARROW = 1130, 305


def write(lake: Lake, *, now: datetime) -> Path:
    """Writes LAKE/reports/{runs.json,runs.parquet,index.html} and returns the page's path.

    Raises:
        LakeError: the folder cannot be written.
    """
    folder = lake.root / "reports"
    with durable.touching(folder):
        durable.make_folder(folder)
        rows = nights.lines(lake.scan("runs").collect(), _numbers(folder))
        listed = rows.with_columns(pl.col(pl.Datetime).dt.to_string("iso:strict")).to_dicts()
        lines = ",\n".join(json.dumps(line, ensure_ascii=False) for line in listed)
        durable.replace(folder / "runs.json", f"[\n{lines}\n]\n".encode())
        durable.replace(folder / "runs.parquet", parquet.encode(nights.LINES, rows))
        durable.replace(folder / "index.html", render(rows, now=now).encode())
    return folder / "index.html"


def _numbers(folder: Path) -> pl.DataFrame:
    """What a line shows of every run's report.parquet; a damaged file is as one that is missing."""
    parts = [REPORT.empty()]
    for file in sorted(folder.glob("*/report.parquet")):
        try:
            parts.append(nights.wanted(parquet.decode(REPORT, file.read_bytes())))
        except (ValueError, TypeError, OSError):
            continue
    return pl.concat(parts)


def render(rows: pl.DataFrame, *, now: datetime) -> str:
    """The page's HTML. `rows` is `nights.lines(...)`, the newest run first."""
    from tasks.report import charts

    drawn = nights.drawn(rows)
    drawings = {}
    if drawn.height > 1:
        drawings = {
            "runs_wide": charts.share_by_run(drawn, _WIDE),
            "runs_narrow": charts.share_by_run(drawn, _NARROW),
        }
    facts: dict[str, Any] = {
        "now": now,
        "runs": rows.height,
        "months": nights.months(rows),
        "newest": next((row for row in rows.iter_rows(named=True) if row["has_page"]), None),
        "flows": rows["flow"].unique().sort().to_list(),
        "drawn": drawn.height,
        "queries": nights.QUERIES,
    }
    return page.render("site.html.j2", facts, drawings=drawings, data={}, script="site.js")
