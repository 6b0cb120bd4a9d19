"""A lake of made-up nights for the ledger's benchmarks: real files, real events, texts of ordinary length.

Belongs here: rows that cost what real ones cost (ids and scores that do not compress, texts that do a
little). Does not belong here: what is measured on them (`ledger.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks import ids, tables
from tasks.decide.policies import Policy
from tasks.lake.store import Lake
from tasks.ledger import recording
from tasks.ledger.parameters import LedgerSettings

CLAIMS, PASSAGES, SHOWN = 5, 3, 2
"""Per output: claims, passages in its context, passages shown to the verifier with each claim."""
EVENTS_PER_OUTPUT = CLAIMS + 1
UNIT = 500
"""Outputs of one commit: the default of `runner.unit_outputs`."""
FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICIES = (Policy(),)
VERIFIER, SNAPSHOT = ids.digest("verifier"), ids.digest("snapshot")
_WORDS = [
    "the",
    "of",
    "report",
    "says",
    "that",
    "revenue",
    "patients",
    "in",
    "2025",
    "reached",
    "percent",
    "according",
    "to",
    "a",
    "study",
    "by",
    "river",
    "bank",
    "engine",
    "protein",
    "city",
    "council",
    "rose",
    "fell",
    "between",
    "measured",
    "trial",
    "court",
    "year",
    "first",
    "second",
    "agreement",
]


class Maker:
    """Rows of many nights from one seed."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.pool = pl.Series(
            [" ".join(self.rng.choice(_WORDS, 16)) for _ in range(5000)]  # some 100 characters each
        )

    def hexes(self, count: int) -> pl.Series:
        """Ids that do not compress."""
        data = self.rng.bytes(32 * count)
        return pl.Series([data[i : i + 32] for i in range(0, 32 * count, 32)], dtype=pl.Binary).bin.encode(
            "hex"
        )

    def text(self, count: int, sentences: int) -> pl.Series:
        """Texts of some 100 characters a sentence."""
        parts = [self.pool.gather(self.rng.integers(0, len(self.pool), count)) for _ in range(sentences)]
        return pl.DataFrame({str(i): p for i, p in enumerate(parts)}).select(
            pl.concat_str(pl.all(), separator=". ").alias("text")
        )["text"]

    def frames(self, outputs: int, day: datetime, run_id: str) -> dict[str, pl.DataFrame]:
        """One night's rows of every judging table."""
        night = day + timedelta(hours=15)
        output = pl.DataFrame(
            {
                "output_id": self.hexes(outputs),
                "produced_at": [day + timedelta(seconds=i / outputs * 40_000) for i in range(outputs)],
                "at": np.arange(outputs),
            }
        ).with_columns(run_id=pl.lit(run_id))
        texts = self.text(outputs * PASSAGES, 5)
        passages = output.join(pl.DataFrame({"ordinal": range(PASSAGES)}), how="cross").with_columns(
            passage_id=self.hexes(outputs * PASSAGES),
            corpus=pl.lit("context"),
            document_uri="doc-" + pl.col("at").cast(pl.String),
            start=pl.lit(0),
            end=texts.str.len_chars(),
            text=texts,
        )
        said = self.text(outputs * CLAIMS, 1)
        claims = output.join(pl.DataFrame({"ordinal": range(CLAIMS)}), how="cross").with_columns(
            claim_id=self.hexes(outputs * CLAIMS),
            start=pl.lit(0),
            end=said.str.len_chars(),
            text=said,
            kind=pl.lit("factual"),
        )
        judged = claims.drop("ordinal", "start", "end", "text", "kind").with_columns(
            verifier=pl.lit(VERIFIER), snapshot=pl.lit(SNAPSHOT)
        )
        shown = (
            judged.join(passages.select("at", "passage_id", "ordinal"), on="at", maintain_order="left")
            .filter(pl.col("ordinal") < SHOWN)
            .with_columns(
                rank="ordinal",
                origin=pl.lit("context"),
                retrieval_score=pl.Series(self.rng.random(outputs * CLAIMS * SHOWN)),
                tokens_offered=pl.lit(120),
                tokens_seen=pl.lit(120),
                windows=pl.lit(1),
            )
        )
        verdicts = self.scores(judged).join(
            shown.group_by("claim_id").agg(evidence_ids="passage_id"), on="claim_id", maintain_order="left"
        )
        verdicts = verdicts.with_columns(
            verdict_id=self.hexes(verdicts.height),
            verified_at=pl.lit(night),
            verdict=pl.when(pl.col("p_supported") > 0.5)
            .then(pl.lit("supported"))
            .otherwise(pl.lit("insufficient")),
            policy=pl.lit(POLICIES[0].label),
            threshold_supported=pl.lit(0.5),
            threshold_contradicted=pl.lit(0.5),
            is_conflict=pl.lit(value=False),
            reason=pl.lit("The best passage says the same."),
            source=pl.lit("bot"),
            agent=pl.lit("support-bot"),
            use_case=pl.lit("support"),
        )
        actions = output.join(
            verdicts.group_by("at").agg(verdict_ids="verdict_id"), on="at", maintain_order="left"
        ).with_columns(
            action_id=self.hexes(outputs),
            decided_at=pl.lit(night),
            action=pl.lit("delivered"),
            outcome=pl.lit("supported"),
            abstention_count=pl.lit(0, pl.Int32),
            policy=pl.lit(POLICIES[0].label),
            reason=pl.lit("Every claim is supported."),
        )
        contexts = passages.group_by("at", maintain_order=True).agg(
            contexts=pl.struct(uri="document_uri", text="text")
        )
        answers = output.join(contexts, on="at", maintain_order="left").with_columns(
            source=pl.lit("bot"),
            source_id=pl.col("at").cast(pl.String),
            agent=pl.lit("support-bot"),
            use_case=pl.lit("support"),
            prompt=self.text(outputs, 1),
            response=self.text(outputs, CLAIMS),
            tools=pl.lit([], pl.List(pl.String)),
            metadata=pl.lit("{}"),
            content_sha256=self.hexes(outputs),
            ingested_at=pl.lit(night),
        )
        made = {
            "outputs": answers,
            "claims": claims,
            "passages": passages,
            "evidence": self.scores(shown),
            "verdicts": verdicts,
            "actions": actions,
        }
        return {name: _declared(name, frame) for name, frame in made.items()}

    def scores(self, frame: pl.DataFrame) -> pl.DataFrame:
        """With probabilities that sum to one."""
        drawn = self.rng.dirichlet((1, 1, 1), frame.height)
        names = ("p_supported", "p_contradicted", "p_insufficient")
        return frame.with_columns(pl.Series(name, drawn[:, i]) for i, name in enumerate(names))


