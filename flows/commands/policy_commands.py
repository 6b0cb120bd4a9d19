"""The commands about policies: `policy check|show|diff`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from flows.commands.console import DEFAULTS, Common, FromDay, ToDay, table
from flows.progress import counted
from tasks.errors import BAD_ANSWER, DONE, InputError

if TYPE_CHECKING:
    import polars as pl

    from tasks.policies.past import Difference

app = App(
    name="policy",
    help="The written rules that decide: whether they have gaps, which is in force on a day, and what "
    "another one would have decided."
    "\n\n"
    "Example: claimledger policy check",
)


@app.command
def check(*, common: Common = DEFAULTS) -> int:
    """Show what is wrong with the policies: gaps in time, unknown use cases, missing owners.

    Every command refuses two policies in force at once, a key given twice, or a threshold outside 0 to 1
    (exit status 2). Exit status 1: the policies load, but something is wrong.

    Example: claimledger policy check --config claimledger.toml
    """
    from datetime import UTC, datetime

    from flows import policies

    settings = common.settings()
    found = policies.check(settings, common.open_lake(settings), datetime.now(UTC).date())
    lines = [*(f"fault: {sentence}" for sentence in found["faults"]), *found["notices"]]
    policies_read = counted(found["policies"], "policy", "policies")
    lines.append(f"{policies_read}, {counted(len(found['faults']), 'fault')}")
    common.answer(found, lines)
    return BAD_ANSWER if found["faults"] else DONE


@app.command
def show(
    *,
    on: Annotated[date | None, Parameter(help="UTC day of an output; default: today.")] = None,
    common: Common = DEFAULTS,
) -> int:
    """Show which policy is in force for each use case on a day, with its values.

    Example: claimledger policy show --on 2026-11-30
    """
    from datetime import UTC, datetime

    from flows import policies

    day = on or datetime.now(UTC).date()
    found = policies.in_force_on(common.settings(), day)
    lines = [f"in force on {day}:"]
    for each in found:
        values = each["values"]
        lines += ["", f"{each['use_case']}: {each['policy']}"]
        lines += [f"  {name} = {value}" for name, value in values.items() if value not in (None, "")]
    common.answer({"on": day.isoformat(), "in_force": found}, lines)
    return DONE


@app.command
def diff(
    old: str,
    new: str,
    /,
    *,
    from_: FromDay = None,
    to: ToDay = None,
    common: Common = DEFAULTS,
) -> int:
    """Apply two policies to past scores and show what differs; nothing is judged again.

    OLD and NEW are files, or name@version of a policy in the configuration or one that decided in this lake.
    Prints how verdicts and actions change, by agent, some of the claims, and what reviewers said of them.

    Example: claimledger policy diff default@1 policies/default-2.toml --from 2026-10-01 --to 2026-10-31
    """
    from flows import policies
    from flows.progress import counter
    from tasks.policies import past

    if from_ and to and from_ > to:
        raise InputError(f"--from {from_} is after --to {to}; give the earlier day first")
    settings = common.reading()
    lake = common.open_lake(settings)
    before, after = (policies.named(word, settings, lake) for word in (old, new))
    with counter(common.shows_progress, "deciding") as progress:
        found = past.compare(
            lake, before, after, others=settings.policies, since=from_, until=to, done=progress
        )
    common.answer(found.as_dict(), _lines(found))
    return DONE


def _lines(found: Difference) -> list[str]:
    from tasks.policies.past import changed_values

    lines = [
        f"{found.old.label} and {found.new.label} on {found.claims:,} claims of {found.outputs:,} outputs:"
    ]
    lines += [f"  {name}: {a} → {b}" for name, (a, b) in changed_values(found.old, found.new).items()]
    lines += [
        "",
        f"{found.changed_claims:,} verdicts and {found.changed_outputs:,} actions would change",
    ]
    for title, flows in (("verdicts", found.verdicts), ("actions", found.actions)):
        rows = _moves(flows)
        if rows:
            lines += ["", *table([title, "agent", "before", "after"], rows)]
    examples = [
        [
            *(r["before"], r["after"], round(r["p_supported"], 3), round(r["p_contradicted"], 3)),
            (r["claim"] or "")[:70],
        ]
        for r in found.examples.iter_rows(named=True)
    ]
    if examples:
        lines += ["", *table(["before", "after", "p_supported", "p_contradicted", "claim"], examples)]
    said = [[r["count"], r["before"], r["after"], r["opinion"]] for r in found.reviews.iter_rows(named=True)]
    if said:
        lines += ["", "reviews of verdicts that would change:"]
        lines += table(["reviewed", "before", "after", "the change is"], said)
    elif found.changed_claims:
        lines += ["", "nobody has reviewed a verdict that would change"]
    if found.unexplained:
        lines += [
            "",
            f"{found.unexplained:,} verdicts on record do not follow from stored scores and their policy; "
            "`claimledger ledger verify` shows whether rows were altered",
        ]
    return lines


def _moves(flows: pl.DataFrame) -> list[list[object]]:
    moved = flows.filter(flows["before"] != flows["after"]).sort("count", descending=True)
    return [[r["count"], r["agent"], r["before"], r["after"]] for r in moved.head(20).iter_rows(named=True)]
