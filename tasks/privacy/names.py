"""Door to a model that finds names and addresses: a token classifier in a folder of the user's.

A folder of Hugging Face's format with safetensors and a fast tokeniser; pickled weights and code of its own
are refused (`models/folder.py`), nothing is downloaded. GLiNER and Presidio would each bring a second version
of transformers or spaCy; most models that they run are token classifiers, which load here without either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import ModelError
from tasks.models import folder as trusted
from tasks.privacy import confidential, entities
from tasks.privacy.entities import LABELS, Piece, Recogniser

_BATCH, _TOKENS, _OVERLAP = 16, 384, 64
"""Windows computed at once, tokens of a window, tokens that two windows of one text share."""


def scan(
    outputs: pl.DataFrame, recogniser: Recogniser, minimum: float, *, run_id: str, now: datetime
) -> pl.DataFrame:
    """FINDINGS of kinds `person` and `address` in responses (OUTPUTS frame)."""
    numbered = outputs.select("output_id", "produced_at", "response").with_row_index("row")
    said = numbered.filter(pl.col("response").str.contains(r"\p{L}"))
    texts = said["response"].to_list()
    rows = [
        (row, kind, recogniser.label, finding)
        for row, text, pieces in zip(said["row"], texts, recogniser.pieces(texts), strict=True)
        for kind, finding in entities.findings(text, pieces, minimum)
    ]
    return confidential.as_findings(rows, numbered, run_id=run_id, now=now)


@lru_cache(2)
def load(path: str) -> Recogniser:
    """The model of a folder.

    Raises:
        ModelError: no such folder, no safetensors, code of its own, labels of neither names nor addresses.
    """
    place = Path(path)
    if not place.is_dir():
        raise ModelError(f"privacy.names_model: {path} is not a folder; name one with a token classifier")
    trusted.require_safetensors(place.iterdir(), path)
    config = trusted.read_json(place / "config.json", path)
    for file in place.glob("*.json"):
        trusted.read_json(file, path)
    labels = [str(label) for label in (config.get("id2label") or {}).values()]
    if not any(map(entities.kind_of, labels)):
        shown = ", ".join(labels[:10]) or "none"
        expected = ", ".join(name.split()[0] for name in LABELS.values())
        raise ModelError(
            f"privacy.names_model: {path} has the labels {shown}; expected one like {expected} in id2label"
        )
    trusted.work_offline()
    return TokenClassifier(place, path)


class TokenClassifier:
    """A token classifier of transformers."""

    def __init__(self, folder: Path, name: str) -> None:
        import torch
        from transformers import AutoModelForTokenClassification, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()

        def network() -> tuple[Any, dict[str, Any]]:
            return AutoModelForTokenClassification.from_pretrained(  # type: ignore[no-any-return]
                folder,
                trust_remote_code=False,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )

        def tokeniser() -> Any:
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)

        self._model, info = trusted.loaded(network, name)
        self._model.eval()
        if lacking := sorted(map(str, info.get("missing_keys", ()))):
            raise ModelError(
                f"{name}: the weights lack {len(lacking)} tensors of the model, first {lacking[0]}; it was "
                "not trained as a token classifier"
            )
        self._tokenizer = trusted.loaded(tokeniser, name)
        if not self._tokenizer.is_fast:
            raise ModelError(f"{name}: no fast tokeniser (tokenizer.json), which alone knows characters")
        files = (file for file in folder.iterdir() if file.suffix in trusted.IDENTITY)
        self.label = f"names@{trusted.identity(folder, files)[:12]}"
        self._labels = {int(number): str(label) for number, label in self._model.config.id2label.items()}
        longest = getattr(self._model.config, "max_position_embeddings", _TOKENS)
        self._tokens = min(_TOKENS, int(longest))

    def pieces(self, texts: Sequence[str]) -> Iterator[list[Piece]]:
        """The tokens of each text; long texts are read in windows that overlap."""
        for first in range(0, len(texts), _BATCH):
            yield from self._of_batch(texts[first : first + _BATCH])

    def _of_batch(self, texts: Sequence[str]) -> list[list[Piece]]:
        import torch

        encoded = self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self._tokens,
            stride=min(_OVERLAP, self._tokens // 4),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=True,
            return_tensors="pt",
        )
        offsets = encoded.pop("offset_mapping").tolist()
        owners = encoded.pop("overflow_to_sample_mapping").tolist()
        found: dict[int, list[Piece]] = defaultdict(list)
        for start in range(0, len(owners), _BATCH):
            part = {name: tensor[start : start + _BATCH] for name, tensor in encoded.items()}
            with torch.inference_mode():
                best = torch.softmax(self._model(**part).logits.float(), dim=-1).max(dim=-1)
            scores, labels = best.values.tolist(), best.indices.tolist()
            for window, owner in enumerate(owners[start : start + _BATCH]):
                spans = offsets[start + window]
                found[owner] += [
                    Piece(begin, end, self._labels[label], score)
                    for (begin, end), label, score in zip(spans, labels[window], scores[window], strict=True)
                    if end > begin
                ]
        return [found[number] for number in range(len(texts))]
