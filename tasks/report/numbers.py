"""Every number of a page as one long table, each with the query and the cell of its result that it is.

A number is found again by running its query in the lake's folder and taking, of the row whose key columns
(`Query.key`) are `key`, the column `column`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

import polars as pl

from tasks.report.page import Page
from tasks.report.queries import CHECKED, QUERIES
from tasks.report.worst import ShownClaim
from tasks.tables import REPORT

HEADLINE = "headline"
"""Key of the rows that hold the page's sentences."""
_CELLS = pl.Schema({name: REPORT.schema[name] for name in ("query", "key", "column", "value", "text")})


def key(values: Sequence[object]) -> str:
    """Values of the key columns as one text: a JSON list, because names may hold any character."""
    return json.dumps([str(value) for value in values], ensure_ascii=False) if values else ""


def numbers(page: Page) -> pl.DataFrame:
    """Rows of `tables.REPORT` for a page."""
    story = page.story
    sentences = [story.headline, *story.trust]
    sentences += [each for answer in story.answers for each in answer.sentences]
    sentences += [*story.changes, *story.flips, *story.remarks]
    texts = pl.DataFrame(
        [(sentence.query, HEADLINE, "text", None, sentence.text) for sentence in sentences],
        schema=_CELLS,
        orient="row",
    )
    cells = [_cells(query, frame) for query, frame in _shown(page)]
    return (
        pl.concat([texts, *cells])
        .with_columns(run_id=pl.lit(page.run.run_id), ordinal=pl.int_range(pl.len(), dtype=pl.Int32))
        .select(REPORT.schema.names())
    )


def _shown(page: Page) -> Iterator[tuple[str, pl.DataFrame]]:
    """Queries and the rows of their results that the page shows."""
    total = pl.DataFrame([dataclasses.asdict(page.total)])
    yield "answers", total
    yield "verdicts", total
    yield "sampled", page.sampled
    yield "because", page.because
    yield "targets", page.targets
    yield "measured", page.measured
    yield "reviewed", page.reviewed
    yield "accuracy", page.accuracy
    yield "nights", page.nights
    for table in page.slices:
        yield f"by-{table.column}", table.rows.filter(~pl.col("is_rest")).rename({"value": table.column})
    yield "over-time", page.series
    yield "trend", page.trend
    yield "scores", page.tenths.filter(pl.any_horizontal(pl.col(CHECKED) > 0))
    yield "actions", page.actions.filter(pl.col("answers") > 0)
    yield "action-reasons", page.action_reasons
    yield "flow", page.flow
    yield "abstentions", page.abstentions
    yield "caught", page.caught
    yield "late", page.late
    yield "taken", page.taken
    yield "worst", pl.DataFrame([_probability(claim) for claim in page.claims])
    yield "evidence", pl.DataFrame([row for claim in page.claims for row in _passages(claim)])
    yield "citations", page.citations
    yield "findings", page.findings
    yield "addressed-evidence", pl.DataFrame({"claims": [page.addressed_claims]})
    yield "quarantine", page.run.quarantine
    yield "reconciliation", page.run.tables
    yield "minimised", page.run.minimised
    yield "redaction", page.run.redaction
    yield "lacks", page.run.lacks
    yield "validation", page.run.validation
    yield "failures", page.run.failures
    yield "drift", page.change.drift
    yield (
        "drift-status",
        pl.DataFrame(
            [{"says": name, "rows": rows} for name, rows in page.change.drift_counts.items() if rows]
        ),
    )
    yield "flips", page.change.flips
    if page.change.flips.height:
        yield "flips-delivered", pl.DataFrame({"answers": [page.change.flips_delivered]})
    yield "health", page.run.health
    yield "availability", page.run.availability
    yield "completeness", page.run.completeness
    yield "incomplete", page.run.incomplete
    yield "inventory", page.run.inventory
    yield "run", pl.DataFrame({n: [getattr(page.run, n)] for n in QUERIES["run"].numbers})
    yield "of-run", page.run.verdicts
    if page.checkpoint and "size" in page.checkpoint:
        yield "ledger", pl.DataFrame({"size": [page.checkpoint["size"]]})
    for query, kinds in (("judged-by", ("verifier", "snapshot")), ("decided-by", ("policy", "source"))):
        yield query, page.identities.filter(pl.col("what").is_in(kinds))


def _probability(claim: ShownClaim) -> dict[str, str | float]:
    return {"claim_id": claim.claim_id, f"p_{claim.verdict}": claim.probability}


def _passages(claim: ShownClaim) -> Iterator[dict[str, str | float]]:
    for passage in claim.passages:
        where = {name: getattr(claim, name) for name in ("claim_id", "verifier", "snapshot")}
        values = {name: getattr(passage, name) for name in ("rank", *QUERIES["evidence"].numbers)}
        yield where | values


def _cells(query: str, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per cell that has a value, row by row."""
    declared = QUERIES[query]
    columns = [name for name in declared.numbers if name in rows.columns]
    if rows.is_empty() or not columns:
        return pl.DataFrame(schema=_CELLS)
    keys = [key(values) for values in rows.select(declared.key).rows()] if declared.key else [""]
    cells = rows.select(pl.col(columns).cast(pl.Float64)).with_columns(
        key=pl.Series(keys, dtype=pl.String), row=pl.int_range(pl.len())
    )
    long = cells.unpivot(columns, index=["row", "key"], variable_name="column", value_name="number")
    return (
        long.drop_nulls("number")
        .sort("row", maintain_order=True)
        .select(pl.lit(query).alias("query"), "key", "column", value="number", text=pl.lit(None, pl.String))
    )
