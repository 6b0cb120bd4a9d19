"""Packs a trained folder as the artefact that scores, and loads either: int8 weights in safetensors.

Belongs here: the network's weights on disk. Does not belong here: learning (`train.py`), how it computes
(`kernels.py`), calibration and fusion (`crossencoder.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import ModelError
from tasks.tables import VERDICTS
from tasks.verify import network

if TYPE_CHECKING:
    from tasks.models.kernels import Kernel

WEIGHTS = "model.int8.safetensors"
TRAINED = "model.safetensors"


def export(trained: Path, out: Path, *, name: str = WEIGHTS) -> Path:
    """Writes `out/name` from the safetensors of `trained`: a quarter of the size, a second of work.

    Matrices of the encoder become int8 with a scale per row, so that the same file serves every kernel:
    int8 as it is, bfloat16 and float32 from it.

    Raises:
        ModelError: weights that are not this network's.
    """
    from safetensors.torch import save_file

    from tasks.models import kernels

    state = load_network(trained).state_dict()
    out.mkdir(parents=True, exist_ok=True)
    save_file(kernels.pack({name: value for name, value in state.items() if value.numel()}), out / name)
    return out / name


def load_network(folder: Path, weights: str = TRAINED, kernel: Kernel | None = None) -> Any:
    """The network in evaluation mode, from safetensors alone.

    Args:
        folder: weights, `config.json` and tokeniser.
        weights: name of the file, trained or packed.
        kernel: computes with; None is the plain float32 module, as for training.

    Raises:
        ModelError: missing or foreign weights.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, BertConfig, BertModel

    from tasks.models import kernels

    try:
        config = BertConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        encoder = BertModel(config, add_pooling_layer=False)
        model = network.build(encoder, len(VERDICTS), tokenizer.cls_token_id, tokenizer.sep_token_id)
        model.load_state_dict(kernels.unpack(load_file(folder / weights)))
        model.eval().requires_grad_(requires_grad=False)
        if kernel is not None:
            model.encoder = kernels.Encoder(model.encoder, kernel)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: not a trained verifier ({str(error)[:160]})") from None
    return model
