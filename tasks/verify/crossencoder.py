"""The embedded default: a small cross-encoder over selected sentences, fused with rules, calibrated.

Belongs here: composing the parts and loading them. Does not belong here: the network (`network.py`), its
windows and batches (`pair_classifier.py`), the rules (`text/pairs.py`), the choice of sentences
(`selection.py`) or how the fusion was fitted (`training/fusion.py`).

How a pair is judged, once equal quantities are written alike (`text/forms.py`) and rows of tables say what
their values are (`text/rows.py`):

1. Parts of the passage that are about something else are left out of all that follows. Every sentence of
   the rest is weighed by the claim's words it holds; the best are read together, in the order of the text,
   by the network. What is within the budget is read whole.
2. A claim of several sentences is also read sentence by sentence: its weakest part counts.
3. Shared words, word pairs and lengths are counted over all parts that are about the claim.
4. A multinomial logistic model weighs all of it; a temperature calibrates the odds of support.
5. Rules that are nearly always right where they speak (`text/rules.py`) have the last word.

So every word of the passage is counted and weighed for selection, and the network reads the selected
sentences: `tokens_seen` counts words that were counted, `windows` counts forward passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tasks.errors import ModelError
from tasks.text import forms, pairs, rows, rules, words
from tasks.verify import guards, selection, softmax
from tasks.verify.artefact import load_artefact
from tasks.verify.protocol import Scores, Verifier, fingerprint, score_distinct
from tasks.verify.selection import SelectionParameters

if TYPE_CHECKING:
    from tasks.models.folder import Manifest
    from tasks.verify.parameters import VerifierSettings

KIND = "fused-cross-encoder"
FUSION_FILE = "fusion.json"
CODE_VERSION = 6
"""Bump with a change here or in `selection.py` that can change a score."""
CHUNK_PAIRS = 512
"""Pairs whose terms are in memory at once; enough to sort batches by length, few enough for progress."""
BATCH_TOKENS = 1024
"""Rows times longest row of a forward pass: beyond it, what lies between two layers leaves the cache."""
READS = frozenset({"en"})
"""Languages that its training data are written in; of others it takes words for words and reads no more."""
UNREADABLE = r"[\p{L}\p{N}]{101,}"
"""A word of more than 100 characters is one unknown piece to the tokeniser, equal to every other."""
LOWEST_LOG = -7.0
"""Probabilities below a thousandth say the same: they must not reach the logistic model as outliers."""
NETWORK_INPUTS = (
    "log_supported",
    "log_contradicted",
    "log_insufficient",
    "weakest_part",
    "strongest_objection",
)
INPUTS = (*NETWORK_INPUTS, *pairs.SHARED)
"""Rules for numbers, names, dates, units and negation stay out: beside a network taught on changed facts
they add nothing on contrast sets and cost on files nobody saw (decision 9)."""


@dataclass(frozen=True)
class Fusion:
    """What combines network and rules; `to_json` and `from_json` are inverse."""

    model: softmax.Softmax
    temperature: float
    weights: dict[str, float]
    unknown_weight: float
    selection: SelectionParameters

    def to_json(self) -> str:
        """Everything as one JSON document."""
        values = {
            "inputs": list(INPUTS),
            "rules_version": pairs.RULES_VERSION,
            "softmax": self.model.to_lists(),
            "temperature": self.temperature,
            "weights": self.weights,
            "unknown_weight": self.unknown_weight,
            "selection": asdict(self.selection),
        }
        return json.dumps(values, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> Fusion:
        """Raises ValueError, KeyError or TypeError for anything that `to_json` did not write."""
        values = json.loads(text)
        if values["inputs"] != list(INPUTS) or values["rules_version"] != pairs.RULES_VERSION:
            raise ValueError("fitted with other inputs or rules than these")
        return cls(
            softmax.Softmax.from_lists(values["softmax"]),
            float(values["temperature"]),
            {str(term): float(weight) for term, weight in values["weights"].items()},
            float(values["unknown_weight"]),
            _selection(values),
        )


def _selection(values: dict[str, Any]) -> SelectionParameters:
    """How sentences were selected for a fusion; the first ones named two parameters and read every part."""
    if "selection" in values:
        return SelectionParameters(**values["selection"])
    budget, longest = int(values["budget_characters"]), int(values["longest_sentence"])
    return SelectionParameters(budget, longest, least_of_best=0.0)


class FusedCrossEncoder:
    """Verifier Protocol over a network, rules and a fusion."""

    def __init__(
        self, name: str, network: Verifier, fusion: Fusion, settings: VerifierSettings, identity: str
    ):
        self.name = name
        self.reads = READS
        self._network = network
        self._fusion = fusion
        self._settings = settings
        self._identity = identity

    @cached_property
    def fingerprint(self) -> str:
        """Over the artefact, the rules, the network's own settings and this code."""
        return fingerprint(
            kind=KIND,
            artefact=self._identity,
            network=self._network.fingerprint,
            rules=pairs.RULES_VERSION,
            guards=rules.RULES_VERSION,
            code=CODE_VERSION,
        )

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """Scores pairs in the order given; equal pairs are scored once.

        A token is a word or a number here. A passage of more than `max_tokens` times `max_windows` words, a
        claim longer than the network's window or with an endless word in it, does not fit and is certainly
        insufficient.
        """
        return score_distinct(claims, passages, self._score, chunk_pairs=CHUNK_PAIRS, progress=progress)

    def shared(self, claims: pl.Series, passages: pl.Series) -> np.ndarray:
        """(n,) weighted share of the claim's content words that each passage holds."""
        shares = selection.overlap(
            claims, np.arange(len(claims)), passages, self._fusion.weights, self._fusion.unknown_weight
        )
        return np.asarray(np.minimum(shares, 1.0))

    def _score(self, claims: pl.Series, passages: pl.Series) -> Scores:
        claim_tokens, passage_tokens = words.token_counts(claims), words.token_counts(passages)
        longest = self._settings.max_tokens * self._settings.max_windows
        readable = ~claims.str.contains(UNREADABLE).fill_null(value=False).to_numpy()
        fits = (passage_tokens <= longest) & (claim_tokens <= self._settings.max_tokens) & readable
        judged = fits & (claim_tokens > 0) & (passage_tokens > 0)
        probabilities = np.zeros((len(claims), 3))
        probabilities[:, 2] = 1.0
        windows = fits.astype(np.int64)
        at = np.flatnonzero(judged)
        if len(at):
            written = forms.aligned(claims[at], passages[at])
            values, read = compute(written, passages[at], self._network, self._fusion)
            fused = softmax.cooled(self._fusion.model.logits(values), self._fusion.temperature)
            fused = guards.guarded(fused, claims[at], passages[at], READS)
            probabilities[at] = np.where((read > 0)[:, None], fused, (0.0, 0.0, 1.0))
            windows[at] = read
        offered = claim_tokens + passage_tokens
        return Scores(
            probabilities,
            offered.astype(np.int32),
            np.where(windows > 0, offered, 0).astype(np.int32),
            windows.astype(np.int32),
        )


