"""Every number of a page as one long table, each with the query and the cell of its result that gives it.

Belongs here: the list of a page's numbers. Does not belong here: how they are computed (`summary.py`,
`trend.py`, ...), the queries (`queries.py`), writing files (`tasks/report/report.py`).

A number is found again by running its query in the lake's folder and taking, of the row whose key columns
(`queries.KEYS`) are `key`, the column `column`. A test does this for every row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from tasks.report.queries import KEYS
from tasks.report.worst import ShownClaim
from tasks.tables import PROBABILITIES, REPORT, VERDICTS

_COUNTS = ("answers", "claims", *VERDICTS)
_COMPARED = (
    "baseline_value", "current_value", "difference", "ci_low", "ci_high", "p_adjusted", "harm", "threshold",
)  # fmt: skip
HEADLINE = "headline"
"""Key of the rows that hold the page's sentences."""


def key(values: Sequence[Any]) -> str:
    """Values of the key columns as one text: a JSON list, because names may hold any character."""
    return json.dumps([str(value) for value in values], ensure_ascii=False) if values else ""


def numbers(page: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of `tables.REPORT` for a page's facts, as `report.gather` gives them."""
    rows = [
        {"query": query, "key": where, "column": column, "value": value, "text": text}
        for query, where, column, value, text in _listed(page)
        if value is not None or text is not None
    ]
    frame = pl.DataFrame(
        rows,
        schema={
            "query": pl.String,
            "key": pl.String,
            "column": pl.String,
            "value": pl.Float64,
            "text": pl.String,
        },
        strict=False,
    )
    return frame.with_columns(
        run_id=pl.lit(page["run_id"]), ordinal=pl.int_range(pl.len(), dtype=pl.Int32)
    ).select(REPORT.schema.names())


_Number = tuple[str, str, str, float | None, str | None]


def _listed(page: Mapping[str, Any]) -> Iterator[_Number]:
    for sentence in (page["headline"], *page["changes"], *page["flip_sentences"], *page["remarks"]):
        yield sentence.query, HEADLINE, "text", None, sentence.text
    total = page["total"]
    yield "answers", "", "answers", total.answers, None
    for name in (*_COUNTS[1:], "conflicts"):
        yield "verdicts", "", name, getattr(total, name), None
    for part in page["slices"]:
        rows = [row for row in part["rows"] if not row["is_rest"]]
        yield from _cells(f"by-{part['column']}", rows, _COUNTS)
    yield from _cells("over-time", page["series"], _COUNTS[1:])
    yield from _cells("trend", page["trend"], ("value", "ci_low", "ci_high", "count"))
    filled = [{"tenth": n, **row} for n, row in enumerate(page["tenths"]) if any(row[v] for v in VERDICTS)]
    yield from _cells("scores", filled, VERDICTS)
    yield from _cells("actions", [row for row in page["actions"] if row["answers"]], ("answers",))
    yield from _cells("action-reasons", page["action_reasons"], ("answers",))
    yield from _cells("flow", page["flow"], ("answers",))
    yield from _of_claims(page["claims"])
    yield from _cells("findings", page["findings"], ("findings", "answers"))
    yield "addressed-evidence", "", "claims", page["addressed_claims"], None
    yield from _cells("quarantine", page["quarantine"], ("rows",))
    yield from _cells("reconciliation", page["tables"], ("in", "published", "already_there", "quarantined"))
    yield from _cells("validation", page["validation"], ("rows", "evaluated", "quarantined"))
    yield from _cells("drift", page["drift"], _COMPARED)
    says = [{"says": name, "rows": rows} for name, rows in page["drift_counts"].items() if rows]
    yield from _cells("drift-status", says, ("rows",))
    yield from _of_flips(page)
    yield from _cells("health", page["health"], ("latency_ms", "lag_s"))
    for name in ("rows_in", "rows_out", "rows_quarantined"):
        yield "run", "", name, page["run"][name], None
    yield from _cells("of-run", page["of_run"], ("claims",))
    if page["checkpoint"] and "size" in page["checkpoint"]:
        yield "ledger", "", "size", page["checkpoint"]["size"], None
    for what, rows in page["identities"].items():
        query = "judged-by" if what in ("verifier", "snapshot") else "decided-by"
        yield from ((query, key([what, name]), "rows", count, None) for name, count in rows)


def _of_claims(claims: Sequence[ShownClaim]) -> Iterator[_Number]:
    for claim in claims:
        yield "worst", key([claim.claim_id]), f"p_{claim.verdict}", claim.probability, None
        for passage in claim.passages:
            where = key([claim.claim_id, claim.verifier, claim.snapshot, passage.rank])
            for name in PROBABILITIES:
                yield "evidence", where, name, getattr(passage, name), None


def _of_flips(page: Mapping[str, Any]) -> Iterator[_Number]:
    columns = ("population", "judged", "flips", "share", "ci_low", "ci_high")
    for row in page["flips"]:
        yield from _cells("flips", [row, *row["causes"]], columns)
    if page["flips"]:
        yield "flips-delivered", "", "answers", page["flips_delivered"], None


def _cells(query: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[_Number]:
    for row in rows:
        where = key([row[name] for name in KEYS[query]])
        for column in columns:
            yield query, where, column, row[column], None
