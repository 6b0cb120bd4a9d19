"""Flips: which historical verdicts no longer hold, what changed each, and what share of all they are.

Belongs here: the draw by strata, the cause of a flip, weighted shares with intervals. Does not belong here:
judging again (`tasks/reaudit/reaudit.py`) and how a verdict follows from scores (`verdicts.py`).

A verdict is a function of three things: the evidence, the verifier that scored it, the policy that decided.
Between the old verdict and the new one any of them may have changed. The cause is found by changing one at a
time from the old state, the others left as they were:

1. where the old verdict does not follow from the old scores and policy, or the old passages are gone and
   would have to be read again, nothing can be told: *unexplained*;
2. a change that by itself gives another verdict than the old one is *sufficient* (Pearl, Probabilities of
   causation, Synthese 121, 1999);
3. exactly one sufficient change is the cause; none (they flip it only together) or several (each would have
   done) is a *combination*, and `flips_alone` names the several.

New evidence under the old verifier needs that verifier. Where it cannot be loaded, and for claims whose
evidence and verifier both changed, the evidence is changed after the verifier instead of before it
(`verifier_first`): the only order in which every step can be computed.

Shares are weighted by stratum (Cochran, Sampling Techniques, 1977, chapter 5). Their intervals are Korn and
Graubard's (Survey Methodology 24, 1998): Clopper and Pearson's with an effective sample size in place of the
size. It is the smaller of two: what the linearised variance gives with outputs as ultimate clusters (Wolter,
Introduction to Variance Estimation, 2007, chapter 6), and Kish's (sum w)^2 / sum w^2 over
outputs, which takes all claims of one output for one and, unlike a variance, holds where nothing flipped.
There is no correction for a finite population: the interval speaks of how often such verdicts stop holding,
and is too wide rather than too narrow for the drawn claims alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

import numpy as np
import polars as pl
from scipy.special import betaincinv

from tasks import ids, tables
from tasks.knobs import Section
from tasks.schema import conform
from tasks.tables import CAUSES, VERDICTS

ANY = "any"
ALL = "all"
CONFIDENCE = 0.95
SINGLE = ("evidence", "verifier", "policy")
"""The changes that can be made one at a time."""
STRATA = ("agent", "model", "use_case", "source")
"""Columns of a verdict that strata may be cut by, beside the verdict itself."""


@dataclass(frozen=True)
class SampleParameters(Section):
    """How past claims are drawn."""

    size: int = 400
    """Claims judged again: a share of one in ten is then known to 3 points."""

    minimum_per_stratum: int = 5
    """Claims of every stratum, or all it has, so that no agent is left out for being small."""

    strata: tuple[str, ...] = ("agent", "use_case")
    """What strata are cut by, beside the verdict: agent, model, use_case, source."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size}, expected 1 or more")
        if self.minimum_per_stratum < 1:
            raise ValueError(f"minimum_per_stratum is {self.minimum_per_stratum}, expected 1 or more")
        unknown = [name for name in self.strata if name not in STRATA]
        if unknown:
            raise ValueError(f"strata has {unknown[0]!r}, expected some of {', '.join(STRATA)}")


class Share(TypedDict):
    """How many of some judged claims flipped for one cause; the share is weighted, null for no claims."""

    cause: str
    judged: int
    flips: int
    share: float | None
    ci_low: float | None
    ci_high: float | None


# The draw ------------------------------------------------------------------------------------------------


def first_verdicts(verdicts: pl.DataFrame) -> pl.DataFrame:
    """The verdict each claim was first given, which its output was delivered or held back on.

    Judging again adds verdicts and changes none, so whoever re-audits tomorrow starts from the same ones.
    """
    return verdicts.sort("verified_at", "verdict_id").unique("claim_id", keep="first", maintain_order=True)


def with_stratum(frame: pl.DataFrame, strata: Sequence[str]) -> pl.DataFrame:
    """Adds `stratum`: the verdict and the named columns as JSON, so that no value can pass for another."""
    columns = ["verdict", *strata]
    distinct = frame.select(columns).unique()
    names = [json.dumps(row, sort_keys=True, ensure_ascii=False) for row in distinct.iter_rows(named=True)]
    named = distinct.with_columns(stratum=pl.Series(names, dtype=pl.String))
    return frame.join(named, on=columns, how="left", nulls_equal=True, maintain_order="left")


