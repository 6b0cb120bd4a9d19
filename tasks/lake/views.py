"""The tables of a lake as analysts want them: typed days, current rows, verifiers by name, what runs cost.

`LAKE/views.sql` says it for DuckDB, the functions here for Polars; both give the same rows.
"""

from __future__ import annotations

import json
from datetime import date
from importlib import resources
from pathlib import Path
from string import Template

import polars as pl

from tasks.errors import InputError
from tasks.files import durable, parquet
from tasks.lake import current
from tasks.lake.runs import VERIFIERS
from tasks.lake.store import Lake
from tasks.tables import TABLES

FILE = "views.sql"
USAGE = "judge-usage.json"
"""In a run's folder: what a remote judge was asked and cost."""


def sql(lake: str | Path) -> str:
    """The text of `LAKE/views.sql`, for a lake in a folder or at the URL of an object store."""
    folder = resources.files("tasks.lake") / "sql"
    place = str(lake) if "://" in str(lake) else str(Path(lake).resolve())
    one = Template((folder / "table.sql").read_text("utf-8"))
    return Template((folder / "views.sql").read_text("utf-8")).substitute(
        file=f"{place}/{FILE}".replace("\n", " "),
        lake=place.replace("'", "''"),
        tables="".join(one.substitute(table=name) for name in TABLES),
        newest_verdict=current.VERDICTS.sql,
        newest_action=current.ACTIONS.sql,
        newest_caught=current.CAUGHT.sql,
        newest_taken=current.ACTIONS_TAKEN.sql,
    )


def write(lake: Lake) -> None:
    """Writes `LAKE/views.sql`, where it is not what it should be."""
    path, data = lake.root / FILE, sql(lake.place).encode()
    with durable.touching(path):
        if not path.exists() or path.read_bytes() != data:
            durable.replace(path, data)


def table(
    lake: str | Path, name: str, *, since: date | None = None, until: date | None = None
) -> pl.LazyFrame:
    """Rows of a table with exactly its declared columns and types, and their UTC day as `date` (Date).

    Raises:
        InputError: there is no such lake or table.
    """
    root = _folder(lake)
    if not (root / "tables").is_dir():
        raise InputError(f"{root}: no lake; give the folder that has `tables` in it")
    if name not in TABLES:
        raise InputError(f"{name}: no table of a lake, expected one of {', '.join(sorted(TABLES))}")
    files = Lake(root).files(name, since=since, until=until)
    day = pl.col("_file").str.extract("date=([0-9-]{10})[^=]*$").str.to_date("%Y-%m-%d")
    return parquet.scan(TABLES[name], files, path_column="_file").with_columns(date=day).drop("_file")


def _folder(lake: str | Path) -> Path:
    """Where the tables are on this disk: of a lake in a bucket, its working copy as it is now."""
    return Lake.open(str(lake)).root if "://" in str(lake) else Path(lake)


def current_outputs(lake: str | Path) -> pl.LazyFrame:
    """OUTPUTS rows that no other supersedes, with `date`."""
    return current.current_outputs(table(lake, "outputs"))


def current_claims(lake: str | Path) -> pl.LazyFrame:
    """CLAIMS rows of current outputs, with `date`."""
    return _of_current(lake, "claims")


def current_verdicts(lake: str | Path) -> pl.LazyFrame:
    """One VERDICTS row for each judged claim of the current outputs, the newest, with `date`."""
    return current.VERDICTS.of(_of_current(lake, "verdicts"))


def current_actions(lake: str | Path) -> pl.LazyFrame:
    """One ACTIONS row for each current output, the newest, with `date`."""
    return current.ACTIONS.of(_of_current(lake, "actions"))


def current_caught(lake: str | Path) -> pl.LazyFrame:
    """One CAUGHT row for each current output that failed, the newest, with `date`."""
    return current.CAUGHT.of(_of_current(lake, "caught"))


def current_actions_taken(lake: str | Path) -> pl.LazyFrame:
    """One ACTIONS_TAKEN row for each current output of which it is known, the newest, with `date`."""
    return current.ACTIONS_TAKEN.of(_of_current(lake, "actions_taken"))


def _of_current(lake: str | Path, name: str) -> pl.LazyFrame:
    outputs = current_outputs(lake).select("output_id")
    return table(lake, name).join(outputs, on="output_id", how="semi")


def verifiers(lake: str | Path) -> pl.LazyFrame:
    """Every verifier that judged in the lake: verifier, name, fingerprint, model, settings (JSON)."""
    rows = [
        {
            "verifier": verifier,
            "name": known.get("name"),
            "fingerprint": known.get("fingerprint"),
            "model": known.get("settings", {}).get("model"),
            "settings": json.dumps(known.get("settings"), separators=(",", ":")),
        }
        for verifier, known in Lake(_folder(lake)).read_state(VERIFIERS).items()
    ]
    names = ("verifier", "name", "fingerprint", "model", "settings")
    return pl.LazyFrame(rows, schema=dict.fromkeys(names, pl.String))


def run_costs(lake: str | Path) -> pl.LazyFrame:
    """What each run cost by agent: run_id, flow, started_at, agent, claims, pairs, tokens, share, seconds,
    paid_tokens, cost.

    A run is timed and billed as a whole, so seconds, cost (in the currency of the prices set) and a paid
    judge's tokens are shared out by the tokens that were read of the agent; null where nothing was paid.
    """
    judged = table(lake, "verdicts").select("run_id", "claim_id", "agent").unique()
    shown = (
        table(lake, "evidence")
        .group_by("run_id", "claim_id")
        .agg(pairs=pl.len(), tokens=pl.col("tokens_seen").sum())
    )
    work = (
        judged.join(shown, on=["run_id", "claim_id"], how="left")
        .group_by("run_id", "agent")
        .agg(claims=pl.len(), pairs=pl.col("pairs").sum(), tokens=pl.col("tokens").sum())
        .with_columns(pl.col("claims", "pairs", "tokens").cast(pl.Int64))
    )
    tokens, claims = (pl.col(name).sum().over("run_id") for name in ("tokens", "claims"))
    share = pl.when(tokens > 0).then(pl.col("tokens") / tokens).otherwise(pl.col("claims") / claims)
    seconds = (pl.col("finished_at") - pl.col("started_at")).dt.total_microseconds() / 1e6
    return (
        work.with_columns(share=share)
        .join(table(lake, "runs"), on="run_id")
        .join(_bills(_folder(lake)), on="run_id", how="left")
        .select(
            *("run_id", "flow", "started_at", "agent", "claims", "pairs", "tokens", "share"),
            seconds=pl.col("share") * seconds,
            paid_tokens=pl.col("share") * pl.col("paid_tokens"),
            cost=pl.col("share") * pl.col("cost"),
        )
    )


def _bills(lake: Path) -> pl.LazyFrame:
    rows = []
    for path in sorted(lake.glob(f"runs/*/{USAGE}")):
        used = durable.read_json(path) or {}
        paid = float(used.get("input_tokens", 0)) + float(used.get("output_tokens", 0))
        rows.append({"run_id": path.parent.name, "paid_tokens": paid, "cost": float(used.get("cost", 0))})
    return pl.LazyFrame(rows, schema={"run_id": pl.String, "paid_tokens": pl.Float64, "cost": pl.Float64})
