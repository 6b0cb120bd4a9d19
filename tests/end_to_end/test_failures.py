"""Errors are part of the interface: one sentence, the contract's exit code, nothing lost, no traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from flows import run
from tasks import doctor
from tasks.health import signals
from tasks.lake.store import Lake
from tests.end_to_end.conftest import Answer, read

Command = Callable[..., Answer]
A_LOG = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
A_STAGE = re.compile(r"\d\d:\d\d:\d\dZ .*\([\d.]+ s\)$")


def one_sentence(done: Answer) -> str:
    lines = [line for line in done.err.splitlines() if not A_STAGE.match(line)]
    assert len(lines) == 1, done.err
    assert lines[0].startswith("claimledger: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["audti"], "audti"),
        (["audit", "--sinse", "2026-11-01"], "sinse"),
        (["audit", "--since", "yesterday"], "since"),
        (["audit", "--since", "2026-11-02", "--until", "2026-11-01"], "is after"),
        (["audit", "--config", "none.toml"], "no such configuration file"),
        (["backfill"], "--from"),
        (["backfill", "--from", "2026-11-02", "--to", "2026-11-01"], "is after"),
        (["score"], "PAIRS"),
        (["score", "none.jsonl", "-o", "out.jsonl"], "none.jsonl"),
        (["init", "--from-source", "pigeon"], "unknown kind of source"),
        (["init", "--from-source", "files", "--path", "none"], "no such file or folder"),
        (["index"], "no corpus is configured"),
        (["deploy"], "PREFECT_API_URL is not set"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_2(
    team: Path, command: Command, arguments: list[str], sentence: str
) -> None:
    done = command(*arguments)
    assert done.code == 2, (done.out, done.err)
    assert sentence.lower() in one_sentence(done).lower()
    assert done.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit"],
        ["audit", "--lake", "lake"],
        ["backfill", "--from", "2026-11-01", "--to", "2026-11-02"],
        ["reaudit"],
        ["drift"],
        ["index"],
        ["review", "list"],
        ["review", "import", "queue.csv", "--lake", "lake"],
        ["ledger", "verify"],
        ["erase", "--output-id", "0", "--reason", "asked for", "--lake", "lake"],
        ["deploy"],
        ["serve"],
    ],
)
def test_in_a_folder_without_a_configuration_nothing_is_done(
    elsewhere: Path, command: Command, arguments: list[str]
) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert one_sentence(done).startswith("claimledger: no claimledger.toml in this folder; ")
    assert "`claimledger init`" in done.err
    assert "`claimledger demo`" in done.err
    assert list(elsewhere.iterdir()) == []


def test_who_only_reads_a_lake_or_scores_pairs_needs_no_configuration(
    elsewhere: Path, command: Command
) -> None:
    Lake.open("lake").ensure_tables(date(2026, 11, 1))
    listed = command("review", "list", "--lake", "lake", "--json")
    assert (listed.code, listed.document["waiting"]) == (0, 0)
    scored = command("score", "none.jsonl", "-o", "out.jsonl")
    assert scored.code == 2
    assert "none.jsonl" in one_sentence(scored)


@pytest.mark.usefixtures("no_models")
def test_doctor_in_a_folder_without_a_configuration_says_that_and_exits_2(
    elsewhere: Path, command: Command
) -> None:
    done = command("doctor", "--json")
    assert done.code == 2
    wrong = {check["name"]: check["detail"] for check in done.document if not check["ok"]}
    assert "no claimledger.toml in this folder" in wrong["configuration"]


def test_a_missing_source_fails_the_night_with_1_but_the_others_are_audited(
    team: Path, command: Command
) -> None:
    config = team / "claimledger.toml"
    config.write_text(
        config.read_text().replace(
            "[corpus]\n", '[[sources]]\nname = "gone"\npath = "gone/*.jsonl"\n\n[corpus]\n', 1
        )
    )
    done = command("audit", "--json")
    assert done.code == 1
    assert "gone" in one_sentence(done)
    assert done.document["records_out"] == 5
    health = {row["target"]: row["ok"] for row in read(team / "lake", "health").iter_rows(named=True)}
    assert health == {"sample": True, "gone": False}
    asked = command("health", "--json")
    assert (asked.code, "gone is down: " in asked.err) == (1, True)
    states = {row["target"]: row["ok"] for row in asked.document["extra"]["health"]}
    assert states == health


def test_health_ends_badly_where_a_source_is_unusual_and_well_where_it_is_as_usual(
    team: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("health").code == 0
    monkeypatch.setattr(signals, "of_pace", lambda *_: ["late: nothing since 2026-11-05"])
    asked = [command("health") for _ in range(2)]
    # The second time it is not a new alarm, and still not well.
    assert [each.code for each in asked] == [1, 1]
    assert all("sample: late: nothing since 2026-11-05" in each.err for each in asked)


def test_a_missing_corpus_is_one_sentence(team: Path, command: Command) -> None:
    config = team / "claimledger.toml"
    config.write_text(config.read_text().replace('# path = "docs"', 'path = "docs"'))
    done = command("audit")
    assert done.code == 2
    assert "docs" in one_sentence(done)


@pytest.mark.parametrize("section", ["retrieve", "verifier"])
def test_a_model_folder_that_is_no_model_is_one_sentence(
    team: Path, command: Command, monkeypatch: pytest.MonkeyPatch, section: str
) -> None:
    (team / "notamodel").mkdir()
    (team / "notamodel" / "readme.txt").write_text("nothing")
    monkeypatch.setenv(f"CLAIMLEDGER__{section.upper()}__MODEL", str(team / "notamodel"))
    done = command("audit")
    assert done.code == 2
    assert "notamodel" in one_sentence(done)


def test_a_read_only_lake_is_one_sentence(team: Path, command: Command) -> None:
    (team / "lake").mkdir(mode=0o500)
    # Root may write into any folder but those of the kernel.
    done = command("audit", "--lake", "/sys/lake" if os.geteuid() == 0 else str(team / "lake"))
    assert done.code == 2
    assert "lake" in one_sentence(done)


def mounted(*options: str) -> bool:
    done = subprocess.run(["mount", "-t", "tmpfs", *options], capture_output=True, check=False)
    return done.returncode == 0


def test_a_full_disk_is_said_and_the_next_run_goes_on_from_there(
    team: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = team / "lake"
    lake.mkdir()
    if shutil.which("mount") is None or not mounted("-o", "size=400k", "tmpfs", str(lake)):
        pytest.skip("this user may not mount a disk; test_store_crashes fails every single write instead")
    try:
        refused = one_sentence(command("audit"))
        assert refused.startswith(f"claimledger: {lake}: only ")
        assert "free some space and run again" in refused
        with monkeypatch.context() as patch:
            patch.setattr(run, "LEAST_ROOM_BYTES", 0)  # as where somebody else fills the disk meanwhile
            done = command("audit")
        assert done.code == 2
        last = done.err.strip().splitlines()[-1]
        assert last.startswith(f"claimledger: {lake}")
        assert "No space left on device" in last
        assert "free some space and run again" in last
        assert mounted("-o", "remount,size=64m", "tmpfs", str(lake))
        again = command("audit", "--json")
        assert again.code == 0, again.err
        assert read(lake, "outputs").height == 5
        assert read(lake, "verdicts").height == read(lake, "verdicts")["verdict_id"].n_unique() > 0
    finally:
        subprocess.run(["umount", str(lake)], capture_output=True, check=False)


def test_a_detector_that_nobody_knows_is_refused_before_anything_is_judged(
    team: Path, command: Command
) -> None:
    config = team / "claimledger.toml"
    config.write_text(config.read_text().replace('"email"', '"emial"'))
    done = command("audit")
    assert done.code == 2
    assert "did you mean email?" in one_sentence(done)
    assert not (team / "lake").exists()


def test_a_lake_that_is_a_file_is_one_sentence(team: Path, command: Command) -> None:
    (team / "lake").write_text("not a folder")
    done = command("audit")
    assert done.code == 2
    assert "lake" in one_sentence(done)


def test_an_unknown_scheme_of_lake_is_one_sentence(team: Path, command: Command) -> None:
    done = command("audit", "--lake", "gopher://example/lake")
    assert done.code == 2
    assert "gopher" in one_sentence(done)


def test_hostile_records_are_quarantined_and_the_good_ones_audited(team: Path, command: Command) -> None:
    good = json.loads((team / "sample" / "outputs.jsonl").read_text().splitlines()[0])
    lines = [
        b'{"trace": {"id": "x1"}, "timestamp": "2026-11-01T00:00:00Z"}',
        b"[" * 10_000 + b"]" * 10_000,
        b"\xff\xfe\x00",
        b'{"output": {"text": NaN}}',
        json.dumps({**good, "timestamp": "1970-01-01T00:00:00Z"}).encode(),
        json.dumps({**good, "timestamp": "2126-01-01T00:00:00Z"}).encode(),
        json.dumps({**good, "timestamp": "2026-11-01 10:00"}).encode(),
        json.dumps({**good, "trace": {"id": "x2"}, "output": {"text": "nul \x00 inside"}}).encode(),
        json.dumps({**good, "trace": {"id": "x3"}, "agent": "<script>alert(1)</script>"}).encode(),
        # As many good ones that the bad ones are the smaller part of the source.
        *(json.dumps({**good, "trace": {"id": f"good {number}"}}).encode() for number in range(4)),
    ]
    (team / "sample" / "hostile.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    done = command("audit", "--json")
    assert done.code == 0, done.err
    document = done.document
    assert document["records_in"] == 5 + len(lines)
    assert document["records_quarantined"] == 8
    refused = read(team / "lake", "quarantine")
    assert refused.height == 8
    assert all("hostile.jsonl" in locator for locator in refused["locator"])
    page = Path(document["report"]).read_text("utf-8")
    assert "<script>alert(1)</script>" not in page


def test_an_export_that_is_refused_as_a_whole_ends_the_night_badly_and_is_read_again(
    team: Path, command: Command
) -> None:
    file = team / "sample" / "outputs.jsonl"
    file.write_text(file.read_text().replace('"output"', '"outcome"'))
    for _ in range(2):
        done = command("audit", "--json")
        assert done.code == 1
        assert "5 of 5 records were refused and not audited" in done.err
        health = read(team / "lake", "health").sort("checked_at").row(-1, named=True)
        assert (health["target"], health["ok"]) == ("sample", False)
        page = Path(done.document["report"]).read_text("utf-8")
        assert "5 of 5 records were refused and not audited; correct the source." in page
    file.write_text(file.read_text().replace('"outcome"', '"output"'))
    assert command("audit", "--json").document["records_out"] == 5


def test_an_answer_of_two_megabytes_is_audited_or_refused_by_name(team: Path, command: Command) -> None:
    record = json.loads((team / "sample" / "outputs.jsonl").read_text().splitlines()[0])
    record["trace"]["id"], record["output"]["text"] = "long", "The plant has 92 reactors. " * 75_000
    (team / "sample" / "long.jsonl").write_text(json.dumps(record) + "\n")
    done = command("audit", "--json")
    assert done.code == 0, done.err
    assert done.document["records_out"] == 6
    refused = read(team / "lake", "quarantine")
    assert refused.filter(refused["table"] == "claims").height == 1


def test_doctor_says_what_is_wrong_and_what_to_do(team: Path, command: Command) -> None:
    assert command("doctor").code == 0
    (team / "sample" / "outputs.jsonl").unlink()
    done = command("doctor", "--json")
    assert done.code == 1
    wrong = [check for check in done.document if not check["ok"]]
    assert [check["name"] for check in wrong] == ["source sample"]
    assert wrong[0]["advice"]
    quiet = command("doctor", "--quiet")
    assert (quiet.code, quiet.out) == (1, "")
    assert one_sentence(quiet).startswith("claimledger: source sample: ")


@pytest.mark.usefixtures("no_models")
def test_the_doctor_finds_a_mapped_path_that_no_record_has(team: Path, command: Command) -> None:
    config = team / "claimledger.toml"
    config.write_text(
        config.read_text().replace('contexts = "retrieval.documents"', 'contexts = "documents"')
    )
    done = command("doctor", "--quiet")
    assert done.code == 1
    sentence = one_sentence(done)
    assert sentence.startswith("claimledger: mapping sample: ")
    assert "fields.contexts = 'documents'" in sentence
    assert "init --from-source files" in sentence


def test_a_policy_without_a_version_is_refused_because_an_auditor_reads_it(
    team: Path, command: Command
) -> None:
    policy = team / "policies" / "default.toml"
    policy.write_text(policy.read_text().replace('version = "1"', ""))
    done = command("audit")
    assert done.code == 2
    assert "default.toml: the policy default has no version" in one_sentence(done)
    assert not (team / "lake").exists()


def test_drift_of_an_empty_lake_says_that_there_is_nothing_to_measure(team: Path, command: Command) -> None:
    done = command("drift")
    assert done.code == 0
    assert "nothing to measure: the lake has no audited answers on these days" in done.out


def test_a_witness_whose_port_is_taken_says_so(team: Path, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command(
            "ledger", "witness", "--folder", "witness", "--name", "witness.example/w1", "--log", A_LOG,
            "--port", port,
        )  # fmt: skip
    assert done.code == 2
    assert f"127.0.0.1 port {port}: Address already in use; choose another" in one_sentence(done)


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor without the two checks that load a model, which the test above makes."""
    monkeypatch.setattr(doctor, "_embedder", lambda _settings: "well")
    monkeypatch.setattr(doctor, "_verifier", lambda _settings: "well")


