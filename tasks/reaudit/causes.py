"""What has to be known of a flip to tell its cause: the verdict with one thing changed at a time.

Belongs here: which scores are recorded, which are computed again, by which verifier. Does not belong here:
how a cause follows from the verdicts (`reaudit/flips.py`).

The lake keeps all but one thing. Recorded: the old passages, the old verifier's scores of them, the old
verdict's probabilities and policy; and the same of the new. Computed again, for flips alone: the new
verifier's scores of the old passages. Needed from outside the lake: the old verifier itself, for its scores
of new passages. It is looked for in `reaudit.earlier_verifiers` and where it stood when it judged, and used
only if its fingerprint is the recorded one. Where it is gone, causes are found in the one order that can be
computed, and the rows say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from tasks.decide import verdicts
from tasks.decide.policies import Policy, for_use_case
from tasks.errors import ClaimledgerError
from tasks.judge.job import Scores
from tasks.judge.published import of_days
from tasks.judge.scoring import scored
from tasks.lake import runs
from tasks.lake.store import Lake
from tasks.reaudit import flips
from tasks.tables import PROBABILITIES
from tasks.text import pairs as pairs_stage
from tasks.verify.parameters import VerifierSettings
from tasks.verify.protocol import Verifier
from tasks.workbench import Workbench

_JUDGEMENT = ["claim_id", "verifier", "snapshot"]
_COMBINED = ["claim_id", *PROBABILITIES]


@dataclass(frozen=True)
class Causes:
    """`causes` has a row per flip: claim_id, cause, flips_alone, attribution, evidence_change, reason."""

    causes: pl.DataFrame
    notices: list[str]


def find(flipped: pl.DataFrame, old: pl.DataFrame, new: pl.DataFrame, bench: Workbench) -> Causes:
    """The cause of each flip.

    Args:
        flipped: claim_id, output_id, produced_at, text, use_case, verdict_before, verdict.
        old: VERDICTS, the first of each claim.
        new: VERDICTS, each claim's from the current verifier, policy and snapshot.
    """
    old = old.join(flipped, on="claim_id", how="semi")
    new = new.join(flipped, on="claim_id", how="semi")
    evidence = _evidence(bench.lake, flipped, old, new)
    before, after = (evidence.join(v, on=_JUDGEMENT, how="semi", maintain_order="left") for v in (old, new))
    earlier = _Earlier(bench)
    frame = _with_changes(flipped, old, _changes(before, after, old, bench), earlier)
    policies, notices = _old_policies(frame, bench)
    recorded = Scores(before, old.select(_COMBINED)), Scores(after, new.select(_COMBINED))
    cells, gone = _cells(frame, recorded, policies, earlier)
    causes = flips.attribute(cells).with_columns(is_gone=pl.col("claim_id").is_in(gone.implode()))
    notices += earlier.notices
    ordered = causes.filter(pl.col("attribution") == "verifier_first").height
    if ordered:
        notices.append(
            f"{ordered} flips have their cause from the order verifier, then evidence, because the verifier "
            "they were first judged with could not be loaded; name it in reaudit.earlier_verifiers"
        )
    return Causes(flips.with_reason(causes), notices)


def _with_changes(
    flipped: pl.DataFrame, old: pl.DataFrame, changes: pl.DataFrame, earlier: _Earlier
) -> pl.DataFrame:
    """Flips with their old judgement, `evidence_change`, `same_verifier`, `claim` as a verifier reads it."""
    judgement = old.select(
        "claim_id",
        "threshold_supported",
        "threshold_contradicted",
        verifier_before="verifier",
        policy_before="policy",
    )
    frame = flipped.join(judgement, on="claim_id", maintain_order="left").join(
        changes, on="claim_id", how="left", maintain_order="left"
    )
    same = [identity for identity in frame["verifier_before"].unique() if earlier.is_current(identity)]
    return frame.with_columns(
        pl.col("evidence_change").fill_null("none"),
        claim=pairs_stage.without_citations(pl.col("text")),
        same_verifier=pl.col("verifier_before").is_in(same),
    )


def _cells(
    frame: pl.DataFrame, recorded: tuple[Scores, Scores], policies: Sequence[Policy], earlier: _Earlier
) -> tuple[pl.DataFrame, pl.Series]:
    """The flips with the verdict of each change alone, as `flips.attribute` takes them; claims whose old
    passages are gone.
    """
    by_old = verdicts.with_own_policy(frame.select("claim_id", "claim", policy="policy_before"), policies)
    own = frame.select("claim_id", "claim", "use_case", "produced_at")
    by_new = verdicts.with_policy(own, earlier.bench.parameters.policies)
    old, new = recorded
    reread, gone = _new_verifier_on_old(frame, old, new, earlier.bench)
    anew, unknown = _old_verifier_on_new(frame, old, new, earlier)

    def verdict(by: pl.DataFrame, scores: Scores, without: pl.Series) -> pl.Series:
        settled = verdicts.settle(by, scores.evidence, scores.together)
        return settled.zip_with(~by["claim_id"].is_in(without.implode()), pl.Series([None], dtype=pl.String))

    none = pl.Series(dtype=pl.String)
    cells = frame.with_columns(
        again=verdict(by_old, old, none),
        with_policy=verdict(by_new, old, none),
        with_verifier=verdict(by_old, reread, gone),
        with_evidence=verdict(by_old, anew, unknown),
        with_verifier_and_evidence=verdict(by_old, new, none),
        policy=by_new["policy"],
    )
    return cells, gone


# The evidence -----------------------------------------------------------------------------------------------


def _evidence(lake: Lake, flipped: pl.DataFrame, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE of both judgements with `text`, `document_uri`, `corpus` of the passage, null where gone."""
    judgements = pl.concat([old.select(_JUDGEMENT), new.select(_JUDGEMENT)]).unique()
    evidence = of_days(lake, "evidence", flipped).join(judgements.lazy(), on=_JUDGEMENT, how="semi").collect()
    ids = evidence.lazy().select("passage_id").unique()
    own = of_days(lake, "passages", flipped).filter(pl.col("corpus") == "context")
    corpus = lake.scan("passages").filter(pl.col("corpus") != "context")
    columns = ("passage_id", "text", "document_uri", "corpus")
    parts = [part.join(ids, on="passage_id", how="semi").select(columns).collect() for part in (own, corpus)]
    passages = pl.concat(parts).unique("passage_id")
    return evidence.join(passages, on="passage_id", how="left").sort("claim_id", "rank")


