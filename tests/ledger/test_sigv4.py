"""Known answers of Amazon's own documentation ("Examples: Signature Calculations", S3 API Reference)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.ledger.witness import sigv4

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - the published example
CREDENTIALS = sigv4.Credentials("AKIAIOSFODNN7EXAMPLE", SECRET)
HOST = "examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "payload", "signature"),
    [
        (
            "GET",
            "/test.txt",
            {},
            {"Range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            {},
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/",
            {"lifecycle": ""},
            {},
            b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/",
            {"prefix": "J", "max-keys": "2"},
            {},
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_a_request_is_signed_as_the_documentation_has_it(method, path, query, headers, payload, signature):
    sent = sigv4.signed_headers(
        method,
        HOST,
        path,
        query,
        headers=headers,
        payload=payload,
        credentials=CREDENTIALS,
        region="us-east-1",
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert sent["Authorization"].endswith(f"Signature={signature}")


def test_a_session_token_is_signed_and_no_secret_is_ever_shown():
    held = sigv4.Credentials("id", SECRET, "token")
    assert SECRET not in repr(held)
    assert "token'" not in repr(held)
    sent = sigv4.signed_headers(
        "GET",
        HOST,
        "/",
        {},
        headers={},
        payload=b"",
        credentials=held,
        region="eu-central-1",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert "x-amz-security-token" in sent["Authorization"]
    assert sent["x-amz-security-token"] == "token"
