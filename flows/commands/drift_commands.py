"""The command about drift."""

from __future__ import annotations

import sys
from datetime import date
from typing import Annotated, Any

from cyclopts import Parameter

from flows.commands.console import DEFAULTS, Common, one_line, table

DONE, BAD_ANSWER = 0, 1
SHOWN = 15
"""Drifted rows that the terminal shows; the report and --json have all of them."""


def drift(
    *,
    current: Annotated[
        str | None, Parameter(help="Window, as FIRST..LAST UTC days; default the newest nights.")
    ] = None,
    baseline: Annotated[
        str | None, Parameter(help="Baseline, as FIRST..LAST; default the configured one.")
    ] = None,
    fail_on_drift: Annotated[
        bool, Parameter(negative="", help="Exit with 1 where a rule of [[drift.alarms]] is met.")
    ] = False,
    common: Common = DEFAULTS,
) -> int:
    """Say what changed against earlier days: where, since when, and whether it is more than noise.

    Every metric of every slice (agent, model, use case, source, pairs), window against baseline, corrected
    for the many comparisons; what drifted has a beginning and a sentence. Rows go to the table `drift`.

    Example: claimledger drift --current 2026-11-08..2026-11-14 --baseline 2026-10-01..2026-10-31
    """
    from flows.commands.launch import launch

    days = {"current": _days("--current", current), "baseline": _days("--baseline", baseline)}
    outcome = launch("drift", common, **days)
    common.answer(outcome, _lines(outcome))
    for problem in outcome["problems"]:
        sys.stderr.write(f"claimledger: {one_line(problem)}\n")
    return BAD_ANSWER if outcome["problems"] or (fail_on_drift and outcome["alarms"]) else DONE


def _days(option: str, text: str | None) -> tuple[date, date] | None:
    """FIRST..LAST, or one day alone."""
    from tasks.errors import InputError

    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        return date.fromisoformat(first), date.fromisoformat(last if dots else first)
    except ValueError:
        raise InputError(f"{option} is {text!r}, expected FIRST..LAST as YYYY-MM-DD..YYYY-MM-DD") from None


def _lines(outcome: dict[str, Any]) -> list[str]:
    windows, status = outcome["windows"], outcome["status"]
    lines = [
        f"drift of {windows['window_start']}..{windows['window_end']} against "
        f"{windows['baseline_start']}..{windows['baseline_end']} ({windows['kind']}): "
        + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in status.items())
    ]
    drifted = outcome["drifted"]
    if drifted:
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
            for row in drifted[:SHOWN]
        ]
        headings = ["slice", "metric", "before", "now", "difference (95%)", "way", "since"]
        lines += ["", *table(headings, rows)]
        if len(drifted) > SHOWN:
            lines.append(f"and {len(drifted) - SHOWN} more")
    alarms = outcome["alarms"]
    lines += ["", *(f"ALARM  {row['reason']}" for row in alarms[:SHOWN])] if alarms else ["no alarm"]
    return [*lines, *outcome["warnings"], f"report: {outcome['report']}"]
