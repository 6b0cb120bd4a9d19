"""The page's numbers against the lake's, as an outsider with DuckDB would check them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tasks import report
from tasks.pure.errors import LakeError
from tasks.store import Lake
from tests import report_lake


@pytest.fixture(scope="module")
def lake_and_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, dict[str, Any]]:
    return report_lake.build(tmp_path_factory.mktemp("report") / "lake")


def gathered(lake: Lake, run: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given = {"run": run, "validation": report_lake.VALIDATION, "health": report_lake.health()}
    given |= {"checkpoint": None, "now": report_lake.NOW} | changes
    return report.gather(lake, run["run_id"], **given)


@pytest.fixture(scope="module")
def facts(lake_and_run: tuple[Lake, dict[str, Any]]) -> dict[str, Any]:
    return gathered(*lake_and_run)


@pytest.fixture
def duck(lake_and_run: tuple[Lake, dict[str, Any]]) -> Iterator[Any]:
    """DuckDB as the page asks for it: opened in the lake's folder."""
    here = Path.cwd()
    os.chdir(lake_and_run[0].root)
    connection = duckdb.connect()
    yield lambda sql: connection.sql(sql).pl()
    connection.close()
    os.chdir(here)


def test_the_headline_counts_every_claim_once_by_its_last_verdict(facts: dict[str, Any]) -> None:
    assert facts["headline"] == (
        "12 claims in 11 answers: 50% supported, 17% contradicted, 33% not settled by the evidence."
    )


def test_every_query_of_the_page_runs_in_the_lake_s_folder(facts: dict[str, Any], duck: Any) -> None:
    assert len(facts["queries"]) >= 15
    for name, sql in facts["queries"].items():
        assert isinstance(duck(sql), pl.DataFrame), name


def test_queries_give_the_numbers_that_stand_on_the_page(facts: dict[str, Any], duck: Any) -> None:
    queries, total = facts["queries"], facts["total"]
    assert duck(queries["answers"])["answers"].item() == total.answers
    found = duck(queries["verdicts"]).row(0, named=True)
    assert found == {
        name: getattr(total, name)
        for name in ("claims", "supported", "contradicted", "insufficient", "conflicts")
    }
    keys = ["value", "answers", "claims", "supported", "contradicted", "insufficient"]
    for slice_ in facts["slices"]:
        shown = pl.DataFrame(slice_["rows"]).select(keys).rows()
        assert duck(queries[f"by-{slice_['column']}"]).select(keys).rows() == shown
    series = pl.DataFrame(facts["series"])
    assert duck(queries["over-time"]).select(series.columns).rows() == series.rows()
    tenths = pl.DataFrame(facts["tenths"]).filter(
        pl.sum_horizontal("supported", "contradicted", "insufficient") > 0
    )
    assert duck(queries["scores"]).drop("tenth").rows() == tenths.drop("low", "high").rows()
    assert dict(duck(queries["actions"]).rows()) == {
        r["action"]: r["answers"] for r in facts["actions"] if r["answers"]
    }
    assert duck(queries["findings"])["findings"].to_list() == [r["findings"] for r in facts["findings"]]
    assert duck(queries["quarantine"])["rows"].to_list() == [r["rows"] for r in facts["quarantine"]]
    worst = [claim.claim_id for claim in facts["claims"]]
    assert duck(queries["worst"])["claim_id"].to_list() == worst


def test_the_filter_s_numbers_add_up_to_the_headline(facts: dict[str, Any]) -> None:
    rows, total = facts["filter"]["rows"], facts["total"]
    assert [sum(row[3 + i] for row in rows) for i in range(4)] == [
        total.answers, total.supported, total.contradicted, total.insufficient
    ]  # fmt: skip


def test_worst_claims_stand_beside_the_passage_that_decided_them(facts: dict[str, Any]) -> None:
    by_text = {"".join(text for text, _ in claim.words): claim for claim in facts["claims"]}
    wrong = by_text["The warranty lasts 24 months."]
    assert wrong.standing == "contradicted"
    assert wrong.passages[0].uri == "https://handbook.example/warranty"
    assert ("24", "missing") in wrong.words
    assert ("12", "missing") in wrong.passages[0].words
    conflict = by_text["Returns are free of charge."]
    assert conflict.standing == "conflict"
    assert {p.p_supported > p.p_contradicted for p in conflict.passages} == {True, False}
    assert by_text["Our office is in Ghent."].passages == []
    assert [claim.standing for claim in facts["claims"]] == sorted(
        (claim.standing for claim in facts["claims"]), key=("contradicted", "conflict", "insufficient").index
    )


def test_a_run_with_a_range_covers_that_range_only(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    lake, run = lake_and_run
    one_day = json.dumps({"from": "2026-03-01", "to": "2026-03-01", "reverify": False})
    day = gathered(lake, run | {"parameters": one_day})
    assert day["total"].answers == 5
    assert [str(row["period"]) for row in day["series"]] == ["2026-03-01"]


def test_an_empty_lake_gives_a_page_that_says_so(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    lake.ensure_tables(report_lake.NOW.date())
    run = report_lake.run_row({}, rows_in=0, rows_out=0, rows_quarantined=0)
    page = report.write(
        lake,
        run["run_id"],
        run=run,
        validation=[],
        health=report_lake.health().clear(),
        checkpoint=None,
        now=report_lake.NOW,
    )
    text = page.read_text("utf-8")
    assert "No answers to audit" in text
    assert "Not measured yet." in text
    assert "No checkpoint" in text
    assert page == lake.root / "reports" / run["run_id"] / "index.html"


def test_the_page_is_the_same_bytes_for_the_same_lake(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    assert report.render(gathered(*lake_and_run)) == report.render(gathered(*lake_and_run))


def test_no_hostile_character_or_markup_reaches_the_page(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    checkpoint = {"origin": report_lake.HOSTILE, "size": 3}
    page = report.render(gathered(*lake_and_run, checkpoint=checkpoint))
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "\u200b" not in page
    assert "⟨U+202E⟩" in page
    assert len(re.findall(r"<script", page)) == 2
    assert "<img" not in page
    assert "{{ 7 * 7 }}" in page  # shown, not computed
    assert 'href="javascript' not in page
    assert not re.search(
        r"\s(?:src|srcset|action|background)=", re.sub(r"&[^;]+;", "", page).split("<main>")[0]
    )


def test_a_checkpoint_is_shown_with_its_size_and_root(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    page = report.render(gathered(*lake_and_run, checkpoint={"size": 321, "root": "ab" * 32}))
    assert "<dt>Size</dt><dd><code>321</code>" in page
    assert "ab" * 32 in page


def test_a_page_that_cannot_be_written_is_one_sentence_and_leaves_no_half_page(
    lake_and_run: tuple[Lake, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, run = lake_and_run

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tasks.durable.write_new", full)
    with pytest.raises(LakeError, match="No space left"):
        report.write(
            lake,
            run["run_id"],
            run=run,
            validation=[],
            health=report_lake.health(),
            checkpoint=None,
            now=report_lake.NOW,
        )
    assert not (lake.root / "reports" / run["run_id"] / "index.html").exists()
