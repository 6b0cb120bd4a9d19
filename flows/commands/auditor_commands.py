"""The commands `sample` and `erase`: what an auditor draws, and what a person may ask to be forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.commands.console import DEFAULTS, Common, FromDay, ToDay, new_run
from tasks.errors import DONE


def sample(
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="Folder to create.")],
    seed: Annotated[str, Parameter(help="The auditor's nonce: any words, chosen beforehand.")],
    size: Annotated[int | None, Parameter(help="Number of items to draw.")] = None,
    confidence: Annotated[float | None, Parameter(help="Confidence level, for example 0.95.")] = None,
    tolerable: Annotated[float | None, Parameter(help="Tolerable deviation rate, for example 0.05.")] = None,
    stratify: Annotated[str | None, Parameter(help="Stratify by agent, model, use_case or verdict.")] = None,
    from_: FromDay = None,
    to: ToDay = None,
    checkpoint: Annotated[
        Path | None, Parameter(help="An older checkpoint of this log, to draw an earlier sample again.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Draw an auditor's random sample, reproducibly: a page, a proof per item and an empty result sheet.

    Set --size, or --confidence and --tolerable (exact hypergeometric size for no deviations). The draw
    depends only on the seed and the ledger's checkpoint. `review import` evaluates the filled-in results.csv.

    Example: claimledger sample --confidence 0.95 --tolerable 0.05 --seed 'auditor 2026-11' -o sample
    """
    from tasks.review.sample import draw_sample

    settings = common.reading()
    drawn = draw_sample(
        common.open_lake(settings),
        settings.ledger,
        output,
        nonce=seed,
        size=size,
        confidence=confidence,
        tolerable=tolerable,
        stratify=stratify,
        since=from_,
        until=to,
        checkpoint=checkpoint,
    )
    line = (
        f"{drawn.size} of {drawn.population} verifications at {drawn.checkpoint_size} events: {drawn.folder}"
    )
    common.answer(drawn.as_dict(), [line])
    return DONE


def erase(
    *,
    output_id: Annotated[str, Parameter(help="The output to erase.")],
    reason: Annotated[
        str,
        Parameter(help="Why, without names: it stays readable in the ledger forever. Use a ticket number."),
    ],
    common: Common = DEFAULTS,
) -> int:
    """Erase an output's content everywhere in the lake; the ledger still verifies.

    Pages of the days concerned are rewritten from what the lake then holds. Anyone who checks the ledger
    sees each erasure: when, how many verdicts of which kind, why and by whom.

    Example: claimledger erase --output-id 4f1c… --reason 'request of the data subject, ticket 4711'
    """
    from flows.covering import require_key
    from flows.erase import erase as erase_output
    from tasks.privacy import leak_files

    run_id, now = new_run("erase")
    settings = common.settings()
    lake, cover = common.open_lake(settings), leak_files.cover(settings.privacy)
    require_key(lake, cover)
    done = erase_output(
        lake,
        settings.ledger,
        output_id,
        reason=cover.text(reason) if cover else reason,
        run_id=run_id,
        now=now,
    )
    rows = ", ".join(f"{count} of {table}" for table, count in sorted(done.rows.items()))
    lines = [
        f"erased: rows {rows or 'none left'}; {len(done.files)} other files; "
        f"{len(done.reports)} reports rewritten",
        f"recorded as event {done.event_index}; copies elsewhere (proofs, backups) are not reached",
        *(f"not erased, because it was moved or is not writable: {path}" for path in done.missing),
    ]
    common.answer(done.as_dict(), lines)
    return DONE
