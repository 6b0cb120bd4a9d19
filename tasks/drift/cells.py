"""A day's rows of the lake's tables, summed into cells that are small enough to keep.

Nearly every metric is a ratio of sums over outputs, because claims of one output move together: an output
adds y (for example its supported claims) and x (its judged claims). The six sums kept per cell (y, x, y², xy,
x² and the number of outputs) give the ratio and its cluster-robust variance for any union of cells (Cochran,
Sampling Techniques, 3rd ed., 1977, sections 6.4 and 9A), so no later step reads the tables again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tasks.drift.metrics import METRICS
from tasks.lake import current, reviewed
from tasks.lake.reviewed import JUDGED_BY
from tasks.privacy import addressing
from tasks.tables import ACTIONS, DECISIVE, TABLES, UTC, VERDICTS

IDENTITY = ("source", "agent", "model", "use_case")
SUMS = ("y", "x", "yy", "xy", "xx", "clusters")
VERSION = "5"
"""Of the sums: another one whenever equal rows would give other sums, so that caches know."""
SCORE_BINS = 20
"""Bins of p_supported: 0.05 wide, finer than any threshold that policies use."""

_KEYS = {"date": pl.Date(), **dict.fromkeys(IDENTITY + JUDGED_BY, pl.String())}
CELL = pl.Schema(
    {**_KEYS, "judged_at": UTC, "pulled_at": UTC, "metric": pl.String(), **dict.fromkeys(SUMS, pl.Float64())}
)
PROFILE = pl.Schema({**_KEYS, "metric": pl.String(), "bin": pl.Int16(), "weight": pl.Float64()})
SEEN = pl.Schema({"date": pl.Date, "snapshot": pl.String})


@dataclass(frozen=True)
class Cells:
    """Everything drift needs of some days, small enough to keep.

    `sums` (CELL): per day, identity, verifier and policy (null where nothing was judged) and metric; when the
    newest was judged, or, of metrics of outputs, the first was pulled.
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
    "outputs": ("output_id", "produced_at", *IDENTITY, "ingested_at", "supersedes",
                "sampling_probability"),
    "verdicts": ("verdict_id", "claim_id", "output_id", "verified_at", "verdict", "p_supported",
                 "p_contradicted", "p_insufficient", "verifier", "policy", "snapshot", "evidence_ids",
                 "is_conflict", "threshold_supported", "threshold_contradicted"),
    "actions": ("output_id", "decided_at", "action", "outcome", "policy", "verdict_ids"),
    "findings": ("output_id", "kind"),
    "evidence": ("claim_id", "output_id", "verifier", "snapshot", "rank", "retrieval_score"),
    "reviews": ("review_id", "verdict_id", "reviewer", "outcome", "reviewed_at", "corrected_verdict"),
    "caught": ("caught_id", "output_id", "state", "recorded_at", "known_at"),
}  # fmt: skip
"""What is read of each table, and `metadata` of outputs where it holds weights; no prompts, no answers."""


