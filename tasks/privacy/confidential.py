"""Outputs into findings: confidential data in responses, shown as an outline only.

Belongs here: which detectors run, which finding wins where two overlap, and the table. Does not belong here:
what confidential data looks like (`detectors.py`). No text leaves this stage but masked.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime

import polars as pl

from tasks import ids, tables
from tasks.errors import ConfigError
from tasks.privacy.detectors import DETECTORS, Detector, Found
from tasks.schema import conform

_ROW = {
    "row": pl.UInt32,
    "kind": pl.String,
    "start": pl.Int64,
    "end": pl.Int64,
    "masked": pl.String,
    "detector": pl.String,
    "confidence": pl.Float64,
}


def scan(outputs: pl.DataFrame, detectors: tuple[str, ...], *, run_id: str, now: datetime) -> pl.DataFrame:
    """Findings (FINDINGS frame) in the responses of outputs (OUTPUTS frame), in order of output and position.

    Spans are in Unicode characters and apart: where two kinds claim the same characters, the more certain one
    has them. One vectorised, linear-time pattern per detector screens all responses; only those that pass it
    are looked at one by one.

    Raises:
        ConfigError: a detector is not known.
    """
    chosen = named(detectors)
    numbered = outputs.select("output_id", "produced_at", "response").with_row_index("row")
    screened = numbered.select(
        "row", "response", *(pl.col("response").str.contains(d.screen).alias(d.kind) for d in chosen)
    ).filter(pl.any_horizontal(pl.lit(value=False), *(d.kind for d in chosen)))
    rows = [
        (row, detector.kind, detector.label, found)
        for row, response, *passes in screened.iter_rows()
        for detector, found in _find(response, [d for d, is_on in zip(chosen, passes, strict=True) if is_on])
    ]
    return as_findings(rows, numbered, run_id=run_id, now=now)


def as_findings(
    rows: Iterable[tuple[int, str, str, Found]], numbered: pl.DataFrame, *, run_id: str, now: datetime
) -> pl.DataFrame:
    """FINDINGS, in the order of the rows: which row of `numbered`, kind, detector, and what it found.

    Args:
        rows: the first of each is a value of the column `row` (UInt32).
        numbered: `row`, `output_id`, `produced_at`.
        run_id: of this run.
        now: becomes `found_at`.
    """
    values = [
        (row, kind, found.start, found.end, found.masked, label, found.confidence)
        for row, kind, label, found in rows
    ]
    found = pl.DataFrame(values, schema=_ROW, orient="row").join(
        numbered.select("row", "output_id", "produced_at"), on="row", how="left", maintain_order="left"
    )
    return conform(
        tables.FINDINGS,
        found.with_columns(
            finding_id=ids.digest_rows(
                "finding", [found[c] for c in ("output_id", "detector", "start", "end")]
            ),
            run_id=pl.lit(run_id),
            found_at=pl.lit(now, dtype=tables.UTC),
        ).select(tables.FINDINGS.schema.names()),
    )


def named(names: tuple[str, ...]) -> list[Detector]:
    """Detectors of these names, in the order in which they run.

    Raises:
        ConfigError: one is not known; the sentence says which is meant.
    """
    for name in names:
        if name not in DETECTORS:
            near = difflib.get_close_matches(name, DETECTORS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(DETECTORS))}"
            raise ConfigError(f"privacy.detectors: no detector is named {name!r}, {hint}")
    return [detector for kind, detector in DETECTORS.items() if kind in names]


def _find(text: str, detectors: list[Detector]) -> list[tuple[Detector, Found]]:
    """What the detectors find, in order of position; earlier detectors keep what later ones claim too."""
    kept: list[tuple[int, int, Detector, Found]] = []
    for detector in detectors:
        taken = [(start, end) for start, end, _, _ in kept]
        fresh: list[tuple[int, int, Detector, Found]] = []
        last = 0
        for found in sorted(detector.find(text), key=lambda one: (one.start, -one.end)):
            place = bisect_left(taken, (found.end, 0))
            if found.start >= last and (place == 0 or taken[place - 1][1] <= found.start):
                fresh.append((found.start, found.end, detector, found))
                last = found.end
        kept = sorted(kept + fresh, key=lambda one: one[0])
    return [(detector, found) for _, _, detector, found in kept]
