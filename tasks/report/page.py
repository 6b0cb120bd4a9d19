"""Everything that a page of a run shows, as one object: the templates and `report.json` are made of it.

Frames are results of the page's queries (`queries.py`), cut to the rows that are shown; their columns are
those of the query unless a field says more.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import polars as pl

from tasks.report.answers import Answer
from tasks.report.listing import Listing
from tasks.report.queries import Window
from tasks.report.sentence import Sentence
from tasks.report.summary import Filter, SliceTable, Totals
from tasks.report.whole import WholeAnswer
from tasks.report.worst import ShownClaim, ShownPassage

if TYPE_CHECKING:
    from tasks.ledger.nightly import Verification

Checkpoint = Mapping[str, str | int]
"""The ledger's signed state in words: origin, size, root and what else is worth reading."""


@dataclass(frozen=True)
class RunFacts:
    """What the lake says of the run itself."""

    run_id: str
    flow: str
    status: str
    started_at: datetime
    finished_at: datetime
    code_version: str
    parameters: Mapping[str, object]
    rows_in: int
    rows_out: int
    rows_quarantined: int
    waiting: int
    """Claims without a verdict yet, because a judge's answers come later."""
    verdicts: pl.DataFrame
    """`of-run`."""
    tables: pl.DataFrame
    """`reconciliation`."""
    minimised: pl.DataFrame
    redaction: pl.DataFrame
    """One row where people read what a redactor left; else none."""
    lacks: pl.DataFrame
    validation: pl.DataFrame
    failures: pl.DataFrame
    quarantine: pl.DataFrame
    health: pl.DataFrame
    availability: pl.DataFrame
    completeness: pl.DataFrame
    incomplete: pl.DataFrame
    inventory: pl.DataFrame


@dataclass(frozen=True)
class Story:
    """The page in words."""

    headline: Sentence
    trust: list[Sentence]
    """How often the verifier is right; empty where nothing was judged."""
    meaning: str
    """What a probability means."""
    answers: list[Answer]
    """The first screen's questions."""
    changes: list[Sentence]
    """What the drift report says; empty where there is none."""
    flips: list[Sentence]
    remarks: list[Sentence]


@dataclass(frozen=True)
class Change:
    """A drift report and a re-audit."""

    drift: pl.DataFrame
    """`changes.ranked`: with `low`, `at` and `high`."""
    drift_rows: int
    drift_counts: dict[str, int]
    began: dict[str, date]
    """Slice to the first day of its new level of supported share."""
    flips: pl.DataFrame
    flips_delivered: int


@dataclass(frozen=True)
class Page:
    """One page."""

    run: RunFacts
    now: datetime
    """When it is written, UTC."""
    is_after_erasure: bool
    """It replaces an earlier page, because an output that the earlier one may have shown was erased."""
    window: Window
    unit: str
    """day, week or month: what a bar of `series` stands for."""
    story: Story
    change: Change
    total: Totals
    sampled: pl.DataFrame
    """`sampled`: one row where not every answer was audited, and all counts are estimates; else none."""
    because: pl.DataFrame
    targets: pl.DataFrame
    measured: pl.DataFrame
    reviewed: pl.DataFrame
    accuracy: pl.DataFrame
    nights: pl.DataFrame
    """Results of the queries of those names; `because` cut to the rows shown."""
    slices: tuple[SliceTable, ...]
    series: pl.DataFrame
    """`over-time`."""
    trend: pl.DataFrame
    trend_slices: list[str]
    tenths: pl.DataFrame
    """`scores`, all ten."""
    actions: pl.DataFrame
    """`actions`, all of the vocabulary, with `share` in words."""
    action_reasons: pl.DataFrame
    flow: pl.DataFrame
    abstentions: pl.DataFrame
    """`abstentions`, of agents that abstained."""
    caught: pl.DataFrame
    late: pl.DataFrame
    taken: pl.DataFrame
    """Results of the queries of those names."""
    claims: list[ShownClaim]
    answers: dict[str, WholeAnswer]
    """The whole answers of those claims, by output id."""
    filter: Filter
    citations: pl.DataFrame
    findings: pl.DataFrame
    addressed_claims: int
    """Claims whose evidence addresses the verifier."""
    checkpoint: Checkpoint | None
    verification: Verification | None
    """Of the ledger in this run; None where it was not verified."""
    identities: pl.DataFrame
    """`judged-by` and `decided-by`."""
    queries: dict[str, str]
    """SQL by name."""
    listing: list[Listing]
    """Pages with every claim, beside this one; not in `report.json`."""
    listing_query: str


def as_json(page: Page) -> bytes:
    """The page as one JSON document, keys sorted, so that equal pages are equal bytes: `report.json`."""
    fields = {"format": 3, **_fields(page)}
    del fields["listing"], fields["listing_query"]
    return (json.dumps(fields, default=_plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _fields(value: object) -> dict[str, object]:
    assert dataclasses.is_dataclass(value)  # noqa: S101 - for the type checker
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, pl.DataFrame):
        return value.to_dicts()
    if isinstance(value, WholeAnswer):
        return {**_fields(value), "pieces": "".join(piece.text for piece in value.pieces)}
    if isinstance(value, ShownClaim | ShownPassage):
        fields = _fields(value)
        fields.pop("words")
        return {**fields, "text": "".join(text for text, _ in value.words)}
    return _fields(value)
