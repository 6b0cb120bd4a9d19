"""The current views: the same rows in DuckDB and Polars, and none that a careless count would double."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from claimledger import views as public
from tasks import ids
from tasks.errors import InputError
from tasks.lake import views
from tasks.lake.store import Lake
from tasks.tables import RUNS, TABLES
from tests.support import ledger_lake
from tests.support.ledger_lake import NIGHT, NOON, run_row

FIRST, SECOND = ids.digest("first"), ids.digest("second")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Three answers; all judged twice in the same moment, one of them superseded, one run paid for."""
    made = Lake.open(str(tmp_path_factory.mktemp("it's a lake") / "lake"))
    made.ensure_tables(NIGHT.date())
    rows = ledger_lake.frames(FIRST)
    made.commit(FIRST, "unit", rows, run_day=NIGHT.date())
    again = rows["verdicts"].with_columns(
        verdict_id=pl.Series([ids.digest("again", v) for v in rows["verdicts"]["verdict_id"]]),
        verdict=pl.lit("contradicted"),
        run_id=pl.lit(SECOND),
        agent=pl.Series(["support-bot"] * 2 + ["sales-bot"] * 4),
    )
    actions = rows["actions"].with_columns(
        action_id=pl.Series([ids.digest("again", a) for a in rows["actions"]["action_id"]]),
        decided_at=pl.col("decided_at") + timedelta(hours=1),
        action=pl.lit("escalated"),
    )
    later = (
        rows["outputs"]
        .head(1)
        .with_columns(
            output_id=pl.lit(ids.digest("output", 0, "changed")),
            supersedes=pl.lit(ids.digest("output", 0)),
            produced_at=pl.col("produced_at") + timedelta(days=1),
        )
    )
    shown = rows["evidence"].with_columns(run_id=pl.lit(SECOND), verifier=pl.lit(ids.digest("other")))
    made.commit(
        SECOND,
        "unit",
        {"verdicts": again, "actions": actions, "outputs": later, "evidence": shown},
        run_day=NIGHT.date(),
    )
    for run_id in (FIRST, SECOND):
        row = pl.DataFrame([run_row(run_id)], schema=RUNS.schema)
        made.commit(run_id, "run", {"runs": row}, run_day=NIGHT.date())
    used = {"input_tokens": 900, "output_tokens": 300, "cost": 0.6, "requests": 12}
    (made.run_folder(SECOND) / views.USAGE).write_text(json.dumps(used))
    known = {ledger_lake.VERIFIER: {"name": "default", "fingerprint": "f", "settings": {"model": "default"}}}
    made.write_state("verifiers", known)
    views.write(made)
    return made


def in_duckdb(lake: Lake, view: str) -> pl.DataFrame:
    with duckdb.connect() as database:
        database.execute((lake.root / views.FILE).read_text())
        return database.table(view).pl()


@pytest.mark.parametrize(
    ("view", "key"),
    [
        ("current_outputs", ["output_id"]),
        ("current_claims", ["claim_id"]),
        ("current_verdicts", ["claim_id"]),
        ("current_actions", ["output_id"]),
        ("verifiers", ["verifier"]),
        ("run_costs", ["run_id", "agent"]),
    ],
)
def test_duckdb_and_polars_have_the_same_rows_each_once(lake: Lake, view: str, key: list[str]) -> None:
    ours = getattr(public, view)(lake.root).collect().sort(key)
    theirs = in_duckdb(lake, view).sort(key)
    assert ours.height > 0
    assert ours.select(key).is_unique().all()
    assert_frame_equal(theirs.cast(dict(ours.schema)), ours, check_column_order=False)  # type: ignore[arg-type]


def test_a_claim_judged_twice_counts_once_and_a_superseded_answer_not_at_all(lake: Lake) -> None:
    every, current = lake.scan("verdicts").collect(), public.current_verdicts(lake.root).collect()
    assert (every.height, current.height) == (12, 4)
    newest = every.sort("verified_at", "verdict_id").unique("claim_id", keep="last")
    assert {*current["verdict_id"]} <= {*newest["verdict_id"]}
    assert ids.digest("output", 0) not in current["output_id"]
    assert {*public.current_actions(lake.root).collect()["action"]} == {"escalated"}


def test_the_page_and_the_views_take_the_newest_by_the_same_rule() -> None:
    from tasks.lake import current
    from tasks.report import queries

    text = queries.COMMON["current_verdicts"].body
    assert "$newest_verdict" in text
    assert queries._WORDS["newest_verdict"] == current.VERDICTS.sql


def test_what_a_run_cost_is_shared_out_by_the_tokens_read(lake: Lake) -> None:
    costs = public.run_costs(lake.root).collect()
    paid = costs.filter(pl.col("run_id") == SECOND).sort("agent")
    assert paid["agent"].to_list() == ["sales-bot", "support-bot"]
    assert paid["claims"].to_list() == [4, 2]
    assert paid["tokens"].to_list() == [160, 80]
    assert paid["seconds"].to_list() == pytest.approx([40.0, 20.0])
    assert paid["cost"].to_list() == pytest.approx([0.4, 0.2])
    assert paid["paid_tokens"].to_list() == pytest.approx([800, 400])
    free = costs.filter(pl.col("run_id") == FIRST)
    assert free["seconds"].to_list() == [60.0]
    assert free["cost"].to_list() == [None]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_day_as_a_date_in_both(lake: Lake, name: str) -> None:
    assert public.table(lake.root, name).collect_schema()["date"] == pl.Date
    with duckdb.connect() as database:
        database.execute((lake.root / views.FILE).read_text())
        view = database.table(name)
        types = dict(zip(view.columns, map(str, view.types), strict=True))
        assert types["date"] == "DATE"
        assert {*TABLES[name].schema} <= {*types}
    rows = public.table(lake.root, name).collect()
    assert_frame_equal(in_duckdb(lake, name).select("date").sort("date"), rows.select("date").sort("date"))


def test_days_are_read_by_range_and_a_copy_of_the_lake_by_its_own_place(lake: Lake, tmp_path: Path) -> None:
    later = NOON.date() + timedelta(days=1)
    assert public.table(lake.root, "outputs", since=later).collect()["date"].to_list() == [later]
    with duckdb.connect() as database:
        database.execute(f"SET VARIABLE lake = '{tmp_path}/copy'")
        (tmp_path / "copy").symlink_to(lake.root)
        text = (lake.root / views.FILE).read_text().replace(str(lake.root).replace("'", "''"), "/nowhere")
        database.execute(text)
        assert database.sql("SELECT count(*) FROM current_verdicts").fetchall() == [(4,)]


def test_what_is_no_lake_or_no_table_is_one_sentence(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give the folder that has `tables` in it"):
        public.current_verdicts(tmp_path)
    with pytest.raises(InputError, match="no table of a lake"):
        public.table(lake.root, "verdict")


def test_pandas_reads_days_as_dates_where_it_is_told_so(lake: Lake) -> None:
    """The example of the analyst's guide; without it `date` is a category of texts."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    days = ds.partitioning(pa.schema([("date", pa.date32())]), flavor="hive")
    verdicts = pd.read_parquet(
        lake.root / "tables" / "verdicts",
        partitioning=days,
        filters=[("date", ">=", date(2026, 11, 1))],
    )
    assert len(verdicts) == 12
    assert verdicts["date"].iloc[0] == date(2026, 11, 1)
