"""How the embedded network computes: float32, bfloat16 or int8, and which of them is fastest here.

Batches must not change a score. Padding is masked to exact zeros, and attention is computed in float32 as
plain matrix products, whose sums do not depend on how far a row is padded. Those of torch's fused attention
do, and their last bits, rounded in the next layer, move a probability in the third decimal.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import torch
from torch import nn

from tasks.models import int8, processor

Kernel = Literal["float32", "bfloat16", "int8"]

SCALE = ".scale"
"""Suffix of the tensor of row scales beside an int8 matrix in a packed file."""
LEAST_GELU = -0.17
"""No value of GELU is lower: its minimum is -0.16998, at -0.7518."""
MASKED = -1e9
"""Added to the attention score of padding: its weight is exactly 0 in float32."""


@cache
def fastest() -> Kernel:
    """int8 where the processor multiplies bytes, else `fastest_float`.

    It is the faster also where bfloat16 is native, and the same to the last bit of every sum on both.
    """
    return "int8" if int8.has_integer_kernel() else fastest_float()


def fastest_float() -> Kernel:
    """bfloat16 where the processor multiplies it natively, else float32."""
    return "bfloat16" if processor.has_bf16() else "float32"


class Encoder(nn.Module):
    """A `BertModel` without pooling, read from one: (ids, mask, types) to `last_hidden_state`, float32.

    Query, key and value are one product; what lies between two products is computed in place.
    """

    def __init__(self, bert: Any, kernel: Kernel) -> None:
        super().__init__()
        config = bert.config
        if config.hidden_act != "gelu":
            raise ValueError(f"activation is {config.hidden_act}, expected gelu")
        self._embeddings = bert.embeddings
        self._heads = config.num_attention_heads
        self._kernel = kernel
        self._layers = nn.ModuleList(_Layer(layer, kernel) for layer in bert.encoder.layer)

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """Hidden states (rows, length, width)."""
        rows, length = input_ids.shape
        hidden = self._embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        width = hidden.shape[2]
        hidden = hidden.reshape(rows * length, width).to(_KEPT[self._kernel])
        mask = torch.zeros(rows, 1, 1, length, device=hidden.device)
        mask.masked_fill_((attention_mask == 0)[:, None, None, :], MASKED)
        for layer in self._layers:
            hidden = layer(hidden, mask, self._heads)
        return Hidden(hidden.float().view(rows, length, width))


class Hidden:
    """What `BertModel` returns, as far as the network reads it."""

    def __init__(self, last_hidden_state: torch.Tensor) -> None:
        self.last_hidden_state = last_hidden_state


_KEPT = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}
"""Type of the hidden states between layers."""


class _Layer(nn.Module):
    def __init__(self, layer: Any, kernel: Kernel) -> None:
        super().__init__()
        attention = layer.attention.self
        parts = [attention.query, attention.key, attention.value]
        joint = nn.Linear(parts[0].in_features, 3 * parts[0].out_features, device=parts[0].weight.device)
        # The scale of attention belongs to the query: here once instead of in every pass.
        inverse = attention.attention_head_size**-0.5
        joint.weight.data = torch.cat([part.weight.data for part in parts])
        joint.bias.data = torch.cat([part.bias.data for part in parts])
        joint.weight.data[: parts[0].out_features] *= inverse
        joint.bias.data[: parts[0].out_features] *= inverse
        self._joint = _linear(joint, kernel)
        self._mix = _linear(layer.attention.output.dense, kernel)
        self._widen = _linear(layer.intermediate.dense, kernel)
        self._narrow = _linear(layer.output.dense, kernel, least=LEAST_GELU)
        self._first = layer.attention.output.LayerNorm.to(_KEPT[kernel])
        self._second = layer.output.LayerNorm.to(_KEPT[kernel])

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
        """(tokens, width) to the same."""
        rows, length = mask.shape[0], mask.shape[3]
        width = hidden.shape[1]
        joint = self._joint(hidden).view(rows, length, 3, heads, width // heads).float()
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        weights = torch.matmul(query, key.transpose(2, 3)).add_(mask)
        mixed = torch.matmul(torch.softmax(weights, dim=-1), value)
        mixed = mixed.transpose(1, 2).reshape(rows * length, width).to(hidden.dtype)
        hidden = self._first(_last(self._mix, mixed).add_(hidden))
        wide = torch.ops.aten.gelu_(self._widen(hidden))
        narrow: torch.Tensor = _last(self._narrow, wide)
        after: torch.Tensor = self._second(narrow.add_(hidden))
        return after


def _last(linear: Any, rows: torch.Tensor) -> torch.Tensor:
    """A layer's output for rows that nobody needs afterwards."""
    product: torch.Tensor = linear(rows, keep=False) if isinstance(linear, int8.Int8Linear) else linear(rows)
    return product


def _linear(linear: nn.Linear, kernel: Kernel, least: float | None = None) -> Any:
    if kernel == "int8":
        return int8.Int8Linear(linear, least=least)
    return linear.to(_KEPT[kernel])


def pack(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A quarter of the size: the encoder's matrices as int8 with a scale per row, the head's as float16."""
    packed: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if value.ndim == 2 and name.startswith("encoder."):
            packed[name], packed[name + SCALE] = int8.quantise_rows(value)
        elif value.ndim == 2:
            packed[name] = value.to(torch.float16)
        else:
            packed[name] = value
    return {name: value.contiguous() for name, value in packed.items()}


def unpack(packed: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """float32 weights of what `pack` wrote.

    Raises:
        ValueError: int8 without a scale of its rows.
    """
    state: dict[str, torch.Tensor] = {}
    for name, value in packed.items():
        if name.endswith(SCALE):
            continue
        if value.dtype == torch.int8:
            scale = packed.get(name + SCALE)
            if scale is None or scale.shape != value.shape[:1]:
                raise ValueError(f"{name} is int8 without a scale for each row")
            state[name] = value.float() * scale[:, None]
        else:
            state[name] = value.float() if value.is_floating_point() else value
    return state
