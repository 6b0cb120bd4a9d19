"""Where texts left the lake for: proofs with disclosures, samples, review sheets; and their erasure there.

Belongs here: the register LAKE/state/disclosed.jsonl and taking one output's text out of such a file. Does
not belong here: erasure inside the lake (`erase.py`).

Each line names a path and the outputs whose text was written to it. Erasure rewrites what still stands there;
a copy that somebody took elsewhere is his, and his proof of what was logged.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tasks.errors import IntegrityError
from tasks.files import durable, workbooks
from tasks.lake.store import Lake
from tasks.ledger import canonical, proofs
from tasks.ledger.notes import NoteError, Proof
from tasks.review import review_sheets, sample_items, sample_page
from tasks.review.sample_page import Item
from tasks.tables import ERASED

log = logging.getLogger("claimledger.erase")


def remember(lake: Lake, path: Path, output_ids: Sequence[str]) -> None:
    """Notes that texts of outputs were written to a path. Appending needs no lock and waits for nobody, but
    in a lake in a bucket, where others must not lose the note.
    """
    if not output_ids:
        return
    with nullcontext() if lake.remote is None else lake.lock("note of a disclosure"):
        _append(lake, path, output_ids)


def _append(lake: Lake, path: Path, output_ids: Sequence[str]) -> None:
    line = json.dumps({"path": str(path.resolve()), "outputs": sorted(set(output_ids))}) + "\n"
    register = _register(lake)
    try:
        durable.make_folder(register.parent)
        handle = os.open(register, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        log.warning(
            "%s: could not be noted in %s (%s); an erasure will not reach it", path, register, error.strerror
        )


def erase(lake: Lake, output_id: str, verdict_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Takes an output's text out of every file that is known to hold it.

    Returns:
        Files that were rewritten, and paths where nothing stands any more or nothing can be written.
    """
    changed, missing = [], []
    for path in _paths(lake, output_id):
        try:
            if not path.exists():
                missing.append(str(path))
            changed += _one(path, output_id, set(verdict_ids))
        except OSError as error:
            # Somebody else's folder by now: the key must go all the same.
            missing.append(f"{path} ({error.strerror})")
    return changed, missing


def _one(path: Path, output_id: str, verdict_ids: set[str]) -> list[str]:
    if path.is_dir():
        return _folder(path, output_id)
    if path.suffix in (".csv", ".jsonl", ".xlsx"):
        return _sheet(path, {output_id, *verdict_ids}) if path.exists() else []
    return [str(path)] if _proof(path, output_id) else []


def _register(lake: Lake) -> Path:
    return lake.root / "state" / "disclosed.jsonl"


def _paths(lake: Lake, output_id: str) -> list[Path]:
    try:
        lines = _register(lake).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    found: dict[Path, None] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if output_id in record["outputs"]:
                found[Path(record["path"])] = None
        except (ValueError, KeyError, TypeError):
            if number < len(lines):
                raise IntegrityError(
                    f"{_register(lake)}: line {number} is damaged; restore it from a copy"
                ) from None
            log.warning("%s: the last line is incomplete; the file it names was not written", lake.root)
    return list(found)


def _read(path: Path) -> tuple[Proof, dict[str, Any], dict[str, Any]] | None:
    """A proof file, its extra data and its event; None where it is none of ours."""
    try:
        proof = Proof.parse(path.read_bytes())
        extra = canonical.loads(proof.extra or b"")
        return proof, extra, canonical.loads(str(extra["event"]).encode())
    except (OSError, NoteError, canonical.CanonicalError, KeyError):
        return None


def _proof(path: Path, output_id: str) -> bool:
    """Whether the proof disclosed the output's text; it does no more then."""
    found = _read(path)
    if found is None or found[2].get("output_id") != output_id or not found[1].get("disclosed"):
        return False
    proof, extra, _ = found
    event = str(extra["event"]).encode()
    durable.replace(path, proofs.write(event, proof.index, proof.path, proof.checkpoint).encode())
    return True


def _folder(folder: Path, output_id: str) -> list[str]:
    """A sample: its proofs and sheets, and the page anew from what is still there."""
    changed, items, about = [], [], durable.read_json(folder / "items.json") or {}
    for path in sorted((folder / "proofs").glob("*.tlog-proof")):
        if _proof(path, output_id):
            changed.append(str(path))
        found = _read(path)
        if found:
            proof, extra, body = found
            details = about.get(str(proof.index)) or {}
            if body.get("output_id") == output_id:
                details = sample_items.without_texts(details)
            texts = {d["field"]: d["text"] for d in extra["disclosed"]}
            items.append(Item(proof.index, body, texts, details))
    items.sort(key=lambda item: item.index)
    mine = {str(item.body["subject_id"]) for item in items if item.body.get("output_id") == output_id}
    for sheet in sorted(
        [*folder.glob("*.csv"), *folder.glob("*.xlsx")]
    ):  # people save them under names of their own
        changed += _sheet(sheet, mine)
    facts = durable.read_json(folder / "sample.json")
    if mine and facts:
        known, page = sample_items.encode(items), sample_page.render(items, facts).encode()
        for path, data in ((folder / "items.json", known), (folder / "index.html", page)):
            if path.exists() and path.read_bytes() != data:
                durable.replace(path, data)
                changed.append(str(path))
    return changed


def _sheet(path: Path, subjects: set[str]) -> list[str]:
    """A review sheet: what people wrote stays, the texts that were shown to them go."""
    data = path.read_bytes()
    if workbooks.is_workbook(data):
        new = review_sheets.without_texts_of_workbook(data, subjects, ERASED)
    else:
        new = review_sheets.without_texts(data, subjects, ERASED, lines=path.suffix == ".jsonl")
    if new == data:
        return []
    durable.replace(path, new)
    return [str(path)]
