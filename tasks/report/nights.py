"""One line per run for the site over all runs: what of a run's page its line repeats."""

from __future__ import annotations

from string import Template

import polars as pl

from tasks.report.numbers import HEADLINE
from tasks.report.queries import CHECKED, PARTS
from tasks.schema import Between, Column, Table
from tasks.tables import RUNS

DRAWN = 400
"""Runs in the plot: more points than pixels say nothing; all are in the table."""

AGAIN = ("reaudit",)
"""Kinds of runs that judge a sample again: their shares are those of the sample and do not go on a line with
shares of new claims."""

_OF_RUNS = (
    "run_id", "flow", "started_at", "finished_at", "status", "rows_in", "rows_out", "rows_quarantined",
    "verifier", "policy",
)  # fmt: skip
_COUNTS = {
    **{part: f"of-run: claims, {part}" for part in PARTS},
    "judged_again": "flips: judged, all verdicts",
    "flips": "flips: flips, all verdicts",
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
        Column(
            "changed",
            pl.List(pl.String),
            "verifier, policy: which differ from the run before that judged anything",
        ),
        *(
            Column(name, pl.Int64, words, nullable=True, rules=(Between(0),))
            for name, words in _COUNTS.items()
        ),
    ),
    partition_by=None,
)

_QUERIES = {
    "runs": """\
SELECT run_id, flow, started_at, finished_at, status, rows_in, rows_out, rows_quarantined, verifier, policy
FROM $runs
ORDER BY started_at DESC, run_id""",
    "numbers": """\
SELECT run_id,
       max(text) FILTER (key = 'headline' AND ordinal = 0) AS headline,
       max(value) FILTER (query = 'of-run' AND key = '["supported"]')::BIGINT AS supported,
       max(value) FILTER (query = 'of-run' AND key = '["contradicted"]')::BIGINT AS contradicted,
       -- pages of earlier releases have one count for both
       max(value) FILTER (query = 'of-run' AND key IN ('["unsettled"]', '["insufficient"]'))::BIGINT
         AS unsettled,
       max(value) FILTER (query = 'of-run' AND key = '["unchecked"]')::BIGINT AS unchecked,
       max(value) FILTER (query = 'flips' AND key = '["any", "any"]' AND "column" = 'judged')::BIGINT
         AS judged_again,
       max(value) FILTER (query = 'flips' AND key = '["any", "any"]' AND "column" = 'flips')::BIGINT
         AS flips,
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
    return numbers.filter(
        first_sentence | pl.col("query").is_in(["of-run", "drift-status", "ledger", "flips"])
    )


def lines(runs: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """Rows of LINES, the newest run first, from the results of the two queries.

    Counts are of the run's own verdicts. A number that a page lacks is null: not measured is not zero.
    """
    has_page = pl.col("headline").is_not_null()
    return (
        runs.join(numbers, on="run_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(has_page).then(pl.col(PARTS).fill_null(0)),
            # A page shows the newest re-audit; only its own is a result of the run.
            pl.when(pl.col("flow").is_in(AGAIN)).then(pl.col("judged_again", "flips")),
            pl.when(pl.col("stable").is_not_null()).then(pl.col("worse").fill_null(0)).otherwise("worse"),
            has_page=has_page,
        )
        .with_columns(changed=_changed())
        .select(LINES.schema.names())
    )


def _changed() -> pl.Expr:
    """Which of verifier and policy differ from those of the run before that judged anything."""
    differing = []
    for name in ("verifier", "policy"):
        value = pl.when(pl.sum_horizontal(PARTS) > 0).then(pl.col(name))
        # The newest run comes first, so the one before stands below.
        before = value.shift(-1).fill_null(strategy="backward")
        differing.append(
            pl.when(value.is_not_null() & before.is_not_null() & (value != before)).then(pl.lit(name))
        )
    return pl.concat_list(differing).list.drop_nulls()


def months(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """The lines by the month in which they started, `November 2026`, in the order given."""
    named = rows.with_columns(month=pl.col("started_at").dt.strftime("%B %Y"))
    return [
        (str(month), part.drop("month")) for (month,), part in named.group_by("month", maintain_order=True)
    ]


def drawn(rows: pl.DataFrame) -> pl.DataFrame:
    """started_at, share (supported of the checked claims) and `changed` of the newest runs that checked new
    claims, oldest first."""
    return (
        rows.with_columns(checked=pl.sum_horizontal(CHECKED, ignore_nulls=False))
        .filter(pl.col("checked") > 0, ~pl.col("flow").is_in(AGAIN))
        .head(DRAWN)
        .select("started_at", "changed", share=pl.col("supported") / pl.col("checked"))
        .sort("started_at")
    )
