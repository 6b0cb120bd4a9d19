"""The ledger of a lake: whether there is one, how it is made, and how it is opened for appending."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.errors import ConfigError, IntegrityError
from tasks.lake.store import Lake
from tasks.ledger import events_table, key_places, keys
from tasks.ledger.events_table import STATE
from tasks.ledger.keys import Signer
from tasks.ledger.log import Log
from tasks.ledger.notes import PublicKey, UnknownKey
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.vault import Vault

NONE_YET = "this lake has no ledger yet; `claimledger audit` makes one"
logger = logging.getLogger("claimledger.ledger")


@dataclass
class Ledger:
    """An open ledger of a lake that this process may append to; hold the lake's lock while it lives."""

    lake: Lake
    log: Log
    signers: tuple[Signer, ...]
    vault: Vault
    notices: list[str]

    @property
    def public(self) -> list[PublicKey]:
        """Public keys of the signers."""
        return [signer.public for signer in self.signers]

    def remember(self, **values: object) -> None:
        """Keeps values in the lake's state about its ledger."""
        if values:
            self.lake.write_state(STATE, {**self.lake.read_state(STATE), **values})


def folder(lake: Lake) -> Path:
    """LAKE/ledger."""
    return lake.root / "ledger"


def vault_of(lake: Lake, settings: LedgerSettings, origin: str) -> Vault:
    """The vault of a lake's ledger."""
    file = key_places.key_folder(settings) / f"{key_places.short(origin)}.vault.sqlite"
    return Vault(file, lake.root / "vault")


def exists(lake: Lake) -> bool:
    """Whether the lake has a ledger.

    Raises:
        IntegrityError: it had one, and the folder is gone: never a reason to begin a new history.
    """
    if (folder(lake) / "checkpoint").exists():
        return True
    traces = {
        "LAKE/state/ledger.json": bool(lake.read_state(STATE)),
        "segments without a checkpoint": any((folder(lake) / "segments").glob("*.json")),
        "rows in the events table": not lake.scan("events").head(1).collect().is_empty(),
    }
    if any(traces.values()):
        found = ", ".join(name for name, is_there in traces.items() if is_there)
        raise IntegrityError(
            f"{folder(lake)}: the ledger is lost ({found} show that there was one); restore the folder from "
            "a copy, a new history is never begun in its place"
        )
    return False


def initialise(lake: Lake, settings: LedgerSettings) -> Ledger:
    """Makes the lake's ledger and, where none is configured, its key: `ledger init`.

    Raises:
        ConfigError: a configured key is missing or unusable, or there is a ledger already.
        IntegrityError: there was a ledger.
    """
    if exists(lake):
        raise ConfigError(f"{folder(lake)}: there is a ledger already; `ledger rotate` gives it a new key")
    origin = settings.origin or _kept_origin(lake) or f"claimledger.local/{secrets.token_hex(8)}"
    notices = _make_key(lake, settings, origin)
    signers = key_places.signers(settings, origin, lake.root, None)
    log = Log.create(folder(lake), origin, signers)
    lake.write_state(STATE, {"origin": origin, "rendered": 0})
    for notice in notices:
        logger.info("%s", notice)
    return Ledger(lake, log, signers, vault_of(lake, settings, origin), notices)


def _make_key(lake: Lake, settings: LedgerSettings, origin: str) -> list[str]:
    path = key_places.key_path(settings, origin)
    if settings.signer or path.exists():
        return []
    key_places.prepare_place(settings, path, lake.root)
    keys.write_key(path, keys.new_signer(origin))
    return [
        f"made the ledger's signing key at {path} (readable by you alone); back it up, and give auditors "
        f"the public key in {folder(lake) / 'vkey'}"
    ]


def _kept_origin(lake: Lake) -> str | None:
    """The origin of a ledger whose making was interrupted before its first checkpoint."""
    try:
        return (folder(lake) / "origin").read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def open_ledger(lake: Lake, settings: LedgerSettings) -> Ledger:
    """Opens the ledger for appending, finishing what a crash left; makes one where there never was one.

    Raises:
        ConfigError: the signing key is missing or another than the one that signed so far.
        IntegrityError: the ledger is lost, damaged, or signed by a key that is not ours.
    """
    if not exists(lake):
        return initialise(lake, settings)
    log = Log.open(folder(lake))
    signers = key_places.signers(settings, log.origin, lake.root, log.head)
    retired = lake.read_state(STATE).get("retired", [])
    for signer in signers:
        if str(signer.public) in retired:
            raise ConfigError(
                f"{signer.public}: the ledger was handed over to another key, {_vkey(lake)}; "
                "configure that one"
            )
    ledger = Ledger(lake, log, signers, vault_of(lake, settings, log.origin), [])
    try:
        ledger.notices += log.recover(ledger.public)
    except UnknownKey:
        path = key_places.key_path(settings, log.origin)
        raise ConfigError(
            f"{path}: this key did not sign the ledger in {folder(lake)}; configure the key that did"
        ) from None
    for notice in ledger.notices:
        logger.warning("%s", notice)
    events_table.render(lake, log)
    return ledger


def _vkey(lake: Lake) -> str:
    try:
        return (folder(lake) / "vkey").read_text("utf-8").strip()
    except OSError:
        return "which LAKE/ledger/vkey should name"


def erased_outputs(lake: Lake) -> set[str]:
    """Outputs that an erasure event names; whoever pulls records leaves these out for ever."""
    erasures = lake.scan("events").filter(pl.col("kind") == "erasure").select("subject_id")
    return set(erasures.collect()["subject_id"])
