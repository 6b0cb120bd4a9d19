"""Settings made in a test, written as the file that a flow reads them from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tasks.settings import Settings


def written(settings: Settings, path: Path) -> str:
    """The path of a TOML file that says what the settings say."""
    values = settings.model_dump(mode="json", exclude_none=True)
    path.write_text("".join(f"{name} = {_inline(value)}\n" for name, value in values.items()), "utf-8")
    return str(path)


def _inline(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_inline(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(each) for each in value) + "]"
    return json.dumps(value)
