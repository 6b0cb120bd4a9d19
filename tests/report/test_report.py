"""The page's numbers against the lake's, as an outsider with DuckDB would check them."""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from flows.erase import erase
from tasks import ids
from tasks.errors import LakeError
from tasks.lake.store import Lake
from tasks.ledger.nightly import Verification
from tasks.ledger.parameters import LedgerSettings
from tasks.report import nights, numbers, queries, report, site
from tasks.report.page import Page
from tasks.report.parameters import ReportParameters
from tasks.report.queries import QUERIES
from tasks.tables import REPORT, RUNS
from tests.support import report_lake


@pytest.fixture(scope="module")
def lake_and_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, dict[str, Any]]:
    return report_lake.build(tmp_path_factory.mktemp("report") / "lake")


def gathered(lake: Lake, run_id: str = report_lake.RUN_ID, **changes: Any) -> Page:
    return report.gather(lake, run_id, **{"checkpoint": None, "now": report_lake.NOW} | changes)


@pytest.fixture(scope="module")
def page(lake_and_run: tuple[Lake, dict[str, Any]]) -> Page:
    return gathered(lake_and_run[0])


@pytest.fixture
def duck(lake_and_run: tuple[Lake, dict[str, Any]]) -> Iterator[Any]:
    """DuckDB as the page asks for it: opened in the lake's folder."""
    here = Path.cwd()
    os.chdir(lake_and_run[0].root)
    connection = duckdb.connect()
    yield lambda sql: connection.sql(sql).pl()
    connection.close()
    os.chdir(here)


def test_the_headline_counts_every_claim_once_by_its_last_verdict(page: Page) -> None:
    assert page.story.headline.text == (
        "6 of the 10 claims that could be checked are supported, 2 are contradicted by the evidence; 2 more "
        "could not be checked (no evidence recorded, mostly bob and cleo)."
    )
    assert page.story.remarks[0].text == (
        "12 claims in 11 answers, of which 10 could be checked: 60% supported, 20% contradicted, 20% not "
        "settled by the evidence."
    )


def test_every_number_of_the_page_is_the_cell_of_its_printed_query(page: Page, duck: Any) -> None:
    """An outsider's check: each printed text, run in the lake's folder, gives every row of report.parquet."""
    shown = numbers.numbers(page).filter(pl.col("value").is_not_null())
    assert shown.height > 250
    assert set(shown["query"]) == set(page.queries) - {"ledger", "sampled", "citations"}
    for name, rows in shown.group_by("query", maintain_order=True):
        query = str(name[0])
        columns = QUERIES[query].key
        cells = {numbers.key([row[c] for c in columns]): row for row in duck(page.queries[query]).to_dicts()}
        for row in rows.iter_rows(named=True):
            assert cells[row["key"]][row["column"]] == pytest.approx(row["value"], abs=1e-9), row


def test_text_that_addresses_the_verifier_is_counted_apart_from_confidential_data(
    page: Page,
) -> None:
    assert page.addressed_claims == 1
    text = report.render(page)
    assert '<span>Confidential data</span>\n<b class="bad">! 1 found</b>' in text
    assert '<span>Orders to the verifier</span>\n<b class="bad">! 1 in answers</b>' in text
    assert "Evidence that addresses the verifier was shown for 1 claim;" in text


def test_the_ledger_s_query_counts_the_events_under_the_checkpoint(
    lake_and_run: tuple[Lake, dict[str, Any]], duck: Any
) -> None:
    page = gathered(lake_and_run[0], checkpoint={"size": 0, "root": "ab" * 32})
    assert duck(page.queries["ledger"])["size"].item() == 0
    ledger = numbers.numbers(page).filter(pl.col("query") == "ledger")
    assert ledger.select("column", "value").row(0) == ("size", 0.0)


