"""Fine-tunes a sequence-pair classifier from labelled pairs, resumably, with a held-out report.

Belongs here: the training loop and its checkpoints (safetensors and JSON, never pickle). Does not belong
here: making pairs (`training/augment.py`), packing a trained folder as an artefact (`artefact.py`),
scoring.

A checkpoint holds everything the next step depends on, so an interrupted training that is started again
with the same arguments goes on where it was; the order of pairs is a function of the seed alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.errors import InputError, ModelError
from tasks.models import processor
from tasks.verify import score
from tasks.verify.labels import CODES
from tasks.verify.network import PairNetwork, load_network
from training import artefact
from training.artefact import TRAINED, WEIGHTS

OF_HEAD = "sharpness"
"""A weight that only this network has: what tells a trained one from an encoder."""


@dataclass(frozen=True)
class TrainParameters:
    """What steers learning; recorded in the checkpoint and in the report."""

    learning_rate: float = 1.5e-4
    """High for a 22-million-parameter model, because few pairs are seen once each."""
    head_factor: float = 6.0
    """The new classification head learns this many times faster than the encoder."""
    weight_decay: float = 0.01
    warm_up: float = 0.04
    """Share of the training during which the rate rises from zero; it falls linearly afterwards."""
    batch_tokens: int = 768
    """Rows of a batch times its longest row, in word pieces."""
    max_tokens: int = 128
    """Longer pairs are cut at the end of the evidence; training makes no verdicts, so this may truncate."""
    gradient_norm: float = 1.0
    held_out: float = 0.02
    """Share of evidence texts whose pairs are kept back for the report and for calibration, at least."""
    held_out_rows: int = 400
    """Rows that a smaller file keeps back, up to a fifth of it: a rate needs some hundreds."""
    checkpoint_minutes: float = 3.0


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
    import torch

    parameters = parameters or TrainParameters()
    if threads:
        torch.set_num_threads(threads)
    frame = read_pairs(pairs)
    learn, kept_back = split(frame, held_out_share(frame.height, parameters), seed)
    torch.manual_seed(seed)
    tokenizer, model = _start(base)
    encoded = _encode(tokenizer, learn, parameters.max_tokens)
    loop = _Loop(
        parameters=parameters,
        model=model,
        target=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device,
        encoded=encoded,
        classes=[CODES[label] for label in learn["label"]],
        plan=_plan([len(ids) for ids, _ in encoded], epochs, seed, parameters.batch_tokens),
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
        "pairs": frame.height,
        "learned_from": learn.height,
        "pairs_seen": sum(len(batch) for batch in loop.plan[: loop.step]),
        "steps": loop.step,
        "minutes": round(loop.spent / 60, 1),
        "seed": seed,
        "device": loop.target,
        "parameters": asdict(parameters),
        "held_out": _judge(torch, model, tokenizer, kept_back, parameters),
    }
    if pack:
        report["fused"] = _pack(out, kept_back, threads)
    (out / "report.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", "utf-8")
    (out / "report.md").write_text(_markdown(report), "utf-8")
    if progress is not None:
        progress(1.0, "done")
    return Trained(out, report)


def _weights_of(base: Path) -> Path:
    """The weights that training starts from: trained ones, else packed ones."""
    packed = base / WEIGHTS
    return packed if packed.exists() and not (base / TRAINED).exists() else base / TRAINED


def _start(base: Path) -> tuple[Any, Any]:
    """(tokenizer, network): what was trained before goes on, an encoder alone gets a head drawn at random.

    Raises:
        ModelError: neither is in the folder.
    """
    from safetensors import SafetensorError, safe_open
    from transformers import AutoTokenizer

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


def from_sentence_encoder(base: Path) -> tuple[Any, PairNetwork]:
    """(tokenizer, network) around a BERT encoder's safetensors weights, the head drawn at random.

    Raises:
        ModelError: the folder holds no BERT encoder with safetensors weights and a tokenizer.
    """
    from transformers import AutoTokenizer, BertModel
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
        encoder = BertModel.from_pretrained(
            base,
            add_pooling_layer=False,
            # No dropout: each pair is seen about once, and drawing the masks costs a third of the time.
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            use_safetensors=True,
            local_files_only=True,
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


@dataclass
class _Loop:
    """One training: what it works on, and how far it is."""

    parameters: TrainParameters
    model: Any
    target: str
    encoded: list[tuple[list[int], list[int]]]
    classes: list[int]
    plan: list[list[int]]
    fill: int
    checkpoint: Path
    run: str
    step: int = 0
    spent: float = 0.0

    def __post_init__(self) -> None:
        self.model.to(self.target).train()
        # More than half of the weights, and too few pairs to move them all sensibly.
        self.model.encoder.get_input_embeddings().weight.requires_grad_(requires_grad=False)
        self.optimizer = _optimizer(self.model, self.parameters)

    def run_until(self, max_minutes: float | None, progress: Callable[[float, str], None] | None) -> None:
        """Steps until the plan or the time is used up, a checkpoint every few minutes and at the end."""
        started = time.monotonic() - self.spent
        saved = time.monotonic()
        smooth: float | None = None
        while self.step < len(self.plan):
            self.spent = time.monotonic() - started
            share = max(self.step / len(self.plan), self.spent / 60 / max_minutes if max_minutes else 0.0)
            if share >= 1.0:
                break
            loss = self.learn(share)
            if not math.isfinite(loss):
                raise ModelError(
                    f"the loss is not finite at step {self.step}; start again from other pairs or base"
                )
            smooth = loss if smooth is None else 0.98 * smooth + 0.02 * loss
            if progress is not None:
                progress(
                    share, f"step {self.step}/{len(self.plan)} loss {smooth:.3f} {self.spent / 60:.1f} min"
                )
            if time.monotonic() - saved > self.parameters.checkpoint_minutes * 60:
                self.save()
                saved = time.monotonic()
        self.save()

    def learn(self, share: float) -> float:
        """One step on the next batch; returns its loss."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * _rate(share, self.parameters.warm_up)
        batch = self.plan[self.step]
        ids, types, mask = _pad(torch, [self.encoded[i] for i in batch], self.fill)
        classes = torch.tensor([self.classes[i] for i in batch]).to(self.target)
        with torch.autocast(
            torch.device(self.target).type,
            torch.bfloat16,
            enabled=self.target != "cpu" or processor.has_bf16(),
        ):
            logits = self.model(
                input_ids=ids.to(self.target),
                token_type_ids=types.to(self.target),
                attention_mask=mask.to(self.target),
            )
        loss = _loss(torch, logits.float(), classes)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.parameters.gradient_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return float(loss.detach())

    def save(self) -> None:
        """Renamed into place whole, so that a kill leaves the checkpoint before or this one."""
        import torch
        from safetensors.torch import save_file

        tensors = {
            f"model.{n}": w.detach().contiguous() for n, w in self.model.named_parameters() if w.requires_grad
        }
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{n}": torch.as_tensor(v).contiguous() for n, v in state.items()}
        fresh = self.checkpoint.with_name("_" + self.checkpoint.name)
        save_file(
            tensors, fresh, metadata={"run": self.run, "step": str(self.step), "spent": repr(self.spent)}
        )
        fresh.replace(self.checkpoint)

    def restore(self) -> None:
        """Goes on from the checkpoint, if there is one.

        Raises:
            ModelError: it is damaged, or of another training.
        """
        import torch
        from safetensors import SafetensorError, safe_open

        file = self.checkpoint
        if not file.exists():
            return
        try:
            with safe_open(file, framework="pt") as stored:
                meta = stored.metadata() or {}
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no dict
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{file}: damaged checkpoint ({str(error)[:80]}); remove it to start again"
            ) from None
        if meta.get("run") != self.run:
            raise ModelError(
                f"{file}: a checkpoint of another training (other pairs, base or settings); "
                "give another folder, or remove it to start again"
            )
        weights = dict(self.model.named_parameters())
        state: dict[int, dict[str, Any]] = {}
        with torch.no_grad():
            for name, value in tensors.items():
                kind, rest = name.split(".", 1)
                if kind == "model":
                    weights[rest].copy_(value)
                else:
                    index, key = rest.split(".", 1)
                    state.setdefault(int(index), {})[key] = value
        described = self.optimizer.state_dict()
        described["state"] = state
        self.optimizer.load_state_dict(described)
        self.step, self.spent = int(meta["step"]), float(meta["spent"])


