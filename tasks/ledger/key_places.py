"""Which key signs a lake's ledger, where its file may be, and how a file is retired."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from tasks.errors import ConfigError
from tasks.files import durable
from tasks.ledger import keys
from tasks.ledger.keys import CommandSigner, Signer
from tasks.ledger.notes import Checkpoint, NoteError, PublicKey
from tasks.ledger.parameters import LedgerSettings

_GIT_TIMEOUT_S = 10.0


def key_folder(settings: LedgerSettings) -> Path:
    """Where private keys are stored: `ledger.key_folder`, else the user's configuration folder."""
    if settings.key_folder:
        return Path(settings.key_folder).expanduser()
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "claimledger" / "keys"


def key_path(settings: LedgerSettings, origin: str) -> Path:
    """The log's private key file: `ledger.key_file`, else one per origin in the key folder."""
    if settings.key_file:
        return Path(settings.key_file).expanduser()
    return key_folder(settings) / f"{short(origin)}.key"


def short(origin: str) -> str:
    """A file name for a log."""
    return hashlib.sha256(origin.encode()).hexdigest()[:16]


def signers(settings: LedgerSettings, origin: str, root: Path, head: Checkpoint | None) -> tuple[Signer, ...]:
    """What signs the ledger: the configured command, else the key file.

    Args:
        root: the lake, in which no private key may be stored.
        head: the newest checkpoint, which says whether an interrupted hand-over took place.

    Raises:
        ConfigError: the key is missing, readable by others, damaged, or inside the lake.
    """
    if settings.signer:
        return (command_signer(settings.signer, settings.signer_key),)
    path = key_path(settings, origin)
    _outside(path, root)
    if head is not None:
        finish_hand_over(path, head)
    return (keys.read_key(path),)


def command_signer(command: tuple[str, ...], public: str | None) -> CommandSigner:
    """A signer behind a command.

    Raises:
        ConfigError: its public key is missing or malformed.
    """
    if not public:
        raise ConfigError("ledger.signer_key is missing: the public key (NAME+ID+KEY) of ledger.signer")
    try:
        return CommandSigner(PublicKey.parse(public), command)
    except NoteError as error:
        raise ConfigError(f"ledger.signer_key: {error}") from None


def prepare_place(settings: LedgerSettings, path: Path, root: Path) -> None:
    """Makes sure that a new private key at this path leaves neither with the lake nor with a repository.

    Raises:
        ConfigError: the path is inside the lake, or in a git work tree that does not ignore it.
        LakeError: the folder cannot be made.
    """
    _outside(path, root)
    with durable.touching(path):
        durable.make_folder(path.parent)
        ignored = path.parent / ".gitignore"
        if path.parent == key_folder(settings) and not ignored.exists():
            durable.replace(ignored, b"*\n")
    if any((folder / ".git").exists() for folder in path.resolve().parents) and not _ignored(path):
        raise ConfigError(
            f"{path}: a private key must never be committed, and this git repository does not ignore it; "
            "choose another ledger.key_file"
        )


def _outside(path: Path, root: Path) -> None:
    if path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"{path}: a private key inside the lake goes wherever the lake goes; choose another "
            "ledger.key_file or ledger.key_folder"
        )


def _ignored(path: Path) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(path.parent), "check-ignore", "-q", "--", str(path.resolve())],  # noqa: S607
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def waiting_path(path: Path) -> Path:
    """Where a new key waits until the log is handed over to it."""
    return path.with_name(f"{path.name}.new")


def finish_hand_over(path: Path, head: Checkpoint) -> None:
    """Puts a waiting key in its place if the newest checkpoint says that it took over; else leaves it.

    So a crash between the signed hand-over and the renames loses neither key.
    """
    waiting = waiting_path(path)
    if not waiting.exists():
        return
    new = keys.read_key(waiting).public
    try:
        head.note.signers([new], keys.verify)
    except NoteError:
        return
    with durable.touching(path):
        if path.exists():
            path.rename(retired_path(path))
        waiting.rename(path)
        durable.sync_folder(path.parent)


def retired_path(path: Path) -> Path:
    """Where a key file that was handed over is kept: it still opens what it signed."""
    return path.with_name(f"{path.name}.retired-{keys.read_key(path).public.key_id.hex()}")
