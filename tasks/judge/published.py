"""What earlier runs published of the outputs of a unit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from tasks import tables
from tasks.decide import verdicts as verdicts_stage
from tasks.lake.store import Lake
from tasks.sources.units import Unit
from tasks.workbench import Workbench


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
