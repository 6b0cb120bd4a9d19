"""Which implementation a setting means: the top of the room, above everything that computes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import ModelError
from tasks.models.folder import MANIFEST, embedded_models, read_json, read_manifest

if TYPE_CHECKING:
    from tasks.verify.parameters import VerifierSettings
    from tasks.verify.protocol import Verifier

DEFAULT_ARTEFACT = "minilm-l6-claims"
"""Folder of `data/models` that `model = "default"` means."""
WITHDRAWN = "features"
"""Name and kind of a verifier of earlier releases (decision 5)."""


def load(settings: VerifierSettings, *, threads: int = 0) -> Verifier:
    """The verifier that the settings name: an embedded artefact, a local folder or a hub id.

    `default` and the names of folders in `data/models` are embedded artefacts. A folder with a
    `claimledger.json` is an artefact of our own making (`claimledger train`); any other folder or id is a
    Hugging Face sequence-pair classifier. `threads` 0 leaves the choice to the library. Where the settings
    name a calibration, the verifier gives calibrated probabilities under a fingerprint of its own.

    Raises:
        ModelError: missing, changed, malformed or unsafe model, or a calibration that is not its own.
    """
    return under_calibration(_load(settings, threads), settings)


def under_calibration(verifier: Verifier, settings: VerifierSettings) -> Verifier:
    """The verifier with the calibration that the settings name, if they do.

    Raises:
        ModelError: it is not its own.
    """
    if not settings.calibration:
        return verifier
    from tasks.verify.calibration import calibrated

    return calibrated(verifier, Path(settings.calibration))


def measured(settings: VerifierSettings) -> dict[str, object] | None:
    """What its makers measured of a verifier on data that it never learned from; None where nothing came
    with it.

    Of an artefact: `measured` of its manifest (balanced_accuracy, lowest and highest of its `sources`, area,
    calibration_error, rows), before any calibration on a team's own reviews.
    """
    folder = None if settings.backend == "endpoint" else resolve(settings.model)
    if folder is None or not (folder / MANIFEST).is_file():
        return None
    found = read_json(folder / MANIFEST, folder.name).get("measured")
    return found if isinstance(found, dict) else None


def _load(settings: VerifierSettings, threads: int) -> Verifier:
    if settings.backend == "endpoint":
        from tasks.verify.endpoint import Endpoint

        return Endpoint(settings)
    folder = resolve(settings.model)
    if folder is None or not (folder / MANIFEST).is_file():
        from tasks.verify.published import load_classifier

        return load_classifier(settings, threads=threads)
    manifest = read_manifest(folder)
    if manifest["kind"] == "cross-encoder":
        from tasks.verify.artefact import load_artefact

        return load_artefact(folder, manifest, settings, threads=threads)
    if manifest["kind"] == "fused-cross-encoder":
        from tasks.verify.crossencoder import load_cross_encoder

        return load_cross_encoder(folder, manifest, settings, threads=threads)
    if manifest["kind"] == WITHDRAWN:
        raise _withdrawn(str(folder / MANIFEST))
    raise ModelError(
        f"{folder / MANIFEST}: kind {manifest['kind'][:40]!r} is unknown, expected cross-encoder or"
        " fused-cross-encoder"
    )


def resolve(model: str) -> Path | None:
    """Local folder that a model setting means; None for a hub id."""
    if not model or "\x00" in model:
        raise ModelError("verifier.model is empty or holds a NUL; name a folder, a hub id or 'default'")
    if model == "default":
        return embedded_models() / DEFAULT_ARTEFACT
    if "/" not in model and (embedded_models() / model / MANIFEST).is_file():
        return embedded_models() / model
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model == WITHDRAWN:
        raise _withdrawn(f'verifier.model = "{WITHDRAWN}"')
    return None


def _withdrawn(place: str) -> ModelError:
    return ModelError(
        f"{place}: this release no longer has the features verifier, the default judges better; write "
        'model = "default" under [verifier]'
    )
