"""A re-audit: historical claims drawn, judged again, compared with what they were first given, and published.

Belongs here: which claims, and what became of each. Does not belong here: how a claim is judged
(`judge.py`), what is scored again to find a flip's cause (`causes.py`), how causes and shares follow
(`reaudit/flips.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks import ids, tables
from tasks.errors import GateError, InputError
from tasks.evidence.index import EMPTY_SNAPSHOT, CorpusIndex
from tasks.gate.reconcile import Counts
from tasks.judge import current_verdicts, published_claims
from tasks.lake.store import Lake
from tasks.ledger import opening
from tasks.reaudit import causes, flips
from tasks.reaudit.flips import SampleParameters
from tasks.schema import conform
from tasks.sources.pull import Unit
from tasks.workbench import Workbench

_OLD = ("verdict_id", "claim_id", "output_id", "verified_at", "produced_at", "verdict", *flips.STRATA)
UNJUDGED = "it has no verdict from this run: its output is gone or validation refused what was found"


# The draw ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """The claims to judge again, and what they were drawn from."""

    claims: pl.DataFrame
    """First verdicts of the drawn claims: verdict_id, claim_id, output_id, verified_at, produced_at, verdict,
    agent, model, use_case, source, stratum, rank."""
    population: dict[str, int]
    """Claims per stratum."""
    erased: int
    """Claims of erased outputs, which nothing can be said of any more."""
    parameters: dict[str, Any]


def draw(
    lake: Lake,
    sample: SampleParameters,
    *,
    size: int | None,
    from_day: date | None,
    to_day: date | None,
    seed: str,
) -> Drawn:
    """A stratified sample of the claims of a range of days; the same seed and lake give the same claims.

    Days are read one after the other and only what may be drawn is kept, so memory is bounded by the sample.

    Raises:
        InputError: the range is empty or the wrong way round, nothing was judged in it, or the sample cannot
            cover its strata.
    """
    if from_day and to_day and from_day > to_day:
        raise InputError(f"--from {from_day} is after --to {to_day}; give the earlier day first")
    try:
        parameters = SampleParameters(
            sample.size if size is None else size, sample.minimum_per_stratum, sample.strata
        )
    except ValueError as error:
        raise InputError(f"--sample: {error}") from None
    gone = opening.erased_outputs(lake)
    kept: list[pl.DataFrame] = []
    population: dict[str, int] = {}
    erased = 0
    for day in lake.days("verdicts"):
        if (from_day and day < from_day) or (to_day and day > to_day):
            continue
        first = flips.first_verdicts(lake.scan("verdicts", since=day, until=day).select(_OLD).collect())
        of_erased = first["output_id"].is_in(list(gone))
        erased += int(of_erased.sum())
        cut = flips.with_stratum(first.filter(~of_erased), parameters.strata)
        for stratum, count in cut["stratum"].value_counts().iter_rows():
            population[stratum] = population.get(stratum, 0) + count
        kept = [flips.lowest(pl.concat([*kept, flips.with_rank(cut, seed)]), parameters.size)]
    if not population:
        days = f"from {from_day or 'the start'} to {to_day or 'today'}"
        why = f" ({erased} claims of erased outputs apart)" if erased else ""
        raise InputError(
            f"{lake.root}: no claim was judged {days}{why}, so there is nothing to judge again; choose other "
            "days or run `claimledger audit`"
        )
    try:
        claims = flips.draw(kept[0], population, parameters)
    except ValueError as error:
        raise InputError(
            f"--sample: {error}, or cut reaudit.sample.strata by fewer columns than "
            f"{', '.join(parameters.strata) or 'the verdict'}"
        ) from None
    said = {
        "from": from_day and from_day.isoformat(),
        "to": to_day and to_day.isoformat(),
        "sample": parameters.size,
        "minimum_per_stratum": parameters.minimum_per_stratum,
        "strata": list(parameters.strata),
        "seed": seed,
    }
    return Drawn(claims, dict(sorted(population.items())), erased, said)


def units(lake: Lake, drawn: Drawn, *, run_id: str, size: int) -> list[Unit]:
    """The outputs of the drawn claims, staged in units of a day and a shard."""
    folder: Path = lake.work(run_id) / "drawn"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = drawn.claims.select("output_id").unique().lazy()
    staged = []
    for day in drawn.claims["produced_at"].dt.date().unique().sort().to_list():
        scan = lake.scan("outputs", since=day, until=day).join(wanted, on="output_id", how="semi")
        outputs = scan.sort("produced_at", "output_id").collect()
        for shard, frame in enumerate(outputs.iter_slices(size)):
            path = folder / f"{day.isoformat()}-{shard:04d}.parquet"
            frame.write_parquet(path)
            staged.append(Unit(day=day, shard=shard, path=path, rows=frame.height))
    return staged


# What became of them ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """What a re-audit found: frames of its three tables, what changed since, sentences to warn with."""

    frames: dict[str, pl.DataFrame]
    changed: list[str]
    warnings: list[str]


def compare(
    drawn: Drawn, bench: Workbench, corpus: CorpusIndex | None, *, run_id: str, now: datetime
) -> Found:
    """The drawn claims' verdicts as first given and as they are now, with the cause of each difference."""
    lake = bench.lake
    snapshot = corpus.snapshot if corpus else EMPTY_SNAPSHOT
    outputs = drawn.claims.select("output_id", "produced_at", "use_case").unique("output_id")
    texts = published_claims(lake, outputs).select("claim_id", "text")
    there = drawn.claims.join(texts, on="claim_id", how="inner", maintain_order="left")
    new = current_verdicts(there.select("claim_id", "output_id"), outputs, bench, snapshot)
    old = _verdicts(lake, there)
    both = there.rename({"verdict": "verdict_before", "verdict_id": "verdict_id_before"}).join(
        new.select("claim_id", "verdict_id", "verdict", "reason"),
        on="claim_id",
        how="left",
        maintain_order="left",
    )
    flipped = both.filter(pl.col("verdict") != pl.col("verdict_before"))
    found = causes.find(flipped, old, new, bench)
    drawn_rows = _drawn(both, found.causes, drawn.population, run_id)
    rows = _flips(flipped, found.causes, drawn_rows, _delivered(lake, old), run_id=run_id, now=now)
    strata = drawn.parameters["strata"]
    shares = flips.shares(drawn_rows, drawn.population, strata, run_id=run_id, found_at=now)
    frames = {
        "flips": rows,
        "reaudits": conform(tables.REAUDITS, drawn_rows.select(tables.REAUDITS.schema.names())),
        "flip_shares": shares,
    }
    return Found(frames, _changed(old, new), [*_warnings(drawn, there, drawn_rows), *found.notices])