def _write_network(out: Path, model: Any, tokenizer: Any) -> None:
    from safetensors.torch import save_file

    model.eval()
    model.to("cpu")
    tokenizer.save_pretrained(out)
    model.encoder.config.save_pretrained(out)
    save_file({n: w.contiguous() for n, w in model.state_dict().items()}, out / "model.safetensors")


def _pack(out: Path, kept_back: pl.DataFrame, threads: int) -> dict[str, Any]:
    """Makes `out` an artefact that `verifier.model` can name; returns its held-out figures."""
    return artefact.pack(out, kept_back, out, threads=threads).figures


def read_pairs(files: Sequence[Path]) -> pl.DataFrame:
    """Labelled pairs: `dataset`, `claim`, `evidence` (one string), `label`, in the order of the files."""
    frames = []
    for file in files:
        chunks = list(score.read_pairs(file))
        refused = [row["reason"] for chunk in chunks for row in chunk.refused]
        if refused:
            raise InputError(f"{file}: {len(refused)} rows cannot be read as pairs, first {refused[0]}")
        frame = pl.concat(chunk.frame for chunk in chunks)
        if "label" not in frame.columns:
            raise InputError(f"{file}: no column 'label'; expected claim, evidence, label")
        evidence = pl.col("evidence")
        if isinstance(frame.schema["evidence"], pl.List):
            evidence = evidence.list.join(" ", ignore_nulls=True)
        dataset = pl.col("dataset") if "dataset" in frame.columns else pl.lit(file.stem).alias("dataset")
        frame = frame.select(dataset.cast(pl.String), pl.col("claim").cast(pl.String), evidence, "label")
        known = list(CODES)
        strange = frame.filter(~pl.col("label").is_in(known) | pl.col("label").is_null())
        if strange.height:
            raise InputError(
                f"{file}: {strange.height} of {frame.height} labels are unknown, first"
                f" {str(strange['label'][0])[:40]!r}; expected {', '.join(known)}"
            )
        frames.append(frame.drop_nulls(["claim", "evidence"]))
    result = pl.concat(frames) if frames else pl.DataFrame()
    if result.height < 8:
        raise InputError(f"{result.height} labelled pairs are too few to train from, give at least 8")
    return result


