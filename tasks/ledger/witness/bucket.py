"""Door to the S3 API: checkpoints in a bucket whose retention outlives whoever owns the lake.

Every checkpoint is an object of its own, written with `If-None-Match: *`, so that none is written over, and
with object lock in compliance mode where retention is asked for, so that nobody can delete it before its day,
the account's owner included. All versions of an object are read back: a delete marker or a second version
hides nothing. Requests are signed by `ledger/witness/sigv4.py`; credentials come from AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN alone.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from xml.etree import ElementTree

from tasks.errors import ConfigError, IntegrityError, LakeError
from tasks.ledger.witness import sigv4, web
from tasks.ledger.witness.sigv4 import Credentials
from tasks.ledger.witness.web import Reply

_MODE = "COMPLIANCE"
_PAGES = 1000
"""A million versions under one log's prefix: more is not this program's doing."""


@dataclass(frozen=True)
class Bucket:
    """A bucket and prefix at an S3 endpoint, addressed by path (`ENDPOINT/BUCKET/KEY`)."""

    endpoint: str
    bucket: str
    prefix: str
    region: str
    retention_days: int | None = None

    def sizes(self) -> list[tuple[int, str]]:
        """Tree size and version id of every version of every checkpoint kept, ascending by size.

        Raises:
            LakeError: the bucket cannot be listed.
        """
        sizes: list[tuple[int, str]] = []
        marker: dict[str, str] = {}
        for _ in range(_PAGES):
            reply = self._send("GET", "", {"versions": "", "prefix": self.prefix, **marker})
            if reply.status != 200:
                raise LakeError(f"{self._place}: cannot be listed ({reply.status}: {reply.text})")
            tree = _xml(reply.body, self._place)
            for version in tree.iterfind("{*}Version"):
                name = (version.findtext("{*}Key") or "").removeprefix(self.prefix)
                if name.isdecimal():
                    sizes.append((int(name), version.findtext("{*}VersionId") or "null"))
            if tree.findtext("{*}IsTruncated") != "true":
                return sorted(sizes)
            marker = {
                "key-marker": tree.findtext("{*}NextKeyMarker") or "",
                "version-id-marker": tree.findtext("{*}NextVersionIdMarker") or "",
            }
        raise LakeError(f"{self._place}: its listing has no end")

    def read(self, size: int, version: str | None = None) -> bytes:
        """One checkpoint's bytes.

        Raises:
            LakeError: it cannot be read.
        """
        reply = self._send("GET", str(size), {"versionId": version} if version else {})
        if reply.status != 200:
            raise LakeError(f"{self._place}{size}: cannot be read ({reply.status}: {reply.text})")
        return reply.body

    def write(self, size: int, data: bytes) -> bool:
        """Writes a checkpoint; False where one of that size is there already.

        Raises:
            LakeError: it cannot be written.
            IntegrityError: retention was asked for, and the bucket does not keep the object.
        """
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "If-None-Match": "*",
            # Object lock asks for one of the two; older stores know the first alone.
            "Content-MD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(data).digest()).decode(),
        }
        if self.retention_days:
            until = datetime.now(UTC) + timedelta(days=self.retention_days)
            headers["x-amz-object-lock-mode"] = _MODE
            headers["x-amz-object-lock-retain-until-date"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
        reply = self._send("PUT", str(size), {}, headers, data)
        if reply.status == 412:
            return False
        if reply.status != 200:
            raise LakeError(f"{self._place}{size}: cannot be written ({reply.status}: {reply.text})")
        if self.retention_days:
            held = self._send("HEAD", str(size), {})
            if held.headers.get("x-amz-object-lock-mode") != _MODE:
                raise IntegrityError(
                    f"{self._place}{size}: the bucket keeps no retention on it, so its owner can delete it; "
                    "create the bucket with object lock"
                )
        return True

    @property
    def _place(self) -> str:
        return f"{self.endpoint.rstrip('/')}/{self.bucket}/{self.prefix}"

    def _send(
        self,
        method: str,
        name: str,
        query: dict[str, str],
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        parts = urlsplit(self.endpoint)
        path = f"{parts.path.rstrip('/')}/{self.bucket}" + (f"/{self.prefix}{name}" if name else "")
        signed = sigv4.signed_headers(
            method,
            parts.netloc,
            path,
            query,
            headers=headers or {},
            payload=body,
            credentials=_credentials(),
            region=self.region,
            now=datetime.now(UTC),
        )
        tail = f"?{sigv4.query_string(query)}" if query else ""
        url = f"{parts.scheme}://{parts.netloc}{sigv4.encode(path, safe='/')}{tail}"
        return web.request(method, url, headers=signed, body=body)


def _credentials() -> Credentials:
    access, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret:
        raise ConfigError(
            "ledger.witnesses: a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        )
    return Credentials(access, secret, os.environ.get("AWS_SESSION_TOKEN"))


def _xml(data: bytes, place: str) -> ElementTree.Element:
    # A listing has no document type; without one there are no entities, so nothing can expand.
    if b"<!DOCTYPE" in data:
        raise LakeError(f"{place}: its listing is not what S3 answers")
    try:
        return ElementTree.fromstring(data)  # noqa: S314 - see above
    except ElementTree.ParseError:
        raise LakeError(f"{place}: its listing is not what S3 answers") from None
