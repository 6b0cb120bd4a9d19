"""Nights with a judge that answers later: claims wait, are named as waiting, and get one verdict each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

import flows.batches
from tests.end_to_end.conftest import Answer, read
from tests.support.batch_server import BatchServer

Command = Callable[..., Answer]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    """Ends a batch when it is told to; a claim that is in its evidence is supported."""
    server = BatchServer()
    server.outcome = lambda _id, claim, evidence: json.dumps(
        {"supported": 0.9, "contradicted": 0.04, "insufficient": 0.06}
        if claim[:30] in evidence
        else {"supported": 0.1, "contradicted": 0.1, "insufficient": 0.8}
    )
    section = "CLAIMLEDGER__VERIFIER__"
    monkeypatch.setenv(f"{section}MODEL", "judge-1")
    monkeypatch.setenv(f"{section}BACKEND", "endpoint")
    monkeypatch.setenv(f"{section}ENDPOINT__URL", server.url)
    monkeypatch.setenv(f"{section}ENDPOINT__BATCH", "openai")
    monkeypatch.setenv(f"{section}ENDPOINT__PRICE_PER_MILLION_INPUT", "1.0")
    monkeypatch.setenv("CLAIMLEDGER__VALIDATION__DATA_DOCS", "false")
    yield server
    server.close()


def judge_counts(lake: Path) -> dict[str, float]:
    """What the newest run's row says of the judge."""
    counts = json.loads(read(lake, "runs").sort("started_at")["counts"][-1])
    judge: dict[str, float] = counts["verdicts"]["judge"]
    return judge


def test_claims_wait_a_night_and_get_one_verdict_each_by_the_night_that_collects(
    team: Path, provider: BatchServer, command: Command
) -> None:
    lake = team / "lake"
    first = command("audit", "--json")
    assert first.code == 0, first.err
    claims = read(lake, "claims").filter(pl.col("kind") == "factual")
    assert read(lake, "verdicts").height == 0
    assert judge_counts(lake)["waiting"] == claims.height > 0
    (told,) = [each for each in first.document["warnings"] if "wait for the judge" in each]
    assert told.startswith(f"{claims.height} claims of ")
    page = Path(first.document["report"]).read_text()
    assert re.search(rf'<p id="waiting"><b>\D*{claims.height}\D* claims.* without a verdict yet', page)
    under_way = command("audit", "--json")
    assert (under_way.code, len(provider.batches)) == (0, 1)
    assert judge_counts(lake)["waiting"] == claims.height
    provider.end()
    third = command("audit", "--json")
    assert third.code == 0, third.err
    verdicts = read(lake, "verdicts")
    assert verdicts["claim_id"].sort().to_list() == claims["claim_id"].sort().to_list()
    assert read(lake, "actions")["output_id"].n_unique() == read(lake, "outputs").height
    counts = judge_counts(lake)
    assert (counts["waiting"], counts["collected"]) == (0, 1)
    assert counts["cost"] == pytest.approx(counts["requests"] * 200 * 0.5 / 1e6)
    assert counts["cost_per_claim"] == pytest.approx(counts["cost"] / claims.height)
    last = command("audit", "--json")
    assert (last.code, read(lake, "verdicts").height, len(provider.batches)) == (0, claims.height, 1)
    assert len(set(provider.asked)) == len(provider.asked)
    verified = command("ledger", "verify")
    assert verified.code == 0, verified.err


def test_a_night_that_dies_before_it_submits_is_made_up_for_by_the_next(
    team: Path, provider: BatchServer, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(flows.batches.batch_nights, "submit", dies)
        assert command("audit", "--quiet").code == 130
    assert not provider.batches
    second = command("audit", "--json")
    assert second.code == 0, second.err
    assert len(provider.batches) == 1
    provider.end()
    assert command("backfill", "--from", "2026-11-01", "--to", "2026-11-30", "--quiet").code == 0
    claims = read(team / "lake", "claims").filter(pl.col("kind") == "factual")
    assert read(team / "lake", "verdicts")["claim_id"].n_unique() == claims.height
    assert command("audit", "--quiet").code == 0
    assert judge_counts(team / "lake")["waiting"] == 0
