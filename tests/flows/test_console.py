"""How the command speaks: sentences on standard error, the answer alone on standard output."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.commands import cli, flow_commands
from flows.commands.audit_lines import audited
from flows.commands.console import Common
from flows.outcome import Outcome
from tasks.errors import InputError, IntegrityError
from tasks.report.brief import Brief, WorstClaim
from tests.support.outcomes import outcome

NOON = datetime(2026, 11, 12, 12, tzinfo=UTC)

SLEEPS = """
import sys, time
from flows.commands import cli

def sleep(*arguments, **options):
    print("asleep", flush=True)
    time.sleep(600)

cli.app = sleep
sys.argv[1:] = ["audit"]
cli.entry()
"""
SLEEPS_WHERE_EXCEPTIONS_ARE_LOST = SLEEPS.replace(
    "def sleep",
    "class Lost:\n    def __del__(self):\n        sleep()\n\ndef sleep_twice(*arguments, **options):\n"
    "    Lost()\n    time.sleep(600)\n\ndef sleep",
).replace("cli.app = sleep", "cli.app = sleep_twice")


BREAKS_WHEN_INTERRUPTED = SLEEPS.replace(
    "    time.sleep(600)",
    "    try:\n        time.sleep(600)\n    except KeyboardInterrupt:\n"
    "        raise SystemError('returned NULL without setting an exception')",
)
"""As an import of C code does that Ctrl-C hits."""


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def command(*_arguments: Any, **_options: Any) -> int:
        raise error

    monkeypatch.setattr(cli, "app", command)


@pytest.mark.parametrize(
    ("program", "number", "status", "word"),
    [
        (SLEEPS, signal.SIGTERM, 143, "terminated"),
        (SLEEPS_WHERE_EXCEPTIONS_ARE_LOST, signal.SIGTERM, 143, "terminated"),
        (SLEEPS, signal.SIGINT, 130, "interrupted"),
        (BREAKS_WHEN_INTERRUPTED, signal.SIGINT, 130, "interrupted"),
    ],
    ids=["SIGTERM", "SIGTERM in a callback", "SIGINT", "SIGINT during an import"],
)
def test_a_signal_ends_a_command_with_one_sentence_and_its_status(
    program: str, number: signal.Signals, status: int, word: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asleep\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=240)
    assert process.returncode == status
    assert said == f"claimledger: {word}; what is published stays; run it again to resume from there\n"


@pytest.mark.parametrize(("error", "status"), [(InputError("bad row"), 2), (IntegrityError("bad root"), 3)])
def test_debug_adds_the_traceback_and_changes_neither_sentence_nor_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    failing(monkeypatch, error)
    assert cli.main(["audit"]) == status
    plainly = capsys.readouterr().err
    assert plainly == f"claimledger: {error}\n"
    assert cli.main(["audit", "--debug"]) == status
    debugged = capsys.readouterr().err
    assert debugged.startswith("Traceback")
    assert debugged.endswith(plainly)


@pytest.mark.parametrize("options", [[], ["--verbose"]])
def test_the_log_goes_to_standard_error_as_sentences_without_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    log = logging.getLogger("claimledger.somewhere")

    def command(*_arguments: Any, **_options: Any) -> int:
        log.warning("%s", "file \x1b[31mred\u202e\nnext")
        log.info("a step")
        return 0

    monkeypatch.setattr(cli, "app", command)
    assert cli.main(["audit", *options]) == 0
    said = capsys.readouterr()
    steps = ["claimledger: a step"] if options else []
    assert said.err.splitlines() == ["claimledger: file \\u001b[31mred\\u202e next", *steps]
    assert said.out == ""


def test_a_program_that_calls_a_command_keeps_its_own_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    failing(monkeypatch, InputError("bad row"))
    cli.main(["audit"])
    after = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    assert after == before


def test_the_log_is_left_as_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("claimledger")
    before = (log.level, log.propagate, list(log.handlers))
    failing(monkeypatch, InputError("bad row"))
    cli.main(["audit"])
    assert (log.level, log.propagate, list(log.handlers)) == before


def test_json_can_name_a_file_whose_name_is_no_text(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    Common(json=True).answer({"path": "caf\u00e9-\udcff.jsonl"})
    written = capsysbinary.readouterr().out
    assert written.isascii()
    assert json.loads(written) == {"path": "caf\u00e9-\udcff.jsonl"}


def test_demo_audits_the_sample_in_a_folder_of_its_own_with_its_own_configuration(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    launched: list[tuple[str, str | None]] = []

    def launch(name: str, common: Common, **_days: object) -> Outcome:
        launched.append((name, common.config))
        return outcome_of(out=30)

    monkeypatch.setattr(flow_commands, "launch", launch)
    assert cli.main(["demo", "look", "--json"]) == 0
    assert launched == [("audit", "look/claimledger.toml")]
    assert json.loads(capsys.readouterr().out)["records_out"] == 30
    assert cli.main(["demo", "--config", "mine.toml"]) == 2
    assert "has its own configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "quarantined", "verdicts", "sentence"),
    [
        (0, 0, {}, "nothing new to judge: the lake is unchanged"),
        (3, 0, {}, "no factual claim in the new outputs"),
        (0, 2, {}, "no factual claim in the new outputs"),
        (3, 0, {"supported": 4}, "supported"),
    ],
)
def test_a_night_without_verdicts_says_why(
    out: int, quarantined: int, verdicts: dict[str, int], sentence: str
) -> None:
    run = outcome_of(out, quarantined, verdicts)
    said = "\n".join(audited(run))
    assert "do not know" not in said
    assert sentence in said
    assert "filtered" not in said
    assert "quarantined, 7 filtered, 2 joined\n" in "\n".join(
        audited(replace(run, records_filtered=7, records_joined=2))
    )
    assert said.count("unchanged") + said.count("no factual claim") == (0 if verdicts else 1)
    abstained = replace(run, outcomes={"supported": 3, "abstained": 2})
    assert "2 of 5 answers (40.0%) only say that they do not know" in audited(abstained)


BRIEF = Brief(
    supported=56,
    contradicted=1,
    unsettled=8,
    unchecked={"no_evidence": 5, "too_long": 1},
    unchecked_agents=["help-desk", "writer"],
    actions={"delivered": 21, "escalated": 1, "rephrased": 9},
    worst=[
        WorstClaim(
            "The plant has 94 reactors.", "contradicted", 0.9, "plant-guide", NOON,
            "The plant has 92 reactors.", "plant.md", "evidence says 92, the claim says 94",
        ),
        WorstClaim("Tea is free.", "insufficient", 0.8, "help-desk", NOON, None, None, "not settled"),
    ],
    is_first=True,
)  # fmt: skip


def test_an_audit_ends_with_what_it_found_in_words_and_the_worst_claims_beside_their_evidence() -> None:
    said = audited(replace(outcome_of(30, 0, {"supported": 56}), brief=BRIEF))
    assert " ".join(" ".join(said).split()).count(
        "Of 65 claims that could be checked, the evidence supports 56, contradicts 1 and does not settle 8. "
        "6 claims could not be checked, mostly because no evidence was recorded or found (help-desk and "
        "writer). By policy 1 answer should have gone to a person, and 9 should have been rephrased."
    )
    at = said.index("the worst 2 claims:")
    assert said[at + 1 : at + 8] == [
        "  1. contradicted (0.90), plant-guide, 2026-11-12",
        "     claim     “The plant has 94 reactors.”",
        "     evidence  “The plant has 92 reactors.”",
        "     in        plant.md",
        "     reason    evidence says 92, the claim says 94",
        "  2. insufficient (0.80), help-desk, 2026-11-12",
        "     claim     “Tea is free.”",
    ]


def test_only_a_first_audit_says_what_to_type_next() -> None:
    first = replace(outcome_of(30, 0, {"supported": 56}), brief=BRIEF)
    common = Common(config="our audits/x.toml", lake="lake")
    here = " --config 'our audits/x.toml' --lake lake"
    assert any(line.endswith(f"ledger verify{here}") for line in audited(first, common.places))
    trusted = replace(first, trust=["Not measured: `claimledger sample --size 60`."])
    assert f"`claimledger sample --size 60{here}`" in " ".join(
        " ".join(audited(trusted, common.places)).split()
    )
    later = replace(first, brief=replace(BRIEF, is_first=False))
    assert sum("init audits --from-source files" in line for line in audited(first)) == 1
    assert "next:" not in audited(later)


def test_refused_records_are_said_as_loudly_as_results() -> None:
    assert "NOT AUDITED: 13 of 30 records were refused; the report says why" in audited(outcome_of(3, 13))
    assert not any("NOT AUDITED" in line for line in audited(outcome_of(3, 0)))


def outcome_of(out: int, quarantined: int = 0, verdicts: dict[str, int] | None = None) -> Outcome:
    return outcome(
        records_in=30,
        records_out=out,
        records_already_there=30 - out - quarantined,
        records_quarantined=quarantined,
        verdicts=verdicts or {},
    )


@pytest.mark.parametrize("command", ["audit", "backfill", "reaudit", "drift", "sample"])
@pytest.mark.parametrize("names", [("--from", "--to"), ("--since", "--until")])
def test_every_command_with_a_range_of_days_understands_both_pairs_of_names(
    command: str, names: tuple[str, str]
) -> None:
    needed = ["-o", "sample", "--seed", "words"] if command == "sample" else []
    days = [names[0], "2026-11-01", names[1], "2026-11-02"]
    _, bound, _ = cli.app.parse_args([command, *days, *needed], exit_on_error=False, print_error=False)
    days_read = [value for value in bound.arguments.values() if isinstance(value, date)]
    assert days_read == [date(2026, 11, 1), date(2026, 11, 2)]


@pytest.mark.parametrize("is_read", [True, False])
def test_only_a_reader_who_went_away_ends_a_command_well(
    is_read: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker or a peer that is gone breaks a pipe too: exit status 0 would hide that."""

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    reading, writing = os.pipe()
    if not is_read:
        os.close(reading)
    monkeypatch.setattr(cli, "app", broken)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert cli.main(["health"]) == (2 if is_read else 0)
        monkeypatch.undo()
    assert ("Broken pipe" in capsys.readouterr().err) is is_read
    if is_read:
        os.close(reading)