def with_rank(frame: pl.DataFrame, seed: str) -> pl.DataFrame:
    """Adds `rank`: SHA-256 over seed and claim id, the order in which claims are drawn."""
    seeds = pl.Series([seed], dtype=pl.String).new_from_index(0, frame.height)
    return frame.with_columns(rank=ids.digest_rows("reaudit", [seeds, frame["claim_id"]]))


def lowest(frame: pl.DataFrame, per_stratum: int) -> pl.DataFrame:
    """Up to so many rows of lowest rank of each stratum; what a draw over several parts has to keep."""
    ordered = frame.sort("stratum", "rank")
    return ordered.filter(pl.int_range(pl.len()).over("stratum") < per_stratum)


def draw(ranked: pl.DataFrame, population: Mapping[str, int], parameters: SampleParameters) -> pl.DataFrame:
    """The drawn rows, by stratum and rank.

    Args:
        ranked: `stratum` and `rank` at least; all claims, or `lowest` of them.
        population: claims per stratum.

    Raises:
        ValueError: fewer claims than strata.
    """
    from tasks.review import (
        sampling,  # with scipy, which the settings, that hold the parameters, must not load
    )

    given = sampling.allocate(population, parameters.size, minimum=parameters.minimum_per_stratum)
    wanted = pl.DataFrame(
        {"stratum": list(given), "wanted": list(given.values())},
        schema={"stratum": pl.String, "wanted": pl.Int64},
    )
    ordered = ranked.sort("stratum", "rank").join(wanted, on="stratum", how="inner", maintain_order="left")
    return ordered.filter(pl.int_range(pl.len()).over("stratum") < pl.col("wanted")).drop("wanted")


# The cause of a flip ----------------------------------------------------------------------------------------


