"""From a trained network to the artefact that scores: export, fusion and calibration on rows it never saw.

Belongs here: the order of those steps and the figures they give. Does not belong here: each step itself
(`export.py`, `crossencoder.py`).
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

from tasks.tables import VERDICTS
from tasks.verify import crossencoder, export, features, metrics, selection
from tasks.verify.parameters import VerifierSettings
from tasks.verify.protocol import Verifier

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
    frame = features.chosen_rows(features.prepare(labelled), parameters.rows_per_dataset)
    export_network(trained, out)
    weights = features.vocabulary(frame, parameters.vocabulary)
    chosen = selection.SelectionParameters()
    network = network_of(out, threads=threads)
    values = inputs(frame, network, weights, chosen, progress)
    fusion, probabilities = crossencoder.fit(frame, values, weights, chosen)
    figures = by_dataset(frame, probabilities)
    crossencoder.write_artefact(
        out, fusion, fitted={"rows": frame.height, "held_out_figures": figures, **about}
    )
    return Packed(out, frame, values, probabilities, figures)


def export_network(trained: Path, out: Path) -> None:
    """The int8 network of a folder of `train`, with its tokenizer and configuration, alone.

    Raises:
        ModelError: a folder that is not a trained network.
    """
    out.mkdir(parents=True, exist_ok=True)
    export.export(trained, out)
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


def network_of(folder: Path, *, threads: int = 0) -> Verifier:
    """The int8 network of a folder alone, without fusion."""
    from tasks.verify.classifiers import load_artefact

    manifest = {"files": {export.WEIGHTS: ""}, "weights": export.WEIGHTS, "premise": "claim"}
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
    from tasks.verify.softmax import Softmax

    nothing = Softmax(np.zeros(0), np.zeros(0), np.zeros((1, 3)), 1.0)
    fusion = crossencoder.Fusion(nothing, 1.0, *weights, chosen)
    parts = []
    for chunk in frame.iter_slices(crossencoder.CHUNK_PAIRS // 4):
        parts.append(crossencoder.compute(chunk["claim"], chunk["evidence"], network, fusion)[0])
        if progress:
            progress(chunk.height)
    return np.concatenate(parts)


def by_dataset(frame: pl.DataFrame, probabilities: np.ndarray) -> dict[str, dict[str, float]]:
    """Balanced accuracy of supported against the rest at one half, and calibration, per data set."""
    result = {}
    supported = frame["label"].eq("supported").to_numpy()
    dataset = frame["dataset"].to_numpy()
    for name in np.unique(dataset):
        rows = dataset == name
        said = probabilities[rows, 0] >= 0.5
        result[str(name)] = {
            "rows": int(rows.sum()),
            "balanced_accuracy": round(metrics.balanced_accuracy(supported[rows] * 1, said * 1, 2), 4),
            "expected_calibration_error": round(
                metrics.expected_calibration_error(probabilities[rows, 0], supported[rows]), 4
            ),
            "balanced_calibration_error": round(
                metrics.balanced_calibration_error(probabilities[rows, 0], supported[rows]), 4
            ),
            "calibration_error_by_chance": round(
                metrics.calibration_error_by_chance(probabilities[rows, 0]), 4
            ),
        }
    return result
