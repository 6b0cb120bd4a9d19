"""Door to TOML files that people write: bounded, UTF-8, and refused in one sentence.

Belongs here: bytes to a table of values. Does not belong here: what the values mean (`settings.py`).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tasks.errors import ConfigError

MAX_BYTES = 1 << 20
"""A file of settings or of one policy; more was not written by a person."""
MAX_FILES = 1000
"""Files of one folder."""


def read(file: Path, what: str) -> dict[str, Any]:
    """The values of a file.

    Raises:
        ConfigError: missing, unreadable, too large, not UTF-8 or not TOML, such as a key given twice.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file}: larger than {MAX_BYTES >> 20} MiB, too large for a {what}")
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such {what}; `claimledger init` writes one") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{file}: not valid TOML: its values are nested too deeply") from None


def in_folder(folder: Path, what: str) -> list[Path]:
    """The TOML files of a folder and of those within it, by name.

    Raises:
        ConfigError: there is no such folder, it holds none, or too many.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; it should hold a TOML file for each {what}")
    files = sorted(file for file in folder.rglob("*.toml") if file.is_file())
    if not files:
        raise ConfigError(f"{folder}: no {what} in it; it should hold a TOML file for each")
    if len(files) > MAX_FILES:
        raise ConfigError(
            f"{folder}: {len(files)} files, at most {MAX_FILES} are allowed; move old ones away"
        )
    return files
