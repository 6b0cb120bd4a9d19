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

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from tasks.decide import verdicts
from tasks.decide.policies import Policy, for_use_case
from tasks.errors import ClaimledgerError
from tasks.judge import score
from tasks.lake import runs
from tasks.lake.store import Lake
from tasks.reaudit import flips
from tasks.tables import PROBABILITIES
from tasks.text import pairs as pairs_stage
from tasks.verify.load import load as load_verifier
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


@dataclass(frozen=True)
class _Scores:
    """Some claims' passages with a verifier's scores, and each claim's combined probabilities if known."""

    evidence: pl.DataFrame
    combined: pl.DataFrame

    def of(self, claim_ids: pl.Series) -> _Scores:
        """Those of the claims."""
        mine = pl.col("claim_id").is_in(claim_ids.implode())
        return _Scores(self.evidence.filter(mine), self.combined.filter(mine))


def find(flipped: pl.DataFrame, old: pl.DataFrame, new: pl.DataFrame, bench: Workbench) -> Causes:
    """The cause of each flip.

    Args:
        flipped: claim_id, output_id, produced_at, text, use_case, verdict_before, verdict.
        old: VERDICTS, the first of each claim.
        new: VERDICTS, each claim's from the current verifier, policy and snapshot.
    """
    lake = bench.lake
    old = old.join(flipped, on="claim_id", how="semi")
    new = new.join(flipped, on="claim_id", how="semi")
    shown = _shown(lake, flipped, old, new)
    before, after = (_of_judgement(shown, each) for each in (old, new))
    changes = _changes(before, after, old, bench)
    frame = (
        flipped.join(
            old.select(
                "claim_id",
                "threshold_supported",
                "threshold_contradicted",
                verifier_before="verifier",
                policy_before="policy",
            ),
            on="claim_id",
            maintain_order="left",
        )
        .join(changes, on="claim_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("evidence_change").fill_null("none"),
            claim=pairs_stage.without_citations(pl.col("text")),
        )
    )
    earlier = _Earlier(bench)
    same = [identity for identity in frame["verifier_before"].unique() if earlier.is_current(identity)]
    frame = frame.with_columns(same_verifier=pl.col("verifier_before").is_in(same))
    assumed = _old_policies(frame, bench)
    by_old = verdicts.with_own_policy(
        frame.select("claim_id", "claim", policy="policy_before"), assumed.policies
    )
    by_new = verdicts.with_policy(frame.select("claim_id", "claim", "use_case"), bench.parameters.policies)
    recorded_old, recorded_new = _Scores(before, old.select(_COMBINED)), _Scores(after, new.select(_COMBINED))
    reread, unknown_old = _new_verifier_on_old(frame, recorded_old, recorded_new, bench)
    anew, unknown_new = _old_verifier_on_new(frame, recorded_old, recorded_new, earlier)

    def verdict(by: pl.DataFrame, scores: _Scores, unknown: pl.Series | None = None) -> pl.Series:
        settled = verdicts.settle(by, scores.evidence, scores.combined)
        if unknown is None:
            return settled
        return settled.zip_with(~by["claim_id"].is_in(unknown.implode()), pl.Series([None], dtype=pl.String))

    cells = frame.with_columns(
        again=verdict(by_old, recorded_old),
        with_policy=verdict(by_new, recorded_old),
        with_verifier=verdict(by_old, reread, unknown_old),
        with_evidence=verdict(by_old, anew, unknown_new),
        with_verifier_and_evidence=verdict(by_old, recorded_new),
    )
    found = flips.attribute(cells).with_columns(
        policy=by_new["policy"], is_gone=pl.col("claim_id").is_in(unknown_old.implode())
    )
    ordered = found.filter(pl.col("attribution") == "verifier_first").height
    notices = [*assumed.notices, *earlier.notices]
    if ordered:
        notices.append(
            f"{ordered} flips have their cause from the order verifier, then evidence, because the verifier "
            "they were first judged with could not be loaded; name it in reaudit.earlier_verifiers"
        )
    return Causes(flips.with_reason(found), notices)


# The evidence -----------------------------------------------------------------------------------------------