def _changes(before: pl.DataFrame, after: pl.DataFrame, old: pl.DataFrame, bench: Workbench) -> pl.DataFrame:
    """claim_id, evidence_change."""
    # A passage whose text is gone is told from others by its id.
    text = pl.coalesce("text", "passage_id").alias("text")
    texts = pl.concat([before.select(text), after.select(text)]).unique().lazy()
    corpus = bench.lake.scan("passages").filter(pl.col("corpus") != "context")
    stands = pl.lit(bench.parameters.corpus.path is not None) & (
        (pl.col("corpus") == bench.parameters.corpus.name) & pl.col("snapshot_last_seen").is_null()
    )
    known = (
        corpus.join(texts, on="text", how="semi")
        .group_by("text")
        .agg(stands.any().alias("is_there"), pl.col("produced_at").min().alias("first_seen_at"))
        .collect()
    )
    from_corpus = pl.col("origin").is_in(("corpus", "looked_up"))
    was = (
        before.with_columns(text)
        .join(known, on="text", how="left", maintain_order="left")
        .with_columns(is_there=~from_corpus | pl.col("is_there").fill_null(value=False))
    )
    now = (
        after.with_columns(text)
        .join(known, on="text", how="left", maintain_order="left")
        .join(old.select("claim_id", "verified_at"), on="claim_id", how="left", maintain_order="left")
        .with_columns(is_new=from_corpus & (pl.col("first_seen_at") > pl.col("verified_at")))
    )
    return flips.evidence_change(
        was.select("claim_id", "rank", "text", "is_there"),
        now.select("claim_id", "rank", "text", pl.col("is_new").fill_null(value=False)),
    )


# The verifiers ----------------------------------------------------------------------------------------------


