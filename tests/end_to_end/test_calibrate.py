"""`claimledger calibrate` as a user types it, and a lake that is judged under what it wrote."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.reviews import import_reviews
from tasks import ids
from tasks.lake import runs
from tasks.lake.store import Lake
from tasks.review import reviews
from tasks.review.erase import erase
from tasks.review.queue import QueueParameters
from tasks.settings import policy_document
from tasks.verify import calibration
from tasks.verify.calibration import Calibration
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings
from tests.end_to_end.conftest import Answer
from tests.support import reaudit_lake
from tests.support.ledger_lake import ACTOR
from tests.support.reaudit_lake import FACTS, NOON, Team
from tests.support.small_verifier import small_folder, small_verifier

Command = Callable[..., Answer]
P = ["p_supported", "p_contradicted", "p_insufficient"]


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Three agents, one of which is always wrong, audited; a person has looked at every verdict."""
    team = reaudit_lake.made(tmp_path_factory.mktemp("team") / "team")
    with (team.folder / "outputs.jsonl").open("a") as stream:
        for number, (topic, (sentence, value)) in enumerate(FACTS.items()):
            at = NOON + timedelta(seconds=100 + number)
            row = {"id": f"third-{topic}", "at": at.isoformat(), "agent": "third-bot"}
            stream.write(json.dumps(row | {"text": sentence.format(value + 3)}) + "\n")
    team.audit()
    lake = Lake.open(team.settings.lake)
    sheet = team.folder / "queue.csv"
    reviews.export(lake, reviews.waiting(lake, QueueParameters(margin=1.0)), sheet)
    rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"), newline="")))
    for row in rows:
        right = any(sentence.format(value) == row["claim"] for sentence, value in FACTS.values())
        truth = "supported" if right else "contradicted"
        row["outcome"] = "confirmed" if row["verdict"] == truth else "overturned"
        row["corrected_verdict"] = "" if row["verdict"] == truth else truth
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    sheet.write_text(buffer.getvalue())
    assert import_reviews(team.settings, sheet, reviewer="a")["imported"] == 26
    return team


@pytest.fixture
def config(reviewed: Team, tmp_path: Path) -> Path:
    file = tmp_path / "claimledger.toml"
    file.write_text(f'lake = "{reviewed.settings.lake}"\n[verifier]\nmodel = "{small_folder()}"\n')
    return file


def test_what_people_decided_in_the_lake_calibrates_the_verifier(reviewed, config, tmp_path, command):
    done = command("calibrate", "-o", str(tmp_path / "c.json"), "--config", str(config), "--json")
    assert (done.code, done.err) == (0, "")
    said = done.document
    assert said["rows"] == 26
    [row] = said["figures"]
    assert (row["dataset"], row["rows"]) == ("reviews", 26)
    assert set(said["thresholds"]) == {"supported", "contradicted"}
    assert all(found["threshold"] is None for found in said["thresholds"].values())
    written = json.loads((tmp_path / "c.json").read_text())
    assert written["kind"] == "claimledger-calibration"
    assert written["verifier"] == load(small_verifier()).fingerprint
    assert written.items() >= {k: said[k] for k in ("temperature", "bias", "rows", "figures")}.items()
    assert "Harwick" not in (tmp_path / "c.json").read_text()
    assert (Calibration.from_dict(written), written["verifier"]) == calibration.read(tmp_path / "c.json")
    config.write_text(config.read_text() + 'calibration = "c.json"\n')
    again = command("calibrate", "-o", str(tmp_path / "d.json"), "--config", str(config), "--quiet")
    assert (again.code, again.out) == (0, "")
    assert (tmp_path / "c.json").read_bytes() == (tmp_path / "d.json").read_bytes()


def test_an_erased_answer_has_no_part_in_a_calibration(reviewed, tmp_path, command):
    copy = reviewed.copy(tmp_path / "copy")
    lake = Lake.open(copy.settings.lake)
    output = copy.table("outputs")["output_id"].sort()[0]
    judged = copy.table("verdicts").filter(pl.col("output_id") == output).height
    erase(lake, copy.settings.ledger, output, reason="r", run_id=ids.digest("e"), now=NOON, actor=ACTOR)
    file = tmp_path / "c.toml"
    file.write_text(f'lake = "{copy.settings.lake}"\n[verifier]\nmodel = "{small_folder()}"\n')
    done = command("calibrate", "-o", str(tmp_path / "c.json"), "--config", str(file), "--json")
    assert done.document["rows"] == 26 - judged


