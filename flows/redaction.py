"""The stage that verifies what a redactor before us did."""

from __future__ import annotations

import polars as pl

from flows.orchestrator import task, tell
from flows.progress import counted
from flows.run import Run
from tasks.privacy import redaction, redaction_sample


@task("redaction")
def verify_redaction(run: Run) -> None:
    """What is left of the kinds that a redactor should have caught, and its miss rate where people looked."""
    settings = run.settings.privacy.redaction
    if not settings.kinds or not run.record.days:
        return
    days = sorted(run.record.days)
    findings = run.lake.scan("findings", since=days[0], until=days[-1])
    left = redaction.left(findings.filter(pl.col("run_id") == run.run_id), settings.kinds)
    for kind, count, answers in left:
        run.record.warnings.append(
            f"redaction: {counted(count, kind)} left in {counted(answers, 'answer')}; the redactor "
            "should have caught them; see findings"
        )
    if settings.reviewed:
        reviewed = redaction_sample.read(settings.reviewed)
        rate, low, high = redaction.miss_rate(reviewed)
        missed = reviewed.filter(pl.col("left") > 0).height
        run.record.redaction = {"reviewed": reviewed.height, "missed": missed, "low": low, "high": high}
        sentence = (
            f"redaction: something was left in {rate:.1%} of {counted(reviewed.height, 'reviewed answer')} "
            f"({low:.1%} to {high:.1%} with 95% confidence)"
        )
        tell(sentence)
        if high > settings.maximum_missed_ratio:
            run.record.warnings.append(f"{sentence}; at most {settings.maximum_missed_ratio:.1%} may be")
