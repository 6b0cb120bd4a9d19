"""Made days of judged answers for the tests of drift: small, exact, and of the tables' own types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from tasks.drift.cells import Cells, cells_of
from tasks.lake.store import Lake
from tasks.tables import TABLES
from tasks.tables import UTC as UTC_TYPE

FIRST = date(2026, 10, 1)


def day_of(number: int) -> date:
    return FIRST + timedelta(days=number)


def frames(
    number: int,
    *,
    answers: int = 200,
    claims: int = 4,
    share: float | Callable[[int], float] = 0.93,
    agents: Sequence[str] = ("A", "B", "C"),
    models: Callable[[int, str], str | None] = lambda _day, _agent: "M1",
    verifier: str = "V1",
    policy: str = "default@1",
    snapshot: str = "S1",
    seed: int = 0,
    correlated: float = 20.0,
) -> dict[str, pl.DataFrame]:
    """One day: answers of the agents in turn; `share` is the supported share, by agent or for all."""
    rng = np.random.default_rng((seed, number))
    which = np.arange(answers) % len(agents)
    wanted = np.array([share(i) if callable(share) else share for i in range(len(agents))])[which]
    quality = np.clip(
        rng.beta(np.maximum(wanted * correlated, 1e-3), np.maximum((1 - wanted) * correlated, 1e-3)), 0, 1
    )
    quality = np.where((wanted <= 0) | (wanted >= 1), wanted, quality)
    supported = (rng.random((answers, claims)) < quality[:, None]).ravel()
    at = datetime.combine(day_of(number), time(9), UTC)
    names = [agents[i] for i in which]
    outputs = pl.DataFrame(
        {
            "output_id": [f"{number}-{i}" for i in range(answers)],
            "agent": names,
            "model": pl.Series([models(number, name) for name in names], dtype=pl.String),
            "use_case": [f"u{i % 2}" for i in range(answers)],
        }
    ).with_columns(
        source=pl.lit("desk"),
        produced_at=pl.lit(at).cast(UTC_TYPE),
        ingested_at=pl.lit(at + timedelta(hours=3)).cast(UTC_TYPE),
        supersedes=pl.lit(None, dtype=pl.String),
        metadata=pl.lit("{}"),
        sampling_probability=pl.lit(1.0),
    )
    verdicts = pl.DataFrame(
        {"output_id": outputs["output_id"].gather(np.repeat(np.arange(answers), claims)), "ok": supported}
    ).with_row_index("n")
    verdicts = verdicts.with_columns(
        claim_id=pl.format("{}-c{}", "output_id", "n"),
        verdict_id=pl.format("{}-v{}-{}", "output_id", "n", pl.lit(verifier)),
        verified_at=pl.lit(at + timedelta(hours=4)).cast(UTC_TYPE),
        verdict=pl.when("ok").then(pl.lit("supported")).otherwise(pl.lit("insufficient")),
        p_supported=pl.when("ok").then(0.9).otherwise(0.2),
        p_contradicted=pl.lit(0.05),
        p_insufficient=pl.when("ok").then(0.05).otherwise(0.75),
        verifier=pl.lit(verifier),
        policy=pl.lit(policy),
        snapshot=pl.lit(snapshot),
        evidence_ids=pl.lit(["p"]),
        is_conflict=pl.lit(value=False),
        threshold_supported=pl.lit(0.5),
        threshold_contradicted=pl.lit(0.5),
    ).drop("n", "ok")
    return {"outputs": outputs, "verdicts": verdicts}


def cells(days: Sequence[dict[str, pl.DataFrame]]) -> Cells:
    return Cells.concat([cells_of(day) for day in days])


def month(days: int = 30, **options: object) -> list[dict[str, pl.DataFrame]]:
    return [frames(number, **options) for number in range(days)]  # type: ignore[arg-type]


def fill(lake: Lake, days: Sequence[dict[str, pl.DataFrame]]) -> None:
    """Commits the days' rows; columns that drift does not read hold constants."""
    constants: dict[pl.DataType, object] = {
        pl.String(): "ab" * 32, pl.Int32(): 0, pl.Int64(): 1, pl.Float64(): 0.5, pl.Boolean(): False,
    }  # fmt: skip
    for number, day in enumerate(days):
        identity = day["outputs"].select("output_id", "produced_at", "source", "agent", "model", "use_case")
        rows = {
            "outputs": day["outputs"],
            "verdicts": day["verdicts"].join(identity, on="output_id", maintain_order="left"),
        }
        if "claims" in day:
            produced = identity.select("output_id", "produced_at")
            rows["claims"] = day["claims"].join(produced, on="output_id", maintain_order="left")
        full = {}
        for name, frame in rows.items():
            table = TABLES[name]
            missing = [
                pl.lit(constants.get(dtype, [] if dtype.is_nested() else None), dtype=dtype).alias(column)
                for column, dtype in table.schema.items()
                if column not in frame.columns
            ]
            full[name] = frame.with_columns(missing).select(table.schema.names()).cast(table.schema)
        lake.commit("made", f"day-{number}", full, run_day=day_of(number))
