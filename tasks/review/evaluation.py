"""What a filled-in sample says of its population.

The sample is drawn again first, so that a list of items that somebody chose is not taken for one. Items that
nobody examined are deviations; items whose output was erased after the draw are none, and are counted apart:
nobody can examine them any more, and whoever reads the result is told how many there were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import InputError, IntegrityError
from tasks.lake.store import Lake
from tasks.ledger import proofs
from tasks.review import sampling
from tasks.review.sample import draw_from, opened_log, population_of

DEFAULT_CONFIDENCE = 0.95
"""Where neither the sample nor the auditor says one: what most audit programmes ask for."""


@dataclass(frozen=True)
class Evaluation:
    """What the results of a sample say of its population."""

    size: int
    examined: int
    deviations: int
    erased: int
    """Items whose output was erased after the draw and that nobody had examined; not among `size`."""
    population: int
    confidence: float
    tolerable: float | None
    upper_limit: float
    """Highest rate of deviations that the population has, at that confidence; items that nobody examined
    count as deviations."""
    strata: dict[str, dict[str, float]]

    @property
    def statement(self) -> str:
        """One sentence for the auditor's papers."""
        missing = self.size - self.examined
        counted = f"{self.deviations} deviations in {self.examined} items examined"
        if missing:
            counted += f", {missing} not examined and counted as deviations"
        if self.erased:
            counted += f", {self.erased} erased since the draw and left out (`ledger verify` lists erasures)"
        said = (
            f"{counted}: at {self.confidence:.0%} confidence at most {self.upper_limit:.2%} of "
            f"{self.population} verdicts deviate"
        )
        if self.tolerable is None:
            return said
        verdict = "within" if self.upper_limit <= self.tolerable else "above"
        return f"{said}, {verdict} the tolerable {self.tolerable:.2%}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**self.__dict__, "statement": self.statement}


def evaluate(
    lake: Lake, folder: Path, outcomes: Mapping[str, str], *, confidence: float | None = None
) -> Evaluation | None:
    """Evaluates a sample's results; None where the folder holds no sample.

    The sample is drawn again first, so that a list of items that somebody chose is not taken for one.

    Args:
        outcomes: verdict_id to confirmed or overturned.
        confidence: where the sample was drawn by size; the sample's own otherwise, else 0.95.

    Raises:
        InputError: sample.json cannot be read.
        IntegrityError: it names other items than its seed draws.
    """
    drawn = _read(folder / "sample.json")
    if drawn is None:
        return None
    sure = confidence or drawn.confidence or DEFAULT_CONFIDENCE
    if not 0 < sure < 1:
        raise InputError(f"--confidence is {sure}, expected a number between 0 and 1")
    population = _drawn_again(lake, folder, drawn)
    is_gone = pl.col("erased_since") & ~pl.col("verdict_id").is_in(list(outcomes))
    erased = population.filter(is_gone & pl.col("sequence").is_in(drawn.indexes)).height
    population = population.filter(~is_gone)
    if erased == len(drawn.indexes):
        raise InputError(f"{folder}: every item was erased since the draw; draw another sample")
    column = pl.lit("all") if drawn.stratify is None else pl.col(drawn.stratify).fill_null("unknown")
    population = population.with_columns(stratum=column)
    strata = _by_stratum(population, drawn.indexes, outcomes, sure)
    sizes = {name: stratum["size"] for name, stratum in strata.items()}
    counts = {name: stratum["population"] for name, stratum in strata.items()}
    bad = sum(stratum["bad"] for stratum in strata.values())
    if drawn.stratify is None:
        limit = strata["all"]["upper_limit"]
    else:
        try:
            limit = sampling.stratified_upper_limit(bad, sizes, counts, sure)
        except ValueError as error:
            raise InputError(f"{folder}: {error}; draw another sample") from None
    return Evaluation(
        size=len(drawn.indexes) - erased,
        erased=erased,
        examined=sum(stratum["examined"] for stratum in strata.values()),
        deviations=sum(stratum["deviations"] for stratum in strata.values()),
        population=population.height,
        confidence=sure,
        tolerable=drawn.tolerable,
        upper_limit=limit,
        strata=strata if drawn.stratify else {},
    )


@dataclass(frozen=True)
class _Drawn:
    """What a sample's own record says of its draw."""

    checkpoint_size: int
    checkpoint_root: str
    nonce: str
    size: int
    confidence: float | None
    tolerable: float | None
    stratify: str | None
    since: date | None
    until: date | None
    indexes: list[int]
    leaves_out_erased: bool
    """Samples of earlier releases were drawn from erased verdicts too."""


def _read(path: Path) -> _Drawn | None:
    try:
        facts = json.loads(path.read_bytes())
        since, until = (date.fromisoformat(facts[n]) if facts.get(n) else None for n in ("from", "to"))
        return _Drawn(
            checkpoint_size=int(facts["checkpoint_size"]),
            checkpoint_root=str(facts["checkpoint_root"]),
            nonce=str(facts["nonce"]),
            size=int(facts["size"]),
            confidence=facts["confidence"] and float(facts["confidence"]),
            tolerable=facts["tolerable"] and float(facts["tolerable"]),
            stratify=facts["stratify"],
            since=since,
            until=until,
            indexes=list(facts["indexes"]),
            leaves_out_erased="erased" in facts,
        )
    except FileNotFoundError:
        return None
    except (OSError, AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{path}: not what `claimledger sample` wrote") from None


def _drawn_again(lake: Lake, folder: Path, drawn: _Drawn) -> pl.DataFrame:
    """The population of a sample, of which its seed draws the items that it names.

    Raises:
        IntegrityError: it draws others.
    """
    opened, size = opened_log(lake), drawn.checkpoint_size
    root = opened.checkpoint(size).root if size in opened.sizes() else b""
    population = population_of(lake, size, drawn.since, drawn.until)
    if drawn.leaves_out_erased:
        population = population.filter(~pl.col("is_erased"))
    else:
        population = population.with_columns(erased_since=pl.col("is_erased") | pl.col("erased_since"))
    seed = proofs.seed_of(root, drawn.nonce)
    try:
        _, chosen = draw_from(population, seed, drawn.size, drawn.stratify)
    except (ValueError, pl.exceptions.PolarsError):
        chosen = []
    if root.hex() != drawn.checkpoint_root or chosen != drawn.indexes:
        raise IntegrityError(f"{folder}: these are not the items that its seed draws from this ledger")
    return population


def _by_stratum(
    population: pl.DataFrame, chosen: Sequence[int], outcomes: Mapping[str, str], confidence: float
) -> dict[str, dict[str, Any]]:
    """By stratum: size, examined, deviations, bad, population, upper_limit."""
    outcome = pl.col("verdict_id").replace_strict(dict(outcomes), default=None, return_dtype=pl.String)
    results = population.filter(pl.col("sequence").is_in(chosen)).with_columns(outcome=outcome)
    by_stratum = results.group_by("stratum").agg(
        size=pl.len(),
        examined=pl.col("outcome").count(),
        deviations=(pl.col("outcome") == "overturned").sum(),
        # An item that could not be examined is a deviation (ISA 530, paragraph 11).
        bad=(pl.col("outcome").fill_null("overturned") == "overturned").sum(),
    )
    counts = dict(population["stratum"].value_counts().iter_rows())
    rows = {row.pop("stratum"): row for row in by_stratum.sort("stratum").to_dicts()}
    for name, row in rows.items():
        limit = sampling.upper_limit(row["bad"], row["size"], confidence, population=counts[name])
        row |= {"population": counts[name], "upper_limit": limit}
    return rows
