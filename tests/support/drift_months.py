"""Made months of audited answers in which nothing changes, with every metric of drift.

What ordinary weeks do is in them: claims of one answer are alike, days differ (all answers together, and each
agent by itself), weekends are smaller, the nightly run starts a little later on some nights, findings come in
clumps, reviewers have strict days, topics come and go. Belongs here: what the months are made of. Does not
belong here: what drift says of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
from scipy.special import expit, logit

from tasks.drift.cells import PROFILE, Cells, cells_of
from tasks.tables import UTC as UTC_TYPE

FIRST = date(2026, 10, 1)
DIMENSIONS, TOPICS = 64, 6
TEXTS = ("question_distance", "answer_distance", "passage_distance")


@dataclass(frozen=True)
class MonthParameters:
    """What ordinary weeks look like; deviations of days are of log odds, or of logarithms."""

    days: int = 30
    outputs_a_day: float = 240.0
    agents: tuple[float, ...] = (0.5, 0.3, 0.2)
    """Share of the answers that each agent gives."""
    weekend: float = 0.6
    """Volume of Saturdays and Sundays."""
    supported: float = 0.93
    correlation: float = 0.1
    """Intra-class correlation of the claims of one answer."""
    day: float = 0.08
    """Of a share, for all answers of a day: half a point at 0.93."""
    agent_day: float = 0.06
    volume_day: float = 0.08
    abstained: float = 0.06
    covered: float = 0.97
    conflicts: float = 0.01
    findings: float = 0.02
    """Share of the answers with findings; they have two on average."""
    reviews: int = 60
    """A day; 0.1 of them overturn the verdict."""
    late_hours: float = 0.2
    """Mean delay of a night's run."""


@dataclass(frozen=True)
class Shift:
    """What is planted from day `start` on, in the units of `MonthParameters`' deviations."""

    start: int
    metric: str
    size: float


