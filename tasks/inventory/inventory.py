"""The inventory of a lake: what outputs and runs name, compared with the declarations, kept as rows."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tasks.inventory import cards, declarations, declared_use
from tasks.inventory.parameters import InventorySettings
from tasks.lake import current
from tasks.lake.store import Lake


def take(lake: Lake, settings: InventorySettings, *, run_id: str, now: datetime) -> pl.DataFrame:
    """Compares, commits and returns the rows of INVENTORY.

    Raises:
        ConfigError: the declarations cannot be read.
        LakeError: the lake cannot be written.
    """
    declared = declarations.read(settings.path)
    outputs = current.current_outputs(lake.scan("outputs"))
    things = declared_use.seen(outputs, current.ACTIONS.of(lake.scan("actions")), lake.scan("runs"))
    classes = declared_use.classes_seen(outputs, lake.scan("findings"))
    rows = declared_use.compared(things, classes, declared, now=now, run_id=run_id)
    with lake.lock("inventory"):
        lake.recover()
        lake.commit(run_id, "inventory", {"inventory": rows}, run_day=now.date())
    return rows


def system_cards(lake: Lake, rows: pl.DataFrame, *, now: datetime) -> dict[str, str]:
    """A card in Markdown per agent, by file name."""
    return cards.cards(rows, cards.used_by(current.current_outputs(lake.scan("outputs"))), now=now)
