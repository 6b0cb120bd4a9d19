"""Handing a ledger over to another key: an event that the old key signs, and a checkpoint of both.

1. the new key is durable.  2. the event is appended, old and new key sign its checkpoint: from here on the
log is the new key's. Crash: the next opening goes on with 3.  3. the old key file is retired, the new one put
in its place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tasks.errors import ConfigError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import changes, events_table, key_places, keys, opening, recording
from tasks.ledger.keys import KeySigner, Signer
from tasks.ledger.notes import Checkpoint, PublicKey
from tasks.ledger.parameters import LedgerSettings


@dataclass(frozen=True)
class Rotated:
    """The new key, the event that says so, and what is left for people to do."""

    public: PublicKey
    event_index: int
    advice: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {**self.__dict__, "public_key": str(self.public), "public": str(self.public)}


def rotate(
    lake: Lake,
    settings: LedgerSettings,
    *,
    run_id: str,
    now: datetime,
    actor: str,
    command: tuple[str, ...] = (),
    command_key: str | None = None,
) -> Rotated:
    """Gives the log a new key: a new key file, or the one that a command holds.

    Raises:
        ConfigError: there is no ledger, the old key is not at hand, or the new one cannot be used.
    """
    with lake.lock("rotating the ledger's key"):
        if not opening.exists(lake):
            raise ConfigError(f"{opening.folder(lake)}: there is no ledger yet, so no key to hand over")
        opened = opening.open_ledger(lake, settings)
        old, origin = opened.signers[0], opened.log.origin
        path = key_places.key_path(settings, origin)
        new = _new_signer(lake, settings, origin, command, command_key)
        if new.public in opened.public:
            raise ConfigError(f"{new.public}: this key signs the ledger already; give another")
        before = opened.log.head.size
        subject_id = hashlib.sha256(str(new.public).encode()).hexdigest()
        frame = changes.change(
            "key",
            str(old.public),
            str(new.public),
            subject_id=subject_id,
            run_id=run_id,
            now=now,
            actor=actor,
        )
        opened.log.append(frame, (old, new), run_id)
        retired = [*lake.read_state(events_table.STATE).get("retired", []), str(old.public)]
        opened.remember(retired=[key for key in retired if key != str(new.public)])
        advice = _put_in_place(path, settings, opened.log.head, old, new)
        with durable.touching(opened.log.folder):
            durable.replace(opened.log.folder / "vkey", f"{new.public}\n".encode())
        opened.signers = (new,)
        events_table.render(lake, opened.log)
        problems = recording.tell(opened, settings, before)
        return Rotated(new.public, opened.log.head.size - 1, advice, problems)


def _new_signer(
    lake: Lake, settings: LedgerSettings, origin: str, command: tuple[str, ...], command_key: str | None
) -> Signer:
    """Step 1."""
    if command or command_key:
        signer = key_places.command_signer(command, command_key)
        if not command:
            raise ConfigError("--signer is missing: the command that holds the key of --signer-key")
        if signer.public.name != origin:
            raise ConfigError(f"--signer-key: its name is {signer.public.name}, expected {origin}")
        signer.sign(b"claimledger: a signature to try the new signer\n")
        return signer
    path = key_places.key_path(settings, origin)
    waiting = key_places.waiting_path(path)
    key_places.prepare_place(settings, waiting, lake.root)
    # One that the log was never handed over to: `open_ledger` has put any other in its place.
    waiting.unlink(missing_ok=True)
    new = keys.new_signer(origin)
    keys.write_key(waiting, new)
    return new


def _put_in_place(
    path: Path, settings: LedgerSettings, head: Checkpoint, old: Signer, new: Signer
) -> list[str]:
    """Step 3; sentences about what the configuration must say now."""
    if isinstance(new, KeySigner):
        key_places.finish_hand_over(path, head)
        return (
            ["remove ledger.signer and ledger.signer_key from the configuration"] if settings.signer else []
        )
    if isinstance(old, KeySigner):
        with durable.touching(path):
            path.rename(key_places.retired_path(path))
    return [f"set ledger.signer and ledger.signer_key = {str(new.public)!r} in the configuration"]
