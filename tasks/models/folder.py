"""A folder with a model that we trust: a manifest names every file with its SHA-256, checked before loading.

Belongs here: the manifest, and where the artefacts that ship with the project are. Does not belong here: what
a model computes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from tasks.errors import ModelError

MANIFEST = "claimledger.json"
"""File that makes a folder one of our own artefacts: {"kind": …, "files": {name: sha256}}."""

MAX_MANIFEST_BYTES = 2**20
"""A manifest is a page of JSON; anything larger is not one and is not parsed."""


def embedded_models() -> Path:
    """Folder of the artefacts that ship with the project."""
    return Path(str(files("tasks"))).parent / "data" / "models"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The artefact's manifest, after every file it names was found to have the recorded SHA-256.

    Raises:
        ModelError: malformed manifest, missing file, changed bytes (names the file, expected and got).
    """
    file = folder / MANIFEST
    try:
        if file.stat().st_size > MAX_MANIFEST_BYTES:
            raise ModelError(f"{file}: larger than {MAX_MANIFEST_BYTES} bytes, so not a manifest")
        manifest: dict[str, Any] = json.loads(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{file}: not JSON; train the artefact again") from None
    recorded = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(recorded, dict) or not recorded or not isinstance(manifest.get("kind"), str):
        raise ModelError(f"{file}: expected an object with `kind` and `files`; train the artefact again")
    check_digests(folder, recorded)
    return manifest


def check_digests(folder: Path, recorded: Mapping[str, Any]) -> None:
    """Raises ModelError where a recorded file is missing, outside the folder or has other bytes."""
    for name, expected in recorded.items():
        if Path(name).name != name:
            raise ModelError(f"{folder / MANIFEST}: {name!r} is not a plain file name")
        try:
            with (folder / name).open("rb") as stream:
                got = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{folder / name}: cannot be read ({error.strerror})") from None
        if got != expected:
            raise ModelError(
                f"{folder / name}: SHA-256 is {got[:12]}…, the manifest records {str(expected)[:12]}…;"
                " the file was changed, restore or train it again"
            )


def write_manifest(folder: Path, kind: str, names: Sequence[str], **more: Any) -> None:
    """Records the SHA-256 of the named files beside them; written last, so a torn artefact never loads."""
    digests = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in sorted(names)}
    text = json.dumps({"kind": kind, "files": digests, **more}, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, "utf-8")
