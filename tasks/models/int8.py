"""Int8 arithmetic for networks in torch: weights per output channel, activations per token.

Why per token: the usual dynamic quantisation has one scale for a whole batch, so a pair's score moves with
its neighbours. Here every token has its own scale (as in LLM.int8(), Dettmers et al. 2022, vector-wise), sums
are exact integers, and a score depends on the pair alone.

The integer product runs in oneDNN where the processor has VNNI. Elsewhere the same integers are multiplied as
float32, which is exact up to 2^24: slower, the same answer. So one artefact scores alike on every machine.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

LEVELS = 127
"""Largest magnitude of a quantised value; -128 is left out, so that the range is symmetric."""
OFFSET = 128
"""Activations are stored unsigned for oneDNN, whose signed kernels are not vectorised."""
SMALLEST_SCALE = 1e-12
"""A token of zeros has a scale all the same."""


def quantise_rows(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """((n, k) int8, (n,) float32 scale) of a matrix, symmetric, each row for itself."""
    scale = (weight.abs().amax(dim=1) / LEVELS).clamp(min=SMALLEST_SCALE).float()
    return (weight / scale[:, None]).round().clamp(-LEVELS, LEVELS).to(torch.int8), scale


@cache
def has_integer_kernel() -> bool:
    """Whether oneDNN multiplies integers exactly and fast here: VNNI, and a probe that gives the right sums.

    Without VNNI, oneDNN adds pairs of products in 16 bits, which saturate.
    """
    if not _has_vnni():
        return False
    generator = torch.Generator().manual_seed(7)
    weight = torch.randint(-LEVELS, LEVELS + 1, (48, 64), dtype=torch.int8, generator=generator)
    rows = torch.randint(1, 256, (5, 64), dtype=torch.uint8, generator=generator)
    weight[0], rows[0] = LEVELS, 255  # the largest sums
    try:
        got = _Integer(weight, torch.ones(48)).multiply(rows)
    except (RuntimeError, AttributeError, NotImplementedError):
        return False  # the operator is inductor's and may go with a release
    return bool(torch.equal(got, (rows.float() - OFFSET) @ weight.float().T))


def _has_vnni() -> bool:
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        has = capabilities().get
        return bool(has("avx512_vnni") or has("avx_vnni") or has("amx_int8"))
    return bool(torch.cpu._is_vnni_supported())


class _Integer:
    """Weights packed for oneDNN; rows are uint8 with `OFFSET` as zero."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor) -> None:
        self._packed = torch.ops.onednn.qlinear_prepack(weight.contiguous(), None)
        self._scale = scale.contiguous()
        self._zeros = torch.zeros(len(scale), dtype=torch.int64)

    def multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """(m, k) uint8 to (m, n) float32, scaled per output channel."""
        weight = (self._packed, self._scale, self._zeros)
        kind: tuple[Any, ...] = (1.0, 0, torch.float32, "none", [], "")
        product: torch.Tensor = torch.ops.onednn.qlinear_pointwise(rows, 1.0, OFFSET, *weight, None, *kind)
        return product


class _Float:
    """The same integers as float32: exact, since sums stay below 2^24 but for rows that are all extremes."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor) -> None:
        self._weight = weight.float()
        self._scale = scale

    def multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """As `_Integer.multiply`."""
        return functional.linear(rows.float().sub_(OFFSET), self._weight).mul_(self._scale)


class Int8Linear(nn.Module):
    """`nn.Linear` with int8 weights, over float32 rows that are quantised one by one."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._kernel = (_Integer if has_integer_kernel() else _Float)(weight, scale.float())
        self._bias = None if bias is None else bias.float()

    @classmethod
    def of(cls, linear: nn.Linear) -> Int8Linear:
        """Of a float layer."""
        bias = None if linear.bias is None else linear.bias.detach()
        return cls(*quantise_rows(linear.weight.detach().float()), bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, k) to (…, n) float32."""
        rows = x.reshape(-1, self.in_features).float()
        scale = (rows.abs().amax(dim=1, keepdim=True) / LEVELS).clamp_(min=SMALLEST_SCALE)
        product = self._kernel.multiply((rows / scale).round_().add_(OFFSET).to(torch.uint8))
        product = product.mul_(scale) if self._bias is None else torch.addcmul(self._bias, product, scale)
        return product.reshape(*x.shape[:-1], self.out_features)
