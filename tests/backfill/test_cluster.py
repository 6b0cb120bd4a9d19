"""Which workers of a cluster may judge, what becomes of the unit of one that goes away, and what travels."""

from __future__ import annotations

import pickle
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.backfill import cluster as clusters
from tasks.backfill import fingerprints, remote
from tasks.backfill.bench import Answer, Order, Start
from tasks.backfill.cluster import Cluster
from tasks.backfill.crew import WorkerLostError
from tasks.backfill.fingerprints import Models, Program
from tasks.backfill.ray_crew import CONNECT_S, RayCrew
from tasks.backfill.sealed_files import Stored, fetch, store
from tasks.errors import ConfigError, GateError
from tasks.judge.job import JudgedBy, Sealed
from tasks.sources.units import Unit
from tasks.tables import QUARANTINE, VERDICTS_TABLE
from tasks.verify.parameters import EndpointSettings, VerifierSettings
from tasks.workbench import JudgeParameters

HERE = Models("configuration", "identity", has_key=False)
MODELS = dict.fromkeys(("first", "second"), HERE)


def start(folder: Path, **values: Any) -> Start:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    plain = Start(JudgeParameters(), str(folder), "run", now, "", folder, "", 0.5, data_docs=False)
    return replace(plain, **values)


def order(number: int, folder: Path) -> Order:
    return Order(Unit(date(2026, 11, number), 0, folder / "outputs" / f"2026-11-{number:02d}.parquet", 3))


class FakeCrew:
    """Calls at once, unless a worker is to go away."""

    where = "the cluster"

    def __init__(self, **programs: Callable[..., Any]) -> None:
        self.there = ["first", "second"]
        self.programs = programs
        self.asked: list[tuple[str, Any]] = []
        self.dismissed: list[str] = []

    def workers(self) -> dict[str, int]:
        return dict.fromkeys(self.there, 2)

    def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Any:
        self.asked.append((worker, arguments))
        return (worker, function.__name__, arguments)

    def done(self, calls: list[Any], wait_s: float) -> list[Any]:
        return [call for call in calls if call[0] not in getattr(self, "silent", ())]

    def result(self, call: Any) -> Any:
        worker, function, arguments = call
        return self.programs.get(function, DEFAULTS[function])(worker, *arguments)

    def dismiss(self, worker: str) -> None:
        self.dismissed.append(worker)

    def close(self) -> None:
        pass


def judged(worker: str, start: Start, number: int, order: Order, folder: Path) -> Answer:
    return Answer(order, stored=store(sealed(order.unit.name), folder))


DEFAULTS: dict[str, Callable[..., Any]] = {
    "greet": lambda worker: remote.greet(),
    "prepare": lambda worker, *_: remote.Preparation(MODELS[worker]),
    "answer": judged,
    "finish": lambda *_: None,
}


def sealed(unit: str) -> Sealed:
    by = JudgedBy("identity", "fingerprint", "name")
    frames = {"verdicts": VERDICTS_TABLE.empty(), "numbers": pl.DataFrame({"n": [1, 2, 3]})}
    return Sealed(unit, by, frames, QUARANTINE.empty(), {"verdicts": 0}, VERDICTS_TABLE.empty(), 0)


def run_on(crew: FakeCrew, folder: Path, units: int = 4, **values: Any) -> tuple[Cluster, list[Answer]]:
    left = [order(number + 1, folder) for number in range(units)]
    taken = Cluster(
        crew, start(folder), HERE, folder / "scratch", **{"most": None, "limit_s": 60.0, **values}
    )
    with taken:
        return taken, list(taken.answers(lambda _: left.pop(0) if left else None))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LOOK_S", 0.0)


def test_units_are_shared_out_and_come_back_by_reference(tmp_path: Path) -> None:
    crew = FakeCrew()
    taken, answers = run_on(crew, tmp_path)
    assert [answer.order.unit.day.day for answer in answers] == [1, 2, 3, 4]
    assert taken.judged == {"first", "second"}
    for answer in answers:
        assert answer.sealed is not None
        assert_frame_equal(answer.sealed.frames["numbers"], pl.DataFrame({"n": [1, 2, 3]}))
        assert answer.sealed.frames["verdicts"].schema == VERDICTS_TABLE.schema
    travelled = [len(pickle.dumps(arguments)) for _, arguments in crew.asked]
    travelled += [len(pickle.dumps(replace(answer, sealed=None))) for answer in answers]
    assert max(travelled) < 32_000
    assert not list((tmp_path / "scratch" / "sealed").iterdir())


