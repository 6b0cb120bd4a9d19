"""The DuckDB queries that give the numbers of a report.

They are the computation: the page shows their results, and prints their texts, so that anyone can run them
again in the lake's folder. Each printed text is complete by itself; the page's own run makes the common
tables below once and runs the rest over them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from string import Template
from textwrap import indent

from tasks.decide.verdicts import ADDRESSED
from tasks.drift import slices
from tasks.lake import current
from tasks.report.parameters import ReportParameters
from tasks.tables import ACTIONS, CAUSES, INSUFFICIENT_BECAUSE, UNCHECKED, VERDICTS

SLICES = ("agent", "model", "use_case")
NOT_RECORDED = "not recorded"
"""Shown where a slice's value is null: unknown is a value, and is counted."""
PARTS = ("supported", "contradicted", "unsettled", "unchecked")
"""What became of a claim: *insufficient* is two things, what the evidence leaves open and what could not be
checked at all."""
CHECKED = PARTS[:3]
STANDINGS = (
    "contradicted", "conflict", "unsettled", "unchecked", "supported", "abstained", "no_claims",
)  # fmt: skip
"""Of an answer's claims the worst one counts, in this order; without any it may have abstained."""
UNDECIDED = "undecided"
TREND_COLUMNS = ("agent", "model", "use_case", "source")
TREND_METRIC = "supported_share"
TABLES = (
    "outputs", "claims", "passages", "evidence", "verdicts", "actions", "findings", "quarantine", "drift",
    "flips", "flip_shares", "health", "completeness", "inventory", "events", "runs", "reviews", "caught",
    "actions_taken",
)  # fmt: skip
"""Tables of the lake that the queries read."""


@dataclass(frozen=True)
class Window:
    """UTC days of `produced_at` that a page covers, both ends included; None where the lake is empty."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Scope:
    """What a page speaks of. Ids are lower-case hex; no text of a trace goes into a query."""

    run_id: str
    window: Window = Window()
    trend_window: Window = Window()
    """Days of the small charts."""
    period: str = "day"
    """day, week or month."""
    drift_report: str | None = None
    reaudit: str | None = None
    """The drift report and the run of the re-audit that the page shows, if there are any."""
    claims: tuple[str, ...] = ()
    """The claims shown one by one."""
    claim_days: tuple[date, ...] = ()
    """Days of those claims."""
    outputs: tuple[str, ...] = ()
    """The answers that make them."""
    ledger_size: int = 0
    """Events under the checkpoint that the page shows."""
    parameters: ReportParameters = field(default_factory=ReportParameters)


@dataclass(frozen=True)
class Query:
    """A query of a file in `sql/`: its text, and what of its result the page shows."""

    body: str
    key: tuple[str, ...] = ()
    """Columns that tell its rows apart; empty where there is one row."""
    numbers: tuple[str, ...] = ()
    """Columns whose cells the page shows as numbers."""


_CODES = (("'%'", "'%25'"), ("'&'", "'%26'"), ("'='", "'%3D'"))


def _encoded(column: str) -> str:
    """A value as a slice's name holds it, as `slices.name` spells it."""
    text = f"coalesce({column}, '{slices.NONE}')"
    for character, code in _CODES:
        text = f"replace({text}, {character}, {code})"
    return f"{text} AS {column}"


def _count(condition: str = "") -> str:
    """How many rows, each as many as its weight says: the estimate of Horvitz and Thompson."""
    which = f" FILTER ({condition})" if condition else ""
    return f"coalesce(round(sum(weight){which}), 0)::BIGINT"


def _is(part: str) -> str:
    return f"part = '{part}'"


def _interval(share: str, n: str) -> str:
    """Wilson's 95% interval of a share of so many, as columns SHARE_low and SHARE_high."""
    p = share
    middle, reach = f"{p} + z*z / (2*{n})", f"z * sqrt({p} * (1-{p}) / {n} + z*z / (4*{n}*{n}))"
    ends = (f"greatest(({middle} - {reach}) / (1 + z*z / {n}), 0) AS {p}_low",
            f"least(({middle} + {reach}) / (1 + z*z / {n}), 1) AS {p}_high")  # fmt: skip
    return ",\n       ".join(f"CASE WHEN {n} > 0 THEN {end.replace(' AS', ' END AS')}" for end in ends)


_WORDS = {
    "abstentions": _count("outcome = 'abstained'")
    + " AS abstained,\n       "
    + _count("outcome <> 'abstained' AND abstention_count > 0")
    + " AS in_part,\n       "
    + _count("overlooked_passage_id IS NOT NULL")
    + " AS overlooked",
    "count": _count(),
    "precision_interval": _interval("precision", "called_n"),
    "recall_interval": _interval("recall", "wrong_n"),
    "weight": "1 / coalesce(sampling_probability, 1) AS weight",
    "addressed": ADDRESSED,
    "newest_verdict": current.VERDICTS.sql,
    "newest_action": current.ACTIONS.sql,
    "newest_review": current.REVIEWS.sql,
    "newest_caught": current.CAUGHT.sql,
    "newest_taken": current.ACTIONS_TAKEN.sql,
    "because": """CASE WHEN verdict = 'insufficient' THEN coalesce(insufficient_because,
         -- files of earlier releases
         CASE WHEN len(evidence_ids) = 0 THEN 'no_evidence' WHEN is_conflict THEN 'conflict'
              WHEN starts_with(reason, 'input_too_long') THEN 'too_long'
              WHEN starts_with(reason, 'no_answer') THEN 'no_answer'
              WHEN starts_with(reason, 'language not supported') THEN 'language' ELSE 'not_settled' END)
       END AS because""",
    "part": f"CASE WHEN verdict <> 'insufficient' THEN verdict WHEN because IN {UNCHECKED} THEN 'unchecked'\n"
    "            ELSE 'unsettled' END AS part",
    "counts": f"{_count()} AS claims" + "".join(f",\n       {_count(_is(part))} AS {part}" for part in PARTS),
    "sums": ", ".join(f"coalesce({name}, 0) AS {name}" for name in ("claims", *PARTS)),
    "encoded": ",\n         ".join(map(_encoded, TREND_COLUMNS)),
    "named": ",\n           ".join(
        f"CASE WHEN grouping({column}) = 0 THEN '{column}=' || {column} END" for column in TREND_COLUMNS
    ),
    "sets": ", ".join(f"({', '.join(('date', *kind))})" for kind in slices.kinds(TREND_COLUMNS)),
    "standing_order": str(list(STANDINGS)),
    "because_order": str(list(INSUFFICIENT_BECAUSE)),
    "part_order": str(list(PARTS)),
    "action_order": str([*ACTIONS, UNDECIDED]),
    "verdict_order": str([*VERDICTS, "any"]),
    "cause_order": str(["any", *CAUSES]),
}
"""What is the same in the queries of all pages."""


