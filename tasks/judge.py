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

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import polars as pl

from tasks import tables
from tasks.claims import claims as claims_stage
from tasks.decide import actions as actions_stage
from tasks.decide import caught as caught_stage
from tasks.decide import taken as taken_stage
from tasks.decide import verdicts as verdicts_stage
from tasks.errors import IntegrityError
from tasks.evidence import look_up
from tasks.evidence import passages as passages_stage
from tasks.evidence.index import EMPTY_SNAPSHOT, CorpusIndex
from tasks.evidence.overlooked import HINTS, overlooked
from tasks.evidence.retrieve import retrieve
from tasks.gate.reconcile import Counts
from tasks.gate.validate import Validator
from tasks.lake.store import Lake
from tasks.ledger import recording
from tasks.privacy import addressing, confidential, names, redaction
from tasks.schema import conform
from tasks.sources import covering
from tasks.sources.units import Unit
from tasks.text import nearest
from tasks.text import pairs as pairs_stage
from tasks.verify.batch_store import WAITING
from tasks.verify.protocol import Verifier, languages_of
from tasks.workbench import Workbench

if TYPE_CHECKING:
    from tasks.verify.batch_endpoint import BatchEndpoint

SAME_PROBABILITY = 1e-3
"""Re-verification may differ by this much between processors before it counts as another answer."""


class Gate:
    """Validates the tables of one unit one after the other, keeps what is good, collects what is refused."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator
        self._rows_in: dict[str, int] = {}
        self._refused: list[pl.DataFrame] = [tables.QUARANTINE.empty()]

    def check(self, table: str, frame: pl.DataFrame, refused: pl.DataFrame | None = None) -> pl.DataFrame:
        """The good rows of a frame; `refused` (QUARANTINE) are rows that never got so far.

        Raises:
            GateError: the failure is systematic, or a critical expectation fails.
        """
        checked = self._validator.check(table, conform(tables.TABLES[table], frame))
        before = tables.QUARANTINE.empty() if refused is None else refused
        self._refused += [checked.quarantine, before]
        self._rows_in[table] = frame.height + before.height
        return checked.good

    def quarantine(self) -> pl.DataFrame:
        """All refused rows, each once."""
        return pl.concat(self._refused).unique("row_sha256", maintain_order=True)

    @property
    def rows_in(self) -> dict[str, int]:
        """Per table: rows that came in."""
        return dict(self._rows_in)


@dataclass(frozen=True)
class Job:
    """What a unit is judged with: models and parameters, the corpus, its gate, the run and the moment."""

    unit: str
    bench: Workbench
    corpus: CorpusIndex | None
    gate: Gate
    run_id: str
    now: datetime
    done: Callable[[float], None] | None = None
    """Told the share of the unit's pairs that is scored."""

    @property
    def snapshot(self) -> str:
        """The corpus state that verdicts name."""
        return self.corpus.snapshot if self.corpus else EMPTY_SNAPSHOT


@dataclass(frozen=True)
class Material:
    """What a unit is judged from: good rows of OUTPUTS, CLAIMS and PASSAGES (of their contexts)."""

    outputs: pl.DataFrame
    claims: pl.DataFrame
    passages: pl.DataFrame
    addresses: pl.DataFrame
    """FINDINGS of text that addresses the judge, which actions heed."""
    findings: pl.DataFrame
    """All FINDINGS that are to be published."""
    named: pl.DataFrame | None = None
    """`look_up.NAMED`: the corpus's passages of documents that the outputs name without text."""
    lookups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By source, how many such documents the corpus has and has not."""


@dataclass(frozen=True)
class Scores:
    """What the verifier says of some claims and their passages."""

    evidence: pl.DataFrame
    """EVIDENCE plus `text`, `document_uri` and `claim`, which reasons are worded from."""
    together: pl.DataFrame
    """claim_id and the probabilities of all its passages read as one text, where several fit together."""
    waiting: pl.DataFrame = field(default_factory=WAITING.to_frame)
    """Claims that get no verdict yet, because the judge's answers come later."""


@dataclass(frozen=True)
class Decisions:
    """VERDICTS and ACTIONS that follow from scores, and the verdicts among them that confirm earlier ones."""

    verdicts: pl.DataFrame
    actions: pl.DataFrame
    repeated: pl.DataFrame


@dataclass(frozen=True)
class JudgedBy:
    """The verifier of a unit, as tables and pages name it."""

    identity: str
    fingerprint: str
    name: str

    @classmethod
    def of(cls, bench: Workbench) -> JudgedBy:
        """The configured one; loads it."""
        return cls(bench.identity, bench.verifier.fingerprint, bench.verifier.name)


