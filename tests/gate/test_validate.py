"""The gate: two engines agree, bad rows go to quarantine with a reason, systematic failure stops a run."""

from __future__ import annotations

import json
import logging
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import tables
from tasks.errors import GateError
from tasks.gate import great_expectations, suite_files, suites
from tasks.gate.validate import RESULTS, Validator
from tasks.schema import Between, Table
from tasks.tables import TABLES
from tests.support import lake_frames

Frames = Callable[..., dict[str, pl.DataFrame]]
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def validator(tmp_path: Path) -> Validator:
    return gate(tmp_path / "run")


def gate(folder: Path, **changes: Any) -> Validator:
    return Validator(folder, **{"data_docs": False, "run_id": "f" * 64, "now": NOW, **changes})


def returned(folder: Path) -> list[dict[str, Any]]:
    """What Great Expectations returned, as it is stored in a run's folder."""
    return [json.loads(line) for line in (folder / great_expectations.RESULTS).read_text().splitlines()]


def evidence(count: int) -> pl.DataFrame:
    """Valid rows of the table with every kind of rule."""
    digests = [f"{number:064x}" for number in range(count)]
    return pl.DataFrame(
        {
            "claim_id": digests,
            "output_id": digests,
            "verifier": "a" * 64,
            "snapshot": "b" * 64,
            "rank": 0,
            "passage_id": digests,
            "origin": "context",
            "retrieval_score": 0.5,
            "p_supported": 0.2,
            "p_contradicted": 0.3,
            "p_insufficient": 0.5,
            "tokens_offered": 40,
            "tokens_seen": 40,
            "windows": 1,
            "produced_at": NOW,
            "run_id": "f" * 64,
        }
    ).select(pl.col(name).cast(dtype) for name, dtype in TABLES["evidence"].schema.items())


