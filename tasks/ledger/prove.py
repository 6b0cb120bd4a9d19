"""Proofs for auditors: from an event's id to a file that stands alone, and back.

What a proof says and how it is checked is in `proofs.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from tasks.errors import ConfigError, InputError, IntegrityError, Unverifiable
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import commitments, events, keys, merkle, opening, proofs
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.proofs import Checked, Disclosure
from tasks.ledger.unrecorded import verdict_frames

MAX_PROOF_BYTES = 1 << 20
"""An event is at most 64 kB and a path 3 kB; the rest is room for what is disclosed."""


def prove(
    lake: Lake, settings: LedgerSettings, event_id: str, *, disclose: Sequence[str] = ()
) -> tuple[str, events.Body]:
    """The text of a proof file and the event, for an event id, or the id of what the event is about.

    Args:
        disclose: fields to open: `claim`, `passage 0`, `reviewer`, …; or `all`.

    Raises:
        InputError: no such event, or no such field.
        Unverifiable: a field's key was destroyed or is not on this machine.
        IntegrityError: what is on the disk is not what was signed.
    """
    if not opening.exists(lake):
        raise InputError(f"{lake.root}: {opening.NONE_YET}")
    opened = Log.open(opening.folder(lake))
    index = _index(opened, event_id)
    text = prove_index(opened, index)
    body = events.read(opened.entry(index))
    if disclose:
        opened_fields = disclosures(lake, settings, opened, body, disclose)
        text = prove_index(opened, index, opened_fields)
    return text, body


def check_folder(folder: Path, trusted: Sequence[str]) -> list[Checked]:
    """Checks a sample's folder offline: every proof that sample.json names, each under its one checkpoint.

    Raises:
        InputError, ConfigError: a file or a key cannot be read.
        IntegrityError: a proof is bad, of another event or another tree, or the seed is not that of the root.
        Unverifiable: a proof is missing, or its key or schema unknown; said only where none is bad.
    """
    sample = _sample(folder)
    checked: list[Checked] = []
    unknown: Unverifiable | None = None
    for index in sample.indexes:
        path = folder / "proofs" / f"{index}.tlog-proof"
        if not path.exists():
            unknown = unknown or Unverifiable(f"{path}: the proof is missing")
            continue
        try:
            one = check_file(path, trusted)
        except Unverifiable as error:
            unknown = unknown or error
            continue
        head = one.checkpoint
        tree = (sample.origin, sample.size, sample.root)
        if one.index != index or (head.origin, head.size, head.root) != tree:
            raise IntegrityError(f"{path}: proves another event or another tree than sample.json says")
        checked.append(one)
    if proofs.seed_of(sample.root, sample.nonce).hex() != sample.seed:
        raise IntegrityError(f"{folder}: the seed is not that of its checkpoint and nonce")
    if unknown:
        raise unknown
    return checked


@dataclass(frozen=True)
class _Sample:
    """What a sample's sample.json says."""

    origin: str
    size: int
    root: bytes
    nonce: str
    seed: str
    indexes: list[int]


def _sample(folder: Path) -> _Sample:
    path = folder / "sample.json"
    try:
        facts = json.loads(path.read_bytes())
        origin, root, nonce, seed = (facts[n] for n in ("origin", "checkpoint_root", "nonce", "seed"))
        size, indexes = int(facts["checkpoint_size"]), [int(index) for index in facts["indexes"]]
        if not all(isinstance(each, str) for each in (origin, root, nonce, seed)) or not indexes:
            raise TypeError
        return _Sample(origin, size, bytes.fromhex(root), nonce, seed, indexes)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a sample's folder") from None
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path}: not what `claimledger sample` wrote") from None


def prove_index(
    opened: Log, index: int, disclosed: Sequence[Disclosure] = (), *, head: Checkpoint | None = None
) -> str:
    """The proof of the event at an index; it is checked against the signed root before it is given out.

    Args:
        head: an older checkpoint of the log to prove it in; the newest by default.
    """
    event = opened.entry(index)
    head = head or opened.head
    path = merkle.inclusion_proof(index, head.size, opened.node())
    try:
        merkle.check_inclusion(index, head.size, merkle.leaf_hash(event), path, head.root)
    except merkle.ProofError as error:
        raise IntegrityError(
            f"{opened.folder}: event {index} cannot be proven, {error}; run `claimledger ledger verify`"
        ) from None
    return proofs.write(event, index, path, head, disclosed)


