"""Door to the texts that a configuration names: system prompts, confidential strings, the key of hashes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.errors import ConfigError
from tasks.privacy.cover import Cover
from tasks.privacy.leaks import TEXTS
from tasks.privacy.listed import SHORTEST
from tasks.privacy.parameters import LeakSettings, PrivacySettings

HASH_KEY = "CLAIMLEDGER_PRIVACY_HASH_KEY"
SHORTEST_KEY = 16
_MOST_BYTES = 16_000_000


@dataclass(frozen=True)
class Guarded:
    """Confidential strings and what findings call them; system prompts (TEXTS); the key of hashes."""

    strings: dict[str, str]
    prompts: pl.DataFrame
    key: bytes


def read(parameters: LeakSettings) -> Guarded:
    """What the configuration names.

    Raises:
        ConfigError: a file is missing, too large, not UTF-8, or has a string too short to look for.
    """
    key = _key()
    prompts = [(file.name, text) for file, text in _texts(parameters.system_prompts, "system_prompts")]
    rows = [(None, "system_prompt", name, None, text) for name, text in prompts]
    return Guarded(
        strings=dict(_strings(parameters.confidential)),
        prompts=pl.DataFrame(rows, schema=TEXTS, orient="row"),
        key=key,
    )


def cover(parameters: PrivacySettings) -> Cover | None:
    """What covers confidential data before it reaches the lake; None where the lake holds it as it is.

    Raises:
        ConfigError: as `read`, or values are to be hashed and there is no key.
    """
    if parameters.lake == "clear":
        return None
    key = _key()
    if parameters.lake == "hashed" and not key:
        raise ConfigError(
            f"privacy.lake = 'hashed' needs a key, and {HASH_KEY} is not set; set it to at least "
            f"{SHORTEST_KEY} characters that nobody can guess, and keep it: with another, hashes differ"
        )
    strings = dict(_strings(parameters.leaks.confidential)) if parameters.leaks.enabled else {}
    return Cover(mode=parameters.lake, detectors=parameters.active, key=key, strings=strings)


def _key() -> bytes:
    key = os.environ.get(HASH_KEY, "").encode()
    if key and len(key) < SHORTEST_KEY:
        raise ConfigError(f"{HASH_KEY} has {len(key)} characters; at least {SHORTEST_KEY} are needed")
    return key


def _strings(path: str) -> Iterator[tuple[str, str]]:
    for file, text in _texts(path, "confidential"):
        for number, line in enumerate(text.splitlines(), 1):
            size = sum(map(str.isalnum, line))
            if 0 < size < SHORTEST:
                raise ConfigError(
                    f"privacy.leaks.confidential: {file}:{number} has {size} letters and digits; "
                    f"at least {SHORTEST} are needed, since fewer are in too many texts"
                )
            if size:
                yield line.strip(), f"{file.name}:{number}"


def _texts(path: str, name: str) -> Iterator[tuple[Path, str]]:
    """The text files of a setting, in order of their names."""
    if not path:
        return
    try:
        folder = Path(path)
        files = sorted(one for one in folder.iterdir() if one.is_file()) if folder.is_dir() else [folder]
        for file in files:
            if file.stat().st_size > _MOST_BYTES:
                raise ConfigError(f"privacy.leaks.{name}: {file} has more than {_MOST_BYTES:,} bytes")
            yield file, file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"cannot be read ({error.strerror})"
        )
        raise ConfigError(f"privacy.leaks.{name}: {path} {reason}") from None