@dataclass(frozen=True)
class Sealed:
    """A unit that is judged and validated, and has only to be published."""

    unit: str
    by: JudgedBy
    frames: dict[str, pl.DataFrame]
    """By table; without what is refused."""
    quarantine: pl.DataFrame
    rows_in: dict[str, int]
    """By table."""
    repeated: pl.DataFrame
    """VERDICTS that the lake has already and that were reached again."""
    already_judged: int
    lookups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """As `Judged` has them."""
    waiting: pl.DataFrame = field(default_factory=WAITING.to_frame)
    """Claims without a verdict yet."""

    def counts(self, committed: Mapping[str, Counts]) -> dict[str, Counts]:
        """Per table: what came in, was published, was there already, was refused."""
        refused = dict(self.quarantine["table"].value_counts().iter_rows())
        return {
            table: Counts(
                rows_in=rows_in,
                published=committed[table].published,
                already_there=committed[table].already_there,
                quarantined=refused.get(table, 0),
            )
            for table, rows_in in self.rows_in.items()
        }


@dataclass(frozen=True)
class Judged:
    """What became of a unit: counts per table, verdicts reached, claims that had one already."""

    unit: str
    by: JudgedBy
    counts: dict[str, Counts]
    verdicts: dict[str, int]
    outcomes: dict[str, int]
    """Outputs by what became of them: `actions.outcome`."""
    already_judged: int
    reverified: int
    lookups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By source, documents named without text that the corpus has (`documents_looked_up`) and has not."""
    waiting: int = 0
    """Claims without a verdict yet."""


def published_units(
    lake: Lake, days: Iterable[date], outputs: pl.Expr, *, run_id: str, name: str, size: int
) -> list[Unit]:
    """Published outputs for which an expression holds, staged in units of a day and at most `size` rows."""
    folder = lake.work(run_id) / name
    folder.mkdir(parents=True, exist_ok=True)
    units = []
    for day in days:
        rows = lake.scan("outputs", since=day, until=day).filter(outputs)
        frames = rows.sort("produced_at", "output_id").collect().iter_slices(size)
        for shard, frame in enumerate(frames):
            path = folder / f"{day.isoformat()}-{shard:04d}.parquet"
            frame.write_parquet(path)
            units.append(Unit(day=day, shard=shard, path=path, rows=frame.height))
    return units


def extract(outputs: pl.DataFrame, job: Job) -> Material:
    """Claims, passages and findings of outputs (OUTPUTS frame) as the present rules extract them."""
    settings = job.bench.parameters
    outputs, covered = covering.parted(outputs, run_id=job.run_id, now=job.now)
    outputs = job.gate.check("outputs", outputs)
    extracted = claims_stage.extract(
        outputs, job.bench.segment, settings.extract, run_id=job.run_id, now=job.now
    )
    claims = job.gate.check("claims", extracted.claims, extracted.quarantine)
    passages = _passages(outputs, job)
    if covered is None:
        findings = confidential.scan(outputs, settings.privacy.active, run_id=job.run_id, now=job.now)
    else:
        findings = covered.join(outputs, on="output_id", how="semi", maintain_order="left")
    addresses = addressing.scan(outputs, run_id=job.run_id, now=job.now)
    found = [findings, addresses]
    if settings.privacy.enabled:
        found.append(redaction.scan(outputs, run_id=job.run_id, now=job.now))
    if settings.privacy.enabled and settings.privacy.names_model:
        recogniser = names.load(settings.privacy.names_model)
        minimum = settings.privacy.names_minimum
        found.append(names.scan(outputs, recogniser, minimum, run_id=job.run_id, now=job.now))
    material = Material(outputs, claims, passages, addresses, pl.concat(found))
    return _with_lookups(material, job)


def extracted_before(outputs: pl.DataFrame, job: Job) -> Material:
    """The claims that earlier runs extracted from the outputs; their findings are published already."""
    outputs = job.gate.check("outputs", outputs)
    claims = job.gate.check("claims", published_claims(job.bench.lake, outputs))
    addresses = addressing.scan(outputs, run_id=job.run_id, now=job.now)
    material = Material(outputs, claims, _passages(outputs, job), addresses, tables.FINDINGS.empty())
    return _with_lookups(material, job)


def _with_lookups(material: Material, job: Job) -> Material:
    """The material with the corpus's passages of documents that its outputs name without text."""
    addressed = look_up.addresses(material.outputs)
    if addressed.is_empty():
        return material
    if job.corpus is None or job.corpus.size == 0:
        passages = look_up.NAMED.to_frame().drop("output_id")
    else:
        passages = job.corpus.of_documents(addressed)
    return replace(
        material,
        named=look_up.named(addressed, passages),
        lookups=look_up.counts(addressed, passages),
    )


