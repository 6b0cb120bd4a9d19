"""The commands that run a flow: `audit`, `backfill`, `reaudit`, `drift`, `health`, `index`, `compact`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from flows.commands.audit_lines import audited
from flows.commands.console import DEFAULTS, SINCE, UNTIL, Common, FromDay, ToDay, fail, table
from flows.commands.launch import launch
from tasks.errors import BAD_ANSWER, DAMAGED, DONE, InputError

if TYPE_CHECKING:
    from flows.outcome import Outcome

ROWS_SHOWN = 15
"""Drifted rows that the terminal shows; the report and --json have all of them."""


def audit(
    *,
    since: Annotated[
        date | None, Parameter(name=SINCE, help="First UTC day; default: the watermark.")
    ] = None,
    until: Annotated[
        date | None, Parameter(name=UNTIL, help="Last UTC day, inclusive; default: now.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Run the nightly job: audit what is new since the watermarks, or a range of UTC days.

    Pulls, extracts claims, retrieves evidence, scores, decides, checks privacy, validates, publishes, records
    and reports. Running it again changes nothing and takes seconds. After a crash, run it again: it resumes.

    Example: claimledger audit --since 2026-11-01 --until 2026-11-07
    """
    if since and until and since > until:
        raise InputError(f"--from {since} is after --to {until}; give the earlier day first")
    outcome = launch("audit", common, since=since, until=until)
    return _answer(outcome, audited(outcome, common.places), common)


def backfill(
    *,
    from_: Annotated[date, Parameter(name=SINCE, help="First UTC day.")],
    to: Annotated[date, Parameter(name=UNTIL, help="Last UTC day, included.")],
    reverify: Annotated[
        bool, Parameter(negative="", help="Also judge again what already has a verdict.")
    ] = False,
    workers: Annotated[
        int | None, Parameter(help="Processes that judge in parallel; on a cluster, the most workers to use.")
    ] = None,
    max_hours: Annotated[
        float | None, Parameter(help="Start no unit that would end later than this.")
    ] = None,
    max_cost: Annotated[
        float | None, Parameter(help="Start no unit that would take a paid judge's cost beyond this.")
    ] = None,
    status: Annotated[
        bool, Parameter(negative="", help="Only show the progress of each day; write nothing.")
    ] = False,
    common: Common = DEFAULTS,
) -> int:
    """Audit a range of past days: pull what is missing, judge what has no current verdict. Resumable.

    First estimates time and cost from earlier runs. A nightly audit that starts meanwhile goes first
    as soon as the units in progress are done. A unit that cannot be judged is set aside; the rest continues.

    Example: claimledger backfill --from 2026-10-01 --to 2026-10-31 --workers 4 --max-hours 6
    """
    if from_ > to:
        raise InputError(f"--from {from_} is after --to {to}; give the earlier day first")
    if status:
        return _status(from_, to, common)
    outcome = launch(
        "backfill",
        common,
        since=from_,
        until=to,
        reverify=reverify,
        workers=workers,
        max_hours=max_hours,
        max_cost=max_cost,
    )
    return _answer(outcome, audited(outcome, common.places), common)


def _status(since: date, until: date, common: Common) -> int:
    """How far each day is, from the tables alone: also while a backfill is at work."""
    from tasks.backfill.days import days
    from tasks.lake.store import Lake

    lake = Lake.open(common.reading().lake)
    outputs, claims, verdicts, actions = (
        lake.scan(name, since=since, until=until) for name in ("outputs", "claims", "verdicts", "actions")
    )
    refused = lake.scan("quarantine")
    frame = days(outputs, claims, verdicts, actions, refused, since=since, until=until)
    rows = frame.rows()
    states = frame["state"].value_counts(sort=True).rows()
    complete = sum(count for state, count in states if state in ("complete", "empty"))
    headings = ["day", "outputs", "claims", "judged", "actions", "set aside", "state"]
    lines = [*table(headings, rows), "", f"{complete} of {len(rows)} days are complete or empty"]
    common.answer(frame.to_dicts(), lines)
    return DONE


def reaudit(
    *,
    sample: Annotated[int | None, Parameter(help="Claims to judge again; default: as configured.")] = None,
    from_: FromDay = None,
    to: ToDay = None,
    seed: Annotated[str | None, Parameter(help="Words that fix the draw; default: today's date.")] = None,
    common: Common = DEFAULTS,
) -> int:
    """Judge a stratified sample of past claims again; report which verdicts flipped, and why.

    A flip's cause is found by changing one thing at a time: the evidence, the verifier or the policy. Flips
    go to the ledger, and those of delivered outputs to the review queue. The same seed draws the same claims.

    Example: claimledger reaudit --sample 400 --from 2026-07-01 --to 2026-09-30
    """
    outcome = launch("reaudit", common, sample=sample, since=from_, until=to, seed=seed)
    return _answer(outcome, reaudited(outcome), common)


