"""One line per run for the site over all runs: what of a run's page its line repeats."""

from __future__ import annotations

from string import Template

import polars as pl

from tasks.report.numbers import HEADLINE
from tasks.schema import Between, Column, Table
from tasks.tables import RUNS, VERDICTS

DRAWN = 400
"""Runs in the plot: more points than pixels say nothing; all are in the table."""

_OF_RUNS = (
    "run_id", "flow", "started_at", "finished_at", "status", "rows_in", "rows_out", "rows_quarantined",
)  # fmt: skip
_COUNTS = {
    **{verdict: f"of-run: claims, {verdict}" for verdict in VERDICTS},
    "worse": "drift-status: rows, worse",
    "stable": "drift-status: rows, stable",
    "events": "ledger: size",
}
LINES = Table(
    "lines",
    ("run_id",),
    "One line per run: what the site over all runs shows",
    (
        *(column for column in RUNS.columns if column.name in _OF_RUNS),
        Column("has_page", pl.Boolean, "The run has a page and numbers"),
        Column("headline", pl.String, "The page's first sentence", nullable=True),
        *(
            Column(name, pl.Int64, words, nullable=True, rules=(Between(0),))
            for name, words in _COUNTS.items()
        ),
    ),
    partition_by=None,
)

_QUERIES = {
    "runs": """\
SELECT run_id, flow, started_at, finished_at, status, rows_in, rows_out, rows_quarantined
FROM $runs
ORDER BY started_at DESC, run_id""",
    "numbers": """\
SELECT run_id,
       max(text) FILTER (key = 'headline' AND ordinal = 0) AS headline,
       max(value) FILTER (query = 'of-run' AND key = '["supported"]')::BIGINT AS supported,
       max(value) FILTER (query = 'of-run' AND key = '["contradicted"]')::BIGINT AS contradicted,
       max(value) FILTER (query = 'of-run' AND key = '["insufficient"]')::BIGINT AS insufficient,
       max(value) FILTER (query = 'drift-status' AND key = '["worse"]')::BIGINT AS worse,
       max(value) FILTER (query = 'drift-status' AND key = '["stable"]')::BIGINT AS stable,
       max(value) FILTER (query = 'ledger')::BIGINT AS events
FROM $numbers
GROUP BY run_id ORDER BY run_id""",
}


def queries(
    runs: str = "read_parquet('tables/runs/**/*.parquet')",
    numbers: str = "read_parquet('reports/*/report.parquet')",
) -> dict[str, str]:
    """What gives a line's numbers, run in the lake's folder; each run's own page leads on to its verdicts.

    `runs` and `numbers` are what the queries read.
    """
    return {name: Template(text).substitute(runs=runs, numbers=numbers) for name, text in _QUERIES.items()}


def shown(numbers: pl.DataFrame) -> pl.DataFrame:
    """Those rows of a run's REPORT that a line shows."""
    first_sentence = (pl.col("key") == HEADLINE) & (pl.col("ordinal") == 0)
    return numbers.filter(first_sentence | pl.col("query").is_in(["of-run", "drift-status", "ledger"]))


def lines(runs: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """Rows of LINES, the newest run first, from the results of the two queries.

    Counts are of the run's own verdicts. A number that a page lacks is null: not measured is not zero.
    """
    has_page = pl.col("headline").is_not_null()
    return (
        runs.join(numbers, on="run_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(has_page).then(pl.col(VERDICTS).fill_null(0)),
            pl.when(pl.col("stable").is_not_null()).then(pl.col("worse").fill_null(0)).otherwise("worse"),
            has_page=has_page,
        )
        .select(LINES.schema.names())
    )


def months(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """The lines by the month in which they started, `November 2026`, in the order given."""
    named = rows.with_columns(month=pl.col("started_at").dt.strftime("%B %Y"))
    return [
        (str(month), part.drop("month")) for (month,), part in named.group_by("month", maintain_order=True)
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
