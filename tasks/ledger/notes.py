"""C2SP text formats: signed notes, checkpoints, witness cosignatures and tlog-proofs.

Ed25519 itself arrives as a callable: `keys.py` is the door to it.

Specifications: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-witness.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.ledger.merkle import HASH_BYTES

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_MAX_NOTE_BYTES = 1 << 20
_MAX_SIGNATURES = 100
_MAX_PROOF_LINES = 63
_SIGNATURE = re.compile(r"\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) to whether the Ed25519 signature is good."""


class NoteError(ValueError):
    """A text that is not what its format asks for, or a known key's signature that is bad."""


class UnknownKey(NoteError):  # noqa: N818 - what it says is the point: nothing was found to be wrong
    """No signature comes from a key that the reader trusts: neither good nor bad."""


@dataclass(frozen=True)
class PublicKey:
    """A vkey: name, signature type and 32-byte Ed25519 public key."""

    name: str
    key: bytes
    kind: int = ED25519

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name ‖ newline ‖ type ‖ key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:4]

    def __str__(self) -> str:
        """The vkey: name+hex id+base64(type ‖ key)."""
        return f"{self.name}+{self.key_id.hex()}+{_b64(bytes([self.kind]) + self.key)}"

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Reads a vkey.

        Raises:
            NoteError: malformed, of an unknown type, or its id is not that of its key.
        """
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteError("a public key reads NAME+ID+KEY")
        name, key_id, encoded = parts
        material = _unb64(encoded, "the public key")
        if not name or re.search(r"\s", name):
            raise NoteError("a key's name is empty or has spaces")
        if len(material) != 33 or material[0] not in (ED25519, COSIGNATURE_V1):
            raise NoteError("the public key is not an Ed25519 key of a known type")
        key = cls(name, material[1:], material[0])
        if key.key_id.hex() != key_id:
            raise NoteError(f"the public key's id is {key_id}, expected {key.key_id.hex()}")
        return key


@dataclass(frozen=True)
class Signature:
    """One signature line: who says it signed, with which key id, and the bytes."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        """The line, without its newline."""
        return f"\u2014 {self.name} {_b64(self.key_id + self.value)}"

    def timestamp(self) -> int:
        """POSIX seconds of a cosignature/v1."""
        return int.from_bytes(self.value[:8], "big")


@dataclass(frozen=True)
class Note:
    """A signed text; nothing in it may be believed before `verify`."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        """The whole note."""
        return self.text + "\n" + "".join(f"{line}\n" for line in self.signatures)

    @classmethod
    def parse(cls, data: str | bytes) -> Note:
        """Reads a note.

        Raises:
            NoteError: not UTF-8, control characters, no signature block, malformed signature line.
        """
        if len(data) > _MAX_NOTE_BYTES:
            raise NoteError("the note is larger than a note may be")
        data = _decoded(data, "note")
        if any(ord(character) < 0x20 and character != "\n" for character in data):
            raise NoteError("the note has control characters")
        text, separator, block = data.rpartition("\n\n")
        if not separator or not block.endswith("\n"):
            raise NoteError("the note has no signatures")
        lines = block[:-1].split("\n")
        if len(lines) > _MAX_SIGNATURES:
            raise NoteError(f"the note has more than {_MAX_SIGNATURES} signatures")
        return cls(text + "\n", tuple(parse_signature(line) for line in lines))

    def signers(self, keys: Sequence[PublicKey], verify: Verify) -> list[tuple[PublicKey, Signature]]:
        """The known keys that signed, with their signatures; other keys' lines are ignored.

        Raises:
            NoteError: a known key's signature is bad.
            UnknownKey: no known key signed.
        """
        signers = [
            (key, line)
            for line in self.signatures
            for key in keys
            if (key.name, key.key_id) == (line.name, line.key_id)
        ]
        for key, line in signers:
            if not _verifies(key, line.value, self.text, verify):
                raise NoteError(f"the signature by {key.name} is bad")
        if not signers:
            raise UnknownKey(f"signed by none of the {len(keys)} known keys")
        return signers

    def with_signature(self, signature: Signature) -> Note:
        """The note with one more line; a line that is there already is not repeated."""
        return self if signature in self.signatures else Note(self.text, (*self.signatures, signature))


def parse_signature(line: str) -> Signature:
    """Reads one signature line."""
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise NoteError("a signature line is malformed")
    value = _unb64(match[2], "a signature")
    if len(value) < 5:
        raise NoteError("a signature is too short")
    return Signature(match[1], value[:4], value[4:])


def _verifies(key: PublicKey, value: bytes, text: str, verify: Verify) -> bool:
    if key.kind == ED25519:
        return len(value) == 64 and verify(key.key, value, text.encode())
    if len(value) != 72:
        return False
    return verify(key.key, value[8:], cosigned_message(int.from_bytes(value[:8], "big"), text))


def cosigned_message(timestamp: int, text: str) -> bytes:
    """What a cosignature/v1 signs: a header, the time in POSIX seconds, the checkpoint's text."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def sign(text: str, key: PublicKey, signing: Callable[[bytes], bytes]) -> Signature:
    """An Ed25519 note signature (type 0x01) over the text."""
    return Signature(key.name, key.key_id, signing(text.encode()))