def _passages(outputs: pl.DataFrame, job: Job) -> pl.DataFrame:
    cut = job.bench.parameters.corpus.passages
    passages = passages_stage.from_contexts(outputs, job.bench.segment, cut, run_id=job.run_id)
    return job.gate.check("passages", passages)


def published_claims(lake: Lake, outputs: pl.DataFrame) -> pl.DataFrame:
    """CLAIMS that earlier runs found in the outputs."""
    scan = of_days(lake, "claims", outputs).join(
        outputs.lazy().select("output_id"), on="output_id", how="semi"
    )
    return scan.sort("output_id", "ordinal", "claim_id").collect()


def current_verdicts(
    claims: pl.DataFrame, outputs: pl.DataFrame, bench: Workbench, snapshot: str
) -> pl.DataFrame:
    """VERDICTS that the claims have from the current verifier and snapshot and their own policy."""
    if not bench.lake.days("verdicts"):
        return tables.VERDICTS_TABLE.empty()
    use_cases = claims.join(outputs.select("output_id", "use_case"), on="output_id")
    own_policy = verdicts_stage.with_policy(use_cases, bench.parameters.policies).select("claim_id", "policy")
    return (
        of_days(bench.lake, "verdicts", outputs)
        .filter((pl.col("verifier") == bench.identity) & (pl.col("snapshot") == snapshot))
        .collect()
        .join(own_policy, on=["claim_id", "policy"], how="semi")
    )


def of_days(lake: Lake, table: str, frame: pl.DataFrame) -> pl.LazyFrame:
    """A table's rows of the days from the first to the last `produced_at` of a frame."""
    days = frame["produced_at"].dt.date()
    first, last = days.min(), days.max()
    if not isinstance(first, date) or not isinstance(last, date):
        return pl.LazyFrame(schema=tables.TABLES[table].schema)
    return lake.scan(table, since=first, until=last)


def score(claims: pl.DataFrame, material: Material, job: Job) -> Scores:
    """Evidence for some of the material's claims, with the verifier's probabilities."""
    bench = job.bench
    candidates = retrieve(
        claims,
        material.passages,
        job.corpus,
        bench.embedder,
        bench.parameters.retrieve.parameters,
        named=material.named,
    )
    waiting = WAITING.to_frame()
    if bench.batch is not None:
        candidates, waiting = _answered(candidates, claims, bench.batch, job)
    scores = scored(candidates, claims, bench.verifier, job.done)
    evidence = scores.evidence.with_columns(
        verifier=pl.lit(bench.identity), snapshot=pl.lit(job.snapshot), run_id=pl.lit(job.run_id)
    )
    good = job.gate.check("evidence", evidence.select(tables.EVIDENCE.schema.names()))
    good_rows = evidence.join(good, on=list(tables.EVIDENCE.key), how="semi", maintain_order="left")
    return Scores(good_rows, scores.together, waiting)


