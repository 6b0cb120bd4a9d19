"""Human review: from the queue to a sheet, and from the filled-in sheet to rows and events."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.reviews import import_reviews
from tasks import ids
from tasks.errors import InputError, IntegrityError
from tasks.files import workbooks
from tasks.lake.store import Lake
from tasks.ledger import verify
from tasks.review import reviews
from tasks.review.erase import erase
from tasks.review.queue import QueueParameters
from tasks.review.sample import draw_sample
from tasks.settings import Settings
from tasks.tables import TABLES
from tests.support import ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, night

VERDICT = ids.digest("verdict", 0, 0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    lake = Lake.open(str(folder / "lake"))
    lake.ensure_tables(NIGHT.date())
    for number in range(2):
        night(lake, ledger_lake.settings(folder), number)
    return folder


@pytest.fixture
def settings(base: Path, tmp_path: Path) -> Settings:
    shutil.copytree(base, tmp_path / "copy")
    return Settings(lake=str(tmp_path / "copy" / "lake"), ledger=ledger_lake.settings(tmp_path / "copy"))


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake.open(settings.lake)


def sheet(path: Path, *rows: dict[str, str]) -> Path:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["verdict_id", "reviewer", "outcome", "corrected_verdict", "comment"])
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(buffer.getvalue())
    return path


def fill(path: Path, **values: str) -> None:
    """Fills in every line of a sheet as a person would."""
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(row | values for row in rows)
    path.write_text(buffer.getvalue())


def events_of(lake: Lake, kind: str) -> list[dict[str, Any]]:
    bodies = lake.scan("events").filter(pl.col("kind") == kind).sort("sequence").collect()["body"]
    return [json.loads(body) for body in bodies]


def sound(lake: Lake, settings: Settings) -> verify.Verified:
    found = verify.verify(lake, settings.ledger)
    assert (found.findings, found.unverifiable) == ([], [])
    return found


def test_an_answer_becomes_a_row_and_an_event_that_names_the_verification(lake, settings, tmp_path):
    answer = {"verdict_id": VERDICT, "reviewer": "a.meier", "outcome": "overturned"}
    file = sheet(
        tmp_path / "s.csv", {**answer, "corrected_verdict": "contradicted", "comment": "=cmd|' /C'!A1"}
    )
    done = import_reviews(settings, file)
    assert (done["imported"], done["refused"]) == (1, 0)
    [row] = lake.scan("reviews").collect().to_dicts()
    assert (row["verdict_id"], row["outcome"], row["comment"]) == (VERDICT, "overturned", "=cmd|' /C'!A1")
    [event] = events_of(lake, "review")
    assert (event["outcome"], event["corrected_verdict"]) == ("overturned", "contradicted")
    [earlier] = lake.scan("events").filter(pl.col("sequence") == event["earlier_index"]).collect().to_dicts()
    assert (earlier["kind"], earlier["subject_id"]) == ("verification", VERDICT)
    logged = "".join(lake.scan("events").collect()["body"])
    assert "meier" not in logged
    assert "cmd" not in logged
    phases = [e["phase"] for e in events_of(lake, "run") if e["flow"] == "review import"]
    assert phases == ["start", "end"]
    assert sound(lake, settings).rows["reviews"] == 1


def test_a_changed_answer_is_found(lake, settings, tmp_path):
    import_reviews(
        settings,
        sheet(tmp_path / "s.csv", {"verdict_id": VERDICT, "reviewer": "a", "outcome": "overturned"}),
    )
    path = next(f for f in lake.files("reviews") if pl.read_parquet(f).height)
    pl.read_parquet(path).with_columns(outcome=pl.lit("confirmed")).write_parquet(path)
    assert any("reviews" in sentence for sentence in verify.verify(lake, settings.ledger).findings)


def test_importing_a_sheet_twice_changes_nothing(lake, settings, tmp_path):
    file = sheet(tmp_path / "s.csv", {"verdict_id": VERDICT, "reviewer": "a", "outcome": "confirmed"})
    first, again = import_reviews(settings, file), import_reviews(settings, file)
    assert (first["imported"], again["imported"], again["already_there"]) == (1, 0, 1)
    assert lake.scan("reviews").collect().height == 1
    assert len(events_of(lake, "review")) == 1


def test_refused_lines_are_quarantined_with_file_and_line_and_the_others_go_on(lake, settings, tmp_path):
    file = sheet(
        tmp_path / "s.csv",
        {"verdict_id": VERDICT, "reviewer": "a", "outcome": "confirmed"},
        {"verdict_id": VERDICT[:-1], "reviewer": "a", "outcome": "confirmed"},
        {"verdict_id": "=HYPERLINK(1)", "reviewer": "eve <e@example.com>", "outcome": "<script>"},
    )
    done = import_reviews(settings, file)
    assert (done["lines"], done["imported"], done["refused"]) == (3, 1, 2)
    rows = lake.scan("quarantine").filter(pl.col("check") == "review_sheet").sort("locator").collect()
    assert rows["locator"].to_list() == ["s.csv:3", "s.csv:4"]
    assert "64 hexadecimal" in rows["reason"][0]
    assert "example.com" not in rows["raw"][1]
    [run] = lake.scan("runs").filter(pl.col("flow") == "review import").collect().to_dicts()
    assert (run["rows_in"], run["rows_out"], run["rows_quarantined"]) == (3, 1, 2)


def test_the_queue_goes_out_and_comes_back_and_is_empty_then(lake, settings, tmp_path):
    everything = QueueParameters(margin=1.0)
    waiting = reviews.waiting(lake, everything)
    assert waiting.height == 12
    file = tmp_path / "queue.csv"
    assert reviews.export(lake, waiting, file) == 12
    text = file.read_text("utf-8-sig")
    assert "Claim 0 of answer 0." in text
    assert "Passage 1" in text
    fill(file, reviewer="a", outcome="confirmed")
    assert import_reviews(settings, file)["imported"] == 12
    assert reviews.waiting(lake, everything).is_empty()


def test_an_export_for_annotation_tools_comes_back_as_json_lines(lake, settings, tmp_path):
    file = tmp_path / "queue.jsonl"
    reviews.export(lake, reviews.waiting(lake, QueueParameters(margin=1.0)).head(3), file)
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert records[0]["evidence"] == ["Passage 0", "Passage 1"]
    file.write_text("".join(json.dumps(r | {"outcome": "confirmed"}) + "\n" for r in records))
    assert import_reviews(settings, file, reviewer="a")["imported"] == 3


def test_what_people_decided_comes_out_as_labelled_pairs(lake, settings, tmp_path):
    by_verdict = dict(lake.scan("verdicts").select("verdict_id", "verdict").collect().iter_rows())
    supported = next(v for v, verdict in sorted(by_verdict.items()) if verdict == "supported")
    corrected, disputed, *confirmed = [v for v in sorted(by_verdict) if v != supported][:4]
    told = {v: {"verdict_id": v, "outcome": "confirmed"} for v in (disputed, *confirmed)}
    told[supported] = {"verdict_id": supported, "outcome": "overturned"}
    other = "contradicted" if by_verdict[corrected] != "contradicted" else "insufficient"
    told[corrected] = {"verdict_id": corrected, "outcome": "overturned", "corrected_verdict": other}
    import_reviews(settings, sheet(tmp_path / "a.csv", *told.values()), reviewer="a")
    doubt = {"verdict_id": disputed, "outcome": "overturned", "corrected_verdict": other}
    import_reviews(settings, sheet(tmp_path / "b.csv", doubt), reviewer="b")
    file = tmp_path / "pairs.jsonl"
    count = reviews.export_labelled(lake, file)
    pairs = {r["verdict_id"]: r for r in map(json.loads, file.read_text().splitlines())}
    assert count == len(pairs) == 4
    assert disputed not in pairs
    assert pairs[supported]["label"] == "not_supported"
    assert pairs[corrected]["label"] == other
    rest = set(pairs) - {supported, corrected}
    assert rest == set(confirmed)
    assert all(pairs[v]["label"] == by_verdict[v] for v in rest)
    assert all(pair["evidence"] and pair["claim"].startswith("Claim ") for pair in pairs.values())
    done = erase(
        lake,
        settings.ledger,
        pairs[supported]["output_id"],
        reason="r",
        run_id=ids.digest("e"),
        now=NIGHT,
        actor=ACTOR,
    )
    assert str(file) in done.files
    assert pairs[supported]["claim"] not in file.read_text()


def test_a_pair_weighs_as_many_verdicts_as_it_stands_for(lake, settings, tmp_path):
    verdicts = lake.scan("verdicts").select("verdict_id", "verdict", "output_id").sort("verdict_id").collect()
    chosen = verdicts.group_by("verdict", maintain_order=True).first()
    told = [{"verdict_id": v, "outcome": "confirmed"} for v in chosen["verdict_id"]]
    import_reviews(settings, sheet(tmp_path / "a.csv", *told), reviewer="a")
    pairs = reviews.labelled(lake)
    assert pairs.height == chosen.height
    # All alike within a verdict (no conflict, far from the thresholds): one read stands for all.
    counts = dict(verdicts["verdict"].value_counts().iter_rows())
    assert dict(pairs.select("label", "weight").iter_rows()) == pytest.approx(counts)
    drawn = pairs["output_id"][0]
    for file in (tmp_path / "copy" / "lake" / "tables" / "outputs").rglob("*.parquet"):
        share = pl.when(pl.col("output_id") == drawn).then(0.25).otherwise(1.0)
        pl.read_parquet(file).with_columns(sampling_probability=share).write_parquet(file)
    again = reviews.labelled(lake)
    ratio = (again["weight"] / pairs["weight"]).to_list()
    assert ratio == [4.0 if output == drawn else 1.0 for output in pairs["output_id"]]


def test_pairs_need_a_review_and_a_name_for_json_lines(lake, tmp_path):
    with pytest.raises(InputError, match="no review yields a label yet"):
        reviews.export_labelled(lake, tmp_path / "pairs.jsonl")
    with pytest.raises(InputError, match=r"ends in \.jsonl"):
        reviews.export_labelled(lake, tmp_path / "pairs.csv")


def test_erased_outputs_leave_queue_and_sheets_and_take_no_more_reviews(lake, settings, tmp_path):
    everything = QueueParameters(margin=1.0)
    file = tmp_path / "queue.csv"
    reviews.export(lake, reviews.waiting(lake, everything), file)
    done = erase(
        lake,
        settings.ledger,
        ids.digest("output", 0),
        reason="request",
        run_id=ids.digest("e"),
        now=NIGHT,
        actor=ACTOR,
    )
    assert str(file) in done.files
    assert "of answer 0." not in file.read_text("utf-8-sig")
    assert "of answer 1." in file.read_text("utf-8-sig")
    assert VERDICT not in reviews.waiting(lake, everything)["verdict_id"].to_list()
    fill(file, reviewer="a", outcome="confirmed")
    imported = import_reviews(settings, file)
    assert (imported["imported"], imported["refused"]) == (10, 2)
    assert "was erased" in imported["refusals"][0]


def test_a_file_that_is_no_sheet_fails_the_run_and_the_night_shows_it(lake, settings, tmp_path):
    file = tmp_path / "s.xlsx"
    file.write_bytes(b"PK\x03\x04 not a sheet")
    with pytest.raises(InputError, match="no review sheet"):
        import_reviews(settings, file)
    with pytest.raises(InputError, match="cannot be read"):
        import_reviews(settings, tmp_path / "missing.csv")
    ends = [
        e["status"] for e in events_of(lake, "run") if e["flow"] == "review import" and e["phase"] == "end"
    ]
    assert ends == ["failed", "failed"]
    sound(lake, settings)


# An auditor's sample -----------------------------------------------------------------------------------


def drawn(lake: Lake, settings: Settings, folder: Path, **options: Any) -> Path:
    return draw_sample(lake, settings.ledger, folder, nonce="november", **options).folder


def test_a_samples_filled_in_sheet_is_imported_and_evaluated(lake, settings, tmp_path):
    folder = drawn(lake, settings, tmp_path / "sample", confidence=0.9, tolerable=0.2)
    fill(folder / "results.csv", reviewer="auditor", outcome="confirmed")
    done = import_reviews(settings, folder / "results.csv")
    found = done["evaluation"]
    assert (found["examined"], found["deviations"], found["confidence"]) == (found["size"], 0, 0.9)
    # 12 verdicts, 20% tolerable: three would be too many, and a sample without one of them excludes three.
    assert found["upper_limit"] == pytest.approx(2 / 12)
    assert "within the tolerable 20.00%" in found["statement"]


def test_sheet_and_page_hold_what_is_needed_to_judge_and_lead_to_each_other(lake, settings, tmp_path):
    folder = drawn(lake, settings, tmp_path / "sample", size=2)
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        line = next(iter(csv.DictReader(file)))
    number = json.loads((folder / "sample.json").read_text())["indexes"][0]
    answer = " ".join(c for c in lake.scan("outputs").collect()["response"] if line["claim"] in c)
    assert line["event"] == str(number)
    assert line["page"] == f"index.html#e{number}"
    assert line["claim"].startswith("Claim ")
    assert line["answer"] == answer
    assert (line["verdict"], line["agent"], line["use_case"]) == ("supported", "support-bot", "support")
    assert line["reason"] == "A passage says the same."
    assert "reviewed_at" in line
    page = (folder / "index.html").read_text()
    article = page.split(f"<article id=e{number}>")[1].split("</article>")[0]
    assert f"Event {number}: supported" in article
    assert "line 2 of <a href=results.csv>" in article
    assert "A passage says the same." in article
    assert f"<mark>{line['claim']}</mark>" in article
    assert "passage 0 of <code>doc-0</code>" in article
    assert "supported 70.0%" in article


def test_the_deciding_sentence_and_its_document_are_in_sheet_and_page(lake, settings, tmp_path):
    from tasks.review import sample_page
    from tasks.review.sample_page import Item

    passage = {"rank": 1, "p_supported_u6": 1, "p_contradicted_u6": 999_999, "p_insufficient_u6": 0}
    about = {
        "documents": {"0": "other", "1": "handbook.md"},
        "decisive_rank": 1,
        "decisive_start": 7,
        "decisive_end": 26,
        "question": "<b>What?</b>",
    }
    body = {"verdict": "contradicted", "evidence": [passage]}
    item = Item(61, body, {"claim": "It may.", "passage 1": "First. It must not, ever. Last."}, about)
    cells = dict(zip(sample_page.SHOWN, sample_page.cells(item), strict=True))
    assert (cells["deciding_sentence"], cells["document"]) == ("It must not, ever. ", "handbook.md")
    beyond = Item(61, body, {"claim": "It may."}, about)
    assert dict(zip(sample_page.SHOWN, sample_page.cells(beyond), strict=True))["deciding_sentence"] == ""


def test_erased_items_leave_the_population_and_are_no_deviation_afterwards(lake, settings, tmp_path):
    ledger = settings.ledger
    erase(
        lake,
        ledger,
        ids.digest("output", 0),
        reason="request",
        run_id=ids.digest("e"),
        now=NIGHT,
        actor=ACTOR,
    )
    folder = drawn(lake, settings, tmp_path / "sample", size=6)
    facts = json.loads((folder / "sample.json").read_text())
    assert (facts["population"], facts["erased"]) == (10, 2)
    assert "2 more are of outputs that were erased before" in (folder / "index.html").read_text()
    fill(folder / "results.csv", reviewer="auditor", outcome="confirmed")
    output = lake.scan("verdicts").collect()
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        first = next(iter(csv.DictReader(file)))
    gone = output.filter(pl.col("verdict_id") == first["verdict_id"])["output_id"][0]
    done = erase(lake, ledger, gone, reason="request", run_id=ids.digest("e2"), now=NIGHT, actor=ACTOR)
    assert {"results.csv", "items.json", "index.html"} <= {Path(file).name for file in done.files}
    for file in ("results.csv", "items.json", "index.html"):
        assert first["claim"] not in (folder / file).read_text("utf-8-sig")
        assert first["answer"] not in (folder / file).read_text("utf-8-sig")
    # Lines that were filled in before the erasure count as examined: erasing an answer hides no deviation.
    result = import_reviews(settings, folder / "results.csv")["evaluation"]
    assert (result["size"], result["examined"], result["erased"], result["deviations"]) == (6, 6, 0, 0)
    blank = drawn(lake, settings, tmp_path / "blank", size=6, checkpoint=folder / "checkpoint")
    fill(blank / "results.csv", reviewer="another", outcome="confirmed")
    lines = (blank / "results.csv").read_text("utf-8-sig").splitlines()
    kept = [line for line in lines if first["verdict_id"] not in line]
    (blank / "results.csv").write_text("\n".join(kept) + "\n")
    result = import_reviews(settings, blank / "results.csv")["evaluation"]
    assert result["erased"] >= 1
    assert result["deviations"] == 0
    assert "erased since the draw and left out" in result["statement"]


def test_deviations_and_items_that_nobody_examined_raise_the_limit(lake, settings, tmp_path):
    folder = drawn(lake, settings, tmp_path / "sample", size=6)
    file = folder / "results.csv"
    lines = file.read_text("utf-8-sig").splitlines()
    filled = [line.replace(",,,,", ",auditor,overturned,,") for line in lines[1:3]]
    filled += [line.replace(",,,,", ",auditor,confirmed,,") for line in lines[3:6]]
    file.write_text("\n".join([lines[0], *filled, lines[6]]) + "\n")
    found = import_reviews(settings, file)["evaluation"]
    assert (found["size"], found["examined"], found["deviations"]) == (6, 5, 2)
    assert found["confidence"] == 0.95
    # Three of six, by counting: 9 of 12 bad would show 3 or fewer in 6 with a probability of C(9,3)/C(12,6).
    assert found["upper_limit"] == pytest.approx(9 / 12)
    assert "1 not examined" in found["statement"]


def test_a_stratified_sample_says_what_holds_of_each_stratum_and_of_all(lake, settings, tmp_path):
    folder = drawn(lake, settings, tmp_path / "sample", size=8, stratify="agent")
    fill(folder / "results.csv", reviewer="auditor", outcome="confirmed")
    found = import_reviews(settings, folder / "results.csv", confidence=0.9)["evaluation"]
    assert found["strata"]["support-bot"]["size"] == 8
    assert 0 < found["strata"]["support-bot"]["upper_limit"] <= found["upper_limit"] < 0.3


@pytest.mark.parametrize("change", ["indexes", "nonce", "checkpoint_root", "size"])
def test_items_that_the_seed_does_not_draw_are_no_sample(lake, settings, tmp_path, change):
    folder = drawn(lake, settings, tmp_path / "sample", size=4)
    facts = json.loads((folder / "sample.json").read_text())
    facts[change] = {
        "indexes": [i + 1 for i in facts["indexes"]],
        "nonce": "december",
        "checkpoint_root": "00" * 32,
        "size": 3,
    }[change]
    (folder / "sample.json").write_text(json.dumps(facts))
    fill(folder / "results.csv", reviewer="auditor", outcome="confirmed")
    with pytest.raises(IntegrityError, match="not the items that its seed draws"):
        import_reviews(settings, folder / "results.csv")
    assert lake.scan("reviews").collect().is_empty()


def test_a_sample_is_evaluated_long_after_the_log_has_grown(lake, settings, tmp_path):
    folder = drawn(lake, settings, tmp_path / "sample", size=5)
    night(lake, settings.ledger, 7)
    fill(folder / "results.csv", reviewer="auditor", outcome="confirmed")
    assert import_reviews(settings, folder / "results.csv")["evaluation"]["population"] == 12
    again = draw_sample(
        lake, settings.ledger, tmp_path / "again", nonce="november", size=5, checkpoint=folder / "checkpoint"
    )
    facts = [json.loads((f / "sample.json").read_text()) for f in (folder, again.folder)]
    assert facts[0] == facts[1]


def test_a_flip_of_a_delivered_answer_comes_first_with_its_cause(lake, settings):
    flip = {
        "flip_id": ids.digest("flip"),
        "claim_id": ids.digest("claim", 0, 0),
        "output_id": ids.digest("output", 0),
        "produced_at": ledger_lake.NOON,
        "verdict_id_before": VERDICT,
        "verdict_id": ids.digest("verdict", 0, 1),
        "verdict_before": "contradicted",
        "verdict": "supported",
        "cause": "verifier",
        "flips_alone": [],
        "attribution": "one_at_a_time",
        "evidence_change": "none",
        "is_delivered": True,
        "reason": "r",
        "source": "bot",
        "agent": "support-bot",
        "use_case": "support",
        "found_at": NIGHT,
        "run_id": ids.digest("reaudit"),
    }
    kept = flip | {
        "flip_id": ids.digest("other"),
        "verdict_id": ids.digest("verdict", 1, 0),
        "is_delivered": False,
    }
    frame = pl.DataFrame([flip, kept], schema=TABLES["flips"].schema)
    lake.commit(ids.digest("reaudit"), "flips", {"flips": frame}, run_day=NIGHT.date())
    waiting = reviews.waiting(lake, QueueParameters())
    assert waiting.select("verdict_id", "because", "detail").rows() == [
        (flip["verdict_id"], "flip", "was contradicted, now supported: verifier")
    ]


def cells(path: Path) -> list[list[str]]:
    return [row for _, row in workbooks.table(path.read_bytes()).rows]


def test_a_workbook_goes_out_and_comes_back_with_its_ids_and_without_a_formula(lake, settings, tmp_path):
    file = tmp_path / "queue.xlsx"
    assert reviews.export(lake, reviews.waiting(lake, QueueParameters(margin=1.0)), file) == 12
    book = workbooks.opened(file.read_bytes())
    assert {cell.data_type for row in book.active.iter_rows() for cell in row} <= {
        "s",
        "inlineStr",
        "n",
    }  # `n` is empty
    header, first = cells(file)[:2]
    line = dict(zip(header, first, strict=False))
    assert len(line["verdict_id"]) == 64
    assert line["answer"].startswith("Claim 0 of answer")
    assert (line["document"], line["reason"]) == ("doc-0", "A passage says the same.")
    sheet = book.active
    for column, text in (("reviewer", "a"), ("outcome", "unsure"), ("comment", "=1+1")):
        sheet.cell(2, header.index(column) + 1).value = text
    sheet.cell(3, header.index("outcome") + 1).value = "confirmed"
    sheet.merge_cells(start_row=3, end_row=4, start_column=1, end_column=1)
    book.save(file)
    done = import_reviews(settings, file, reviewer="b")
    assert (done["imported"], done["refused"], done["not_filled_in"]) == (1, 2, 9)
    assert "merged" in done["refusals"][0]
    [row] = lake.scan("reviews").collect().to_dicts()
    assert (row["verdict_id"], row["outcome"], row["comment"]) == (line["verdict_id"], "unsure", "=1+1")
    assert row["channel"] == "sheet"


def test_an_erasure_reaches_a_workbook(lake, settings, tmp_path):
    file = tmp_path / "queue.xlsx"
    reviews.export(lake, reviews.waiting(lake, QueueParameters(margin=1.0)), file)
    output_id = ids.digest("output", 0)
    when = {"run_id": ids.digest("run", "e"), "now": NIGHT, "actor": ACTOR}
    done = erase(lake, settings.ledger, output_id, reason="request 17", **when)
    assert str(file) in done.files
    texts = {cell for row in cells(file) for cell in row}
    assert not any("of answer 0." in text for text in texts)
    assert any("of answer 1." in text for text in texts)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04 and no more", "damaged"),
        (b"verdict_id;outcome;comment\n" + b"\xe4;\xf6;\xfc\n" * 9, "9 of its lines are not UTF-8"),
    ],
)
def test_a_file_that_is_no_sheet_is_one_sentence(settings, tmp_path, data, says):
    file = tmp_path / "sheet.csv"
    file.write_bytes(data)
    with pytest.raises(InputError, match=says):
        import_reviews(settings, file)


def test_a_sheet_imported_again_does_not_outdo_what_was_decided_since(lake, settings, tmp_path):
    line = {"verdict_id": VERDICT, "reviewer": "a"}
    file = sheet(tmp_path / "first.csv", {**line, "outcome": "confirmed"})
    import_reviews(settings, file)
    import_reviews(settings, sheet(tmp_path / "second.csv", {**line, "outcome": "overturned"}))
    assert import_reviews(settings, file)["imported"] == 0
    rows = lake.scan("reviews").sort("reviewed_at").collect()
    assert rows["outcome"].to_list() == ["confirmed", "overturned"]
    assert rows["supersedes"].to_list() == [None, rows["review_id"][0]]