@pytest.mark.usefixtures("no_models")
def test_doctor_looks_at_the_lake_that_a_url_names_and_exits_3_when_it_is_damaged(
    team: Path, command: Command
) -> None:
    lake = Lake.open(str(team / "my lake"))
    lake.ensure_tables(date(2026, 11, 1))
    url = lake.root.as_uri()
    sound = command("doctor", "--lake", url, "--json")
    assert sound.code == 0, sound.out
    found = {check["name"]: check["detail"] for check in sound.document}
    assert str(lake.root) in found["lake"]
    assert "digest" in found["lake files"]
    file = next((lake.root / "tables" / "claims").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    damaged = command("doctor", "--lake", url)
    assert damaged.code == 3
    assert "damaged files: 1, first tables/claims/" in damaged.out


@pytest.mark.usefixtures("no_models")
def test_doctor_goes_on_when_a_part_breaks_in_a_way_nobody_foresaw(
    team: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_settings: object) -> str:
        raise RuntimeError("libwrong.so:\nundefined symbol")

    monkeypatch.setattr(doctor, "_embedder", broken)
    done = command("doctor", "--json")
    assert done.code == 1
    wrong = [check for check in done.document if not check["ok"]]
    assert [check["name"] for check in wrong] == ["embedding model"]
    assert wrong[0]["detail"] == "RuntimeError: libwrong.so: undefined symbol"
    assert done.document[-1]["name"] == "prefect server"


@pytest.mark.usefixtures("no_models")
def test_doctor_says_of_a_lake_that_cannot_be_one_what_is_wrong(team: Path, command: Command) -> None:
    done = command("doctor", "--lake", "gopher://example/lake", "--json")
    assert done.code == 1
    wrong = {check["name"]: check["detail"] for check in done.document if not check["ok"]}
    assert list(wrong) == ["lake"]
    assert "gopher" in wrong["lake"]


def test_documents_that_cannot_be_read_are_named_and_the_others_indexed(team: Path, command: Command) -> None:
    (team / "docs").mkdir()
    (team / "docs" / "plant.md").write_text("The Harwick plant has 92 reactors in service.\n")
    (team / "docs" / "torn.pdf").write_bytes(b"%PDF-1.4\nnonsense")
    (team / "docs" / "latin.txt").write_bytes("Café".encode("latin-1"))
    config = team / "claimledger.toml"
    config.write_text(config.read_text().replace('# path = "docs"', 'path = "docs"'))
    first = command("index")
    assert first.code == 0, first.err
    assert "1 passages of 1 documents in 3 files: 1 new, 0 changed, 2 refused" in first.out
    assert "latin.txt: not UTF-8 text at byte 3" in first.out
    assert "torn.pdf: the PDF is damaged or not a PDF" in first.out
    again = command("index", "--json").document
    assert (again["passages"], again["passages_new"], again["files_without_documents"]) == (1, 0, 2)
    assert (again["index"]["kind"], again["index"]["recall"]) == ("flat", 1.0)
    last = read(team / "lake", "runs").sort("started_at")["counts"][-1]
    assert json.loads(last)["passages"]["index"] == again["index"]
    checks = {check["name"]: check["detail"] for check in command("doctor", "--json").document}
    assert checks["corpus index"] == f"snapshot {again['snapshot'][:12]}: every passage compared"
