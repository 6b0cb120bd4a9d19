"""Outputs into findings: confidential data in responses, shown as an outline only.

Which detectors run, which finding wins where two overlap, and the table; what confidential data looks like is
`detectors.py`. No text leaves this stage but masked.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import polars as pl

from tasks import ids, tables
from tasks.errors import ConfigError
from tasks.privacy import national_ids
from tasks.privacy.detectors import DETECTORS
from tasks.privacy.outline import Detector, Finding
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
        ConfigError: a detector does not exist.
    """
    numbered = outputs.select("output_id", "produced_at", "response").with_row_index("row")
    rows = [
        (row, detector.kind, detector.label, finding)
        for row, detector, finding in located(numbered["response"], detectors_of(detectors))
    ]
    return as_findings(rows, numbered, run_id=run_id, now=now)


def located(texts: pl.Series, active: Sequence[Detector]) -> Iterator[tuple[int, Detector, Finding]]:
    """What detectors find in texts (String, n): which text, by which, and where; in that order, apart."""
    screened = texts.alias("text").to_frame().with_row_index("row")
    screened = screened.with_columns(detector.screened(texts).alias(detector.kind) for detector in active)
    screened = screened.filter(pl.any_horizontal(pl.lit(value=False), *(d.kind for d in active)))
    for row, text, *passes in screened.iter_rows():
        for detector, finding in _find(text, [d for d, is_on in zip(active, passes, strict=True) if is_on]):
            yield row, detector, finding


def as_findings(
    rows: Iterable[tuple[int, str, str, Finding]], numbered: pl.DataFrame, *, run_id: str, now: datetime
) -> pl.DataFrame:
    """FINDINGS, in the order of the rows: which row of `numbered`, kind, detector, and its finding.

    Args:
        rows: the first of each is a value of the column `row` (UInt32).
        numbered: `row`, `output_id`, `produced_at`.
        run_id: of this run.
        now: becomes `found_at`.
    """
    values = [
        (row, kind, one.start, one.end, one.masked, label, one.confidence) for row, kind, label, one in rows
    ]
    findings = pl.DataFrame(values, schema=_ROW, orient="row").join(
        numbered.select("row", "output_id", "produced_at"), on="row", how="left", maintain_order="left"
    )
    keys = [findings[name] for name in ("output_id", "detector", "start", "end")]
    findings = findings.with_columns(
        finding_id=ids.digest_rows("finding", keys),
        run_id=pl.lit(run_id),
        found_at=pl.lit(now, dtype=tables.UTC),
        origin=pl.lit(None, pl.String),
        value_hmac=pl.lit(None, pl.String),
    )
    return conform(tables.FINDINGS, findings.select(tables.FINDINGS.schema.names()))


def detectors_of(names: tuple[str, ...]) -> list[Detector]:
    """Detectors of these names, in the order in which they run.

    Raises:
        ConfigError: one does not exist, or its extra is not installed; the message says what to do.
    """
    for name in names:
        if name not in DETECTORS:
            near = difflib.get_close_matches(name, DETECTORS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(DETECTORS))}"
            raise ConfigError(f"privacy.detectors: no detector is named {name!r}, {hint}")
    if "national_id" in names:
        national_ids.require()
    return [detector for kind, detector in DETECTORS.items() if kind in names]


def _find(text: str, detectors: list[Detector]) -> list[tuple[Detector, Finding]]:
    """What the detectors find, in order of position; earlier detectors keep what later ones claim too."""
    kept: list[tuple[Detector, Finding]] = []
    for detector in detectors:
        taken = [(finding.start, finding.end) for _, finding in kept]
        last = 0
        for finding in sorted(detector.find(text), key=lambda one: (one.start, -one.end)):
            place = bisect_left(taken, (finding.end, 0))
            if finding.start >= last and (place == 0 or taken[place - 1][1] <= finding.start):
                kept.append((detector, finding))
                last = finding.end
        kept.sort(key=lambda pair: pair[1].start)
    return kept
