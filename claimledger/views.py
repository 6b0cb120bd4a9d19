"""The current views of a lake for Polars; `LAKE/views.sql` has the same for DuckDB.

from claimledger import views

views.current_verdicts("lake").group_by("agent", "verdict").len().collect()
"""

from tasks.lake.views import (
    current_actions,
    current_actions_taken,
    current_caught,
    current_claims,
    current_outputs,
    current_verdicts,
    run_costs,
    table,
    verifiers,
)

__all__ = [
    "current_actions",
    "current_actions_taken",
    "current_caught",
    "current_claims",
    "current_outputs",
    "current_verdicts",
    "run_costs",
    "table",
    "verifiers",
]
