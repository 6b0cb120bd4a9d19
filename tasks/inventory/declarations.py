"""Door to the declarations: TOML files of a folder, read strictly."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from tasks.errors import ConfigError
from tasks.inventory.parameters import KINDS, Declaration

_TYPES: Mapping[str, type] = {"agreement_until": date, "may_train": bool, "data_classes": list}
_KEYS = tuple(each.name for each in fields(Declaration) if each.name != "kind")


def read(path: str) -> list[Declaration]:
    """All declarations of a folder, or none where no folder is configured.

    Raises:
        ConfigError: no such folder, a file that is not TOML, an unknown key or kind, a value of a wrong type,
        a missing name or owner, or the same thing declared twice.
    """
    if not path:
        return []
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; inventory.path names one with TOML files")
    found: dict[tuple[str, str, str], tuple[Declaration, Path]] = {}
    for file in sorted(folder.glob("*.toml")):
        for declared in _file(file):
            key = (declared.kind, declared.name, declared.version)
            if key in found:
                other, place = found[key]
                owned = f", owned by {other.owner} and {declared.owner}"
                who = "" if other.owner == declared.owner else owned
                what = f"the {declared.kind} {declared.name} is also declared in {place.name}"
                raise ConfigError(f"{file}: {what}{who}; keep one")
            found[key] = (declared, file)
    declarations = [each for each, _ in found.values()]
    owners: dict[tuple[str, str], str] = {}
    for one in declarations:
        owner = owners.setdefault((one.kind, one.name), one.owner)
        if owner != one.owner:
            raise ConfigError(
                f"{folder}: the {one.kind} {one.name} has two owners, {owner} and {one.owner}; name one"
            )
    return declarations


def _file(file: Path) -> list[Declaration]:
    try:
        content = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    for kind, entries in content.items():
        if kind not in KINDS or not isinstance(entries, list):
            raise ConfigError(f"{file}: {kind}: expected arrays of tables named {', '.join(KINDS)}")
    return [_one(file, kind, entry) for kind, entries in content.items() for entry in entries]


def _one(file: Path, kind: str, entry: object) -> Declaration:
    if not isinstance(entry, dict):
        raise ConfigError(f"{file}: {kind}: expected tables, [[{kind}]]")
    for key, value in entry.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.6)
            advice = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(_KEYS)}"
            raise ConfigError(f"{file}: {kind}: unknown key {key}, {advice}")
        wanted = _TYPES.get(key, str)
        parts = value if isinstance(value, list) else ()
        if not isinstance(value, wanted) or not all(isinstance(part, str) for part in parts):
            raise ConfigError(f"{file}: {kind}.{key}: {value!r} is not of type {wanted.__name__}")
    for key in ("name", "owner"):
        if not str(entry.get(key, "")).strip():
            raise ConfigError(
                f"{file}: a {kind} has no {key}; add one: whatever is in use needs somebody who "
                "answers for it"
            )
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    return Declaration(kind=kind, **values)
