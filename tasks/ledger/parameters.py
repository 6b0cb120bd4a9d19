"""Who signs the log, and who watches it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

from tasks.knobs import Example, Section


@dataclass(frozen=True, kw_only=True)
class WitnessSettings(Section):
    """One place outside the lake to which every checkpoint is copied."""

    name: Annotated[str, MinLen(1), MaxLen(200), Example("security-team")]
    """Its name in notices and reports."""
    kind: Literal["folder", "git", "bucket", "endpoint", "http"] = "folder"
    """`http` speaks C2SP tlog-witness and returns a cosignature; the others keep copies."""
    path: Annotated[str | None, Example("/mnt/retained/checkpoints")] = None
    """Folder, git repository (pushed to its upstream if it has one), or BUCKET/PREFIX."""
    url: Annotated[str | None, Example("https://witness.example")] = None
    """Submission prefix of an http witness, S3 endpoint, or address that takes PUT; https, or loopback."""
    region: str = "us-east-1"
    """Region of a bucket. Credentials are found as boto3 finds them."""
    retention_days: Annotated[Annotated[int, Ge(1), Le(36_500)] | None, Example(365)] = None
    """Object lock of a bucket: nobody can delete a checkpoint before so many days, its owner included."""
    token_variable: Annotated[str | None, Example("CHECKPOINT_TOKEN")] = None
    """Environment variable with an endpoint's bearer token."""
    key: Annotated[str | None, Example("NAME+ID+KEY")] = None
    """Public key (NAME+ID+KEY) that the witness's cosignature must verify with."""

    def __post_init__(self) -> None:
        if self.token_variable is not None and not self.token_variable.isidentifier():
            raise ValueError(
                f"token_variable is {self.token_variable!r}, expected the name of an environment variable"
            )


@dataclass(frozen=True, kw_only=True)
class LedgerSettings(Section):
    """Who signs the log, and who watches it."""

    origin: Annotated[str | None, Example("example.com/audits")] = None
    """Unique name of the log, by custom a URL without scheme; without it, a random one is made."""
    key_file: Annotated[str | None, Example("/secure/ledger.key")] = None
    """Private key, outside the lake; without it, one per log is made in `key_folder` at first use."""
    key_folder: Annotated[str | None, Example("~/.config/claimledger/keys")] = None
    """Folder of keys; else `claimledger/keys` in the user's configuration folder ($XDG_CONFIG_HOME)."""
    signer: Annotated[tuple[str, ...], Example(("kms-sign", "--key", "ledger"))] = ()
    """Command that signs instead of a key file: message on standard input, signature on standard output."""
    signer_key: Annotated[str | None, Example("NAME+ID+KEY")] = None
    """Public key of that command."""
    witnesses: tuple[WitnessSettings, ...] = ()
    """Where checkpoints go: places that the owner of the lake does not control alone."""
    whole_verification_days: Annotated[int, Ge(0), Le(366)] = 7
    """Days between checks of the whole ledger at the end of a run; other runs check what is new and every
    table file. 0 checks all of it every time."""
    timestamp_url: Annotated[str | None, Example("https://tsa.example")] = None
    """RFC 3161 time-stamping authority that stamps every checkpoint a run ends with."""
    timestamp_roots: Annotated[str | None, Example("tsa-roots.pem")] = None
    """PEM file with the authority's root certificates; what they do not vouch for is not kept."""

    def __post_init__(self) -> None:
        if self.origin is not None and not re.fullmatch(r"[^\s+]{1,255}", self.origin):
            raise ValueError(f"origin is {self.origin!r}, expected 1 to 255 characters without blanks and +")
