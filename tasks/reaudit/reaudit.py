"""A re-audit: historical claims drawn, judged again, compared with what they were first given, and published.

Belongs here: which claims, and what became of each. Does not belong here: how a claim is judged
(`judge/`), what is scored again to find a flip's cause (`causes.py`), how causes and shares follow
(`flips.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl

from tasks import ids
from tasks.errors import InputError
from tasks.evidence.index import EMPTY_SNAPSHOT, CorpusIndex
from tasks.gate.reconcile import Counts
from tasks.judge import judge
from tasks.judge.decisions import decide
from tasks.judge.extraction import extracted_before
from tasks.judge.job import Job, Judged
from tasks.judge.published import current_verdicts, of_days, published_claims, published_units
from tasks.judge.scoring import score
from tasks.lake.store import Lake
from tasks.ledger import opening
from tasks.reaudit import causes, flips
from tasks.reaudit.flips import SampleParameters
from tasks.schema import conform
from tasks.sources.units import Unit
from tasks.tables import FLIPS, REAUDITS, UTC
from tasks.workbench import Workbench

_OLD = ("verdict_id", "claim_id", "output_id", "verified_at", "produced_at", "verdict", *flips.STRATA)
UNJUDGED = "it has no verdict from this run: its output is gone, or validation refused its rows"


# The draw ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draw:
    """The claims to judge again, and what they were drawn from."""

    claims: pl.DataFrame
    """First verdicts of the drawn claims: verdict_id, claim_id, output_id, verified_at, produced_at, verdict,
    agent, model, use_case, source, stratum, rank."""
    population: dict[str, int]
    """Claims per stratum."""
    erased: int
    """Claims of erased outputs, which nothing can be said of any more."""
    sample: SampleParameters
    from_day: date | None
    to_day: date | None
    seed: str

    @property
    def parameters(self) -> dict[str, object]:
        """What anybody needs to draw the same claims again, as plain values."""
        return {
            "from": self.from_day and self.from_day.isoformat(),
            "to": self.to_day and self.to_day.isoformat(),
            "sample": self.sample.size,
            "minimum_per_stratum": self.sample.minimum_per_stratum,
            "strata": list(self.sample.strata),
            "seed": self.seed,
        }


def draw(
    lake: Lake,
    sample: SampleParameters,
    *,
    size: int | None,
    from_day: date | None,
    to_day: date | None,
    seed: str,
) -> Draw:
    """A stratified sample of the claims of a range of days; the same seed and lake give the same claims.

    Days are read one after the other and only what may be drawn is kept, so memory is bounded by the sample.

    Raises:
        InputError: the range is empty or the wrong way round, nothing was judged in it, or the sample cannot
            cover its strata.
    """
    if from_day and to_day and from_day > to_day:
        raise InputError(f"--from {from_day} is after --to {to_day}; give the earlier day first")
    try:
        parameters = sample if size is None else replace(sample, size=size)
    except ValueError as error:
        raise InputError(f"--sample: {error}") from None
    gone = list(opening.erased_outputs(lake))
    candidates, population, erased = pl.DataFrame(), Counter[str](), 0
    for day in lake.days("verdicts"):
        if (from_day and day < from_day) or (to_day and day > to_day):
            continue
        first = flips.first_verdicts(lake.scan("verdicts", since=day, until=day).select(_OLD).collect())
        of_erased = first["output_id"].is_in(gone)
        erased += int(of_erased.sum())
        cut = flips.with_stratum(first.filter(~of_erased), parameters.strata)
        population.update(dict(cut["stratum"].value_counts().iter_rows()))
        ranked = flips.with_rank(cut, seed)
        candidates = flips.lowest(pl.concat([candidates, ranked], how="diagonal"), parameters.size)
    if not population:
        days = f"from {from_day or 'the start'} to {to_day or 'today'}"
        but = f" but {erased} claims of erased outputs" if erased else ""
        raise InputError(
            f"{lake.root}: no claim was judged {days}{but}, so there is nothing to judge again; choose other "
            "days or run `claimledger audit`"
        )
    try:
        claims = flips.draw(candidates, population, parameters)
    except ValueError as error:
        raise InputError(
            f"--sample: {error}, or cut reaudit.sample.strata by fewer columns than "
            f"{', '.join(parameters.strata) or 'the verdict'}"
        ) from None
    return Draw(claims, dict(sorted(population.items())), erased, parameters, from_day, to_day, seed)


def units(lake: Lake, drawn: Draw, *, run_id: str, size: int) -> list[Unit]:
    """The outputs of the drawn claims, staged in units of a day and a shard."""
    days = drawn.claims["produced_at"].dt.date().unique().sort().to_list()
    outputs = pl.col("output_id").is_in(drawn.claims["output_id"].unique().implode())
    return published_units(lake, days, outputs, run_id=run_id, name="drawn", size=size)


def judge_again(outputs: pl.DataFrame, drawn: Draw, job: Job) -> Judged:
    """The drawn claims of some outputs (OUTPUTS frame), as earlier runs extracted them, judged anew.

    Raises:
        GateError: validation refused too much; nothing of the unit is published.
        IntegrityError: the same verifier, policy and snapshot now give another verdict.
    """
    material = extracted_before(outputs, job)
    known = current_verdicts(material.claims, material.outputs, job.bench, job.snapshot)
    claims = material.claims.filter(pl.col("claim_id").is_in(drawn.claims["claim_id"].implode()))
    scores = score(claims, material, job)
    decisions = decide(claims, scores, material, known, job)
    return judge.publish(judge.seal(material, scores, decisions, known, job), job)


# What became of them ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """What a re-audit found: frames of its three tables, what changed since, sentences to warn with."""

    frames: dict[str, pl.DataFrame]
    changed: list[str]
    warnings: list[str]


def compare(
    drawn: Draw, bench: Workbench, corpus: CorpusIndex | None, *, run_id: str, now: datetime
) -> Comparison:
    """The drawn claims' verdicts as first given and as they are now, with the cause of each difference."""
    lake = bench.lake
    snapshot = corpus.snapshot if corpus else EMPTY_SNAPSHOT
    outputs = drawn.claims.select("output_id", "produced_at", "use_case").unique("output_id")
    texts = published_claims(lake, outputs).select("claim_id", "text")
    claims = drawn.claims.join(texts, on="claim_id", how="inner", maintain_order="left")
    new = current_verdicts(claims.select("claim_id", "output_id"), outputs, bench, snapshot)
    first = of_days(lake, "verdicts", claims)
    old = first.join(claims.lazy().select("verdict_id"), on="verdict_id", how="semi").collect()
    both = claims.rename({"verdict": "verdict_before", "verdict_id": "verdict_id_before"}).join(
        new.select("claim_id", "verdict_id", "verdict", "reason"),
        on="claim_id",
        how="left",
        maintain_order="left",
    )
    flipped = both.filter(pl.col("verdict") != pl.col("verdict_before"))
    found = causes.find(flipped, old, new, bench)
    outcomes = _outcomes(both, found.causes, drawn.population, run_id)
    rows = _flips(flipped, found.causes, outcomes, _delivered(lake, old), run_id=run_id, now=now)
    shares = flips.shares(outcomes, drawn.population, drawn.sample.strata, run_id=run_id, found_at=now)
    reaudits = conform(REAUDITS, outcomes.select(REAUDITS.schema.names()))
    frames = {"flips": rows, "reaudits": reaudits, "flip_shares": shares}
    missing = drawn.claims.height - claims.height
    return Comparison(frames, _changed(old, new), [*_warnings(drawn, missing, outcomes), *found.notices])


