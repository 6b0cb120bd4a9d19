"""Where the data that ships with the project is: one place, in a checkout and in an installed wheel alike.

`tasks/data` is package data. In a checkout it is a link to `data/` at the top, where people look for it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tasks.errors import ConfigError


def bundled(name: str) -> Path:
    """The folder `models` or `samples`.

    Raises:
        ConfigError: the project was installed without it.
    """
    folder = Path(str(files("tasks"))) / "data" / name
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is missing: claimledger was installed without its data; reinstall it from a "
            "complete wheel or checkout (`git clone` keeps the link tasks/data)"
        )
    return folder
