"""Door to the S3 API: checkpoints in a bucket whose retention outlives whoever owns the lake.

Every checkpoint is an object of its own, written with `If-None-Match: *`, so that none is written over, and
with object lock in compliance mode where retention is asked for, so that nobody can delete it before its day,
the account's owner included. All versions of an object are read back: a delete marker or a second version
hides nothing. Requests are boto3's, because it knows object lock; so are credentials: environment, profile,
or this machine's identity.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from tasks.errors import ConfigError, IntegrityError, LakeError
from tasks.ledger.witness import web

_MODE = "COMPLIANCE"
_PAGES = 1000
"""A million versions under one log's prefix: more is not this program's doing."""
_ATTEMPTS = 3


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
        with self._told("", "cannot be listed"):
            pages = self.client.get_paginator("list_object_versions")
            for number, page in enumerate(pages.paginate(Bucket=self.bucket, Prefix=self.prefix)):
                if number == _PAGES:
                    raise LakeError(f"{self._place}: its listing has no end")
                if "IsTruncated" not in page:
                    raise LakeError(f"{self._place}: its listing is not what S3 answers")
                for version in page.get("Versions", ()):
                    name = version["Key"].removeprefix(self.prefix)
                    if name.isdecimal():
                        sizes.append((int(name), version.get("VersionId") or "null"))
        return sorted(sizes)

    def read(self, size: int, version: str | None = None) -> bytes:
        """One checkpoint's bytes.

        Raises:
            LakeError: it cannot be read.
        """
        of = {"VersionId": version} if version else {}
        with self._told(size, "cannot be read"):
            body = self.client.get_object(**self._at(size), **of)["Body"]
            data = bytes(body.read(web.MAX_REPLY_BYTES + 1))
        if len(data) > web.MAX_REPLY_BYTES:
            raise LakeError(
                f"{self._place}{size}: larger than {web.MAX_REPLY_BYTES >> 20} MiB, no checkpoint"
            )
        return data

    def write(self, size: int, data: bytes) -> bool:
        """Writes a checkpoint; False where one of that size is there already.

        Raises:
            LakeError: it cannot be written.
            IntegrityError: retention was asked for, and the bucket does not keep the object.
        """
        from botocore.exceptions import ClientError

        more: dict[str, Any] = {}
        if self.retention_days:
            until = datetime.now(UTC) + timedelta(days=self.retention_days)
            more = {"ObjectLockMode": _MODE, "ObjectLockRetainUntilDate": until}
        with self._told(size, "cannot be written"):
            try:
                self.client.put_object(
                    **self._at(size),
                    **more,
                    Body=data,
                    ContentType="text/plain; charset=utf-8",
                    IfNoneMatch="*",
                    # Object lock asks for one of the two; older stores know the first alone.
                    ContentMD5=base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
                    ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                )
            except ClientError as error:
                if _status(error) == 412:
                    return False
                raise
            kept = self.client.head_object(**self._at(size)) if self.retention_days else {}
        if self.retention_days and kept.get("ObjectLockMode") != _MODE:
            raise IntegrityError(
                f"{self._place}{size}: the bucket keeps no retention on it, so its owner can delete it; "
                "create the bucket with object lock"
            )
        return True

    @cached_property
    def client(self) -> Any:
        """boto3's client.

        Raises:
            ConfigError: boto3 is not installed, or the address is not one for checkpoints.
        """
        web.require_address(self.endpoint)
        try:
            from boto3.session import Session
            from botocore.config import Config
        except ImportError:
            raise ConfigError(
                "ledger.witnesses: a bucket needs the package boto3; run `pip install 'claimledger[cloud]'`"
            ) from None
        # A session of its own: the library's common one keeps the credentials that it found first.
        return Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            config=Config(
                s3={"addressing_style": "path", "payload_signing_enabled": True},
                retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                connect_timeout=web.TIMEOUT_S,
                read_timeout=web.TIMEOUT_S,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def _at(self, size: int) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": f"{self.prefix}{size}"}

    @property
    def _place(self) -> str:
        return f"{self.endpoint.rstrip('/')}/{self.bucket}/{self.prefix}"

    @contextmanager
    def _told(self, size: int | str, what: str) -> Iterator[None]:
        """What the store or boto3 refuses, in one sentence without a secret."""
        self.client  # noqa: B018 - what is wrong with the configuration is said first
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
        from botocore.parsers import ResponseParserError

        try:
            yield
        except NoCredentialsError:
            raise ConfigError(
                "ledger.witnesses: a bucket needs credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "AWS_PROFILE, or this machine's identity"
            ) from None
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise LakeError(f"{self._place}{size}: {what} ({_status(error)}: {code!s:.80})") from None
        except (BotoCoreError, ResponseParserError, KeyError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise LakeError(f"{self._place}{size}: {what} ({reason}); the next run retries") from None


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
