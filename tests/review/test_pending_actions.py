"""What must be rephrased or escalated: which answers, what is quoted, and what must not leave the lake."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from flows.commands.cli import main
from tasks import ids
from tasks.lake.store import Lake
from tasks.review import action_sheets, disclosed
from tasks.review.pending_actions import PENDING, Rows, by_claim, pending
from tasks.tables import ERASED, TABLES
from tests.support import report_lake
from tests.support.report_lake import HOSTILE, NOW

SENTENCE = "The warranty lasts 12 months from delivery."


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return report_lake.build(tmp_path_factory.mktemp("actions") / "lake")[0]


@pytest.fixture
def built() -> report_lake.Rows:
    return report_lake.rows()


def found(built: report_lake.Rows, action: str | None = None) -> dict[str, dict[str, Any]]:
    """The rows by the source's id of the answer."""
    frames = {name: frame.lazy() for name, frame in built.frames().items()}
    names = [field.name for field in dataclasses.fields(Rows)]
    frame = pending(Rows(**{name: frames.get(name, TABLES[name].empty().lazy()) for name in names}), action)
    assert frame.schema == pl.Schema(PENDING)
    return {row["source_id"]: row for row in frame.to_dicts()}


def finding(name: str) -> dict[str, Any]:
    row = report_lake.rows().of["findings"][0]
    return row | {"finding_id": ids.digest("finding", name), "output_id": ids.digest("output", name)}


def test_answers_to_act_on_come_escalated_first_and_delivered_ones_never(built):
    rows = found(built)
    assert list(rows) == ["ada-wrong", "hostile", "bob-conflict", "bob-open"]
    assert [row["action"] for row in rows.values()] == ["escalated"] * 2 + ["rephrased"] * 2
    assert set(found(built, "rephrased")) == {"bob-conflict", "bob-open"}


def done(built: report_lake.Rows, name: str, action: str) -> None:
    """What was really done with an answer, told a day after everything else."""
    (decided,) = [row for row in built.of["actions"] if row["output_id"] == ids.digest("output", name)]
    built.of["actions_taken"].append(
        {key: decided[key] for key in ("output_id", "produced_at", "run_id")}
        | {"taken_id": ids.digest("taken", name, action), "action": action, "origin": "import"}
        | {"decided": decided["action"], "action_id": decided["action_id"], "is_before": False}
        | {"is_deviation": action != decided["action"], "noted_at": NOW + timedelta(days=1), "taken_at": None}
    )


@pytest.mark.parametrize(
    ("name", "action", "is_done"),
    [
        ("bob-open", "rephrased", True),
        ("bob-open", "escalated", True),
        ("ada-wrong", "escalated", True),
        ("ada-wrong", "rephrased", False),
        ("bob-open", "delivered", False),
    ],
)
def test_an_answer_with_which_it_was_done_is_no_more_to_be_acted_on(built, name, action, is_done):
    done(built, name, action)
    rows = found(built)
    assert rows[name]["is_done"] is is_done
    assert {other for other, row in rows.items() if row["is_done"]} - {name} == {"bob-conflict"}


def overturned(built: report_lake.Rows, name: str, corrected: str | None = "supported") -> None:
    """A review that overturns every verdict on an answer that failed."""
    for row in [v for v in built.of["verdicts"] if v["output_id"] == ids.digest("output", name)]:
        if row["verdict"] != "supported":
            built.of["reviews"].append(
                {name: row[name] for name in ("verdict_id", "claim_id", "produced_at", "run_id")}
                | {"review_id": ids.digest("overturned", row["verdict_id"]), "reviewer": "a.later.one"}
                | {"outcome": "overturned", "corrected_verdict": corrected, "reviewed_at": NOW}
            )


def test_an_answer_of_which_people_overturned_all_that_failed_has_nothing_left_to_act_on(built):
    overturned(built, "bob-open")
    row = found(built)["bob-open"]
    assert row["is_overturned"] is True
    assert (row["claims"][0]["review"], row["claims"][0]["corrected_verdict"]) == ("overturned", "supported")
    assert not any(other["is_overturned"] for name, other in found(built).items() if name != "bob-open")


@pytest.mark.parametrize(
    ("name", "corrected", "changes"),
    [
        ("bob-open", "contradicted", {}),
        ("bob-open", None, {}),
        ("ada-wrong", "supported", {}),  # another reviewer confirmed it: nothing is settled
        ("hostile", "supported", {"reason": "2 of 2 claims are; the answer addresses the verifier"}),
    ],
)
def test_it_stays_where_that_is_not_settled_or_not_why(built, name, corrected, changes):
    overturned(built, name, corrected)
    for row in built.of["actions"]:
        row.update(changes)
    assert found(built)[name]["is_overturned"] is False


def test_a_contradicted_claim_has_the_sentence_of_the_evidence_word_for_word(built):
    row = found(built)["ada-wrong"]
    [claim] = row["claims"]
    assert claim["suggested_correction"] == SENTENCE
    assert claim["evidence_uri"] == "https://handbook.example/warranty"
    assert row["response"][claim["start"] : claim["end"]] == claim["text"] == "The warranty lasts 24 months."


