"""What a run did: one value for people and programs, and artifacts for Prefect's own page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.orchestrator import in_flow_run, show_markdown, show_table, shown
from flows.run import Run
from tasks.deliver.deliver import Standing
from tasks.errors import GateError
from tasks.report import report
from tasks.report.brief import Brief, brief

ALARMS_SHOWN = 20
"""As many as fit a page that is read at a glance; the report has the rest."""

DRIFT_WORDS = {"too_few": "with too few rows to say", "not_measured": "not measured"}
"""Of a comparison's state, where its name alone would not do."""


@dataclass(frozen=True)
class Outcome:
    """What a run did, for people and programs alike."""

    run_id: str
    flow: str
    status: str
    records_in: int
    records_out: int
    records_already_there: int
    records_quarantined: int
    verdicts: dict[str, int]
    counts: dict[str, dict[str, int]]
    problems: list[str]
    warnings: list[str]
    report: str | None
    lake: str
    seconds: float
    records_filtered: int = 0
    records_sampled_out: int = 0
    records_joined: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    trust: list[str] = field(default_factory=list)
    """How often the verifier is right, in sentences."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Outputs by their worst verdict, by `abstained` and by `no_claims`."""
    brief: Brief | None = None
    """None of a run that judged nothing."""
    link: str | None = None
    """Address of the report, where `report.link` says under which one people reach it."""
    drift_link: str | None = None
    """The same of the drift report."""

    @classmethod
    def of_deliveries(cls, done: Sequence[Standing], *, run_id: str, lake: str, start: datetime) -> Outcome:
        """Of a delivery, which judges nothing: how each endpoint stands."""
        return cls(
            run_id=run_id,
            flow="deliver",
            status="completed",
            records_in=0,
            records_out=0,
            records_already_there=0,
            records_quarantined=0,
            verdicts={},
            counts={},
            problems=[f"endpoint {each.endpoint}: {each.sentence}" for each in done if not each.is_well],
            warnings=[],
            report=None,
            lake=lake,
            seconds=round((datetime.now(UTC) - start).total_seconds(), 2),
            extra={"deliveries": [each.as_dict() for each in done]},
        )

    @property
    def abstentions(self) -> list[str]:
        """A line on how many answers only say that they do not know; no line where none does."""
        count, whole = self.outcomes.get("abstained", 0), sum(self.outcomes.values())
        says = "only says that it does not know" if count == 1 else "only say that they do not know"
        share = self.share("abstained", count / whole) if count else 0.0
        return [f"{count} of {whole} answers ({share:.1%}) {says}"] if count else []

    def share(self, name: str, plain: float) -> float:
        """Of a verdict, or of abstentions; weighted back to all answers where these were sampled."""
        shares = self.brief.shares if self.brief else {}
        return shares.get(name, plain) if shares else plain

    @property
    def sampled(self) -> list[str]:
        """A line on what was audited, where that was not every answer."""
        if self.brief is None or self.brief.sampled is None:
            return []
        audited, estimated = self.brief.sampled
        return [
            f"sampled: {audited:,} answers were audited and stand for an estimated {estimated:,}; every "
            "share is weighted back to these"
        ]

    @property
    def left_out(self) -> str:
        """Records that are not outputs of their own, in words; empty where there are none."""
        counts = {
            "filtered": self.records_filtered,
            "joined": self.records_joined,
            "sampled out": self.records_sampled_out,
        }
        return "".join(f", {count} {name}" for name, count in counts.items() if count)

    @property
    def is_damaged(self) -> bool:
        """The lake is not what was signed."""
        return bool(self.extra.get("ledger", {}).get("findings"))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class EndedWithProblemsError(GateError):
    """The run is published, and something is wrong with it: exit status 1, and failed on Prefect's page."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("; ".join(outcome.problems))
        self.outcome = outcome


def conclude(run: Run, extra: Mapping[str, Any] | None = None) -> Outcome:
    """What a finished run did, also on Prefect's page where there is one.

    Raises:
        EndedWithProblemsError: it ended with problems.
    """
    record, drift = run.record, (extra or {}).get("drift")
    verdicts: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for judged in run.judged:
        verdicts.update(judged.verdicts)
        outcomes.update(judged.outcomes)
    outcome = Outcome(
        run_id=run.run_id,
        flow=record.flow,
        status="completed",
        records_in=record.records_in,
        records_out=record.records_out,
        records_already_there=record.records_already_there,
        records_quarantined=record.records_quarantined,
        records_filtered=record.records_filtered,
        records_joined=record.records_joined,
        records_sampled_out=record.records_sampled_out,
        verdicts=dict(verdicts),
        outcomes=dict(outcomes),
        counts=record.tables(),
        problems=record.problems,
        warnings=record.warnings,
        report=str(run.page) if run.page else None,
        lake=run.lake.place,
        seconds=round((datetime.now(UTC) - record.started_at).total_seconds(), 2),
        extra={**(extra or {}), **run.usage, **_ledger(run), **_deliveries(run)},
        trust=report.said_of_trust(run.page) if run.page else [],
        brief=brief(run.lake, run.run_id, record.days) if run.judged else None,
        link=run.settings.report.address(run.run_id, "index.html") if run.page else None,
        drift_link=run.settings.report.address("drift", Path(drift["file"]).name) if drift else None,
    )
    _show(outcome)
    if outcome.problems:
        raise EndedWithProblemsError(outcome)
    return outcome


def _ledger(run: Run) -> dict[str, Any]:
    """Whether the lake is what was signed, as this run checked it."""
    checked = run.verification
    if checked is None:
        return {}
    return {
        "ledger": {
            "holds": checked.holds,
            "statement": checked.statement,
            "whole": checked.is_whole,
            "findings": checked.findings,
        }
    }


def _deliveries(run: Run) -> dict[str, Any]:
    """How each endpoint stands, where there are any."""
    return {"deliveries": run.delivered} if run.settings.webhooks else {}


def summary(outcome: Outcome) -> str:
    """What a run did, as Markdown; what is wrong with it comes first."""
    judged = sum(outcome.verdicts.values())
    first, *others = [f"`{shown(problem)}`" for problem in outcome.problems] or [
        f"{outcome.flow}: {outcome.status}"
    ]
    lines = [
        f"# {first}",
        *(f"- {other}" for other in others),
        f"{judged} claims judged in {outcome.records_out} new outputs, "
        f"{outcome.records_already_there} already there, {outcome.records_quarantined} quarantined"
        f"{outcome.left_out}.",
        *_verdicts(outcome),
        *outcome.sampled,
        *_follows(outcome),
        *outcome.abstentions,
        *_alarms((outcome.extra.get("drift") or {}).get("alarms", [])),
        *(f"`{shown(sentence)}`" for sentence in outcome.trust),
        _report("report", outcome.report, outcome.link),
    ]
    return "\n\n".join(lines)


def _verdicts(outcome: Outcome) -> list[str]:
    """A table of the verdicts, whose names are this program's own."""
    verdicts = outcome.verdicts
    judged = sum(verdicts.values())
    rows = [
        f"| {verdict} | {count} | {outcome.share(verdict, count / judged):.1%} |"
        for verdict, count in sorted(verdicts.items())
    ]
    return ["\n".join(["| verdict | claims | share |", "|---|---:|---:|", *rows])] if rows else []