def cells_of(day: Mapping[str, pl.DataFrame], weight: str | None = None) -> Cells:
    """Sums over the rows of one or more UTC days of `produced_at`.

    Args:
        day: by table name, frames with at least `COLUMNS`; a table that is left out has no rows.
        weight: key of the outputs' JSON `metadata` that holds each output's sampling weight (the inverse of
            its probability of being drawn); None weighs all alike, and so does a missing or unusable value.
            Besides, each output weighs the inverse of the `sampling_probability` with which it was pulled.

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
    judged = _per_output(verdicts, frames["evidence"])
    rows = {
        "judged": judged,
        "outputs": _counted(outputs, judged, frames["actions"], frames["findings"]),
        "actions": _acted(frames["actions"], verdicts, outputs),
        "reviews": _reviewed(frames["reviews"], verdicts),
        "caught": _caught(frames["caught"], outputs),
    }
    return Cells(
        pl.concat([_summed(rows[name], name) for name in rows]),
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
        value = pl.col("metadata").str.json_path_match(f"$.{weight}").cast(pl.Float64, strict=False)
        weights = pl.when(value.is_finite() & (value > 0)).then(value).otherwise(1.0)
    # Null in files of earlier releases, which audited everything.
    weights = weights / pl.col("sampling_probability").fill_null(1.0)
    return outputs.filter(~pl.col("output_id").is_in(replaced.implode())).select(
        "output_id",
        *IDENTITY,
        date=pl.col("produced_at").dt.date(),
        weight=weights,
        pulled_at="ingested_at",
        lag=(pl.col("ingested_at") - pl.col("produced_at")).dt.total_seconds() / 3600,
    )


def _per_output(verdicts: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """One row per output, verifier and policy, with sums over its claims."""
    key = ["claim_id", "verifier", "snapshot"]
    best = evidence.filter(pl.col("rank") == 0).select(*key, "retrieval_score").unique(key, keep="any")
    verdicts = verdicts.join(best, on=key, how="left")
    return verdicts.group_by("output_id", *JUDGED_BY).agg(
        pl.col("date", "weight", *IDENTITY).first(),
        claims=pl.len(),
        **{name: (pl.col("verdict") == name).sum() for name in VERDICTS},
        p_supported=pl.col("p_supported").sum(),
        covered=(pl.col("evidence_ids").list.len() > 0).sum(),
        conflicts=pl.col("is_conflict").sum(),
        retrieved=pl.col("retrieval_score").count(),
        retrieval_score=pl.col("retrieval_score").sum(),
        judged_at=pl.col("verified_at").max(),
    )


def _counted(
    outputs: pl.DataFrame, judged: pl.DataFrame, actions: pl.DataFrame, findings: pl.DataFrame
) -> pl.DataFrame:
    """One row per output, judged or not."""
    # Releases that did not know abstentions wrote no outcome: those outputs are left out of the share.
    last = actions.drop_nulls("outcome").sort("decided_at").unique("output_id", keep="last")
    abstained = pl.col("outcome") == "abstained"
    outcomes = last.select("output_id", abstained=abstained, decided=pl.lit(value=True))
    claims = judged.group_by("output_id").agg(pl.col("claims").max())
    # The metric is of leaks; text that addresses the verifier shows in the share of escalated answers.
    leaks = findings.filter(pl.col("kind") != addressing.KIND)
    return (
        outputs.join(claims, on="output_id", how="left")
        .join(leaks.group_by("output_id").agg(findings=pl.len()), on="output_id", how="left")
        .join(outcomes, on="output_id", how="left")
        .with_columns(
            pl.col("claims", "findings").fill_null(0),
            pl.col("abstained", "decided").fill_null(value=False),
            verifier=pl.lit(None, pl.String),
            policy=pl.lit(None, pl.String),
            judged_at=pl.lit(None, UTC),
        )
    )


def _acted(actions: pl.DataFrame, verdicts: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """One row per output and policy that acted, with the verifier of the verdicts behind the action."""
    return (
        actions.sort("decided_at")
        .unique(["output_id", "policy"], keep="last", maintain_order=True)
        .with_columns(verdict_id=pl.col("verdict_ids").list.first())
        .join(verdicts.select("verdict_id", "verifier"), on="verdict_id", how="left")
        .join(outputs.select("output_id", "date", "weight", *IDENTITY), on="output_id", how="inner")
        .with_columns(judged_at="decided_at", **{name: pl.col("action") == name for name in ACTIONS})
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
    decided = (
        current.current_reviews(reviews.lazy())
        .collect()
        .filter(pl.col("outcome").is_in(DECISIVE))
        .sort("reviewed_at", "review_id")
        .unique("verdict_id", keep="last", maintain_order=True)
    )
    return (
        decided.join(_representing(verdicts, decided), on="verdict_id", how="inner")
        .with_columns(wrong=pl.col("outcome") == "overturned", stated=of_verdict)
        .with_columns(is_flagged=pl.col("verdict") != "supported", is_faulty=_is_faulty())
        .group_by("output_id", *JUDGED_BY)
        .agg(
            pl.col("date", "weight", *IDENTITY).first(),
            reviews=pl.len(),
            overturned=pl.col("wrong").sum(),
            excess=(pl.col("stated") - (~pl.col("wrong")).cast(pl.Float64)).sum(),
            flagged=_stands_for(pl.col("is_flagged")),
            faulty=_stands_for(pl.col("is_faulty")),
            hits=_stands_for(pl.col("is_flagged") & pl.col("is_faulty")),
            judged_at=pl.col("verified_at").max(),
        )
    )


def _stands_for(condition: pl.Expr) -> pl.Expr:
    """How many verdicts the reviewed ones stand for that meet a condition and whose truth is known."""
    return pl.col("represents").filter(condition & pl.col("is_faulty").is_not_null()).sum()


def _is_faulty() -> pl.Expr:
    """Whether the claim is truly not supported; null where nobody said what the verdict should be."""
    return (
        pl.when(~pl.col("wrong"))
        .then(pl.col("verdict") != "supported")
        .when(pl.col("verdict") == "supported")
        .then(pl.lit(value=True))
        .otherwise(pl.col("corrected_verdict") != "supported")
    )


def _representing(verdicts: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """Verdicts with `represents`, how many of their kind each reviewed one stands for."""
    read = decided.select("verdict_id", is_read=pl.lit(value=True))
    return (
        verdicts.join(read, on="verdict_id", how="left")
        .with_columns(represents=reviewed.represents(pl.col("is_read").fill_null(value=False)))
        .drop("is_read")
    )


def _caught(caught: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """One row per output that failed and whose delivery is known."""
    return (
        current.CAUGHT.of(caught.lazy())
        .collect()
        .filter(pl.col("state") != "unknown")
        .join(outputs.select("output_id", "date", "weight", *IDENTITY), on="output_id", how="inner")
        .with_columns(
            is_caught=pl.col("state") == "caught",
            is_known=pl.lit(value=True),
            verifier=pl.lit(None, pl.String),
            policy=pl.lit(None, pl.String),
            judged_at=pl.lit(None, UTC),
        )
    )


def _summed(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """CELL rows of the metrics of these rows: one per day, identity, verifier and policy that has units."""
    metrics = [(m.name, m.sums[1], m.sums[2]) for m in METRICS.values() if m.sums and m.sums[0] == name]
    pulled_at = pl.col("pulled_at").min() if "pulled_at" in rows.columns else pl.lit(None, UTC)
    aggregates: list[pl.Expr] = [pl.col("judged_at").max(), pulled_at.alias("pulled_at")]
    for metric, above, below in metrics:
        y, x = (pl.col("weight") * pl.col(column).cast(pl.Float64) for column in (above, below))
        sums = (y, x, y * y, x * y, x * x, pl.col(below) > 0)
        aggregates += [
            e.sum().cast(pl.Float64).alias(f"{metric}.{s}") for s, e in zip(SUMS, sums, strict=True)
        ]
    wide = rows.with_columns(one=pl.lit(1.0)).group_by(*_KEYS).agg(aggregates)
    parts = [
        wide.select(
            *_KEYS,
            "judged_at",
            "pulled_at",
            metric=pl.lit(metric),
            **{s: pl.col(f"{metric}.{s}") for s in SUMS},
        )
        for metric, _, _ in metrics
    ]
    return pl.concat(parts).filter(pl.col("x") > 0).select(CELL.names()).cast(CELL)


def _score_profile(verdicts: pl.DataFrame) -> pl.DataFrame:
    """PROFILE rows of p_supported's histogram."""
    number = (pl.col("p_supported") * SCORE_BINS).floor().clip(0, SCORE_BINS - 1).cast(pl.Int16)
    return (
        verdicts.group_by(*_KEYS, number.alias("bin"))
        .agg(weight=pl.col("weight").sum())
        .with_columns(metric=pl.lit("score_distance"))
        .select(PROFILE.names())
        .cast(PROFILE)
    )