def evidence_change(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """claim_id, evidence_change: how the passages behind each claim of `before` or `after` differ.

    `none`: the same texts in the same order. `documents`: a text that was shown stands nowhere in the corpus
    any more, or one that is shown now did not exist. `retrieval`: others were found in unchanged documents.

    Args:
        before: claim_id, rank, text, is_there (the text still stands where it stood).
        after: claim_id, rank, text, is_new (the text came after the old verdict).
    """

    def listed(frame: pl.DataFrame, name: str) -> pl.DataFrame:
        return (
            frame.sort("claim_id", "rank")
            .group_by("claim_id", maintain_order=True)
            .agg(pl.col("text").alias(name))
        )

    gone = before.join(after, on=["claim_id", "text"], how="anti").filter(~pl.col("is_there"))
    came = after.join(before, on=["claim_id", "text"], how="anti").filter("is_new")
    documents = pl.concat([gone.select("claim_id"), came.select("claim_id")])["claim_id"]
    both = listed(before, "was").join(listed(after, "now"), on="claim_id", how="full", coalesce=True)
    return both.select(
        "claim_id",
        evidence_change=pl.when(pl.col("was").eq_missing(pl.col("now")))
        .then(pl.lit("none"))
        .when(pl.col("claim_id").is_in(documents.implode()))
        .then(pl.lit("documents"))
        .otherwise(pl.lit("retrieval")),
    )


def attribute(cells: pl.DataFrame) -> pl.DataFrame:
    """Adds `flips_alone`, `cause` and `attribution` to flips.

    Args:
        cells: a row per flip with verdicts (String): `verdict_before` and `verdict`, as recorded; `again`,
            the old verdict decided again from the old scores and policy; `with_policy`, `with_verifier`,
            `with_evidence`, each with that alone changed; `with_verifier_and_evidence`. Null where it cannot
            be known: `with_evidence` for want of the old verifier, `with_verifier` for want of the old texts.
    """
    before = pl.col("verdict_before")
    ordered = pl.col("with_evidence").is_null()
    alone = {
        "evidence": pl.when(ordered)
        .then(pl.col("with_verifier_and_evidence") != pl.col("with_verifier"))
        .otherwise(pl.col("with_evidence") != before),
        "verifier": pl.col("with_verifier") != before,
        "policy": pl.col("with_policy") != before,
    }
    unexplained = (pl.col("again") != before) | pl.col("with_verifier").is_null()
    sufficient = pl.concat_list(pl.when(flips).then(pl.lit(name)) for name, flips in alone.items())
    return (
        cells.with_columns(flips_alone=sufficient.list.drop_nulls(), unexplained=unexplained)
        .with_columns(
            flips_alone=pl.when("unexplained").then(pl.lit([], pl.List(pl.String))).otherwise("flips_alone"),
            cause=pl.when("unexplained")
            .then(pl.lit("unexplained"))
            .when(pl.col("flips_alone").list.len() == 1)
            .then(pl.col("flips_alone").list.first())
            .otherwise(pl.lit("combination")),
            attribution=pl.when("unexplained")
            .then(pl.lit("none"))
            .when(ordered)
            .then(pl.lit("verifier_first"))
            .otherwise(pl.lit("one_at_a_time")),
        )
        .drop("unexplained")
    )


def with_reason(flipped: pl.DataFrame) -> pl.DataFrame:
    """Adds `reason`: the cause in words a manager understands.

    Args:
        flipped: as `attribute` returns it, with `evidence_change`, `policy_before`, `policy`, `is_gone` (the
            old passages' texts are no longer there).
    """
    cause, alone = pl.col("cause"), pl.col("flips_alone")
    evidence = (
        pl.when(pl.col("evidence_change") == "documents")
        .then(pl.lit("the documentation changed"))
        .otherwise(pl.lit("other passages were retrieved"))
    )
    words = (
        pl.when(cause == "evidence")
        .then(evidence)
        .when(cause == "verifier")
        .then(pl.lit("the new verifier reads the same evidence differently"))
        .when(cause == "policy")
        .then(pl.format("policy {} decides otherwise than {}", "policy", "policy_before"))
        .when((cause == "combination") & (alone.list.len() == 0))
        .then(pl.lit("several changes flip it only in combination"))
        .when(cause == "combination")
        .then(pl.format("each of {} alone would flip it", alone.list.join(" and ")))
        .when("is_gone")
        .then(pl.lit("its old passages are gone, so the cause cannot be determined"))
        .otherwise(pl.lit("the old verdict does not follow from the recorded scores and policy"))
    )
    seen = pl.when(pl.col("attribution") == "verifier_first").then(pl.lit(", seen by the new verifier"))
    return flipped.with_columns(reason=words + seen.otherwise(pl.lit("")))


# Shares -----------------------------------------------------------------------------------------------------


def interval(
    hits: np.ndarray, weights: np.ndarray, clusters: np.ndarray, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Weighted share of hits, and both ends of its interval; NaN for no rows.

    Args:
        hits: (n,) bool.
        weights: (n,) above 0: how many of the population each row stands for.
        clusters: (n,) integers from 0: rows of one cluster move together.
    """
    total = weights.sum()
    if len(hits) == 0:
        return float("nan"), float("nan"), float("nan")
    share = float(np.clip((weights * hits).sum() / total, 0.0, 1.0))
    of_cluster = np.bincount(clusters, weights=weights)
    size = total**2 / (of_cluster**2).sum()
    rows, number = len(hits), int((of_cluster > 0).sum())
    if 0.0 < share < 1.0 and number > 1:
        residuals = np.bincount(clusters, weights=weights * (hits - share)) / total
        variance = number / (number - 1) * (residuals**2).sum()
        plain = share * (1.0 - share) / (rows - 1)
        size = min(size, rows * plain / variance) if variance > 0 else size
    tail, seen = (1.0 - confidence) / 2, share * size
    low = float(betaincinv(seen, size - seen + 1, tail)) if seen > 0 else 0.0
    high = float(betaincinv(seen + 1, size - seen, 1.0 - tail)) if seen < size else 1.0
    # Rounding of the incomplete beta function must not put the share outside of its own interval.
    return share, min(low, share), max(high, share)


def weights(drawn: pl.DataFrame, population: Mapping[str, int]) -> pl.DataFrame:
    """The drawn claims with `weight`: claims of the stratum per claim judged; null where it was not."""
    known = pl.DataFrame(
        {"stratum": list(population), "population": list(population.values())},
        schema={"stratum": pl.String, "population": pl.Int64},
    )
    judged = pl.col("outcome") != "unjudged"
    return (
        drawn.join(known, on="stratum", how="left", maintain_order="left")
        .with_columns(weight=pl.when(judged).then(pl.col("population") / judged.sum().over("stratum")))
        .drop("population")
    )


def shares(
    drawn: pl.DataFrame,
    population: Mapping[str, int],
    strata: Sequence[str],
    *,
    run_id: str,
    found_at: datetime,
) -> pl.DataFrame:
    """FLIP_SHARES: every slice of one stratum column and all, by old verdict and any, by cause and any.

    Args:
        drawn: REAUDITS rows with `weight`, and the columns that the strata were cut by.
        population: claims of the range per stratum.
        strata: columns that the strata were cut by, beside the verdict.
    """
    counted = [(json.loads(stratum), count) for stratum, count in population.items()]
    judged = drawn.filter(pl.col("outcome") != "unjudged")
    rows = []
    for name, column, value in _slices(counted, strata):
        of_slice = judged if column is None else judged.filter(pl.col(column).eq_missing(pl.lit(value)))
        for verdict in (ANY, *VERDICTS):
            held = [
                count
                for stratum, count in counted
                if (column is None or stratum[column] == value) and verdict in (ANY, stratum["verdict"])
            ]
            if not held:
                continue
            frame = of_slice if verdict == ANY else of_slice.filter(pl.col("verdict_before") == verdict)
            rows += [
                {"slice": name, "verdict_before": verdict, "population": sum(held), **measured}
                for measured in _by_cause(frame, is_census=frame.height == sum(held))
            ]
    frame = pl.DataFrame(
        [{"run_id": run_id, "found_at": found_at, **row} for row in rows], schema=tables.FLIP_SHARES.schema
    )
    return conform(tables.FLIP_SHARES, frame)


def _slices(
    counted: list[tuple[dict[str, str | None], int]], strata: Sequence[str]
) -> list[tuple[str, str | None, str | None]]:
    """(name, column, value) of all claims and of every value of every stratum column, in a fixed order."""
    slices: list[tuple[str, str | None, str | None]] = [(ALL, None, None)]
    for column in strata:
        values = {stratum[column] for stratum, _ in counted}
        slices += [(f"{column}={_escaped(value)}", column, value) for value in sorted(values, key=str)]
    return slices


def _escaped(value: str | None) -> str:
    # As in the slices of the drift tables: what separates parts of a name does not stand within one.
    text = "(none)" if value is None else value
    return text.replace("%", "%25").replace("&", "%26").replace("=", "%3D")


def _by_cause(frame: pl.DataFrame, *, is_census: bool) -> list[Share]:
    """A census was not drawn, so its share has no sampling interval."""
    rows: list[Share] = []
    clusters = np.unique(frame["output_id"].to_numpy(), return_inverse=True)[1]
    weight = frame["weight"].to_numpy()
    for cause in (ANY, *CAUSES):
        hit = frame.select(
            pl.col("cause").is_not_null() if cause == ANY else pl.col("cause").eq_missing(pl.lit(cause))
        ).to_series().to_numpy()  # fmt: skip
        share, low, high = interval(hit, weight, clusters)
        is_empty, is_certain = frame.is_empty(), is_census or frame.is_empty()
        rows.append(
            Share(
                cause=cause,
                judged=frame.height,
                flips=int(hit.sum()),
                share=None if is_empty else share,
                ci_low=None if is_certain else low,
                ci_high=None if is_certain else high,
            )
        )
    return rows


# Words ------------------------------------------------------------------------------------------------------


def headline(shares: pl.DataFrame, is_documents: bool, verdict: str = "supported") -> str:
    """One sentence: what share of an old verdict no longer holds, and how many points each cause has.

    Args:
        shares: FLIP_SHARES of one run.
        is_documents: every flip by evidence came from edited documents.
    """
    rows = shares.filter((pl.col("slice") == ALL) & (pl.col("verdict_before") == verdict))
    whole = rows.filter(pl.col("cause") == ANY).to_dicts()
    if not whole or whole[0]["share"] is None:
        return f"no {verdict} claim was judged again"
    total = whole[0]
    is_census = total["judged"] == total["population"]
    how_sure = (
        "all of them judged again"
        if is_census
        else f"95% interval {total['ci_low']:.1%} to {total['ci_high']:.1%}"
    )
    start = f"{total['share']:.1%} of the {verdict} claims no longer hold ({how_sure})"
    words = {
        "evidence": "because the documentation changed" if is_documents else "because the evidence changed",
        "verifier": "because of the new verifier",
        "policy": "because of the new policy",
        "combination": "because of several changes together",
        "unexplained": "for reasons that cannot be separated",
    }
    parts = [
        f"{100 * row['share']:.1f} points {words[row['cause']]}"
        for row in rows.sort("share", descending=True, nulls_last=True).to_dicts()
        if row["cause"] != ANY and row["flips"]
    ]
    return f"{start}: {', '.join(parts)}" if parts else start
