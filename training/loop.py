"""The training loop: batches, loss, optimiser, and checkpoints of safetensors, never pickle.

A checkpoint holds everything the next step depends on, so an interrupted training that is started again
with the same arguments goes on where it was; the order of pairs is a function of the seed alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from tasks.errors import ModelError
from tasks.models import processor
from tasks.verify.network import PairNetwork
from training.pairs import Encoded


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
    largest_weight: float = 10.0
    """Of a pair, over the mean of its data set: a heavier one would make a step by itself."""
    checkpoint_minutes: float = 3.0


@dataclass
class Loop:
    """One training: what it works on, and how far it is."""

    parameters: TrainParameters
    model: PairNetwork
    target: str
    encoded: list[Encoded]
    classes: list[int]
    weights: np.ndarray
    """(n,) how much each row's loss counts; 1 is as much as the others on average."""
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
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * _rate(share, self.parameters.warm_up)
        batch = self.plan[self.step]
        ids, types, mask = pad([self.encoded[i] for i in batch], self.fill)
        classes = torch.tensor([self.classes[i] for i in batch]).to(self.target)
        weights = torch.from_numpy(self.weights[batch].astype(np.float32)).to(self.target)
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
        loss = _loss(logits.float(), classes, weights)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.parameters.gradient_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return float(loss.detach())

    def save(self) -> None:
        """Renamed into place whole, so that a kill leaves the checkpoint before or this one."""
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
        state: dict[int, dict[str, torch.Tensor]] = {}
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


def batch_plan(lengths: Sequence[int], epochs: float, seed: int, batch_tokens: int) -> list[list[int]]:
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


def pad(rows: Sequence[Encoded], fill: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(ids, segments, mask) of one batch, each (rows, longest)."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([r + [fill] * (width - len(r)) for r, _ in rows])
    types = torch.tensor([t + [0] * (width - len(t)) for _, t in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r, _ in rows])
    return ids, types, mask


def _loss(logits: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy by weight; where only "not supported" is known, that of both other verdicts together."""
    log_p = torch.log_softmax(logits, dim=1)
    rest = torch.logsumexp(log_p[:, 1:], dim=1, keepdim=True)
    losses = -torch.cat([log_p, rest], dim=1).gather(1, classes[:, None])[:, 0]
    return (weights * losses).mean()


def _rate(share: float, warm_up: float) -> float:
    return share / warm_up if share < warm_up else (1.0 - share) / (1.0 - warm_up)


def _optimizer(model: PairNetwork, parameters: TrainParameters) -> torch.optim.AdamW:
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
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