def test_json_and_parquet_beside_the_page_hold_what_it_shows(tmp_path: Path) -> None:
    lake, page = report_lake.write(tmp_path / "lake")
    document = json.loads((page.parent / "report.json").read_bytes())
    assert document["total"] == {
        "answers": 11, "claims": 12, "supported": 6, "contradicted": 2, "unsettled": 2, "unchecked": 2,
        "checked": 10, "conflicts": 1, "abstained": 0, "in_part": 1, "overlooked": 0,
    }  # fmt: skip
    assert document["claims"][0]["passages"][0]["text"]
    assert document["queries"]["verdicts"] in html.unescape(page.read_text("utf-8"))
    rows = pl.read_parquet(page.parent / "report.parquet")
    assert rows.schema == REPORT.schema
    assert rows.filter(pl.col("text").is_not_null())["text"][0] == document["story"]["headline"]["text"]
    duckdb_rows = duckdb.sql(f"SELECT count(*) FROM '{page.parent}/report.parquet'").fetchall()  # noqa: S608
    assert duckdb_rows == [(rows.height,)]
    assert (lake.root / "reports" / "index.html").exists()


def test_the_site_lists_every_run_also_those_without_a_page(tmp_path: Path) -> None:
    lake, _ = report_lake.write(tmp_path / "lake")
    failed = report_lake.run_row(
        {}, run_id="f" * 64, status="failed", started_at=report_lake.NOW + timedelta(1)
    )
    lake.commit(
        "f" * 64, "run", {"runs": pl.DataFrame([failed], schema=RUNS.schema)}, run_day=report_lake.NOW.date()
    )
    site.write(lake, now=report_lake.NOW)
    rows = pl.read_parquet(lake.root / "reports" / "runs.parquet")
    assert rows.select("status", "has_page").rows() == [("failed", False), ("completed", True)]
    # Of the twelve claims one was judged twice, so the run itself gave thirteen verdicts.
    assert rows.row(1, named=True) | {"headline": None} == {
        **rows.row(1, named=True),
        "headline": None, "supported": 6, "contradicted": 2, "unsettled": 2, "unchecked": 3,
        "worse": 1, "stable": 1,
    }  # fmt: skip
    assert rows["supported"].to_list() == [None, 6]
    text = (lake.root / "reports" / "index.html").read_text("utf-8")
    assert f'href="{report_lake.RUN_ID}/index.html"' in text
    assert 'href="' + "f" * 64 not in text
    assert json.loads((lake.root / "reports" / "runs.json").read_text("utf-8"))[0]["status"] == "failed"
    here = Path.cwd()
    os.chdir(lake.root)
    try:
        counted = duckdb.sql(nights.queries()["numbers"]).pl().row(0, named=True)
        listed = duckdb.sql(nights.queries()["runs"]).pl()
    finally:
        os.chdir(here)
    own = {"judged_again", "flips"}  # results of re-audits, which this run is not
    assert {n: v for n, v in counted.items() if n not in own} == {
        n: rows.row(1, named=True)[n] for n in counted if n not in own
    }
    assert rows.select(sorted(own)).row(1) == (None, None)
    assert listed["run_id"].to_list() == rows["run_id"].to_list()


def test_a_damaged_file_of_one_run_does_not_hide_the_others(tmp_path: Path) -> None:
    lake, page = report_lake.write(tmp_path / "lake")
    (page.parent / "report.parquet").write_bytes(b"PAR1 torn")
    site.write(lake, now=report_lake.NOW)
    assert pl.read_parquet(lake.root / "reports" / "runs.parquet")["has_page"].to_list() == [False]


