"""The review page over HTTP: who gets in, what a form does once, and what reaches the ledger."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.commands.cli import main
from flows.review_page import ReviewPage
from tasks.decide.policies import Policy
from tasks.errors import BAD_ANSWER
from tasks.lake.store import Lake
from tasks.ledger import verify
from tasks.review import reviews as reviewed
from tasks.review.erase import erase
from tasks.review_page.parameters import ReviewPageParameters
from tests.support import review_pages
from tests.support.ledger_lake import ACTOR
from tests.support.review_pages import Visitor


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    review_pages.fill(folder, outputs=4)
    return folder


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    shutil.copytree(base, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def lake(folder: Path) -> Lake:
    return Lake.open(str(folder / "lake"))


@pytest.fixture
def page(folder: Path) -> Iterator[ReviewPage]:
    with review_pages.served(review_pages.settings(folder), "a", "b", "c") as page:
        yield page


def reviews(lake: Lake) -> list[tuple[str, str, str | None]]:
    rows = lake.scan("reviews").sort("reviewed_at").collect()
    return list(rows.select("reviewer", "outcome", "corrected_verdict").iter_rows())


def events(lake: Lake) -> list[dict[str, object]]:
    logged = lake.scan("events").filter(pl.col("kind") == "review").sort("sequence").collect()
    return [json.loads(body) for body in logged["body"]]


def sound(lake: Lake, folder: Path) -> None:
    found = verify.verify(lake, review_pages.settings(folder).ledger)
    assert (found.findings, found.unverifiable) == ([], [])


def test_a_decision_is_an_event_when_the_next_claim_appears(page: ReviewPage, lake: Lake, folder: Path):
    anna = Visitor(page.urls["a"])
    first = anna.verdict_id
    anna.decide("contradicted", "  Twelve months, not 24.  ")
    assert "Recorded" in anna.text
    assert anna.verdict_id != first
    [row] = lake.scan("reviews").collect().to_dicts()
    assert (row["verdict_id"], row["reviewer"], row["outcome"]) == (first, "a", "overturned")
    assert (row["corrected_verdict"], row["comment"]) == ("contradicted", "Twelve months, not 24.")
    assert row["channel"] == "page"
    assert row["reviewed_at"] <= row["recorded_at"] <= datetime.now(UTC)
    assert [event["verdict_id"] for event in events(lake)] == [first]
    sound(lake, folder)


def test_undo_is_a_later_decision_that_supersedes_the_first_visibly(page: ReviewPage, lake: Lake):
    anna = Visitor(page.urls["a"])
    first = anna.verdict_id
    anna.decide("supported")
    anna.send("/undo", anna.form("/undo"))
    assert anna.verdict_id == first
    anna.decide("unsure")
    rows = lake.scan("reviews").sort("reviewed_at").collect()
    assert rows["outcome"].to_list() == ["confirmed", "withdrawn", "unsure"]
    assert rows["supersedes"].to_list() == [None, *rows["review_id"].to_list()[:2]]
    assert anna.verdict_id != first


def test_a_replayed_form_is_not_taken_twice_and_another_tab_is_a_later_decision(page: ReviewPage, lake: Lake):
    anna, tab = Visitor(page.urls["a"]), Visitor(page.urls["a"])
    assert tab.verdict_id == anna.verdict_id
    form = anna.form("/decide", decision="supported")
    for _ in range(3):
        assert anna.send("/decide", form).status_code == 200
    assert anna.send("/decide", {**form, "decision": "contradicted"}).status_code == 200
    assert reviews(lake) == [("a", "confirmed", None)]
    tab.decide("wrong")
    assert reviews(lake) == [("a", "confirmed", None), ("a", "overturned", None)]


def test_nobody_without_a_token_of_this_page_sees_or_sends_anything(page: ReviewPage, lake: Lake):
    anna = Visitor(page.urls["a"])
    form = anna.form("/decide", decision="supported")
    stranger = Visitor(f"{anna.base}/sign-in?token=guess")
    assert stranger.get("/").status_code == 401
    assert "Claim" not in stranger.text
    assert stranger.send("/decide", form).status_code == 401
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"host": "evil.example"}):
        assert anna.send("/decide", form, **headers).status_code in (403, 421)
    ben = Visitor(page.urls["b"])
    assert ben.send("/decide", form).status_code == 403
    assert anna.send("/decide", {**form, "code": ""}).status_code == 403
    assert anna.send("/decide", {**form, "decision": "perhaps"}).status_code == 400
    assert anna.send("/decide", {**form, "comment": "x" * 200_000}).status_code == 413
    assert anna.client.get("/static/../web.py").status_code == 404
    assert reviews(lake) == []


def test_every_answer_admits_nothing_but_our_own_files(page: ReviewPage):
    anna = Visitor(page.urls["a"])
    for path in ("/", "/queue", "/nowhere", "/static/review.js"):
        answer = anna.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    fresh = anna.client.get(page.urls["a"], follow_redirects=False)
    assert "httponly; path=/; samesite=strict" in fresh.headers["set-cookie"].lower()


def test_two_people_do_not_look_at_the_same_claim(page: ReviewPage):
    anna, ben = Visitor(page.urls["a"]), Visitor(page.urls["b"])
    mine, his = anna.verdict_id, ben.verdict_id
    assert his != mine
    assert ben.get(f"/item/{mine}").status_code == 409
    assert anna.get("/").status_code == 200
    assert anna.verdict_id == mine
    anna.send("/skip", anna.form("/skip"))
    assert anna.verdict_id not in (mine, his)
    assert ben.get(f"/item/{mine}").status_code == 200


def test_a_decision_is_kept_while_another_run_holds_the_lake(folder: Path, lake: Lake):
    quick = ReviewPageParameters(retry_s=0.05)
    with review_pages.served(review_pages.settings(folder), "a", parameters=quick) as page:
        anna = Visitor(page.urls["a"])
        with lake.lock("nightly audit"):
            anna.decide("supported")
            assert "nightly audit" in anna.text
            assert "Kept on disk" in anna.text
            assert reviews(lake) == []
        while page.desk.journal.waiting(1):
            page.desk.record_waiting()
    assert reviews(lake) == [("a", "confirmed", None)]
    assert len(events(lake)) == 1


def test_an_erased_verdict_takes_no_decision_and_keeps_no_words(page: ReviewPage, lake: Lake, folder: Path):
    anna = Visitor(page.urls["a"])
    verdict_id = anna.verdict_id
    output = lake.scan("verdicts").filter(pl.col("verdict_id") == verdict_id).collect()["output_id"][0]
    named = {"run_id": "0" * 64, "now": datetime.now(UTC), "actor": ACTOR}
    erase(lake, review_pages.settings(folder).ledger, output, reason="request 17", **named)
    anna.decide("supported", "a secret word")
    assert "Not recorded: the output of this verdict was erased" in anna.text
    assert reviews(lake) == []
    assert b"a secret word" not in page.desk.journal.file.read_bytes()
    sound(lake, folder)


def test_a_server_killed_between_click_and_commit_has_kept_the_decision(
    folder: Path, lake: Lake, tmp_path: Path
):
    config = tmp_path / "claimledger.toml"
    key_folder = review_pages.settings(folder).ledger.key_folder
    config.write_text(
        f'lake = "{lake.root}"\n[ledger]\norigin = "example.com/test"\nkey_folder = "{key_folder}"\n'
        '[[policies]]\nname = "default"\nversion = "1"\nreview_supported_ratio = 1.0\n'
    )
    command = [sys.executable, "-m", "flows.commands.cli", "review", "serve", "--config", str(config)]
    with subprocess.Popen([*command, "--reviewer", "a", "--json"], stdout=subprocess.PIPE) as process:
        try:
            anna = Visitor(json.loads(process.stdout.readline())["url"])
            decided = anna.verdict_id
            with lake.lock("nightly audit"):
                anna.decide("supported", "kept")
                assert "Kept on disk" in anna.text
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
        finally:
            process.kill()
    assert reviews(lake) == []
    with review_pages.served(review_pages.settings(folder), "a") as page:
        assert Visitor(page.urls["a"]).verdict_id != decided
        assert reviews(lake) == [("a", "confirmed", None)]
    assert len(events(lake)) == 1
    sound(lake, folder)


def test_two_people_decide_a_third_adjudicates_and_the_agreement_is_told(folder: Path, lake: Lake):
    policy = Policy(review_supported_ratio=1.0, review_people=2, review_due_hours=1.0)
    with review_pages.served(review_pages.settings(folder, policy), "a", "b", "c") as page:
        anna, ben, carl = (Visitor(page.urls[name]) for name in "abc")
        first = anna.verdict_id
        assert ben.verdict_id == first
        assert carl.verdict_id != first
        anna.decide("supported", "The passage says so.")
        assert "The passage says so." not in ben.text
        ben.decide("contradicted")
        carl.get(f"/item/{first}")
        assert "you adjudicate" in carl.text
        assert "The passage says so." in carl.text
        carl.decide("contradicted")
        for visitor in (anna, ben):
            assert visitor.get(f"/item/{first}").status_code in (404, 409)
        carl.get("/status")
        assert "a and b" in carl.text
        assert '<b class="bad">7</b>' in carl.text
    rows = lake.scan("reviews").sort("reviewed_at").collect()
    assert rows["is_adjudication"].to_list() == [False, False, True]
    labels = reviewed.labelled(lake)
    assert labels.select("verdict_id", "label").rows() == [(first, "contradicted")]


def test_the_command_status_says_what_is_overdue(folder: Path, lake: Lake, tmp_path: Path, capsys: Any):
    config = tmp_path / "claimledger.toml"
    config.write_text(
        f'lake = "{lake.root}"\n[[policies]]\nname = "default"\nversion = "1"\nreview_supported_ratio = 1.0\n'
        "review_due_hours = 1\n"
    )
    assert main(["review", "status", "--config", str(config)]) == BAD_ANSWER
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:2] == ["default@1", "8"]
    assert sum(line.startswith("OVERDUE") for line in lines) == 8
