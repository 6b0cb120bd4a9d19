"""Where pages are reached, and how much they show: every bound keeps a page's size apart from the lake's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from tasks.knobs import Example, Section

_ADDRESS = re.compile(r"https?://[\w.:\[\]-]+(/[\w./~%:@&=+,;-]*)?", re.ASCII)
"""Nothing that Markdown or HTML would take for more than an address."""


@dataclass(frozen=True, kw_only=True)
class ReportSettings(Section):
    """Where people reach the pages."""

    link: Annotated[str | None, Example("https://audits.example/reports")] = None
    """Address under which people reach LAKE/reports; without it, Prefect's page and messages name files."""

    def __post_init__(self) -> None:
        if self.link is not None and not _ADDRESS.fullmatch(self.link):
            raise ValueError(
                f"link is {self.link!r}, expected an address such as https://audits.example/reports"
            )

    def address(self, *parts: str) -> str | None:
        """Of a page below LAKE/reports; None where no address is set."""
        return None if self.link is None else "/".join([self.link.rstrip("/"), *parts])


@dataclass(frozen=True)
class ReportParameters:
    """Bounds of one page."""

    window_days: int = 90
    """Days up to the newest answer, where the run names no range: a quarter, the usual audit period."""

    slices: int = 15
    """Rows per table of agents, models or use cases; the rest are one row, so sums still hold."""

    daily_points: int = 120
    """More days than this are drawn as weeks, more weeks than this as months."""

    cube_rows: int = 4000
    """Combinations of agent, model and use case that the page's filter can add up; some 100 kB."""

    minimum_claims: int = 30
    """Smaller slices are listed but not named in the headline: their shares are mostly chance."""

    groups: int = 40
    """Rows of any other table on the page."""

    late_answers: int = 500
    """Answers named that were delivered before they were found wrong; the pack names every one."""

    identities: int = 10
    """Verifiers, snapshots, policies and sources named, of each the most frequent."""

    claims: int = 24
    """Worst claims of the whole lake: what a person reads in a quarter of an hour. Half of the room goes to
    contradictions, a quarter to conflicts and a quarter to claims that stay open, so that a night of
    contradictions hides no conflict; a quarter more to the supported claims that were nearest to another
    verdict, for a wrong *supported* is the error that nobody sees."""

    claims_per_slice: int = 1
    """Worst claims of every (agent, use case, standing) besides, so that a filter finds something."""

    maximum_claims: int = 84
    """All claims of a page; with the lengths below some 500 kB."""

    listed_claims: int = 500
    """Claims of one page that lists all of them."""

    listing_pages: int = 10
    """Such pages at most; a night with more claims lists those that missed another verdict least, and prints
    the query for the others."""

    answer_characters: int = 6000
    """Longest answer shown whole; of a longer one the part around its first listed claim."""

    passages: int = 3
    """Passages per claim, the deciding one first."""

    claim_characters: int = 1200
    passage_characters: int = 700
    """Longest text shown; a longer passage is cut to the part that shares most with the claim."""

    cards: int = 9
    """Small charts: three rows of three on a desk; more are not looked at."""

    drifted_cards: int = 5
    """Small charts that slices which drifted may take."""

    def __post_init__(self) -> None:
        if self.maximum_claims < self.claims:
            raise ValueError(f"maximum_claims is {self.maximum_claims}, expected {self.claims} or more")