def compute(
    claims: pl.Series, passages: pl.Series, network: Verifier, fusion: Fusion
) -> tuple[np.ndarray, np.ndarray]:
    """((n, len(INPUTS)) inputs of the logistic model, (n,) windows the network read).

    `weakest_part` and `strongest_objection` are the least log support and the greatest log contradiction
    over the sentences of a claim that has several, else those of the whole.
    """
    passages = rows.told(passages)
    lines = claims.str.strip_chars()
    parts = selection.sentences(lines).filter(
        (pl.len().over("row") > 1) & (pl.col("sentence").str.count_matches(r"\w+") >= 3)
    )
    owner = parts["row"].to_numpy()
    questions = pl.concat([lines.rename("claim"), parts["sentence"].rename("claim")])
    texts = pl.concat([passages.rename("text"), passages[owner].rename("text")])
    words_of_it = (fusion.weights, fusion.unknown_weight, fusion.selection)
    texts = selection.relevant(questions, texts, *words_of_it)
    gathered = selection.gather(questions, texts, *words_of_it)
    passages = texts[: len(claims)]
    scores = network.score(questions.to_list(), gathered.to_list())
    logs = np.maximum(np.log(np.maximum(scores.probabilities, 1e-9)), LOWEST_LOG)
    count = len(claims)
    whole, by_part = logs[:count], logs[count:]
    weakest, objection = whole[:, 0].copy(), whole[:, 1].copy()
    np.minimum.at(weakest, owner, by_part[:, 0])
    np.maximum.at(objection, owner, by_part[:, 1])
    cut = pairs.pieces(passages)
    nearest = selection.overlap(
        lines, cut["passage"].to_numpy(), cut["text"], fusion.weights, fusion.unknown_weight
    )
    shared = pairs.shared_words(
        lines, passages, cut, nearest, weights=fusion.weights, unknown_weight=fusion.unknown_weight
    )
    windows = scores.windows[:count].astype(np.int64)
    np.add.at(windows, owner, scores.windows[count:] * (windows[owner] > 0))
    return np.column_stack([whole, weakest, objection, shared]), windows


def load_cross_encoder(
    folder: Path, manifest: Manifest, settings: VerifierSettings, *, threads: int = 0
) -> FusedCrossEncoder:
    """A folder of `training.artefact.pack`, whose digests `read_manifest` has checked.

    Raises:
        ModelError: malformed artefact, or one fitted with other rules.
    """
    file = folder / FUSION_FILE
    try:
        fusion = Fusion.from_json(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{file}: not a fusion of these rules ({str(error)[:80]}); train it again") from None
    narrow = replace(settings, batch_tokens=min(settings.batch_tokens, BATCH_TOKENS))
    network = load_artefact(folder, manifest, narrow, threads=threads)
    return FusedCrossEncoder(folder.name, network, fusion, settings, fingerprint(files=manifest["files"]))