def changed(frame: pl.DataFrame, row: int, **values: Any) -> pl.DataFrame:
    here = pl.int_range(pl.len()) == row
    return frame.with_columns(
        pl.when(here).then(pl.lit(value, dtype=frame.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def test_good_rows_pass_unchanged_and_every_expectation_was_evaluated(
    validator: Validator, frames: Frames
) -> None:
    for name, frame in (*frames(10).items(), ("evidence", evidence(10))):
        checked = validator.check(name, frame)
        assert checked.good.equals(frame)
        assert checked.quarantine.equals(tables.QUARANTINE.empty())
        assert checked.failures == ()
    results = validator.results()
    assert [(r["table"], r["first_day"], r["last_day"], r["rows"]) for r in results] == [
        ("outputs", "2026-01-02", "2026-01-03", 10),
        ("claims", "2026-01-02", "2026-01-03", 20),
        ("quarantine", None, None, 1),
        ("evidence", "2026-01-02", "2026-01-02", 10),
    ]
    for result, stored in zip(results, returned(validator.folder), strict=True):
        suite = suite_files.committed(str(result["table"]))
        assert result["suites"] == {suite.file: suite.sha256}
        assert result["evaluated"] == len(stored["results"]) == len(suite.body["expectations"])
        assert stored["success"]
        assert stored["suite_name"] == result["table"]


@pytest.mark.parametrize(
    ("values", "check", "reason"),
    [
        ({"p_supported": 1.5}, "expect_column_values_to_be_between(p_supported)",
         "p_supported is 1.5, expected 0 to 1"),
        ({"p_supported": float("nan")}, "expect_column_values_to_be_in_set(required_missing)",
         "p_supported missing, expected a value in every required column"),
        ({"origin": "hearsay"}, "expect_column_values_to_be_in_set(origin)",
         "origin is hearsay, expected one of context, tool, corpus, looked_up"),
        ({"claim_id": "0" * 64 + "\n"}, "expect_column_values_to_match_regex(claim_id)", "claim_id is 0000"),
        ({"tokens_seen": 41}, "expect_column_pair_values_a_to_be_greater_than_b(tokens_seen)",
         "tokens_seen is 41, expected not above tokens_offered"),
        ({"tokens_seen": 39}, "expect_column_pair_values_to_be_equal(tokens_seen)",
         "tokens_seen is 39, expected to equal tokens_offered where p_insufficient is below 1"),
        ({"passage_id": None}, "expect_column_values_to_be_in_set(required_missing)", "passage_id missing"),
        ({"rank": -1}, "expect_column_values_to_be_between(rank)", "rank is -1, expected 0 or more"),
    ],
)  # fmt: skip
def test_a_row_that_breaks_a_rule_goes_to_quarantine_with_expectation_and_reason_and_the_rest_goes_on(
    values: dict[str, Any], check: str, reason: str, validator: Validator
) -> None:
    frame = changed(evidence(5), 2, **values)
    checked = validator.check("evidence", frame)
    assert checked.good.equals(frame.filter(pl.int_range(pl.len()) != 2))
    row = checked.quarantine.row(0, named=True)
    assert checked.quarantine.height == 1
    assert row["check"] == check
    assert row["reason"].startswith(reason)
    assert check in {f"{failure.expectation}({failure.column})" for failure in checked.failures}
    assert validator.results()[0]["evaluated"] == len(suites.checks(TABLES["evidence"]))


def test_what_did_not_fit_but_was_called_insufficient_for_certain_is_not_silent_truncation(
    validator: Validator,
) -> None:
    frame = changed(
        evidence(3), 1, tokens_seen=0, windows=0, p_supported=0.0, p_contradicted=0.0, p_insufficient=1.0
    )
    assert validator.check("evidence", frame).good.height == 3


def test_the_second_row_of_a_key_is_refused_the_first_goes_on_and_counts_reconcile(
    validator: Validator, frames: Frames
) -> None:
    frame = frames(4)["outputs"]
    frame = pl.concat([frame, frame.head(1), frame.head(1)])
    checked = validator.check("outputs", frame)
    assert checked.good.equals(frame.head(4))
    assert checked.quarantine.height == 2
    assert checked.quarantine["row_sha256"].is_unique().all()


def test_a_row_without_a_day_is_refused_and_not_lost(validator: Validator, frames: Frames) -> None:
    checked = validator.check("outputs", changed(frames(4)["outputs"], 1, produced_at=None))
    assert checked.good.height == 3
    assert checked.quarantine["reason"].to_list() == [
        "produced_at missing, expected a value in every required column"
    ]


def test_quarantine_results_and_pages_carry_nothing_that_people_wrote(tmp_path: Path, frames: Frames) -> None:
    canary = "my card is 4111 1111 1111 1111"
    validator = gate(tmp_path, data_docs=True, maximum_quarantine_ratio=1.0)
    outputs = frames(2)["outputs"].with_columns(
        prompt=pl.lit(canary), response=pl.lit(canary), agent=pl.lit(None, dtype=pl.String)
    )
    claims = frames(2)["claims"].with_columns(text=pl.lit(canary), kind=pl.lit("rumour"))
    for name, frame in (("outputs", outputs), ("claims", claims)):
        good = frames(1)[name].head(1).with_columns(pl.lit("9" * 64).alias(TABLES[name].key[0]))
        checked = validator.check(name, pl.concat([frame, good]))
        assert checked.quarantine.height == frame.height
        assert "4111" not in str(checked.quarantine.to_dicts())
        assert "4111" not in str(checked.failures)
    validator.finish()
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"4111" not in file.read_bytes(), file


def test_a_wrong_schema_fails_the_gate_and_says_which_column(validator: Validator, frames: Frames) -> None:
    sentence = "outputs: column model is missing; column mood is not declared; report this as a bug"
    with pytest.raises(GateError, match=re.escape(sentence)):
        validator.check("outputs", frames(2)["outputs"].drop("model").with_columns(mood=pl.lit(1)))
    assert validator.results()[0]["gate_failed"]
    assert json.loads((validator.folder / RESULTS).read_text("utf-8"))["results"] == plain(
        validator.results()
    )


def plain(results: list[dict[str, object]]) -> list[dict[str, object]]:
    return json.loads(json.dumps(results))  # type: ignore[no-any-return]


def test_a_few_bad_rows_of_a_small_table_are_bad_rows_and_no_systematic_failure(tmp_path: Path) -> None:
    validator = gate(tmp_path, maximum_quarantine_ratio=0.2)
    checked = validator.check("evidence", evidence(1).with_columns(rank=pl.lit(-1, pl.Int32)))
    assert (checked.good.height, checked.quarantine.height) == (0, 1)


@pytest.mark.parametrize(("bad", "fails"), [(20, False), (21, True)])
def test_more_refused_rows_than_tolerated_fail_the_gate(bad: int, fails: bool, tmp_path: Path) -> None:
    validator = gate(tmp_path, maximum_quarantine_ratio=0.2)
    frame = evidence(100).with_columns(
        rank=pl.when(pl.int_range(pl.len()) < bad).then(-1).otherwise("rank").cast(pl.Int32)
    )
    if fails:
        sentence = (
            r"evidence: validation refused 21 of 100 rows, .*expect_column_values_to_be_between\(rank\)"
        )
        with pytest.raises(GateError, match=sentence):
            validator.check("evidence", frame)
        assert validator.results()[0]["gate_failed"]
    else:
        checked = validator.check("evidence", frame)
        assert (checked.good.height, checked.quarantine.height) == (80, 20)


def test_a_broken_rule_of_severity_warning_is_told_and_refuses_nothing(
    validator: Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = TABLES["evidence"]
    lenient = Table(
        "evidence",
        declared.key,
        declared.description,
        tuple(
            replace(c, rules=(Between(0.0, 0.4, severity="warning"),)) if c.name == "retrieval_score" else c
            for c in declared.columns
        ),
    )
    monkeypatch.setitem(TABLES, "evidence", lenient)
    monkeypatch.setattr(suite_files, "committed", lambda name: committed(suites.suite(lenient)))
    assert [validator.check("evidence", evidence(4)).good.height for _ in range(2)] == [4, 4]
    assert validator.warnings() == [
        "x.json: evidence: expect_column_values_to_be_between on retrieval_score (warning) fails for 8 of "
        "8 rows"
    ]


def committed(body: suites.SuiteBody) -> suite_files.Suite:
    return suite_files.Suite("evidence", "evidence", "x.json", "0" * 64, body)


def test_a_row_that_only_great_expectations_refuses_stops_the_publication(
    validator: Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = suites.suite(TABLES["evidence"])
    between = {"column": "retrieval_score", "max_value": 0.4}
    body["expectations"][5] = {**body["expectations"][5], "kwargs": between,
                               "type": "expect_column_values_to_be_between"}  # fmt: skip
    monkeypatch.setattr(suite_files, "committed", lambda name: committed(body))
    sentence = r"retrieval_score \(critical\) fails for 3 of 3 rows; nothing of this unit was published"
    with pytest.raises(GateError, match=sentence):
        validator.check("evidence", evidence(3))


def test_an_expectation_that_cannot_be_evaluated_fails_the_gate(
    validator: Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = suites.suite(TABLES["evidence"])
    body["expectations"][5] = {**body["expectations"][5], "kwargs": {"column": "no_such_column"},
                               "type": "expect_column_values_to_not_be_null"}  # fmt: skip
    monkeypatch.setattr(suite_files, "committed", lambda name: committed(body))
    with pytest.raises(GateError, match=r"cannot be evaluated: .*no_such_column"):
        validator.check("evidence", evidence(3))


def test_an_empty_frame_passes_without_anything_being_claimed(validator: Validator) -> None:
    checked = validator.check("findings", TABLES["findings"].empty())
    assert checked.good.equals(TABLES["findings"].empty())
    assert validator.results() == []


def spoiled(seed: int) -> pl.DataFrame:
    """Evidence of which each column is wrong somewhere, differently for each seed."""
    chance = random.Random(seed)  # noqa: S311 - which cell is spoiled guards nothing
    wrong: dict[str, list[Any]] = {
        "claim_id": ["", "A" * 64, "0" * 63, "0" * 64 + "\n", None],
        "origin": ["", "Context", None],
        "rank": [-1, None],
        "p_supported": [-0.1, 1.0000001, None, float("inf")],
        "p_insufficient": [1.0, 2.0, None],
        "tokens_offered": [0, 39, 41, None],
        "tokens_seen": [0, 39, 41, None],
        "windows": [-5],
    }
    frame = evidence(60)
    for name, values in wrong.items():
        for row in chance.sample(range(60), 8):
            frame = changed(frame, row, **{name: chance.choice(values)})
    return frame


def opinions(frame: pl.DataFrame) -> dict[str, list[int]]:
    """Rows that each expectation of the committed suite refuses, asked of the library itself."""
    suite, table = suite_files.committed("evidence"), TABLES["evidence"]
    library = great_expectations.gx
    columns = [name for name in table.schema if name in (suite.columns or ())]
    asset = library.get_context(mode="ephemeral").data_sources.add_pandas("made").add_dataframe_asset("rows")
    read = frame.select(*columns, suites.missing(table)).to_pandas()
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": read})
    validation = batch.validate(library.ExpectationSuite(**suite.body), result_format="COMPLETE")
    return {
        result.expectation_config.meta["check"]: sorted(result.result.get("unexpected_index_list") or [])
        for result in validation.results
    }


@pytest.mark.parametrize("seed", range(4))
def test_great_expectations_and_polars_refuse_the_same_rows(seed: int) -> None:
    frame = spoiled(seed)
    refused = opinions(frame)
    for check in suites.checks(TABLES["evidence"]):
        rows = frame.select(rows=check.violated)["rows"].arg_true().to_list()
        if check.expectation.endswith("_unique"):  # the library names every row of a key, also the first
            assert bool(refused[check.name]) == bool(rows), check.name
        else:
            assert refused[check.name] == rows, check.name
    assert sum(map(bool, refused.values())) > 5


def test_pages_show_each_table_and_the_frame_on_which_a_suite_failed(tmp_path: Path, frames: Frames) -> None:
    validator = gate(tmp_path, data_docs=True, team={"claims": strict_claims()})
    validator.check("outputs", frames(10)["outputs"])
    for count in (1, 10, 1):
        validator.check("claims", frames(count)["claims"])
    validator.finish()
    written = json.loads((tmp_path / RESULTS).read_text("utf-8"))
    assert written["results"] == plain(validator.results())
    pages = list((tmp_path / "data_docs/validations").rglob("*.html"))
    failed = {page.relative_to(tmp_path).parts[2]: "</i> Failed" in page.read_text("utf-8") for page in pages}
    assert failed == {"claims": False, "claims-team": True, "outputs": False}
    assert (tmp_path / "data_docs/index.html").exists()


def strict_claims() -> suite_files.Suite:
    body: suites.SuiteBody = {
        "name": "claims-team",
        "expectations": [
            {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 1}, "severity": "warning"}
        ],
    }
    return suite_files.Suite("claims-team", "claims", "mine/claims.json", "0" * 64, body)


SILENT = """
import socket, sys
opened = []
def recorded(*arguments, **named):
    opened.append(arguments[1:])
    raise OSError("no network here")
# A library may look whether the machine has IPv6 by making a socket; none may reach for anybody.
class Recorded(socket.socket):
    connect = connect_ex = sendto = sendmsg = recorded
socket.socket = Recorded
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = recorded
import importlib.util
from datetime import UTC, datetime
from pathlib import Path
spec = importlib.util.spec_from_file_location("shared", sys.argv[2])
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
from tasks.gate.validate import Validator
assert "great_expectations" not in sys.modules
validator = Validator(Path(sys.argv[1]), data_docs=True, run_id="f" * 64, now=datetime.now(UTC))
validator.check("outputs", shared.made(4)["outputs"])
validator.finish()
assert "great_expectations" in sys.modules
import threading, time
time.sleep(1)
print("reached", opened, "threads", [t.name for t in threading.enumerate() if not t.daemon])
"""


def test_validating_reaches_for_nobody_and_importing_the_gate_does_not_load_great_expectations(
    tmp_path: Path,
) -> None:
    shared = str(lake_frames.__file__)
    done = subprocess.run(
        [sys.executable, "-c", SILENT, str(tmp_path), shared], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "reached [] threads ['MainThread']"


def test_a_page_that_great_expectations_cannot_make_is_told_in_one_sentence(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert great_expectations.log.name.startswith("claimledger")
    logging.getLogger("great_expectations.render.renderer.site_builder").error(
        'information follows:\n  OSError: "[Errno 28] of a row".  Traceback: "Traceback (most recent"'
    )
    assert caplog.messages[0] == "a page of Data Docs was not made (OSError)"
    assert not logging.getLogger("great_expectations.render").propagate
    assert capfd.readouterr().err == ""
