"""Which implementation a setting means: the top of the room, above everything that computes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import ModelError
from tasks.models.folder import MANIFEST, embedded_models, read_manifest

if TYPE_CHECKING:
    from tasks.evidence.models import Embedder
    from tasks.verify.parameters import VerifierSettings
    from tasks.verify.protocol import Verifier

DEFAULT_ARTEFACT = "minilm-l6-claims"
"""Folder of `data/models` that `model = "default"` means."""


def load(settings: VerifierSettings, *, threads: int = 0, embedder: Embedder | None = None) -> Verifier:
    """The verifier that the settings name: an embedded artefact, a local folder or a hub id.

    `default` and the names of folders in `data/models` are embedded artefacts. A folder with a
    `claimledger.json` is an artefact of our own making (`claimledger train`); any other folder or id is a
    Hugging Face sequence-pair classifier. `threads` 0 leaves the choice to the library; `embedder` is used
    where the artefact was fitted with that one, so that its cache serves both. Where the settings name a
    calibration, the verifier gives calibrated probabilities under a fingerprint of its own.

    Raises:
        ModelError: missing, changed, malformed or unsafe model, or a calibration that is not its own.
    """
    verifier = _load(settings, threads, embedder)
    if not settings.calibration:
        return verifier
    from tasks.verify.calibrated import calibrated

    return calibrated(verifier, Path(settings.calibration))


def _load(settings: VerifierSettings, threads: int, embedder: Embedder | None) -> Verifier:
    if settings.backend == "endpoint":
        from tasks.verify.endpoint import load_endpoint

        return load_endpoint(settings)
    folder = resolve(settings.model)
    if folder is None or not (folder / MANIFEST).is_file():
        from tasks.verify.classifiers import load_classifier

        return load_classifier(settings, threads=threads)
    manifest = read_manifest(folder)
    kind = manifest["kind"]
    if kind == "features":
        from tasks.verify.features import load_features

        return load_features(folder, manifest, settings, threads=threads, embedder=embedder)
    if kind == "cross-encoder":
        from tasks.verify.classifiers import load_artefact

        return load_artefact(folder, manifest, settings, threads=threads)
    if kind == "fused-cross-encoder":
        from tasks.verify.crossencoder import load_cross_encoder

        return load_cross_encoder(folder, manifest, settings, threads=threads)
    raise ModelError(
        f"{folder / MANIFEST}: kind {str(kind)[:40]!r} is unknown, expected features, cross-encoder or"
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
    return path if path.is_dir() else None
