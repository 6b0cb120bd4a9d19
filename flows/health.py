"""Reaches every source and the corpus; at the end of each night the audit does the same."""

from __future__ import annotations

from flows.orchestrator import flow
from flows.outcome import Outcome, conclude
from flows.run import finish, opened
from tasks.settings import load


@flow("health")
def health(config: str | None = None, lake: str | None = None) -> Outcome:
    """Says which sources and corpora are down, late or slow, or give something unusual; each is a problem.

    Args:
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.

    Raises:
        EndedWithProblemsError: something is down or unusual, or the ledger needs attention.
    """
    with opened("health", load(config, lake=lake), {}) as run:
        finish(run)
        rows = [] if run.reached is None else run.reached.drop("run_id").to_dicts()
        down = [row for row in rows if not row["ok"]]
        run.record.problems += [f"{row['target']} is down: {row['error']}" for row in down]
        run.record.problems += [f"{row['target']}: {alarm}" for row in rows for alarm in row["alarms"] or ()]
        # A new alarm is a problem here and no warning beside it.
        run.record.warnings = [each for each in run.record.warnings if not each.startswith("health of ")]
    return conclude(run, {"health": rows})