def _answered(
    candidates: pl.DataFrame, claims: pl.DataFrame, judge: BatchEndpoint, job: Job
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(candidates of claims whose answers are there, claims whose questions are left to be asked)."""
    pairs, several = _questions(candidates, claims)
    columns = ("claim_id", "claim", "text")
    asked = pl.concat([pairs.select(columns), several.select(columns)])
    missing = asked.filter(pl.Series(judge.unanswered(asked), dtype=pl.Boolean))
    if missing.is_empty():
        return candidates, WAITING.to_frame()
    judge.ask(missing, run_id=job.run_id, unit=job.unit)
    waiting = claims.join(missing, on="claim_id", how="semi").select(WAITING.names())
    return candidates.join(waiting, on="claim_id", how="anti", maintain_order="left"), waiting


def _questions(candidates: pl.DataFrame, claims: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(each passage with its claim, all passages of a claim as one text where it has several)."""
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
    return pairs, several


def scored(
    candidates: pl.DataFrame,
    claims: pl.DataFrame,
    verifier: Verifier,
    done: Callable[[float], None] | None = None,
) -> Scores:
    """Passages (CANDIDATES, by claim and rank) with a verifier's probabilities and what it read of them.

    `done` is told the share of the pairs that is scored.
    """
    pairs, several = _questions(candidates, claims)
    asked = pl.concat([pairs.select("claim", "text"), several.select("claim", "text")])
    scores = verifier.score(asked["claim"].to_list(), asked["text"].to_list(), _shares(asked.height, done))
    alone, read = slice(None, pairs.height), scores.is_read[pairs.height :]
    together = several.with_columns(verdicts_stage.rounded(scores.probabilities[pairs.height :]))
    evidence = pairs.with_columns(
        verdicts_stage.rounded(scores.probabilities[alone]),
        tokens_offered=pl.Series(scores.tokens_offered[alone], dtype=pl.Int32),
        tokens_seen=pl.Series(scores.tokens_seen[alone], dtype=pl.Int32),
        windows=pl.Series(scores.windows[alone], dtype=pl.Int32),
    )
    return Scores(evidence, together.filter(pl.Series(read)))


def _shares(pairs: int, done: Callable[[float], None] | None) -> Callable[[int], None] | None:
    """A verifier's progress (pairs newly scored) as shares of all."""
    if done is None:
        return None
    so_far = 0

    def progress(newly: int) -> None:
        nonlocal so_far
        so_far += newly
        done(so_far / pairs)

    return progress


def decide(
    claims: pl.DataFrame, scores: Scores, material: Material, known: pl.DataFrame, job: Job
) -> Decisions:
    """Verdicts on the claims, and actions on the outputs of which every factual claim has one by now.

    Args:
        known: `current_verdicts` of the material's claims; an action rests on all verdicts of its output,
            also on those of earlier runs.

    Raises:
        IntegrityError: the same verifier, policy and snapshot now give another verdict.
    """
    policies, outputs = job.bench.parameters.policies, material.outputs
    verdicts = verdicts_stage.decide(
        claims,
        scores.evidence,
        outputs,
        policies,
        verifier=job.bench.identity,
        snapshot=job.snapshot,
        run_id=job.run_id,
        now=job.now,
        together=scores.together,
        reads=languages_of(job.bench.verifier),
        verifier_name=job.bench.verifier.name,
    )
    verdicts = job.gate.check("verdicts", verdicts)
    repeated = _repeated(verdicts, known, job.unit)
    so_far = pl.concat([verdicts, known]).unique("verdict_id", keep="first", maintain_order=True)
    actions = actions_stage.act(
        _settled(material, verdicts, so_far),
        so_far,
        policies,
        run_id=job.run_id,
        now=job.now,
        claims=material.claims,
        findings=material.addresses,
    )
    actions = actions.update(hints(actions, material, job), on="output_id")
    return Decisions(verdicts, job.gate.check("actions", actions), repeated)


def hints(actions: pl.DataFrame, material: Material, job: Job) -> pl.DataFrame:
    """HINTS for the actions whose output abstained: the sentence of its evidence closest to its question."""
    abstained = actions.filter(pl.col("outcome") == "abstained").select("output_id")
    questions = material.outputs.join(abstained, on="output_id", how="semi").select("output_id", "prompt")
    questions = questions.filter(pl.col("prompt").str.contains(r"\w"))
    if questions.is_empty():
        return HINTS.to_frame()
    bench, settings = job.bench, job.bench.parameters.retrieve
    asked = questions.select("output_id", claim_id="output_id", text="prompt", kind=pl.lit("factual"))
    candidates = retrieve(
        asked, material.passages, job.corpus, bench.embedder, settings.parameters, named=material.named
    )
    sentences = nearest.sentences(candidates["text"]).join(
        candidates.select("passage_id", output_id="claim_id").with_row_index("row"), on="row"
    )
    return overlooked(questions, sentences, bench.embedder, settings.overlooked_similarity)


def _settled(material: Material, verdicts: pl.DataFrame, so_far: pl.DataFrame) -> pl.DataFrame:
    """Outputs without a factual claim, and those that got a verdict and have no claim left without one."""
    factual = material.claims.filter(pl.col("kind") == "factual")
    untouched = factual.join(verdicts, on="output_id", how="anti")
    undecided = factual.join(so_far, on="claim_id", how="anti")
    waiting = pl.concat([untouched.select("output_id"), undecided.select("output_id")])
    return material.outputs.join(waiting, on="output_id", how="anti")


def _repeated(verdicts: pl.DataFrame, known: pl.DataFrame, unit: str) -> pl.DataFrame:
    """Verdicts that the lake has already, which must be the same.

    Raises:
        IntegrityError: some differ.
    """
    both = verdicts.join(known, on="verdict_id", suffix="_before")
    moved = pl.any_horizontal(
        (pl.col(p) - pl.col(f"{p}_before")).abs() > SAME_PROBABILITY for p in tables.PROBABILITIES
    )
    differing = both.filter(moved | (pl.col("verdict") != pl.col("verdict_before"))).height
    if differing:
        raise IntegrityError(
            f"{unit}: {differing} of {both.height} claims get another verdict from the same verifier, policy "
            "and snapshot; the lake or the model was altered, run `claimledger doctor`"
        )
    return verdicts.join(known, on="verdict_id", how="semi")


def _ever(table: str, outputs: pl.DataFrame, job: Job) -> pl.DataFrame:
    """A table's rows of the outputs that earlier runs published."""
    own = outputs.lazy().select("output_id")
    return of_days(job.bench.lake, table, outputs).join(own, on="output_id", how="semi").collect()


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
