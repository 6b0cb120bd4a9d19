"""A re-audit, readable as a table of contents."""

from __future__ import annotations

from datetime import UTC, date, datetime

from flows.orchestrator import flow, task, tell
from flows.outcome import Outcome, conclude
from flows.progress import counted, in_turn
from flows.run import Run, finish, opened, turn
from flows.stages import index, unit_title
from tasks.reaudit import reaudit as reaudits
from tasks.reaudit.reaudit import Comparison, Draw
from tasks.settings import load
from tasks.sources.units import Unit, together


@flow("reaudit")
def reaudit(
    *,
    sample: int | None = None,
    since: date | None = None,
    until: date | None = None,
    seed: str | None = None,
    config: str | None = None,
    lake: str | None = None,
) -> Outcome:
    """Judges a stratified sample of historical claims again and says what flipped, and why.

    Args:
        sample: Claims to judge again; by default reaudit.sample.size of the configuration.
        since: First UTC day of the answers to draw from; by default the first there is.
        until: Last UTC day of the answers to draw from, included; by default the last there is.
        seed: Words that fix the draw, so that anybody can draw it again; by default today's date.
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.

    Raises:
        InputError: nothing can be drawn: an empty range, no verdicts, fewer claims than strata.
        IntegrityError: the verifier, policy and snapshot of the old verdict now give another.
        EndedWithProblemsError: done, but the ledger needs attention.
    """
    settings = load(config, lake=lake)
    with turn("reaudit", settings) as held:  # what is drawn must still be there when it is judged
        drawn = reaudits.draw(
            held,
            settings.reaudit.sample,
            size=sample,
            from_day=since,
            to_day=until,
            seed=seed or datetime.now(UTC).date().isoformat(),
        )
        with opened("reaudit", settings, drawn.parameters) as run:
            index(run)
            for unit, _ in in_turn(drawn_units(run, drawn), "judging again"):
                judge_again(run, unit, drawn)
            comparison = compare(run, drawn)
            publish_flips(run, comparison)
            finish(run)
    return conclude(run, reaudits.summary(drawn, comparison))


@task("drawn", lambda _, drawn: f"draw {counted(drawn.claims.height, 'claim')}")
def drawn_units(run: Run, drawn: Draw) -> list[Unit]:
    """The outputs of the drawn claims, staged in units."""
    units = reaudits.units(run.lake, drawn, run_id=run.run_id, size=run.settings.runner.unit_outputs)
    run.record.records_in += sum(unit.rows for unit in units)
    units = together(units, run.settings.runner.together_outputs)
    tell(f"{counted(drawn.claims.height, 'claim')} drawn, in {counted(len(units), 'unit')}")
    return units


@task("judge", lambda run, unit, _: unit_title(run, unit, reverify=True))
def judge_again(run: Run, unit: Unit, drawn: Draw) -> None:
    """The drawn claims of one unit through to committed verdicts."""
    run.count(unit, reaudits.judge_again(unit.outputs(), drawn, run.job(unit)))


@task("compare", lambda _, drawn: f"compare {counted(drawn.claims.height, 'claim')}")
def compare(run: Run, drawn: Draw) -> Comparison:
    """Old verdicts against new ones, and the cause of each difference."""
    comparison = reaudits.compare(drawn, run.bench, run.corpus, run_id=run.run_id, now=datetime.now(UTC))
    run.record.warnings += comparison.warnings
    tell(counted(comparison.frames["flips"].height, "flip"))
    return comparison


@task("publish flips", lambda _, found: f"publish {counted(found.frames['flips'].height, 'flip')}")
def publish_flips(run: Run, comparison: Comparison) -> None:
    """Flips, drawn claims and shares: validated, then visible all at once."""
    counts = reaudits.publish(comparison, run.lake, run.check, run_id=run.run_id, day=run.day)
    run.record.count(counts, of="flips")