def test_pairs_of_files_are_calibrated_on_and_the_answer_is_for_people(tmp_path, config, command):
    rows = [
        {"claim": f"Item {i} weighs {i + j} kg.", "evidence": f"Item {i} weighs {i} kg.", "dataset": name,
         "label": "contradicted" if j else "supported"}
        for i in range(40) for j, name in ((0, "a"), (1, "b"), (0, "b"))
    ]  # fmt: skip
    pl.DataFrame(rows).write_ndjson(tmp_path / "p.jsonl")
    arguments = ("calibrate", str(tmp_path / "p.jsonl"), "-o", str(tmp_path / "new" / "c.json"))
    done = command(*arguments, "--config", str(config), "--risk", "0.5")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("120 pairs scored; calibration fitted on 60 of them: temperature ")
    assert [line.split()[0] for line in done.out.splitlines() if " → " in line] == ["a", "b", "all"]
    assert "threshold_supported = " in done.out
    assert "at or under 0.5 with 0.95 confidence on 60 rows" in done.out
    assert "`claimledger sample` draws one" in done.out
    assert calibration.read(tmp_path / "new" / "c.json")
    proposed = policy_document(tmp_path / "new" / "c.policy.toml")[0]
    assert f"threshold_supported = {proposed.threshold_supported:.2f} keeps the share of wrong" in done.out
    assert "at or under 0.5 with 0.95 confidence on 60 rows" in proposed.rationale
    assert (proposed.approver, proposed.approved_on) == ("", None), "a person has to approve it"
    scored = command(
        "score", str(tmp_path / "p.jsonl"), "-o", str(tmp_path / "s.parquet"), "--config", str(config)
    )
    assert scored.code == 0
    config.write_text(config.read_text() + 'calibration = "new/c.json"\n')
    moved = command(
        "score", str(tmp_path / "p.jsonl"), "-o", str(tmp_path / "t.parquet"), "--config", str(config)
    )
    assert moved.code == 0
    before, after = (pl.read_parquet(tmp_path / f"{name}.parquet").select(P).to_numpy() for name in "st")
    fitted = calibration.read(tmp_path / "new" / "c.json")[0]
    assert after == pytest.approx(fitted.apply(before), abs=1e-4)


