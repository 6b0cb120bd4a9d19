"""One unit of work, a day's outputs or a shard of them, through to committed verdicts: four calls.

(1) `extract` (or `extracted_before`): claims and passages of the outputs;
(2) `score`: evidence for the claims that are to be judged, and what the verifier says of it;
(3) `decide`: verdicts and actions, and `seal`: all frames of the unit, validated;
(4) `publish`: everything at once, all or nothing.

Which claims are to be judged is the caller's choice between (1) and (2). Each table is validated as soon as
it exists, so that what is refused is not built upon; what a validator refuses goes to quarantine in the same
commit. Up to the seal nothing of the lake's tables is written, so that other processes may do it; only the
holder of the lake publishes.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from tasks import tables
from tasks.decide import caught as caught_stage
from tasks.decide import taken as taken_stage
from tasks.judge.decisions import decide
from tasks.judge.extraction import extract
from tasks.judge.job import Decisions, Job, Judged, JudgedBy, Material, Scores, Sealed
from tasks.judge.published import current_verdicts, of_days
from tasks.judge.scoring import score
from tasks.ledger import recording


def seal(material: Material, scores: Scores, decisions: Decisions, known: pl.DataFrame, job: Job) -> Sealed:
    """Everything of the unit that is to be published."""
    frames = {
        "outputs": material.outputs,
        "claims": material.claims,
        "passages": material.passages,
        "evidence": scores.evidence.select(tables.EVIDENCE.schema.names()),
        "verdicts": decisions.verdicts,
        "actions": decisions.actions,
        "findings": job.gate.check("findings", material.findings),
        "actions_taken": job.gate.check("actions_taken", _taken(material.outputs, decisions.actions, job)),
        "caught": job.gate.check("caught", _caught(material.outputs, decisions.actions, job)),
    }
    return Sealed(
        unit=job.unit,
        by=JudgedBy.of(job.bench),
        frames=frames,
        quarantine=job.gate.quarantine(),
        rows_in=job.gate.rows_in,
        repeated=decisions.repeated,
        already_judged=known.height,
        lookups=material.lookups,
        waiting=scores.waiting,
    )


def _caught(outputs: pl.DataFrame, actions: pl.DataFrame, job: Job) -> pl.DataFrame:
    """CAUGHT of the outputs that fail here for the first time, by the clock of this moment: it is the last
    one before their verdicts are recorded.
    """
    now = datetime.now(UTC)
    ever = pl.concat([_ever("actions", outputs, job), actions])
    ever = ever.unique("action_id", keep="first", maintain_order=True)
    failures = caught_stage.first_failures(ever, _ever("caught", outputs, job), now, job.run_id)
    said = outputs.with_columns(taken_at="delivered_at")
    return caught_stage.caught(failures, said, run_id=job.run_id, now=now)


def _taken(outputs: pl.DataFrame, actions: pl.DataFrame, job: Job) -> pl.DataFrame:
    """ACTIONS_TAKEN as the records of outputs say that this run read."""
    own = outputs.filter((pl.col("run_id") == job.run_id) & pl.col("action_taken").is_not_null())
    said = own.with_columns(action="action_taken", taken_at="delivered_at", origin=pl.lit("source"))
    return taken_stage.taken(said, own, actions, run_id=job.run_id, now=datetime.now(UTC))


def _ever(table: str, outputs: pl.DataFrame, job: Job) -> pl.DataFrame:
    """A table's rows of the outputs that earlier runs published."""
    own = outputs.lazy().select("output_id")
    return of_days(job.bench.lake, table, outputs).join(own, on="output_id", how="semi").collect()


def judge(outputs: pl.DataFrame, job: Job, *, reverify: bool = False) -> Sealed:
    """Outputs (OUTPUTS frame) up to the seal; claims that have a current verdict only with `reverify`."""
    material = extract(outputs, job)
    known = current_verdicts(material.claims, material.outputs, job.bench, job.snapshot)
    claims = material.claims if reverify else material.claims.join(known, on="claim_id", how="anti")
    scores = score(claims, material, job)
    claims = claims.join(scores.waiting, on="claim_id", how="anti")
    return seal(material, scores, decide(claims, scores, material, known, job), known, job)


def publish(sealed: Sealed, job: Job) -> Judged:
    """Commits everything of the unit, all or nothing, and records verdicts that were confirmed.

    Raises:
        GateError: a row refers to one that is not there; nothing of the unit is published.
    """
    lake, settings = job.bench.lake, job.bench.parameters
    advice = f"nothing of unit {sealed.unit} was published, report this as a bug"
    lake.require_references(sealed.frames, advice)
    frames = {**sealed.frames, "quarantine": sealed.quarantine}
    if job.bench.batch is not None:
        job.bench.batch.wait(sealed.waiting, run_id=job.run_id, unit=sealed.unit)
    committed = lake.commit(job.run_id, sealed.unit, frames, run_day=job.now.date())
    if sealed.repeated.height:
        recording.record_again(lake, settings.ledger, settings.policies, sealed.repeated, run_id=job.run_id)
    return Judged(
        unit=sealed.unit,
        by=sealed.by,
        counts=sealed.counts(committed),
        verdicts=dict(sealed.frames["verdicts"]["verdict"].value_counts().iter_rows()),
        outcomes=dict(sealed.frames["actions"]["outcome"].value_counts().iter_rows()),
        already_judged=sealed.already_judged,
        reverified=sealed.repeated.height,
        lookups=sealed.lookups,
        waiting=sealed.waiting.height,
    )