def split(frame: pl.DataFrame, share: float, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(learned, kept back) by evidence, so that no held-out pair shares its evidence with a learned one."""
    drawn = pl.col("evidence").hash(seed) % 10_000 < int(share * 10_000)
    return frame.filter(~drawn), frame.filter(drawn)


def _encode(tokenizer: Any, frame: pl.DataFrame, longest: int) -> list[tuple[list[int], list[int]]]:
    """Word pieces and segment of every pair; the end of the evidence is cut, then that of the claim."""
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    claims = tokenizer(frame["claim"].to_list(), add_special_tokens=False)["input_ids"]
    texts = tokenizer(frame["evidence"].to_list(), add_special_tokens=False)["input_ids"]
    encoded = []
    for claim, text in zip(claims, texts, strict=True):
        head = claim[: longest // 2]
        tail = text[: longest - 3 - len(head)]
        encoded.append(([first, *head, last, *tail, last], [0] * (len(head) + 2) + [1] * (len(tail) + 1)))
    return encoded


def _plan(lengths: Sequence[int], epochs: float, seed: int, batch_tokens: int) -> list[list[int]]:
    """Batches of similar length within the token budget, in an order that depends on the seed alone."""
    rng = np.random.default_rng(seed)
    plan: list[list[int]] = []
    for epoch in range(math.ceil(epochs)):
        order = rng.permutation(len(lengths))
        if epoch + 1 > epochs:
            order = order[: int(len(order) * (epochs - epoch))]
        for start in range(0, len(order), 1024):
            chunk = sorted(order[start : start + 1024].tolist(), key=lambda i: lengths[i])
            batches: list[list[int]] = [[]]
            for index in chunk:
                if batches[-1] and (len(batches[-1]) + 1) * lengths[index] > batch_tokens:
                    batches.append([])
                batches[-1].append(index)
            plan += [batches[i] for i in rng.permutation(len(batches))]
    return plan


def _pad(torch: Any, rows: Sequence[tuple[list[int], list[int]]], fill: int) -> tuple[Any, Any, Any]:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([r + [fill] * (width - len(r)) for r, _ in rows])
    types = torch.tensor([t + [0] * (width - len(t)) for _, t in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r, _ in rows])
    return ids, types, mask


def _loss(torch: Any, logits: Any, classes: Any) -> Any:
    """Cross-entropy; where only "not supported" is known, that of both other verdicts together."""
    log_p = torch.log_softmax(logits, dim=1)
    rest = torch.logsumexp(log_p[:, 1:], dim=1, keepdim=True)
    return -torch.cat([log_p, rest], dim=1).gather(1, classes[:, None]).mean()


def _rate(share: float, warm_up: float) -> float:
    return share / warm_up if share < warm_up else (1.0 - share) / (1.0 - warm_up)


def _optimizer(model: Any, parameters: TrainParameters) -> Any:
    import torch

    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, weight in sorted(model.named_parameters()):
        if weight.requires_grad:
            key = (not name.startswith("encoder."), weight.ndim > 1)
            groups.setdefault(key, []).append(weight)
    return torch.optim.AdamW(
        [
            {
                "params": weights,
                "peak": parameters.learning_rate * (parameters.head_factor if head else 1.0),
                "weight_decay": parameters.weight_decay if matrix else 0.0,
            }
            for (head, matrix), weights in sorted(groups.items())
        ],
        lr=parameters.learning_rate,
        fused=True,
    )


def _run_id(pairs: Sequence[Path], base: Path, *settings: Any) -> str:
    """What a checkpoint belongs to: bytes of the pairs and of the base, and every setting."""
    digest = hashlib.sha256()
    for file in [*pairs, base / "config.json", _weights_of(base)]:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def _judge(
    torch: Any, model: Any, tokenizer: Any, frame: pl.DataFrame, parameters: TrainParameters
) -> dict[str, Any]:
    """Balanced accuracy of supported against the rest at one half, by data set."""
    if not frame.height:
        return {}
    encoded = _encode(tokenizer, frame, parameters.max_tokens)
    supported = np.zeros(len(encoded))
    with torch.inference_mode():
        for batch in _plan([len(i) for i, _ in encoded], 1, 0, 4096):
            ids, types, mask = _pad(torch, [encoded[i] for i in batch], tokenizer.pad_token_id)
            logits = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
            supported[batch] = torch.softmax(logits.float(), dim=1)[:, 0].numpy()
    judged = frame.with_columns(p=pl.Series(supported), truth=pl.col("label") == "supported")
    by_dataset = judged.group_by("dataset", maintain_order=True).agg(
        rows=pl.len(),
        recall_supported=(pl.col("p") >= 0.5).filter(pl.col("truth")).mean(),
        recall_rest=(pl.col("p") < 0.5).filter(~pl.col("truth")).mean(),
    )
    return {
        name: {
            "rows": rows,
            "recall_supported": None if hit is None else round(hit, 4),
            "recall_rest": None if miss is None else round(miss, 4),
            "balanced_accuracy": None if hit is None or miss is None else round((hit + miss) / 2, 4),
        }
        for name, rows, hit, miss in by_dataset.sort("dataset").iter_rows()
    }


def _markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        "# Held-out report",
        "",
        f"{report['pairs_seen']} pairs seen in {report['steps']} steps and {report['minutes']} minutes"
        f" on {report['device']}, seed {report['seed']}.",
        "Pairs whose evidence was kept back, supported against the rest at 0.5, uncalibrated:",
        "",
        "| data set | rows | recall supported | recall rest | balanced accuracy |",
        "|---|---|---|---|---|",
    ]
    for name, row in report["held_out"].items():
        cells = [row["recall_supported"], row["recall_rest"], row["balanced_accuracy"]]
        shown = " | ".join("" if c is None else f"{c:.3f}" for c in cells)
        lines.append(f"| {name.replace('|', ' ')} | {row['rows']} | {shown} |")
    return "\n".join(lines) + "\n"
