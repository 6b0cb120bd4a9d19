"""Proofs, witnesses, erasure and samples: what leaves the lake and stands by itself."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from tasks import ids
from tasks.errors import ConfigError, InputError, IntegrityError, Unverifiable
from tasks.lake.store import Lake
from tasks.ledger import events, keys, merkle, notes, opening, proofs, prove, recording, verify
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, Note, Proof
from tasks.ledger.parameters import LedgerSettings, WitnessSettings
from tasks.ledger.witness import witness, witness_server
from tasks.review.erase import erase
from tasks.review.sample import draw_sample
from tests.support import ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, POLICIES, night

CHECKER = Path(__file__).parents[2] / "docs" / "auditor" / "check_proof.py"
VERDICT = ids.digest("verdict", 0, 0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings]:
    folder = tmp_path_factory.mktemp("base")
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    for number in range(2):
        night(lake, wanted, number)
    return lake, wanted


@pytest.fixture
def wanted(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> LedgerSettings:
    shutil.copytree(str(base[1].key_folder), tmp_path / "keys")
    return replace(base[1], key_folder=str(tmp_path / "keys"))


@pytest.fixture
def lake(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> Lake:
    shutil.copytree(base[0].root, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


def key_of(lake: Lake) -> str:
    return (lake.root / "ledger" / "vkey").read_text().strip()


def outside(file: Path, *keys_: str) -> int:
    """Exit status of the stand-alone checker, run without the project on its path."""
    done = subprocess.run(
        [sys.executable, "-I", str(CHECKER), str(file), *keys_],
        capture_output=True,
        text=True,
        check=False,
        cwd=file.parent,
    )
    assert done.stderr == ""
    return done.returncode


def stand_alone() -> Any:
    """The stand-alone checker as a module."""
    spec = importlib.util.spec_from_file_location("check_proof", CHECKER)
    assert spec
    assert spec.loader
    checker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    return checker


def ours(file: Path, *keys_: str) -> int:
    try:
        prove.check_file(file, keys_)
    except (IntegrityError, Unverifiable) as error:
        return error.exit_code
    return 0


@pytest.fixture
def proof_file(lake: Lake, wanted: LedgerSettings, tmp_path: Path) -> Path:
    text, _ = prove.prove(lake, wanted, VERDICT, disclose=["all"])
    prove.write_proof(tmp_path / "verdict.tlog-proof", text)
    return tmp_path / "verdict.tlog-proof"


def test_a_proof_stands_alone_and_opens_what_was_disclosed(lake, proof_file):
    found = prove.check_file(proof_file, [key_of(lake)])
    assert found.event["verdict"] == "supported"
    assert found.disclosed == {
        "claim": "Claim 0 of answer 0.",
        "passage 0": "Passage 0",
        "passage 1": "Passage 1",
    }
    assert outside(proof_file, key_of(lake)) == 0


def test_the_checker_takes_a_file_of_keys_and_says_first_what_people_read(lake, proof_file, tmp_path, capsys):
    """In the words of `ledger check`: texts, times and shares; digests and the event as logged come last."""
    from tasks.ledger import words

    checker, file = stand_alone(), lake.root / "ledger" / "vkey"
    assert checker.main([str(proof_file), str(file)]) == 0
    said = capsys.readouterr().out.split("\nThe event as it was logged:")[0].splitlines()
    checked = prove.check_file(proof_file, [str(file)])
    assert said[1:] == list(words.lines(checked.event, checked.disclosed))
    assert said[0].startswith(f"proven: event {checked.index} of ")
    assert said[1:4] == ["claim: Claim 0 of answer 0.", "passage 0: Passage 0", "passage 1: Passage 1"]
    assert {"verdict: supported", "p supported: 70.0%", "occurred at: 2026-11-02 03:00:00 UTC"} <= {*said}
    (tmp_path / "empty").write_text("")
    for wrong in ("nowhere", str(tmp_path / "empty"), str(tmp_path)):
        assert checker.main([str(proof_file), wrong]) == 2
        assert "neither a public key" in capsys.readouterr().out


def test_what_hides_in_a_disclosed_text_is_shown_by_both_checkers(lake, wanted):
    from flows.commands.console import plain
    from tasks.ledger import words

    body = {"kind": "review", "occurred_at_us": 0, "before": "a\u202eb\x1b[2J"}
    texts = {"claim": "Größe\n\u202efnord\tend"}
    ours_said = [plain(line) for line in words.lines(body, texts)]
    assert list(stand_alone().words(body, [{"field": "claim", "text": texts["claim"]}])) == ours_said
    assert ours_said[0] == "claim: Größe\\u000a\\u202efnord\tend"


def test_without_disclosure_a_proof_holds_no_text(lake, wanted):
    text, _ = prove.prove(lake, wanted, VERDICT)
    extra = Proof.parse(text).extra
    assert extra is not None
    assert b"Claim 0" not in extra
    assert b"Passage" not in extra


def _forged(proof: Proof, lake: Lake) -> Iterator[tuple[str, str, int]]:
    """Name of the defect, the text, the expected exit status."""
    extra = json.loads(proof.extra or b"")
    head, other = proof.checkpoint, merkle.leaf_hash(b"x")

    def text(**changes: object) -> str:
        return str(Proof(**({**proof.__dict__} | changes)))  # type: ignore[arg-type]

    def event(change: dict[str, object]) -> bytes:
        return json.dumps({**extra, **change}, sort_keys=True, separators=(",", ":")).encode()

    def note(body: str) -> Checkpoint:
        return Checkpoint.parse(Note(body, head.note.signatures))

    stranger = keys.new_signer("example.com/test")
    foreign = Note(head.note.text, (notes.sign(head.note.text, stranger.public, stranger.sign),))
    elsewhere = notes.checkpoint_text("example.com/other", head.size, head.root)
    own = keys.new_signer("example.com/other")
    yield "wrong index", text(index=proof.index + 1), 3
    yield "index beyond the tree", text(index=10**9), 3
    yield "wrong size", text(checkpoint=note(notes.checkpoint_text(head.origin, head.size + 1, head.root))), 3
    yield "other tree", text(checkpoint=note(notes.checkpoint_text(head.origin, head.size, other))), 3
    yield "extra node", text(path=(*proof.path, other)), 3
    yield "missing node", text(path=proof.path[:-1]), 3
    yield "changed node", text(path=(other, *proof.path[1:])), 3
    yield (
        "another event",
        text(extra=event({"event": extra["event"].replace("supported", "contradicted", 1)})),
        3,
    )
    changed = [{**extra["disclosed"][0], "text": "Another claim."}, *extra["disclosed"][1:]]
    yield "another text disclosed", text(extra=event({"disclosed": changed})), 3
    moved = [{**extra["disclosed"][0], "field": "passage 0"}]
    yield "disclosed as another field", text(extra=event({"disclosed": moved})), 3
    yield "other key", text(checkpoint=Checkpoint.parse(foreign)), 2
    yield (
        "another origin",
        text(checkpoint=Checkpoint.parse(Note(elsewhere, (notes.sign(elsewhere, own.public, own.sign),)))),
        2,
    )
    yield "not a proof", "hello\n\nworld\n\n", 3


def test_forged_proofs_are_refused_by_ours_and_by_the_stand_alone_checker(lake, proof_file, tmp_path):
    proof = Proof.parse(proof_file.read_bytes())
    for defect, text, status in _forged(proof, lake):
        file = tmp_path / "forged.tlog-proof"
        file.write_text(text)
        assert (ours(file, key_of(lake)), outside(file, key_of(lake))) == (status, status), defect


def test_neither_checker_ever_says_another_word_than_the_other(lake, proof_file, tmp_path, capsys):
    """1,500 damaged proofs: bits flipped, bytes lost or added, lines exchanged, `extra` rewritten."""
    checker = stand_alone()
    key, file = key_of(lake), tmp_path / "damaged.tlog-proof"
    random = Random(2026)  # noqa: S311 - the same damage at every run
    good = proof_file.read_bytes()
    without = str(dataclasses.replace(Proof.parse(good), extra=None)).encode()
    words: Counter[int] = Counter()
    for data in [good, without, *(_damaged(good, random) for _ in range(1500))]:
        file.write_bytes(data)
        said = (ours(file, key), checker.main([str(file), key]))
        assert said[0] == said[1], data
        words[said[0]] += 1
    capsys.readouterr()
    assert words[3] > 1000
    assert words[2] >= 1
    # Only what is not looked at may be damaged: the name of a signer that nobody knows is a line less.
    assert words[0] >= 1


def _damaged(good: bytes, random: Random) -> bytes:
    data, kind = bytearray(good), random.randrange(5)
    at = random.randrange(len(data))
    if kind == 0:
        data[at] ^= 1 << random.randrange(8)
    elif kind == 1:
        del data[at : at + random.randrange(1, 4)]
    elif kind == 2:
        data[at:at] = random.choice([b"\n", b" ", b"=", b"+", b"0", b"\n\n", b"\x00", "é".encode()])
    elif kind == 3:
        lines = bytes(data).split(b"\n")
        one, other = random.randrange(len(lines)), random.randrange(len(lines))
        lines[one] = random.choice([lines[other], b""])
        return b"\n".join(lines)
    else:
        extra = bytearray(Proof.parse(good).extra or b"")
        place = random.randrange(len(extra))
        extra[place : place + 1] = random.choice(
            [b"", b" ", b'"', b"1.5", b"NaN", bytes([random.randrange(256)])]
        )
        return str(dataclasses.replace(Proof.parse(good), extra=bytes(extra))).encode()
    return bytes(data)


def test_an_unknown_schema_is_unverifiable_by_both(lake, wanted, tmp_path):
    body = json.dumps({"_schema": "00" * 32, "kind": "later"}, separators=(",", ":")).encode()
    leaf = merkle.leaf_hash(body)
    signer = keys.new_signer("example.com/later")
    text = notes.checkpoint_text("example.com/later", 1, leaf)
    head = Checkpoint.parse(Note(text, (notes.sign(text, signer.public, signer.sign),)))
    file = tmp_path / "later.tlog-proof"
    file.write_text(proofs.write(body, 0, [], head))
    assert (ours(file, str(signer.public)), outside(file, str(signer.public))) == (2, 2)


def test_the_stand_alone_checker_is_short_imports_nothing_of_ours_and_knows_every_schema():
    text = CHECKER.read_text()
    assert len(text.splitlines()) < 200
    imported = {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    }
    assert imported <= {*sys.stdlib_module_names, "cryptography"}
    assert all(schema[:20] in text for schema in events.known_schemas())
    formats = (CHECKER.parent / "formats.md").read_text()
    assert all(schema in formats for schema in events.known_schemas())


def test_an_unknown_event_or_field_is_refused_by_name(lake, wanted):
    with pytest.raises(InputError, match="no event with this id"):
        prove.prove(lake, wanted, "ab" * 32)
    with pytest.raises(InputError, match="this event commits to claim"):
        prove.prove(lake, wanted, VERDICT, disclose=["prompt"])


def test_a_missing_key_is_asked_for(proof_file):
    with pytest.raises(ConfigError, match="--key is missing"):
        prove.check_file(proof_file, [])


# Witnesses --------------------------------------------------------------------------------------------------


@pytest.fixture
def running_witness(lake: Lake, tmp_path: Path) -> Iterator[tuple[witness_server.Witness, str]]:
    opened = witness_server.Witness.open(
        tmp_path / "w", keys.parse_keys([key_of(lake)]), name="witness.example/w1"
    )
    with witness_server.server(opened, "127.0.0.1", 0, lambda: 1_793_600_000.5) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield opened, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_witness_over_http_cosigns_growth_and_proofs_carry_it(lake, wanted, running_witness, tmp_path):
    opened, url = running_witness
    key = str(opened.signer.public)
    watched = replace(wanted, witnesses=(WitnessSettings(name="w1", kind="http", url=url, key=key),))
    for number in (5, 6):
        night(lake, watched, number)
        head = Log.open(lake.root / "ledger").head
        assert len(head.note.signatures) == 2
        assert opened.head(head.origin).size == head.size  # type: ignore[union-attr]
    text, _ = prove.prove(lake, watched, VERDICT)
    file = tmp_path / "cosigned.tlog-proof"
    prove.write_proof(file, text)
    checked = prove.check_file(file, [key_of(lake), key])
    assert checked.cosigned == (("witness.example/w1", 1_793_600_000),)
    assert outside(file, key_of(lake), key) == 0
    assert verify.verify(lake, watched).findings == []


def test_a_witness_refuses_and_names_a_roll_back_and_a_fork(lake, wanted, running_witness, tmp_path):
    opened, url = running_witness
    watcher = WitnessSettings(name="w1", kind="http", url=url, key=str(opened.signer.public))
    copy = Lake.open(str(tmp_path / "older"))
    shutil.copytree(lake.root, copy.root)
    night(lake, wanted, 5)
    assert witness.tell(Log.open(lake.root / "ledger"), [watcher]) == []
    [problem] = witness.tell(Log.open(copy.root / "ledger"), [watcher])
    assert "the log was rolled back" in problem
    night(copy, wanted, 8, outputs=5)
    [problem] = witness.tell(Log.open(copy.root / "ledger"), [watcher])
    assert "rewritten" in problem or "forked" in problem


@pytest.mark.parametrize(
    ("defect", "status"),
    [
        ("garbage", 400),
        ("unknown log", 404),
        ("bad signature", 403),
        ("wrong old size", 409),
        ("bad proof", 422),
    ],
)
def test_a_witness_answers_as_tlog_witness_asks(lake, wanted, tmp_path, defect, status):
    opened = witness_server.Witness.open(tmp_path / "w", keys.parse_keys([key_of(lake)]), name="w")
    log = Log.open(lake.root / "ledger")
    sizes = [s for s in log.sizes() if s]
    first = log.checkpoint(sizes[0])
    assert opened.add_checkpoint(notes.submission(0, [], first.note).encode(), 1)[0] == 200
    proof = merkle.consistency_proof(sizes[0], log.head.size, log.node())
    old, note = sizes[0], log.head.note
    if defect == "unknown log":
        note = Note(note.text.replace("example.com/test", "example.com/x"), note.signatures)
    elif defect == "bad signature":
        line = note.signatures[0]
        note = Note(note.text, (notes.Signature(line.name, line.key_id, bytes(64)),))
    elif defect == "wrong old size":
        old = sizes[0] + 1
    elif defect == "bad proof":
        proof = [merkle.leaf_hash(b"x"), *proof[1:]]
    body = b"garbage" if defect == "garbage" else notes.submission(old, proof, note).encode()
    assert opened.add_checkpoint(body, 2)[0] == status
    assert opened.head(log.origin).size == sizes[0]  # type: ignore[union-attr]


def test_a_witness_that_is_down_or_not_allowed_is_a_problem_and_never_stops_the_night(lake, wanted):
    down = WitnessSettings(name="down", kind="http", url="http://127.0.0.1:9", key=None)
    plain = WitnessSettings(name="plain", kind="http", url="http://witness.example", key=None)
    watched = replace(wanted, witnesses=(down, plain))
    lake.commit("r", "u", ledger_lake.frames(ids.digest("n"), start=70), run_day=NIGHT.date())
    told = recording.record(lake, watched, POLICIES, run_id=ids.digest("n"), now=NIGHT, actor=ACTOR)
    assert told.appended == 12
    assert "cannot be reached" in told.problems[0]
    assert "https" in told.problems[1]


# Erasure ---------------------------------------------------------------------------------------------


def test_an_erased_output_is_gone_from_every_file_and_the_ledger_still_verifies(
    lake, wanted, proof_file, tmp_path
):
    output = ids.digest("output", 0)
    claim = "Claim 0 of answer 0."
    report = lake.report_folder("r") / "index.html"
    report.write_text(f"<p>{claim}</p><script>var x = {json.dumps(claim)}</script>")
    (lake.root / "cache").mkdir()
    (lake.root / "cache" / "vectors").write_bytes(b"x")
    done = erase(lake, wanted, output, reason="request", run_id=ids.digest("e"), now=NIGHT, actor=ACTOR)
    assert done.key_destroyed
    for path in lake.root.rglob("*"):
        if path.is_file() and path.suffix == ".parquet":
            columns = pl.read_parquet(path)
            assert claim not in str(columns.select(pl.col(pl.String)).rows()), path
        elif path.is_file():
            assert claim.encode() not in path.read_bytes(), path
    assert not (lake.root / "cache").exists()
    found = verify.verify(lake, wanted)
    assert (found.findings, found.unverifiable) == ([], [])
    assert found.erased == 4
    assert output in opening.erased_outputs(lake)
    # Whoever had the text and its key can still prove that it is what was logged.
    assert ours(proof_file, key_of(lake)) == 0
    with pytest.raises(Unverifiable, match="erased"):
        prove.prove(lake, wanted, VERDICT, disclose=["claim"])
    night(lake, wanted, 9)
    assert verify.verify(lake, wanted).findings == []


def test_nobody_can_guess_an_erased_text_from_the_log(lake, wanted):
    """The bare hash of the right text is not there, and the key that a commitment needs is gone."""
    import hashlib

    claim = "Claim 0 of answer 0."
    erase(
        lake,
        wanted,
        ids.digest("output", 0),
        reason="request",
        run_id=ids.digest("e"),
        now=NIGHT,
        actor=ACTOR,
    )
    logged = "".join(lake.scan("events").collect()["body"])
    assert hashlib.sha256(claim.encode()).hexdigest() not in logged
    opened = Log.open(lake.root / "ledger")
    vault = opening.vault_of(lake, wanted, opened.origin)
    assert vault.known_keys(pl.Series([ids.digest("output", 0)]))["key"].to_list() == [None]
    assert ids.digest("output", 0) not in vault.salts()["output_id"].to_list()


@pytest.mark.parametrize("step", ["_commit", "_run_folders"])
def test_an_interrupted_erasure_is_finished_by_running_it_again(lake, wanted, monkeypatch, step):
    from tasks.review import erase as module

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    output = ids.digest("output", 1)
    with monkeypatch.context() as patch:
        patch.setattr(module, step, stop)
        with pytest.raises(KeyboardInterrupt):
            erase(lake, wanted, output, reason="request", run_id=ids.digest("e"), now=NIGHT, actor=ACTOR)
    assert verify.verify(lake, wanted).findings == []
    erase(lake, wanted, output, reason="request", run_id=ids.digest("e2"), now=NIGHT, actor=ACTOR)
    assert lake.scan("events").filter(pl.col("kind") == "erasure").collect().height == 1
    assert "answer 1." not in str(lake.scan("claims").collect()["text"].to_list())


def test_a_check_of_the_ledger_lists_what_was_erased_out_of_the_log_alone(lake, wanted):
    output = ids.digest("output", 0)
    erase(lake, wanted, output, reason="request, ticket 17", run_id=ids.digest("e"), now=NIGHT, actor=ACTOR)
    whole = verify.verify(lake, wanted)
    [erasure] = whole.erasures
    assert (erasure.output_id, erasure.reason) == (output, "request, ticket 17")
    assert erasure.verdicts == {"supported": 2}
    assert erasure.erased_at == "2026-11-02 03:00:00 UTC"
    said = (
        f"event {erasure.index}, 2026-11-02 03:00:00 UTC: output {output[:12]} with 2 verdicts (2 supported)"
    )
    assert erasure.sentence.startswith(said)
    assert "; 1 output was erased, with 2 verdicts" in whole.statement
    night(lake, wanted, 9)
    assert verify.verify(lake, wanted, incremental=True).erasures == [erasure]


def test_rows_are_counted_as_rows_beside_the_references_to_them(lake, wanted):
    found = verify.verify(lake, wanted)
    rows = {
        table: lake.scan(table).collect().height for table in ("actions", "claims", "evidence", "verdicts")
    }
    assert rows["actions"] == 6
    assert {table: found.rows[table] for table in rows} == rows
    # Every verdict's event binds the action that rests on it, and so does the action's own.
    assert found.references["actions"] == rows["actions"] + rows["verdicts"]


@pytest.mark.parametrize("reason", ["asked for by Jane Doe", "for Mr Doe", "Maria Müller"])
def test_a_reason_that_names_somebody_is_refused_before_anything_is_erased(lake, wanted, reason):
    with pytest.raises(InputError, match="looks like a name"):
        erase(lake, wanted, ids.digest("output", 0), reason=reason, run_id="e", now=NIGHT, actor=ACTOR)
    assert verify.verify(lake, wanted).erasures == []


def test_a_reason_with_personal_data_never_enters_the_log(lake, wanted):
    with pytest.raises(ConfigError, match="stays for ever"):
        erase(
            lake,
            wanted,
            ids.digest("output", 0),
            reason="for jane@example.com",
            run_id="e",
            now=NIGHT,
            actor=ACTOR,
        )
    with pytest.raises(InputError, match="no output with this id"):
        erase(lake, wanted, "00" * 32, reason="request", run_id="e", now=NIGHT, actor=ACTOR)


# Samples ---------------------------------------------------------------------------------------------


def test_a_sample_is_a_folder_of_proofs_that_anybody_draws_again(lake, wanted, tmp_path):
    drawn = draw_sample(
        lake, wanted, tmp_path / "sample", nonce="november", confidence=0.9, tolerable=0.2, stratify="agent"
    )
    again = draw_sample(lake, wanted, tmp_path / "again", nonce="november", size=drawn.size, stratify="agent")
    facts = [json.loads((d.folder / "sample.json").read_text()) for d in (drawn, again)]
    assert facts[0]["indexes"] == facts[1]["indexes"]
    assert drawn.population == 12
    files = sorted((drawn.folder / "proofs").iterdir())
    assert len(files) == drawn.size
    assert [ours(f, key_of(lake)) for f in files] == [0] * drawn.size
    with (drawn.folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == drawn.size
    assert all(row["outcome"] == "" and row["verdict_id"] for row in rows)
    page = (drawn.folder / "index.html").read_text()
    assert "Claim" in page
    assert "<script" not in page
    other = draw_sample(lake, wanted, tmp_path / "other", nonce="december", size=3)
    assert other.seed != drawn.seed


def test_an_impossible_sample_is_refused(lake, wanted, tmp_path):
    for options in ({}, {"size": 3, "confidence": 0.9}, {"confidence": 1.5, "tolerable": 0.1}, {"size": 0}):
        with pytest.raises(InputError):
            draw_sample(lake, wanted, tmp_path / "s", nonce="n", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "s").exists()