class _Earlier:
    """Verifiers of the past: which is the present one under another name, and which can still be loaded."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.known = runs.known_verifiers(bench.lake)
        self.fingerprints = {identity: about["fingerprint"] for identity, about in self.known.items()}
        self.notices: list[str] = []

    def is_current(self, identity: str) -> bool:
        """The same weights and calibration as now; only what is retrieved may be another."""
        return self.bench.identity == identity or self._is_of(self.bench.verifier, identity)

    def load(self, identity: str) -> Verifier | None:
        """The verifier of that identity, or None where it can no longer be had."""
        for settings in self._candidates(identity):
            try:
                verifier = self.bench.load(settings)
            except ClaimledgerError as error:
                self.notices.append(f"an earlier verifier cannot be loaded: {error}")
                continue
            if self._is_of(verifier, identity) or self.bench.identity_of(verifier.fingerprint) == identity:
                return verifier
        return None

    def _is_of(self, verifier: Verifier, identity: str) -> bool:
        return self.fingerprints.get(identity) == verifier.fingerprint

    def _candidates(self, identity: str) -> Iterable[VerifierSettings]:
        yield from self.bench.parameters.earlier_verifiers
        if identity in self.known:
            yield VerifierSettings(**self.known[identity]["settings"])


def _new_verifier_on_old(
    frame: pl.DataFrame, old: Scores, new: Scores, bench: Workbench
) -> tuple[Scores, pl.Series]:
    """The current verifier's scores of the old evidence, and claims of which that evidence is gone."""
    same, unmoved, others = _by_change(frame)
    passages = _of(old, others).evidence
    gone = passages.filter(pl.col("text").is_null())["claim_id"].unique()
    readable = passages.filter(~pl.col("claim_id").is_in(gone.implode()))
    return _joined(_of(old, same), _of(new, unmoved), _scored(readable, others, bench.verifier)), gone


def _old_verifier_on_new(
    frame: pl.DataFrame, old: Scores, new: Scores, earlier: _Earlier
) -> tuple[Scores, pl.Series]:
    """The old verifiers' scores of the new evidence, and claims whose old verifier is gone."""
    same, unmoved, others = _by_change(frame)
    parts, unknown = [_of(new, same), _of(old, unmoved)], [pl.Series(dtype=pl.String)]
    for (identity,), claims in others.group_by("verifier_before", maintain_order=True):
        verifier = earlier.load(str(identity))
        if verifier is None:
            unknown.append(claims["claim_id"])
        else:
            parts.append(_scored(_of(new, claims).evidence, claims, verifier))
    return _joined(*parts), pl.concat(unknown)


def _by_change(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Flips by the same verifier; by another on the same evidence; by another on other evidence."""
    same, unmoved = pl.col("same_verifier"), pl.col("evidence_change") == "none"
    return frame.filter(same), frame.filter(~same & unmoved), frame.filter(~same & ~unmoved)


def _of(scores: Scores, claims: pl.DataFrame) -> Scores:
    """The scores of some claims."""
    mine = pl.col("claim_id").is_in(claims["claim_id"].implode())
    return Scores(scores.evidence.filter(mine), scores.together.filter(mine))


def _scored(passages: pl.DataFrame, claims: pl.DataFrame, verifier: Verifier) -> Scores:
    if passages.is_empty():
        combined = dict.fromkeys(_COMBINED, pl.Float64) | {"claim_id": pl.String}
        return Scores(passages, pl.DataFrame(schema=combined))
    candidates = passages.select(
        "claim_id", "passage_id", "origin", "rank", "retrieval_score", "text", "document_uri"
    )
    return scored(candidates.sort("claim_id", "rank"), claims, verifier)


def _joined(*parts: Scores) -> Scores:
    columns = [
        "claim_id",
        "rank",
        "passage_id",
        "origin",
        *PROBABILITIES,
        "tokens_offered",
        "tokens_seen",
    ]
    return Scores(
        pl.concat([part.evidence.select(columns) for part in parts]),
        pl.concat([part.together.select(_COMBINED) for part in parts]),
    )


# The policies -----------------------------------------------------------------------------------------------


def _old_policies(frame: pl.DataFrame, bench: Workbench) -> tuple[list[Policy], list[str]]:
    """Every policy that decided an old verdict, by value; sentences on those of which that is guessed."""
    known = {p.label: p for p in (*runs.known_policies(bench.lake), *bench.parameters.policies)}
    notices = []
    missing = frame.filter(~pl.col("policy_before").is_in(list(known))).unique("policy_before")
    for row in missing.sort("policy_before").iter_rows(named=True):
        name, _, version = row["policy_before"].rpartition("@")
        now = for_use_case(bench.parameters.policies, row["use_case"], row["produced_at"].date())
        known[row["policy_before"]] = Policy(
            name=name,
            version=version,
            threshold_supported=row["threshold_supported"],
            threshold_contradicted=row["threshold_contradicted"],
            minimum_evidence=now.minimum_evidence,
            on_conflict=now.on_conflict,
        )
        notices.append(
            f"policy {row['policy_before']} is older than this lake's record of policies: its thresholds are "
            f"those of its verdicts, the rest is taken from {now.label}"
        )
    return list(known.values()), notices
