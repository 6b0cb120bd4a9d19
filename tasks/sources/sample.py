"""Which answers of a source are audited: a share of each agent's, and always those that matter.

Whether an answer is drawn is decided by a digest of its source and id alone, so that every run draws the same
ones, a larger share holds a smaller one, and all versions of an answer are drawn or none. Each answer keeps
the probability with which it was drawn, by which every rate is weighted back to all answers (Horvitz and
Thompson, JASA 47, 1952). A share of 0 is refused: nothing could speak for what is never drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import polars as pl
from annotated_types import Gt, Le

from tasks import ids
from tasks.files.refusal import Refusal
from tasks.knobs import Example, Section
from tasks.sources import where
from tasks.tables import FAILURE_WORDS

if TYPE_CHECKING:
    from tasks.files.portions import Record

FAILED = "failed"
"""Of `always`: answers that the source itself calls failed."""
EVERY_AGENT = "*"
_DIGITS = 13
"""Hexadecimal digits of a digest that make the draw: 52 bits, which a double holds exactly."""
_COLUMNS = ("agent", "model", "use_case", "session_id")

Share = Annotated[float, Gt(0), Le(1)]


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Section):
    """How many of a source's answers are audited; every rate is weighted back to all of them."""

    share: Annotated[Share | dict[str, Share], Example(0.1)] = 1.0
    """Share of each agent's answers, above 0 and at most 1; or a share by agent, `*` for all others, who
    without it are audited in full."""
    always: Annotated[tuple[str, ...], Example([FAILED, "risk = 'high'"])] = ()
    """Answers that are always audited: `failed`, and conditions in SQL on their metadata, agent, model or use
    case."""

    def __post_init__(self) -> None:
        for text in self.always:
            if text != FAILED:
                where.condition(text)


def draw(outputs: pl.DataFrame, settings: SampleSettings) -> pl.DataFrame:
    """OUTPUTS that are drawn, with `sampling_probability`."""
    if outputs.is_empty():
        return outputs
    digest = ids.digest_rows("sample", [outputs["source"], outputs["source_id"]])
    point = digest.str.slice(0, _DIGITS).str.to_integer(base=16, dtype=pl.Int64) / 16**_DIGITS
    certain = pl.Series(_certain(outputs, settings.always), dtype=pl.Boolean)
    probability = pl.when(certain).then(1.0).otherwise(_shares(settings.share))
    return outputs.with_columns(sampling_probability=probability).filter(
        point < pl.col("sampling_probability")
    )


def _shares(share: float | Mapping[str, float]) -> pl.Expr:
    if not isinstance(share, Mapping):
        return pl.lit(float(share))
    others = float(share.get(EVERY_AGENT, 1.0))
    agents = {agent: float(each) for agent, each in share.items()}
    return pl.col("agent").replace_strict(agents, default=others, return_dtype=pl.Float64)


def _certain(outputs: pl.DataFrame, always: Sequence[str]) -> list[bool]:
    """Whether each answer is audited whatever the draw."""
    certain = [False] * outputs.height
    if not always:
        return certain
    about = [_about(row) for row in outputs.select("metadata", *_COLUMNS).iter_rows(named=True)]
    for text in always:
        # What a condition cannot be applied to is audited: nobody may be left out by a wrong type.
        results: list[bool | Refusal] = (
            [_is_failed(record) for record in about]
            if text == FAILED
            else where.RowFilter(text).results(about)
        )
        certain = [
            already or isinstance(result, Refusal) or result
            for already, result in zip(certain, results, strict=True)
        ]
    return certain


def _about(row: Mapping[str, str | None]) -> Record:
    """What conditions may name: keys of the metadata, also behind `metadata.`, and columns."""
    metadata = json.loads(row["metadata"] or "null")
    own = metadata if isinstance(metadata, dict) else {}
    return {**own, "metadata": metadata, **{name: row[name] for name in _COLUMNS}}


def _is_failed(record: Record) -> bool:
    status, level = record.get("status"), record.get("level")
    return (
        (isinstance(status, str) and status.casefold() in FAILURE_WORDS)
        or (isinstance(level, str) and level.casefold() in FAILURE_WORDS)
        or bool(record.get("error"))
        or record.get("is_error") is True
    )
