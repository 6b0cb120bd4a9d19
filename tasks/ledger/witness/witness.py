"""The log's side of witnesses: every checkpoint leaves the machine, and what came back before is compared.

Whoever holds the log's key can rewrite a lake; what he cannot do is make a witness or a place forget.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tasks.errors import ClaimledgerError, ConfigError, IntegrityError, LakeError
from tasks.ledger import keys, merkle, notes
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, Note, NoteError, PublicKey
from tasks.ledger.parameters import WitnessSettings
from tasks.ledger.witness import web
from tasks.ledger.witness.places import place_of

log = logging.getLogger("claimledger.witness")


def tell(ledger: Log, witnesses: Sequence[WitnessSettings]) -> list[str]:
    """Shows the newest checkpoint to every witness; one sentence for each that failed or contradicts.

    Cosignatures are added to the checkpoint. A witness that is down never stops the others.
    """
    problems = []
    # Those that cosign come first, so that copies carry their signatures.
    for witness in sorted(witnesses, key=lambda each: each.kind != "http"):
        try:
            if witness.kind == "http":
                _submit(ledger, witness)
            else:
                _copy(ledger, witness)
        except ClaimledgerError as error:
            problems.append(f"witness {witness.name}: {error}")
    return problems


def contradiction(ledger: Log, theirs: Checkpoint) -> str | None:
    """How a checkpoint that somebody kept contradicts the log, in words; None where the log extends it."""
    if theirs.origin != ledger.origin:
        return f"it is of another log, {theirs.origin}"
    if theirs.size > ledger.head.size:
        return (
            f"the log was rolled back: it had {theirs.size} events when this was signed and has "
            f"{ledger.head.size} now"
        )
    if merkle.subtree_root(0, theirs.size, ledger.node()) != theirs.root:
        if theirs.size == ledger.head.size:
            return f"the log was forked: another root was signed for the same {theirs.size} events"
        return f"history was rewritten: the first {theirs.size} events are not those that were signed"
    return None


def copies(witness: WitnessSettings, origin: str, *, newest_only: bool = False) -> list[Checkpoint]:
    """Checkpoints that a place keeps, ascending by size.

    Raises:
        LakeError: the place cannot be reached, or a copy is not a checkpoint.
    """
    try:
        return [Checkpoint.parse(data) for data in place_of(witness, origin).kept(newest_only=newest_only)]
    except NoteError as error:
        raise LakeError(f"{witness.url or witness.path}: {error}; the copy is damaged") from None


def _copy(ledger: Log, witness: WitnessSettings) -> None:
    for kept in copies(witness, ledger.origin, newest_only=True):
        sentence = contradiction(ledger, kept)
        if sentence:
            raise IntegrityError(sentence)
    place_of(witness, ledger.origin).keep(ledger.head.size, str(ledger.head.note).encode())


def _submit(ledger: Log, witness: WitnessSettings) -> None:
    if not witness.url:
        raise ConfigError("ledger.witnesses: an http witness needs `url`")
    key = PublicKey.parse(witness.key) if witness.key else None
    # The witness says which size it knows; the first question is a guess that costs one round trip.
    old = 0
    for _ in range(3):
        proof = merkle.consistency_proof(old, ledger.head.size, ledger.node())
        body = notes.submission(old, proof, ledger.head.note).encode()
        reply = web.request("POST", f"{witness.url.rstrip('/')}/add-checkpoint", body=body)
        if reply.status == 200:
            break
        if reply.status == 409:
            known = _known_size(reply, witness)
            if known > ledger.head.size:
                raise IntegrityError(
                    f"the log was rolled back: the witness cosigned {known} events, "
                    f"the log has {ledger.head.size}"
                )
            if known == old:
                raise IntegrityError(
                    f"the log was forked: the witness cosigned another root for {old} events"
                )
            old = known
            continue
        if reply.status == 422:
            raise IntegrityError(f"history was rewritten: the first {old} events are not those it cosigned")
        raise LakeError(f"{witness.url}: answered {reply.status}: {reply.text}")
    else:
        raise LakeError(f"{witness.url}: other writers were faster three times; the next run retries")
    _keep(ledger, reply.body.decode("utf-8", "replace"), key)


def _known_size(reply: web.Reply, witness: WitnessSettings) -> int:
    try:
        return notes.parse_number(reply.body[:100].decode("utf-8", "replace").strip(), "the witness's size")
    except NoteError as error:
        raise IntegrityError(f"{error}; is {witness.url} a witness?") from None


def _keep(ledger: Log, text: str, key: PublicKey | None) -> None:
    try:
        lines = [notes.parse_signature(line) for line in text.splitlines()]
        if key is not None:
            mine = Note(ledger.head.note.text, tuple(lines))
            lines = [line for _, line in mine.signers([key], keys.verify)]
    except NoteError as error:
        raise IntegrityError(f"its cosignature cannot be used: {error}") from None
    if key is None:
        raise ConfigError("ledger.witnesses: `key` is missing, so its cosignature was not kept")
    note = ledger.head.note
    for line in lines:
        note = note.with_signature(line)
    ledger.add_signatures(note)