def test_an_erased_output_is_gone_from_its_page_from_the_numbers_and_from_the_site(tmp_path: Path) -> None:
    """Also where words are marked, passages are cut, and texts are escaped."""
    lake, page = report_lake.write(tmp_path / "lake")
    output = ids.digest("output", "ada-wrong")
    before = page.read_text("utf-8")
    assert "warranty</mark>" in before  # words are marked, so no search for the text would find it
    settings = LedgerSettings(key_folder=str(tmp_path / "keys"))
    erase(lake, settings, output, reason="request", run_id=ids.digest("e"), now=report_lake.NOW)
    files = [f for f in (lake.root / "reports").rglob("*") if f.is_file()]
    assert {f.name for f in files} == {
        "claims.html", "index.html", "report.json", "report.parquet", "runs.json", "runs.parquet"
    }  # fmt: skip
    for file in files:
        text = str(pl.read_parquet(file).rows()) if file.suffix == ".parquet" else file.read_text("utf-8")
        for word in ("warranty", "24 months", "12 months", "handbook.example"):
            assert word not in text, (file, word)
    after = page.read_text("utf-8")
    assert "Our office is in Ghent." in after  # the others stay
    assert after.count('<details class="claim') == before.count('<details class="claim')  # its verdict stays
    assert "[erased]" in after
    assert "Written again on 2026-03-20 03:00:00 UTC, because an output was erased." in after
    assert "because an output was erased" not in before
    assert "j***@e***.org" in after
    erase(
        lake,
        settings,
        ids.digest("output", "cleo"),
        reason="request",
        run_id=ids.digest("e2"),
        now=report_lake.NOW,
    )
    for file in (page, page.parent / "report.json"):
        assert "j***@e***.org" not in file.read_text("utf-8")


@pytest.mark.parametrize(
    "step", ["tasks.review.erase._commit", "tasks.report.report.write_page", "tasks.report.site.write"]
)
def test_an_interrupted_erasure_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    lake, page = report_lake.write(tmp_path / "lake")
    output, settings = ids.digest("output", "ada-wrong"), LedgerSettings(key_folder=str(tmp_path / "keys"))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, stop)
        with pytest.raises(KeyboardInterrupt):
            erase(
                lake,
                settings,
                output,
                reason="request",
                run_id=ids.digest("e"),
                now=report_lake.NOW,
            )
    # Whatever is missing in between, the words are not on a page.
    assert not page.exists() or "12 months" not in page.read_text("utf-8")
    erase(lake, settings, output, reason="request", run_id=ids.digest("e2"), now=report_lake.NOW)
    for file in (page, page.parent / "report.json"):
        assert "12 months" not in file.read_text("utf-8")


def test_a_page_of_other_days_is_left_alone(tmp_path: Path) -> None:
    lake, page = report_lake.write(tmp_path / "lake")
    document = json.loads((page.parent / "report.json").read_bytes())
    document["window"] = {"first": "2025-01-01", "last": "2025-03-31"}
    (page.parent / "report.json").write_text(json.dumps(document), "utf-8")
    page.write_text("as it was", "utf-8")
    settings = LedgerSettings(key_folder=str(tmp_path / "keys"))
    output = ids.digest("output", "ada-wrong")
    done = erase(lake, settings, output, reason="request", run_id=ids.digest("e"), now=report_lake.NOW)
    assert done.reports == []
    assert page.read_text("utf-8") == "as it was"


def test_the_filter_s_numbers_add_up_to_the_headline(page: Page) -> None:
    rows, total = page.filter.rows, page.total
    assert [sum(row[3 + i] for row in rows) for i in range(5)] == [
        total.answers, total.supported, total.contradicted, total.unsettled, total.unchecked
    ]  # fmt: skip


def test_worst_claims_stand_beside_the_passage_that_decided_them(page: Page) -> None:
    by_text = {"".join(text for text, _ in claim.words): claim for claim in page.claims}
    wrong = by_text["The warranty lasts 24 months."]
    assert wrong.standing == "contradicted"
    assert wrong.passages[0].uri == "https://handbook.example/warranty"
    assert ("24", "missing") in wrong.words
    assert ("12", "missing") in wrong.passages[0].words
    first, last = wrong.passages[0].decisive
    assert (
        "".join(t for t, _ in wrong.passages[0].words[first:last])
        == "The warranty lasts 12 months from delivery."
    )
    assert wrong.passages[1].decisive is None
    conflict = by_text["Returns are free of charge."]
    assert conflict.standing == "conflict"
    assert {p.p_supported > p.p_contradicted for p in conflict.passages} == {True, False}
    assert by_text["Our office is in Ghent."].passages == []
    assert [claim.standing for claim in page.claims] == sorted(
        (claim.standing for claim in page.claims), key=queries.STANDINGS.index
    )


