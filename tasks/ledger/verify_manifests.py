"""Commit manifests against the log: who may change a file may change the manifest that names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from tasks.lake.store import Lake
from tasks.ledger import events, events_table
from tasks.ledger.findings import Findings
from tasks.ledger.log import Log


def earlier(lake: Lake, log: Log, start: int, findings: Findings) -> None:
    """Manifests of the runs that incremental mode passes over: whoever changes a file changes these too."""
    with findings.catching():
        run_ids = lake.scan("runs").select("run_id").unique().collect()["run_id"]
        ends = log.find(events.run_subjects(run_ids, "end")).filter(pl.col("sequence") < start)
        for run_id, sequence in ends.select("run_id", "sequence").iter_rows():
            bound = events.read(log.entry(sequence)).get("commits_sha256")
            if bound is not None and events_table.commits_digest(lake.root, run_id) != bound:
                findings.fail(
                    f"{lake.root / 'runs' / run_id / 'commits'}: the manifests of this run name other files "
                    "than its event says"
                )


def removals(by_run: Mapping[str, Path], log: Log, findings: Findings) -> None:
    """Commits that took files away are of runs that the log knows: whoever removes a file could write one.

    Args:
        by_run: a manifest of each run that did.
    """
    with findings.catching():
        runs = pl.Series("run_id", list(by_run), dtype=pl.String)
        for phase in ("start", "end"):
            runs = runs.filter(~runs.is_in(log.find(events.run_subjects(runs, phase))["run_id"].implode()))
        for run_id in runs:
            findings.fail(f"{by_run[run_id]}: takes files away, and the log knows no such run")
