"""What the rules of retention take away, and when: a plan first, then erasures, each under its rule's name.

Erasing is what `review/erase.py` does for one output, for many at once: ids, verdicts, probabilities and
events stay, so that the ledger verifies and says what went under which rule. Reviews stay unless the rule
says otherwise. What an interrupted erasure was about is kept in the lake's state, and finished first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypedDict

import polars as pl

from tasks.lake.store import Lake
from tasks.ledger.erasures import BY_RULE
from tasks.ledger.parameters import LedgerSettings
from tasks.retention import holds as legal
from tasks.retention.holds import Hold
from tasks.retention.parameters import RetentionRule, RetentionSettings
from tasks.review import erase
from tasks.review.erase import Erased
from tasks.tables import ERASED

STATE = "retention"
QUARANTINE_HELD = "skipped: refused records do not show their use case or agent, and one is on hold"


class _By(TypedDict):
    """The run that erases, when, and who."""

    run_id: str
    now: datetime
    actor: str


@dataclass
class Due:
    """What one rule takes away now."""

    rule: str
    table: str
    use_case: str | None
    days: int
    before: datetime
    """What is older goes."""
    output_ids: list[str] = field(default_factory=list)
    """Due and not held, the oldest first."""
    rows: int = 0
    """Refused records that go."""
    held: dict[str, int] = field(default_factory=dict)
    """Outputs that are due and held, by hold."""
    notice: str = ""
    erases_reviews: bool = False

    @property
    def reason(self) -> str:
        """What the ledger says for ever of what this rule took away."""
        return f"{BY_RULE}{self.rule}: {self.table} after {self.days} days"

    @property
    def sentence(self) -> str:
        """The rule and what it takes away, in one line."""
        whose = f" of use case {self.use_case}" if self.use_case else ""
        what = (
            f"{len(self.output_ids)} outputs" if self.table == "outputs" else f"{self.rows} refused records"
        )
        held = f"; {sum(self.held.values())} more are held by {', '.join(self.held)}" if self.held else ""
        notice = f"; {self.notice}" if self.notice else ""
        return (
            f"{self.rule}: {what}{whose} from before {self.before:%Y-%m-%d} ({self.days} days){held}{notice}"
        )

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {**asdict(self), "before": self.before.isoformat(), "reason": self.reason}


@dataclass
class Applied:
    """What was taken away, by rule, and pages to be written again."""

    due: list[Due]
    erased: list[Erased] = field(default_factory=list)

    @property
    def reports(self) -> list[str]:
        """Runs whose page was removed: to be written again."""
        return sorted({report for each in self.erased for report in each.reports})


def plan(lake: Lake, settings: RetentionSettings, *, now: datetime) -> list[Due]:
    """What the rules would take away now; writes nothing.

    Raises:
        IntegrityError: the log is damaged, so that nobody knows what is held.
    """
    in_force = legal.holds(lake, now)
    left = settings.most_outputs
    found = []
    for rule in settings.rules:
        due = Due(
            rule.name,
            rule.table,
            rule.use_case,
            rule.days,
            now - timedelta(days=rule.days),
            erases_reviews=rule.reviews,
        )
        if rule.table == "outputs":
            _outputs(lake, settings.rules, rule, in_force, due)
            due.output_ids = due.output_ids[:left]
            left -= len(due.output_ids)
        elif any(hold.use_case or hold.agent for hold in in_force):
            due.notice = QUARANTINE_HELD
        else:
            due.rows = _refused(lake, due.before).height
        found.append(due)
    return found


def _outputs(
    lake: Lake, rules: Sequence[RetentionRule], rule: RetentionRule, in_force: Sequence[Hold], due: Due
) -> None:
    others = [each.use_case for each in rules if each.table == "outputs" and each.use_case]
    is_ours = (
        ~pl.col("use_case").is_in(others) if rule.use_case is None else pl.col("use_case") == rule.use_case
    )
    old = (
        lake.scan("outputs", until=due.before.date())
        .filter(pl.col("response") != ERASED)
        .filter((pl.col("produced_at") < due.before) & is_ours.fill_null(value=rule.use_case is None))
        .select("output_id", "produced_at", "use_case", "agent")
        .collect()
    )
    old = old.sort("produced_at", "output_id")
    for hold in in_force:
        held = old.filter(hold.which.fill_null(value=False))
        if held.height:
            due.held[hold.hold_id[:12]] = held.height
            old = old.filter(~pl.col("output_id").is_in(held["output_id"].implode()))
    due.output_ids = old["output_id"].to_list()


def _refused(lake: Lake, before: datetime) -> pl.DataFrame:
    rows = lake.scan("quarantine", until=before.date())
    return rows.filter((pl.col("quarantined_at") < before) & (pl.col("raw") != ERASED)).collect()


def apply(
    lake: Lake,
    settings: RetentionSettings,
    ledger: LedgerSettings,
    *,
    run_id: str,
    now: datetime,
    actor: str,
) -> Applied:
    """Takes away what the plan says; running it again goes on where it was interrupted.

    Raises:
        ConfigError, LakeError, IntegrityError: as `erase_all`.
    """
    with lake.lock("retention"):
        by: _By = {"run_id": run_id, "now": now, "actor": actor}
        applied = Applied([])
        unfinished = lake.read_state(STATE)
        if unfinished:
            applied.erased.append(_erase(lake, ledger, unfinished, by))
        applied.due = plan(lake, settings, now=now)
        for due in applied.due:
            if due.output_ids:
                todo = {
                    "reason": due.reason,
                    "output_ids": due.output_ids,
                    "keeps_reviews": not due.erases_reviews,
                }
                applied.erased.append(_erase(lake, ledger, todo, by))
            if due.rows:
                blank = _refused(lake, due.before).with_columns(raw=pl.lit(ERASED))
                lake.replace_rows("quarantine", blank, run_id=run_id, unit=f"retention-{due.rule}")
        return applied


def _erase(lake: Lake, ledger: LedgerSettings, todo: Mapping[str, Any], by: _By) -> Erased:
    """Erases outputs under a rule; until it is done, the lake's state says what is to be done."""
    lake.write_state(STATE, todo)
    done = erase.erase_all(
        lake, ledger, todo["output_ids"], reason=todo["reason"], keeps_reviews=todo["keeps_reviews"], **by
    )
    lake.write_state(STATE, {})
    return done
