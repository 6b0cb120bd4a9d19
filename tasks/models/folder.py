"""A folder with a model that we trust: where it is, what names it, and that it can carry no code.

Weights are safetensors (or ONNX, OpenVINO), which hold numbers alone; pickled weights and models that bring
their own Python are refused. The manifest of an artefact of our own names every file with its SHA-256, which
is checked before anything is loaded. What a model computes does not belong here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar

from tasks.errors import ModelError
from tasks.files import durable
from tasks.files.bundled import bundled

MANIFEST = "claimledger.json"
"""File that makes a folder one of our own artefacts: {"kind": …, "files": {name: sha256}}."""

IDENTITY = (".json", ".txt", ".model", ".safetensors")
"""Endings of the files that decide what a model computes: configuration, vocabulary, weights."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
Loaded = TypeVar("Loaded")

MAX_MANIFEST_BYTES = 2**20
"""A manifest is a page of JSON; anything larger is not one and is not parsed."""


class Manifest(TypedDict):
    """What `claimledger.json` says of its folder."""

    kind: str
    files: dict[str, str]
    """SHA-256 by file name."""
    weights: NotRequired[str]
    """Name of the file of weights, of a network."""
    premise: NotRequired[str]
    """Which text the network reads first: claim or evidence."""
    temperature: NotRequired[float]


def embedded_models() -> Path:
    """Folder of the artefacts that ship with the project; raises as `bundled`."""
    return bundled("models")


def read_manifest(folder: Path) -> Manifest:
    """The artefact's manifest, after every file it names was found to have the recorded SHA-256.

    Raises:
        ModelError: malformed manifest, missing file, changed bytes (names the file, expected and got).
    """
    file = folder / MANIFEST
    try:
        if file.stat().st_size > MAX_MANIFEST_BYTES:
            raise ModelError(f"{file}: larger than {MAX_MANIFEST_BYTES} bytes, so it is not a manifest")
        manifest: Manifest = json.loads(file.read_bytes())
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
            digest = durable.sha256_file(folder / name)
        except OSError as error:
            raise ModelError(f"{folder / name}: cannot be read ({error.strerror})") from None
        if digest != expected:
            raise ModelError(
                f"{folder / name}: SHA-256 is {digest[:12]}…, expected {str(expected)[:12]}…; the file was "
                "changed or damaged, restore, reinstall or retrain it"
            )


def write_manifest(folder: Path, kind: str, names: Sequence[str], **more: Any) -> None:
    """Records the SHA-256 of the named files beside them; written last, so a torn artefact never loads."""
    digests = {name: durable.sha256_file(folder / name) for name in sorted(names)}
    text = json.dumps({"kind": kind, "files": digests, **more}, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, "utf-8")


def work_offline() -> None:
    """Keeps Hugging Face's libraries, which read this when they are imported, from the network."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")


def locate(
    model: str,
    kind: str,
    *,
    patterns: Sequence[str] = ("*.json", "*.txt", "*.model", "*.safetensors"),
    leave_out: Sequence[str] = (),
    owner: str = "",
) -> Path:
    """The folder of a model: a local one, or what the hub or its local cache has under that id.

    Args:
        model: a folder, or a hub id.
        kind: what the folder is expected to hold, in words.
        patterns: files that are fetched, but those in `leave_out`.
        owner: of hub ids that name none.

    Raises:
        ModelError: a file, or neither a folder nor a model that the hub gives.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        work_offline()
        return folder
    if folder.exists():
        raise ModelError(f"{model}: is a file, expected the folder of {kind}")
    if not _HUB_ID.fullmatch(model):
        raise ModelError(f"{model}: no such folder, and not a hub id; name the folder or hub id of {kind}")
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                model if "/" in model or not owner else f"{owner}/{model}",
                allow_patterns=list(patterns),
                ignore_patterns=list(leave_out),
                local_files_only=os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"),
            )
        )
    except Exception as error:  # noqa: BLE001 - the hub client raises some twenty types
        raise ModelError(
            f"{model}: neither a folder here nor a model that the Hugging Face hub or its local cache gives "
            f"({type(error).__name__}); name a folder, check the id and the network, or remove the key to "
            "use the embedded one"
        ) from None


def read_json(file: Path, model: str) -> Any:
    """What a model's file of JSON says.

    Raises:
        ModelError: missing, unreadable, or a configuration that asks for code of its own.
    """
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{model}: not a model: the folder has no {file.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{model}: {file.name} cannot be read ({type(error).__name__})") from None
    if isinstance(value, dict) and "auto_map" in value:
        raise ModelError(f"{model}: {file.name} asks for remote code (auto_map), which is refused")
    return value


def require_safetensors(weights: Iterable[Path], model: str) -> None:
    """Raises ModelError where none of the files is of weights that cannot carry code."""
    if not any(path.suffix == ".safetensors" for path in weights):
        raise ModelError(
            f"{model}: no weights in safetensors format; pickled weights (.bin, .pt) can run code and are "
            "refused: convert them to safetensors first"
        )


def identity(folder: Path, files: Iterable[Path], prefix: bytes = b"") -> str:
    """Hex SHA-256 over names and bytes of a model's files."""
    state = hashlib.sha256(prefix)
    for path in sorted(files):
        state.update(f"{path.relative_to(folder).as_posix()}\0{durable.sha256_file(path)}\n".encode())
    return state.hexdigest()


def loaded(load: Callable[[], Loaded], model: str) -> Loaded:
    """What `load` returns; whatever a damaged folder makes the libraries raise is one sentence."""
    try:
        return load()
    except Exception as error:  # noqa: BLE001 - they raise anything
        first = str(error).strip().splitlines()[:1]
        raise ModelError(
            f"{model}: the model cannot be loaded ({type(error).__name__}: "
            f"{first[0][:200] if first else 'no reason given'})"
        ) from None
