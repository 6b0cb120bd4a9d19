"""The command `pack`: the auditor's folder for a period."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.commands.console import DEFAULTS, SINCE, UNTIL, Common, new_run
from flows.progress import counted
from tasks.errors import DONE


def pack(
    *,
    from_: Annotated[date, Parameter(name=SINCE, help="First UTC day.")],
    to: Annotated[date, Parameter(name=UNTIL, help="Last UTC day, included.")],
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="Folder to make.")],
    seed: Annotated[
        str | None, Parameter(help="The auditor's nonce for the sample; default: the days of the period.")
    ] = None,
    summary: Annotated[
        bool,
        Parameter(
            negative="", help="Also write summary.html: one page for management, with the previous period."
        ),
    ] = False,
    common: Common = DEFAULTS,
) -> int:
    """Make the evidence pack of a period: controls, populations, a sample, proofs and a script to check it.

    The whole ledger is verified first. The folder holds a page for people, CSV populations, OSCAL assessment
    results, a manifest whose digest becomes an event of the ledger, and check.py, which reports ok or the
    fault and needs only Python. It is evidence for an auditor, neither a SOC 2 report nor a certificate.

    Example: claimledger pack --from 2026-07-01 --to 2026-09-30 -o pack-2026-q3
    """
    from flows.pack import pack as make

    settings = common.settings()
    run_id, now = new_run("pack")
    made = make(
        common.open_lake(settings),
        settings,
        output,
        from_,
        to,
        nonce=seed,
        has_summary=summary,
        run_id=run_id,
        now=now,
    )
    states = ", ".join(f"{count} {state}" for state, count in made.states.items())
    exceptions = counted(made.exceptions, "exception")
    lines = [
        f"{made.folder}: criteria: {states}; {exceptions}, {made.exceptions_open} open",
        f"the manifest is event {made.event_index} of the ledger: {made.manifest_sha256}",
        *([f"for management: {made.folder / 'summary.html'}"] if summary else []),
        *made.notes,
        f"next: python {made.folder / 'check.py'} KEY",
    ]
    common.answer(made.as_dict(), lines)
    return DONE
