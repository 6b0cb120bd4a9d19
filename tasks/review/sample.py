"""An auditor's sample: drawn by seed and checkpoint, every item with its evidence and its proof.

Belongs here: the population, the folder and its files, and what its results say. Does not belong here:
sizes, draws and limits (`review/sampling.py`), what a proof is (`ledger/proofs.py`), the page
(`review/sample_page.py`).

The population is every verification and re-verification in the log at its newest checkpoint, unless days
limit it. The folder is made whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import InputError, IntegrityError, Unverifiable
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import events, opening, proofs, prove
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, NoteError
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.proofs import Disclosure
from tasks.ledger.witness.witness import contradiction
from tasks.review import disclosed, review_sheets, sample_page, sampling
from tasks.review.sample_page import Item

STRATA = ("agent", "model", "use_case", "verdict")
SHEET = ("verdict_id", "claim_id", *review_sheets.FILLED)
"""Columns of the result sheet: two that say which item, then those that a person fills in."""
DEFAULT_CONFIDENCE = 0.95
"""Where neither the sample nor the auditor says one: what most audit programmes ask for."""


@dataclass(frozen=True)
class Sample:
    """What was drawn."""

    folder: Path
    size: int
    population: int
    seed: str
    checkpoint_size: int
    root: str
    strata: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**self.__dict__, "folder": str(self.folder)}


def draw_sample(
    lake: Lake,
    settings: LedgerSettings,
    folder: Path,
    *,
    nonce: str,
    size: int | None = None,
    confidence: float | None = None,
    tolerable: float | None = None,
    stratify: str | None = None,
    since: date | None = None,
    until: date | None = None,
    checkpoint: Path | None = None,
) -> Sample:
    """Draws a sample and writes its folder: index.html, results.csv, sample.json, checkpoint, proofs/.

    Args:
        nonce: the auditor's own words, chosen without knowing the checkpoint.
        size: items; or `confidence` and `tolerable`, from which the size follows for no deviations.
        stratify: agent, model, use_case or verdict.
        checkpoint: a file with an older checkpoint of this log, to draw an earlier sample again.

    Raises:
        InputError: contradictory arguments, nothing to sample, or a folder that exists.
        IntegrityError: the checkpoint is not of this log's history.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: not empty; give a folder that does not exist yet")
    if stratify is not None and stratify not in STRATA:
        raise InputError(f"--stratify {stratify}: expected one of {', '.join(STRATA)}")
    opened = _opened(lake)
    head = _head(opened, checkpoint)
    population = _population(lake, head.size, since, until)
    if population.is_empty():
        raise InputError(f"{lake.root}: the ledger has no verifications in these days; nothing to sample")
    seed = proofs.seed_of(head.root, nonce)
    try:
        wanted = _size(size, confidence, tolerable, population.height)
        strata, chosen = _draw(population, seed, wanted, stratify)
    except ValueError as error:
        raise InputError(str(error)) from None
    facts = {
        "origin": opened.origin,
        "checkpoint_size": head.size,
        "checkpoint_root": head.root.hex(),
        "nonce": nonce,
        "seed": seed.hex(),
        "population": population.height,
        "from": since and since.isoformat(),
        "to": until and until.isoformat(),
        "size": len(chosen),
        "confidence": confidence,
        "tolerable": tolerable,
        "stratify": stratify,
        "strata": strata,
        "indexes": chosen,
        "rule": "items of lowest SHA-256(seed || index as 8 bytes big-endian); seed = SHA-256(root || nonce)",
    }
    with _whole(folder) as scratch:
        # Known before it is there, so that no erasure can miss it.
        disclosed.remember(lake, folder, _write(lake, settings, opened, head, scratch, facts=facts))
    return Sample(folder, len(chosen), population.height, seed.hex(), head.size, head.root.hex(), strata)


