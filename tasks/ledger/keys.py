"""Door to `cryptography`: Ed25519 signatures and key files.

A private key file is 0600, lies outside the lake and is refused when others may read it. A signer may also
be a command (a KMS, an HSM, an agent): it gets the message on standard input and answers with the 64 bytes of
the signature, raw or in base64; the key then never meets this process.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.errors import ConfigError
from tasks.files import durable
from tasks.ledger import notes
from tasks.ledger.notes import PublicKey

SIGNER_TIMEOUT_S = 60.0
"""A KMS answers in well under a second; a person touching a hardware key takes longer."""
_HEADER = "claimledger-private-key-v1"


class Signer(Protocol):
    """What can sign: its public key, and 64 bytes of Ed25519 signature for a message."""

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this signs."""

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature (RFC 8032) of the message."""


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is good."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True)
class KeySigner:
    """Signs with a private key held in memory."""

    public: PublicKey
    private: bytes

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature of the message."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.private).sign(message)

    def __repr__(self) -> str:
        """Never the private key: representations end up in logs."""
        return f"KeySigner({self.public})"


@dataclass(frozen=True)
class CommandSigner:
    """Signs by asking a command; what it answers is verified before it is used."""

    public: PublicKey
    command: tuple[str, ...]

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature of the message.

        Raises:
            ConfigError: the command is missing, fails, hangs, or answers something that does not verify.
        """
        name = self.command[0]
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, from the configuration, no shell
                self.command, input=message, capture_output=True, timeout=SIGNER_TIMEOUT_S, check=False
            )
        except OSError as error:
            raise ConfigError(f"ledger.signer: {name} cannot be run ({error.strerror})") from None
        except subprocess.TimeoutExpired:
            raise ConfigError(f"ledger.signer: {name} gave no answer in {SIGNER_TIMEOUT_S:.0f} s") from None
        if done.returncode != 0:
            raise ConfigError(
                f"ledger.signer: {name} ended with status {done.returncode}; nothing was signed"
            )
        signature = done.stdout
        if len(signature) != 64:
            try:
                signature = base64.b64decode(signature.strip(), validate=True)
            except ValueError:
                signature = b""
        if not verify(self.public.key, signature, message):
            raise ConfigError(
                f"ledger.signer: {name} did not answer with a signature by {self.public}; "
                "check ledger.signer_key"
            )
        return signature


def new_signer(name: str, kind: int = notes.ED25519, *, private: bytes | None = None) -> KeySigner:
    """A fresh random key, or the one given, under a name."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = private if private is not None else secrets.token_bytes(32)
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return KeySigner(PublicKey(name, public, kind), private)


def write_key(path: Path, signer: KeySigner) -> None:
    """Writes a private key file, 0600, never over an existing one.

    Raises:
        ConfigError: the file exists.
        LakeError: it cannot be written.
    """
    with durable.touching(path):
        durable.make_folder(path.parent)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise ConfigError(f"{path}: there is a key already, and a key is never overwritten") from None
        with os.fdopen(handle, "w") as file:
            text = base64.b64encode(signer.private).decode("ascii")
            file.write(f"{_HEADER}\n{signer.public}\n{text}\n")
            file.flush()
            os.fsync(file.fileno())
        durable.sync_folder(path.parent)


def read_key(path: Path) -> KeySigner:
    """Reads a private key file.

    Raises:
        ConfigError: missing, readable by others, or not a key.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{path}: others can read this private key; run `chmod 600` on it")
            data = file.read(4096)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such key file; restore it from your backup") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        header, vkey, private = data.decode("ascii").splitlines()
        public = PublicKey.parse(vkey)
        signer = new_signer(public.name, public.kind, private=base64.b64decode(private, validate=True))
    except ValueError:
        raise ConfigError(f"{path}: not a claimledger key file; restore it from your backup") from None
    if header != _HEADER or signer.public != public:
        raise ConfigError(f"{path}: the key file is damaged; restore it from your backup")
    return signer


def parse_keys(texts: Sequence[str]) -> list[PublicKey]:
    """Public keys from vkeys, or from files that hold one a line.

    Raises:
        ConfigError: neither a vkey nor a readable file of vkeys.
    """
    public = []
    for text in texts:
        try:
            public.append(PublicKey.parse(text))
            continue
        except notes.NoteError as error:
            refusal = error
        try:
            lines = Path(text).read_text("utf-8").split()
        except (OSError, ValueError):
            raise ConfigError(
                f"{text[:200]}: neither a public key nor a file of public keys ({refusal})"
            ) from None
        try:
            public += [PublicKey.parse(line) for line in lines]
        except notes.NoteError as error:
            raise ConfigError(f"{text[:200]}: {error}") from None
        if not lines:
            raise ConfigError(f"{text[:200]}: the file holds no public key")
    return public
