"""The network of an artefact of our own training: packed weights, tokeniser, configuration, temperature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import ModelError
from tasks.verify.labels import read_labels
from tasks.verify.pair_classifier import Model, PairClassifier
from tasks.verify.protocol import fingerprint
from tasks.verify.published import longest_input, read_config

if TYPE_CHECKING:
    from tasks.models.folder import Manifest
    from tasks.verify.parameters import VerifierSettings


def load_artefact(
    folder: Path, manifest: Manifest, settings: VerifierSettings, *, threads: int = 0
) -> PairClassifier:
    """The network of a folder whose digests `read_manifest` has checked.

    The manifest says `weights` (file name), `premise` and `temperature`; the labels are in `config.json` as
    with any other model.

    Raises:
        ModelError: malformed artefact.
    """
    config = read_config(folder, folder.name)
    weights, temperature = manifest.get("weights"), manifest.get("temperature", 1.0)
    if not isinstance(weights, str) or weights not in manifest["files"]:
        raise ModelError(f"{folder}: the manifest names no weights; train it again")
    if not isinstance(temperature, int | float) or not temperature > 0:
        raise ModelError(f"{folder}: the manifest's temperature is not a positive number; train it again")
    from tasks.verify import network, torch_pairs

    kernel, device = torch_pairs.choose(settings, embedded=True)
    torch_pairs.use_threads(threads)
    tokenizer = torch_pairs.load_tokenizer(folder, folder.name)
    computed = network.load_network(folder, weights, kernel)
    model = Model(
        name=folder.name,
        tokenizer=tokenizer,
        backend=torch_pairs.TorchPairs(computed, uses_types=True, device=device),
        reading=read_labels(config, folder.name),
        limit=longest_input(config, tokenizer),
        identity=fingerprint(files=manifest["files"]),
        kernel=f"torch-{device}-{kernel}",
        temperature=float(temperature),
    )
    return PairClassifier(model, settings, premise=manifest.get("premise", ""))