def _read(name: str) -> dict[str, Query]:
    """The queries of a file by name, `-- name: ...`, each up to its semicolon."""
    text = (files("tasks.report") / "sql" / name).read_text("utf-8")
    queries = {}
    for block in text.split("-- name: ")[1:]:
        title, _, rest = block.partition("\n")
        notes: dict[str, tuple[str, ...]] = {}
        while rest.startswith(("-- key: ", "-- numbers: ")):
            note, _, rest = rest.partition("\n")
            kind, _, columns = note.removeprefix("-- ").partition(": ")
            notes[kind] = tuple(columns.split(", "))
        queries[title] = Query(rest.rpartition(";")[0], **notes)
    return queries


def _by(query: Query, columns: Sequence[str]) -> Query:
    """Answers and verdicts per combination of columns; a combination without any claim counts its answers."""
    recorded = ", ".join(f"coalesce({column}, '{NOT_RECORDED}') AS {column}" for column in columns)
    body = query.body.replace("$columns", ", ".join(columns)).replace("$recorded", recorded)
    return Query(body, tuple(columns), query.numbers)


COMMON = _read("common.sql")
"""Tables that several queries read."""
CHOICES = _read("choices.sql")
QUERIES = {
    name: query
    for title, read in _read("page.sql").items()
    for name, query in (
        {f"by-{column}": _by(read, [column]) for column in SLICES} if title == "by" else {title: read}
    ).items()
}
"""The queries that a page names beside its numbers."""
CUBE = _by(_read("page.sql")["by"], SLICES)
"""What the page's filter adds up."""
LISTING = _read("listing.sql")
"""Every claim, for the pages beside a run's page."""
_NONE = "none"

PUBLISHED = {
    table: f"read_parquet('tables/{table}/**/*.parquet', hive_partitioning = true, union_by_name = true)"
    for table in TABLES
} | {
    "validation": "read_text('runs/$run_id/validation.json')",
    "settings": "read_text('runs/$run_id/settings.json')",
    "verifiers": "read_text('state/verifiers.json')",
    "policy_values": "read_text('state/policy-values.json')",
}
"""What a printed query reads, seen from the lake's folder."""


def published(scope: Scope) -> dict[str, str]:
    """The texts of QUERIES, each complete by itself."""
    return {name: statement(_complete(query), scope, PUBLISHED) for name, query in QUERIES.items()}


def listing(scope: Scope) -> str:
    """The text of the query that lists claims, complete by itself."""
    return statement(_complete(LISTING["claims"]), scope, PUBLISHED)


def _complete(query: Query) -> Query:
    """The query with the common tables that it reads as its first steps."""
    steps: list[str] = []
    text = query.body
    for name, table in reversed(COMMON.items()):
        if re.search(rf"\b{name}\b", text):
            steps.insert(0, f"{name} AS (\n{indent(table.body, '  ')}\n)")
            text += table.body
    if not steps:
        return query
    if query.body.startswith("WITH "):
        return Query(f"WITH {', '.join(steps)}, {query.body.removeprefix('WITH ')}")
    return Query(f"WITH {', '.join(steps)}\n{query.body}")


def statement(query: Query, scope: Scope, sources: Mapping[str, str]) -> str:
    """SQL of a query. `sources`: what it reads for each table of the lake."""
    bounds = scope.parameters
    values = _WORDS | {
        "window": _days(scope.window),
        "trend_window": _days(scope.trend_window),
        "period": scope.period,
        "run_id": scope.run_id,
        "shown": ", ".join(f"'{claim}'" for claim in scope.claims) or f"'{_NONE}'",
        "days": ", ".join(f"DATE '{day}'" for day in scope.claim_days) or "NULL",
        "report_id": scope.drift_report or _NONE,
        "reaudit": scope.reaudit or _NONE,
        "ledger_size": str(scope.ledger_size),
        "listing_room": str(bounds.listed_claims * bounds.listing_pages),
        "late_room": str(bounds.late_answers),
        "claim_room": str(bounds.claims),
        "slice_room": str(bounds.claims_per_slice),
        "whole_room": str(bounds.maximum_claims),
        "passage_room": str(bounds.passages),
    }
    places = {name: place.replace("$run_id", scope.run_id) for name, place in sources.items()}
    return Template(query.body).substitute(values, **places)


def _days(window: Window) -> str:
    if not window.first or not window.last:
        return ""
    return f"WHERE date BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
