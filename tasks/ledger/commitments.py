"""Commitments: what a log can keep of a text for ever although the text may have to go.

Each output has a random 32-byte key. From it come, by HKDF-Expand (RFC 5869 section 2.3; the key is uniformly
random, so the extract step is left out as section 3.3 allows), one key per field and one row salt:

    field key  = HMAC-SHA256(output key, "claimledger field\\n" ‖ field ‖ 0x01)
    commitment = HMAC-SHA256(field key, text)
    row salt   = HMAC-SHA256(output key, "claimledger row salt" ‖ 0x01)

Disclosing a field key opens that one field. Destroying the output key leaves every leaf and proof valid and
makes what was said unguessable, while whoever kept a text and its field key can still prove it.
"""

from __future__ import annotations

import hmac
from typing import TypeVar

import polars as pl

Ids = TypeVar("Ids", str, pl.Series)
"""One id, or a column of them."""
KEY_BYTES = 32
_FIELD = b"claimledger field\n"
_SALT = b"claimledger row salt\x01"


def claim_field(claim_id: Ids) -> Ids:
    """Name of the field that holds a claim's text."""
    return "claim:" + claim_id


def passage_field(claim_id: Ids, passage_id: Ids) -> Ids:
    """Name of the field that holds a passage's text, as evidence for one claim."""
    return "passage:" + claim_id + ":" + passage_id


def reviewer_field(review_id: Ids) -> Ids:
    """Name of the field that holds a reviewer's name."""
    return "reviewer:" + review_id


def field_key(output_key: bytes, field: str) -> bytes:
    """The key that opens one field and no other."""
    return hmac.digest(output_key, _FIELD + field.encode() + b"\x01", "sha256")


def commitment(key: bytes, text: str) -> bytes:
    """What the log keeps of a text."""
    return hmac.digest(key, text.encode(), "sha256")


def row_salt(output_key: bytes) -> bytes:
    """Salt of the digests of an output's rows."""
    return hmac.digest(output_key, _SALT, "sha256")


def row_salts(keys: pl.Series) -> pl.Series:
    """Row salts (Binary, n) of output keys (Binary, n); null stays null."""
    return pl.Series([None if k is None else row_salt(k) for k in keys.to_list()], dtype=pl.Binary)


def commit(keys: pl.Series, fields: pl.Series, texts: pl.Series) -> pl.Series:
    """Commitments (hex String, n) of texts under output keys; null where the key or the text is null."""
    rows = zip(keys.to_list(), fields.to_list(), texts.to_list(), strict=True)
    return pl.Series(
        [
            None if key is None or text is None else commitment(field_key(key, field), text).hex()
            for key, field, text in rows
        ],
        dtype=pl.String,
    )
