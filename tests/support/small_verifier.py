"""A verifier of a few thousand weights: the real files and the real code path, without the default's time.

Its network's weights are drawn from a seed and say next to nothing. Its fusion is written by hand: a claim is
supported where one piece of the evidence holds all its words, contradicted where a word of it differs, and
insufficient where most are missing.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tasks.models.folder import MANIFEST
from tasks.verify import crossencoder
from tasks.verify.crossencoder import INPUTS, Fusion
from tasks.verify.parameters import VerifierSettings
from tasks.verify.selection import SelectionParameters
from tasks.verify.softmax import Softmax
from training.artefact import TRAINED, export_network, write_artefact

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "is", "has", "was", "are", *"0123456789.")


def small_verifier() -> VerifierSettings:
    """Settings that name it; its folder is made once a process."""
    return VerifierSettings(model=str(small_folder()))


@cache
def small_folder() -> Path:
    """Its folder."""
    scratch = tempfile.mkdtemp(prefix="claimledger-small-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    folder = Path(scratch) / "small"
    write_network(folder)
    export_network(folder, folder)
    (folder / TRAINED).unlink()
    write_artefact(folder, Fusion(_by_hand(), 1.0, {}, 1.0, SelectionParameters()))
    return folder


def at_temperature(folder: Path, temperature: float, artefact: Path | None = None) -> VerifierSettings:
    """It, or another artefact, at another temperature: other fingerprint and scores, same verdicts."""
    place = folder / f"verifier-{temperature}"
    return _with_fusion(artefact or small_folder(), place, temperature=temperature)


def that_supports_nothing(folder: Path) -> VerifierSettings:
    """It with a fusion that finds no claim supported: another fingerprint and other verdicts."""
    softmax = _by_hand().to_lists()
    softmax["weights"][-1][0] = -30.0
    return _with_fusion(small_folder(), folder / "verifier-that-supports-nothing", softmax=softmax)


def _with_fusion(artefact: Path, place: Path, **values: object) -> VerifierSettings:
    """A copy of the artefact at `place` whose fusion has these values."""
    shutil.copytree(artefact, place)
    file = place / crossencoder.FUSION_FILE
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **values}))
    manifest = json.loads((place / MANIFEST).read_bytes())
    manifest["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (place / MANIFEST).write_text(json.dumps(manifest))
    return VerifierSettings(model=str(place))


def write_network(folder: Path) -> None:
    """A folder as `training.train` leaves it: weights, configuration, tokeniser."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from tasks.verify.network import PairNetwork

    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    vocabulary = {word: place for place, word in enumerate(WORDS)}
    tokenizer = BertTokenizerFast(vocab=vocabulary, model_max_length=512)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = PairNetwork(
            BertModel(config, add_pooling_layer=False), tokenizer.cls_token_id, tokenizer.sep_token_id
        )
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file(network.state_dict(), folder / TRAINED)


def _by_hand() -> Softmax:
    """Over s = 20 (share of the claim's words in the best piece) - 18, cut at 4 to both sides.

    Logits: supported 2.5 s, contradicted -3 - 8 s - 2 s², insufficient 1; the network adds a little.
    """
    count, share, network = len(INPUTS), INPUTS.index("coverage_best"), INPUTS.index("log_supported")
    mean, scale = np.zeros(count), np.ones(count)
    mean[share], scale[share] = 0.9, 0.05
    first, second = np.triu_indices(count)
    square = count + int(np.flatnonzero((first == share) & (second == share))[0])
    weights = np.zeros((count + len(first) + 1, 3))
    weights[network, 0] = 0.05
    weights[share] = (2.5, -8.0, 0.0)
    weights[square, 1] = -2.0
    weights[-1] = (0.0, -3.0, 1.0)
    return Softmax(mean, scale, weights, clip=4.0)