def publish(
    comparison: Comparison,
    lake: Lake,
    check: Callable[[str, pl.DataFrame], pl.DataFrame],
    *,
    run_id: str,
    day: date,
) -> dict[str, Counts]:
    """Commits the three tables, all or nothing; the counts of each.

    Raises:
        GateError: `check` refused a row, or one refers to a row that is not there.
    """
    frames = {name: check(name, frame) for name, frame in comparison.frames.items()}
    lake.require_references(frames, "run `claimledger ledger verify`")
    return lake.commit(run_id, "flips", frames, run_day=day)


def summary(drawn: Draw, comparison: Comparison) -> dict[str, Any]:
    """The answer in plain data: sizes, what changed, shares over all claims, the headline."""
    shares, rows = comparison.frames["flip_shares"], comparison.frames["flips"]
    by_evidence = rows.filter(pl.col("cause") == "evidence")
    outcomes = dict(comparison.frames["reaudits"]["outcome"].value_counts().iter_rows())
    is_documents = bool((by_evidence["evidence_change"] == "documents").all())
    return {
        **drawn.parameters,
        "population": sum(drawn.population.values()),
        "populated_strata": len(drawn.population),
        "drawn": drawn.claims.height,
        "judged": outcomes.get("held", 0) + outcomes.get("flipped", 0),
        "unjudged": outcomes.get("unjudged", 0),
        "erased": drawn.erased,
        "changed": comparison.changed,
        "flips": rows.height,
        "delivered_flips": int(rows["is_delivered"].sum()),
        "causes": dict(rows["cause"].value_counts().sort("cause").iter_rows()),
        "headline": flips.headline(shares, is_documents=is_documents),
        "shares": shares.filter(pl.col("slice") == flips.ALL).drop("run_id", "found_at", "slice").to_dicts(),
    }


