"""Packs a trained folder as the artefact that scores: int8 ONNX weights, tokenizer, configuration, manifest.

Belongs here: torch to ONNX and its quantisation. Does not belong here: learning (`train.py`), calibration and
fusion (`crossencoder.py`).
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from tasks import network
from tasks.pure.errors import ModelError
from tasks.verifier import LABELS

WEIGHTS = "model.int8.onnx"
OPSET = 18


def export(trained: Path, out: Path, *, name: str = WEIGHTS, quantised: bool = True) -> Path:
    """Writes `out/name` from the safetensors of `trained`; word embeddings and matrices become int8.

    Matrices are quantised per output channel, activations while running (dynamic), which needs no
    calibration rows and keeps the file at a quarter. Weights take 7 of the 8 bits: processors without VNNI
    add pairs of products in 16 bits, which would saturate, and scores would depend on the machine.

    Raises:
        ModelError: weights that are not this network's, or no exporter installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise ModelError(
            "packing a trained model needs the packages onnx and onnxscript; install both"
        ) from None
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = load_network(trained)
    example = (
        torch.tensor([[101, 2000, 102, 2001, 2002, 102], [101, 2000, 102, 2003, 102, 0]]),
        torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]),
        torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0]]),
    )
    out.mkdir(parents=True, exist_ok=True)
    target = out / name
    plain = target.with_name(f"_{target.stem}.fp32.onnx") if quantised else target
    shape = {0: torch.export.Dim("rows", min=1, max=65536), 1: torch.export.Dim("length", min=3, max=512)}
    level = logging.getLogger().level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            torch.onnx.export(
                model,
                example,
                str(plain),
                input_names=["input_ids", "attention_mask", "token_type_ids"],
                output_names=["logits"],
                dynamic_shapes=(shape, shape, shape),
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
            if quantised:
                quantize_dynamic(
                    plain, target, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
                )
                plain.unlink()
        finally:
            logging.disable(logging.NOTSET)
            logging.getLogger().setLevel(level)
    return target


def load_network(trained: Path) -> Any:
    """The trained network in evaluation mode, from safetensors alone.

    Raises:
        ModelError: missing or foreign weights.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, BertConfig, BertModel

    try:
        config = BertConfig.from_pretrained(trained, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(trained, local_files_only=True, trust_remote_code=False)
        encoder = BertModel(config, add_pooling_layer=False)
        model = network.build(encoder, len(LABELS), tokenizer.cls_token_id, tokenizer.sep_token_id)
        model.load_state_dict(load_file(trained / "model.safetensors"))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{trained}: not a trained verifier ({str(error)[:160]})") from None
    return model.eval()