def drift(
    *,
    current: Annotated[
        str | None, Parameter(help="Window, as FIRST..LAST UTC days; default: the newest nights.")
    ] = None,
    from_: Annotated[date | None, Parameter(name=SINCE, help="First day of the window, with --to.")] = None,
    to: Annotated[date | None, Parameter(name=UNTIL, help="Last day of the window, with --from.")] = None,
    baseline: Annotated[
        str | None, Parameter(help="Baseline, as FIRST..LAST; default: the configured one.")
    ] = None,
    fail_on_drift: Annotated[
        bool, Parameter(negative="", help="Exit with 1 if a rule of [[drift.alarms]] is met.")
    ] = False,
    common: Common = DEFAULTS,
) -> int:
    """Show what changed against earlier days: where, since when, and whether it is more than noise.

    Compares every metric of every slice (agent, model, use case, source, pairs) with its baseline, corrected
    for multiple comparisons. What drifted has a first day and a sentence. Rows go to the table `drift`.

    Example: claimledger drift --current 2026-11-08..2026-11-14 --baseline 2026-10-01..2026-10-31
    """
    if current and (from_ or to):
        raise InputError("--current and --from both set the window; give only one of them")
    since, until = _days("--current", current) or (from_, to)
    baseline_since, baseline_until = _days("--baseline", baseline) or (None, None)
    outcome = launch(
        "drift",
        common,
        since=since,
        until=until,
        baseline_since=baseline_since,
        baseline_until=baseline_until,
    )
    found = outcome.extra["drift"]
    document = {"run_id": outcome.run_id, **found, "report": outcome.report, "warnings": outcome.warnings}
    status = _answer(outcome, drifted(outcome), common, {**document, "problems": outcome.problems})
    return BAD_ANSWER if fail_on_drift and found["alarms"] else status


def health(*, common: Common = DEFAULTS) -> int:
    """Contact every source and the corpus; report what is down, late, slow or unusual.

    Exit status 1: something is wrong, even if it was reported before.

    Example: claimledger health
    """
    outcome = launch("health", common)
    rows = outcome.extra["health"]
    cells = [
        [
            row["target"],
            row["kind"],
            "reached" if row["ok"] else "DOWN",
            f"{row['latency_ms']:,.0f} ms",
            "–" if row["lag_s"] is None else f"{row['lag_s'] / 3600:,.1f} h",
            "–" if row["answers"] is None else f"{row['answers']:,.0f}",
            "–" if row["usual_low"] is None else f"{row['usual_low']:,.0f} to {row['usual_high']:,.0f}",
        ]
        for row in rows
    ]
    lines = table(["target", "kind", "state", "latency", "newest", "yesterday", "usual"], cells)
    alarms = [f"ALARM  {row['target']}: {alarm}" for row in rows for alarm in row["alarms"] or ()]
    lines = lines if rows else ["neither a source nor a corpus is configured"]
    return _answer(outcome, [*lines, *alarms, f"report: {outcome.report}"], common)


def index(*, common: Common = DEFAULTS) -> int:
    """Bring the corpus snapshot and its FAISS index up to date.

    Example: claimledger index --config claimledger.toml
    """
    outcome = launch("index", common)
    found = outcome.extra
    lines = [
        f"{found['passages']} passages of {found['documents']} documents in {found['files']} files: "
        f"{found['passages_new']} new, {found['passages_changed']} changed, {found['refused']} refused",
        f"snapshot: {found['snapshot']}",
    ]
    if found["files_without_documents"]:
        lines.append(
            f"{found['files_without_documents']} files contain no document; see the table "
            "quarantine for the reasons"
        )
    if found["files_ignored"]:
        lines.append(f"{found['files_ignored']} files are of an unsupported kind and were skipped")
    if found["hidden_characters"] or found["surrounding_characters"]:
        lines.append(
            f"left out of the documents: {found['hidden_characters']} characters of hidden text "
            f"(in {found['documents_with_hidden_text']} documents), {found['surrounding_characters']} of "
            "navigation, footers and banners"
        )
    document = {"run_id": outcome.run_id, **found, "warnings": outcome.warnings}
    return _answer(outcome, [*lines, *outcome.warnings], common, document)


