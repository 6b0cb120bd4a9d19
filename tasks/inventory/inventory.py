"""The inventory of a lake: what outputs and runs name, compared with the declarations, kept as rows."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from tasks.inventory import cards, declarations, declared_use
from tasks.inventory.parameters import InventorySettings
from tasks.lake import current
from tasks.lake.store import Lake


def compare(
    lake: Lake,
    settings: InventorySettings,
    *,
    run_id: str,
    now: datetime,
    since: date | None = None,
    until: date | None = None,
) -> pl.DataFrame:
    """Rows of INVENTORY: what outputs and runs name, beside the declarations.

    Args:
        now: the moment that agreements and last uses are compared with.
        since: first UTC day of the answers that are counted; what none of them used and nobody declared is
            left out. All of them where none is given.
        until: last UTC day that anything is seen of.

    Raises:
        ConfigError: the declarations cannot be read.
    """
    declared = declarations.read(settings.path)
    runs = lake.scan("runs")
    if until is not None:
        runs = runs.filter(pl.col("started_at").dt.date() <= until)
    outputs = current.current_outputs(lake.scan("outputs", until=until))
    things = declared_use.seen(outputs, current.ACTIONS.of(lake.scan("actions")), runs, since=since)
    classes = declared_use.classes_seen(
        current.current_outputs(lake.scan("outputs", since=since, until=until)), lake.scan("findings")
    )
    rows = declared_use.compared(things, classes, declared, now=now, run_id=run_id)
    if since is None:
        return rows
    was_used = (pl.col("outputs") > 0) | (pl.col("last_seen_at").dt.date() >= since)
    return rows.filter(was_used.fill_null(value=False) | pl.col("declared"))


def take(lake: Lake, settings: InventorySettings, *, run_id: str, now: datetime) -> pl.DataFrame:
    """Compares, commits and returns the rows of INVENTORY.

    Raises:
        ConfigError: the declarations cannot be read.
        LakeError: the lake cannot be written.
    """
    rows = compare(lake, settings, run_id=run_id, now=now)
    with lake.lock("inventory"):
        lake.recover()
        lake.commit(run_id, "inventory", {"inventory": rows}, run_day=now.date())
    return rows


def new_findings(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with a finding that the newest inventory in the lake does not have: kind, name, finding."""
    earlier = lake.scan("inventory").filter(pl.col("taken_at") == pl.col("taken_at").max())
    key = ["kind", "name", "version", "finding"]
    fresh = rows.filter(pl.col("finding").is_not_null()).lazy().join(earlier, on=key, how="anti")
    return fresh.select("kind", "name", "finding").sort("kind", "name").collect()


def system_cards(lake: Lake, rows: pl.DataFrame, *, now: datetime) -> dict[str, str]:
    """A card in Markdown per agent, by file name."""
    return cards.cards(rows, cards.used_by(current.current_outputs(lake.scan("outputs"))), now=now)
