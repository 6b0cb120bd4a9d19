"""An auditor's sample: drawn by seed and checkpoint, every item with its evidence and its proof.

Belongs here: the population, the folder and its files. Does not belong here: what its results say
(`review/evaluation.py`), sizes, draws and limits (`review/sampling.py`), what a proof is
(`ledger/proofs.py`), what the tables say of an item (`review/sample_items.py`), the page
(`review/sample_page.py`).

The population is every verification and re-verification in the log at its newest checkpoint, unless days
limit it, but those of outputs that were erased by then: nobody can judge them. The folder is made whole or
not at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import InputError, IntegrityError, Unverifiable
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import events, opening, proofs, prove
from tasks.ledger.events import JUDGED
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, NoteError
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.proofs import Disclosure
from tasks.ledger.witness.witness import contradiction
from tasks.review import disclosed, review_sheets, sample_items, sample_page, sampling
from tasks.review.sample_page import Item
from tasks.visible import shortened

STRATA = ("agent", "model", "use_case", "verdict")
SHEET = (*sample_page.SHOWN, "verdict_id", "claim_id", *review_sheets.FILLED)
"""Columns of the result sheet: what a person judges by, the item's ids, then what a person fills in."""
SHOWN_CHARACTERS = 4000
"""Of a text in a cell, whose end a spreadsheet cuts at 32,767; the page shows the whole."""


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
    place: Path | None = None,
) -> Sample:
    """Draws a sample and writes its folder: index.html, results.csv, sample.json, checkpoint, proofs/.

    Args:
        nonce: the auditor's own words, chosen without knowing the checkpoint.
        size: items; or `confidence` and `tolerable`, from which the size follows for no deviations.
        stratify: agent, model, use_case or verdict.
        checkpoint: a file with an older checkpoint of this log, to draw an earlier sample again.
        place: where the folder will be moved to, and an erasure shall look for it.

    Raises:
        InputError: contradictory arguments, nothing to sample, or a folder that exists.
        IntegrityError: the checkpoint is not of this log's history.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: not empty; give a folder that does not exist yet")
    if stratify is not None and stratify not in STRATA:
        raise InputError(f"--stratify {stratify}: expected one of {', '.join(STRATA)}")
    opened = opened_log(lake)
    head = _head(opened, checkpoint)
    everything = population_of(lake, head.size, since, until)
    population = everything.filter(~pl.col("is_erased"))
    if population.is_empty():
        raise InputError(f"{lake.root}: the ledger has no verifications in these days; nothing to sample")
    seed = proofs.seed_of(head.root, nonce)
    try:
        wanted = _size(size, confidence, tolerable, population.height)
        strata, chosen = draw_from(population, seed, wanted, stratify)
    except ValueError as error:
        raise InputError(str(error)) from None
    facts = {
        "origin": opened.origin,
        "checkpoint_size": head.size,
        "checkpoint_root": head.root.hex(),
        "nonce": nonce,
        "seed": seed.hex(),
        "population": population.height,
        "erased": everything.height - population.height,
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
    with durable.whole_folder(folder) as scratch:
        durable.make_folder(scratch / "proofs")
        # Known before it is there, so that no erasure can miss it.
        texts_of = _write(lake, settings, opened, head, scratch, facts=facts)
        disclosed.remember(lake, place or folder, texts_of)
    return Sample(folder, len(chosen), population.height, seed.hex(), head.size, head.root.hex(), strata)


def opened_log(lake: Lake) -> Log:
    """The lake's log, for reading.

    Raises:
        InputError: it has none.
    """
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


def population_of(lake: Lake, size: int, since: date | None, until: date | None) -> pl.DataFrame:
    """The verifications among the first `size` events: what a sample is drawn from.

    Columns: sequence, verdict_id, output_id, is_erased (by an event among those), erased_since (by a later
    one), and the columns that strata are made of.
    """
    rows = lake.scan("events").select("sequence", "kind", "body", verdict_id="subject_id")
    erasures = rows.filter(pl.col("kind") == "erasure").select("sequence", output_id="verdict_id").collect()
    erased = erasures.filter(pl.col("sequence") < size)["output_id"]
    later = erasures.filter(pl.col("sequence") >= size)["output_id"]
    judged = rows.filter(pl.col("kind").is_in(JUDGED) & (pl.col("sequence") < size)).select(
        "sequence",
        "verdict_id",
        # Keys and quotes within texts are escaped, so this is the event's own field.
        output_id=pl.col("body").str.extract(',"output_id":"([0-9a-f]{64})"'),
    )
    verdicts = lake.scan("verdicts", since=since, until=until).select("verdict_id", *STRATA)
    population = judged.join(verdicts, on="verdict_id", how="inner" if since or until else "left")
    is_erased = pl.col("output_id").is_in(erased.implode()).fill_null(value=False)
    return (
        population.sort("sequence")
        .with_columns(
            is_erased=is_erased,
            erased_since=~is_erased & pl.col("output_id").is_in(later.implode()).fill_null(value=False),
        )
        .collect()
    )


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


def draw_from(
    population: pl.DataFrame, seed: bytes, wanted: int, stratify: str | None
) -> tuple[dict[str, int], list[int]]:
    """Items by stratum, and the indexes that a seed draws.

    Raises:
        ValueError: fewer items than strata.
    """
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
    bodies = {index: events.read(opened.entry(index)) for index in facts["indexes"]}
    details = sample_items.details(lake, [str(body["subject_id"]) for body in bodies.values()])
    items, texts_of = [], []
    for index, body in bodies.items():
        fields: list[Disclosure] = []
        about = details.get(str(body["subject_id"]), {})
        # Erased, or the keys are elsewhere: the proof stands without the text, and so does the item.
        try:
            fields = prove.disclosures(lake, settings, opened, body, ["all"])
            texts_of.append(str(body["output_id"]))
        except Unverifiable:
            about = sample_items.without_texts(about)
        proof = prove.prove_index(opened, index, fields, head=head)
        durable.write_new(folder / "proofs" / f"{index}.tlog-proof", proof.encode())
        items.append(Item(index, body, {d.field: d.text for d in fields}, about))
    durable.write_new(folder / "results.csv", review_sheets.write(SHEET, [_line(item) for item in items]))
    durable.write_new(folder / "items.json", sample_items.encode(items))
    durable.write_new(folder / "sample.json", json.dumps(facts, indent=1, sort_keys=True).encode() + b"\n")
    durable.write_new(folder / "checkpoint", str(head.note).encode())
    durable.write_new(folder / "index.html", sample_page.render(items, facts).encode())
    return texts_of


def _line(item: Item) -> list[str]:
    """An item's line of the sheet, empty where a person fills it in."""
    shown = [shortened(cell, SHOWN_CHARACTERS) for cell in sample_page.cells(item)]
    ids = [str(item.body["subject_id"]), str(item.body["claim_id"])]
    return [*shown, *ids, *("" for _ in review_sheets.FILLED)]
