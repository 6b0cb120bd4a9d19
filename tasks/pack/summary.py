"""Management's view of a pack: one page of few numbers, each with the period before beside it.

The numbers of the period before are counted in files of their own below `previous/`, so that `check.py`
counts them again like all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from tasks.pack.measures import Measure, Ratio
from tasks.pack.numbers import MEASURES, RATIOS
from tasks.pack.page import Figure
from tasks.pack.populations import Period

FILES = (
    "nights",
    "runs",
    "quarantine",
    "completeness",
    "outputs",
    "verdicts",
    "actions",
    "caught",
    "actions_taken",
    "findings",
    "reviews",
    "drift",
    "health",
    "changes",
    "erasures",
    "inventory",
    "policies",
    "agents",
    "use_cases",
    "numbers",
)
"""Populations of the period before that the view and its exceptions need."""
BEFORE = "previous/"
LINES = (
    ("Answers with a decision", "outputs.coverage", "PI1.3"),
    ("Claims that could be checked", "verdicts.coverage", "PI1.3"),
    ("Reviewed verdicts that people confirmed", "reviews.accuracy", "PI1.3"),
    (
        "Contradicted answers not delivered unchanged, by the policy's decision",
        "actions.caught_share",
        "PI1.4",
    ),
    (
        "Failed answers caught before the customer, of those whose delivery is known",
        "caught.share",
        "PI1.4",
    ),
    ("Failed answers whose delivery is not known", "caught.unknown", "PI1.4"),
    ("Median minutes from answer to contradicted verdict", "verdicts.minutes", "PI1.3"),
    ("Open exceptions", "exceptions.open", "exceptions"),
    ("Changes of policies", "changes.policies", "CC8.1"),
    ("Changes of the verifier", "changes.verifier", "CC8.1"),
    ("Language models of the agents", "verdicts.models", "PI1.3"),
    ("Nights that ran, of those expected", "nights.availability", "A1.1"),
)
"""Words, the number, and the section of `index.html` that has its proof."""
_NAMES = {name for _, name, _ in LINES}


@dataclass(frozen=True)
class Line:
    """One line of the view."""

    words: str
    now: Figure
    before: Figure
    link: str
    target: float | None = None


def before(period: Period) -> Period:
    """The period of as many days that ends where this one begins."""
    days = (period.until - period.since).days + 1
    return replace(period, since=period.since - timedelta(days=days), until=period.since - timedelta(days=1))


def ratios() -> list[Ratio]:
    """Shares of the period before."""
    return [
        replace(r, name=BEFORE + r.name, part=BEFORE + r.part, whole=BEFORE + r.whole)
        for r in RATIOS
        if r.name in _NAMES
    ]


def measures() -> list[Measure]:
    """Counts of the period before that the lines and their shares need."""
    needed = _NAMES | {name for r in RATIOS if r.name in _NAMES for name in (r.part, r.whole)}
    return [replace(m, name=BEFORE + m.name) for m in MEASURES if m.name in needed]


def lines(figures: Mapping[str, Figure], target: float) -> list[Line]:
    """The view; availability beside its target."""
    return [
        Line(
            words,
            figures[name],
            figures[BEFORE + name],
            f"index.html#{link if link == 'exceptions' else 'c-' + link}",
            target if name == "nights.availability" else None,
        )
        for words, name, link in LINES
    ]
