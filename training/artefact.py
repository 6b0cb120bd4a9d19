"""From a trained network to the artefact that scores: int8 weights, and a fusion fitted on rows it never saw.

How the fusion is fitted: `fusion.py`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.torch import save_file

from tasks.models import kernels
from tasks.models.folder import Manifest, write_manifest
from tasks.tables import VERDICTS
from tasks.verify import crossencoder, metrics, selection
from tasks.verify.artefact import load_artefact
from tasks.verify.crossencoder import Fusion
from tasks.verify.network import load_network
from tasks.verify.parameters import VerifierSettings
from tasks.verify.protocol import Verifier
from tasks.verify.softmax import Softmax
from training import fusion

WEIGHTS = "model.int8.safetensors"
TRAINED = "model.safetensors"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class PackParameters:
    """What the fit takes from its rows."""

    rows_per_dataset: int = 500
    """A logistic model of a few hundred weights over a dozen data sets needs no more of each."""
    vocabulary: int = 6000
    """Stems with a weight of their own; rarer ones share the weight of the unknown."""


@dataclass(frozen=True)
class Packed:
    """The artefact's folder and what fitting measured; `values` and `probabilities` are the frame's."""

    folder: Path
    frame: pl.DataFrame
    values: np.ndarray
    probabilities: np.ndarray
    """(n, 3), each row by a fusion that never saw the row's data set."""
    figures: dict[str, Any]


def pack(
    trained: Path,
    labelled: pl.DataFrame,
    out: Path,
    *,
    parameters: PackParameters | None = None,
    threads: int = 0,
    progress: Callable[[int], None] | None = None,
    **about: Any,
) -> Packed:
    """Exports `trained` to int8, fits fusion and temperature on the labelled rows, writes the artefact.

    Args:
        trained: folder of `train`.
        labelled: `claim`, `evidence`, `label`, `dataset` of rows that the network did not learn from.
        out: gets weights, tokenizer, configuration, `fusion.json` and the manifest, which is written last.
        parameters: rows per data set and vocabulary.
        threads: of ONNX Runtime; 0 is its own choice.
        progress: told rows newly scored.
        about: JSON-able facts for the manifest.

    Raises:
        InputError: rows that cannot be fitted.
        ModelError: a folder that is not a trained network, or no exporter.
    """
    parameters = parameters or PackParameters()
    frame = fusion.chosen_rows(labelled, parameters.rows_per_dataset)
    export_network(trained, out)
    weights = fusion.vocabulary(frame, parameters.vocabulary)
    chosen = selection.SelectionParameters()
    network = network_of(out, threads=threads)
    values = inputs(frame, network, weights, chosen, progress)
    fitted, probabilities = fusion.fit_fusion(frame, values, weights, chosen)
    figures = by_dataset(frame, probabilities)
    write_artefact(out, fitted, fitted={"rows": frame.height, "held_out_figures": figures, **about})
    return Packed(out, frame, values, probabilities, figures)


def export_network(trained: Path, out: Path) -> None:
    """The int8 network of a folder of `train`, with its tokenizer and configuration, alone.

    Weights that are packed already, as those of the embedded verifier, are taken as they are.

    Raises:
        ModelError: a folder that is not a trained network.
    """
    out.mkdir(parents=True, exist_ok=True)
    if (trained / WEIGHTS).exists() and not (trained / TRAINED).exists():
        shutil.copyfile(trained / WEIGHTS, out / WEIGHTS)
    else:
        pack_weights(trained, out)
    for name in TOKENIZER_FILES:
        if (trained / name).resolve() != (out / name).resolve():
            shutil.copyfile(trained / name, out / name)
    config = json.loads((trained / "config.json").read_bytes())
    config |= {
        "architectures": ["PairNetworkForSequenceClassification"],
        "id2label": dict(enumerate(VERDICTS)),
        "label2id": {name: index for index, name in enumerate(VERDICTS)},
    }
    (out / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", "utf-8")


def pack_weights(trained: Path, out: Path) -> None:
    """Writes int8 weights into `out` from the safetensors of `trained`: a quarter of their size.

    Matrices of the encoder become int8 with a scale per row, so that the same file serves every kernel:
    int8 as it is, bfloat16 and float32 from it.

    Raises:
        ModelError: weights that are not this network's.
    """
    state = load_network(trained, TRAINED).state_dict()
    out.mkdir(parents=True, exist_ok=True)
    save_file(kernels.pack({name: value for name, value in state.items() if value.numel()}), out / WEIGHTS)


def write_artefact(folder: Path, fusion: Fusion, **about: object) -> None:
    """Adds fusion and manifest to a folder that holds weights, tokenizer and configuration."""
    (folder / crossencoder.FUSION_FILE).write_text(fusion.to_json(), "utf-8")
    names = [WEIGHTS, crossencoder.FUSION_FILE, "config.json", "tokenizer.json", "tokenizer_config.json"]
    write_manifest(
        folder, crossencoder.KIND, names, weights=WEIGHTS, premise="claim", temperature=1.0, **about
    )


def network_of(folder: Path, *, threads: int = 0) -> Verifier:
    """The int8 network of a folder alone, without fusion."""
    manifest: Manifest = {
        "kind": crossencoder.KIND,
        "files": {WEIGHTS: ""},
        "weights": WEIGHTS,
        "premise": "claim",
    }
    return load_artefact(
        folder, manifest, VerifierSettings(batch_tokens=crossencoder.BATCH_TOKENS), threads=threads
    )


def inputs(
    frame: pl.DataFrame,
    network: Verifier,
    weights: tuple[dict[str, float], float],
    chosen: selection.SelectionParameters,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """(n, len(INPUTS)) of the logistic model, chunk by chunk."""
    nothing = Softmax(np.zeros(0), np.zeros(0), np.zeros((1, 3)), 1.0)
    unfitted = Fusion(nothing, 1.0, *weights, chosen)
    parts = []
    for chunk in frame.iter_slices(crossencoder.CHUNK_PAIRS // 4):
        parts.append(crossencoder.compute(chunk["claim"], chunk["evidence"], network, unfitted)[0])
        if progress:
            progress(chunk.height)
    return np.concatenate(parts)


def by_dataset(frame: pl.DataFrame, probabilities: np.ndarray) -> dict[str, dict[str, float]]:
    """Balanced accuracy of supported against the rest at one half, and calibration, per data set."""
    result = {}
    supported = frame["label"].eq("supported").to_numpy()
    dataset = frame["dataset"].to_numpy()
    weights = frame["weight"].to_numpy() if "weight" in frame.columns else np.ones(frame.height)
    for name in np.unique(dataset):
        rows = dataset == name
        stated, hit, w = probabilities[rows, 0], supported[rows], weights[rows]
        said = (stated >= 0.5) * 1
        figures = {
            "balanced_accuracy": metrics.balanced_accuracy(hit * 1, said, 2, weights=w),
            "expected_calibration_error": metrics.expected_calibration_error(stated, hit, weights=w),
            "balanced_calibration_error": metrics.balanced_calibration_error(stated, hit, weights=w),
            "calibration_error_by_chance": metrics.calibration_error_by_chance(stated, weights=w),
        }
        result[str(name)] = {
            "rows": int(rows.sum()),
            **{figure: round(value, 4) for figure, value in figures.items()},
        }
    return result
