"""Simulated months of audited answers, made of real claims: what `benchmarks/drift.py` measures on.

The claims, with their probabilities, evidence and number per answer, are drawn from an audited lake; what is
simulated is who answered, when, and how often the evidence supports a claim. Answers cluster (each has its
own quality), days differ (all slices together, and each agent by itself), and weekends are smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from tasks.lake.store import Lake
from tasks.tables import UTC as UTC_TYPE

FIRST_DAY = date(2026, 1, 1)
MODELS = ("m0", "m1", "m2")
USE_CASES = ("billing", "legal", "product", "returns")


@dataclass(frozen=True)
class Pool:
    """Real claims: per verdict, rows of three probabilities, passages and retrieval score; and real numbers
    of claims per answer."""

    claims: Mapping[str, np.ndarray]
    per_output: np.ndarray

    @classmethod
    def of(cls, lake: Lake) -> Pool:
        # In one order, so that a seed means the same nights.
        verdicts = lake.scan("verdicts").collect().sort("verdict_id")
        first = lake.scan("evidence").filter(pl.col("rank") == 0)
        best = first.select("claim_id", "retrieval_score").collect()
        verdicts = verdicts.join(
            best.sort("claim_id", "retrieval_score").unique("claim_id", keep="last"),
            on="claim_id",
            how="left",
            maintain_order="left",
        )
        columns = ["p_supported", "p_contradicted", "p_insufficient", "passages", "retrieval_score"]
        verdicts = verdicts.with_columns(
            passages=pl.col("evidence_ids").list.len().cast(pl.Float64),
            retrieval_score=pl.col("retrieval_score").fill_null(0.0),
        )
        claims = {
            str(name): part.select(columns).to_numpy() for (name,), part in verdicts.group_by("verdict")
        }
        sizes = verdicts.group_by("output_id").len().sort("output_id")["len"]
        return cls(claims, sizes.to_numpy())


@dataclass(frozen=True)
class WorldParameters:
    """What ordinary weeks look like."""

    claims_a_night: tuple[int, ...] = (400, 550, 800, 1200, 2000)
    """Per agent."""
    supported: tuple[float, ...] = (0.95, 0.95, 0.94, 0.96, 0.93)
    """Per agent: share that the evidence supports on an average day."""
    output_correlation: float = 0.04
    """Intra-class correlation of the claims of one answer."""
    day_deviation: float = 0.003
    """Standard deviation, in the supported share, of what a day does to all answers; 0.003 is 0.3 points."""
    agent_day_deviation: float = 0.003
    """And of what it does to one agent's answers."""
    weekend_volume: float = 1.0
    weekend_share: float = 0.0
    """Added to the supported share on Saturdays and Sundays."""


@dataclass(frozen=True)
class Change:
    """One planted change, from day number `start` on."""

    start: int
    agent: int | None = None
    """None is every agent."""
    use_case: int | None = None
    model: int | None = None
    share: float = 0.0
    """Added to the supported share, at once or, with `days`, evenly over so many days."""
    days: int = 0
    volume: float = 1.0
    new_model: str | None = None
    """Replaces the agent's models."""
    verifier: str | None = None
    snapshot: str | None = None