def _declared(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    schema = tables.TABLES[name].schema
    return frame.select(
        (pl.col(c).cast(t) if c in frame.columns else pl.lit(None, t).alias(c)) for c, t in schema.items()
    )


def run_row(run_id: str, day: datetime) -> pl.DataFrame:
    """The row of a finished run."""
    row = {
        "run_id": run_id,
        "flow": "nightly audit",
        "started_at": day,
        "finished_at": day + timedelta(minutes=1),
        "status": "completed",
        "parameters": "{}",
        "code_version": "0",
        "verifier": VERIFIER,
        "policy": POLICIES[0].label,
        "snapshot": SNAPSHOT,
        "rows_in": 1,
        "rows_out": 1,
        "rows_quarantined": 0,
        "counts": "{}",
    }
    return pl.DataFrame([row], schema=tables.RUNS.schema)


def night(lake: Lake, wanted: LedgerSettings, maker: Maker, number: int, outputs: int) -> int:
    """One recorded night; the number of events it appended."""
    run_id, day = ids.digest("run", number), FIRST + timedelta(days=number)
    for unit, first in enumerate(range(0, outputs, UNIT)):
        frames = maker.frames(min(UNIT, outputs - first), day, run_id)
        lake.commit(run_id, f"unit-{unit}", frames, run_day=day.date())
    lake.commit(run_id, "run", {"runs": run_row(run_id, day)}, run_day=day.date())
    return recording.record(
        lake, wanted, POLICIES, run_id=run_id, now=day, actor="benchmark", since=day.date(), until=day.date()
    ).appended