def compact(*, common: Common = DEFAULTS) -> int:
    """Join small files, per day of each table and in the ledger; rows and proofs stay the same.

    Nightly runs do this on their own for days that are a few days old and have many. A query that is reading
    such a day may fail because a file is gone; run it again. No query sees a row twice or misses one.

    Example: claimledger compact
    """
    outcome = launch("compact", common)
    done = outcome.extra
    return _answer(
        outcome,
        [
            f"joined: {done['files']:,} fewer files in {done['days']:,} days, "
            f"{done['segments']:,} fewer segments",
            *outcome.warnings,
        ],
        common,
        {"run_id": outcome.run_id, **done, "warnings": outcome.warnings, "problems": outcome.problems},
    )


def _answer(
    outcome: Outcome, lines: Sequence[str], common: Common, document: Mapping[str, Any] | None = None
) -> int:
    common.answer(outcome.as_dict() if document is None else document, lines)
    for problem in outcome.problems:
        fail(problem)
    if outcome.is_damaged:
        return DAMAGED
    return BAD_ANSWER if outcome.problems else DONE


def reaudited(outcome: Outcome) -> list[str]:
    """What a re-audit found, for people: the headline, a line per old verdict, what to do next."""
    found = outcome.extra
    days = f"{found['from'] or 'the first day'} to {found['to'] or 'the last'}"
    changed = ", ".join(found["changed"])
    lines = [
        f"reaudit {outcome.status} in {outcome.seconds} s: {found['judged']} of {found['population']} "
        f"claims from {days} judged again ({found['populated_strata']} strata, seed {found['seed']})",
        f"changed since: {changed}"
        if changed
        else "nothing has changed: the same verifier, policies and corpus snapshot",
        found["headline"],
        "",
        *_flips(found["shares"]),
        "",
    ]
    if found["delivered_flips"]:
        lines.append(f"{found['delivered_flips']} flips of delivered outputs: see `claimledger review list`")
    return [*lines, *outcome.warnings, f"report: {outcome.report}"]


def _flips(shares: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row per old verdict: judged, flipped, the share with its interval, flips by cause."""
    causes = [row["cause"] for row in shares if row["verdict_before"] == "any" and row["cause"] != "any"]
    rows = []
    for verdict in dict.fromkeys(row["verdict_before"] for row in shares):
        by_cause = {row["cause"]: row for row in shares if row["verdict_before"] == verdict}
        whole = by_cause["any"]
        share, interval = "-", "-"
        if whole["share"] is not None:
            is_census = whole["judged"] == whole["population"]
            interval = "all judged" if is_census else f"{whole['ci_low']:.1%} to {whole['ci_high']:.1%}"
            share = f"{whole['share']:.1%}"
        flips = [by_cause[cause]["flips"] for cause in causes]
        rows.append([verdict, whole["judged"], whole["flips"], share, interval, *flips])
    return table(["first verdict", "judged", "flips", "share", "95% interval", *causes], rows)


def drifted(outcome: Outcome) -> list[str]:
    """What drifted, for people: the counts, the first rows, the alarms."""
    from flows.outcome import sampled

    found = outcome.extra["drift"]
    windows = found["windows"]
    lines = [
        f"drift of {windows['window_start']}..{windows['window_end']} against "
        f"{windows['baseline_start']}..{windows['baseline_end']} ({windows['kind']}): "
        + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found["status"].items())
    ]
    lines += sampled(found)
    if set(found["status"]) <= {"not_measured"}:
        lines.append("nothing to measure: the lake has no audited answers on these days")
    rows = [
        [
            row["slice"],
            row["metric"],
            f"{row['baseline_value']:.3f}",
            f"{row['current_value']:.3f}",
            f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}",
            row["direction"],
            str(row["changed_on"] or "–"),
        ]
        for row in found["drifted"]
    ]
    if rows:
        headings = ["slice", "metric", "before", "now", "difference (95%)", "direction", "since"]
        lines += ["", *table(headings, rows[:ROWS_SHOWN])]
        if len(rows) > ROWS_SHOWN:
            lines.append(f"and {len(rows) - ROWS_SHOWN} more")
    alarms = [f"ALARM  {row['reason']}" for row in found["alarms"][:ROWS_SHOWN]]
    lines += ["", *alarms] if alarms else ["no alarm"]
    return [*lines, *outcome.warnings, f"report: {outcome.report}"]


def _days(option: str, text: str | None) -> tuple[date, date] | None:
    """FIRST..LAST, or one day alone."""
    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        return date.fromisoformat(first), date.fromisoformat(last if dots else first)
    except ValueError:
        raise InputError(f"{option} is {text!r}, expected FIRST..LAST as YYYY-MM-DD..YYYY-MM-DD") from None
