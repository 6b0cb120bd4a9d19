"""A proof that an event is in the log: a C2SP tlog-proof whose `extra` carries event and disclosures.

It is checked with nothing but the file and public keys. Finding the event is up to `prove.py`.

`extra` is canonical JSON: `event`, the event's bytes as a string, and `disclosed`, a list of records with
`field`, `key` (hex), `text` and `commitment`; HMAC-SHA256(key, text) is the commitment, which is in the
event. The format's own words hold: nothing in `extra` is believed before the leaf it hashes to is proven.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from tasks.errors import IntegrityError, Unverifiable
from tasks.ledger import canonical, commitments, events, merkle
from tasks.ledger.notes import COSIGNATURE_V1, Checkpoint, NoteError, Proof, PublicKey, UnknownKey, Verify


def seed_of(root: bytes, nonce: str) -> bytes:
    """Of an auditor's draw: SHA-256(checkpoint root ‖ nonce): nobody knows it before both are fixed."""
    return hashlib.sha256(root + nonce.encode()).digest()


@dataclass(frozen=True)
class Disclosure:
    """A field of an event, opened: whoever has `key` can check that this text was committed."""

    field: str
    text: str
    key: bytes
    commitment: str


@dataclass(frozen=True)
class Checked:
    """What a good proof says."""

    kind: str
    event: events.Body
    index: int
    checkpoint: Checkpoint
    signed_by: tuple[str, ...]
    cosigned: tuple[tuple[str, int], ...]
    """Witnesses, with the POSIX time of their cosignature."""
    disclosed: dict[str, str]

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "kind": self.kind,
            "index": self.index,
            "origin": self.checkpoint.origin,
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "signed_by": list(self.signed_by),
            "cosigned": [{"witness": name, "at": at} for name, at in self.cosigned],
            "disclosed": self.disclosed,
            "event": self.event,
        }


def write(
    event: bytes,
    index: int,
    path: Sequence[bytes],
    checkpoint: Checkpoint,
    disclosed: Sequence[Disclosure] = (),
) -> str:
    """The text of a `.tlog-proof` file."""
    opened = [
        {"commitment": d.commitment, "field": d.field, "key": d.key.hex(), "text": d.text} for d in disclosed
    ]
    extra = canonical.dumps({"disclosed": opened, "event": event.decode()})
    return str(Proof(index, tuple(path), checkpoint, extra))


def check(data: bytes, keys: Sequence[PublicKey], verify: Verify) -> Checked:
    """Checks a proof file offline.

    1. it is a tlog-proof;  2. a trusted log key signed its checkpoint, for the log the key names, and no
    trusted key's signature is bad;  3. the event is a leaf under the signed root;  4. the event is canonical
    and of a known schema;  5. what is disclosed is what was committed.

    Raises:
        IntegrityError: a check failed: the file was forged or damaged.
        Unverifiable: nothing is wrong, and nothing can be said: unknown key, unknown schema, no event inside.
    """
    try:
        proof = Proof.parse(data)  # (1)
    except NoteError as error:
        raise IntegrityError(f"not a good proof: {error}") from None
    signed, cosigned = _signers(proof, keys, verify)  # (2)
    if proof.extra is None:
        raise Unverifiable("the proof carries no event, so there is nothing to compare with the log")
    event, disclosed = _extra(proof.extra)
    try:  # (3)
        leaf = merkle.leaf_hash(event)
        merkle.check_inclusion(proof.index, proof.checkpoint.size, leaf, proof.path, proof.checkpoint.root)
    except merkle.ProofError as error:
        raise IntegrityError(f"the event is not in the signed log: {error}") from None
    try:  # (4)
        body = events.read(event)
    except canonical.CanonicalError as error:
        raise IntegrityError(f"the logged event is malformed: {error}") from None
    kind = events.known_schemas().get(str(body.get("_schema")))
    if kind is None:
        raise Unverifiable(
            f"the event is in the log, but its schema {str(body.get('_schema'))[:16]} is not known here"
        )
    opened = {each["field"]: _opened(each, body) for each in disclosed}  # (5)
    return Checked(kind, body, proof.index, proof.checkpoint, signed, cosigned, opened)


def _signers(
    proof: Proof, keys: Sequence[PublicKey], verify: Verify
) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
    note, origin = proof.checkpoint.note, proof.checkpoint.origin
    try:
        signers = note.signers(keys, verify)
    except UnknownKey:
        raise Unverifiable(f"the checkpoint of {origin} is signed by none of the keys given") from None
    except NoteError as error:
        raise IntegrityError(f"the checkpoint was forged or damaged: {error}") from None
    signed = tuple(str(key) for key, _ in signers if key.kind != COSIGNATURE_V1 and key.name == origin)
    if not signed:
        raise Unverifiable(f"none of the keys given is a key of the log {origin}")
    return signed, tuple((k.name, line.timestamp()) for k, line in signers if k.kind == COSIGNATURE_V1)


def _extra(extra: bytes) -> tuple[bytes, list[dict[str, str]]]:
    try:
        values = canonical.loads(extra)
        event, disclosed = str(values["event"]).encode(), cast("list[dict[str, str]]", values["disclosed"])
        for each in disclosed:
            is_text = all(isinstance(value, str) for value in each.values())
            if set(each) != {"commitment", "field", "key", "text"} or not is_text:
                raise ValueError
    except (canonical.CanonicalError, AttributeError, KeyError, TypeError, ValueError):
        raise IntegrityError(
            "not a good proof: its extra data is not an event with disclosed fields"
        ) from None
    return event, disclosed


def _opened(each: dict[str, str], body: events.Body) -> str:
    try:
        made = commitments.commitment(bytes.fromhex(each["key"]), each["text"]).hex()
    except ValueError:
        made = ""
    if made != each["commitment"] or events.committed_fields(body).get(each["field"]) != made:
        raise IntegrityError(f"the disclosed {each['field'][:40]} is not what the log committed to")
    return each["text"]
