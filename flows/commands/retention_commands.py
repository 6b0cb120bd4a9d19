"""How long content is kept: `retention apply|hold|release|holds`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated

from cyclopts import App, Parameter

from flows.commands.console import DEFAULTS, Common, new_run
from tasks.errors import DONE

app = App(
    name="retention",
    help="Erase what has outlived its rule, and hold what must be kept. Ids, verdicts and events stay, "
    "and the ledger records what was erased under which rule.\n\n"
    "Example: claimledger retention apply --plan",
)


@app.command
def apply(
    *,
    plan: Annotated[
        bool, Parameter(negative="", help="Only show what would be erased; write nothing.")
    ] = False,
    common: Common = DEFAULTS,
) -> int:
    """Erase what has outlived the rules of `[retention]`, except what is on hold. Try --plan first.

    An answer is erased with everything judged from it, as by `claimledger erase`. What people wrote in
    reviews stays unless the rule sets `reviews = true`. If interrupted, run it again to finish.

    Example: claimledger retention apply --plan
    """
    run_id, now = new_run("retention")
    settings = common.settings()
    lake = common.open_lake(settings)
    if not settings.retention.rules:
        common.answer(
            [], ["no rule is configured, so everything is kept; add rules under [[retention.rules]]"]
        )
        return DONE
    if plan:
        from tasks.retention import retention

        due = retention.plan(lake, settings.retention, now=now)
    else:
        from flows import retention as flow

        due = flow.apply(lake, settings, run_id=run_id, now=now).due
    word = "would erase" if plan else "erased"
    common.answer([each.as_dict() for each in due], [f"{word}: {each.sentence}" for each in due])
    return DONE


@app.command
def hold(
    *,
    reason: Annotated[str, Parameter(help="Why, without names: it stays readable forever.")],
    use_case: Annotated[str | None, Parameter(help="Answers of this use case.")] = None,
    agent: Annotated[str | None, Parameter(help="Answers of this agent.")] = None,
    output_id: Annotated[list[str] | None, Parameter(help="These answers.")] = None,
    until: Annotated[
        date | None, Parameter(help="First UTC day without the hold; default: until released.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Exempt answers from every retention rule; an event of the ledger records who, why and until when.

    With several criteria, answers that meet all of them are held.

    Example: claimledger retention hold --use-case support --reason 'case 2026-114'
    """
    from flows.actor import actor
    from tasks.retention import holds

    run_id, now = new_run("hold")
    settings = common.settings()
    placed = holds.place(
        common.open_lake(settings),
        settings.ledger,
        reason=reason,
        run_id=run_id,
        now=now,
        actor=actor(),
        use_case=use_case,
        agent=agent,
        output_ids=output_id or (),
        until=datetime.combine(until, time(), UTC) if until else None,
    )
    common.answer(placed.as_dict(), [f"held: {placed.sentence}"])
    return DONE


@app.command
def release(
    hold_id: str,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why, without names: it stays readable forever.")],
    common: Common = DEFAULTS,
) -> int:
    """Release a hold; an event of the ledger records it. The first characters of its id are enough.

    Example: claimledger retention release 4f1c… --reason 'case 2026-114 is closed'
    """
    from flows.actor import actor
    from tasks.retention import holds

    run_id, now = new_run("release")
    settings = common.settings()
    released = holds.release(
        common.open_lake(settings),
        settings.ledger,
        hold_id,
        reason=reason,
        run_id=run_id,
        now=now,
        actor=actor(),
    )
    common.answer(released.as_dict(), [f"released: {released.sentence}"])
    return DONE


@app.command(name="holds")
def list_holds(*, common: Common = DEFAULTS) -> int:
    """List the holds in force.

    Example: claimledger retention holds
    """
    from tasks.retention import holds

    found = holds.holds(common.open_lake(common.reading()), datetime.now(UTC))
    common.answer(
        [each.as_dict() for each in found], [each.sentence for each in found] or ["no hold in force"]
    )
    return DONE