def test_pairs_that_stand_for_others_weigh_and_the_policy_says_how_far_it_holds(tmp_path, config, command):
    rows = [
        {"claim": f"Item {i} weighs {i + j} kg.", "evidence": f"Item {i} weighs {i} kg.",
         "label": "contradicted" if j else "supported", "weight": 2.0 if j else 6.0,
         "agent": "left-bot" if i % 2 else "right-bot"}
        for i in range(60) for j in (0, 1)
    ]  # fmt: skip
    pl.DataFrame(rows).write_ndjson(tmp_path / "p.jsonl")
    arguments = ("calibrate", str(tmp_path / "p.jsonl"), "-o", str(tmp_path / "c.json"), "--risk", "0.5")
    done = command(*arguments, "--config", str(config))
    assert (done.code, done.err) == (0, "")
    assert "they are worth 96 pairs of equal weight" in done.out  # (60·2 + 60·6)² / (60·2² + 60·6²)
    assert [line.split()[:2] for line in done.out.splitlines() if line.startswith("agent ")] == [
        ["agent", "left-bot"],
        ["agent", "right-bot"],
    ]
    rationale = policy_document(tmp_path / "c.policy.toml")[0].rationale
    assert "the claims that the 120 labelled pairs stand for by their weights (worth 96 pairs" in rationale
    assert "by a bound for weighted rows" in rationale
    assert "agent left-bot: precision " in rationale
    document = json.loads((tmp_path / "c.json").read_text())
    assert document["effective_rows"] == 96.0
    assert [row["value"] for row in document["accuracy"]] == ["all pairs", "left-bot", "right-bot"]
    assert {each["bound"] for each in document["thresholds"].values()} == {"betting"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--risk", "0"], "--risk is 0.0, expected a number between 0 and 1"),
        (["--confidence", "95"], "--confidence is 95.0, expected a number between 0 and 1"),
        (["--risk", "nan"], "--risk is nan"),
        (["missing.jsonl"], "missing.jsonl: no such file"),
        (["bare.jsonl"], "no column 'label'"),
        (["few.jsonl"], "calibration needs 20 labelled pairs or more, and there are 1"),
        (["--lake", "nowhere"], "no review yields a label yet"),
        (["light.jsonl"], "light.jsonl: weight 0.0 is not a number above 0"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(config, elsewhere, command, arguments, said):
    Path("bare.jsonl").write_text('{"claim": "a", "evidence": "b"}\n')
    Path("few.jsonl").write_text('{"claim": "a", "evidence": "b", "label": "supported"}\n')
    light = '{"claim": "a", "evidence": "b", "label": "supported", "weight": %s}\n'
    Path("light.jsonl").write_text(light % 1.5 + light % 0.0)
    done = command("calibrate", *arguments, "-o", "c.json", "--config", str(config))
    assert done.code == 2
    assert done.err.startswith("claimledger: ")
    assert done.err.count("\n") == 1
    assert said in done.err
    assert not Path("c.json").exists()


def test_a_file_that_cannot_be_written_is_one_sentence(config, elsewhere, command):
    Path("file").write_text("")
    done = command("calibrate", "-o", "file/c.json", "--config", str(config))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "file" in done.err


def test_a_calibration_of_another_verifier_is_refused_before_anything_is_judged(config, elsewhere, command):
    calibration.write(Path("c.json"), Calibration(), load(small_verifier()), {})
    values = json.loads(Path("c.json").read_text())
    Path("c.json").write_text(json.dumps(values | {"verifier": "0" * 64}))
    Path("p.jsonl").write_text('{"claim": "a", "evidence": "b"}\n')
    config.write_text(config.read_text() + f'calibration = "{Path("c.json").absolute()}"\n')
    done = command("score", "p.jsonl", "-o", "s.jsonl", "--config", str(config))
    assert done.code == 2
    assert "c.json: calibrates the verifier 000000000000, the configured one is " in done.err
    assert not Path("s.jsonl").exists()


def test_an_audit_judges_under_the_calibration_and_a_reaudit_names_it_as_the_cause(reviewed, tmp_path):
    copy = reviewed.copy(tmp_path / "team")
    doubt = Calibration(temperature=1.0, bias=-15.0)
    calibration.write(tmp_path / "c.json", doubt, load(small_verifier(), threads=1), {})
    doubting = copy.with_(verifier=replace(small_verifier(), calibration=str(tmp_path / "c.json")))
    done = doubting.reaudit()
    found = doubting.flips(done)
    assert done.extra["changed"] == ["the verifier"]
    assert found.filter(pl.col("verdict_before") == "supported").height > 0
    assert set(found["cause"]) == {"verifier"}
    assert set(found["attribution"]) == {"one_at_a_time"}
    verdicts = copy.table("verdicts")
    old, new = (
        verdicts.filter(pl.col("run_id").eq(done.run_id) == is_new).sort("claim_id")
        for is_new in (False, True)
    )
    assert old["claim_id"].to_list() == new["claim_id"].to_list()
    assert set(old["verifier"]).isdisjoint(new["verifier"])
    assert new.select(P).to_numpy() == pytest.approx(doubt.apply(old.select(P).to_numpy()), abs=1e-4)
    # The lake remembers the calibration too, so that this verifier can be had again later.
    (known,) = (
        known
        for identity, known in runs.known_verifiers(Lake.open(copy.settings.lake)).items()
        if identity in set(new["verifier"])
    )
    assert load(VerifierSettings(**known["settings"]), threads=1).fingerprint == known["fingerprint"]
    # Judged again under the same calibration nothing is new; without it, the first verdicts stand.
    assert doubting.reaudit().extra["flips"] == done.extra["flips"]
    assert copy.reaudit().extra["flips"] == 0
