"""The command `inventory`: what is in use, and under which agreement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.commands.console import DEFAULTS, Common, new_run, table
from tasks.errors import DONE

MORE = "more: --json, and the table `inventory` in the lake"


def inventory(
    *,
    bom: Annotated[
        Path | None, Parameter(help="Also write a CycloneDX 1.6 ML-BOM to this file (extra `bom`).")
    ] = None,
    cards: Annotated[
        Path | None, Parameter(help="Also write an AI system card per agent (Markdown) to this folder.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Show which agents, models, tools and sources are in use, who owns each, and what is not declared.

    Compares what the lake's outputs and runs name with the TOML files in inventory.path. Findings: in use but
    not declared; declared but not seen for 30 days; an agreement that is missing or has ended; a version
    other than declared; a tool whose answers hold data that it may not see. The rows are kept in the table
    `inventory`.

    Example: claimledger inventory --bom bom.json
    """
    from tasks.files import durable
    from tasks.inventory.bom import document
    from tasks.inventory.inventory import system_cards, take

    settings = common.settings()
    run_id, now = new_run("inventory")
    lake = common.open_lake(settings)
    rows = take(lake, settings.inventory, run_id=run_id, now=now)
    if bom is not None:
        with durable.touching(bom):
            durable.replace(bom, document(rows, now=now))
    if cards is not None:
        durable.make_folder(cards)
        with durable.touching(cards):
            for name, text in system_cards(lake, rows, now=now).items():
                durable.replace(cards / name, text.encode())
    found = rows.filter(rows["finding"].is_not_null()).height
    shown = [
        (
            r["kind"],
            r["name"][:40],
            r["version"],
            r["outputs"],
            r["failed"],
            r["owner"] or "–",
            r["finding"] or "–",
        )
        for r in rows.to_dicts()
    ]
    lines = table(("kind", "name", "version", "outputs", "failed", "owner", "finding"), shown)
    common.answer(rows.to_dicts(), [*lines, f"{rows.height} in use or declared, {found} with findings", MORE])
    return DONE
