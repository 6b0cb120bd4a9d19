"""Who signs the log, and who watches it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen, MinLen


@dataclass(frozen=True, kw_only=True)
class WitnessSettings:
    """One place outside the lake that every checkpoint goes to."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    name: Annotated[str, MinLen(1), MaxLen(200)]
    kind: Literal["folder", "git", "bucket", "endpoint", "http"] = "folder"
    """`http` speaks C2SP tlog-witness and returns a cosignature; the others keep copies."""
    path: str | None = None
    """Folder, git repository (pushed to its upstream if it has one), or BUCKET/PREFIX."""
    url: str | None = None
    """Submission prefix of an http witness, S3 endpoint, or address that takes PUT; https, or loopback."""
    region: str = "us-east-1"
    """Region of a bucket. Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    retention_days: Annotated[int, Ge(1), Le(36_500)] | None = None
    """Object lock of a bucket: nobody can delete a checkpoint before so many days, its owner included."""
    token_variable: str | None = None
    """Environment variable with an endpoint's bearer token."""
    key: str | None = None
    """Public key (NAME+ID+KEY) that the witness's cosignature must verify with."""

    def __post_init__(self) -> None:
        if self.token_variable is not None and not self.token_variable.isidentifier():
            raise ValueError(
                f"token_variable is {self.token_variable!r}, expected the name of an environment variable"
            )


@dataclass(frozen=True, kw_only=True)
class LedgerSettings:
    """Who signs the log, and who watches it."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    origin: str | None = None
    """Unique name of the log, a URL without scheme by custom; None makes a random one at first use."""
    key_file: str | None = None
    """Private key, outside the lake; None is one per log in `key_folder`, made at first use."""
    key_folder: str | None = None
    """Folder of keys; None is `claimledger/keys` in the user's configuration folder ($XDG_CONFIG_HOME)."""
    signer: tuple[str, ...] = ()
    """Command that signs instead of a key file: message on standard input, signature on standard output."""
    signer_key: str | None = None
    """Public key of that command."""
    witnesses: tuple[WitnessSettings, ...] = ()
    timestamp_url: str | None = None
    """RFC 3161 time-stamping authority that stamps every checkpoint a run ends with; None asks nobody."""
    timestamp_roots: str | None = None
    """PEM file with the authority's root certificates; what they do not vouch for is not kept."""

    def __post_init__(self) -> None:
        if self.origin is not None and not re.fullmatch(r"[^\s+]{1,255}", self.origin):
            raise ValueError(f"origin is {self.origin!r}, expected 1 to 255 characters, no blank and no +")
