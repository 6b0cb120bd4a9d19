"""Rows of exported spans, whatever system wrote them: read by the one reader of records, each row a span."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.files import records
from tasks.files.limits import LimitSettings
from tasks.files.portions import Record
from tasks.files.refusal import Refusal, shown
from tasks.sources.raw_spans import Raw

ODD = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What a row of another shape than expected raises."""


def read(
    path: Path, limits: LimitSettings, what: str, spans: Callable[[Record], list[Raw]]
) -> Iterator[tuple[Raw | Refusal, int, str]]:
    """(span or why there is none, bytes that it was read from, where it is); `spans` makes those of a row.

    Raises:
        Refusal: a file that no record can be read from.
    """
    for portion in records.portions(path, limits):
        for piece, refusal in portion.refused:
            yield Refusal(refusal.check, refusal.reason, shown(piece.raw)), 0, piece.locator("")
        for record, piece in portion.records:
            try:
                found = spans(record)
            except ODD as error:
                reason = f"is not {what} ({type(error).__name__} at {shown(str(error), 60)})"
                yield Refusal("record", reason, shown(piece.text(record))), 0, piece.locator("")
                continue
            for span in found:
                yield span, len(piece.raw) // len(found) or 1_000, piece.locator("")
        if portion.failure is not None:
            raise portion.failure
