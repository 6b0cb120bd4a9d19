"""The network of the embedded verifier: a BERT encoder over both texts, and a head that compares tokens.

Belongs here: the forward computation in torch and its safetensors form. Does not belong here: learning
(`train.py`) or export and scoring.

The encoder reads `[CLS] claim [SEP] evidence [SEP]`. The head aligns every claim token with the evidence
tokens (soft attention over cosine similarity, after Parikh et al. 2016, "A Decomposable Attention Model"),
compares each with what it was aligned to, and pools over the claim, so that one unsupported word can decide.
Initialised from a sentence encoder, similarity is informative before the first step; a plain classifier on
[CLS] learns nothing in its first hundreds of steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.errors import ModelError

OF_HEAD = "sharpness"
"""A weight that only this network has: what tells a trained one from an encoder."""
COMPARED = 128
"""Width of the comparison of one token with what it was aligned to."""
SHARPNESS = 20.0
"""Initial inverse temperature of the alignment; cosines lie within [-1, 1]."""


def build(encoder: Any, classes: int, cls_id: int, sep_id: int) -> Any:
    """torch module: (ids, mask, types), each (rows, length) int64, to logits (rows, classes)."""
    import torch
    from torch import nn
    from torch.nn import functional

    width = int(encoder.config.hidden_size)

    class PairNetwork(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
            self.compare = nn.Linear(4 * width, COMPARED)
            self.mix = nn.Linear(2 * width + 2 * COMPARED + 2, COMPARED)
            self.classifier = nn.Linear(COMPARED, classes)

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            hidden = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state
            plain = (attention_mask == 1) & (input_ids != cls_id) & (input_ids != sep_id)
            claim = (plain & (token_type_ids == 0)).unsqueeze(2)
            evidence = plain & (token_type_ids == 1)
            unit = functional.normalize(hidden.float(), dim=2)
            cosine = (unit @ unit.transpose(1, 2)).masked_fill(~evidence.unsqueeze(1), -1e4)
            aligned = torch.softmax(cosine * self.sharpness, dim=2) @ unit
            scale = width**0.5
            one, other = unit * scale, aligned * scale
            compared = functional.gelu(
                self.compare(torch.cat([one, other, (one - other).abs(), one * other], dim=2))
            )
            count = claim.sum(dim=1).clamp(min=1)
            mean = (compared * claim).sum(dim=1) / count
            most = compared.masked_fill(~claim, -1e4).amax(dim=1).clamp(min=-1.0)
            best = cosine.amax(dim=2, keepdim=True).clamp(min=-1.0)
            least = best.masked_fill(~claim, 1.0).amin(dim=1)
            covered = (best * claim).sum(dim=1) / count
            first = functional.normalize((unit * claim).sum(dim=1), dim=1) * scale
            second = functional.normalize((unit * evidence.unsqueeze(2)).sum(dim=1), dim=1) * scale
            together = torch.cat(
                [(first - second).abs(), first * second, mean, most, 5 * least, 5 * covered], dim=1
            )
            return self.classifier(functional.gelu(self.mix(together)))

    return PairNetwork()


def from_sentence_encoder(base: Path, classes: int) -> tuple[Any, Any]:
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
    return tokenizer, build(encoder, classes, tokenizer.cls_token_id, tokenizer.sep_token_id)
