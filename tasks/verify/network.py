"""The network of the embedded verifier: a BERT encoder over both texts, and a head that compares tokens.

Belongs here: the forward computation in torch, and its weights read from safetensors. Does not belong here:
learning and packing (`training/`), the encoder's arithmetic (`models/kernels.py`).

The encoder reads `[CLS] claim [SEP] evidence [SEP]`. The head aligns every claim token with the evidence
tokens (soft attention over cosine similarity, after Parikh et al. 2016, "A Decomposable Attention Model"),
compares each with what it was aligned to, and pools over the claim, so that one unsupported word can decide.
Initialised from a sentence encoder, similarity is informative before the first step; a plain classifier on
[CLS] learns nothing in its first hundreds of steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import AutoTokenizer, BertConfig, BertModel
from transformers.initialization import no_init_weights

from tasks.errors import ModelError
from tasks.models import kernels
from tasks.tables import VERDICTS

if TYPE_CHECKING:
    from tasks.models.kernels import Kernel

COMPARED = 128
"""Width of the comparison of one token with what it was aligned to."""
SHARPNESS = 20.0
"""Initial inverse temperature of the alignment; cosines lie within [-1, 1]."""


class PairNetwork(nn.Module):
    """Logits in the order of `VERDICTS`, from an encoder like `BertModel`."""

    def __init__(self, encoder: BertModel, cls_id: int, sep_id: int) -> None:
        super().__init__()
        width = int(encoder.config.hidden_size)
        self.encoder = encoder
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
        self.compare = nn.Linear(4 * width, COMPARED)
        self.mix = nn.Linear(2 * width + 2 * COMPARED + 2, COMPARED)
        self.classifier = nn.Linear(COMPARED, len(VERDICTS))
        self._cls, self._sep = cls_id, sep_id

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        """(ids, mask, types), each (rows, length) int64, to logits (rows, classes)."""
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        plain = (attention_mask == 1) & (input_ids != self._cls) & (input_ids != self._sep)
        of_claim = plain & (token_type_ids == 0)
        evidence = plain & (token_type_ids == 1)
        # The claim comes first: what lies behind the longest one of the batch is compared with nothing.
        end = 1 + int((of_claim * torch.arange(of_claim.shape[1], device=of_claim.device)).max())
        claim = of_claim[:, :end].unsqueeze(2)
        unit = functional.normalize(hidden.float(), dim=2)
        scale = hidden.shape[2] ** 0.5
        one = unit[:, :end]
        cosine = (one @ unit.transpose(1, 2)).masked_fill(~evidence.unsqueeze(1), -1e4)
        aligned = torch.softmax(cosine * self.sharpness, dim=2) @ unit
        first = functional.normalize((one * claim).sum(dim=1), dim=1) * scale
        second = functional.normalize((unit * evidence.unsqueeze(2)).sum(dim=1), dim=1) * scale
        one, other = one * scale, aligned * scale
        compared = functional.gelu(
            self.compare(torch.cat([one, other, (one - other).abs(), one * other], dim=2))
        )
        count = claim.sum(dim=1).clamp(min=1)
        mean = (compared * claim).sum(dim=1) / count
        most = compared.masked_fill(~claim, -1e4).amax(dim=1).clamp(min=-1.0)
        best = cosine.amax(dim=2, keepdim=True).clamp(min=-1.0)
        least = best.masked_fill(~claim, 1.0).amin(dim=1)
        covered = (best * claim).sum(dim=1) / count
        together = torch.cat(
            [(first - second).abs(), first * second, mean, most, 5 * least, 5 * covered], dim=1
        )
        logits: torch.Tensor = self.classifier(functional.gelu(self.mix(together)))
        return logits


def load_network(folder: Path, weights: str, kernel: Kernel | None = None) -> PairNetwork:
    """The network in evaluation mode, from safetensors alone.

    Args:
        folder: weights, `config.json` and tokeniser.
        weights: name of the file, trained or packed.
        kernel: computes with; None is the plain float32 module, as for training.

    Raises:
        ModelError: missing or foreign weights.
    """
    try:
        config = BertConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with no_init_weights():  # drawing weights that are replaced at once takes longer than reading them
            encoder = BertModel(config, add_pooling_layer=False)
        model = PairNetwork(encoder, tokenizer.cls_token_id, tokenizer.sep_token_id)
        model.load_state_dict(kernels.unpack(load_file(folder / weights)))
        model.eval().requires_grad_(requires_grad=False)
        if kernel is not None:
            model.encoder = kernels.Encoder(model.encoder, kernel)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: not a trained verifier ({str(error)[:160]})") from None
    return model
