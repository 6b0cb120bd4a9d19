"""A day's rows of the lake's tables, summed into cells that are small enough to keep.

Nearly every metric is a ratio of sums over outputs, because claims of one output move together: an output
adds y (for example its supported claims) and x (its judged claims). The six sums kept per cell (y, x, y², xy,
x² and the number of outputs) give the ratio and its cluster-robust variance for any union of cells (Cochran,
Sampling Techniques, 3rd ed., 1977, sections 6.4 and 9A), so no later step reads the tables again.

Belongs here: rows into sums. Does not belong here: slices (`slices.py`), comparison (`comparison.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tasks.privacy import addressing
from tasks.tables import TABLES, VERDICTS

IDENTITY = ("source", "agent", "model", "use_case")
JUDGED_BY = ("verifier", "policy")
SUMS = ("y", "x", "yy", "xy", "xx", "clusters")
VERSION = "1"
"""Of the sums: another one whenever equal rows would give other sums, so that caches know."""
SCORE_BINS = 20
"""Bins of p_supported: 0.05 wide, finer than any threshold that policies use."""

CELL = pl.Schema(
    [
        ("date", pl.Date()),
        *((name, pl.String()) for name in IDENTITY + JUDGED_BY),
        ("judged_at", pl.Datetime("us", "UTC")),
        ("metric", pl.String()),
        *((name, pl.Float64()) for name in SUMS),
    ]
)
PROFILE = pl.Schema(
    [
        ("date", pl.Date()),
        *((name, pl.String()) for name in IDENTITY + JUDGED_BY),
        ("metric", pl.String()),
        ("bin", pl.Int16()),
        ("weight", pl.Float64()),
    ]
)
SEEN = pl.Schema({"date": pl.Date, "snapshot": pl.String})


@dataclass(frozen=True)
class Cells:
    """Everything drift needs of some days, small enough to keep.

    `sums` (CELL): per day, identity, verifier and policy (null where nothing was judged) and metric.
    `profiles` (PROFILE): per day and identity, how much of a distribution each bin or dimension holds.
    `seen` (SEEN): snapshots per day. `filled`: tables that hold rows on these days.
    """

    sums: pl.DataFrame
    profiles: pl.DataFrame
    seen: pl.DataFrame
    filled: frozenset[str] = frozenset()

    @classmethod
    def concat(cls, parts: list[Cells]) -> Cells:
        """The parts' days together; no parts are no days."""
        return cls(
            pl.concat([pl.DataFrame(schema=CELL), *(p.sums for p in parts)]),
            pl.concat([pl.DataFrame(schema=PROFILE), *(p.profiles for p in parts)]),
            pl.concat([pl.DataFrame(schema=SEEN), *(p.seen for p in parts)]),
            frozenset().union(*(p.filled for p in parts)),
        )


COLUMNS: dict[str, tuple[str, ...]] = {
    "outputs": ("output_id", "produced_at", *IDENTITY, "ingested_at", "supersedes"),
    "verdicts": ("verdict_id", "claim_id", "output_id", "verified_at", "verdict", "p_supported",
                 "p_contradicted", "p_insufficient", "verifier", "policy", "snapshot", "evidence_ids",
                 "is_conflict"),
    "actions": ("output_id", "decided_at", "action", "policy", "verdict_ids"),
    "findings": ("output_id", "kind"),
    "evidence": ("claim_id", "output_id", "verifier", "snapshot", "rank", "retrieval_score"),
    "reviews": ("verdict_id", "outcome", "reviewed_at"),
}  # fmt: skip
"""What is read of each table, and `metadata` of outputs where it holds weights; no prompts, no answers."""


def cells_of(day: Mapping[str, pl.DataFrame], weight: str | None = None) -> Cells:
    """Sums over the rows of one or more UTC days of `produced_at`.

    Args:
        day: by table name, frames with at least `COLUMNS`; a table that is left out has no rows.
        weight: key of the outputs' JSON `metadata` that holds each output's sampling weight (the inverse of
            its probability of being drawn); None weighs all alike, and so does a missing or unusable value.

    Of a claim's verdicts by one verifier and policy the newest counts, and of an output's actions likewise.
    Outputs that another one supersedes are left out.
    """
    frames = {name: day[name] if name in day else _empty(name) for name in COLUMNS}
    outputs = _outputs(frames["outputs"], weight)
    verdicts = (
        frames["verdicts"]
        .sort("verified_at", "verdict_id")
        .unique(["claim_id", *JUDGED_BY], keep="last", maintain_order=True)
        .join(outputs.select("output_id", "date", "weight", *IDENTITY), on="output_id", how="inner")
    )
    best = _best_passages(frames["evidence"], verdicts)
    judged = _per_output(verdicts, best)
    parts = [
        _summed(judged, _JUDGED),
        _summed(_counted(outputs, judged, frames["findings"]), _COUNTED),
        _summed(_acted(frames["actions"], verdicts, outputs), _ACTED),
        _summed(_reviewed(frames["reviews"], verdicts), _REVIEWED),
    ]
    return Cells(
        pl.concat(parts),
        _score_profile(verdicts),
        verdicts.select("date", "snapshot").unique(),
        frozenset(name for name, frame in frames.items() if frame.height),
    )


