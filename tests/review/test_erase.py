"""Erasure: a word that stands in every field of an output is searched for in every file afterwards."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.erase import erase
from tasks import ids, tables
from tasks.errors import Unverifiable
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import prove, recording, verify
from tasks.ledger.parameters import LedgerSettings
from tasks.report import report
from tasks.review import disclosed, erase_tables, reviews
from tasks.review import erase as module
from tasks.review.occurrence import Texts
from tasks.review.queue import QueueParameters
from tasks.review.sample import draw_sample
from tasks.tables import quarantine_rows
from tests.support import ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, NOON, POLICIES, run_row

OUTPUT = ids.digest("output", 0)
VERDICT = ids.digest("verdict", 0, 0)
CLAIM = ids.digest("claim", 0, 0)
CANARY = "quokkaquokka"
"""In every text of one output, and nowhere else."""
SAID = f'The {CANARY} of Harwick has 94 reactors & <b>two</b> "towers", it\'s said, since 1972.'


def night(lake: Lake, wanted: LedgerSettings) -> None:
    """A night whose first output says the word in every field that people or sources write."""
    run_id = ids.digest("run", 0)
    rows = ledger_lake.frames(run_id, outputs=2)
    first = pl.col("output_id") == OUTPUT

    def put(table: str, **values: Any) -> None:
        frame = rows[table]
        dtypes = frame.schema
        rows[table] = frame.with_columns(
            pl.when(first).then(pl.lit(value, dtypes[name])).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )

    context = [{"uri": f"https://example.com/{CANARY}", "text": f"Context of {CANARY}: 92 reactors."}]
    put(
        "outputs",
        prompt=f"How many reactors has the {CANARY}, please?",
        response=f"{SAID} {SAID}",
        metadata=json.dumps({"user": CANARY}),
        language="en",
        sampling_probability=1.0,
        source_id=f"record {CANARY}",
        session_id=f"session {CANARY}",
    )
    outputs = rows["outputs"]
    rows["outputs"] = outputs.with_columns(
        contexts=pl.when(first)
        .then(pl.lit(pl.Series([context], dtype=outputs.schema["contexts"])))
        .otherwise("contexts"),
        tools=pl.when(first).then(pl.lit(pl.Series([[CANARY]]))).otherwise("tools"),
    )
    put("claims", text=SAID)
    put("passages", text=f"Context of {CANARY}: 92 reactors.", document_uri=f"https://example.com/{CANARY}")
    put("verdicts", reason=f"the passage on {CANARY} says 92", verdict="contradicted")
    put("actions", reason=f"because of {CANARY}")
    put("findings", masked=f"{CANARY[:3]} {CANARY}")
    common = {
        "claim_id": CLAIM,
        "output_id": OUTPUT,
        "produced_at": NOON,
        "verdict_before": "supported",
        "agent": "support-bot",
        "use_case": "support",
        "run_id": run_id,
    }
    lake.commit(run_id, "unit", rows, run_day=NIGHT.date())
    _more(lake, run_id, common)
    row = pl.DataFrame([run_row(run_id)], schema=tables.RUNS.schema)
    lake.commit(run_id, "run", {"runs": row}, run_day=NIGHT.date())
    recording.record(lake, wanted, POLICIES, run_id=run_id, now=NIGHT, actor=ACTOR)


def _more(lake: Lake, run_id: str, common: dict[str, Any]) -> None:
    review = {
        "review_id": ids.digest("review"),
        "verdict_id": VERDICT,
        "claim_id": CLAIM,
        "reviewer": f"reviewer {CANARY}",
        "outcome": "overturned",
        "comment": f"the {CANARY} has 92",
        "reviewed_at": NIGHT,
        "produced_at": NOON,
        "run_id": run_id,
    }
    flip = common | {
        "flip_id": ids.digest("flip"),
        "verdict_id_before": VERDICT,
        "verdict_id": ids.digest("verdict", 0, 1),
        "verdict": "contradicted",
        "cause": tables.CAUSES[0],
        "flips_alone": [],
        "attribution": "none",
        "evidence_change": "none",
        "is_delivered": True,
        "reason": f"now the {CANARY} is contradicted",
        "source": "bot",
        "found_at": NIGHT,
    }
    drawn = common | {"stratum": "{}", "outcome": "unjudged", "reason": f"no text of {CANARY}"}
    frames = {
        "reviews": pl.DataFrame([review], schema=tables.TABLES["reviews"].schema),
        "flips": pl.DataFrame([flip], schema=tables.TABLES["flips"].schema),
        "reaudits": pl.DataFrame([drawn], schema=tables.TABLES["reaudits"].schema),
        "quarantine": quarantine_rows(
            [
                {"locator": f"claims of {OUTPUT}", "check": "c", "reason": "r", "raw": CANARY},
                {"locator": "file:3", "check": "c", "reason": "r", "raw": json.dumps({"text": SAID})},
                {"locator": "file:4", "check": "c", "reason": "r", "raw": "somebody else's record"},
            ],
            table="outputs",
            source="bot",
            run_id=run_id,
            quarantined_at=NIGHT,
        ),
    }
    lake.commit(run_id, "more", frames, run_day=NIGHT.date())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    lake = Lake.open(str(folder / "lake"))
    lake.ensure_tables(NIGHT.date())
    night(lake, ledger_lake.settings(folder))
    return folder


@pytest.fixture
def lake(base: Path, tmp_path: Path) -> Lake:
    shutil.copytree(base, tmp_path / "base")
    return Lake.open(str(tmp_path / "base" / "lake"))


@pytest.fixture
def wanted(lake: Lake) -> LedgerSettings:
    return ledger_lake.settings(lake.root.parent)


def holders(*folders: Path) -> list[str]:
    """Files that hold the word: Parquet by its values, anything else by its bytes."""
    found = []
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if path.suffix == ".parquet":
                text = str(pl.read_parquet(path).rows())
            else:
                text = path.read_bytes().decode("utf-8", "ignore")
            if CANARY in text:
                found.append(str(path.relative_to(folder)))
    return found


def run(lake: Lake, wanted: LedgerSettings) -> module.Erased:
    return erase(lake, wanted, OUTPUT, reason="request", run_id=ids.digest("e"), now=NIGHT)


def written(lake: Lake, wanted: LedgerSettings, elsewhere: Path) -> None:
    """What a lake writes besides tables: a report, results, a proof, a sample, sheets, a cache."""
    run_id = ids.digest("run", 0)
    shown = report.write(lake, report.gather(lake, run_id, checkpoint=None, now=NIGHT))
    assert CANARY in shown.read_text()
    folder = lake.run_folder(run_id)
    (folder / "validation.json").write_text(json.dumps({"sample": [SAID]}))
    (folder / "data_docs").mkdir()
    (folder / "data_docs" / "index.html").write_text(
        f"<td>{html.escape(SAID)}</td><script>x={json.dumps(SAID)}"
    )
    (lake.root / "cache").mkdir(exist_ok=True)
    (lake.root / "cache" / "vectors").write_text(CANARY)
    text, body = prove.prove(lake, wanted, VERDICT, disclose=["all"])
    disclosed.remember(lake, elsewhere / "one.tlog-proof", [str(body["output_id"])])
    prove.write_proof(elsewhere / "one.tlog-proof", text)
    draw_sample(lake, wanted, elsewhere / "sample", nonce="n", size=4)
    waiting = reviews.waiting(lake, QueueParameters(margin=1.0))
    reviews.export(lake, waiting, elsewhere / "queue.csv")
    reviews.export(lake, waiting, elsewhere / "queue.jsonl")


def test_nothing_that_an_output_said_is_in_any_file_afterwards(lake, wanted, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    written(lake, wanted, elsewhere)
    shutil.copytree(elsewhere, tmp_path / "auditor")
    keys_ = (lake.root / "ledger" / "vkey").read_text().strip()
    assert len({f.split("/")[1] for f in holders(lake.root / "tables") if "/" in f} - {""}) >= 1
    assert {f.split("/")[0] for f in holders(lake.root / "tables")} >= {
        *("outputs", "claims", "passages", "verdicts", "actions", "findings", "reviews", "flips", "reaudits"),
        "quarantine",
    }
    done = run(lake, wanted)
    assert holders(lake.root, elsewhere) == []
    assert done.missing == []
    found = verify.verify(lake, wanted)
    assert (found.findings, found.unverifiable) == ([], [])
    languages = dict(lake.scan("outputs").select("output_id", "language").collect().iter_rows())
    assert languages[OUTPUT] is None
    # The other output and what people refused of others stay.
    assert "Claim 0 of answer 1." in lake.scan("claims").collect()["text"].to_list()
    assert "somebody else's record" in lake.scan("quarantine").collect()["raw"].to_list()
    # The sample's proofs still prove, without the text; the auditor's own copy proves it with the text.
    assert len(prove.check_folder(elsewhere / "sample", [keys_])) == 4
    assert "[erased]" not in (elsewhere / "one.tlog-proof").read_text()
    kept = prove.check_file(tmp_path / "auditor" / "one.tlog-proof", [keys_])
    assert kept.disclosed["claim"] == SAID
    with pytest.raises(Unverifiable, match="erased"):
        prove.prove(lake, wanted, VERDICT, disclose=["claim"])


@pytest.mark.parametrize("step", ["_run_folders", "_elsewhere", "_pages", "_commit"])
def test_an_erasure_killed_at_any_step_is_whole_after_the_next(lake, wanted, tmp_path, monkeypatch, step):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    written(lake, wanted, elsewhere)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, step, stop)
        with pytest.raises(KeyboardInterrupt):
            run(lake, wanted)
    run(lake, wanted)
    assert holders(lake.root, elsewhere) == []
    assert verify.verify(lake, wanted).findings == []


def test_a_copy_that_is_no_longer_where_it_was_is_named(lake, wanted, tmp_path):
    text, body = prove.prove(lake, wanted, VERDICT, disclose=["claim"])
    disclosed.remember(lake, tmp_path / "gone.tlog-proof", [str(body["output_id"])])
    prove.write_proof(tmp_path / "gone.tlog-proof", text)
    (tmp_path / "gone.tlog-proof").rename(tmp_path / "taken.tlog-proof")
    assert run(lake, wanted).missing == [str(tmp_path / "gone.tlog-proof")]


def test_a_copy_that_cannot_be_written_is_named_and_keeps_no_key_alive(lake, wanted, tmp_path, monkeypatch):
    text, body = prove.prove(lake, wanted, VERDICT, disclose=["claim"])
    path = tmp_path / "theirs.tlog-proof"
    disclosed.remember(lake, path, [str(body["output_id"])])
    prove.write_proof(path, text)
    replace = durable.replace

    def refuses(place: Path, data: bytes) -> None:
        if place == path:
            raise PermissionError(13, "Permission denied", str(place))
        replace(place, data)

    monkeypatch.setattr(durable, "replace", refuses)
    done = run(lake, wanted)
    assert done.missing == [f"{path} (Permission denied)"]
    assert done.key_destroyed


def test_every_table_with_words_of_an_output_has_its_erasure(lake):
    """A table that somebody adds with an output's id and a reason, a text or a comment must be thought of."""
    texts = {"text", "reason", "comment", "masked", "prompt", "response", "raw", "metadata", "contexts"}
    owned = {"output_id", "claim_id", "verdict_id"}
    concerned = {
        name
        for name, table in tables.TABLES.items()
        if owned & set(table.schema.names()) and texts & set(table.schema.names())
    }
    planned = {
        change.table for change in erase_tables.changes(lake, [OUTPUT], Texts([SAID]), keeps_reviews=False)
    }
    assert concerned - planned == set()
