"""Every erasure that the log holds: when, how many verdicts of which kind, why, by whom.

Whoever may erase can make contradicted answers vanish, so a check of the ledger lists what went, out of the
log alone: the verdicts of an erased output are in events that nothing removes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from tasks.ledger import canonical, events, words
from tasks.ledger.events import JUDGED
from tasks.ledger.log import Log

BY_RULE = "retention rule "
"""Begins the reason of an erasure that a rule of retention made."""


@dataclass(frozen=True)
class Erasure:
    """One output whose content was erased."""

    index: int
    """Of the event that says so."""
    erased_at: str
    output_id: str
    reason: str
    actor: str | None
    """Who erased it; None where the event is of a release that did not record it."""
    rows: int
    """Rows of tables that lost their texts."""
    verdicts: dict[str, int] = field(default_factory=dict)
    """Verdicts that the log has of the output, by kind."""

    @property
    def sentence(self) -> str:
        """The erasure in one line."""
        kinds = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))
        count = sum(self.verdicts.values())
        what = f"{count} {'verdict' if count == 1 else 'verdicts'}" + (f" ({kinds})" if kinds else "")
        return (
            f"event {self.index}, {self.erased_at}: output {self.output_id[:12]} with {what}, "
            f"{self.rows} rows; by {self.actor or 'nobody named'}; reason: {self.reason}"
        )


def sentences(found: Sequence[Erasure]) -> list[str]:
    """A line for each erasure; one for all that a rule of retention made."""
    lines = [each.sentence for each in found if not each.reason.startswith(BY_RULE)]
    for reason in dict.fromkeys(each.reason for each in found if each.reason.startswith(BY_RULE)):
        same = [each for each in found if each.reason == reason]
        verdicts, rows = sum(sum(each.verdicts.values()) for each in same), sum(each.rows for each in same)
        lines.append(
            f"{len(same)} outputs with {verdicts} verdicts, {rows} rows, {same[0].erased_at} to "
            f"{same[-1].erased_at}; by {', '.join(sorted({str(each.actor) for each in same}))}; {reason}"
        )
    return lines


def erasures(log: Log) -> list[Erasure]:
    """All erasures in the order of the log.

    Raises:
        IntegrityError: a segment is not what was appended.
    """
    bodies = [row for segment in log.segments for row in _bodies(segment.events(["erasure"]))]
    if not bodies:
        return []
    verdicts = _verdicts(log, [str(body["subject_id"]) for _, body in bodies])
    return [
        Erasure(
            index=index,
            erased_at=words.moment(body["occurred_at_us"]),
            output_id=body["subject_id"],
            reason=str(body.get("reason")),
            actor=body.get("actor"),
            rows=int(body.get("rows_erased") or 0),
            verdicts=verdicts.get(body["subject_id"], {}),
        )
        for index, body in bodies
    ]


def _bodies(rows: pl.DataFrame) -> Iterator[tuple[int, events.Body]]:
    for sequence, data in rows.select("sequence", "event").iter_rows():
        try:
            yield sequence, events.read(data)
        except canonical.CanonicalError:
            continue  # the check of its segment says what is wrong with it


def _verdicts(log: Log, output_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """By output, the number of its verdicts by kind, each once however often it was reached."""
    judged = []
    for segment in log.segments:
        rows = segment.events(JUDGED)
        rows = rows.with_columns(output_id=canonical.text_field(rows["event"], "output_id"))
        rows = rows.filter(pl.col("output_id").is_in(list(output_ids)))
        # Quotes within texts are escaped, so this is the event's own field.
        verdict = canonical.text(rows["event"]).str.extract(',"verdict":"([a-z]+)"')
        judged.append(rows.select("subject_id", "output_id", verdict=verdict))
    counts: dict[str, dict[str, int]] = {}
    by_kind = pl.concat(judged).unique("subject_id").group_by("output_id", "verdict").len()
    for output_id, verdict, count in by_kind.sort("output_id", "verdict").iter_rows():
        counts.setdefault(output_id, {})[verdict] = count
    return counts
