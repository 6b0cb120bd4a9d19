"""People's scores of a source's traces, out of its export of scores or from its server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.errors import SourceError
from tasks.files import places, records
from tasks.files.limits import LimitSettings
from tasks.files.portions import Record
from tasks.files.refusal import Refusal, shown
from tasks.sources import human_scores, langfuse, langsmith
from tasks.sources.human_scores import Reading, ScoreSettings, Taken
from tasks.sources.parameters import SourceSettings
from tasks.sources.trace_files import listing

_READINGS: dict[str, tuple[Reading, Callable[[Any, datetime], Iterator[list[Record]]]]] = {
    "langfuse": (lambda row: human_scores.of_langfuse(langfuse.snake(row)), langfuse.scores),
    "langsmith": (human_scores.of_langsmith, langsmith.feedback),
}
"""By kind of source: what a row says, and pages of rows since a moment."""


def settings_of(source: SourceSettings) -> ScoreSettings | None:
    """What is asked of a source's scores; None where nothing is."""
    settings: ScoreSettings | None = getattr(source, "reviews", None)
    return settings


def pull(source: SourceSettings, limits: LimitSettings, work: Path, now: datetime) -> Taken:
    """The scores of a source whose `reviews` are set, and how many were left for what reason.

    Raises:
        SourceError: the export or the server cannot be read.
    """
    settings = settings_of(source)
    if settings is None:
        raise ValueError(f"source {source.name!r} has no scores to pull")
    read, server = _READINGS[source.kind]
    taken = Taken()
    if settings.path:
        for page in _exported(settings.path, limits, work, taken):
            human_scores.take(page, source.name, settings, read, taken)
    else:
        try:
            for page in server(source, now - timedelta(days=settings.look_back_days)):
                human_scores.take(page, source.name, settings, read, taken)
        except OSError as error:
            raise SourceError(f"source {source.name!r}: scores cannot be read ({error})") from None
    return taken


def _exported(path: str, limits: LimitSettings, work: Path, taken: Taken) -> Iterator[list[Record]]:
    for place in listing(path):
        try:
            with places.fetched(place, work, limits.max_file_bytes) as file:
                for portion in records.portions(file, limits):
                    taken.counts[human_scores.ODD] += len(portion.refused)
                    yield [record for record, _ in portion.records]
                    if portion.failure is not None:
                        raise portion.failure
        except Refusal as failure:
            raise SourceError(f"{shown(place.address)} {failure.reason}") from None
        except OSError as error:
            raise SourceError(f"{shown(place.address)} cannot be read ({error.strerror})") from None