@contextlib.contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A hidden folder to fill, which takes the place of `folder` at the end."""
    scratch = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    with durable.touching(folder):
        (scratch / "proofs").mkdir(parents=True)
        yield scratch
        if folder.exists():
            folder.rmdir()
        scratch.rename(folder)


def _opened(lake: Lake) -> Log:
    if not opening.exists(lake):
        raise InputError(f"{lake.root}: this lake has no ledger yet; `claimledger audit` makes one")
    return Log.open(opening.folder(lake))


def _head(opened: Log, file: Path | None) -> Checkpoint:
    """The log's own checkpoint of the size that a file names, which must say the same; else the newest."""
    if file is None:
        return opened.head
    try:
        wanted = Checkpoint.parse(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except NoteError as error:
        raise InputError(f"{file}: no checkpoint: {error}") from None
    problem = contradiction(opened, wanted)
    if problem:
        raise IntegrityError(f"{file}: {problem}")
    return opened.checkpoint(wanted.size)


@dataclass(frozen=True)
class Evaluation:
    """What the results of a sample say of its population."""

    size: int
    examined: int
    deviations: int
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
    column = pl.lit("all") if drawn.stratify is None else pl.col(drawn.stratify).fill_null("unknown")
    population = population.with_columns(stratum=column)
    strata = _by_stratum(population, drawn.indexes, outcomes, sure)
    sizes = {name: stratum["size"] for name, stratum in strata.items()}
    counts = {name: stratum["population"] for name, stratum in strata.items()}
    bad = sum(stratum["bad"] for stratum in strata.values())
    if drawn.stratify is None:
        limit = strata["all"]["upper_limit"]
    else:
        limit = sampling.stratified_upper_limit(bad, sizes, counts, sure)
    return Evaluation(
        size=len(drawn.indexes),
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
    opened, size = _opened(lake), drawn.checkpoint_size
    root = opened.checkpoint(size).root if size in opened.sizes() else b""
    population = _population(lake, size, drawn.since, drawn.until)
    seed = proofs.seed_of(root, drawn.nonce)
    try:
        _, chosen = _draw(population, seed, drawn.size, drawn.stratify)
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


def _population(lake: Lake, size: int, since: date | None, until: date | None) -> pl.DataFrame:
    """sequence, verdict_id and the columns that strata are made of."""
    kinds = ["verification", "re-verification"]
    events_table = (
        lake.scan("events")
        .filter(pl.col("kind").is_in(kinds) & (pl.col("sequence") < size))
        .select("sequence", verdict_id="subject_id")
    )
    verdicts = lake.scan("verdicts", since=since, until=until).select("verdict_id", *STRATA)
    found = events_table.join(verdicts, on="verdict_id", how="inner" if since or until else "left")
    return found.sort("sequence").collect()


def _size(size: int | None, confidence: float | None, tolerable: float | None, population: int) -> int:
    if size is not None:
        if confidence is not None or tolerable is not None:
            raise ValueError("give either --size or --confidence and --tolerable")
        if size < 1:
            raise ValueError(f"--size is {size}, expected 1 or more")
        return size
    if confidence is None or tolerable is None:
        raise ValueError("give --size, or --confidence and --tolerable together")
    return sampling.sample_size(confidence, tolerable, population=population)


def _draw(
    population: pl.DataFrame, seed: bytes, wanted: int, stratify: str | None
) -> tuple[dict[str, int], list[int]]:
    if stratify is None:
        return {}, sampling.draw(seed, population["sequence"].to_list(), wanted)
    groups = population.with_columns(pl.col(stratify).fill_null("unknown"))
    counts = dict(groups[stratify].value_counts().iter_rows())
    strata = sampling.allocate(counts, wanted)
    chosen: list[int] = []
    for name, count in strata.items():
        items = groups.filter(pl.col(stratify) == name)["sequence"].to_list()
        chosen += sampling.draw(seed, items, count)
    return strata, sorted(chosen)


def _write(
    lake: Lake,
    settings: LedgerSettings,
    opened: Log,
    head: Checkpoint,
    folder: Path,
    *,
    facts: dict[str, Any],
) -> list[str]:
    """Writes the files; the outputs whose text is in them."""
    items = []
    for index in facts["indexes"]:
        body = events.read(opened.entry(index))
        fields: list[Disclosure] = []
        # Erased, or the keys are elsewhere: the proof stands without the text.
        with contextlib.suppress(Unverifiable):
            fields = prove.disclosures(lake, settings, opened, body, ["all"])
        proof = prove.prove_index(opened, index, fields, head=head)
        durable.write_new(folder / "proofs" / f"{index}.tlog-proof", proof.encode())
        items.append(Item(index, body, {d.field: d.text for d in fields}))
    sheet = [[str(i.body["subject_id"]), str(i.body["claim_id"]), "", "", "", ""] for i in items]
    durable.write_new(folder / "results.csv", review_sheets.write(SHEET, sheet))
    durable.write_new(folder / "sample.json", json.dumps(facts, indent=1, sort_keys=True).encode() + b"\n")
    durable.write_new(folder / "checkpoint", str(head.note).encode())
    durable.write_new(folder / "index.html", sample_page.render(items, facts).encode())
    return [str(i.body["output_id"]) for i in items if i.texts]