def test_a_worker_with_other_code_library_clock_or_model_gets_no_unit_and_is_told_why(
    tmp_path: Path,
) -> None:
    here = Program.here()
    greeting = remote.greet()
    other_libraries = {**here.libraries, "polars": "1.0.0"}
    cases: dict[str, tuple[str, Callable[..., Any]]] = {
        "its code differs": ("greet", lambda _: replace(greeting, program=replace(here, code="f" * 64))),
        "its polars is 1.0.0, here": (
            "greet",
            lambda _: replace(greeting, program=replace(here, libraries=other_libraries)),
        ),
        "its clock is": ("greet", lambda _: replace(greeting, at=greeting.at + 7200)),
        "its model differs": (
            "prepare",
            lambda *_: remote.Preparation(replace(HERE, identity="another")),
        ),
        "its configuration differs": (
            "prepare",
            lambda *_: remote.Preparation(replace(HERE, configuration="another")),
        ),
        "it cannot run this claimledger (ModuleNotFoundError)": ("greet", missing),
    }
    for reason, (name, function) in cases.items():
        taken, answers = run_on(FakeCrew(**{name: of_the_first(name, function)}), tmp_path)
        assert len(answers) == 4
        assert (taken.judged, list(taken.refusals)) == ({"second"}, ["first"])
        assert reason in taken.refusals["first"]


def missing(*_: object) -> None:
    raise ModuleNotFoundError


def of_the_first(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Of that worker; the other one does what it does."""
    return lambda worker, *more: (function if worker == "first" else DEFAULTS[name])(worker, *more)


def test_where_nobody_may_judge_the_sentence_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "WAIT_S", 0.05)
    with pytest.raises(ConfigError, match=r"no worker that may judge .*first: it cannot run"):
        run_on(FakeCrew(greet=missing), tmp_path)


def test_the_unit_of_a_worker_that_went_away_is_an_error_and_the_others_go_on(tmp_path: Path) -> None:
    crew = FakeCrew()

    def goes_away(worker: str, *arguments: Any) -> Answer:
        if worker == "first":
            crew.there = ["second"]
            raise WorkerLostError
        return judged(worker, *arguments)

    crew.programs["answer"] = goes_away
    taken, answers = run_on(crew, tmp_path)
    lost = [answer for answer in answers if answer.error]
    assert (len(answers), len(lost), taken.judged) == (4, 1, {"second"})
    assert "the worker that judged it (first) went away" in str(lost[0].error)


def test_a_unit_that_takes_too_long_is_given_up_with_its_worker(tmp_path: Path) -> None:
    crew = FakeCrew()
    crew.programs["prepare"] = falls_silent(crew)
    taken, answers = run_on(crew, tmp_path, limit_s=0.05)
    late = [answer for answer in answers if answer.error]
    assert len(late) == 1
    assert "took longer than runner.stage_limit_s" in str(late[0].error)
    assert crew.dismissed == ["first"]
    assert taken.refusals == {"first": "it took too long over a unit"}


def falls_silent(crew: FakeCrew) -> Callable[..., Any]:
    def prepare(worker: str, *_: object) -> remote.Preparation:
        if worker == "first":
            crew.silent = {"first"}
        return remote.Preparation(HERE)

    return prepare


def test_the_requests_that_a_judge_takes_a_minute_are_shared_out(tmp_path: Path) -> None:
    endpoint = EndpointSettings(url="https://judge.example.com/v1", requests_per_minute=60.0)
    parameters = JudgeParameters(verifier=VerifierSettings(backend="endpoint", endpoint=endpoint))
    crew = FakeCrew()
    Cluster(crew, start(tmp_path, parameters=parameters), HERE, tmp_path, most=None, limit_s=1.0)._look()
    assert all(worker in ("first", "second") for worker, _ in crew.asked)
    taken = Cluster(crew, start(tmp_path, parameters=parameters), HERE, tmp_path, most=3, limit_s=1.0)
    taken._look()
    own = next(iter(taken._seats.values())).start.parameters.verifier.endpoint
    assert own is not None
    assert own.requests_per_minute == pytest.approx(20.0)


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return store(sealed("unit"), tmp_path)


def test_a_file_that_is_not_the_one_that_was_written_is_refused(stored: Stored) -> None:
    file = stored.folder / "numbers.arrow"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(GateError, match="not the file that the worker wrote"):
        fetch(stored)
    file.unlink()
    with pytest.raises(GateError, match="cannot be read"):
        fetch(stored)


def test_a_worker_that_does_not_see_the_lake_says_so(tmp_path: Path) -> None:
    prepared = remote.prepare(start(tmp_path), 1, tmp_path / "shared-storage", "content")
    assert prepared.models is None
    assert "does not see the lake's folder" in prepared.error


def test_the_suites_of_a_team_are_part_of_the_configuration(tmp_path: Path) -> None:
    suites = tmp_path / "suites"
    suites.mkdir()
    one = start(tmp_path, suites=str(suites))
    before = fingerprints.configuration(one)
    (suites / "outputs.json").write_text("{}")
    assert fingerprints.configuration(one) != before
    threads = replace(one, parameters=replace(one.parameters, threads=7))
    assert fingerprints.configuration(threads) == fingerprints.configuration(one)


@pytest.mark.parametrize("scheme", ["tcp://", "ray://", ""])
def test_a_ray_cluster_that_does_not_answer_is_one_sentence_at_once(scheme: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{probe.getsockname()[1]}"
    begun = time.monotonic()
    with pytest.raises(ConfigError, match=f"runner.address {address}: no Ray cluster answers there"):
        RayCrew(address, cores=1, most=None)
    assert time.monotonic() - begun < CONNECT_S + 60