def test_a_run_with_a_range_covers_that_range_only(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    lake, run = lake_and_run
    one_day = json.dumps({"from": "2026-03-01", "to": "2026-03-01", "reverify": False})
    row = run | {"run_id": "d" * 64, "parameters": one_day}
    lake.commit(
        "d" * 64, "run", {"runs": pl.DataFrame([row], schema=RUNS.schema)}, run_day=report_lake.NOW.date()
    )
    page = gathered(lake, "d" * 64)
    assert page.total.answers == 5
    assert [str(day) for day in page.series["period"]] == ["2026-03-01"]


def test_a_page_written_again_covers_the_days_that_it_covered(tmp_path: Path) -> None:
    """Without a range it covers the newest days; those that came after the run are not its own."""
    lake, run = report_lake.build(tmp_path / "lake")
    later = lake.scan("outputs").head(1).collect()
    at = report_lake.NOW + timedelta(days=200)
    later = later.with_columns(output_id=pl.lit("e" * 64), produced_at=at, ingested_at=at)
    lake.commit("e" * 64, "later", {"outputs": later}, run_day=at.date())
    assert str(gathered(lake, run["run_id"]).window.last) == "2026-03-03"


def test_every_claim_is_listed_and_its_numbers_are_cells_of_the_printed_query(page: Page, duck: Any) -> None:
    listed = pl.concat(part.claims for part in page.listing)
    assert listed.height == page.total.claims
    rows = duck(page.listing_query)
    for column in ("claim_id", "standing", "p_supported", "p_contradicted", "margin"):
        assert rows[column].to_list() == listed[column].to_list()
    margins = listed["margin"].drop_nulls()
    assert margins.is_sorted()
    assert listed["margin"].null_count() == page.total.unchecked
    assert set(listed["output_id"]) == {output for part in page.listing for output in part.answers}


def test_claims_are_paged_and_bounded(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    few = ReportParameters(listed_claims=5, listing_pages=2)
    page = gathered(lake_and_run[0], parameters=few)
    assert [(part.name, part.claims.height) for part in page.listing] == [
        ("claims.html", 5), ("claims-2.html", 5)
    ]  # fmt: skip
    assert 'href="claims-2.html"' in report.render_listing(page, page.listing[0])


def test_a_re_audit_s_own_page_begins_with_its_result(tmp_path: Path) -> None:
    lake, run = report_lake.build(tmp_path / "lake")
    row = run | {"run_id": "a" * 64, "flow": "reaudit"}
    shares = lake.scan("flip_shares").collect().with_columns(run_id=pl.lit("a" * 64))
    frames = {"runs": pl.DataFrame([row], schema=RUNS.schema), "flip_shares": shares}
    lake.commit("a" * 64, "run", frames, run_day=report_lake.NOW.date())
    page = report.write(lake, report.gather(lake, "a" * 64, checkpoint=None, now=report_lake.NOW))
    assert "2 of 50 claims judged again got a different verdict (4%)." in page.read_text("utf-8")
    rows = pl.read_parquet(lake.root / "reports" / "runs.parquet")
    assert rows.filter(pl.col("run_id") == "a" * 64).select("judged_again", "flips").row(0) == (50, 2)
    assert "50 claims judged again: 2 with another verdict" in " ".join(
        (lake.root / "reports" / "index.html").read_text("utf-8").split()
    )


def test_the_ledger_s_state_says_what_was_verified_in_this_run(
    lake_and_run: tuple[Lake, dict[str, Any]],
) -> None:
    def shown(verification: Verification | None) -> str:
        checkpoint = {"size": 9, "root": "ab" * 32}
        return report.render(gathered(lake_and_run[0], checkpoint=checkpoint, verification=verification))

    whole = Verification(statement="all agree", is_whole=True, whole_at=report_lake.NOW)
    assert "✓ all 9 events verified" in shown(whole)
    new = shown(dataclasses.replace(whole, is_whole=False))
    assert "✓ new events and all files verified" in new
    assert "All of it was last checked on 2026-03-20 03:00:00 UTC." in new
    bad = shown(dataclasses.replace(whole, findings=["verdicts: a row differs"]))
    assert "✕ does not verify" in bad
    assert "verdicts: a row differs" in bad
    assert "The lake does not match what was signed" in bad
    assert "could not be verified" in shown(dataclasses.replace(whole, unverifiable=["no key"]))
    assert "signed, not verified here" in shown(None)


def test_a_page_of_a_lake_of_an_earlier_release_has_queries_that_run_in_its_folder(tmp_path: Path) -> None:
    """Without the columns that came since, and without any row that has them."""
    folder = Path(__file__).parent.parent / "data" / "earlier_lakes"
    with tarfile.open(folder / "before-causes.tar.gz") as file:
        file.extractall(tmp_path, filter="data")
    lake = Lake.open(str(tmp_path / "lake"))
    lake.ensure_tables(report_lake.NOW.date())
    run_id = lake.scan("runs").select("run_id").collect()["run_id"][0]
    page = gathered(lake, run_id)
    assert page.total.claims == 12
    here = Path.cwd()
    os.chdir(lake.root)
    try:
        for name in ("verdicts", "because", "worst", "nights", "of-run", "reviewed"):
            duckdb.sql(page.queries[name]).fetchall()
    finally:
        os.chdir(here)


def test_a_run_that_the_lake_does_not_know_has_no_report(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    with pytest.raises(LakeError, match="no run cccccccccccc"):
        gathered(lake_and_run[0], "c" * 64)


def test_an_empty_lake_gives_a_page_that_says_so(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    lake.ensure_tables(report_lake.NOW.date())
    run = report_lake.run_row({}, rows_in=0, rows_out=0, rows_quarantined=0)
    lake.commit(
        run["run_id"],
        "run",
        {"runs": pl.DataFrame([run], schema=RUNS.schema)},
        run_day=report_lake.NOW.date(),
    )
    page = report.write(lake, report.gather(lake, run["run_id"], checkpoint=None, now=report_lake.NOW))
    text = page.read_text("utf-8")
    assert "No answers to audit" in text
    assert "Not measured yet: <code>claimledger drift</code>" in text
    assert text.count("Not measured yet.") == 2
    assert "No checkpoint" in text
    assert page == lake.root / "reports" / run["run_id"] / "index.html"


def test_the_page_is_the_same_bytes_for_the_same_lake(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    assert report.render(gathered(lake_and_run[0])) == report.render(gathered(lake_and_run[0]))


def attributes(page: str) -> set[str]:
    """Names of all attributes of all elements."""
    names: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names.update(name for name, _ in attrs)

    Reader().feed(page)
    return names


def test_no_hostile_character_or_markup_reaches_the_page(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    checkpoint = {"origin": report_lake.HOSTILE, "size": 3}
    page = report.render(gathered(lake_and_run[0], checkpoint=checkpoint))
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "\u200b" not in page
    assert "⟨U+202E⟩" in page
    assert len(re.findall(r"<script", page)) == 2
    assert "<img" not in page
    assert "{{ 7 * 7 }}" in page  # shown, not computed
    assert 'href="javascript' not in page
    assert attributes(page).isdisjoint(
        {"src", "srcset", "action", "background", "onload", "onerror", "onmouseover"}
    )


def test_a_checkpoint_is_shown_with_its_size_and_root(lake_and_run: tuple[Lake, dict[str, Any]]) -> None:
    page = report.render(gathered(lake_and_run[0], checkpoint={"size": 321, "root": "ab" * 32}))
    assert "<dt>Size</dt>\n<dd><code>321</code>" in page
    assert "ab" * 32 in page


def test_a_page_that_cannot_be_written_is_one_sentence_and_leaves_no_half_page(
    lake_and_run: tuple[Lake, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, run = lake_and_run

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tasks.files.durable.write_new", full)
    with pytest.raises(LakeError, match="No space left"):
        report.write(lake, report.gather(lake, run["run_id"], checkpoint=None, now=report_lake.NOW))
    assert not (lake.root / "reports" / run["run_id"] / "index.html").exists()
