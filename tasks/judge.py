"""One unit of work: a day's outputs (or a shard of them) through to committed verdicts.

The order is extract, retrieve, score, look for findings, decide, validate, commit. Each table is validated as
soon as it exists, so that what is refused is not built upon; what a validator refuses goes to quarantine
in the same commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from tasks import tables
from tasks.claims import claims as claims_stage
from tasks.decide import actions as actions_stage
from tasks.decide import verdicts
from tasks.errors import GateError, IntegrityError
from tasks.evidence import passages as passages_stage
from tasks.evidence.index import EMPTY_SNAPSHOT, CorpusIndex
from tasks.evidence.retrieve import retrieve
from tasks.gate.reconcile import Counts
from tasks.gate.validate import Validator
from tasks.lake.store import Lake
from tasks.ledger import recording
from tasks.privacy import addressing, confidential
from tasks.schema import conform
from tasks.text import pairs as pairs_stage
from tasks.verify.protocol import Verifier
from tasks.workbench import Workbench

SAME_PROBABILITY = 1e-3
"""Re-verification may differ by this much between processors before it counts as another answer."""


@dataclass(frozen=True)
class Judged:
    """What became of a unit: counts per table, verdicts reached, claims that had one already."""

    unit: str
    counts: dict[str, Counts]
    verdicts: dict[str, int]
    already_judged: int
    reverified: int = 0
    differing: int = 0


class Gate:
    """Validates tables one after the other, keeps what is good, collects what is refused."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator
        self.rows_in: dict[str, int] = {}
        self.refused: list[pl.DataFrame] = []

    def check(
        self, table: str, frame: pl.DataFrame, refused_before: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """The good rows of a frame.

        Raises:
            GateError: the failure is systematic: a schema, or more than the tolerated share of rows.
        """
        conformed = conform(tables.TABLES[table], frame)
        checked = self._validator.check(table, conformed)
        if checked.gate_failed:
            first = checked.failures[0] if checked.failures else {}
            raise GateError(
                f"{table}: validation refused {checked.quarantine.height} of {frame.height} rows, more than "
                "validation.maximum_quarantine_ratio allows; "
                f"first failed: {first.get('expectation', 'schema')}; nothing of this unit was published"
            )
        refused = [checked.quarantine] + ([refused_before] if refused_before is not None else [])
        self.refused += refused
        self.rows_in[table] = frame.height + (refused_before.height if refused_before is not None else 0)
        return checked.good

    def quarantine(self) -> pl.DataFrame:
        """All refused rows, each once."""
        return pl.concat([tables.QUARANTINE.empty(), *self.refused]).unique("row_sha256", maintain_order=True)


def judge(
    outputs: pl.DataFrame,
    bench: Workbench,
    corpus: CorpusIndex | None,
    validator: Validator,
    *,
    unit: str,
    run_id: str,
    reverify: bool = False,
    only: pl.Series | None = None,
    progress: Callable[[int], None] | None = None,
) -> Judged:
    """Judges outputs (OUTPUTS frame) and commits everything that follows from them, all or nothing.

    Claims that have a verdict from the current verifier, policy and snapshot are not scored again unless
    `reverify` says so; then the new probabilities are compared with the old. With `only`, just those claims
    (ids) are judged, as an earlier run extracted them; an action is then decided where that leaves no claim
    of the output without a verdict, and no findings are published again.

    Raises:
        GateError: validation refused too much; nothing of the unit is published.
        IntegrityError: the same verifier, policy and snapshot now give another verdict.
    """
    settings, lake = bench.parameters, bench.lake
    now = datetime.now(UTC)
    snapshot = corpus.snapshot if corpus else EMPTY_SNAPSHOT
    gate = Gate(validator)

    outputs = gate.check("outputs", outputs)
    if only is None:
        extracted = claims_stage.extract(outputs, bench.segment, settings.extract, run_id=run_id, now=now)
        claims = gate.check("claims", extracted.claims, extracted.quarantine)
    else:
        claims = gate.check("claims", published_claims(lake, outputs))
    contexts = passages_stage.from_contexts(outputs, bench.segment, settings.corpus.passages, run_id=run_id)
    contexts = gate.check("passages", contexts)

    known = current_verdicts(claims, outputs, bench, snapshot)
    pending = claims if only is None else claims.filter(pl.col("claim_id").is_in(only.implode()))
    pending = pending if reverify else pending.join(known, on="claim_id", how="anti")
    factual = claims.filter(pl.col("kind") == "factual")
    candidates = retrieve(pending, contexts, corpus, bench.embedder, settings.retrieve.parameters)
    evidence, together = _score(candidates, pending, bench, snapshot, run_id=run_id, progress=progress)
    good_evidence = gate.check("evidence", evidence.select(tables.EVIDENCE.schema.names()))
    evidence = evidence.join(good_evidence, on=list(tables.EVIDENCE.key), how="semi")
    reached = verdicts.decide(
        pending,
        evidence,
        outputs,
        settings.policies,
        verifier=bench.identity,
        snapshot=snapshot,
        run_id=run_id,
        now=now,
        together=together,
    )
    reached = gate.check("verdicts", reached)
    reverified, differing = _compare(reached, known) if reverify else (0, 0)
    if differing:
        raise IntegrityError(
            f"{unit}: {differing} of {reverified} claims get another verdict from the same verifier, policy "
            "and snapshot; the lake or the model was altered, run `claimledger doctor`"
        )
    # An action rests on all verdicts of its output, also those of earlier runs; where nothing new was
    # decided there is nothing to act on.
    undecided = outputs.join(reached, on="output_id", how="anti").join(factual, on="output_id", how="semi")
    decided_on = outputs.join(undecided, on="output_id", how="anti")
    verdicts_so_far = pl.concat([reached, known]).unique("verdict_id", keep="first", maintain_order=True)
    if only is not None:
        open_claims = factual.join(verdicts_so_far, on="claim_id", how="anti")
        decided_on = decided_on.join(open_claims, on="output_id", how="anti")
    addressed = addressing.scan(outputs, run_id=run_id, now=now)
    acted = actions_stage.act(
        decided_on, verdicts_so_far, settings.policies, run_id=run_id, now=now, findings=addressed
    )
    actions = gate.check("actions", acted)
    found = [confidential.scan(outputs, settings.privacy.active, run_id=run_id, now=now), addressed]
    findings = gate.check("findings", pl.concat(found) if only is None else tables.FINDINGS.empty())

    refused = gate.quarantine()
    frames = {
        "outputs": outputs,
        "claims": claims,
        "passages": contexts,
        "evidence": good_evidence,
        "verdicts": reached,
        "actions": actions,
        "findings": findings,
    }
    dangling = lake.check_references(frames)
    if dangling:
        table, rows = next(iter(dangling.items()))
        raise GateError(
            f"{unit}: {rows.height} rows of {table} refer to rows that are not there "
            f"({rows['reference'][0]}); nothing of this unit was published, report this as a bug"
        )
    committed = lake.commit(run_id, unit, {**frames, "quarantine": refused}, run_day=now.date())
    again = reached.join(known, on="verdict_id", how="semi")
    if again.height:
        recording.record_again(lake, settings.ledger, settings.policies, again, run_id=run_id)
    return Judged(
        unit=unit,
        counts=_counts(gate.rows_in, committed, refused),
        verdicts=dict(reached["verdict"].value_counts().iter_rows()),
        already_judged=known.height,
        reverified=reverified,
        differing=differing,
    )


def published_claims(lake: Lake, outputs: pl.DataFrame) -> pl.DataFrame:
    """CLAIMS that earlier runs found in the outputs."""
    days = outputs["produced_at"].dt.date()
    scan = lake.scan("claims", since=days.min(), until=days.max())  # type: ignore[arg-type]
    wanted = outputs.lazy().select("output_id")
    return scan.join(wanted, on="output_id", how="semi").sort("output_id", "ordinal", "claim_id").collect()


def current_verdicts(
    claims: pl.DataFrame, outputs: pl.DataFrame, bench: Workbench, snapshot: str
) -> pl.DataFrame:
    """VERDICTS that the claims have from the current verifier and snapshot and their own policy."""
    days = outputs["produced_at"].dt.date()
    scan = bench.lake.scan("verdicts", since=days.min(), until=days.max())  # type: ignore[arg-type]
    if not bench.lake.days("verdicts"):
        return tables.VERDICTS_TABLE.empty()
    use_cases = claims.join(outputs.select("output_id", "use_case"), on="output_id")
    own_policy = verdicts.with_policy(use_cases, bench.parameters.policies).select("claim_id", "policy")
    return (
        scan.filter((pl.col("verifier") == bench.identity) & (pl.col("snapshot") == snapshot))
        .collect()
        .join(own_policy, on=["claim_id", "policy"], how="semi")
    )


def _score(
    candidates: pl.DataFrame,
    claims: pl.DataFrame,
    bench: Workbench,
    snapshot: str,
    *,
    run_id: str,
    progress: Callable[[int], None] | None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """EVIDENCE plus `text`, `document_uri` and `claim`, which reasons are worded from; and the scores of
    all passages of a claim read together, for the claims that have several and where that fits.
    """
    evidence, together = score(candidates, claims, bench.verifier, progress)
    evidence = evidence.with_columns(
        verifier=pl.lit(bench.identity), snapshot=pl.lit(snapshot), run_id=pl.lit(run_id)
    )
    return evidence, together


def score(
    candidates: pl.DataFrame,
    claims: pl.DataFrame,
    verifier: Verifier,
    progress: Callable[[int], None] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Passages (CANDIDATES, by claim and rank) with a verifier's probabilities and what it read of them;
    and, for claims with several passages that fit together, the probabilities of all of them as one text.
    """
    pairs = candidates.join(
        claims.select(
            "claim_id", "output_id", "produced_at", claim=pairs_stage.without_citations(pl.col("text"))
        ),
        on="claim_id",
        how="left",
        maintain_order="left",
    )
    several = (
        pairs.group_by("claim_id", maintain_order=True)
        .agg(pl.col("claim").first(), pl.col("text").str.join("\n"), pl.len().alias("passages"))
        .filter(pl.col("passages") > 1)
    )
    asked = pl.concat([pairs.select("claim", "text"), several.select("claim", "text")])
    scores = verifier.score(asked["claim"].to_list(), asked["text"].to_list(), progress)
    alone, read = slice(None, pairs.height), scores.is_read[pairs.height :]
    together = several.with_columns(verdicts.rounded(scores.probabilities[pairs.height :]))
    evidence = pairs.with_columns(
        verdicts.rounded(scores.probabilities[alone]),
        tokens_offered=pl.Series(scores.tokens_offered[alone], dtype=pl.Int32),
        tokens_seen=pl.Series(scores.tokens_seen[alone], dtype=pl.Int32),
        windows=pl.Series(scores.windows[alone], dtype=pl.Int32),
    )
    return evidence, together.filter(pl.Series(read))


def _compare(reached: pl.DataFrame, known: pl.DataFrame) -> tuple[int, int]:
    both = reached.join(known, on="verdict_id", suffix="_before")
    moved = pl.any_horizontal(
        (pl.col(p) - pl.col(f"{p}_before")).abs() > SAME_PROBABILITY for p in tables.PROBABILITIES
    )
    return both.height, both.filter(moved | (pl.col("verdict") != pl.col("verdict_before"))).height


def _counts(
    rows_in: dict[str, int], committed: dict[str, Counts], refused: pl.DataFrame
) -> dict[str, Counts]:
    """Per table: what came in, was published, was there already, was refused."""
    by_table = dict(refused["table"].value_counts().iter_rows())
    return {
        table: Counts(
            rows_in=entered,
            published=committed[table].published,
            already_there=committed[table].already_there,
            quarantined=by_table.get(table, 0),
        )
        for table, entered in rows_in.items()
    }
