"""What labels mean: those of labelled pairs, and the order of a classifier's, read and never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.errors import ModelError
from tasks.tables import VERDICTS
from tasks.verify.softmax import softmax

NOT_SUPPORTED = "not_supported"
"""Label of pairs that are contradicted or insufficient, and do not say which."""
CODES = {label: code for code, label in enumerate((*VERDICTS, NOT_SUPPORTED))}
"""Labels of pairs as integers."""
SUPPORTED, CONTRADICTED, INSUFFICIENT = range(len(VERDICTS))

MEANINGS = {
    SUPPORTED: (
        "entailment entailed entails support supports supported consistent factual faithful attributable "
        "grounded"
    ),
    CONTRADICTED: "contradiction contradicted contradicts contradictory refutes refuted refute",
    INSUFFICIENT: (
        "neutral insufficient unknown nei notenoughinfo notenoughinformation notentailment notentailed "
        "notsupported unsupported notconsistent inconsistent notfactual nonfactual notfaithful unfaithful "
        "hallucinated hallucination notattributable notgrounded ungrounded"
    ),
}
"""Names that models give their classes, without case, spaces and punctuation. A class that only denies
support counts as insufficient: which of the two others it is, it does not say."""

_COLUMN = {name: column for column, names in MEANINGS.items() for name in names.split()}


@dataclass(frozen=True)
class Reading:
    """`columns[i]` is the column of (supported, contradicted, insufficient) that logit i speaks for."""

    columns: tuple[int, ...]

    @property
    def classes(self) -> int:
        """Number of logits."""
        return len(self.columns)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(n, classes) logits to (n, 3) probabilities; one logit through the logistic function."""
        result = np.zeros((len(logits), 3))
        if self.classes == 1:
            yes = 1.0 / (1.0 + np.exp(-np.clip(logits[:, 0], -500, 500)))
            result[:, self.columns[0]] = yes
            result[:, SUPPORTED if self.columns[0] != SUPPORTED else INSUFFICIENT] = 1.0 - yes
            return result
        result[:, list(self.columns)] = softmax(logits)
        return result


def read_labels(config: Mapping[str, Any], name: str) -> Reading:
    """How to read the logits of a model with this configuration.

    Three classes, two of which one is *supported*, or one logit, which without a telling name is the
    score of *supported* as cross-encoders have it.

    Raises:
        ModelError: labels that say nothing (LABEL_0), that are unknown or that name a class twice.
    """
    found = config.get("id2label") or {}
    try:
        by_place = {int(place): str(label) for place, label in dict(found).items()}
    except (TypeError, ValueError):
        raise ModelError(f"{name}: id2label of config.json is not a mapping from numbers to names") from None
    count = len(by_place)
    if not by_place:
        # transformers leaves out the default; its two nameless classes have no order to read.
        count = int(config.get("num_labels") or 2)
        by_place = {place: f"LABEL_{place}" for place in range(count)}
    labels = [by_place.get(place, "") for place in range(count)]
    columns = tuple(_COLUMN.get(_plain(label), -1) for label in labels)
    if count == 1:
        return Reading((SUPPORTED if columns[0] == -1 else columns[0],))
    if count in (2, 3) and -1 not in columns and SUPPORTED in columns and len(set(columns)) == count:
        return Reading(columns)
    shown = ", ".join(repr(label[:30]) for label in labels[:10])
    raise ModelError(
        f"{name}: the labels in config.json are {shown}; expected entailment, neutral and contradiction in "
        "any order, two of which one is entailment or supported, or one logit; write them into id2label"
    )


def _plain(label: str) -> str:
    return "".join(c for c in label.lower() if c.isalnum())