def cosign(text: str, key: PublicKey, signing: Callable[[bytes], bytes], timestamp: int) -> Signature:
    """A witness's cosignature/v1 (type 0x04) at a POSIX time over a checkpoint's text."""
    value = timestamp.to_bytes(8, "big") + signing(cosigned_message(timestamp, text))
    return Signature(key.name, key.key_id, value)


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: which log, how many leaves, which root; and the note that says so."""

    origin: str
    size: int
    root: bytes
    note: Note

    @classmethod
    def parse(cls, data: str | bytes | Note) -> Checkpoint:
        """Reads a checkpoint; signatures are not checked here.

        Raises:
            NoteError: not a note, or its text is not a checkpoint's.
        """
        note = data if isinstance(data, Note) else Note.parse(data)
        lines = note.text[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise NoteError("a checkpoint has at least three lines, none empty")
        root = _unb64(lines[2], "the root")
        if len(root) != HASH_BYTES:
            raise NoteError(f"the root is {len(root)} bytes, expected {HASH_BYTES}")
        return cls(lines[0], parse_number(lines[1], "the tree size"), root, note)


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text a log signs."""
    return f"{origin}\n{size}\n{_b64(root)}\n"


@dataclass(frozen=True)
class Proof:
    """A tlog-proof: index, inclusion proof, checkpoint, and extra bytes that prove nothing by themselves."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    extra: bytes | None = None

    def __str__(self) -> str:
        """The text of a `.tlog-proof` file."""
        extra = "" if self.extra is None else f"extra {_b64(self.extra)}\n"
        path = "".join(f"{_b64(step)}\n" for step in self.path)
        return f"{PROOF_HEADER}\n{extra}index {self.index}\n{path}\n{self.checkpoint.note}"

    @classmethod
    def parse(cls, data: str | bytes) -> Proof:
        """Reads a tlog-proof.

        Raises:
            NoteError: another header, a malformed line, a checkpoint that is none.
        """
        head, separator, note = _decoded(data, "proof").partition("\n\n")
        lines = head.split("\n")
        if lines[0] != PROOF_HEADER:
            raise NoteError(f"the first line is not {PROOF_HEADER}")
        if not separator:
            raise NoteError("the proof has no checkpoint")
        extra = None
        if len(lines) > 1 and lines[1].startswith("extra "):
            extra = _unb64(lines.pop(1)[len("extra ") :], "the extra data")
        if len(lines) < 2 or not lines[1].startswith("index "):
            raise NoteError("the proof has no index")
        index = parse_number(lines[1][len("index ") :], "the index")
        return cls(index, _hash_lines(lines[2:]), Checkpoint.parse(note), extra)


def submission(old: int, proof: Sequence[bytes], checkpoint: Note) -> str:
    """Body of a witness's add-checkpoint call."""
    return f"old {old}\n" + "".join(f"{_b64(step)}\n" for step in proof) + f"\n{checkpoint}"


def parse_submission(data: bytes) -> tuple[int, tuple[bytes, ...], Checkpoint]:
    """Old size, consistency proof and checkpoint out of an add-checkpoint body.

    Raises:
        NoteError: malformed.
    """
    head, separator, note = _decoded(data, "request").partition("\n\n")
    lines = head.split("\n")
    if not separator or not lines[0].startswith("old "):
        raise NoteError("the request does not begin with the old size")
    old = parse_number(lines[0][len("old ") :], "the old size")
    return old, _hash_lines(lines[1:]), Checkpoint.parse(note)


def parse_number(text: str, what: str) -> int:
    """A decimal number below 10^19 without leading zeroes."""
    if _NUMBER.fullmatch(text) is None:
        raise NoteError(f"{what} is not a decimal number")
    return int(text)


def _hash_lines(lines: Sequence[str]) -> tuple[bytes, ...]:
    if len(lines) > _MAX_PROOF_LINES:
        raise NoteError(f"the proof has more than {_MAX_PROOF_LINES} hashes")
    hashes = tuple(_unb64(line, "a hash of the proof") for line in lines)
    if any(len(value) != HASH_BYTES for value in hashes):
        raise NoteError(f"a hash of the proof is not {HASH_BYTES} bytes long")
    return hashes


def _decoded(data: str | bytes, what: str) -> str:
    try:
        return data if isinstance(data, str) else data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError(f"the {what} is not UTF-8 at byte {error.start}") from None


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unb64(text: str, what: str) -> bytes:
    """Strict: a second spelling of the same bytes (stray bits, missing padding) is refused."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"{what} is not base64") from None
    if _b64(data) != text:
        raise NoteError(f"{what} is not canonical base64")
    return data