def publish(
    found: Found, lake: Lake, check: Callable[[str, pl.DataFrame], pl.DataFrame], *, run_id: str, day: date
) -> dict[str, Counts]:
    """Commits the three tables, all or nothing; the counts of each.

    Raises:
        GateError: `check` refused a row, or one refers to a row that is not there.
    """
    frames = {name: check(name, frame) for name, frame in found.frames.items()}
    dangling = lake.check_references(frames)
    if dangling:
        table, rows = next(iter(dangling.items()))
        raise GateError(
            f"{rows.height} rows of {table} refer to rows that are not there ({rows['reference'][0]}); run "
            "`claimledger ledger verify`"
        )
    return lake.commit(run_id, "flips", frames, run_day=day)


def told(drawn: Drawn, found: Found) -> dict[str, Any]:
    """The answer in plain data: sizes, what changed, shares over all claims, the headline."""
    shares, rows = found.frames["flip_shares"], found.frames["flips"]
    by_evidence = rows.filter(pl.col("cause") == "evidence")
    outcomes = dict(found.frames["reaudits"]["outcome"].value_counts().iter_rows())
    return {
        **drawn.parameters,
        "population": sum(drawn.population.values()),
        "populated_strata": len(drawn.population),
        "drawn": drawn.claims.height,
        "judged": outcomes.get("held", 0) + outcomes.get("flipped", 0),
        "unjudged": outcomes.get("unjudged", 0),
        "erased": drawn.erased,
        "changed": found.changed,
        "flips": rows.height,
        "delivered_flips": int(rows["is_delivered"].sum()),
        "causes": dict(rows["cause"].value_counts().sort("cause").iter_rows()),
        "headline": flips.headline(
            shares, is_documents=bool((by_evidence["evidence_change"] == "documents").all())
        ),
        "shares": shares.filter(pl.col("slice") == flips.ALL).drop("run_id", "found_at", "slice").to_dicts(),
    }


def _verdicts(lake: Lake, claims: pl.DataFrame) -> pl.DataFrame:
    """VERDICTS rows that the claims were first given."""
    days = claims["produced_at"].dt.date()
    scan = lake.scan("verdicts", since=days.min(), until=days.max())  # type: ignore[arg-type]
    return scan.join(claims.lazy().select("verdict_id"), on="verdict_id", how="semi").collect()


def _drawn(
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
            found_at=pl.lit(now, tables.UTC),
            run_id=pl.lit(run_id),
        )
    )
    keys = [frame[name] for name in ("run_id", "verdict_id_before", "verdict_id")]
    frame = frame.with_columns(flip_id=ids.digest_rows("flip", keys))
    return conform(tables.FLIPS, frame.select(tables.FLIPS.schema.names()))


def _delivered(lake: Lake, old: pl.DataFrame) -> pl.Series:
    """Verdicts among `old` on which their output was delivered: what its first action on them says."""
    if old.is_empty():
        return pl.Series(dtype=pl.String)
    days = old["produced_at"].dt.date()
    actions = lake.scan("actions", since=days.min(), until=days.max())  # type: ignore[arg-type]
    rested = actions.join(old.lazy().select("output_id"), on="output_id", how="semi").collect()
    first = (
        rested.sort("decided_at", "action_id")
        .select("action", verdict_id="verdict_ids")
        .explode("verdict_id")
        .unique("verdict_id", keep="first", maintain_order=True)
    )
    return first.filter(pl.col("action") == "delivered")["verdict_id"]


def _changed(old: pl.DataFrame, new: pl.DataFrame) -> list[str]:
    """What is another than when the drawn claims were first judged."""
    both = old.join(new, on="claim_id", suffix="_now")
    words = {
        "verifier": "the verifier",
        "policy": "the policy",
        "snapshot": "the corpus snapshot",
    }
    return [words[name] for name in words if both.filter(pl.col(name) != pl.col(f"{name}_now")).height]


def _warnings(drawn: Drawn, there: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    population, asked = sum(drawn.population.values()), drawn.parameters["sample"]
    said = []
    if asked > population:
        said.append(f"{asked} claims were asked for and {population} are there: all of them were taken")
    if drawn.erased:
        said.append(f"{drawn.erased} claims of erased outputs cannot be judged again and are left out")
    if there.height < drawn.claims.height:
        said.append(
            f"{drawn.claims.height - there.height} drawn claims have a verdict and no row in claims; run "
            "`claimledger ledger verify`"
        )
    unjudged = rows.filter(pl.col("outcome") == "unjudged").height
    if unjudged:
        said.append(f"{unjudged} drawn claims could not be judged again: {UNJUDGED}")
    return said
