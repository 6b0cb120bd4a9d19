"""A witness that anybody can run: it remembers which history of a log it was shown, and cosigns no other.

This is the server's side of C2SP tlog-witness; the log's side is `witness.py`. A witness keeps the newest
checkpoint that it accepted, and accepts another only with a proof that the new tree extends the old one.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tasks.errors import ClaimledgerError, ConfigError, IntegrityError
from tasks.files import durable
from tasks.ledger import keys, merkle, notes
from tasks.ledger.keys import KeySigner
from tasks.ledger.notes import Checkpoint, NoteError, PublicKey

log = logging.getLogger("claimledger.witness")
TIMEOUT_S = 15.0
"""Who sends a request more slowly is not heard."""
MAX_BODY_BYTES = 64 * 1024
"""63 proof lines and a note with a hundred signatures fit; anything larger is not a submission."""


@dataclass
class Witness:
    """A witness of the logs whose public keys it was given; its state is in its own folder."""

    folder: Path
    signer: KeySigner
    logs: tuple[PublicKey, ...]
    _mutex: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def open(cls, folder: Path, logs: Sequence[PublicKey], *, name: str | None = None) -> Witness:
        """The witness whose key is in the folder; makes the key at first use.

        Raises:
            ConfigError: no name for a new witness, or the key cannot be used.
        """
        path = folder / "witness.key"
        if not path.exists():
            if not name:
                raise ConfigError(f"{path}: there is no key yet; give the new witness a name with --name")
            keys.write_key(path, keys.new_signer(name, notes.COSIGNATURE_V1))
        return cls(folder, keys.read_key(path), tuple(logs))

    def head(self, origin: str) -> Checkpoint | None:
        """The newest checkpoint of a log that this witness cosigned."""
        try:
            return Checkpoint.parse(self._path(origin).read_bytes())
        except FileNotFoundError:
            return None
        except NoteError as error:
            raise IntegrityError(f"{self._path(origin)}: {error}; restore it from a copy") from None

    def add_checkpoint(self, body: bytes, timestamp: int) -> tuple[int, str]:
        """Answers one add-checkpoint call: HTTP status and body, as tlog-witness asks.

        Raises:
            LakeError: the head cannot be kept; then nothing was cosigned.
        """
        try:
            old, proof, new = notes.parse_submission(body)
        except NoteError as error:
            return 400, f"{error}\n"
        known = [key for key in self.logs if key.name == new.origin]
        if not known:
            return 404, "this witness does not know the log\n"
        try:
            new.note.signers(known, keys.verify)
        except NoteError as error:
            return 403, f"{error}\n"
        if old > new.size:
            return 400, "the old size is above the new one\n"
        with self._mutex:
            refused = self._refusal(old, proof, new)
            if refused:
                return refused
            line = notes.cosign(new.note.text, self.signer.public, self.signer.sign, timestamp)
            path = self._path(new.origin)
            with durable.touching(path):
                durable.make_folder(path.parent)
                durable.replace(path, str(new.note.with_signature(line)).encode())
        return 200, f"{line}\n"

    def _refusal(self, old: int, proof: Sequence[bytes], new: Checkpoint) -> tuple[int, str] | None:
        head = self.head(new.origin)
        size = head.size if head else 0
        if old != size:
            return 409, f"{size}\n"
        if old == new.size and head and head.root != new.root:
            return 409, f"{size}\n"
        try:
            if old:
                assert head is not None  # noqa: S101 - old equals the size of a head
                merkle.check_consistency(old, new.size, head.root, new.root, proof)
            elif proof:
                return 422, "a proof from the empty tree must be empty\n"
        except merkle.ProofError as error:
            log.warning("refused a checkpoint of %s: %s", new.origin, error)
            return 422, f"{error}\n"
        return None

    def _path(self, origin: str) -> Path:
        # An origin is anybody's words, so its digest names the file.
        return self.folder / "heads" / hashlib.sha256(origin.encode()).hexdigest()[:32]


def server(witness: Witness, host: str, port: int, clock: Callable[[], float]) -> ThreadingHTTPServer:
    """An HTTP server that answers POST /add-checkpoint; the caller serves and closes it."""

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != "/add-checkpoint":
                return self._answer(404, "no such call\n")
            if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
                return self._answer(413, "the request is too large or has no length\n")
            try:
                status, text = witness.add_checkpoint(self.rfile.read(int(length)), int(clock()))
            except ClaimledgerError as error:
                log.error("%s", error)
                status, text = 500, "this witness cannot keep its state\n"
            return self._answer(status, text)

        def _answer(self, status: int, text: str) -> None:
            kind = "text/x.tlog.size" if status == 409 else "text/plain; charset=utf-8"
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            log.debug(format, *args)

    return ThreadingHTTPServer((host, port), Handler)