def _empty(table: str) -> pl.DataFrame:
    return TABLES[table].empty().select(COLUMNS[table])


def _outputs(outputs: pl.DataFrame, weight: str | None) -> pl.DataFrame:
    replaced = outputs.select(pl.col("supersedes").drop_nulls())["supersedes"]
    weights = pl.lit(1.0)
    if weight is not None:
        found = pl.col("metadata").str.json_path_match(f"$.{weight}").cast(pl.Float64, strict=False)
        usable = found.is_finite() & (found > 0)
        weights = pl.when(usable).then(found).otherwise(1.0)
    return outputs.filter(~pl.col("output_id").is_in(replaced.implode())).select(
        "output_id",
        *IDENTITY,
        date=pl.col("produced_at").dt.date(),
        weight=weights,
        lag=(pl.col("ingested_at") - pl.col("produced_at")).dt.total_seconds() / 3600,
    )


def _best_passages(evidence: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Per claim, verifier and snapshot: the retrieval score of the passage of rank 0."""
    if evidence.is_empty() or verdicts.is_empty():
        return pl.DataFrame(schema={"claim_id": pl.String, "verifier": pl.String, "snapshot": pl.String,
                                    "retrieval_score": pl.Float64})  # fmt: skip
    return (
        evidence.filter(pl.col("rank") == 0)
        .select("claim_id", "verifier", "snapshot", "retrieval_score")
        .unique(["claim_id", "verifier", "snapshot"], keep="any")
    )


def _per_output(verdicts: pl.DataFrame, best: pl.DataFrame) -> pl.DataFrame:
    """One row per output, verifier and policy, with sums over its claims."""
    if best.height:
        verdicts = verdicts.join(best, on=["claim_id", "verifier", "snapshot"], how="left")
    else:
        verdicts = verdicts.with_columns(retrieval_score=pl.lit(None, dtype=pl.Float64))
    is_verdict = {name: (pl.col("verdict") == name).sum() for name in VERDICTS}
    return verdicts.group_by("output_id", *JUDGED_BY).agg(
        pl.col("date", "weight", *IDENTITY).first(),
        claims=pl.len(),
        **is_verdict,
        p_supported=pl.col("p_supported").sum(),
        covered=(pl.col("evidence_ids").list.len() > 0).sum(),
        conflicts=pl.col("is_conflict").sum(),
        retrieved=pl.col("retrieval_score").count(),
        retrieval_score=pl.col("retrieval_score").sum(),
        judged_at=pl.col("verified_at").max(),
    )


def _counted(outputs: pl.DataFrame, judged: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """One row per output, judged or not."""
    claims = judged.group_by("output_id").agg(pl.col("claims").max())
    # The metric is of leaks; text that addresses the verifier shows in the share of escalated answers.
    leaks = findings.filter(pl.col("kind") != addressing.KIND)
    found = leaks.group_by("output_id").agg(findings=pl.len())
    return (
        outputs.join(claims, on="output_id", how="left")
        .join(found, on="output_id", how="left")
        .with_columns(pl.col("claims", "findings").fill_null(0), *_unjudged())
    )


def _acted(actions: pl.DataFrame, verdicts: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """One row per output and policy that acted, with the verifier of the verdicts behind the action."""
    return (
        actions.sort("decided_at")
        .unique(["output_id", "policy"], keep="last", maintain_order=True)
        .with_columns(verdict_id=pl.col("verdict_ids").list.first())
        .join(verdicts.select("verdict_id", "verifier"), on="verdict_id", how="left")
        .join(outputs.select("output_id", "date", "weight", *IDENTITY), on="output_id", how="inner")
        .with_columns(judged_at=pl.col("decided_at"))
    )


def _reviewed(reviews: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """One row per output, verifier and policy with reviews; of a verdict's reviews the newest counts."""
    of_verdict = (
        pl.when(pl.col("verdict") == "supported")
        .then("p_supported")
        .when(pl.col("verdict") == "contradicted")
        .then("p_contradicted")
        .otherwise("p_insufficient")
    )
    return (
        reviews.sort("reviewed_at")
        .unique("verdict_id", keep="last", maintain_order=True)
        .join(verdicts, on="verdict_id", how="inner")
        .with_columns(wrong=(pl.col("outcome") == "overturned"), stated=of_verdict)
        .group_by("output_id", *JUDGED_BY)
        .agg(
            pl.col("date", "weight", *IDENTITY).first(),
            reviews=pl.len(),
            overturned=pl.col("wrong").sum(),
            excess=(pl.col("stated") - (~pl.col("wrong")).cast(pl.Float64)).sum(),
            judged_at=pl.col("verified_at").max(),
        )
    )


def _unjudged() -> list[pl.Expr]:
    return [
        pl.lit(None, dtype=pl.String).alias("verifier"),
        pl.lit(None, dtype=pl.String).alias("policy"),
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("judged_at"),
    ]


_ONE = pl.lit(1.0)
_JUDGED: dict[str, tuple[pl.Expr, pl.Expr]] = {
    "supported_share": (pl.col("supported"), pl.col("claims")),
    "contradicted_share": (pl.col("contradicted"), pl.col("claims")),
    "insufficient_share": (pl.col("insufficient"), pl.col("claims")),
    "mean_p_supported": (pl.col("p_supported"), pl.col("claims")),
    "evidence_coverage": (pl.col("covered"), pl.col("claims")),
    "conflict_share": (pl.col("conflicts"), pl.col("claims")),
    "retrieval_score": (pl.col("retrieval_score"), pl.col("retrieved")),
}
_COUNTED: dict[str, tuple[pl.Expr, pl.Expr]] = {
    "claims_per_output": (pl.col("claims"), _ONE),
    "abstention_share": (pl.col("claims") == 0, _ONE),
    "outputs_per_day": (_ONE, _ONE),
    "lag_hours": (pl.col("lag"), _ONE),
    "findings_per_output": (pl.col("findings"), _ONE),
}
_ACTED: dict[str, tuple[pl.Expr, pl.Expr]] = {
    f"{action}_share": (pl.col("action") == action, _ONE)
    for action in ("delivered", "rephrased", "escalated")
}
_REVIEWED: dict[str, tuple[pl.Expr, pl.Expr]] = {
    "overturn_share": (pl.col("overturned"), pl.col("reviews")),
    "overconfidence": (pl.col("excess"), pl.col("reviews")),
}


def _summed(rows: pl.DataFrame, metrics: Mapping[str, tuple[pl.Expr, pl.Expr]]) -> pl.DataFrame:
    """CELL rows: one per day, identity, verifier, policy and metric that has units there."""
    keys = ["date", *IDENTITY, *JUDGED_BY]
    aggregates: list[pl.Expr] = [pl.col("judged_at").max()]
    for name, (above, below) in metrics.items():
        y = pl.col("weight") * above.cast(pl.Float64)
        x = pl.col("weight") * below.cast(pl.Float64)
        sums = (y, x, y * y, x * y, x * x, below > 0)
        aggregates += [e.sum().cast(pl.Float64).alias(f"{name}.{s}") for s, e in zip(SUMS, sums, strict=True)]
    wide = rows.group_by(keys).agg(aggregates)
    parts = [
        wide.select(
            *keys, "judged_at", pl.lit(name).alias("metric"), *(pl.col(f"{name}.{s}").alias(s) for s in SUMS)
        ).filter(pl.col("x") > 0)
        for name in metrics
    ]
    return pl.concat(parts).select(CELL.names()).cast(CELL)


def _score_profile(verdicts: pl.DataFrame) -> pl.DataFrame:
    """PROFILE rows of p_supported's histogram."""
    number = (pl.col("p_supported") * SCORE_BINS).floor().clip(0, SCORE_BINS - 1).cast(pl.Int16)
    return (
        verdicts.group_by("date", *IDENTITY, *JUDGED_BY, number.alias("bin"))
        .agg(weight=pl.col("weight").sum())
        .with_columns(metric=pl.lit("score_distance"))
        .select(PROFILE.names())
        .cast(PROFILE)
    )
