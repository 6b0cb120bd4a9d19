"""What one process needs to judge: parameters, lake and the heavy models, each loaded at first use.

A repeated audit that finds nothing new never loads a model, which is what makes it take seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tasks import ids
from tasks.claims.claims import ExtractParameters
from tasks.decide.policies import Policy
from tasks.evidence.parameters import CorpusSettings, RetrieveSettings
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger.parameters import LedgerSettings
from tasks.privacy.parameters import PrivacySettings
from tasks.verify.parameters import VerifierSettings

if TYPE_CHECKING:
    from tasks.evidence.embeddings import CachedEmbedder
    from tasks.text.sentences import Segmenter
    from tasks.verify.batch_endpoint import BatchEndpoint
    from tasks.verify.protocol import Usage, Verifier


@dataclass(frozen=True, kw_only=True)
class JudgeParameters:
    """Everything of the configuration that a judgement depends on."""

    extract: ExtractParameters = ExtractParameters()
    corpus: CorpusSettings = CorpusSettings()
    retrieve: RetrieveSettings = RetrieveSettings()
    verifier: VerifierSettings = VerifierSettings()
    earlier_verifiers: tuple[VerifierSettings, ...] = ()
    policies: tuple[Policy, ...] = (Policy(),)
    privacy: PrivacySettings = PrivacySettings()
    ledger: LedgerSettings = LedgerSettings()
    threads: int = 0
    """Threads of the models; 0 is one per core."""
    answers_later: bool = False
    """Whether a judge behind an endpoint is asked through its provider's batch interface."""


class Workbench:
    """Parameters and lake at once; `embedder`, `verifier` and `segment` when first asked for."""

    def __init__(self, parameters: JudgeParameters, lake: Lake) -> None:
        self.parameters = parameters
        self.lake = lake

    @cached_property
    def segment(self) -> Segmenter:
        """The sentence splitter: text in, character spans out."""
        from tasks.text.sentences import segmenter

        return segmenter()

    def known_vectors(self, queries: Sequence[str], documents: Sequence[str]) -> np.ndarray:
        """(n, d) cached embeddings, queries first, NaN where the cache holds none; loads no model."""
        vectors: np.ndarray = self.embedder.known(queries, documents)
        return vectors

    @cached_property
    def embedder(self) -> CachedEmbedder:
        """Embedding model behind the lake's cache: nothing is embedded twice."""
        from tasks.evidence.embeddings import CachedEmbedder
        from tasks.evidence.models import load_chosen

        model = load_chosen(self.parameters.retrieve, threads=self.parameters.threads)
        return CachedEmbedder(model, self.lake.root)

    @cached_property
    def verifier(self) -> Verifier:
        """The configured verifier."""
        settings = self.parameters.verifier
        if self.batch is None:
            return self.load(settings)
        from tasks.verify.load import under_calibration

        return under_calibration(self.batch, settings)

    @cached_property
    def batch(self) -> BatchEndpoint | None:
        """The judge whose answers come by batches, without its calibration; None of any other."""
        if not self.parameters.answers_later:
            return None
        from tasks.verify.batch_endpoint import BatchEndpoint

        return BatchEndpoint(self.parameters.verifier, self.lake.root)

    @property
    def has_verifier(self) -> bool:
        """Whether it is loaded."""
        return "verifier" in self.__dict__

    def load(self, settings: VerifierSettings) -> Verifier:
        """A verifier with this bench's threads.

        Raises:
            ModelError: it is missing or not what it claims to be.
        """
        from tasks.verify.load import load

        return load(settings, threads=self.parameters.threads)

    @property
    def measured(self) -> dict[str, object] | None:
        """What its makers measured of the configured verifier on foreign data; None where nothing came with
        it."""
        from tasks.verify.load import measured

        return measured(self.parameters.verifier)

    @cached_property
    def identity(self) -> str:
        """What tables call the verifier: its fingerprint, and everything that chooses what it is shown."""
        return self.identity_of(self.verifier.fingerprint)

    def identity_of(self, fingerprint: str) -> str:
        """What tables call a verifier of that fingerprint under these settings.

        Another number of passages per claim, another cut or another embedding model may give another
        verdict, so they must give the verdict another name.
        """
        settings = self.parameters
        chosen = {
            "retrieve": asdict(settings.retrieve.parameters),
            "passages": asdict(settings.corpus.passages),
            "embedder": self.embedder.fingerprint,
        }
        if searched := self._search_name():
            chosen["index"] = searched
        return ids.digest("verifier", fingerprint, json.dumps(chosen, sort_keys=True))

    def _search_name(self) -> str:
        """Which approximate search the corpus has: other cells may find other passages, and empty of an exact
        one.
        """
        from tasks.evidence import shards, snapshots

        corpus = self.parameters.corpus
        published = (
            self.lake.read_state(snapshots.state_name(corpus.name)).get("index") if corpus.path else None
        )
        return shards.Method(**published).name if published else ""

    @property
    def usage(self) -> Usage | None:
        """What a remote judge was asked by this process so far; None of another or before its first use."""
        from tasks.verify.protocol import usage_of

        return usage_of(self.verifier) if self.has_verifier else None

    def record_usage(
        self, run_id: str, others: Sequence[Usage] = (), *, claims: int = 0
    ) -> dict[str, dict[str, float]]:
        """What a remote judge was asked and cost, also as `judge-usage.json` of the run; {} for none.

        Args:
            others: what worker processes asked.
            claims: that got a verdict in this run; the cost of each is part of the record.
        """
        usages = [asdict(usage) for usage in (self.usage, *others) if usage is not None]
        if not usages:
            return {}
        spent: dict[str, float] = {name: sum(each[name] for each in usages) for name in usages[0]}
        spent |= {"claims": claims, "cost_per_claim": spent["cost"] / claims if claims else 0.0}
        durable.replace_json(self.lake.run_folder(run_id) / "judge-usage.json", spent)
        return {"judge_usage": spent}
