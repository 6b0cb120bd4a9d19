"""Deliveries to real endpoints: at least once, in order, whatever an endpoint does; and what is kept."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.deliver import answers, deliver, sending
from tasks.deliver.cursor import Cursor
from tasks.deliver.outbox import Outbox
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.sending import Sender
from tasks.errors import InputError, IntegrityError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import opening
from tasks.ledger.log import Log
from tests.deliver.conftest import SECRET
from tests.support import ledger_lake
from tests.support.receiver import Answer, Post, Receiver


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "FIRST_WAIT_S", 0.001)


def endpoint(receiver: Receiver, **values: Any) -> WebhookSettings:
    return WebhookSettings(**{"name": "siem", "url": receiver.url, "allow_private": True, **values})


def run(lake: Lake, *webhooks: WebhookSettings, number: int = 0) -> list[deliver.Standing]:
    return deliver.deliver(lake, webhooks, run_id=f"{number:064x}")


def one(lake: Lake, webhook: WebhookSettings) -> deliver.Standing:
    (standing,) = run(lake, webhook)
    return standing


def indices(receiver: Receiver) -> list[int]:
    return [record["index"] for record in receiver.records if "index" in record]


def test_everything_arrives_once_in_order_and_again_nothing(lake: Lake, log: Log, receiver: Receiver) -> None:
    standing = one(lake, endpoint(receiver))
    assert standing.is_well
    assert (standing.sent, standing.acknowledged, standing.waiting) == (log.head.size, log.head.size, 0)
    assert indices(receiver) == list(range(log.head.size))
    count = len(receiver.posts)
    assert one(lake, endpoint(receiver)).sent == 0
    assert len(receiver.posts) == count


def test_the_table_has_a_row_for_each_event_and_checkpoint(lake: Lake, log: Log, receiver: Receiver) -> None:
    one(lake, endpoint(receiver, events=("finding",)))
    rows = lake.scan("deliveries").collect()
    events = rows.filter(rows["message"] != "checkpoint").sort("leaf_index")
    assert events["leaf_index"].to_list() == list(range(log.head.size))
    assert (
        events["event_id"].to_list() == lake.scan("events").collect().sort("sequence")["event_id"].to_list()
    )
    assert set(rows["status"]) == {"delivered"}
    assert set(rows["message"]) == {"event", "withheld", "checkpoint"}
    assert rows.filter(rows["message"] == "checkpoint")["leaf_index"].sort().to_list() == log.sizes()[1:]


def test_new_events_follow_and_an_endpoint_that_came_later_gets_all(
    lake: Lake, receiver: Receiver, tmp_path: Path
) -> None:
    one(lake, endpoint(receiver))
    ledger_lake.night(lake, ledger_lake.settings(tmp_path), 2)
    file = WebhookSettings(name="file", kind="file", url=str(tmp_path / "out" / "events.jsonl"))
    both = run(lake, endpoint(receiver), file, number=2)
    size = Log.open(opening.folder(lake)).head.size
    assert [each.waiting for each in both] == [0, 0]
    assert indices(receiver) == list(range(size))
    lines = [json.loads(line) for line in Path(file.url).read_text("utf-8").splitlines()]
    assert [line["index"] for line in lines if "index" in line] == list(range(size))


def test_a_line_that_a_crash_cut_off_is_removed_before_more_is_appended(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"whole":1}\n{"index": 0, "ev')
    one(lake, WebhookSettings(name="file", kind="file", url=str(path)))
    first, second, *_ = path.read_text("utf-8").splitlines()
    assert json.loads(first) == {"whole": 1}
    assert json.loads(second)["index"] == 0


@pytest.mark.parametrize(
    "bad",
    [
        Answer(500),
        Answer(429, {"retry-after": "0"}),
        Answer(503, {"retry-after": "Mon, 02 Nov 2020 03:01:00 GMT"}),
        Answer(reset=True),
        Answer(hang_s=0.6),
        Answer(drip=True),
    ],
    ids=["500", "429", "503", "reset", "hang", "slow"],
)
def test_an_attempt_that_fails_is_repeated_under_the_same_id(
    lake: Lake, log: Log, receiver: Receiver, bad: Answer
) -> None:
    receiver.rule = lambda _: bad if len(receiver.posts) == 1 else Answer()
    start = time.monotonic()
    assert one(lake, endpoint(receiver, timeout_s=0.4)).is_well
    assert time.monotonic() - start < 5
    assert receiver.posts[1].headers["webhook-id"] == receiver.posts[2].headers["webhook-id"]
    assert sorted(set(indices(receiver))) == list(range(log.head.size))
    rows = lake.scan("deliveries").collect()
    assert (rows["attempts"] >= 2).any()  # on a busy machine a second attempt may come too late as well


@pytest.mark.parametrize("body", [Answer(200, body=b"\xff<garbage"), Answer(202), Answer(200, endless=True)])
def test_any_2xx_is_accepted_whatever_the_body_and_no_more_of_it_is_read_than_a_limit(
    lake: Lake, receiver: Receiver, body: Answer
) -> None:
    receiver.rule = lambda _: body if len(receiver.posts) == 0 else Answer()
    start = time.monotonic()
    assert one(lake, endpoint(receiver)).is_well
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(301, {"location": "http://169.254.169.254/latest"}), "never followed"),
        (Answer(401), "secret was not accepted"),
        (Answer(404), "nothing exists at this address"),
    ],
)
def test_what_only_a_person_can_mend_ends_the_delivery_at_once_and_nothing_is_lost(
    lake: Lake, log: Log, receiver: Receiver, answer: Answer, said: str
) -> None:
    receiver.rule = lambda _: answer
    standing = one(lake, endpoint(receiver))
    assert said in standing.error
    assert (len(receiver.posts), standing.waiting) == (1, log.head.size)
    receiver.rule = lambda _: Answer()
    assert one(lake, endpoint(receiver)).is_well


def test_an_endpoint_that_is_gone_is_left_alone_until_it_is_replayed_by_name(
    lake: Lake, log: Log, receiver: Receiver
) -> None:
    receiver.rule = lambda _: Answer(410)
    assert "gone" in one(lake, endpoint(receiver)).error
    receiver.rule = lambda _: Answer()
    assert "gone" in one(lake, endpoint(receiver)).error
    assert len(receiver.posts) == 1
    (standing,) = deliver.replay(lake, [endpoint(receiver)], "siem", run_id="3" * 64)
    assert standing.is_well
    assert indices(receiver) == list(range(log.head.size))


def test_a_long_retry_after_ends_the_delivery_and_is_kept_to_by_the_next(
    lake: Lake, receiver: Receiver
) -> None:
    receiver.rule = lambda _: Answer(429, {"retry-after": "7200"})
    assert "429" in one(lake, endpoint(receiver)).error
    receiver.rule = lambda _: Answer()
    assert one(lake, endpoint(receiver)).waiting
    assert len(receiver.posts) == 1
    elsewhere = replace(endpoint(receiver), url=f"{receiver.url}?new")
    assert one(lake, elsewhere).is_well


def test_a_refused_event_becomes_a_dead_letter_its_hash_goes_in_its_place_and_it_can_be_replayed(
    lake: Lake, log: Log, receiver: Receiver
) -> None:
    def rule(post: Post) -> Answer:
        return Answer(400 if post.json["data"].get("index") == 3 else 200)

    receiver.rule = rule
    standing = one(lake, endpoint(receiver))
    assert (standing.dead, standing.waiting) == (1, 0)
    assert not standing.is_well
    assert "--replay siem" in standing.sentence
    assert indices(receiver) == [index for index in range(log.head.size) if index != 3]
    assert [r["first"] for r in receiver.records if r["kind"] == "withheld"] == [3]

    receiver.rule = lambda _: Answer()
    with pytest.raises(InputError, match="neither an endpoint's name nor"):
        deliver.replay(lake, [endpoint(receiver)], "4", run_id="3" * 64)
    event_id = next(r["event_id"] for r in receiver.records if r["kind"] != "withheld")
    assert event_id
    (standing,) = deliver.replay(lake, [endpoint(receiver)], "3", run_id="3" * 64)
    assert standing.is_well
    assert indices(receiver)[-1] == 3
    rows = lake.scan("deliveries").collect()
    assert set(rows.filter(rows["leaf_index"] == 3)["status"]) >= {"dead", "delivered"}


def test_an_endpoint_that_refuses_everything_is_misconfigured_and_keeps_its_place(
    lake: Lake, log: Log, receiver: Receiver
) -> None:
    receiver.rule = lambda _: Answer(400)
    standing = one(lake, endpoint(receiver))
    assert 0 < standing.dead <= sending.REFUSED_IN_A_ROW
    assert standing.waiting == log.head.size - standing.dead
    assert standing.error == "it refuses the message (400), as it does others before it"


def test_a_batch_that_is_too_large_is_halved_until_it_fits(lake: Lake, log: Log, receiver: Receiver) -> None:
    receiver.rule = lambda post: Answer(413 if len(post.json) > 5 else 200)
    assert one(lake, endpoint(receiver, kind="cloudevents", batch_events=100)).is_well
    data = [event["data"] for post in receiver.accepted for event in post.json]
    assert [each["index"] for each in data if "index" in each] == list(range(log.head.size))


def test_a_dead_endpoint_costs_neither_the_others_nor_more_than_its_attempts(
    lake: Lake, receiver: Receiver
) -> None:
    nowhere = WebhookSettings(
        name="nowhere", kind="cloudevents", url="http://127.0.0.1:9/", allow_private=True, attempts=2
    )
    dead, well = run(lake, nowhere, endpoint(receiver))
    assert well.is_well
    assert dead.failures == 2
    assert "cannot be reached" in dead.error
    assert dead.oldest_waiting_at is not None
    assert [each.error for each in deliver.standings(lake, [nowhere])] == [dead.error]


def test_days_of_outage_resume_in_order(lake: Lake, receiver: Receiver, tmp_path: Path) -> None:
    receiver.rule = lambda _: Answer(503)
    for night in range(2, 5):
        ledger_lake.night(lake, ledger_lake.settings(tmp_path), night)
        assert run(lake, endpoint(receiver, attempts=1), number=night)[0].waiting
    receiver.rule = lambda _: Answer()
    assert one(lake, endpoint(receiver)).is_well
    assert indices(receiver) == list(range(Log.open(opening.folder(lake)).head.size))


def test_an_endpoint_that_took_nothing_for_long_is_late(lake: Lake, receiver: Receiver) -> None:
    receiver.rule = lambda _: Answer(503)
    waits = one(lake, endpoint(receiver, attempts=1, late_after_hours=8_760))
    assert not waits.is_late
    late = one(lake, endpoint(receiver, attempts=1, late_after_hours=0.000_001))
    assert late.is_late
    assert f"nothing was delivered for {late.silent_hours:,.0f} hours" in late.sentence
    receiver.rule = lambda _: Answer()
    well = one(lake, endpoint(receiver, late_after_hours=0.000_001))
    assert (well.is_late, well.silent_hours) == (False, 0.0)


class KilledError(BaseException):
    """What a killed process does not catch."""


def test_a_kill_between_post_and_cursor_costs_a_repeat_under_the_same_id_and_no_gap(
    lake: Lake, log: Log, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Outbox.of(lake, "siem")

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "save", killed)
        with pytest.raises(KilledError), box.held():
            Sender(endpoint(receiver), log, box, (SECRET,)).run()
    assert receiver.accepted
    assert one(lake, endpoint(receiver)).is_well
    ids = [post.headers["webhook-id"] for post in receiver.accepted]
    assert len(set(ids)) < len(ids)
    assert sorted(set(indices(receiver))) == list(range(log.head.size))
    rows = lake.scan("deliveries").collect()
    assert not rows.select("endpoint", "leaf_index", "message").is_duplicated().any()


def test_what_a_killed_process_noted_is_not_sent_again(
    lake: Lake, log: Log, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Outbox.of(lake, "siem")
    box.folder.mkdir(parents=True)
    accepted = Sender._accepted
    with monkeypatch.context() as patch:

        def killed(sender: Sender, *given: Any) -> None:
            accepted(sender, *given)
            if sender.sent == 4:
                patch.setattr(Outbox, "save", lambda *_: None)
                raise KilledError

        patch.setattr(sending, "NOTED_EVENTS", 1)
        patch.setattr(sending, "SAVE_S", 1e9)
        patch.setattr(Sender, "_accepted", killed)
        with pytest.raises(KilledError):
            Sender(endpoint(receiver), log, box, (SECRET,)).run()
    assert durable.read_json(box.folder / "cursor.json") is None
    assert deliver.standings(lake, [endpoint(receiver)])[0].acknowledged == 4
    assert one(lake, endpoint(receiver)).is_well
    assert indices(receiver) == list(range(log.head.size))


def test_a_journal_ahead_of_the_cursor_is_followed_as_far_as_it_goes_without_a_gap() -> None:
    def line(message: str, first: int, count: int, status: str = "delivered", **more: str) -> dict[str, Any]:
        facts = {"message": message, "first": first, "count": count, "status": status, "at": "then"}
        return {**facts, **more}

    old = Cursor(next=4, dead=(2,), failures=1, error="it answers 503")
    journal = [
        line("event", 0, 2),
        line("event", 2, 1, "dead"),
        line("withheld", 2, 1),
        line("event", 3, 3),
        line("checkpoint", 6, 0, root="ab"),
        line("event", 6, 1, "dead"),
        line("withheld", 6, 1),
        line("event", 9, 1),
    ]
    after = old.after(journal)
    assert (after.next, after.checkpoint, after.root, after.dead) == (7, 6, "ab", (2, 6))
    assert (after.failures, after.error, after.succeeded_at) == (0, "", "then")
    assert after.after(journal) == after
    assert after.after([*journal[:-1], line("event", 6, 1)]).dead == (2,)


def test_only_one_process_sends_to_an_endpoint(lake: Lake, receiver: Receiver) -> None:
    with Outbox.of(lake, "siem").held() as is_mine:
        assert is_mine
        assert one(lake, endpoint(receiver)).error == deliver.BUSY


def test_a_missing_or_short_secret_is_said_and_sends_nothing(
    lake: Lake, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAIMLEDGER_WEBHOOK_SIEM_SECRET", "whsec_c2hvcnQ=")
    error = one(lake, endpoint(receiver)).error
    assert error == "CLAIMLEDGER_WEBHOOK_SIEM_SECRET has 5 bytes, expected 24 to 64"
    monkeypatch.delenv("CLAIMLEDGER_WEBHOOK_SIEM_SECRET")
    assert "CLAIMLEDGER_WEBHOOK_SIEM_SECRET is not set" in one(lake, endpoint(receiver)).error
    assert not receiver.posts


def test_a_ledger_that_was_rewritten_after_it_was_delivered_is_told_and_nothing_more_is_sent(
    lake: Lake, receiver: Receiver, log: Log
) -> None:
    one(lake, endpoint(receiver))
    box = Outbox.of(lake, "siem")
    box.save(replace(box.cursor(), root="0" * 64))
    count = len(receiver.posts)
    assert "the history was rewritten" in one(lake, endpoint(receiver)).error
    box.save(replace(box.cursor(), root=log.head.root.hex(), next=log.head.size + 1))
    assert "restore it from a copy" in one(lake, endpoint(receiver)).error
    assert len(receiver.posts) == count


def test_a_damaged_cursor_is_told(lake: Lake, receiver: Receiver) -> None:
    one(lake, endpoint(receiver))
    (Outbox.of(lake, "siem").folder / "cursor.json").write_text("{")
    with pytest.raises(IntegrityError):
        Outbox.of(lake, "siem").cursor()
    assert "damaged" in one(lake, endpoint(receiver)).error


def test_a_lake_without_a_ledger_has_nothing_to_send(tmp_path: Path, receiver: Receiver) -> None:
    with pytest.raises(InputError, match="no ledger yet"):
        run(Lake.open(str(tmp_path / "empty")), endpoint(receiver))


def test_the_time_of_a_night_ends_a_delivery_and_the_next_goes_on(
    lake: Lake, log: Log, receiver: Receiver
) -> None:
    receiver.rule = lambda _: Answer(hang_s=0.05)
    (standing,) = deliver.deliver(lake, [endpoint(receiver, limit_s=0.2)], run_id="0" * 64, is_limited=True)
    assert 0 < standing.acknowledged < log.head.size
    assert not standing.error
    oldest = standing.oldest_waiting_at
    assert oldest is not None
    assert oldest < datetime.now(UTC) + timedelta(days=1)
    receiver.rule = lambda _: Answer()
    assert one(lake, endpoint(receiver)).is_well
    assert indices(receiver) == list(range(log.head.size))
