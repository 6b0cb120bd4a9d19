"""Door to torch and transformers: tokenisers, published classifiers, forward passes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from tasks.errors import ModelError
from tasks.models import kernels
from tasks.models.folder import loaded, require_safetensors
from tasks.models.kernels import Kernel
from tasks.verify.pair_classifier import Tokenizer

if TYPE_CHECKING:
    from tasks.verify.parameters import VerifierSettings


class TorchPairs:
    """Forward passes in torch, on the CPU or a GPU."""

    def __init__(self, model: nn.Module, *, uses_types: bool, device: str = "cpu") -> None:
        self._model = model.to(device)
        self._uses_types = uses_types
        self._device = device

    def forward(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Logits of one batch."""
        arguments = {"input_ids": ids, "attention_mask": mask}
        if self._uses_types:
            arguments["token_type_ids"] = types
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(value).to(self._device) for name, value in arguments.items()}
            answer = self._model(**tensors)
            logits = answer if isinstance(answer, torch.Tensor) else answer.logits
            return np.asarray(logits.to("cpu", torch.float64).numpy())


def use_threads(count: int) -> None:
    """How many threads torch computes with; 0 leaves the choice to it."""
    if count:
        torch.set_num_threads(count)


def choose(settings: VerifierSettings, *, embedded: bool = False) -> tuple[Kernel, str]:
    """(kernel, device) of torch: what the settings say, else the fastest here.

    A GPU computes in bfloat16. On a CPU, a foreign model is not quantised unasked.

    Raises:
        ModelError: a device that is not there.
    """
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise ModelError("verifier.device is cuda, and torch finds no GPU here; use auto or cpu")
    if settings.dtype == "int8" and device != "cpu":
        raise ModelError("verifier.dtype is int8, which is computed on the CPU; set verifier.device to cpu")
    if settings.dtype != "auto":
        return settings.dtype, device
    if device == "cuda":
        return "bfloat16", device
    return (kernels.fastest() if embedded else kernels.fastest_float()), device


def load_classifier_weights(folder: Path, name: str, kernel: Kernel) -> nn.Module:
    """A published classifier in evaluation mode.

    Raises:
        ModelError: no safetensors, or weights that do not fill the model.
    """
    require_safetensors(folder.iterdir(), name)
    logging.disable_progress_bar()
    logging.set_verbosity_error()

    def load() -> tuple[nn.Module, dict[str, list[str]]]:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.bfloat16 if kernel == "bfloat16" else torch.float32,
            output_loading_info=True,
        )
        return model.eval(), info

    model, info = loaded(load, name)
    lacking = sorted(str(key) for key in info.get("missing_keys", ()))
    if lacking:
        # transformers would fill them with random numbers and go on.
        raise ModelError(
            f"{name}: the weights lack {len(lacking)} tensors of the model, first {lacking[0]}; "
            "it was not trained as a classifier"
        )
    return model


def load_tokenizer(folder: Path, name: str) -> Tokenizer:
    """The tokeniser of a folder.

    Raises:
        ModelError: it cannot be loaded.
    """

    def load() -> Tokenizer:
        tokenizer: Tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        return tokenizer

    return loaded(load, name)
