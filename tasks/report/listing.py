"""Every claim, page by page: the one first that missed another verdict least, each with its whole answer.

The run's own page lists a few claims beside their evidence; here a reviewer finds any of them, the supported
ones too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tasks.report.whole import WholeAnswer
from tasks.visible import shortened, visible

_TEXT = 320
"""Longest claim shown, characters; the whole answer has all of it."""


@dataclass(frozen=True)
class Listing:
    """One page of claims."""

    number: int
    """From 1."""
    pages: int
    claims: pl.DataFrame
    """The result of `claims` with `text`, cut to this page."""
    answers: dict[str, WholeAnswer]
    """Their whole answers, by output id."""

    @property
    def name(self) -> str:
        """File name beside the run's page."""
        return file_name(self.number)


def file_name(number: int) -> str:
    """`claims.html`, `claims-2.html` and so on."""
    return "claims.html" if number == 1 else f"claims-{number}.html"


def paged(
    claims: pl.DataFrame, words: pl.DataFrame, answers: Mapping[str, WholeAnswer], size: int
) -> list[Listing]:
    """Pages of `size` claims.

    Args:
        claims: the result of `claims`, ordered.
        words: `claim_id` and `text`; an erased claim has none.
        answers: by output id.
    """
    rows = claims.join(_clean(words), on="claim_id", how="left", maintain_order="left")
    parts = list(rows.iter_slices(size))
    return [
        Listing(
            number=number,
            pages=len(parts),
            claims=part,
            answers={
                output: answers[output]
                for output in part["output_id"].unique(maintain_order=True)
                if output in answers
            },
        )
        for number, part in enumerate(parts, 1)
    ]


def _clean(words: pl.DataFrame) -> pl.DataFrame:
    once = words.unique("claim_id", maintain_order=True)
    shown = [visible(shortened(text or "", _TEXT)) for text in once["text"]]
    return once.select("claim_id", text=pl.Series(shown, dtype=pl.String))
