"""An auditor's sample: drawn by seed and checkpoint, every item with its evidence and its proof.

Belongs here: the population, the folder and its files. Does not belong here: sizes and draws
(`pure/sampling.py`), what a proof is (`pure/proofs.py`).

The population is every verification and re-verification in the log at its newest checkpoint, unless days
limit it. The folder is made whole or not at all.
"""

from __future__ import annotations

import contextlib
import csv
import html
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tasks import durable, ledger, ledger_proofs
from tasks.log import Log
from tasks.pure import events, sampling
from tasks.pure.errors import InputError, Unverifiable
from tasks.pure.proofs import Disclosure
from tasks.settings import LedgerSettings
from tasks.store import Lake

STRATA = ("agent", "model", "use_case", "verdict")
SHEET = ("verdict_id", "claim_id", "reviewer", "outcome", "corrected_verdict", "comment")
"""Columns of the result sheet: those of `reviews` that a person fills in, after two that are filled in."""
_ACTIVE = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet."""


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
) -> Sample:
    """Draws a sample and writes its folder: index.html, results.csv, sample.json, proofs/.

    Args:
        nonce: the auditor's own words, chosen without knowing the checkpoint.
        size: items; or `confidence` and `tolerable`, from which the size follows for no deviations.
        stratify: agent, model, use_case or verdict.

    Raises:
        InputError: contradictory arguments, nothing to sample, or a folder that exists.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: not empty; give a folder that does not exist yet")
    if stratify is not None and stratify not in STRATA:
        raise InputError(f"--stratify {stratify}: expected one of {', '.join(STRATA)}")
    if not ledger.exists(lake):
        raise InputError(f"{lake.root}: this lake has no ledger yet; `claimledger audit` makes one")
    opened = Log.open(ledger.folder(lake))
    population = _population(lake, opened, since, until)
    if population.is_empty():
        raise InputError(f"{lake.root}: the ledger has no verifications in these days; nothing to sample")
    seed = sampling.seed_of(opened.head.root, nonce)
    try:
        wanted = _size(size, confidence, tolerable, population.height)
        strata, chosen = _draw(population, seed, wanted, stratify)
    except ValueError as error:
        raise InputError(str(error)) from None
    facts = {
        "origin": opened.origin,
        "checkpoint_size": opened.head.size,
        "checkpoint_root": opened.head.root.hex(),
        "nonce": nonce,
        "seed": seed.hex(),
        "population": population.height,
        "size": len(chosen),
        "confidence": confidence,
        "tolerable": tolerable,
        "stratify": stratify,
        "strata": strata,
        "indexes": chosen,
        "rule": "items of lowest SHA-256(seed || index as 8 bytes big-endian); seed = SHA-256(root || nonce)",
    }
    scratch = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    with durable.touching(folder):
        (scratch / "proofs").mkdir(parents=True)
        _write(lake, settings, opened, scratch, chosen=chosen, facts=facts)
        if folder.exists():
            folder.rmdir()
        scratch.rename(folder)
    return Sample(
        folder, len(chosen), population.height, seed.hex(), opened.head.size, opened.head.root.hex(), strata
    )


def _population(lake: Lake, opened: Log, since: date | None, until: date | None) -> pl.DataFrame:
    """sequence, verdict_id and the columns that strata are made of."""
    kinds = ["verification", "re-verification"]
    events_table = (
        lake.scan("events")
        .filter(pl.col("kind").is_in(kinds) & (pl.col("sequence") < opened.head.size))
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
    folder: Path,
    *,
    chosen: Sequence[int],
    facts: dict[str, Any],
) -> None:
    bodies = [(index, events.read(opened.entry(index))) for index in chosen]
    items = []
    for index, body in bodies:
        disclosed: list[Disclosure] = []
        # Erased, or the keys are elsewhere: the proof stands without the text.
        with contextlib.suppress(Unverifiable):
            disclosed = ledger_proofs.disclosures(lake, settings, opened, body, ["all"])
        proof = ledger_proofs.prove_index(opened, index, disclosed)
        durable.write_new(folder / "proofs" / f"{index}.tlog-proof", proof.encode())
        items.append((index, body, {d.field: d.text for d in disclosed}))
    durable.write_new(folder / "results.csv", _sheet(bodies))
    durable.write_new(folder / "sample.json", json.dumps(facts, indent=1, sort_keys=True).encode() + b"\n")
    durable.write_new(folder / "checkpoint", str(opened.head.note).encode())
    durable.write_new(folder / "index.html", _page(items, facts).encode())


def _sheet(bodies: Sequence[tuple[int, dict[str, Any]]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(SHEET)
    for _, body in bodies:
        writer.writerow([_cell(str(body["subject_id"])), _cell(str(body["claim_id"])), "", "", "", ""])
    return buffer.getvalue().encode("utf-8-sig")


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_ACTIVE) else text


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "article{border-top:1px solid #bbb;padding:1rem 0;break-inside:avoid}"
    ".pair{display:grid;grid-template-columns:1fr 1fr;gap:1.5rem}code{overflow-wrap:anywhere}"
    "blockquote{margin:0 0 .5rem;white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid #666;"
    "padding-left:.75rem}"
    "@media(max-width:40rem){.pair{grid-template-columns:1fr}}"
)


def _page(items: Sequence[tuple[int, dict[str, Any], dict[str, str]]], facts: dict[str, Any]) -> str:
    """One self-contained page; whatever came from a trace is escaped text."""
    say = html.escape
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        "<meta name=viewport content='width=device-width'><title>Audit sample</title>",
        f"<style>{_STYLE}</style><h1>Audit sample</h1>",
        f"<p>{facts['size']} of {facts['population']} verifications in the log <b>{say(facts['origin'])}</b> "
        f"at {facts['checkpoint_size']} events, root <code>{facts['checkpoint_root']}</code>.</p>",
        f"<p>Drawn by the nonce <code>{say(facts['nonce'])}</code>: {say(facts['rule'])}.</p>",
        "<p>Check each proof with <code>claimledger ledger check proofs/N.tlog-proof --key KEY</code> or "
        "with check_proof.py, and fill in results.csv: outcome is confirmed or overturned.</p>",
    ]
    for index, body, texts in items:
        claim = texts.get("claim")
        passages = [text for name, text in sorted(texts.items()) if name.startswith("passage")]
        shown = "".join(f"<blockquote dir=auto>{say(text)}</blockquote>" for text in passages)
        scores = ", ".join(
            f"{name} {int(body[f'p_{name}_u6']) / 1_000_000:.3f}"
            for name in ("supported", "contradicted", "insufficient")
        )
        parts.append(
            f"<article id=e{index}><h2>Event {index}: {say(str(body['verdict']))}</h2><p>{scores}; policy "
            f"{say(str(body['policy']))}; action {say(str(body['action']))}; "
            f"<a href='proofs/{index}.tlog-proof'>proof</a></p><div class=pair><section><h3>Claim</h3>"
            f"<blockquote dir=auto>{say(claim or 'erased, or its key is not on this machine')}</blockquote>"
            f"</section><section><h3>Evidence</h3>{shown or '<p>none</p>'}</section></div></article>"
        )
    return "".join(parts) + "</html>\n"
