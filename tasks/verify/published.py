"""Published sequence-pair classifiers: what their files say, and which weights are taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import ModelError
from tasks.models.folder import IDENTITY, identity, locate, read_json
from tasks.verify.labels import read_labels
from tasks.verify.pair_classifier import Backend, Model, PairClassifier, Tokenizer

if TYPE_CHECKING:
    from tasks.models.kernels import Kernel
    from tasks.verify.parameters import VerifierSettings

_PLACES = {
    "onnx": ("onnx/model.onnx", "model.onnx"),
    "openvino": ("openvino/openvino_model.xml", "openvino_model.xml"),
}
"""Where sentence-transformers puts the weights of its other backends."""
_FETCHED = {
    "torch": ("*.safetensors",),
    "onnx": ("*.onnx", "*.onnx_data", "onnx/*.onnx", "onnx/*.onnx_data"),
    "openvino": ("openvino*.xml", "openvino*.bin", "openvino/*.xml", "openvino/*.bin"),
}


def load_classifier(settings: VerifierSettings, *, threads: int = 0) -> PairClassifier:
    """A sequence-pair classifier by local folder or hub id: in torch, ONNX Runtime or OpenVINO.

    Raises:
        ModelError: no such model, not a sequence classifier, unknown labels, no weights of the backend, own
            code, weights that do not fill the model.
    """
    name = settings.model
    fetched = _FETCHED["torch" if settings.backend == "auto" else settings.backend]
    patterns = ("*.json", "*.txt", "*.model", *fetched)
    folder = locate(name, "a sequence-pair classifier", patterns=patterns)
    config = read_config(folder, name)
    reading = read_labels(config, name)
    runtime, file = _weights(folder, name, settings)
    from tasks.verify import torch_pairs

    kernel, device = torch_pairs.choose(settings)
    if kernel == "int8":
        raise ModelError(f"{name}: dtype int8 is for the embedded network; use auto, bfloat16 or float32")
    torch_pairs.use_threads(threads)
    uses_types = int(config.get("type_vocab_size") or 0) > 1
    if runtime == "torch":
        weights = torch_pairs.load_classifier_weights(file, name, kernel)
        backend: Backend = torch_pairs.TorchPairs(weights, uses_types=uses_types, device=device)
    else:
        backend = _exported(runtime, file, kernel, device=device, threads=threads)
    tokenizer = torch_pairs.load_tokenizer(folder, name)
    model = Model(
        name=name,
        tokenizer=tokenizer,
        backend=backend,
        reading=reading,
        limit=longest_input(config, tokenizer),
        identity=_identity(folder, None if runtime == "torch" else file),
        kernel={
            "torch": f"torch-{device}-{kernel}",
            "onnx": "onnx",
            "openvino": f"openvino-{kernel}",
        }[runtime],
    )
    return PairClassifier(model, settings)


def _exported(runtime: str, file: Path, kernel: Kernel, *, device: str, threads: int) -> Backend:
    from tasks.verify.runtimes import OnnxPairs, OpenVinoPairs

    if runtime == "onnx":
        return OnnxPairs(file, threads=threads, device=device)
    return OpenVinoPairs(file, kernel=kernel, threads=threads)


def _weights(folder: Path, name: str, settings: VerifierSettings) -> tuple[str, Path]:
    """(backend, file of its weights); the file is the folder itself for torch."""
    if settings.backend == "torch" or (settings.backend == "auto" and any(folder.glob("*.safetensors"))):
        return "torch", folder
    if settings.weights_file:
        file = folder / settings.weights_file
        backend = {".onnx": "onnx", ".xml": "openvino"}.get(file.suffix, "")
        if settings.backend not in ("auto", backend) or not backend:
            raise ModelError(f"{name}: weights_file {settings.weights_file!r} is not of {settings.backend}")
        if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
            raise ModelError(f"{name}: has no file {settings.weights_file!r}")
        return backend, file
    for backend in ("onnx", "openvino") if settings.backend == "auto" else (settings.backend,):
        usual = [folder / place for place in _PLACES[backend] if (folder / place).is_file()]
        suffix = Path(_PLACES[backend][0]).suffix
        found = usual[:1] or sorted([*folder.glob(f"*{suffix}"), *folder.glob(f"{backend}/*{suffix}")])
        if len(found) > 1:
            shown = ", ".join(str(file.relative_to(folder)) for file in found[:6])
            raise ModelError(f"{name}: has several {backend} files ({shown}); name one in weights_file")
        if found:
            return backend, found[0]
    if settings.backend != "auto":
        raise ModelError(f"{name}: has no {settings.backend} file, expected {_PLACES[settings.backend][0]}")
    return "torch", folder


def read_config(folder: Path, name: str) -> Mapping[str, Any]:
    """config.json of a sequence-pair classifier.

    Raises:
        ModelError: missing, malformed, of another kind of model, or asking for remote code.
    """
    config: object = read_json(folder / "config.json", name)
    if not isinstance(config, dict):
        raise ModelError(f"{name}: config.json is not an object")
    kinds = config.get("architectures") or []
    if not any(str(kind).endswith("ForSequenceClassification") for kind in kinds):
        raise ModelError(
            f"{name}: architectures is {str(kinds)[:80]}, expected one that ends in ForSequenceClassification"
        )
    return config


def longest_input(config: Mapping[str, Any], tokenizer: Tokenizer) -> int:
    """Longest input: what positions and tokeniser allow."""
    positions = int(config.get("max_position_embeddings") or 0)
    if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer"):
        positions -= int(config.get("pad_token_id") or 0) + 1  # their positions count from past the padding
    limits = [value for value in (positions, int(min(tokenizer.model_max_length, 10**6))) if value > 0]
    return min(limits)


def _identity(folder: Path, weights: Path | None = None) -> str:
    """Digest over configuration, tokeniser and weights: those of torch, or of one other file."""
    files = [path for path in folder.iterdir() if path.suffix in IDENTITY]
    if weights:
        beside = (weights, weights.with_suffix(".bin"), weights.with_name(weights.name + "_data"))
        files = [path for path in files if path.suffix != ".safetensors"] + [p for p in beside if p.is_file()]
    return identity(folder, files)