@dataclass
class World:
    """Days by number. The same seed gives the same days, whatever is planted in later ones."""

    pool: Pool
    seed: int
    parameters: WorldParameters = field(default_factory=WorldParameters)
    changes: tuple[Change, ...] = ()

    def day(self, number: int) -> dict[str, pl.DataFrame]:
        """Frames of one day, by table: what `cells_of` reads."""
        p = self.parameters
        rng = np.random.default_rng((self.seed, number))
        today = FIRST_DAY + timedelta(days=number)
        weekend = today.weekday() >= 5
        common = rng.normal(0, p.day_deviation)
        own = rng.normal(0, p.agent_day_deviation, len(p.claims_a_night))
        active = [c for c in self.changes if number >= c.start]
        mean_claims = self.pool.per_output.mean()
        agents = []
        for agent, claims in enumerate(p.claims_a_night):
            volume = claims / mean_claims * (p.weekend_volume if weekend else 1.0)
            for change in active:
                if change.agent in (None, agent):
                    volume *= change.volume
            agents.append(np.full(rng.poisson(volume), agent))
        agent = np.concatenate(agents)
        n = len(agent)
        model, use_case = rng.integers(0, 3, n), rng.integers(0, 4, n)
        names = np.array(MODELS, dtype=object)[model]
        share = np.array(p.supported)[agent] + common + own[agent] + (p.weekend_share if weekend else 0.0)
        verifier, snapshot = "verifier-1", "snapshot-1"
        for change in active:
            hit = np.ones(n, dtype=bool)
            for value, column in ((change.agent, agent), (change.use_case, use_case), (change.model, model)):
                if value is not None:
                    hit &= column == value
            done = 1.0 if not change.days else min((number - change.start + 1) / change.days, 1.0)
            share[hit] += change.share * done
            if change.new_model:
                names[hit] = change.new_model
            verifier, snapshot = change.verifier or verifier, change.snapshot or snapshot
        # A beta distribution per answer gives its claims the intra-class correlation exactly.
        concentration = 1 / p.output_correlation - 1
        share = np.clip(share, 0.01, 0.99)
        quality = rng.beta(share * concentration, (1 - share) * concentration)
        claims_of = rng.choice(self.pool.per_output, n)
        of = np.repeat(np.arange(n), claims_of)
        outputs = pl.DataFrame(
            {
                "output_id": pl.Series(np.arange(n)).cast(pl.String),
                "agent": pl.Series(agent).cast(pl.String),
                "model": names.tolist(),
                "use_case": np.array(USE_CASES, dtype=object)[use_case].tolist(),
            }
        ).with_columns(
            output_id=pl.format("{}-{}", pl.lit(str(number)), "output_id"),
            agent=pl.format("agent-{}", "agent"),
            source=pl.lit("simulated"),
            produced_at=pl.lit(datetime.combine(today, time(9), UTC)).cast(UTC_TYPE),
            ingested_at=pl.lit(datetime.combine(today, time(23), UTC)).cast(UTC_TYPE),
            supersedes=pl.lit(None, dtype=pl.String),
        )
        return self._judged(outputs, of, quality, rng=rng, today=today, judged_by=(verifier, snapshot))

    def _judged(
        self,
        outputs: pl.DataFrame,
        of: np.ndarray,
        quality: np.ndarray,
        *,
        rng: np.random.Generator,
        today: date,
        judged_by: tuple[str, str],
    ) -> dict[str, pl.DataFrame]:
        supported = rng.random(len(of)) < quality[of]
        contradicted = ~supported & (rng.random(len(of)) < 0.1)
        verdict = np.where(supported, "supported", np.where(contradicted, "contradicted", "insufficient"))
        rows = np.empty((len(of), 5))
        for name, real in self.pool.claims.items():
            chosen = verdict == name
            rows[chosen] = real[rng.integers(0, len(real), chosen.sum())]
        at = datetime.combine(today, time(23), UTC)
        verdicts = pl.DataFrame(
            {"output_id": outputs["output_id"].gather(of), "verdict": verdict.astype(object).tolist()}
        ).with_row_index("number")
        verdicts = verdicts.with_columns(
            claim_id=pl.format("{}-c{}", "output_id", "number"),
            verdict_id=pl.format("{}-v{}", "output_id", "number"),
            verified_at=pl.lit(at).cast(UTC_TYPE),
            **{name: pl.Series(rows[:, i]) for i, name in enumerate(
                ("p_supported", "p_contradicted", "p_insufficient", "passages", "retrieval_score"))},
            verifier=pl.lit(judged_by[0]), policy=pl.lit("default@1"), snapshot=pl.lit(judged_by[1]),
            is_conflict=pl.lit(value=False),
        ).with_columns(evidence_ids=pl.lit("p").repeat_by(pl.col("passages").cast(pl.UInt32)))  # fmt: skip
        worst = verdicts.group_by("output_id").agg(
            pl.col("verdict_id").first(),
            action=pl.when((pl.col("verdict") == "contradicted").any())
            .then(pl.lit("escalated"))
            .when((pl.col("verdict") == "insufficient").any())
            .then(pl.lit("rephrased"))
            .otherwise(pl.lit("delivered")),
            outcome=pl.col("verdict").unique().sort().first(),
        )
        actions = worst.with_columns(
            decided_at=pl.lit(at).cast(UTC_TYPE),
            policy=pl.lit("default@1"),
            verdict_ids=pl.col("verdict_id").reshape((-1, 1)).arr.to_list(),
        )
        evidence = verdicts.select(
            "claim_id", "output_id", "verifier", "snapshot", "retrieval_score", rank=pl.lit(0, dtype=pl.Int32)
        )
        findings = outputs.select("output_id").filter(pl.Series(rng.random(outputs.height) < 0.01))
        return {
            "outputs": outputs, "verdicts": verdicts, "actions": actions, "evidence": evidence,
            "findings": findings,
        }  # fmt: skip
