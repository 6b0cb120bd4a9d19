"""One line per run for the site over all runs.

Belongs here: which numbers of a run's page its line repeats. Does not belong here: reading and markup
(`tasks/report/site.py`).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from tasks.report.numbers import HEADLINE, key
from tasks.schema import Between, Column, Table
from tasks.tables import RUNS, VERDICTS

DRAWN = 400
"""Runs in the plot: more points than pixels say nothing; all are in the table."""

_COUNT = pl.Int64
_NUMBERS = {
    **{verdict: ("of-run", key([verdict]), "claims") for verdict in VERDICTS},
    "worse": ("drift-status", key(["worse"]), "rows"),
    "stable": ("drift-status", key(["stable"]), "rows"),
    "events": ("ledger", "", "size"),
}
"""Column of a line: query, key and column of report.parquet. Counts are of the run's own verdicts."""

_OF_RUNS = (
    "run_id", "flow", "started_at", "finished_at", "status", "rows_in", "rows_out", "rows_quarantined",
)  # fmt: skip
LINES = Table(
    "lines",
    ("run_id",),
    "One line per run: what the site over all runs shows",
    (
        *(column for column in RUNS.columns if column.name in _OF_RUNS),
        Column("has_page", pl.Boolean, "The run has a page and numbers"),
        Column("headline", pl.String, "The page's first sentence", nullable=True),
        *(
            Column(name, _COUNT, f"{query}: {column}", nullable=True, rules=(Between(0),))
            for name, (query, _, column) in _NUMBERS.items()
        ),
    ),
    partition_by=None,
)

QUERIES = {
    "runs": """\
SELECT run_id, flow, started_at, status, rows_in, rows_out, rows_quarantined
FROM read_parquet('tables/runs/**/*.parquet')
ORDER BY started_at DESC, run_id""",
    "numbers": """\
SELECT run_id,
       max(value) FILTER (query = 'of-run' AND key = '["supported"]')::BIGINT AS supported,
       max(value) FILTER (query = 'of-run' AND key = '["contradicted"]')::BIGINT AS contradicted,
       max(value) FILTER (query = 'of-run' AND key = '["insufficient"]')::BIGINT AS insufficient,
       max(value) FILTER (query = 'drift-status' AND key = '["worse"]')::BIGINT AS worse,
       max(value) FILTER (query = 'drift-status' AND key = '["stable"]')::BIGINT AS stable,
       max(value) FILTER (query = 'ledger')::BIGINT AS events
FROM read_parquet('reports/*/report.parquet')
GROUP BY run_id ORDER BY run_id""",
}
"""What gives a line's numbers, run in the lake's folder; each run's own page leads on to its verdicts."""


def wanted(numbers: pl.DataFrame) -> pl.DataFrame:
    """Those rows of a run's REPORT that a line shows."""
    first_sentence = (pl.col("key") == HEADLINE) & (pl.col("ordinal") == 0)
    return numbers.filter(
        first_sentence | pl.col("query").is_in([query for query, _, _ in _NUMBERS.values()])
    )


def lines(runs: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """Rows of LINES, the newest run first.

    `runs` are rows of the `runs` table, `numbers` REPORT rows of their pages. A number that a page does not
    have is null: not measured is not zero.
    """
    values = numbers.group_by("run_id").agg(
        pl.col("text")
        .filter((pl.col("key") == HEADLINE) & (pl.col("ordinal") == 0))
        .first()
        .alias("headline"),
        *(
            pl.col("value")
            .filter((pl.col("query") == query) & (pl.col("key") == where) & (pl.col("column") == column))
            .first()
            .cast(_COUNT)
            .alias(name)
            for name, (query, where, column) in _NUMBERS.items()
        ),
    )
    counted = pl.col("headline").is_not_null()
    return (
        runs.join(values, on="run_id", how="left")
        .with_columns(
            pl.when(counted).then(pl.col(VERDICTS).fill_null(0)),
            pl.when(pl.col("stable").is_not_null()).then(pl.col("worse").fill_null(0)).otherwise("worse"),
            has_page=counted,
        )
        .sort(["started_at", "run_id"], descending=[True, False])
        .select(LINES.schema.names())
    )


def months(rows: pl.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """The lines by the month in which they started, `November 2026`, in the order given."""
    named = rows.with_columns(month=pl.col("started_at").dt.strftime("%B %Y"))
    return [
        (str(month), part.drop("month").to_dicts())
        for (month,), part in named.group_by("month", maintain_order=True)
    ]


def drawn(rows: pl.DataFrame) -> pl.DataFrame:
    """started_at and share (supported of claims) of the newest runs that judged anything, oldest first."""
    return (
        rows.with_columns(claims=pl.sum_horizontal(VERDICTS, ignore_nulls=False))
        .filter(pl.col("claims") > 0)
        .head(DRAWN)
        .select("started_at", share=pl.col("supported") / pl.col("claims"))
        .sort("started_at")
    )