def test_only_the_deciding_sentence_of_a_passage_is_quoted(built):
    verdict = next(v for v in built.of["verdicts"] if v["output_id"] == ids.digest("output", "ada-wrong"))
    verdict |= {"decisive_start": 4, "decisive_end": 28}
    assert found(built)["ada-wrong"]["claims"][0]["suggested_correction"] == SENTENCE[4:28]
    verdict |= {"decisive_start": None, "decisive_end": None}
    assert found(built)["ada-wrong"]["claims"][0]["suggested_correction"] is None


def test_what_the_evidence_does_not_settle_has_no_correction_and_supported_claims_are_left_out(built):
    rows = found(built)
    [conflict], [unsettled] = rows["bob-conflict"]["claims"], rows["bob-open"]["claims"]
    assert (conflict["verdict"], conflict["suggested_correction"]) == ("insufficient", None)
    assert (unsettled["suggested_correction"], unsettled["evidence_uri"]) == (None, None)


def test_an_answer_that_was_escalated_for_another_reason_has_no_claims_and_one_row_of_a_sheet(built):
    silent = next(a for a in built.of["actions"] if a["output_id"] == ids.digest("output", "bob-silent"))
    silent["action"] = "escalated"
    frames = {name: frame.lazy() for name, frame in built.frames().items()}
    rows = Rows(**{field.name: frames[field.name] for field in dataclasses.fields(Rows)})
    flat = by_claim(pending(rows))
    [row] = flat.filter(pl.col("source_id") == "bob-silent").to_dicts()
    assert row["claim_id"] is None
    assert flat.height == 6  # two claims of "hostile", one of each other answer, and this one


def test_the_last_action_counts(built):
    action = next(a for a in built.of["actions"] if a["output_id"] == ids.digest("output", "ada-wrong"))
    later = {"action_id": "e" * 64, "action": "delivered", "decided_at": NOW + timedelta(hours=1)}
    built.of["actions"].insert(0, action | later)
    assert "ada-wrong" not in found(built)


def test_of_an_answer_with_a_finding_only_ids_and_places_are_given(built):
    built.of["findings"].append(finding("ada-wrong"))
    row = found(built)["ada-wrong"]
    [claim] = row["claims"]
    assert row["is_withheld"]
    assert row["response"] is None
    assert {claim[name] for name in ("text", "reason", "suggested_correction", "evidence_uri")} == {None}
    assert (claim["verdict"], claim["start"], claim["end"]) == ("contradicted", 0, 29)


def test_erased_and_superseded_answers_are_left_out(lake, tmp_path):
    built = report_lake.rows()
    wrong, hostile = (ids.digest("output", name) for name in ("ada-wrong", "hostile"))
    for row in built.of["outputs"]:
        if row["output_id"] == wrong:
            row["response"] = ERASED
        if row["source_id"] == "cleo":
            row["supersedes"] = hostile
    other = Lake.open(str(tmp_path / "lake"))
    for name, frame in built.frames().items():
        folder = other.root / "tables" / name / "date=2026-03-01"
        folder.mkdir(parents=True)
        frame.write_parquet(folder / "part.parquet")
    assert set(action_sheets.waiting(other)["source_id"]) == {"bob-conflict", "bob-open"}
    assert action_sheets.waiting(lake)["source_id"].to_list()[0] == "ada-wrong"


def test_the_command_lists_and_exports_for_a_pipeline_and_an_erasure_reaches_the_files(
    lake, tmp_path, capsys
):
    place = ["--lake", str(lake.root)]
    assert main(["actions", "list", *place]) == 0
    shown = capsys.readouterr().out
    assert "answers to act on: 3 (2 escalated, 1 rephrased)" in shown
    assert "1 answer is left out: the action was taken (--done shows them)" in shown
    assert f"quoted from the evidence: “{SENTENCE}”" in shown
    assert not any(character in shown for character in "\x1b\u202e\u200b")

    records, sheet = tmp_path / "a.jsonl", tmp_path / "a.csv"
    for file in (records, sheet):
        assert main(["actions", "export", str(file), "--done", *place, "--quiet"]) == 0
    first = json.loads(records.read_text().splitlines()[0])
    assert first["claims"][0]["suggested_correction"] == SENTENCE
    assert first["produced_at"].startswith("2026-03-03T09:30")
    rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"), newline="")))
    assert [row["source_id"] for row in rows].count("hostile") == 2
    assert HOSTILE in rows[1]["response"]

    wrong = ids.digest("output", "ada-wrong")
    disclosed.erase(lake, wrong, [])
    for file in (records, sheet):
        text = file.read_text("utf-8-sig")
        assert "warranty" not in text
        assert wrong in text
        assert "Returns are free of charge." in text

    assert main(["actions", "list", *place, "--from", "2027-01-01"]) == 0
    assert capsys.readouterr().out == "no answer needs to be rephrased or escalated\n"
    for refused in (
        ["export", "a.txt"],
        ["list", "--limit", "0"],
        ["list", "--from", "2026-03-02", "--to", "2026-03-01"],
    ):
        assert main(["actions", *refused, *place]) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_a_cell_that_a_spreadsheet_would_run_is_made_text(lake, tmp_path):
    rows = action_sheets.waiting(lake).with_columns(agent=pl.lit("=cmd|' /C calc'!A1"))
    file = tmp_path / "a.csv"
    action_sheets.export(lake, rows, file)
    assert "'=cmd|" in file.read_text("utf-8-sig")
    assert ",=cmd|" not in file.read_text("utf-8-sig")