class Month:
    """One made month; the same seed gives the same month, and a shift changes nothing before its day."""

    def __init__(self, seed: int, parameters: MonthParameters, shift: Shift | None = None) -> None:
        self.p, self.shift = parameters, shift
        self.rng = np.random.default_rng(seed)
        self.dates = [FIRST + timedelta(days=number) for number in range(parameters.days)]
        weekend = np.array([day.weekday() >= 5 for day in self.dates])
        rng, p = self.rng, parameters
        rate = p.outputs_a_day * np.where(weekend, p.weekend, 1.0) * np.exp(self._days(p.volume_day))
        rate = rate * np.exp(self._planted("outputs_per_day"))
        self.counts = rng.poisson(rate)
        n = int(self.counts.sum())
        self.day = np.repeat(np.arange(p.days), self.counts)
        self.agent = rng.choice(len(p.agents), n, p=p.agents)
        self.model, self.use_case = rng.integers(0, 2, n), rng.integers(0, 3, n)

    def _days(self, deviation: float) -> np.ndarray:
        return self.rng.normal(0, deviation, self.p.days)

    def _planted(self, metric: str) -> np.ndarray:
        """(days,): what is planted in that metric."""
        if self.shift is None or self.shift.metric != metric:
            return np.zeros(self.p.days)
        return np.where(np.arange(self.p.days) >= self.shift.start, self.shift.size, 0.0)

    def _odds(self, share: float, metric: str, day: float | None = None) -> np.ndarray:
        """(outputs,) probability: a share, the day's and the agent's day's deviation, and what is planted."""
        common = self._days(self.p.day if day is None else day) + self._planted(metric)
        own = self.rng.normal(0, self.p.agent_day, (self.p.days, len(self.p.agents)))
        return np.asarray(expit(logit(share) + common[self.day] + own[self.day, self.agent]))

    def _of_claims(self, share: np.ndarray) -> np.ndarray:
        """(claims,) true with the output's share, correlated within it."""
        size = 1 / self.p.correlation - 1
        quality = self.rng.beta(share * size, (1 - share) * size)
        return self.rng.random(len(self.of)) < quality[self.of]

    def frames(self) -> dict[str, pl.DataFrame]:
        """The month's rows by table: what `cells_of` reads."""
        p, rng = self.p, self.rng
        n = len(self.day)
        outputs = self._outputs()
        abstained = rng.random(n) < self._odds(p.abstained, "abstention_share", 0.15)
        longer = np.exp(self._days(0.03) + self._planted("claims_per_output"))
        claims = np.where(abstained, 0, 1 + rng.poisson(3 * longer[self.day] * rng.gamma(4, 0.25, n)))
        self.of = np.repeat(np.arange(n), claims)
        verdicts, evidence = self._verdicts(outputs)
        found = rng.random(n) < self._odds(p.findings, "findings_per_output", 0.2)
        findings = np.repeat(np.arange(n), np.where(found, 1 + rng.poisson(1, n), 0))
        return {
            "outputs": outputs,
            "verdicts": verdicts,
            "evidence": evidence,
            "actions": _actions(outputs, verdicts),
            "findings": outputs.select("output_id")[findings].with_columns(kind=pl.lit("email")),
            "reviews": self._reviews(verdicts),
        }

    def _outputs(self) -> pl.DataFrame:
        p, rng, n = self.p, self.rng, len(self.day)
        midnight = datetime.combine(FIRST, time(0), UTC)
        run = rng.gamma(2, p.late_hours / 2, p.days) + self._planted("lag_hours")
        made = 24.0 * self.day + np.clip(rng.normal(14, 3, n), 0, 23.9)
        hours = {"produced_at": made, "ingested_at": 24.0 * self.day + 27 + run[self.day]}
        return pl.DataFrame(
            {
                "number": np.arange(n), "agent": self.agent, "model": self.model, "use_case": self.use_case,
                **{name: np.round(value * 3.6e9).astype(np.int64) for name, value in hours.items()},
            }
        ).select(
            output_id=pl.format("o{}", "number"),
            agent=pl.format("agent {}", "agent"),
            model=pl.format("m{}", "model"),
            use_case=pl.format("u{}", "use_case"),
            source=pl.lit("desk"),
            supersedes=pl.lit(None, pl.String),
            sampling_probability=pl.lit(1.0),
            **{name: (pl.lit(midnight) + pl.duration(microseconds=name)).cast(UTC_TYPE) for name in hours},
        )  # fmt: skip

    def _verdicts(self, outputs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        p, rng, of = self.p, self.rng, self.of
        n = len(of)
        supported = self._of_claims(self._odds(p.supported, "supported_share"))
        contradicted = ~supported & self._of_claims(self._odds(0.2, "contradicted_share"))
        scores = self._days(0.05)[self.day] + self._planted("score_distance")[self.day]
        own = rng.normal(0, 0.4, len(self.day)) + scores + self._planted("mean_p_supported")[self.day]
        p_supported = expit(np.where(supported, 2.5, -1.5) + own[of] + rng.normal(0, 0.5, n))
        rest = 1 - p_supported
        p_contradicted = rest * np.where(contradicted, 0.8, 0.2)
        covered = self._of_claims(self._odds(p.covered, "evidence_coverage"))
        usual = rng.normal(0.02, 0.003, len(self.day)) * np.exp(
            (self._days(0.02) + self._planted("retrieval_score"))[self.day]
        )
        verdicts = pl.DataFrame(
            {
                "number": np.arange(n),
                "output_id": outputs["output_id"].gather(of),
                "verified_at": outputs["ingested_at"].gather(of),
                "verdict": np.where(supported, 0, np.where(contradicted, 1, 2)),
                "p_supported": p_supported,
                "p_contradicted": p_contradicted,
                "p_insufficient": rest - p_contradicted,
                "covered": covered,
                "is_conflict": self._of_claims(self._odds(p.conflicts, "conflict_share", 0.15)),
                "retrieval_score": np.maximum(usual[of] + rng.normal(0, 0.003, n), 0.0),
            }
        ).with_columns(
            claim_id=pl.format("c{}", "number"),
            verdict_id=pl.format("v{}", "number"),
            verdict=pl.lit(pl.Series(["supported", "contradicted", "insufficient"])).gather("verdict"),
            verifier=pl.lit("V1"),
            policy=pl.lit("default@1"),
            threshold_supported=pl.lit(0.5),
            threshold_contradicted=pl.lit(0.5),
            snapshot=pl.lit("S1"),
            evidence_ids=pl.lit("p").repeat_by(pl.col("covered").cast(pl.UInt32)),
        )
        columns = ("claim_id", "output_id", "verifier", "snapshot", "retrieval_score")
        evidence = verdicts.filter("covered").select(*columns, rank=pl.lit(0, pl.Int32))
        return verdicts.drop("number", "covered", "retrieval_score"), evidence

    def _reviews(self, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Of each day, `reviews` verdicts drawn at random, judged more strictly on some days."""
        rng, day = self.rng, self.day[self.of]
        order = np.lexsort((rng.random(len(day)), day))
        place = np.arange(len(day)) - np.searchsorted(day[order], day[order])
        chosen = np.sort(order[place < self.p.reviews])
        strict = (self._days(0.2) + self._planted("overturn_share"))[day[chosen]]
        wrong = rng.random(len(chosen)) < expit(logit(0.1) + strict)
        return verdicts[chosen].select(
            "verdict_id",
            review_id="verdict_id",
            reviewer=pl.lit("a"),
            outcome=pl.when(pl.Series(wrong, dtype=pl.Boolean))
            .then(pl.lit("overturned"))
            .otherwise(pl.lit("confirmed")),
            reviewed_at="verified_at",
            corrected_verdict=pl.lit(None, pl.String),
        )

    def profiles(self) -> pl.DataFrame:
        """PROFILE rows of the three metrics of what texts mean, of at most a hundred answers a day."""
        place = np.arange(len(self.day)) - np.searchsorted(self.day, self.day)
        chosen = np.flatnonzero(place < 100)
        keys = [self.day[chosen], self.agent[chosen], self.model[chosen], self.use_case[chosen]]
        groups, group = np.unique(np.stack(keys), axis=1, return_inverse=True)
        parts = [self._profile(metric, chosen, groups, group.ravel()) for metric in TEXTS]
        return pl.concat(parts)

    def _profile(
        self, metric: str, chosen: np.ndarray, groups: np.ndarray, group: np.ndarray
    ) -> pl.DataFrame:
        rng = self.rng
        topics = rng.normal(0, 0.12, (TOPICS, DIMENSIONS))
        popular = rng.dirichlet(np.full(TOPICS, 40.0), self.p.days)
        topic = (popular.cumsum(1)[self.day[chosen]] < rng.random(len(chosen))[:, None]).sum(1)
        vectors = topics[np.minimum(topic, TOPICS - 1)] + rng.normal(0, 0.1, (len(chosen), DIMENSIONS))
        vectors[:, 0] += 0.3 + self._planted(metric)[self.day[chosen]]
        sums = np.zeros((groups.shape[1], DIMENSIONS + 1))
        np.add.at(sums, group, np.hstack([np.ones((len(chosen), 1)), vectors]))
        rows, bins = sums.shape
        wide = np.repeat(groups, bins, axis=1)
        return pl.DataFrame(
            {
                "number": wide[0], "agent": wide[1], "model": wide[2], "use_case": wide[3],
                "bin": np.tile(np.arange(-1, DIMENSIONS), rows), "weight": sums.ravel(),
            }
        ).select(
            date=pl.lit(pl.Series(self.dates)).gather("number"),
            source=pl.lit("desk"),
            agent=pl.format("agent {}", "agent"),
            model=pl.format("m{}", "model"),
            use_case=pl.format("u{}", "use_case"),
            verifier=pl.lit(None, pl.String),
            policy=pl.lit(None, pl.String),
            metric=pl.lit(metric),
            bin=pl.col("bin").cast(pl.Int16),
            weight="weight",
        ).select(PROFILE.names()).cast(PROFILE)  # fmt: skip

    def cells(self) -> Cells:
        """The month as drift reads it."""
        summed = cells_of(self.frames())
        profiles = pl.concat([summed.profiles, self.profiles()])
        return replace(summed, profiles=profiles, filled=summed.filled | {"embeddings"})


def _actions(outputs: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """What is decided of each output; those without a claim say that they do not know."""
    judged = verdicts.group_by("output_id").agg(
        action=pl.when((pl.col("verdict") == "contradicted").any())
        .then(pl.lit("escalated"))
        .when((pl.col("verdict") == "insufficient").any())
        .then(pl.lit("rephrased"))
        .otherwise(pl.lit("delivered")),
        outcome=pl.lit("supported"),
        verdict_ids=pl.col("verdict_id"),
    )
    return (
        outputs.select("output_id", decided_at="ingested_at", policy=pl.lit("default@1"))
        .join(judged, on="output_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("action").fill_null("delivered"),
            pl.col("outcome").fill_null("abstained"),
            pl.col("verdict_ids").fill_null([]),
        )
    )


def cells(seed: int, parameters: MonthParameters = MonthParameters(), shift: Shift | None = None) -> Cells:
    """Cells of one made month."""
    return Month(seed, parameters, shift).cells()


SHIFTS: Mapping[str, float] = {
    "supported_share": -0.6, "contradicted_share": 1.6, "mean_p_supported": -0.6, "score_distance": -1.0,
    "evidence_coverage": -0.9, "conflict_share": 1.5, "retrieval_score": -0.1, "claims_per_output": 0.3,
    "abstention_share": 0.8, "outputs_per_day": 0.4, "lag_hours": 1.5, "findings_per_output": 0.9,
    "overturn_share": 0.9, "question_distance": 0.15, "answer_distance": 0.15, "passage_distance": 0.15,
}  # fmt: skip
"""Metric to a shift that people would act on: some twice the practical threshold."""
