"""A run's own records are checked by the same rules whether Great Expectations is loaded or not."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tasks import tables
from tasks.gate import outcomes, suite_files, suites
from tasks.schema import conform
from tasks.tables import TABLES

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def health(*latencies: float) -> pl.DataFrame:
    rows = {"target": [f"t{n}" for n in range(len(latencies))], "latency_ms": list(latencies)}
    frame = pl.DataFrame(rows).with_columns(
        kind=pl.lit("source"),
        checked_at=pl.lit(NOW),
        ok=pl.lit(value=True),
        lag_s=pl.lit(None, pl.Float64),
        error=pl.lit(None, pl.String),
        run_id=pl.lit("f" * 64),
        **{name: pl.lit(None, pl.Float64) for name in ("answers", "usual_low", "usual_high")},
        alarms=pl.lit(None, pl.List(pl.String)),
    )
    return conform(tables.TABLES["health"], frame)


@pytest.mark.parametrize("table", outcomes.OWN_RECORDS)
def test_every_rule_of_the_committed_suite_has_an_outcome(table):
    suite = suite_files.committed(table)
    found = outcomes.by_rules(TABLES[table], suite, TABLES[table].empty())
    assert suites.suite(TABLES[table]) == suite.body
    assert [o.expectation for o in found] == [e["type"] for e in suite.body["expectations"]]
    assert [o.severity for o in found] == [e["severity"] for e in suite.body["expectations"]]
    assert all(o.success and o.rows == 0 for o in found)


def test_rows_that_break_a_rule_are_counted():
    found = outcomes.by_rules(TABLES["health"], suite_files.committed("health"), health(1.0, -1.0, -2.0))
    assert [(o.column, o.rows) for o in found if not o.success] == [("latency_ms", 2)]


ONLY_OWN_RECORDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tasks.gate.validate import Validator
from tests.gate.test_outcomes import health
gate = Validator(Path(sys.argv[1]), data_docs=True, run_id="f" * 64, now=datetime(2026, 1, 2, tzinfo=UTC))
assert gate.check("health", health(1.0)).good.height == 1
gate.finish()
print(sorted(m for m in sys.modules if m == "great_expectations"), gate.results()[0]["evaluated"] > 2)
"""


def test_a_run_with_nothing_but_its_own_records_does_not_load_great_expectations(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", ONLY_OWN_RECORDS, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[] True", done.stderr
