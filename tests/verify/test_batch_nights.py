"""Batches of questions to two providers on loopback: submitted once, collected once, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tasks.errors import ConfigError, ModelError
from tasks.verify import batch_nights
from tasks.verify.batch_endpoint import BatchEndpoint
from tasks.verify.batch_nights import Night
from tasks.verify.batch_store import BatchStore
from tasks.verify.endpoint import KEY, Endpoint
from tasks.verify.parameters import EndpointSettings, VerifierSettings
from tests.support.batch_server import YES, BatchServer

PAIRS = pl.DataFrame({"claim": [f"claim {n}" for n in range(6)], "text": ["evidence"] * 6})
NOW = datetime(2026, 11, 28, 3, tzinfo=UTC)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setenv(KEY, "sk-canary")
    running = BatchServer()
    yield running
    running.close()


@pytest.fixture(params=["openai", "anthropic"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings(server: BatchServer, kind: str = "openai", **values: object) -> VerifierSettings:
    endpoint = EndpointSettings(
        url=server.url,
        batch=kind,  # type: ignore[arg-type]
        **{"pause_scale": 0.0, "timeout_s": 5.0, "price_per_million_input": 1.0, **values},  # type: ignore[arg-type]
    )
    return VerifierSettings(model="judge-1", backend="endpoint", endpoint=endpoint)


def night(
    server: BatchServer,
    lake: Path,
    run: str,
    kind: str = "openai",
    *,
    cost: float | None = None,
    **values: object,
) -> tuple[Night, int]:
    """A run: it collects, asks what has no answer, submits; and how many pairs wait."""
    judge = BatchEndpoint(settings(server, kind, **values), lake)
    done = batch_nights.collect(judge)
    missing = PAIRS.filter(pl.Series(judge.unanswered(PAIRS)))
    if missing.height:
        judge.ask(missing, run_id=run, unit="unit")
    batch_nights.submit(judge, done, run_id=run, now=NOW, max_cost=cost)
    return done, missing.height


def test_one_night_submits_and_a_later_one_collects_once(
    server: BatchServer, tmp_path: Path, kind: str
) -> None:
    first, waiting = night(server, tmp_path, "one", kind)
    assert (waiting, first.submitted, first.under_way) == (6, 6, 0)
    second, waiting = night(server, tmp_path, "two", kind)
    assert (waiting, second.submitted, second.under_way) == (6, 0, 6)
    assert "6 questions wait for their batch" in second.notices[0]
    server.end()
    third, waiting = night(server, tmp_path, "three", kind)
    assert (waiting, third.submitted, third.collected) == (0, 0, 1)
    assert third.usage.requests == 6
    assert third.usage.cost == pytest.approx(6 * 200 / 1e6 * 0.5)
    again, waiting = night(server, tmp_path, "four", kind)
    assert (waiting, again.collected, again.usage.cost) == (0, 0, 0.0)
    scores = BatchEndpoint(settings(server, kind), tmp_path).score(
        PAIRS["claim"].to_list(), PAIRS["text"].to_list()
    )
    assert scores.probabilities.tolist() == [pytest.approx(list(YES.values()))] * 6
    assert len(server.asked) == len(set(server.asked)) == 6
    header = "authorization" if kind == "openai" else "x-api-key"
    assert all("sk-canary" in each[header] for each in server.headers)
    kept = [path.read_bytes() for path in (tmp_path / "judge").rglob("*") if path.is_file()]
    assert not [text for text in kept if b"sk-canary" in text or b"claim 0" in text or b"evidence" in text]


def test_a_batch_whose_submission_was_not_noted_is_found_and_paid_once(
    server: BatchServer, tmp_path: Path, kind: str
) -> None:
    server.lose_next_answer = True
    first, _ = night(server, tmp_path, "one", kind)
    assert (first.submitted, len(server.batches)) == (0, 1)
    assert "the next run looks for their batch" in first.problems[0]
    second, _ = night(server, tmp_path, "two", kind)
    assert (second.submitted, second.under_way, len(server.batches)) == (0, 6, 1)
    server.end()
    third, waiting = night(server, tmp_path, "three", kind)
    assert (third.collected, waiting, len(server.asked)) == (1, 0, 6)


def test_a_batch_that_was_prepared_and_never_sent_is_asked_again(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def dies(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tasks.verify.batch_client.BatchClient.submit", dies)
        with pytest.raises(KeyboardInterrupt):
            night(server, tmp_path, "one", kind)
    second, _ = night(server, tmp_path, "two", kind)
    assert (second.submitted, len(server.batches)) == (6, 1)


def test_anothers_batch_of_the_same_size_is_not_taken_for_ours(server: BatchServer, tmp_path: Path) -> None:
    server.lose_next_answer = True
    night(server, tmp_path, "one", "anthropic")
    (own,) = server.batches.values()
    order = json.loads(server.files.pop(f"{own['id']}-input"))
    server.batches.clear()
    for number, each in enumerate(order["requests"]):
        each["custom_id"] = f"another-{number}"
    server.create_messages(order)
    server.end()
    second, waiting = night(server, tmp_path, "two", "anthropic")
    assert (second.collected, waiting, second.submitted) == (0, 6, 6)


@pytest.mark.parametrize("status", ["completed", "expired"])
def test_requests_that_nothing_answered_are_told_and_asked_again(
    server: BatchServer, tmp_path: Path, status: str
) -> None:
    server.outcome = lambda _, claim, evidence: json.dumps(YES) if claim < "claim 4" else None
    night(server, tmp_path, "one")
    server.end(status)
    second, waiting = night(server, tmp_path, "two")
    assert (second.usage.requests, waiting, second.submitted) == (4, 2, 2)
    reason = "batch_expired" if status == "expired" else "server_error"
    assert (
        f"2 of 6 questions of a batch got no answer (2 {reason}); they are asked again" in second.notices[0]
    )
    server.outcome = lambda *_: json.dumps(YES)
    server.end()
    assert night(server, tmp_path, "three")[1] == 0
    assert len(server.asked) == 8


def test_a_batch_that_failed_is_a_problem_and_asked_again(server: BatchServer, tmp_path: Path) -> None:
    night(server, tmp_path, "one")
    server.end("failed")
    second, waiting = night(server, tmp_path, "two")
    assert (waiting, second.submitted) == (6, 6)
    assert "a batch of 6 questions failed (token_limit_exceeded); they are asked again" in second.problems[0]


def test_a_provider_that_is_down_costs_nothing_but_time(server: BatchServer, tmp_path: Path) -> None:
    night(server, tmp_path, "one")
    server.end()
    server.down = True
    second, waiting = night(server, tmp_path, "two", attempts=2)
    assert (waiting, second.under_way, second.submitted) == (6, 6, 0)
    assert "answered 503" in second.problems[0]
    server.down = False
    assert night(server, tmp_path, "three")[1] == 0


def test_a_batch_that_is_gone_is_a_problem_and_asked_again(server: BatchServer, tmp_path: Path) -> None:
    night(server, tmp_path, "one")
    server.batches.clear()
    second, _ = night(server, tmp_path, "two")
    assert "is gone" in second.problems[0]
    assert second.submitted == 6


def test_a_judge_that_answers_something_else_decides_nothing_and_is_asked_no_more(
    server: BatchServer, tmp_path: Path
) -> None:
    server.outcome = lambda *_: "Supported, I would say."
    night(server, tmp_path, "one")
    server.end()
    second, waiting = night(server, tmp_path, "two")
    assert (waiting, second.submitted, len(server.batches)) == (6, 0, 1)
    assert "6 of 6 answers of its batches were not the JSON object asked for" in second.problems[0]
    tolerated, waiting = night(server, tmp_path, "three", tolerated_unanswered_ratio=1.0)
    assert (waiting, tolerated.problems) == (0, [])
    judge = BatchEndpoint(settings(server, tolerated_unanswered_ratio=1.0), tmp_path)
    assert judge.score(["claim 0"], ["evidence"]).is_unanswered.all()


def test_no_more_is_submitted_than_may_be_spent_and_the_rest_another_night(
    server: BatchServer, tmp_path: Path
) -> None:
    costs = BatchEndpoint(settings(server), tmp_path)
    unit = batch_nights.price(costs, 260, 0)
    first, _ = night(server, tmp_path, "one", cost=3.5 * unit)
    assert (first.submitted, first.left) == (3, 3)
    assert "3 of 6 questions are left for another night" in first.notices[0]
    server.end()
    measured = 200 / 1e6 * 0.5
    second, waiting = night(server, tmp_path, "two", cost=2.5 * measured)
    assert (waiting, second.submitted, second.left) == (3, 2, 1)


def test_large_nights_become_several_batches(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(server, tmp_path, "one", batch_requests=4)
    assert [each["request_counts"]["total"] for each in server.batches.values()] == [4, 2]
    monkeypatch.setattr(batch_nights, "MAX_BATCH_BYTES", 10)
    night(server, tmp_path / "other", "one")
    assert len(server.batches) == 8


def test_the_judge_is_the_one_that_answers_at_once_and_what_is_not_asked_waits_for_nothing(
    server: BatchServer, tmp_path: Path
) -> None:
    direct = Endpoint(replace(settings(server), endpoint=EndpointSettings(url=server.url)))
    judge = BatchEndpoint(settings(server), tmp_path)
    assert judge.fingerprint == direct.fingerprint
    assert BatchEndpoint(settings(server, "anthropic"), tmp_path).fingerprint != direct.fingerprint
    empty = pl.DataFrame({"claim": ["", "w " * 40_000], "text": ["p", "p"]})
    assert not judge.unanswered(empty).any()
    assert judge.score(empty["claim"].to_list(), empty["text"].to_list()).windows.tolist() == [1, 0]
    with pytest.raises(ModelError, match="not asked yet"):
        judge.score(["claim 0"], ["evidence"])
    with pytest.raises(ConfigError, match="whose batch interface"):
        BatchEndpoint(settings(server, "none"), tmp_path)


def test_claims_that_wait_are_kept_until_their_units_are_judged_again(tmp_path: Path) -> None:
    store = BatchStore(tmp_path)
    claims = pl.DataFrame(
        {"claim_id": ["a", "b"], "output_id": ["o", "o"], "produced_at": [NOW, NOW]},
        schema_overrides={"produced_at": pl.Datetime("us", "UTC")},
    )
    store.wait("run-one", claims)
    files = store.waiting_files()
    store.wait("run-two", claims.head(1))
    assert BatchStore.waiting(store.waiting_files()).height == 2
    store.settle(files)
    assert BatchStore.waiting(store.waiting_files())["claim_id"].to_list() == ["a"]
