"""Rows in = published + already there + quarantined + filtered + joined + sampled out, per run and table.

Belongs here: the arithmetic and its sentence. The rows themselves are counted where they are cut:
by the store (`published`, `already_there`) and by the stages that refuse (`quarantined`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from tasks.errors import GateError


@dataclass(frozen=True)
class Counts:
    """Rows of one table in one commit or run; all in rows."""

    rows_in: int = 0
    published: int = 0
    already_there: int = 0
    quarantined: int = 0
    filtered: int = 0
    """Left out by a source's `where`."""
    joined: int = 0
    """Part of another row by a source's `join`."""
    sampled_out: int = 0
    """Not drawn by a source's `sample`."""

    @property
    def missing(self) -> int:
        """Rows that went in and are nowhere; negative where rows came from nowhere."""
        kept = self.published + self.already_there + self.quarantined
        return self.rows_in - kept - self.filtered - self.joined - self.sampled_out

    def as_dict(self) -> dict[str, int]:
        """What the `counts` column of the runs table holds per table; the last three where there are some."""
        left_out = {"filtered": self.filtered, "joined": self.joined, "sampled_out": self.sampled_out}
        return {
            "in": self.rows_in,
            "published": self.published,
            "already_there": self.already_there,
            "quarantined": self.quarantined,
            **{name: count for name, count in left_out.items() if count},
        }


def add(total: Mapping[str, Counts], more: Mapping[str, Counts]) -> dict[str, Counts]:
    """Counts per table of two units together; a table may be in one of them only."""
    none = Counts()
    return {
        table: Counts(
            **{
                f.name: getattr(total.get(table, none), f.name) + getattr(more.get(table, none), f.name)
                for f in fields(Counts)
            }
        )
        for table in [*total, *(name for name in more if name not in total)]
    }


def reconcile(counts: Mapping[str, Counts]) -> None:
    """Raises GateError naming every table whose rows do not add up."""
    wrong = [
        f"{table}: {c.rows_in} in, but {c.published} published + {c.already_there} already there "
        f"+ {c.quarantined} quarantined + {c.filtered} filtered + {c.joined} joined "
        f"+ {c.sampled_out} sampled out = {c.rows_in - c.missing}"
        for table, c in sorted(counts.items())
        if c.missing
    ]
    if wrong:
        raise GateError(
            f"the run does not reconcile ({'; '.join(wrong)}); nothing more is published, "
            "run `claimledger doctor`, then audit again"
        )
