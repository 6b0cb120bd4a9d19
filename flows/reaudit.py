"""A re-audit, readable as a table of contents.

draw, index, judge again unit by unit, compare, publish the flips, reconcile, record, report.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from flows.audit import Bench, Outcome, checked, close, index, judge, running
from flows.commands.progress import Progress, silent
from flows.stage import log, stage
from tasks.gate.validate import Validator
from tasks.lake.runs import Run
from tasks.lake.store import Lake
from tasks.settings import Settings
from tasks.sources.pull import Unit

if TYPE_CHECKING:
    from tasks.evidence.index import CorpusIndex
    from tasks.reaudit.reaudit import Drawn, Found


def reaudit(
    settings: Settings,
    *,
    sample: int | None = None,
    from_day: date | None = None,
    to_day: date | None = None,
    seed: str | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Judges a stratified sample of historical claims again and says what flipped, and why.

    Args:
        sample: claims; None is `reaudit.sample.size`.
        from_day, to_day: UTC days of the outputs, both included; None is the first and the last there is.
        seed: of the draw; None is today's date, so that each day draws other claims and anybody can redo it.

    Raises:
        InputError: nothing can be drawn: an empty range, no verdicts, fewer claims than strata.
        IntegrityError: the verifier, policy and snapshot of the old verdict now give another.
    """
    from tasks.reaudit.reaudit import draw

    day = datetime.now(UTC).date().isoformat()
    drawn = draw(
        Lake.open(settings.lake),
        settings.reaudit.sample,
        size=sample,
        from_day=from_day,
        to_day=to_day,
        seed=seed or day,
    )
    with running("reaudit", settings, drawn.parameters) as (run, bench, validator):
        corpus = index(run, bench, validator)
        judged = [
            judge(run, bench, corpus, validator, unit, reverify=True, only=drawn.claims["claim_id"])
            for unit in progress(units(run, bench, drawn), "judging again", "unit")
        ]
        found = compare(run, bench, corpus, drawn)
        publish(run, bench, validator, found)
        return close(run, bench, validator, judged, extra=summary(drawn, found))


@stage("drawn")
def units(run: Run, bench: Bench, drawn: Drawn) -> list[Unit]:
    """The outputs of the drawn claims, staged in units of a day and a shard."""
    from tasks.reaudit.reaudit import units as staged_units

    staged = staged_units(bench.lake, drawn, run_id=run.run_id, size=bench.settings.runner.unit_outputs)
    run.records_in += sum(unit.rows for unit in staged)
    log().info("%d claims drawn, in %d units", drawn.claims.height, len(staged))
    return staged


@stage("compare")
def compare(run: Run, bench: Bench, corpus: CorpusIndex | None, drawn: Drawn) -> Found:
    """Old verdicts against new ones, and the cause of each difference."""
    from tasks.reaudit.reaudit import compare as compare_verdicts

    found = compare_verdicts(drawn, bench, corpus, run_id=run.run_id, now=datetime.now(UTC))
    run.warnings += found.warnings
    log().info("%d flips", found.frames["flips"].height)
    return found


@stage("publish flips")
def publish(run: Run, bench: Bench, validator: Validator, found: Found) -> None:
    """Flips, drawn claims and shares: validated, then visible all at once."""
    from tasks.reaudit.reaudit import publish as publish_flips

    counts = publish_flips(
        found,
        bench.lake,
        lambda table, frame: checked(validator, table, frame),
        run_id=run.run_id,
        day=run.started_at.date(),
    )
    run.count(counts)


def summary(drawn: Drawn, found: Found) -> dict[str, Any]:
    """What people and programs are told beside the counts."""
    from tasks.reaudit.reaudit import told

    return told(drawn, found)
