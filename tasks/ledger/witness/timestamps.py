"""Door to RFC 3161: a time-stamping authority says when a checkpoint existed at the latest.

A stamp over a checkpoint's text is kept as LAKE/timestamps/SIZE.tsr. It outlives the log's keys: whoever
trusts the authority's root knows that nobody wrote this history later. `openssl ts -verify` checks the same
files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import ClaimledgerError, ConfigError, IntegrityError, LakeError
from tasks.files import durable
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.witness import web

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_MAX_STAMP_BYTES = 1 << 20


@dataclass
class Stamps:
    """What the stamps of a lake say."""

    good: dict[int, datetime] = field(default_factory=dict)
    """Tree size to the moment at which its checkpoint existed."""
    findings: list[str] = field(default_factory=list)
    unverifiable: list[str] = field(default_factory=list)

    def newest(self) -> list[tuple[int, datetime]]:
        """The stamp of the largest tree, if there is one."""
        return sorted(self.good.items())[-1:]

    def as_dict(self) -> dict[str, str]:
        """Plain data for JSON."""
        return {str(size): at.isoformat() for size, at in sorted(self.good.items())}


def stamp(ledger: Log, settings: LedgerSettings, root: Path) -> list[str]:
    """Has the newest checkpoint stamped and keeps the stamp; a sentence where that failed.

    What the configured roots do not vouch for is not kept. One stamp per checkpoint is enough.
    """
    if not settings.timestamp_url:
        return []
    path = root / "timestamps" / f"{ledger.head.size}.tsr"
    if path.exists():
        return []
    try:
        _ask(ledger.head.note.text.encode(), settings, path)
    except ClaimledgerError as error:
        return [f"time stamp: {error}"]
    return []


def _ask(text: bytes, settings: LedgerSettings, path: Path) -> None:
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    roots = _roots(settings)
    request = TimestampRequestBuilder().data(text).hash_algorithm(HashAlgorithm.SHA256).build()
    reply = web.request(
        "POST",
        settings.timestamp_url or "",
        headers={"Content-Type": "application/timestamp-query"},
        body=request.as_bytes(),
    )
    if reply.status != 200:
        raise LakeError(f"{settings.timestamp_url}: answered {reply.status}: {reply.text}")
    try:
        _verified(reply.body, text, roots, nonce=request.nonce)
    except ValueError as error:
        raise IntegrityError(f"{settings.timestamp_url}: its answer is not a valid stamp ({error})") from None
    with durable.touching(path):
        durable.make_folder(path.parent)
        durable.replace(path, reply.body)


def check(ledger: Log, settings: LedgerSettings, root: Path) -> Stamps:
    """Checks every stamp against the checkpoint of its size."""
    stamps = Stamps()
    paths = sorted((root / "timestamps").glob("*.tsr"))
    if not paths:
        return stamps
    try:
        roots = _roots(settings)
    except ConfigError as error:
        stamps.unverifiable.append(f"{root / 'timestamps'}: {len(paths)} time stamps: {error}")
        return stamps
    sizes = set(ledger.sizes())
    for path in paths:
        if not path.stem.isdecimal() or int(path.stem) not in sizes:
            stamps.findings.append(f"{path}: a time stamp of a checkpoint that the log does not have")
            continue
        size = int(path.stem)
        try:
            data = path.read_bytes()[:_MAX_STAMP_BYTES]
            stamps.good[size] = _verified(data, ledger.checkpoint(size).note.text.encode(), roots)
        except ValueError as error:
            stamps.findings.append(f"{path}: not a stamp of the checkpoint of {size} events ({error})")
        except IntegrityError as error:
            stamps.findings.append(str(error))
    return stamps


def _verified(data: bytes, text: bytes, roots: list[Certificate], nonce: int | None = None) -> datetime:
    """The stamp's moment.

    Raises:
        ValueError: malformed, refused by the authority, of another text, or signed by somebody else.
    """
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

    builder = VerifierBuilder(roots=list(roots), nonce=nonce)
    try:
        answer = decode_timestamp_response(data)
        builder.build().verify_message(answer, text)
        return answer.tst_info.gen_time
    except VerificationError as error:
        raise ValueError(str(error)) from None


def _roots(settings: LedgerSettings) -> list[Certificate]:
    from cryptography import x509

    if not settings.timestamp_roots:
        raise ConfigError(
            "ledger.timestamp_roots is missing: a PEM file with the authority's root certificates"
        )
    path = Path(settings.timestamp_roots).expanduser()
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"ledger.timestamp_roots: {path} cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigError(f"ledger.timestamp_roots: {path} holds no PEM certificates") from None
