"""Door to sequence-pair classifiers: Hugging Face models in torch, and ONNX exports of them.

Belongs here: loading safely, reading the label order, running forward passes. Does not belong here: cutting
windows and batches (`verify/windows.py`), which is the same for every backend.

Weights are safetensors or ONNX, which cannot carry code; `trust_remote_code` is never granted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tasks.errors import ModelError
from tasks.verify import windows as cutting
from tasks.verify.labels import Reading, read_labels
from tasks.verify.protocol import Scores, fingerprint
from tasks.verify.windows import Template, WindowParameters

if TYPE_CHECKING:
    from tasks.verify.parameters import VerifierSettings

CODE_VERSION = 2
"""Bump with a change here or in `verify/windows.py` that can change a score."""

TOKENISE_AT_ONCE = 4096
"""Texts per call of the tokeniser: bounds what its Python lists take."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_IDENTITY = (".json", ".txt", ".model", ".safetensors")
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


class Backend(Protocol):
    """A forward pass: padded int64 arrays (rows, length) to float64 logits (rows, classes)."""

    def forward(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Logits of one batch."""
        ...


class PairClassifier:
    """Verifier Protocol over a tokeniser, a backend and a reading of its logits."""

    def __init__(
        self,
        *,
        name: str,
        tokenizer: Any,
        backend: Backend,
        reading: Reading,
        limit: int,
        settings: VerifierSettings,
        identity: str,
        kernel: str,
        temperature: float = 1.0,
    ) -> None:
        self.name = name
        self._tokenizer = tokenizer
        self._backend = backend
        self._reading = reading
        self._temperature = temperature
        self._template = find_template(tokenizer, name)
        self._premise_first = settings.premise == "evidence"
        self._batch_tokens = settings.batch_tokens
        self._windows = WindowParameters(
            max_tokens=min(settings.max_tokens, limit),
            max_windows=settings.max_windows,
            overlap_tokens=settings.overlap_tokens,
        )
        self.fingerprint = fingerprint(
            kind="pair-classifier",
            model=identity,
            max_tokens=self._windows.max_tokens,
            max_windows=settings.max_windows,
            overlap_tokens=settings.overlap_tokens,
            premise=settings.premise,
            kernel=kernel,
            temperature=temperature,
            code=CODE_VERSION,
        )

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """Scores pairs in the order given; equal pairs once, every text tokenised once.

        A pair whose passage needs several windows is supported if one window supports it, and likewise
        contradicted: see `pure/windows.combine`. A pair that does not fit is certainly insufficient.
        """
        texts, claim_at, passage_at, place = cutting.distinct_pairs(claims, passages)
        flat, start, length = self._tokenise(texts)
        repeats = np.bincount(place, minlength=len(claim_at))
        plan = cutting.plan(length[claim_at], length[passage_at], self._template.special, self._windows)
        logits = np.zeros((len(plan.pair), self._reading.classes))
        left = plan.windows.copy()
        if progress and (unread := int(repeats[left == 0].sum())):
            progress(unread)
        claim = (start[claim_at[plan.pair]], length[claim_at[plan.pair]])
        passage = (start[passage_at[plan.pair]] + plan.start, plan.length)
        first, second = (passage, claim) if self._premise_first else (claim, passage)
        padded = cutting.padded(first[1] + second[1] + self._template.special, self._windows.max_tokens)
        for rows in cutting.batches(padded, self._batch_tokens):
            ids, mask, types = self._template.fill(
                flat,
                (first[0][rows], first[1][rows]),
                (second[0][rows], second[1][rows]),
                int(padded[rows[0]]),
            )
            logits[rows] = self._backend.forward(ids, mask, types)
            if progress:
                done = plan.pair[rows]
                np.subtract.at(left, done, 1)
                finished = np.unique(done[left[done] == 0])
                progress(int(repeats[finished].sum()))
        if not np.isfinite(logits).all():
            raise ModelError(f"{self.name}: the model computed NaN or infinity; its weights are damaged")
        probabilities = self._reading.probabilities(logits / self._temperature)
        combined = cutting.combine(probabilities, plan)
        offered = length[claim_at] + length[passage_at]
        # No words on either side: nothing was said, or nothing to hold it against.
        combined[(length[claim_at] == 0) | (length[passage_at] == 0)] = (0.0, 0.0, 1.0)
        return Scores(
            combined[place],
            offered[place].astype(np.int32),
            np.where(plan.windows > 0, offered, 0)[place].astype(np.int32),
            plan.windows[place].astype(np.int32),
        )

    def _tokenise(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All token ids one after the other, and where each text starts and how long it is."""
        parts: list[np.ndarray] = []
        lengths: list[int] = []
        for at in range(0, len(texts), TOKENISE_AT_ONCE):
            encoded = self._tokenizer(
                texts[at : at + TOKENISE_AT_ONCE],
                add_special_tokens=False,
                truncation=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
            lengths += map(len, encoded)
            parts += [np.asarray(ids, np.int64) for ids in encoded]
        length = np.asarray(lengths, np.int64)
        flat = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        return flat, np.cumsum(length) - length, length


def find_template(tokenizer: Any, name: str) -> Template:
    """Special tokens around and between two texts, found by encoding a probe pair.

    Raises:
        ModelError: the tokeniser writes a pair in a way that is not: specials, first, specials, second,
            specials.
    """
    alone = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("first words", "second text")]
    both = tokenizer("first words", "second text", return_token_type_ids=True)
    ids, types = list(both["input_ids"]), list(both.get("token_type_ids") or [0] * len(both["input_ids"]))
    first, second = (list(a) for a in alone)
    for before in range(len(ids) - len(first) - len(second) + 1):
        if ids[before : before + len(first)] != first:
            continue
        middle = before + len(first)
        for after in range(middle, len(ids) - len(second) + 1):
            if ids[after : after + len(second)] == second:
                end = after + len(second)
                return Template(
                    prefix=np.array(ids[:before], np.int64),
                    middle=np.array(ids[middle:after], np.int64),
                    suffix=np.array(ids[end:], np.int64),
                    first_type=types[before],
                    middle_types=np.array(types[middle:after], np.int64),
                    second_type=types[after],
                    pad=int(tokenizer.pad_token_id or 0),
                )
    raise ModelError(
        f"{name}: its tokeniser does not write two texts one after the other; not a pair classifier"
    )


class TorchPairs:
    """Forward passes in torch, on the CPU or a GPU."""

    def __init__(self, model: Any, *, uses_types: bool, device: str = "cpu") -> None:
        self._model = model.to(device)
        self._uses_types = uses_types
        self._device = device

    def forward(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Logits of one batch."""
        import torch

        arguments = {"input_ids": ids, "attention_mask": mask}
        if self._uses_types:
            arguments["token_type_ids"] = types
        with torch.inference_mode():
            given = {name: torch.from_numpy(value).to(self._device) for name, value in arguments.items()}
            answer = self._model(**given)
            logits = answer if isinstance(answer, torch.Tensor) else answer.logits
            return np.asarray(logits.to("cpu", torch.float64).numpy())


class OnnxPairs:
    """Forward passes in ONNX Runtime, for instance of int8 weights."""

    def __init__(self, file: Path, *, threads: int = 0, device: str = "cpu") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        wanted = ["CPUExecutionProvider"]
        if device == "cuda":
            wanted.insert(0, "CUDAExecutionProvider")
        offered = set(onnxruntime.get_available_providers())
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=[name for name in wanted if name in offered]
            )
        except Exception as error:  # noqa: BLE001 - the runtime raises a dozen types of its own
            raise ModelError(f"{file}: ONNX Runtime cannot load it ({type(error).__name__})") from None
        self._inputs = {value.name for value in self._session.get_inputs()}

    def forward(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Logits of one batch."""
        offered = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        given = {name: value for name, value in offered.items() if name in self._inputs}
        return np.asarray(self._session.run(None, given)[0], np.float64)


class OpenVinoPairs:
    """Forward passes in OpenVINO, which the user has installed."""

    def __init__(self, file: Path, *, kernel: str, threads: int = 0) -> None:
        try:
            import openvino
        except ImportError:
            raise ModelError(
                f"{file}: loading it needs the package openvino, which is not installed; install it, or set "
                "verifier.backend to torch or onnx"
            ) from None
        # Left to itself it takes bfloat16 where the processor has it, whatever the settings say.
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if kernel == "bfloat16" else "f32",
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }
        try:
            self._model = openvino.Core().compile_model(str(file), "CPU", options)
        except Exception as error:  # noqa: BLE001 - the runtime raises types of its own
            raise ModelError(f"{file}: OpenVINO cannot load it ({type(error).__name__})") from None
        self._inputs = {port.any_name for port in self._model.inputs}

    def forward(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Logits of one batch."""
        offered = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        given = {name: value for name, value in offered.items() if name in self._inputs}
        return np.asarray(self._model(given)[0], np.float64)


def load_classifier(settings: VerifierSettings, *, threads: int = 0) -> PairClassifier:
    """A sequence-pair classifier by local folder or hub id: in torch, ONNX Runtime or OpenVINO.

    Raises:
        ModelError: no such model, not a sequence classifier, unknown labels, no weights of the backend, own
            code, weights that do not fill the model.
    """
    name = settings.model
    folder = _locate(name, settings.backend)
    config = _config(folder, name)
    reading = read_labels(config, name)
    chosen, file = _weights(folder, name, settings)
    kernel, device = choose(settings)
    if kernel == "int8":
        raise ModelError(f"{name}: dtype int8 is for the embedded network; use auto, bfloat16 or float32")
    backend: Backend
    if chosen == "torch":
        tokenizer, model = _load(folder, name, kernel, threads)
        uses_types = int(config.get("type_vocab_size") or 0) > 1
        backend = TorchPairs(model, uses_types=uses_types, device=device)
        identity, kernel = _identity(folder), f"torch-{device}-{kernel}"
    else:
        tokenizer = _tokenizer(folder, name)
        backend = (
            OnnxPairs(file, threads=threads, device=device)
            if chosen == "onnx"
            else OpenVinoPairs(file, kernel=kernel, threads=threads)
        )
        identity = _identity(folder, file)
        kernel = "onnx" if chosen == "onnx" else f"openvino-{kernel}"
    return PairClassifier(
        name=name,
        tokenizer=tokenizer,
        backend=backend,
        reading=reading,
        limit=_limit(config, tokenizer),
        settings=settings,
        identity=identity,
        kernel=kernel,
    )


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


def choose(settings: VerifierSettings, *, embedded: bool = False) -> tuple[str, str]:
    """(kernel, device) of torch: what the settings say, else the fastest here.

    A GPU computes in bfloat16. On a CPU, a foreign model is not quantised unasked.

    Raises:
        ModelError: a device that is not there.
    """
    import torch

    from tasks.models import kernels

    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise ModelError("verifier.device is cuda, and torch finds no GPU here; use auto or cpu")
    if settings.dtype == "int8" and device != "cpu":
        raise ModelError("verifier.dtype is int8, which is computed on the CPU; set verifier.device to cpu")
    if settings.dtype != "auto":
        return settings.dtype, device
    fastest = "bfloat16" if device == "cuda" else kernels.fastest()
    return ("float32" if fastest == "int8" and not embedded else fastest), device


def load_artefact(
    folder: Path, manifest: dict[str, Any], settings: VerifierSettings, *, threads: int = 0
) -> PairClassifier:
    """An artefact of our own training: packed weights, tokeniser, configuration, temperature.

    `verifier.read_manifest` has checked every file's digest. The manifest says `weights` (file name),
    `premise` and `temperature`; the labels stand in `config.json` as with any other model.

    Raises:
        ModelError: malformed artefact.
    """
    config = _config(folder, folder.name)
    weights, temperature = manifest.get("weights"), manifest.get("temperature", 1.0)
    if not isinstance(weights, str) or weights not in manifest["files"]:
        raise ModelError(f"{folder}: the manifest names no weights; train it again")
    if not isinstance(temperature, int | float) or not temperature > 0:
        raise ModelError(f"{folder}: the manifest's temperature is no positive number; train it again")
    tokenizer = _tokenizer(folder, folder.name)
    chosen, device = choose(settings, embedded=True)
    return PairClassifier(
        name=folder.name,
        tokenizer=tokenizer,
        backend=_embedded(folder, weights, chosen, device, threads),
        reading=read_labels(config, folder.name),
        limit=_limit(config, tokenizer),
        settings=replace(settings, premise=manifest.get("premise", settings.premise)),
        identity=fingerprint(files=manifest["files"]),
        kernel=f"torch-{device}-{chosen}",
        temperature=float(temperature),
    )


def _embedded(folder: Path, weights: str, kernel: Any, device: str, threads: int) -> TorchPairs:
    import torch

    from tasks.verify import export

    if threads:
        torch.set_num_threads(threads)
    return TorchPairs(export.load_network(folder, weights, kernel), uses_types=True, device=device)


def _locate(name: str, backend: str = "auto") -> Path:
    folder = Path(name).expanduser()
    if folder.is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        return folder
    if folder.exists():
        raise ModelError(f"{name}: is a file, expected the folder of a sequence-pair classifier")
    if not _HUB_ID.fullmatch(name):
        raise ModelError(f"{name}: no such folder, and not a hub id; name a folder, a hub id or 'default'")
    from huggingface_hub import snapshot_download

    try:
        weights = _FETCHED["torch" if backend == "auto" else backend]
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.model", *weights]))
    except Exception as error:  # noqa: BLE001 - the hub client raises some twenty types
        raise ModelError(
            f"{name}: neither a folder here nor a model that the Hugging Face hub or its local cache gives "
            f"({type(error).__name__}); name a folder, or check the id and the network"
        ) from None


def _config(folder: Path, name: str) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{name}: not a model, the folder has no config.json") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{name}: config.json cannot be read ({type(error).__name__})") from None
    if not isinstance(config, dict):
        raise ModelError(f"{name}: config.json is not an object")
    if "auto_map" in config:
        raise ModelError(f"{name}: config.json asks for remote code (auto_map), which is refused")
    kinds = config.get("architectures") or []
    if not any(str(kind).endswith("ForSequenceClassification") for kind in kinds):
        raise ModelError(
            f"{name}: architectures is {str(kinds)[:80]}, expected one that ends in ForSequenceClassification"
        )
    return config


def _load(folder: Path, name: str, kernel: str, threads: int) -> tuple[Any, Any]:
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{name}: no weights in safetensors format; pickled weights (.bin, .pt) can run code and are "
            "refused, convert them with safetensors first"
        )
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if threads:
        torch.set_num_threads(threads)

    def load() -> tuple[Any, Any, dict[str, Any]]:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.bfloat16 if kernel == "bfloat16" else torch.float32,
            output_loading_info=True,
        )
        return tokenizer, model.eval(), info

    tokenizer, model, info = _quietly(load, name)
    lacking = sorted(str(key) for key in info.get("missing_keys", ()))
    if lacking:
        # transformers would fill them with random numbers and go on.
        raise ModelError(
            f"{name}: the weights lack {len(lacking)} tensors of the model, first {lacking[0]}; "
            "it was not trained as a classifier"
        )
    return tokenizer, model


def _tokenizer(folder: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    return _quietly(
        lambda: AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True), name
    )


def _quietly(load: Callable[[], Any], name: str) -> Any:
    try:
        return load()
    except Exception as error:  # noqa: BLE001 - whatever a damaged folder makes the libraries raise
        first = str(error).strip().splitlines()[:1]
        raise ModelError(
            f"{name}: the model cannot be loaded ({type(error).__name__}: "
            f"{first[0][:200] if first else 'no reason given'})"
        ) from None


def _limit(config: dict[str, Any], tokenizer: Any) -> int:
    """Longest input: what positions and tokeniser allow."""
    positions = int(config.get("max_position_embeddings") or 0)
    if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer"):
        positions -= int(config.get("pad_token_id") or 0) + 1  # their positions count from past the padding
    limits = [value for value in (positions, int(min(tokenizer.model_max_length, 10**6))) if value > 0]
    return min(limits)


def _identity(folder: Path, weights: Path | None = None) -> str:
    """Digest over configuration, tokeniser and weights: those of torch, or of one other file."""
    files = [p for p in folder.iterdir() if p.suffix in _IDENTITY]
    if weights:
        beside = (weights, weights.with_suffix(".bin"), weights.with_name(weights.name + "_data"))
        files = [p for p in files if p.suffix != ".safetensors"] + [p for p in beside if p.is_file()]
    state = hashlib.sha256()
    for path in sorted(files):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        state.update(f"{path.relative_to(folder)}\0{digest}\n".encode())
    return state.hexdigest()
