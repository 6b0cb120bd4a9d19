"""Int8 arithmetic for networks in torch: weights per output channel, activations per token.

Why per token: the usual dynamic quantisation has one scale for a whole batch, so a pair's score moves with
its neighbours. Here every token has its own scale (as in LLM.int8(), Dettmers et al. 2022, vector-wise), sums
are exact integers, and a score depends on the pair alone.

Why weights of 7 bits: AVX2, all that most processors have, adds pairs of products of unsigned and signed
bytes in 16 bits. 2 x 255 x 63 fits there, 2 x 255 x 127 would saturate. So the same integers come out with
AVX2, VNNI and AMX alike, and one artefact scores alike on all of them.

The integer product runs in oneDNN. Where a probe finds that it does not do so exactly, the same integers are
multiplied as float32, which is exact up to 2^24: slower, the same answer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

LEVELS = 127
"""Largest magnitude of a stored weight and of an activation; without -128, ranges are symmetric."""
WEIGHT_LEVELS = 63
"""Largest magnitude of a weight that is multiplied: 7 bits."""
RANGES = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Shares of a row's largest weight that are tried as its range."""
OFFSET = 128
"""Activations are stored unsigned for oneDNN, whose signed kernels are not vectorised."""
SMALLEST_SCALE = 1e-12
"""A token of zeros has a scale all the same."""


def quantise_rows(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """((n, k) int8, (n,) float32 scale) of a matrix, symmetric, each row for itself."""
    return _rounded(weight, LEVELS, 1.0)


def quantise_closely(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """As `quantise_rows` in `WEIGHT_LEVELS`: of some ranges the one that moves a row least.

    A row with one large weight rounds all others coarsely; cutting that one off costs less.
    """
    best = _rounded(weight, WEIGHT_LEVELS, 1.0)
    least = _error(weight, best)
    for share in RANGES:
        other = _rounded(weight, WEIGHT_LEVELS, share)
        error = _error(weight, other)
        better = error < least
        best = torch.where(better[:, None], other[0], best[0]), torch.where(better, other[1], best[1])
        least = torch.minimum(least, error)
    return best


def _rounded(weight: torch.Tensor, levels: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Int8 rows and their scales, where the largest level stands for that share of a row's largest weight."""
    scale = (weight.abs().amax(dim=1) * share / levels).clamp(min=SMALLEST_SCALE).float()
    return (weight / scale[:, None]).round().clamp(-levels, levels).to(torch.int8), scale


def _error(weight: torch.Tensor, quantised: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return (quantised[0] * quantised[1][:, None] - weight).pow(2).sum(dim=1)


@cache
def has_integer_kernel() -> bool:
    """Whether oneDNN multiplies integers fast here, which takes AVX2, and a probe gives the right sums."""
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return False
    generator = torch.Generator().manual_seed(7)
    weight = torch.randint(-WEIGHT_LEVELS, WEIGHT_LEVELS + 1, (48, 64), dtype=torch.int8, generator=generator)
    rows = torch.randint(0, 256, (5, 64), dtype=torch.uint8, generator=generator)
    weight[0], rows[0] = WEIGHT_LEVELS, 255  # the largest sums
    try:
        products = [_Integer(weight, torch.ones(48), zero).multiply(rows) for zero in (0, OFFSET)]
    except (RuntimeError, AttributeError, NotImplementedError):
        return False  # the operator is inductor's and may go with a release
    expected = [(rows.float() - zero) @ weight.float().T for zero in (0, OFFSET)]
    return all(torch.equal(got, sums) for got, sums in zip(products, expected, strict=True))


class _Integer:
    """Weights packed for oneDNN; `zero` is what an activation of 0 is stored as."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, zero: int) -> None:
        self._packed = torch.ops.onednn.qlinear_prepack(weight.contiguous(), None)
        self._scale = scale.contiguous()
        self._zeros = torch.zeros(len(scale), dtype=torch.int64)
        self._zero = zero

    def multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """(m, k) uint8 to (m, n) float32, scaled per output channel."""
        weight = (self._packed, self._scale, self._zeros)
        kind: tuple[Any, ...] = (1.0, 0, torch.float32, "none", [], "")
        product: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            rows, 1.0, self._zero, *weight, None, *kind
        )
        return product


class _Float:
    """The same integers as float32: exact, since sums stay below 2^24 but for rows that are all extremes."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, zero: int) -> None:
        self._weight = weight.float()
        self._scale = scale
        self._zero = zero

    def multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """As `_Integer.multiply`."""
        return functional.linear(rows.float().sub_(self._zero), self._weight).mul_(self._scale)


class Int8Linear(nn.Module):
    """`nn.Linear` with int8 weights, over float32 rows that are quantised one by one.

    `least` is a value below which no input lies. With one, rows are counted from there in 255 steps up to
    their own maximum, instead of in 127 steps to both sides of 0: twice as fine after GELU.
    """

    def __init__(self, linear: nn.Linear, *, least: float | None = None) -> None:
        super().__init__()
        weight, scale = quantise_closely(linear.weight.detach().float())
        bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()
        self._least = least
        self._zero = OFFSET if least is None else 0
        self._kernel = (_Integer if has_integer_kernel() else _Float)(weight, scale, self._zero)
        # Rows are stored as their distance from `least`: what that adds to every sum is taken off here.
        self._bias = bias + (least or 0.0) * scale * weight.sum(dim=1)

    def forward(self, rows: torch.Tensor, *, keep: bool = True) -> torch.Tensor:
        """(m, k) to (m, n) float32; unless `keep`, the memory of `rows` is used and their values are lost."""
        top, bottom = rows.amax(dim=1, keepdim=True), None
        if self._least is None:
            bottom = rows.amin(dim=1, keepdim=True).neg_()
            scale = torch.maximum(top, bottom).div_(LEVELS).clamp_(min=SMALLEST_SCALE)
        else:
            scale = top.sub_(self._least).div_(2 * LEVELS + 1).clamp_(min=SMALLEST_SCALE)
        steps = rows.mul(scale.reciprocal()) if keep else rows.mul_(scale.reciprocal())
        if self._least is not None:
            steps.add_(-self._least / scale - OFFSET)
        # Signed and then moved by 128, since torch converts to unsigned bytes ten times as slowly.
        stored = steps.round_().to(torch.int8).view(torch.uint8).bitwise_xor_(OFFSET)
        return self._kernel.multiply(stored).mul_(scale).add_(self._bias)
