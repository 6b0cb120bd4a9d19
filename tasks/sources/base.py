"""What every source hands over, whatever system is behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import polars as pl

from tasks.errors import GateError
from tasks.files.limits import LimitSettings
from tasks.privacy.cover import Cover
from tasks.sources.minimise import Taken
from tasks.sources.parameters import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

COLLECTED_AFTER = (100_000, 50, 1000)
"""New objects after which Python looks for circles among them, some 10 MB that may wait; and after how many
such looks among older ones, which are spans that wait for the rest of their trace, and modules."""
Marks = dict[str, Any]
"""JSON that a source remembers itself by: for files, a mark for each, by name."""
QUARANTINED, LEFT_OUT = "quarantined", "left_out"
"""What became of a record that is not an output: refused, or no answer, incomplete, not of these days."""


@dataclass(frozen=True)
class Batch:
    """Records of a source, each either an output or a quarantined row; small enough to hold in memory."""

    outputs: pl.DataFrame
    """OUTPUTS schema; `supersedes` is null, because only the pull knows what came before. Beside it, where
    the lake is covered, `covering.FOUND`."""
    quarantine: pl.DataFrame
    """QUARANTINE schema."""
    records_in: int
    marks: Marks = field(default_factory=dict)
    """JSON-able marks of the files finished with this batch; the caller keeps them after publishing."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Names of the files finished with this batch, and the SHA-256 of each as it was read."""
    problems: tuple[str, ...] = ()
    """Sentences on files that could not be read as a whole: the source is not healthy."""
    warnings: tuple[str, ...] = ()
    """Sentences on files some of whose records were refused: the source is healthy, the rows are not."""
    filtered: int = 0
    """Records that the source's `where` left out."""
    joined: int = 0
    """Records that became part of another one by the source's `join`."""
    sampled_out: int = 0
    """Answers that the source's `sample` did not draw."""
    lacks: Mapping[str, int] = field(default_factory=dict)
    """What the source could not tell, as counts: `fidelity.LACKS`."""
    minimised: Taken = field(default_factory=dict)
    """How many values were dropped, hashed and masked, by path."""
    aside: Mapping[str, str] = field(default_factory=dict)
    """Ids at the source of records that are not outputs, each with QUARANTINED or LEFT_OUT."""

    def __post_init__(self) -> None:
        """Raises GateError where a record got lost between the source and the batch."""
        kept = self.outputs.height + self.quarantine.height
        if self.records_in != kept + self.filtered + self.joined + self.sampled_out:
            raise GateError(
                f"pull: {self.records_in} records became {self.outputs.height} outputs, "
                f"{self.quarantine.height} quarantined, {self.filtered} filtered, {self.joined} joined and "
                f"{self.sampled_out} sampled out rows; nothing was published, report this as a bug"
            )


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a pull is about."""

    limits: LimitSettings
    marks: Mapping[str, Any]
    """What the source gave when it was read last; empty at first."""
    run_id: str
    now: datetime
    since: date | None = None
    until: date | None = None
    """First and last UTC day of a range; a range is read whole, without marks, and gives none."""
    work: Path
    """A folder of the run for this source alone, which may not exist yet; the caller removes it."""
    processes: int = 1
    """How many may read it beside one another."""
    cover: Cover | None = None
    """Covers confidential data before anything is written; None where the lake holds texts as they are."""

    @property
    def is_range(self) -> bool:
        """Whether days were asked for, and not what is new."""
        return self.since is not None or self.until is not None


@dataclass(frozen=True)
class Tally:
    """What a source itself counts for a UTC day."""

    day: date
    count: int
    ids: Sequence[str] | None = None
    """The ids of those records, each once; None where they were only counted."""


Wanted = Callable[[date, int], bool]
"""Whether the ids of a day are wanted, given how many records the source counts."""


Settings_contra = TypeVar("Settings_contra", bound=SourceSettings, contravariant=True)


class Source(Protocol[Settings_contra]):
    """One kind of source: a module with these functions, beside its parameter class."""

    def pull(self, source: Settings_contra, scope: Scope, /) -> Iterator[Batch]:
        """What is new, in batches of bounded size.

        Raises:
            SourceError: the source is missing or unreachable as a whole.
        """
        ...

    def reach(self, source: Settings_contra, /) -> str:
        """What is there, in a few words, read as cheaply as possible.

        Raises:
            SourceError: the source cannot be reached, or lets nobody in.
        """
        ...


class Counting(Protocol[Settings_contra]):
    """A kind of source that can say how many records a day has."""

    def tally(self, source: Settings_contra, days: Sequence[date], wanted: Wanted, /) -> Iterator[Tally]:
        """The source's own count of UTC days, and the ids where they are wanted and can be listed.

        Raises:
            SourceError: it cannot tell, and why. ConnectionError: the connection broke.
        """
        ...
