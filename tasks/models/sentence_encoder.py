"""A BERT sentence encoder of our own packing: 10 bits a weight in the layers, 8 in the word embeddings.

Belongs here: reading such a folder, and texts into pooled vectors. Does not belong here: packing
(`training/pack_encoder.py`), windows, batches and caches (`evidence/`).

A packed matrix is three tensors. NAME holds the upper 8 bits of every weight, int8 (n, k). NAME.low holds the
lower two bits of four weights in a byte, (n, k / 4); where it is missing, a weight has 8 bits. NAME.scale,
float16 (n, groups), is what one step is worth in each group of neighbouring weights of a row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, BertModel
from transformers.initialization import no_init_weights

from tasks.errors import ModelError
from tasks.models import kernels
from tasks.models.folder import read_json

KIND = "sentence-encoder"
WEIGHTS = "model.packed.safetensors"
WINDOW_FILE = "sentence_bert_config.json"
"""Says how many tokens the model reads, as with sentence-transformers."""
LOW, SCALE = ".low", ".scale"


class Parts(NamedTuple):
    """A packed matrix."""

    high: torch.Tensor
    low: torch.Tensor | None
    scale: torch.Tensor


def unpack_matrix(parts: Parts) -> torch.Tensor:
    """(n, k) float32.

    Raises:
        ValueError: parts of different sizes.
    """
    rows, columns = parts.high.shape
    steps = parts.high.float()
    if parts.low is not None:
        low = (parts.low.unsqueeze(2) >> torch.tensor([0, 2, 4, 6], dtype=torch.uint8)) & 3
        steps = steps * 4 + low.reshape(rows, columns)
    groups = parts.scale.shape[1]
    return (steps.view(rows, groups, columns // groups) * parts.scale.float().unsqueeze(2)).view(
        rows, columns
    )


def load_bert(folder: Path, **config: Any) -> BertModel:
    """The encoder in float32, without its pooling layer.

    Args:
        folder: a packed folder whose digests were checked.
        config: values that take the place of those in config.json.

    Raises:
        ValueError, RuntimeError, OSError: missing or foreign weights.
    """
    stored = load_file(folder / WEIGHTS)
    state = {
        name: unpack_matrix(Parts(value, stored.get(name + LOW), stored[name + SCALE]))
        if name + SCALE in stored
        else value.float()
        for name, value in stored.items()
        if not name.endswith((LOW, SCALE))
    }
    settings = BertConfig.from_pretrained(folder, local_files_only=True, **config)
    with no_init_weights():  # drawing weights that are replaced at once takes longer than reading them
        model = BertModel(settings, add_pooling_layer=False)
    model.load_state_dict(state)
    return model.eval()


class SentenceEncoder:
    """Texts into the mean of their tokens' hidden states, of unit length; to be asked as the library's own.

    `narrow`: products in bfloat16, else in float32.
    """

    def __init__(self, folder: Path, *, narrow: bool) -> None:
        bert = load_bert(folder).requires_grad_(requires_grad=False)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self.max_seq_length = int(read_json(folder / WINDOW_FILE, folder.name)["max_seq_length"])
        self._bert = kernels.Encoder(bert, "bfloat16" if narrow else "float32")

    def __getitem__(self, number: int) -> SentenceEncoder:
        """The first of the library's modules reads; ours is one."""
        if number:
            raise IndexError(number)
        return self

    @torch.inference_mode()
    def encode(self, texts: list[str], *, prompt: str | None = None, **_: Any) -> Any:
        """(n, width) float32 NumPy array of unit rows, in one batch."""
        texts = [f"{prompt}{text}" for text in texts] if prompt else texts
        limits = {"padding": True, "truncation": True, "max_length": self.max_seq_length}
        batch = self.tokenizer(texts, return_tensors="pt", **limits)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        hidden = self._bert(ids, mask, torch.zeros_like(ids)).last_hidden_state
        weights = mask.unsqueeze(2).to(hidden.dtype)
        pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return torch.nn.functional.normalize(pooled, dim=1).numpy()

    encode_query = encode_document = encode


def load_sentence_encoder(folder: Path, *, narrow: bool, threads: int = 0) -> SentenceEncoder:
    """The encoder of a packed folder whose digests were checked.

    Raises:
        ModelError: weights, tokenizer or configuration that are not a packed encoder's.
    """
    if threads:
        torch.set_num_threads(threads)
    try:
        return SentenceEncoder(folder, narrow=narrow)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: not a packed sentence encoder ({str(error)[:160]})") from None