def _index(opened: Log, event_id: str) -> int:
    for column in ("event_id", "subject_id"):
        rows = opened.find(pl.Series([event_id], dtype=pl.String), column)
        if rows.height:
            return int(rows["sequence"][-1])
    raise InputError(
        f"{event_id[:80]}: no event with this id, and none about it; the `events` table lists all of them"
    )


def disclosures(
    lake: Lake, settings: LedgerSettings, opened: Log, body: events.Body, fields: Sequence[str]
) -> list[Disclosure]:
    """Opens fields of an event with the text that is stored in the tables."""
    committed = events.committed_fields(body)
    names = list(committed) if "all" in fields else list(fields)
    unknown = [name for name in names if name not in committed]
    if unknown:
        others = ", ".join(committed) or "nothing"
        raise InputError(f"{unknown[0]!r} cannot be disclosed; this event commits to {others}")
    output_id = str(body["output_id"])
    vault = opening.vault_of(lake, settings, opened.origin)
    key = vault.known_keys(pl.Series([output_id]))["key"][0]
    if key is None:
        raise Unverifiable(
            f"{vault.file}: the key of output {output_id[:12]} is not there: it was erased, or another "
            "machine keeps the keys"
        )
    texts = _texts(lake, body)
    disclosed = []
    for name in names:
        field, text = texts.get(name, ("", None))
        if text is None:
            raise Unverifiable(f"the text of {name} is no longer in the tables")
        field_key = commitments.field_key(key, field)
        if commitments.commitment(field_key, text).hex() != committed[name]:
            raise IntegrityError(
                f"the {name} in the tables is not what the log committed to; run `ledger verify`"
            )
        disclosed.append(Disclosure(name, text, field_key, committed[name]))
    return disclosed


def _texts(lake: Lake, body: events.Body) -> dict[str, tuple[str, str | None]]:
    """Name of a field as people say it, to its name in the key's derivation and its text."""
    if body["kind"] == "review":
        rows = lake.scan("reviews").filter(pl.col("review_id") == body["subject_id"]).collect()
        name = rows["reviewer"][0] if rows.height else None
        return {"reviewer": (commitments.reviewer_field(body["subject_id"]), name)}
    day = datetime.fromtimestamp(body["produced_at_us"] // 1_000_000, UTC).date()
    claim_id = body["claim_id"]
    claim = pl.DataFrame({"claim_id": [claim_id], "output_id": [body["output_id"]]})
    frames = verdict_frames(lake, lambda table: lake.scan(table, since=day, until=day), claim)
    texts = {"claim": (commitments.claim_field(claim_id), next(iter(frames["claims"]["text"]), None))}
    shown = frames["evidence"].filter(
        (pl.col("verifier") == body["verifier"]) & (pl.col("snapshot") == body["snapshot"])
    )
    shown = shown.join(frames["passages"], on="passage_id", how="left").select("rank", "passage_id", "text")
    for rank, passage_id, text in shown.iter_rows():
        texts[f"passage {rank}"] = (commitments.passage_field(claim_id, passage_id), text)
    return texts


def write_proof(path: Path, text: str) -> None:
    """Writes a proof file atomically; one that discloses text has to be noted by `disclosed.remember`."""
    with durable.touching(path):
        durable.make_folder(path.resolve().parent)
        durable.replace(path.resolve(), text.encode())


def check_file(path: Path, trusted: Sequence[str]) -> Checked:
    """Checks a proof file offline, with public keys (vkeys, or files of them).

    Raises:
        InputError, ConfigError: the file or a key cannot be read.
        IntegrityError: the proof is bad.
        Unverifiable: unknown key, unknown schema, or no event inside.
    """
    if not trusted:
        raise ConfigError(
            "--key is missing: the log's public key (NAME+ID+KEY), kept by you and not by the log"
        )
    try:
        if path.stat().st_size > MAX_PROOF_BYTES:
            raise InputError(f"{path}: larger than a proof can be")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return proofs.check(data, keys.parse_keys(trusted), keys.verify)
    except (IntegrityError, Unverifiable) as error:
        raise type(error)(f"{path}: {error}") from None
