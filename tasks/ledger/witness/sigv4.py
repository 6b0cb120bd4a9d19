"""AWS Signature Version 4: what S3 and every store that speaks its API ask of a request.

Specification: "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3
API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Credentials:
    """Who asks; never shown."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def encode(text: str, safe: str = "") -> str:
    """URI encoding as the specification has it: all but unreserved characters, in upper-case hex."""
    kept = f"[^A-Za-z0-9._~{re.escape(safe)}-]".encode()
    return re.sub(kept, lambda found: b"%%%02X" % found[0][0], text.encode()).decode()


def query_string(query: Mapping[str, str]) -> str:
    """The query, encoded and sorted, as it is signed and sent."""
    return "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(query.items()))


def signed_headers(
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    *,
    headers: Mapping[str, str],
    payload: bytes,
    credentials: Credentials,
    region: str,
    now: datetime,
) -> dict[str, str]:
    """All headers of the request: those given, date, digest of the payload, and the authorization.

    Args:
        path: absolute, not encoded.
        query, headers: what the request carries besides; all of it is signed.
        now: UTC.
    """
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(payload).hexdigest()
    sent = {**headers, "Host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
    if credentials.session_token:
        sent["x-amz-security-token"] = credentials.session_token
    canonical = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
    names = ";".join(sorted(canonical))
    lines = "".join(f"{name}:{canonical[name]}\n" for name in sorted(canonical))
    request = "\n".join([method, encode(path, safe="/"), query_string(query), lines, names, digest])
    scope = f"{day}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return sent
