"""The queries of a page, run over small lakes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import ids
from tasks.lake.store import Lake
from tasks.report import headline, queries
from tasks.report.brief import brief
from tasks.report.database import Database
from tasks.report.parameters import ReportParameters
from tasks.report.queries import CHOICES, QUERIES, Query, Scope, Window
from tasks.report.sentence import Sentence
from tasks.report.summary import Totals
from tasks.tables import TABLES
from tests.support import report_lake

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = ids.digest("run", "queries")
WHOLE = Window(date(2026, 1, 1), date(2027, 12, 31))
SCOPE = Scope(RUN, WHOLE, WHOLE)
NOTHING = dict.fromkeys(
    ("answers", "claims", "supported", "contradicted", "unsettled", "unchecked", "checked", "conflicts"), 0
)


def verdicts(*rows: tuple[str, str, str], **columns: Any) -> pl.DataFrame:
    """(agent, use case, verdict) per row, an hour apart."""
    return pl.DataFrame(
        [
            {"claim_id": f"c{i:03}", "verdict_id": f"v{i}", "output_id": f"o{i}", "agent": agent}
            | {"use_case": use_case, "verdict": verdict, "is_conflict": False, "verified_at": DAY}
            | {"p_supported": 0.4, "p_contradicted": 0.3, "verifier": "m", "snapshot": "s", "reason": "r"}
            | {"produced_at": DAY + timedelta(hours=i)}
            for i, (agent, use_case, verdict) in enumerate(rows)
        ]
    ).with_columns(**columns)


def lake_of(folder: Path, **frames: pl.DataFrame) -> Lake:
    """A lake with these rows; columns that they lack are null."""
    lake = Lake.open(str(folder / "lake"))
    full = {
        name: pl.concat([TABLES[name].empty(), frame], how="diagonal_relaxed").cast(TABLES[name].schema)
        for name, frame in frames.items()
    }
    lake.commit(RUN, "unit", full, run_day=DAY.date())
    return lake


def result(lake: Lake, query: Query, scope: Scope = SCOPE) -> pl.DataFrame:
    with Database(lake, scope) as database:
        database.make_common_tables()
        return database.rows(query)


def test_only_the_last_verdict_of_a_claim_counts(tmp_path: Path) -> None:
    early = verdicts(("a", "u", "supported"))
    late = early.with_columns(
        verdict=pl.lit("contradicted"), verdict_id=pl.lit("w"), verified_at=DAY + timedelta(days=1)
    )
    lake = lake_of(tmp_path, verdicts=pl.concat([late, early]))
    assert result(lake, QUERIES["verdicts"]).row(0) == (1, 0, 1, 0, 0, 1, 0)


def test_where_answers_were_sampled_every_count_stands_for_all_of_them(tmp_path: Path) -> None:
    """Of agent a every answer is audited, of b a tenth: two of the checked claims of b stand for twenty."""
    rows = verdicts(*[("a", "u", "contradicted")] * 20, ("b", "u", "supported"), ("b", "u", "supported"))
    rows = rows.with_columns(policy=pl.lit("p@1"), run_id=pl.lit(RUN))
    outputs = rows.select("output_id", "agent", "use_case", "produced_at").with_columns(
        sampling_probability=pl.when(pl.col("agent") == "b").then(0.1).otherwise(None)
    )
    actions = outputs.select("output_id", "produced_at").with_columns(
        action_id="output_id", action=pl.lit("delivered"), decided_at="produced_at", run_id=pl.lit(RUN)
    )
    lake = lake_of(tmp_path, outputs=outputs, verdicts=rows, actions=actions)
    counts = result(lake, QUERIES["verdicts"]).row(0, named=True)
    assert (counts["claims"], counts["supported"], counts["contradicted"]) == (40, 20, 20)
    assert result(lake, QUERIES["answers"])["answers"].item() == 40
    assert dict(result(lake, QUERIES["by-agent"]).select("agent", "supported").iter_rows()) == {
        "a": 0,
        "b": 20,
    }
    assert result(lake, QUERIES["actions"]).rows() == [("delivered", 40)]
    sampled = result(lake, QUERIES["sampled"])
    assert sampled.rows() == [(22, 40)]
    trend = result(lake, QUERIES["trend"]).filter(pl.col("slice") == "all")
    assert (trend["count"].sum(), (trend["count"] * trend["value"]).sum()) == (40, 20)
    said = headline.weighted(Sentence("Half is supported.", "verdicts"), sampled).text
    assert said == "Half is supported (weighted back to 40 answers, of which 22 were drawn and audited)."
    assert headline.remarks(Totals(**NOTHING), sampled)[0].text.startswith(
        "22 answers of an estimated 40 were"
    )
    ended = brief(lake, RUN, lake.days("verdicts"))
    assert ended is not None
    assert (ended.supported, ended.contradicted, ended.sampled) == (20, 20, (22, 40))
    assert ended.shares["supported"] == pytest.approx(0.5)
    assert result(lake_of(tmp_path / "all", outputs=outputs.head(20)), QUERIES["sampled"]).is_empty()


def test_why_a_claim_is_insufficient_is_told_also_of_files_that_lack_the_column(tmp_path: Path) -> None:
    rows = verdicts(*[("a", "u", "insufficient")] * 4, *[("b", "u", "insufficient")]).with_columns(
        insufficient_because=pl.Series([None, None, None, "language", "no_evidence"], dtype=pl.String),
        evidence_ids=pl.Series([[], ["p"], ["p"], ["p"], []], dtype=pl.List(pl.String)),
        reason=pl.Series(["r", "input_too_long: 9 tokens", "r", "r", "r"]),
    )
    lake = lake_of(tmp_path, verdicts=rows)
    assert result(lake, QUERIES["because"]).rows() == [
        ("no_evidence", "all agents", 2),
        ("no_evidence", "a", 1),
        ("no_evidence", "b", 1),
        ("too_long", "all agents", 1),
        ("too_long", "a", 1),
        ("language", "all agents", 1),
        ("language", "a", 1),
        ("not_settled", "all agents", 1),
        ("not_settled", "a", 1),
    ]
    counts = result(lake, QUERIES["verdicts"]).row(0, named=True)
    assert (counts["checked"], counts["unchecked"], counts["unsettled"]) == (1, 4, 1)


def test_supported_claims_are_listed_too_those_first_that_missed_another_verdict_least(
    tmp_path: Path,
) -> None:
    rows = verdicts(*[("a", "u", "supported")] * 9).with_columns(
        p_supported=0.55 + pl.int_range(pl.len()) / 20, threshold_supported=0.5
    )
    few = ReportParameters(claims=12, claims_per_slice=1, maximum_claims=14)
    chosen = result(lake_of(tmp_path, verdicts=rows), QUERIES["worst"], replace(SCOPE, parameters=few))
    assert chosen["claim_id"].to_list() == ["c000", "c001", "c002"]


def test_claims_that_could_not_be_checked_take_no_room_of_those_with_evidence(tmp_path: Path) -> None:
    rows = verdicts(*[("a", "u", "insufficient")] * 30).with_columns(
        insufficient_because=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("no_evidence"))
        .otherwise(pl.lit("not_settled")),
        p_supported=pl.when(pl.int_range(pl.len()) < 20).then(0.0).otherwise(0.3),
    )  # fmt: skip
    few = ReportParameters(claims=12, claims_per_slice=1, maximum_claims=14)
    chosen = result(lake_of(tmp_path, verdicts=rows), QUERIES["worst"], replace(SCOPE, parameters=few))
    assert chosen["standing"].to_list() == ["unsettled"] * 3 + ["unchecked"]


def test_every_probability_falls_into_a_tenth(tmp_path: Path) -> None:
    frame = verdicts(*[("a", "u", "supported")] * 3, p_supported=pl.Series([0.0, 0.55, 1.0]))
    tenths = result(lake_of(tmp_path, verdicts=frame), QUERIES["scores"])
    assert tenths["tenth"].to_list() == [0, 5, 9]


def test_a_series_has_weeks_that_begin_on_monday(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, verdicts=verdicts(("a", "u", "supported")))
    series = result(lake, QUERIES["over-time"], replace(SCOPE, period="week"))
    assert series["period"].to_list() == [date(2026, 2, 23)]


def test_worst_claims_are_ordered_bounded_and_leave_room_for_every_standing(tmp_path: Path) -> None:
    rows = (
        [("a", "u", "contradicted")] * 50 + [("a", "u", "insufficient")] * 50 + [("b", "u", "insufficient")]
    )
    frame = verdicts(
        *rows,
        p_contradicted=pl.int_range(pl.len()) / 200,
        p_supported=pl.when(pl.col("agent") == "b").then(0.45).otherwise(0.4),
        is_conflict=pl.int_range(pl.len()).is_between(60, 69),
    )
    lake = lake_of(tmp_path, verdicts=frame)
    few = ReportParameters(claims=12, claims_per_slice=1, maximum_claims=14)
    chosen = result(lake, QUERIES["worst"], replace(SCOPE, parameters=few))
    assert chosen["standing"].to_list() == ["contradicted"] * 6 + ["conflict"] * 3 + ["unsettled"] * 4
    assert chosen["p_contradicted"].head(6).is_sorted(descending=True)
    assert "b" in chosen["agent"].to_list()
    many = replace(SCOPE, parameters=replace(few, claims_per_slice=50))
    assert result(lake, QUERIES["worst"], many).height == 14


def test_both_sides_of_a_conflict_are_shown_before_more_of_one_side(tmp_path: Path) -> None:
    judged = verdicts(("a", "u", "insufficient"), is_conflict=True)
    evidence = pl.DataFrame(
        {"claim_id": "c000", "verifier": "m", "snapshot": "s", "rank": rank, "passage_id": f"p{rank}"}
        | {"p_supported": supported, "p_contradicted": contradicted, "produced_at": DAY}
        for rank, (supported, contradicted) in enumerate([(0.99, 0.0), (0.98, 0.0), (0.97, 0.0), (0.1, 0.8)])
    )
    scope = replace(
        SCOPE, claims=("c000",), claim_days=(DAY.date(),), parameters=ReportParameters(passages=2)
    )
    shown = result(lake_of(tmp_path, verdicts=judged, evidence=evidence), QUERIES["evidence"], scope)
    assert shown["passage_id"].to_list() == ["p0", "p3"]
    assert shown["offered"].to_list() == [4, 4]


def test_every_answer_flows_from_its_worst_verdict_to_its_action(tmp_path: Path) -> None:
    frames = report_lake.rows().frames()
    links = result(lake_of(tmp_path, **frames), QUERIES["flow"])
    assert links["answers"].sum() == frames["outputs"].height
    counts = {(standing, action): answers for standing, action, answers in links.iter_rows()}
    assert counts["contradicted", "escalated"] == 2
    assert counts["conflict", "rephrased"] == 1
    assert counts["no_claims", "delivered"] == 1
    outcome = pl.when(pl.col("outcome") == "no_claims").then(pl.lit("abstained")).otherwise("outcome")
    abstained = frames | {"actions": frames["actions"].with_columns(outcome=outcome)}
    links = result(lake_of(tmp_path / "a", **abstained), QUERIES["flow"])
    assert "no_claims" not in set(links["standing"])
    assert links.filter(pl.col("standing") == "abstained")["answers"].to_list() == [1]
    without = {name: frame for name, frame in frames.items() if name != "actions"}
    assert set(result(lake_of(tmp_path / "b", **without), QUERIES["flow"])["action"]) == {"undecided"}


def test_abstentions_are_counted_by_agent_whole_and_in_part(tmp_path: Path) -> None:
    frames = report_lake.rows().frames()
    actions = frames["actions"].with_columns(
        outcome=pl.when(pl.col("outcome") == "no_claims").then(pl.lit("abstained")).otherwise("outcome"),
        abstention_count=pl.when(pl.col("outcome") == "contradicted").then(2).otherwise(1).cast(pl.Int32),
    )
    lake = lake_of(tmp_path, **(frames | {"actions": actions}))
    by_agent = result(lake, QUERIES["abstentions"])
    total = frames["outputs"].height
    assert result(lake, QUERIES["answers"]).row(0) == (total, 1, total - 1, 0)
    assert by_agent.select(pl.col("answers", "abstained", "in_part").sum()).row(0) == (total, 1, total - 1)
    assert by_agent["abstained"].to_list() == [1, *[0] * (by_agent.height - 1)]


def run_that_ended(at: datetime) -> pl.DataFrame:
    return pl.DataFrame([{"run_id": RUN, "flow": "nightly audit", "started_at": at, "finished_at": at}])


def test_availability_is_of_days_over_a_month_and_the_weakest_source_is_first(tmp_path: Path) -> None:
    checks = [
        {"target": target, "kind": kind, "ok": ok, "run_id": RUN}
            | {"checked_at": DAY - timedelta(days=ago, seconds=ok)}
        for target, kind, ago, ok in [
            ("weak", "source", 1, False), ("weak", "source", 1, True), ("weak", "source", 2, True),
            ("well", "source", 3, True), ("well", "source", 40, False), ("docs", "corpus", 1, False),
        ]
    ]  # fmt: skip
    lake = lake_of(tmp_path, health=pl.DataFrame(checks), runs=run_that_ended(DAY))
    (lake.run_folder(RUN) / "settings.json").write_text(
        json.dumps({"health": json.dumps({"availability_target": 0.9})})
    )
    assert result(lake, QUERIES["availability"]).rows() == [
        ("weak", 0.75, 2, 1, 3, 0.9),
        ("well", 1.0, 1, 0, 1, 0.9),
    ]


def test_of_each_day_the_newest_check_up_to_the_run_counts(tmp_path: Path) -> None:
    days = [
        (DAY.date(), "missing", 10, 8, 2, 1), (DAY.date(), "complete", 10, 10, 0, 0),
        (DAY.date() + timedelta(days=1), "missing", 5, 4, 1, 0),
        (DAY.date() + timedelta(days=2), "never_pulled", None, 0, None, 0),
        (DAY.date() + timedelta(days=1), "complete", 5, 5, 0, -1),
    ]  # fmt: skip
    rows = pl.DataFrame(
        [
            {"source": "bot", "day": day, "state": state, "theirs": theirs, "ours": ours, "basis": "source"}
            | {"missing_count": missing, "checked_at": DAY - timedelta(hours=ago), "run_id": f"{number:064x}"}
            for number, (day, state, theirs, ours, missing, ago) in enumerate(days)
        ]
    )
    lake = lake_of(tmp_path, completeness=rows, runs=run_that_ended(DAY))
    assert result(lake, QUERIES["completeness"]).rows() == [("bot", 2, 1, 1, 1, 1, 0, 15, 14, True)]
    incomplete = result(lake, QUERIES["incomplete"]).select("day", "state", "missing_count").rows()
    assert incomplete == [(days[2][0], "missing", 1), (days[3][0], "never_pulled", None)]


def test_validation_is_added_up_per_table(tmp_path: Path) -> None:
    failure = {"expectation": "between", "column": "p_supported", "severity": "critical", "rows": 2}
    units: list[dict[str, object]] = [
        {"table": "verdicts", "rows": 10, "evaluated": 7, "quarantined": 2, "failures": [failure]},
        {"table": "verdicts", "rows": 5, "evaluated": 7, "quarantined": 2, "failures": [failure]}
        | {"gate_failed": True},
        {"table": "claims", "rows": 0, "evaluated": 0, "failures": []},
    ]
    lake = lake_of(tmp_path)
    (lake.run_folder(RUN) / "validation.json").write_text(json.dumps({"results": units}))
    assert result(lake, QUERIES["validation"]).rows() == [
        ("claims", 0, 0, 0, False),
        ("verdicts", 15, 14, 4, True),
    ]
    assert result(lake, QUERIES["failures"]).to_dicts() == [{"table": "verdicts"} | failure | {"rows": 4}]


def test_results_that_are_missing_damaged_or_of_another_form_are_no_rows(tmp_path: Path) -> None:
    lake = lake_of(tmp_path)
    file = lake.run_folder(RUN) / "validation.json"
    for text in (None, '{"results": [', '{"sample": ["[erased]"]}', "[]"):
        if text is not None:
            file.write_text(text)
        assert result(lake, QUERIES["validation"]).is_empty()
        assert result(lake, QUERIES["failures"]).is_empty()


def test_a_table_that_does_not_reconcile_is_shown_as_such(tmp_path: Path) -> None:
    counts = {"claims": {"in": 3, "published": 2, "already_there": 0, "quarantined": 0}}
    run = pl.DataFrame([report_lake.run_row(counts, run_id=RUN)], schema=TABLES["runs"].schema)
    assert result(lake_of(tmp_path, runs=run), QUERIES["reconciliation"]).rows() == [
        ("claims", 3, 2, 0, 0, 0, False)
    ]


def test_what_a_source_left_out_is_part_of_the_sum_and_what_was_taken_out_is_listed(tmp_path: Path) -> None:
    outputs = {"in": 9, "published": 2, "already_there": 1, "quarantined": 1, "filtered": 2, "sampled_out": 3}
    taken = {"chat": {"drop user.email": 7, "hash user id": 0}}
    lacks = {"chat": {"documents_without_text": 4, "documents_unknown": 0}}
    counts = {"outputs": outputs | {"minimised": taken, "lacks": lacks}}
    run = pl.DataFrame([report_lake.run_row(counts, run_id=RUN)], schema=TABLES["runs"].schema)
    lake = lake_of(tmp_path, runs=run)
    assert result(lake, QUERIES["reconciliation"]).rows() == [("outputs", 9, 2, 1, 1, 5, True)]
    assert result(lake, QUERIES["minimised"]).rows() == [
        ("chat", "drop", "user.email", 7),
        ("chat", "hash", "user id", 0),
    ]
    assert result(lake, QUERIES["lacks"]).rows() == [("chat", "documents_without_text", 4)]


def test_what_people_found_left_by_a_redactor_is_as_the_run_kept_it(tmp_path: Path) -> None:
    kept = {"reviewed": 40, "missed": 2, "low": 0.0061, "high": 0.1692}
    counts = {"findings": {"in": 0, "published": 0, "already_there": 0, "quarantined": 0, "redaction": kept}}
    run = pl.DataFrame([report_lake.run_row(counts, run_id=RUN)], schema=TABLES["runs"].schema)
    (tmp_path / "none").mkdir()
    assert result(lake_of(tmp_path, runs=run), QUERIES["redaction"]).rows() == [(40, 2, 0.05, 0.0061, 0.1692)]
    none = pl.DataFrame([report_lake.run_row({}, run_id=RUN)], schema=TABLES["runs"].schema)
    assert result(lake_of(tmp_path / "none", runs=none), QUERIES["redaction"]).rows() == []


def test_the_run_s_own_drift_report_comes_before_that_of_the_newest_window(tmp_path: Path) -> None:
    mine = report_lake.drift().with_columns(run_id=pl.lit(RUN), report_id=pl.lit("a" * 64))
    newer = mine.with_columns(
        run_id=pl.lit("b" * 64),
        report_id=pl.lit("c" * 64),
        window_end=pl.col("window_end") + timedelta(days=1),
    )
    lake = lake_of(tmp_path, drift=pl.concat([mine, newer]))
    assert result(lake, CHOICES["newest_drift"]).item() == "a" * 64
    assert result(lake, CHOICES["newest_drift"], replace(SCOPE, run_id="d" * 64)).item() == "c" * 64
    assert result(lake_of(tmp_path / "b"), CHOICES["newest_drift"]).is_empty()


def test_files_of_an_older_release_and_odd_folder_names_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "a, 'b' [c] *"
    folder.mkdir()
    lake = lake_of(folder, verdicts=verdicts(("a", "u", "supported")))
    (file,) = lake.files("verdicts")
    pl.read_parquet(file, glob=False).drop("decisive_start", "decisive_end").write_parquet(file)
    texts = result(lake, CHOICES["texts"], replace(SCOPE, claims=("c000",), claim_days=(DAY.date(),)))
    assert texts.select("reason", "decisive_start").row(0) == ("r", None)


def test_every_printed_query_names_its_days_and_no_slot_is_left_open() -> None:
    texts = queries.published(SCOPE)
    assert texts.keys() == QUERIES.keys()
    assert all("2026-01-01" in texts[name] for name in ("answers", "verdicts", "trend", "findings"))
    assert not [name for name, text in texts.items() if "$" in text.replace(")$'", "")]


def test_the_inventory_is_the_newest_up_to_the_run_what_needs_a_look_first(tmp_path: Path) -> None:
    row = {"kind": "model", "version": "", "outputs": 3, "failed": 1, "contradicted": 2, "declared": True}
    rows = [
        row | {"name": "b", "taken_at": DAY, "run_id": "b" * 64},
        row | {"name": "a", "taken_at": DAY, "finding": "seen and not declared", "run_id": "b" * 64},
        row | {"name": "old", "taken_at": DAY - timedelta(days=1), "run_id": "a" * 64},
        row | {"name": "later", "taken_at": DAY + timedelta(days=9), "run_id": "c" * 64},
    ]
    lake = lake_of(tmp_path, inventory=pl.DataFrame(rows), runs=run_that_ended(DAY))
    shown = result(lake, QUERIES["inventory"])
    assert shown["name"].to_list() == ["a", "b"]
    assert shown.select("outputs", "failed", "contradicted").rows() == [(3, 1, 2)] * 2


def test_precision_and_recall_weigh_reviews_by_the_verdicts_that_they_stand_for(tmp_path: Path) -> None:
    """Of 10 flagged verdicts 5 are read, 4 rightly flagged; of 100 supported ones 10, of which 1 is wrong."""
    rows = verdicts(*[("a", "x", "contradicted")] * 10, *[("b", "y", "supported")] * 100)
    rows = rows.with_columns(
        p_supported=pl.when(pl.col("verdict") == "supported").then(0.9).otherwise(0.1),
        p_contradicted=pl.when(pl.col("verdict") == "supported").then(0.05).otherwise(0.85),
        threshold_supported=0.5, threshold_contradicted=0.5, policy=pl.lit("p@1"),
    )  # fmt: skip
    outputs = rows.select("output_id", "agent", "use_case", "produced_at")
    read = [(n, n < 4, "supported") for n in range(5)] + [(n, n < 19, "insufficient") for n in range(10, 20)]
    reviews = pl.DataFrame(
        [
            {"review_id": f"r{n}", "verdict_id": f"v{n}", "claim_id": f"c{n:03}", "reviewer": "m"}
            | {"outcome": "confirmed" if right else "overturned", "reviewed_at": DAY, "produced_at": DAY}
            | {"corrected_verdict": None if right else corrected}
            for n, right, corrected in read
        ]
    )
    found = result(lake_of(tmp_path, outputs=outputs, verdicts=rows, reviews=reviews), QUERIES["accuracy"])
    whole = found.row(0, named=True)
    assert (whole["slice"], whole["reviewed"], whole["speaks_for"]) == ("all", 15, 1.0)
    assert whole["precision"] == pytest.approx(0.8)
    # 8 of the flagged ones are truly wrong, and 10 of the supported ones.
    assert whole["recall"] == pytest.approx(8 / 18)
    assert whole["precision_low"] == pytest.approx(0.3755, abs=1e-3)
    assert whole["recall_low"] < 8 / 18 < whole["recall_high"]
    by_agent = {row["value"]: row for row in found.filter(pl.col("slice") == "agent").to_dicts()}
    assert (by_agent["a"]["recall"], by_agent["b"]["precision"]) == (1.0, None)
    assert by_agent["b"]["recall"] == 0.0
