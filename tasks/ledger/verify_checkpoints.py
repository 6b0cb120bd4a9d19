"""Checkpoints: who signed them, which are missing, and whether copies outside are of the same history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import ClaimledgerError, Unverifiable
from tasks.ledger import key_places, keys, segments
from tasks.ledger.findings import Findings
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, NoteError, PublicKey, UnknownKey
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.verify_segments import HandOver
from tasks.ledger.witness import witness


@dataclass
class TrustedKeys:
    """Keys that a check trusts, and whether they come from outside the ledger's folder."""

    keys: list[PublicKey]
    is_own: bool


def trusted_keys(
    settings: LedgerSettings, log: Log, given: Sequence[PublicKey], findings: Findings
) -> TrustedKeys:
    """The keys that the caller gives, else this machine's own, else the one in the ledger's folder.

    Raises:
        Unverifiable: there is none.
    """
    if given:
        return TrustedKeys(list(given), is_own=True)
    if settings.signer_key:
        return TrustedKeys([PublicKey.parse(settings.signer_key)], is_own=True)
    path = key_places.key_path(settings, log.origin)
    if path.exists():
        return TrustedKeys([keys.read_key(path).public], is_own=True)
    vkey = log.folder / "vkey"
    findings.note(
        f"the public key was taken from {vkey}, in the ledger's own folder, which proves nothing about who "
        "signed; give --key"
    )
    if not vkey.exists():
        raise Unverifiable(f"{vkey}: there is no public key there and none was given; give --key")
    return TrustedKeys(keys.parse_keys([str(vkey)]), is_own=False)


def checkpoints(log: Log, findings: Findings) -> list[Checkpoint]:
    """The log's checkpoints, ascending by size; one that is missing, damaged or rolled back is a finding."""
    sizes, folder, good = log.sizes(), log.folder / "checkpoints", []
    for size in sizes:
        with findings.catching():
            good.append(log.checkpoint(size))
            if size > log.head.size:
                findings.fail(
                    f"{log.folder / 'checkpoint'}: signed for {log.head.size} events although a "
                    f"checkpoint of {size} was signed before: the ledger was rolled back"
                )
    appends = {0, *(end for s in segments.listed(log.folder / "segments") for end in s.append_ends)}
    for size in sorted(appends - set(sizes)):
        if size < log.head.size:
            findings.fail(
                f"{folder / str(size)}: the checkpoint that an append signed is missing; restore it"
            )
    last = folder / str(log.head.size)
    if not last.exists():
        findings.fail(f"{last}: the newest checkpoint's copy is missing")
    elif last.read_bytes() != str(log.head.note).encode():
        findings.fail(f"{last}: differs from {log.folder / 'checkpoint'}")
    return good


# Signatures -------------------------------------------------------------------------------------------------


def signatures(
    log: Log,
    good: Sequence[Checkpoint],
    trusted: TrustedKeys,
    hand_overs: Sequence[HandOver],
    findings: Findings,
) -> None:
    """Each checkpoint is signed by a trusted key, or by one that a trusted key handed over to.

    After a hand-over the old key signs nothing any more: it may have been handed over because it was stolen.
    """
    covered = _followed(good, trusted, hand_overs, findings)
    for checkpoint in good:
        place = log.folder / "checkpoints" / str(checkpoint.size)
        try:
            signed = [key for key, _ in checkpoint.note.signers(trusted.keys, keys.verify)]
            if all(_is_retired(key, checkpoint.size, covered) for key in signed):
                findings.fail(f"{place}: signed by a key that had been handed over to another before")
        except UnknownKey:
            whose = "a trusted key" if trusted.is_own else "the key in LAKE/ledger/vkey"
            findings.leave_open(f"{place}: not signed by {whose}; give the log's public key with --key")
        except NoteError as error:
            findings.fail(f"{place}: {error}")


def _followed(
    good: Sequence[Checkpoint], trusted: TrustedKeys, hand_overs: Sequence[HandOver], findings: Findings
) -> list[tuple[int, HandOver]]:
    """Hand-overs between trusted keys with the size of the first checkpoint that covers each, in order.

    A hand-over that both keys signed makes one key trusted because of the other, in either direction.
    """
    covering = {h.index: next((c for c in good if c.size > h.index), None) for h in hand_overs}
    for _ in hand_overs:
        for each in hand_overs:
            checkpoint = covering[each.index]
            if checkpoint is None or (each.before in trusted.keys) == (each.after in trusted.keys):
                continue
            try:
                for key in (each.before, each.after):
                    checkpoint.note.signers([key], keys.verify)
            except NoteError as error:
                findings.fail(
                    f"checkpoint {checkpoint.size}: the hand-over of the key at {each.index} fails: {error}"
                )
                continue
            trusted.keys += [key for key in (each.before, each.after) if key not in trusted.keys]
    return [
        (checkpoint.size, each)
        for each in hand_overs
        if (checkpoint := covering[each.index]) and {each.before, each.after} <= set(trusted.keys)
    ]


def _is_retired(key: PublicKey, size: int, covered: Sequence[tuple[int, HandOver]]) -> bool:
    """Whether the last hand-over of this key before a checkpoint of that size gave it away."""
    own = [each for end, each in covered if end < size and key in (each.before, each.after)]
    return bool(own) and max(own, key=lambda each: each.index).before == key


# Outside ----------------------------------------------------------------------------------------------------


def outside(
    log: Log, settings: LedgerSettings, trusted_file: Path | None, trusted: TrustedKeys, findings: Findings
) -> list[str]:
    """Who outside the lake agrees: the trusted checkpoint and the places that keep copies.

    Raises:
        Unverifiable: the trusted checkpoint cannot be read.
    """
    agreed: dict[str, int] = {}
    for name, checkpoint in _copies(log, settings, trusted_file, findings):
        try:
            checkpoint.note.signers(trusted.keys, keys.verify)
        except UnknownKey:
            findings.leave_open(f"{name}: its checkpoint of {checkpoint.size} is signed by no trusted key")
            continue
        except NoteError as error:
            findings.fail(f"{name}: its checkpoint of {checkpoint.size}: {error}")
            continue
        with findings.catching():
            sentence = witness.contradiction(log, checkpoint)
            if sentence:
                findings.fail(f"{name}: {sentence}")
                agreed.pop(name, None)
                break
            agreed[name] = max(checkpoint.size, agreed.get(name, 0))
    return [f"{name} (at {size} events)" for name, size in agreed.items()]


def _copies(
    log: Log, settings: LedgerSettings, trusted_file: Path | None, findings: Findings
) -> list[tuple[str, Checkpoint]]:
    copies = []
    if trusted_file is not None:
        try:
            checkpoint = Checkpoint.parse(trusted_file.read_bytes())
        except OSError as error:
            raise Unverifiable(f"{trusted_file}: cannot be read ({error.strerror})") from None
        except NoteError as error:
            raise Unverifiable(f"{trusted_file}: not a checkpoint ({error})") from None
        copies.append((f"the trusted checkpoint {trusted_file}", checkpoint))
    for each in settings.witnesses:
        if each.kind == "http":
            continue
        try:
            copies += [(f"witness {each.name}", c) for c in witness.copies(each, log.origin)]
        except ClaimledgerError as error:
            findings.leave_open(f"witness {each.name}: {error}")
    return copies
