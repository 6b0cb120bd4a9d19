"""Fine-tunes a sequence-pair classifier from labelled pairs, resumably, with a held-out report.

Belongs here: the order of a training, and what it writes. Does not belong here: making pairs (`augment.py`),
learning (`loop.py`), packing a trained folder as an artefact (`artefact.py`), scoring.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertModel, BertTokenizerFast
from transformers.utils import logging

from tasks.errors import ModelError
from tasks.models import sentence_encoder
from tasks.verify import metrics, weighted
from tasks.verify.labels import CODES
from tasks.verify.network import PairNetwork, load_network
from tasks.verify.torch_pairs import use_threads
from training import artefact
from training.artefact import TRAINED, WEIGHTS
from training.loop import Loop, TrainParameters, batch_plan, pad
from training.pairs import capped, encode, read_pairs, split

OF_HEAD = "sharpness"
"""A weight that only this network has: what tells a trained one from an encoder."""


@dataclass(frozen=True)
class Trained:
    """Where the trained model is and how it did on what it has not seen."""

    folder: Path
    report: dict[str, Any]


def train(
    pairs: Sequence[Path],
    out: Path,
    *,
    base: Path,
    epochs: float = 1.0,
    max_minutes: float | None = None,
    seed: int = 7,
    device: str = "auto",
    threads: int = 0,
    resume: bool = True,
    pack: bool = True,
    parameters: TrainParameters | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Trained:
    """Fine-tunes `base` (a folder with a BERT-like encoder) on the pairs and writes a model folder.

    Args:
        pairs: Parquet or JSON Lines files with `claim`, `evidence` (string or list of strings), `label`.
        out: gets `model.safetensors`, `config.json`, the tokenizer, `report.json`, `report.md`.
        base: encoder with safetensors weights and its tokenizer, or a folder of this function or of the
            embedded verifier, which goes on learning with its head.
        epochs: passes over the pairs; `max_minutes` ends (and anneals) earlier.
        seed: order of the pairs, head, held-out rows.
        device: auto, cpu, cuda or another device of torch.
        threads: 0 leaves the choice to torch.
        resume: go on from the checkpoint in `out`, if one of the same run is there.
        pack: also export to int8 and fit fusion and calibration on the rows kept back, which makes `out` a
            verifier; without it `out` holds the network alone.
        parameters: how to learn.
        progress: called with the share done and a short text.

    Raises:
        InputError: a file that cannot be read, lacks a column, has an unknown label or too few pairs.
        ModelError: a base that cannot be loaded, a checkpoint of another run.
    """
    parameters = parameters or TrainParameters()
    use_threads(threads)
    frame = read_pairs(pairs)
    learned, kept_back = split(frame, held_out_share(frame.height, parameters), seed)
    torch.manual_seed(seed)
    tokenizer, model = _start(base)
    encoded = encode(tokenizer, learned, parameters.max_tokens)
    loop = Loop(
        parameters=parameters,
        model=model,
        target=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device,
        encoded=encoded,
        classes=[CODES[label] for label in learned["label"]],
        weights=capped(learned["weight"], parameters.largest_weight),
        plan=batch_plan([len(ids) for ids, _ in encoded], epochs, seed, parameters.batch_tokens),
        fill=tokenizer.pad_token_id,
        checkpoint=out / "checkpoint.safetensors",
        run=_run_id(pairs, base, seed, epochs, max_minutes, parameters),
    )
    out.mkdir(parents=True, exist_ok=True)
    if resume:
        loop.restore()
    loop.run_until(max_minutes, progress)
    _write_network(out, model, tokenizer)
    report = {
        **_progress_of(loop),
        "pairs": frame.height,
        "learned_from": learned.height,
        "learned_from_effective": round(weighted.effective(loop.weights), 1),
        "weights_capped": int((learned["weight"] > parameters.largest_weight).sum()),
        "seed": seed,
        "held_out": _judge(model, tokenizer, kept_back, parameters),
    }
    if pack:
        report["fused"] = artefact.pack(out, kept_back, out, threads=threads).figures
    (out / "report.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", "utf-8")
    (out / "report.md").write_text(_markdown(report), "utf-8")
    if progress is not None:
        progress(1.0, "done")
    return Trained(out, report)


def _progress_of(loop: Loop) -> dict[str, Any]:
    return {
        "pairs_seen": sum(len(batch) for batch in loop.plan[: loop.step]),
        "steps": loop.step,
        "minutes": round(loop.spent / 60, 1),
        "device": loop.target,
        "parameters": asdict(loop.parameters),
    }


def _weights_of(base: Path) -> Path:
    """The weights that training starts from: trained ones, else packed ones."""
    names = (TRAINED, WEIGHTS, sentence_encoder.WEIGHTS)
    return next((base / name for name in names if (base / name).exists()), base / TRAINED)


def _start(base: Path) -> tuple[BertTokenizerFast, PairNetwork]:
    """(tokenizer, network): what was trained before goes on, an encoder alone gets a head drawn at random.

    Raises:
        ModelError: neither is in the folder.
    """
    weights = _weights_of(base)
    try:
        with safe_open(weights, framework="pt") as stored:
            trained = OF_HEAD in stored.keys()  # noqa: SIM118 - no dict
    except (SafetensorError, OSError):
        trained = False
    if not trained:
        return from_sentence_encoder(base)
    model = load_network(base, weights.name).requires_grad_(requires_grad=True)
    return AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False), model


def from_sentence_encoder(base: Path) -> tuple[BertTokenizerFast, PairNetwork]:
    """(tokenizer, network) around a BERT encoder's safetensors weights, the head drawn at random.

    Raises:
        ModelError: the folder holds no BERT encoder with safetensors weights and a tokenizer.
    """
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
        # No dropout: each pair is seen about once, and drawing the masks costs a third of the time.
        without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        if (base / sentence_encoder.WEIGHTS).exists():
            encoder = sentence_encoder.load_bert(base, **without)
        else:
            encoder = BertModel.from_pretrained(
                base, add_pooling_layer=False, use_safetensors=True, local_files_only=True, **without
            )
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{base}: no BERT encoder can be loaded ({str(error)[:160]})") from None
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
    return tokenizer, PairNetwork(encoder, tokenizer.cls_token_id, tokenizer.sep_token_id)


def held_out_share(count: int, parameters: TrainParameters) -> float:
    """Share of the evidence texts kept back: more of a small file, whose report would else be empty."""
    return max(parameters.held_out, min(0.2, parameters.held_out_rows / max(count, 1)))


def _write_network(out: Path, model: PairNetwork, tokenizer: BertTokenizerFast) -> None:
    model.eval()
    model.to("cpu")
    tokenizer.save_pretrained(out)
    model.encoder.config.save_pretrained(out)
    save_file({n: w.contiguous() for n, w in model.state_dict().items()}, out / TRAINED)


def _run_id(pairs: Sequence[Path], base: Path, *settings: object) -> str:
    """What a checkpoint belongs to: bytes of the pairs and of the base, and every setting."""
    digest = hashlib.sha256()
    for file in [*pairs, base / "config.json", _weights_of(base)]:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def _judge(
    model: PairNetwork, tokenizer: BertTokenizerFast, frame: pl.DataFrame, parameters: TrainParameters
) -> dict[str, dict[str, float | None]]:
    """Supported against the rest at one half, by data set, every pair by its weight: recalls, their mean, and
    precision and recall of what is not called supported, with 95% intervals."""
    if not frame.height:
        return {}
    encoded = encode(tokenizer, frame, parameters.max_tokens)
    supported = np.zeros(len(encoded))
    with torch.inference_mode():
        for batch in batch_plan([len(i) for i, _ in encoded], 1, 0, 4096):
            ids, types, mask = pad([encoded[i] for i in batch], tokenizer.pad_token_id)
            logits = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
            supported[batch] = torch.softmax(logits.float(), dim=1)[:, 0].numpy()
    verdict = pl.when(pl.Series(supported) >= 0.5).then(pl.lit("supported")).otherwise(pl.lit("insufficient"))
    judged = frame.with_columns(verdict=verdict)
    names = judged["dataset"].unique().sort()
    return {str(name): _figures(judged.filter(pl.col("dataset") == name)) for name in names}


def _figures(judged: pl.DataFrame) -> dict[str, float | None]:
    of_rest = weighted.accuracy(judged.select("label", "verdict", "weight")).row(0, named=True)
    truth, said = ((judged[name] != "supported").to_numpy().astype(int) for name in ("label", "verdict"))
    hit, miss = metrics.recalls(truth, said, 2, weights=judged["weight"].to_numpy())
    figures = {
        "effective_rows": of_rest["effective_rows"],
        "recall_supported": hit,
        "recall_rest": miss,
        "balanced_accuracy": (hit + miss) / 2,
        **{name: of_rest[name] for name in ("precision", "precision_low", "precision_high")},
        **{f"recall_rest{end}": of_rest[f"recall{end}"] for end in ("_low", "_high")},
    }
    known = {name: None if each is None or np.isnan(each) else float(each) for name, each in figures.items()}
    return {
        "rows": judged.height,
        **{n: each if each is None else round(each, 4) for n, each in known.items()},
    }


def _markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        "# Held-out report",
        "",
        f"{report['pairs_seen']} pairs seen in {report['steps']} steps and {report['minutes']} minutes"
        f" on {report['device']}, seed {report['seed']}.",
        "Pairs whose evidence was kept back, supported against the rest at 0.5, uncalibrated, every pair by"
        " its weight; intervals are of 95%:",
        "",
        "| data set | rows | worth | recall supported | recall rest | precision rest | balanced accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in report["held_out"].items():
        cells = [
            f"{row['effective_rows']:.0f}",
            _cell(row["recall_supported"]),
            _cell(row["recall_rest"], row["recall_rest_low"], row["recall_rest_high"]),
            _cell(row["precision"], row["precision_low"], row["precision_high"]),
            _cell(row["balanced_accuracy"]),
        ]
        lines.append(f"| {name.replace('|', ' ')} | {row['rows']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(share: float | None, low: float | None = None, high: float | None = None) -> str:
    if share is None:
        return ""
    return f"{share:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None else "")