def _follows(outcome: Outcome) -> list[str]:
    """What is to be done with the answers, and what a re-audit found."""
    actions = outcome.brief.actions if outcome.brief else {}
    parts = [f"{count} {action}" for action, count in sorted(actions.items(), key=lambda item: -item[1])]
    lines = [f"Answers by the policy: {', '.join(parts)}."] if parts else []
    if actions.get("escalated"):
        lines.append(f"**{actions['escalated']} escalated**: `claimledger review list` shows what waits.")
    if outcome.extra.get("headline"):
        lines.append(f"`{shown(outcome.extra['headline'])}`")
    return lines


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first alarms of a drift report, one a line."""
    if not alarms:
        return []
    more = f"\n- and {len(alarms) - ALARMS_SHOWN} more" if len(alarms) > ALARMS_SHOWN else ""
    reasons = "\n".join(f"- alarm: `{shown(row['reason'])}`" for row in alarms[:ALARMS_SHOWN])
    return [reasons + more]


def _report(what: str, file: object, link: str | None) -> str:
    """A link that opens where there is an address; else the file, which is on the machine of the run."""
    return f"[Open the {what}]({link})" if link else f"The {what}, where it ran: `{shown(file)}`"


def sampled(drift: Mapping[str, Any]) -> list[str]:
    """A line on what was audited of the days compared, where that was not every answer."""
    if not drift.get("sampled"):
        return []
    count, estimated = drift["sampled"]["outputs"], drift["sampled"]["estimated"]
    return [f"Sampled: {count:,} answers stand for {estimated:,.0f}; every metric is weighted back to these."]


def drift_summary(drift: Mapping[str, Any], link: str | None = None) -> str:
    """What drifted, as Markdown."""
    whole = sum(drift["status"].values())
    parts = ", ".join(f"{count} {DRIFT_WORDS.get(name, name)}" for name, count in drift["status"].items())
    lines = [
        f"# Drift of {drift['windows']['window_start']} to {drift['windows']['window_end']}",
        f"{whole} comparisons: {parts}. {len(drift['alarms']) or 'No'} alarms.",
        *sampled(drift),
        *_alarms(drift["alarms"]),
        _report("drift report", drift["file"], link),
    ]
    return "\n\n".join(lines)


def _show(outcome: Outcome) -> None:
    """Puts a run's summary, its counts and what else it found on Prefect's page, in a Prefect flow run."""
    run_id = outcome.run_id
    show_markdown(
        summary(outcome), key=f"{outcome.flow}-summary", run_id=run_id, description="What the run did"
    )
    show_table(
        [{"table": table, **counts} for table, counts in outcome.counts.items()],
        key=f"{outcome.flow}-counts",
        run_id=run_id,
        description="Rows in, published, already there and quarantined, per table",
    )
    if in_flow_run():
        from flows import on_server
        from tasks.lake.identity import identity
        from tasks.lake.store import Lake

        on_server.show_lineage(identity(Lake.open(outcome.lake)).name, outcome.counts, run_id)
    if outcome.extra.get("drift"):
        text = drift_summary(outcome.extra["drift"], outcome.drift_link)
        show_markdown(text, key=f"{outcome.flow}-drift", run_id=run_id, description="What changed")
    if outcome.extra.get("shares"):
        show_table(
            outcome.extra["shares"],
            key=f"{outcome.flow}-shares",
            run_id=run_id,
            description="Shares of historical verdicts that no longer hold, by old verdict and cause",
        )
