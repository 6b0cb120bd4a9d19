"""The flows as Prefect sees them: typed parameters, names that say date and source, artifacts.

Only this module and `schedule.py` import Prefect at module level; nothing else imports these two unless a
server is meant.
"""

from __future__ import annotations

import html
from datetime import UTC, date, datetime
from typing import Any

import tasks  # noqa: F401 - switches telemetry off, which Prefect reads as it is imported

# isort: split
from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run

from flows.audit import Outcome
from flows.commands.console import plain
from tasks import settings as settings_module
from tasks.errors import GateError

Terminated = TerminationSignal
"""What Prefect raises within a flow instead of letting SIGTERM through."""
ALARMS_SHOWN = 20
"""As many as fit a page that is read at a glance; the report has the rest."""
SHOWN_CHARACTERS = 300
"""Enough for a path and a sentence; Prefect's page is for a glance, the report has the rest."""


class EndedWithProblemsError(GateError):
    """The run is published, and something is wrong with it: Prefect shows it as failed.

    `outcome` is what the run did as plain data, for whoever called the flow in this process.
    """

    def __init__(self, sentence: str, outcome: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.outcome = outcome or {}


def shown(text: object) -> str:
    """Text from outside made harmless within a Markdown code span, bounded to 300 characters."""
    bounded = plain(str(text)).replace("`", "'")
    if len(bounded) > SHOWN_CHARACTERS:
        bounded = bounded[: SHOWN_CHARACTERS - 1] + "…"
    # A code span alone would do in CommonMark; not every renderer that shows artifacts is one.
    return html.escape(bounded, quote=False)


def _run_name() -> str:
    parameters = flow_run.parameters
    loaded = settings_module.load(parameters.get("config"), lake=parameters.get("lake"))
    sources = "+".join(s.name for s in loaded.sources) or "no-source"
    first = parameters.get("from_day") or parameters.get("since")
    last = parameters.get("to_day") or parameters.get("until")
    days = f"{first or 'start'}..{last or 'now'}" if first or last else f"{datetime.now(UTC):%Y-%m-%d}"
    return shown(f"{flow_run.flow_name} {days} {sources}")


@flow(name="nightly audit", flow_run_name=_run_name, persist_result=False)
def nightly_audit(
    config: str | None = None, lake: str | None = None, since: date | None = None, until: date | None = None
) -> dict[str, Any]:
    """Audits what is new since the watermarks, or a range of UTC days."""
    from flows.audit import audit

    outcome = audit(settings_module.load(config, lake=lake), since=since, until=until)
    return _published(outcome)


@flow(name="backfill", flow_run_name=_run_name, persist_result=False)
def backfill(
    from_day: date, to_day: date, reverify: bool = False, config: str | None = None, lake: str | None = None
) -> dict[str, Any]:
    """Audits a range of past UTC days, both ends included."""
    from flows.backfill import backfill as run_backfill

    loaded = settings_module.load(config, lake=lake)
    return _published(run_backfill(loaded, from_day=from_day, to_day=to_day, reverify=reverify))


@flow(name="reaudit", flow_run_name=_run_name, persist_result=False)
def reaudit(
    *,
    sample: int | None = None,
    from_day: date | None = None,
    to_day: date | None = None,
    seed: str | None = None,
    config: str | None = None,
    lake: str | None = None,
) -> dict[str, Any]:
    """Judges a stratified sample of historical claims again; what flipped, and why."""
    from flows.reaudit import reaudit as run_reaudit

    loaded = settings_module.load(config, lake=lake)
    outcome = run_reaudit(loaded, sample=sample, from_day=from_day, to_day=to_day, seed=seed)
    create_table_artifact(
        outcome.extra["shares"],
        key="reaudit-shares",
        description="Shares of historical verdicts that no longer hold, by old verdict and cause",
    )
    return _published(outcome)


@flow(name="index", persist_result=False)
def index(config: str | None = None, lake: str | None = None) -> dict[str, Any]:
    """Brings the corpus snapshot and its index up to date."""
    from flows.index import index as run_index

    return dict(run_index(settings_module.load(config, lake=lake)))


@flow(name="drift", persist_result=False)
def drift(
    current: tuple[date, date] | None = None,
    baseline: tuple[date, date] | None = None,
    config: str | None = None,
    lake: str | None = None,
) -> dict[str, Any]:
    """What changed in the newest nights, or the UTC days given, against the baseline."""
    from flows.drift import drift as run_drift

    outcome = run_drift(settings_module.load(config, lake=lake), current=current, baseline=baseline)
    _show_drift(outcome)
    if outcome["problems"]:
        raise EndedWithProblemsError("; ".join(outcome["problems"]), outcome)
    return outcome


def _show_drift(outcome: dict[str, Any]) -> None:
    """What drifted, as Markdown for Prefect's page."""
    status = ", ".join(f"{count} {name}" for name, count in outcome["status"].items())
    lines = [
        f"# Drift of {outcome['windows']['window_start']} to {outcome['windows']['window_end']}",
        f"{status}; {len(outcome['alarms'])} alarms. Report: `{shown(outcome['file'])}`",
        *(f"- alarm: `{shown(row['reason'])}`" for row in outcome["alarms"][:ALARMS_SHOWN]),
    ]
    create_markdown_artifact("\n\n".join(lines), key="drift-summary", description="What changed")


def summary(outcome: Outcome) -> str:
    """What a run did, as Markdown for Prefect's page."""
    judged = sum(outcome.verdicts.values())
    lines = [
        f"# {outcome.flow}: {outcome.status}",
        f"{judged} claims judged in {outcome.records_out} new outputs, "
        f"{outcome.records_already_there} already there, {outcome.records_quarantined} quarantined.",
        f"Report: `{shown(outcome.report)}`",
        *(f"- problem: `{shown(problem)}`" for problem in outcome.problems),
    ]
    return "\n\n".join(lines)


def _published(outcome: Outcome) -> dict[str, Any]:
    """Artifacts for Prefect's own page, then the outcome as plain data.

    Raises:
        EndedWithProblemsError: the run ended with problems, so that Prefect shows it as failed.
    """
    key = outcome.flow.replace(" ", "-")
    create_markdown_artifact(summary(outcome), key=f"{key}-summary", description="What the run did")
    create_table_artifact(
        [{"table": table, **counts} for table, counts in outcome.counts.items()],
        key=f"{key}-counts",
        description="Rows in, published, already there and quarantined, per table",
    )
    if outcome.extra.get("drift"):
        _show_drift(outcome.extra["drift"])
    if outcome.problems:
        raise EndedWithProblemsError("; ".join(outcome.problems), outcome.as_dict())
    return outcome.as_dict()