def _shown(lake: Lake, flipped: pl.DataFrame, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE of both judgements with `text`, `document_uri`, `corpus` of the passage, null where gone."""
    days = flipped["produced_at"].dt.date()
    judgements = pl.concat([old.select(_JUDGEMENT), new.select(_JUDGEMENT)]).unique()
    evidence = (
        lake.scan("evidence", since=days.min(), until=days.max())  # type: ignore[arg-type]
        .join(judgements.lazy(), on=_JUDGEMENT, how="semi")
        .collect()
    )
    wanted = evidence.lazy().select("passage_id").unique()
    own = lake.scan("passages", since=days.min(), until=days.max())  # type: ignore[arg-type]
    own = own.filter(pl.col("corpus") == "context")
    corpus = lake.scan("passages").filter(pl.col("corpus") != "context")
    passages = pl.concat(
        [
            part.join(wanted, on="passage_id", how="semi")
            .select("passage_id", "text", "document_uri", "corpus")
            .collect()
            for part in (own, corpus)
        ]
    ).unique("passage_id")
    return evidence.join(passages, on="passage_id", how="left").sort("claim_id", "rank")


def _of_judgement(shown: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    return shown.join(judged, on=_JUDGEMENT, how="semi", maintain_order="left")


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
    from_corpus = pl.col("origin") == "corpus"
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
        self.notices: list[str] = []

    def is_current(self, identity: str) -> bool:
        """The same weights and calibration as now; only what is retrieved may be another."""
        if identity == self.bench.identity:
            return True
        return self.known.get(identity, {}).get("fingerprint") == self.bench.verifier.fingerprint

    def load(self, identity: str) -> Verifier | None:
        """The verifier of that identity, or None where it can no longer be had."""
        for settings in self._candidates(identity):
            try:
                threads = self.bench.parameters.threads
                verifier = load_verifier(settings, threads=threads)
            except ClaimledgerError as error:
                self.notices.append(f"an earlier verifier cannot be loaded: {error}")
                continue
            recorded = self.known.get(identity, {}).get("fingerprint")
            if recorded == verifier.fingerprint or self.bench.identity_of(verifier.fingerprint) == identity:
                return verifier
        return None

    def _candidates(self, identity: str) -> Iterable[VerifierSettings]:
        yield from self.bench.parameters.earlier_verifiers
        if identity in self.known:
            yield VerifierSettings(**self.known[identity]["settings"])


def _new_verifier_on_old(
    frame: pl.DataFrame, old: _Scores, new: _Scores, bench: Workbench
) -> tuple[_Scores, pl.Series]:
    """The current verifier's scores of the old evidence, and claims of which that evidence is gone."""
    same = frame.filter("same_verifier")["claim_id"]
    unmoved = frame.filter(~pl.col("same_verifier") & (pl.col("evidence_change") == "none"))["claim_id"]
    others = frame.filter(~pl.col("same_verifier") & (pl.col("evidence_change") != "none"))
    passages = old.of(others["claim_id"]).evidence
    gone = passages.filter(pl.col("text").is_null())["claim_id"].unique()
    readable = passages.filter(~pl.col("claim_id").is_in(gone.implode()))
    scored = _scored(readable, others, bench.verifier)
    return _joined(old.of(same), new.of(unmoved), scored), gone


def _old_verifier_on_new(
    frame: pl.DataFrame, old: _Scores, new: _Scores, earlier: _Earlier
) -> tuple[_Scores, pl.Series]:
    """The old verifiers' scores of the new evidence, and claims whose old verifier is gone."""
    same = frame.filter("same_verifier")["claim_id"]
    unmoved = frame.filter(~pl.col("same_verifier") & (pl.col("evidence_change") == "none"))["claim_id"]
    others = frame.filter(~pl.col("same_verifier") & (pl.col("evidence_change") != "none"))
    parts, unknown = [new.of(same), old.of(unmoved)], [pl.Series(dtype=pl.String)]
    for (identity,), claims in others.group_by("verifier_before", maintain_order=True):
        verifier = earlier.load(str(identity))
        if verifier is None:
            unknown.append(claims["claim_id"])
        else:
            parts.append(_scored(new.of(claims["claim_id"]).evidence, claims, verifier))
    return _joined(*parts), pl.concat(unknown)


def _scored(passages: pl.DataFrame, claims: pl.DataFrame, verifier: Verifier) -> _Scores:
    if passages.is_empty():
        return _Scores(
            passages, pl.DataFrame(schema=dict.fromkeys(_COMBINED, pl.Float64) | {"claim_id": pl.String})
        )
    candidates = passages.select(
        "claim_id", "passage_id", "origin", "rank", "retrieval_score", "text", "document_uri"
    ).sort("claim_id", "rank")
    evidence, together = score(
        candidates, claims.select("claim_id", "output_id", "produced_at", "text"), verifier
    )
    return _Scores(evidence, together.select(_COMBINED))


def _joined(*parts: _Scores) -> _Scores:
    columns = [
        "claim_id",
        "rank",
        "passage_id",
        "origin",
        *PROBABILITIES,
        "tokens_offered",
        "tokens_seen",
    ]
    return _Scores(
        pl.concat([part.evidence.select(columns) for part in parts]),
        pl.concat([part.combined.select(_COMBINED) for part in parts]),
    )


# The policies -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Policies:
    policies: list[Policy]
    notices: list[str]


def _old_policies(frame: pl.DataFrame, bench: Workbench) -> _Policies:
    """Every policy that decided an old verdict, by value."""
    known = {p.label: p for p in (*runs.known_policies(bench.lake), *bench.parameters.policies)}
    notices = []
    missing = frame.filter(~pl.col("policy_before").is_in(list(known))).unique("policy_before")
    for row in missing.sort("policy_before").iter_rows(named=True):
        name, _, version = row["policy_before"].rpartition("@")
        now = for_use_case(bench.parameters.policies, row["use_case"])
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
    return _Policies(list(known.values()), notices)