def _outcomes(
    both: pl.DataFrame, caused: pl.DataFrame, population: Mapping[str, int], run_id: str
) -> pl.DataFrame:
    """REAUDITS columns and those that strata are cut by: what became of every drawn claim."""
    frame = both.join(
        caused.select("claim_id", "cause", why="reason"), on="claim_id", how="left", maintain_order="left"
    ).with_columns(
        outcome=pl.when(pl.col("verdict").is_null())
        .then(pl.lit("unjudged"))
        .when(pl.col("verdict") == pl.col("verdict_before"))
        .then(pl.lit("held"))
        .otherwise(pl.lit("flipped")),
        run_id=pl.lit(run_id),
    )
    unjudged, unexplained = pl.col("outcome") == "unjudged", pl.col("cause") == "unexplained"
    reason = pl.when(unjudged).then(pl.lit(UNJUDGED)).when(unexplained).then("why")
    return flips.weights(frame.with_columns(reason=reason), population)


def _flips(
    flipped: pl.DataFrame,
    caused: pl.DataFrame,
    drawn: pl.DataFrame,
    delivered: pl.Series,
    *,
    run_id: str,
    now: datetime,
) -> pl.DataFrame:
    frame = (
        flipped.join(
            caused.select("claim_id", "cause", "flips_alone", "attribution", "evidence_change", why="reason"),
            on="claim_id",
            how="left",
            maintain_order="left",
        )
        .join(drawn.select("claim_id", "weight"), on="claim_id", how="left", maintain_order="left")
        .with_columns(
            reason=pl.format("{} before, {} now: {}; {}", "verdict_before", "verdict", "why", "reason"),
            is_delivered=pl.col("verdict_id_before").is_in(delivered.implode()),
            found_at=pl.lit(now, UTC),
            run_id=pl.lit(run_id),
        )
    )
    keys = [frame[name] for name in ("run_id", "verdict_id_before", "verdict_id")]
    frame = frame.with_columns(flip_id=ids.digest_rows("flip", keys))
    return conform(FLIPS, frame.select(FLIPS.schema.names()))


def _delivered(lake: Lake, old: pl.DataFrame) -> pl.Series:
    """Verdicts among `old` on which their output was delivered: what its first action on them says."""
    first = (
        of_days(lake, "actions", old)
        .join(old.lazy().select("output_id"), on="output_id", how="semi")
        .sort("decided_at", "action_id")
        .select("action", verdict_id="verdict_ids")
        .explode("verdict_id")
        .unique("verdict_id", keep="first", maintain_order=True)
    )
    return first.filter(pl.col("action") == "delivered").select("verdict_id").collect().to_series()


def _changed(old: pl.DataFrame, new: pl.DataFrame) -> list[str]:
    """What is another than when the drawn claims were first judged."""
    both = old.join(new, on="claim_id", suffix="_now")
    words = {
        "verifier": "the verifier",
        "policy": "the policy",
        "snapshot": "the corpus snapshot",
    }
    return [words[name] for name in words if both.filter(pl.col(name) != pl.col(f"{name}_now")).height]


def _warnings(drawn: Draw, missing: int, outcomes: pl.DataFrame) -> list[str]:
    population, size = sum(drawn.population.values()), drawn.sample.size
    unjudged = outcomes.filter(pl.col("outcome") == "unjudged").height
    warnings = {
        f"{size} claims were requested but only {population} exist: all were taken": size > population,
        f"{drawn.erased} claims of erased outputs cannot be judged again and were left out": drawn.erased,
        f"{missing} drawn claims have no row in claims; run `claimledger ledger verify`": missing,
        f"{unjudged} drawn claims could not be judged again: {UNJUDGED}": unjudged,
    }
    return [sentence for sentence, applies in warnings.items() if applies]
