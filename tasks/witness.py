"""Witnesses: places outside the lake that remember which history they were shown.

Belongs here: both sides of C2SP tlog-witness, and plain copies of checkpoints in a folder or a git
repository. Does not belong here: the log itself (`log.py`).

A witness keeps the newest checkpoint that it accepted, and accepts another only with a proof that the new
tree extends the old one. Whoever holds the log's key can rewrite a lake; what he cannot do is make a witness
forget.
"""

from __future__ import annotations

import hashlib
import logging
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tasks import durable, keys
from tasks.keys import KeySigner
from tasks.log import Log
from tasks.pure import merkle, notes
from tasks.pure.errors import ClaimledgerError, ConfigError, IntegrityError, LakeError
from tasks.pure.notes import Checkpoint, Note, NoteError, PublicKey
from tasks.settings import WitnessSettings

log = logging.getLogger("claimledger.witness")
TIMEOUT_S = 15.0
"""A witness that takes longer is told the next checkpoint; the night does not wait."""
MAX_BODY_BYTES = 64 * 1024
"""63 proof lines and a note with a hundred signatures fit; anything larger is not a submission."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass
class Witness:
    """A witness of the logs whose public keys it was given; state stands in its own folder."""

    folder: Path
    signer: KeySigner
    logs: tuple[PublicKey, ...]
    _mutex: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def open(cls, folder: Path, logs: Sequence[PublicKey], *, name: str | None = None) -> Witness:
        """The witness whose key stands in the folder; makes the key at first use.

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


# The log's side ---------------------------------------------------------------------------------------------


def tell(ledger: Log, witnesses: Sequence[WitnessSettings]) -> list[str]:
    """Shows the newest checkpoint to every witness; one sentence for each that failed or contradicts.

    Cosignatures are added to the checkpoint. A witness that is down never stops the others.
    """
    problems = []
    for witness in witnesses:
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
        return f"history was rewritten: the first {theirs.size} events are not those that were signed"
    return None


def copies(witness: WitnessSettings, origin: str) -> list[Checkpoint]:
    """Checkpoints that a folder or repository witness keeps, ascending by size.

    Raises:
        LakeError: its place cannot be read.
    """
    folder = _place(witness, origin)
    found = []
    with durable.touching(folder):
        for path in sorted(folder.glob("[0-9]*"), key=lambda p: (len(p.name), p.name)):
            try:
                found.append(Checkpoint.parse(path.read_bytes()))
            except NoteError as error:
                raise LakeError(f"{path}: {error}; the copy is damaged") from None
    return found


def _place(witness: WitnessSettings, origin: str) -> Path:
    if not witness.path:
        raise ConfigError("ledger.witnesses: a folder or git witness needs `path`")
    return Path(witness.path).expanduser() / hashlib.sha256(origin.encode()).hexdigest()[:32]


def _copy(ledger: Log, witness: WitnessSettings) -> None:
    for kept in copies(witness, ledger.origin)[-1:]:
        found = contradiction(ledger, kept)
        if found:
            raise IntegrityError(found)
    place = _place(witness, ledger.origin)
    path = place / str(ledger.head.size)
    with durable.touching(place):
        durable.make_folder(place)
        if not path.exists():
            durable.replace(path, str(ledger.head.note).encode())
    if witness.kind == "git":
        _git(place, "add", "--", path.name)
        _git(place, "commit", "--quiet", "-m", f"Checkpoint {ledger.head.size}", "--", path.name)


def _git(folder: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LakeError(f"{folder}: git {arguments[0]} could not run ({error})") from None
    if done.returncode and "nothing to commit" not in done.stdout + done.stderr:
        raise LakeError(f"{folder}: git {arguments[0]} failed: {' '.join(done.stderr.split())[:200]}")


def _submit(ledger: Log, witness: WitnessSettings) -> None:
    key = PublicKey.parse(witness.key) if witness.key else None
    # The witness says which size it knows; the first question is a guess that costs one round trip.
    old = 0
    for _ in range(3):
        status, text = _post(witness, _submission(ledger, old))
        if status == 200:
            break
        if status == 409:
            try:
                known = notes.parse_number(text.strip(), "the witness's size")
            except NoteError as error:
                raise IntegrityError(f"{error}; is {witness.url} a witness?") from None
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
        if status == 422:
            raise IntegrityError(f"history was rewritten: the first {old} events are not those it cosigned")
        raise LakeError(f"{witness.url}: answered {status}: {' '.join(text.split())[:200]}")
    else:
        raise LakeError(f"{witness.url}: other writers were faster three times; the next run tells it again")
    _keep(ledger, text, key)


def _submission(ledger: Log, old: int) -> bytes:
    proof = merkle.consistency_proof(old, ledger.head.size, ledger.node())
    return notes.submission(old, proof, ledger.head.note).encode()


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


def _post(witness: WitnessSettings, body: bytes) -> tuple[int, str]:
    parts = urlsplit(witness.url or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConfigError("ledger.witnesses: an http witness needs an https `url` (http on loopback alone)")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        f"{(witness.url or '').rstrip('/')}/add-checkpoint", data=body, method="POST"
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read(MAX_BODY_BYTES).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MAX_BODY_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise LakeError(f"{witness.url}: cannot be reached ({error}); the next run tells it again") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead inside; a witness answers itself or not at all."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        """Follows nothing."""
        return
